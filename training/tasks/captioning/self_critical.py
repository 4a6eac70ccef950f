"""Self-critical training: a captioner learns from the reward of captions that it draws itself.

    gradient = -(r(w) - b) grad log p(w),  w ~ p

with the reward r of `reward.py`, and as baseline b the reward of greedy decoding (SCST: Rennie et al.,
"Self-critical sequence training for image captioning", 2017) or the mean reward of the picture's other samples (NSC:
Luo, "A better variant of self-critical sequence training", 2020). The loop around an update is
`training.trainer.Trainer.run`.
"""

from collections.abc import Hashable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from torch import Tensor, nn

from model.decoding.constraints import Specials
from model.decoding.decode import decode
from model.decoding.search import Search
from model.tasks.captioning.captioner import Captioner
from model.tasks.captioning.decoder import Seen
from model.vocabulary import EOS, PAD
from training.length_buckets import LengthBuckets
from training.tasks.captioning.examples import MIRRORED_WORDS
from training.tasks.captioning.pictures import Pictures, PicturesScore, tags_in_training
from training.tasks.captioning.recipe import SelfCriticalRecipe
from training.tasks.captioning.reward import Reward
from training.tasks.captioning.sampled_captions import Policy
from training.tasks.captioning.warm_start import start_from
from training.tasks.captioning.wording import wording
from training.trainer import Backward, Objective, Validation


class SelfCritical(Objective[Captioner]):
    """Pictures to a decoder that draws captions and learns from their reward; raises what `Trainer` does."""

    def __init__(self, recipe: SelfCriticalRecipe, accelerator: Accelerator) -> None:
        training = recipe.training
        self.recipe, self.accelerator, self.share = recipe, accelerator, training.share
        self.model = start_from(recipe.start, dropout=training.dropout, decoding=recipe.decoding)
        self.pictures = Pictures(self.model, recipe.features, (recipe.data.path, *recipe.more), accelerator)
        pictures = self.pictures.images
        self.dev = PicturesScore(self.pictures)
        self.seen: Seen | None = None
        if self.model.decoder.reads_tags:
            paths = (recipe.data.path, *recipe.more)
            found, _ = tags_in_training(self.model, recipe.features, paths, accelerator)
            self.seen = self.model.tag_words(found, self.model.config.decoder.tags)
        self.network = Policy(self.model.decoder, training.temperature)
        vocabulary = self.model.vocabulary
        self.length = self.model.config.decoding.max_length
        self.reward = Reward(pictures, vocabulary, bleu_weight=training.bleu_weight, end_token=training.end_token)
        swapped = {word: vocabulary.encode([word])[0] for word in MIRRORED_WORDS if word in vocabulary}
        self.mirrored: dict[int, Hashable] = {
            number: swapped.get(MIRRORED_WORDS[word], MIRRORED_WORDS[word]) for word, number in swapped.items()
        }
        self.model.encoder.requires_grad_(False)
        if self.model.tagger:
            self.model.tagger.requires_grad_(False)
        lengths = [1] * len(pictures)
        self.buckets = LengthBuckets(lengths, training.batch_size, training.seed, smallest=accelerator.num_processes)
        self.updates_per_epoch = len(self.buckets)

    def groups(self) -> list[dict[str, Any]]:
        return [{"params": list(self.model.decoder.parameters()), "peak": self.recipe.training.learning_rate}]

    def updates(self, epoch: int, done: int, network: nn.Module, backward: Backward) -> Iterator[dict[str, float]]:
        """See `Objective.updates`.

        Yields:
            Means over the batch: the reward, the baseline, how far the two are apart, how many of a picture's captions
            differ, how many were cut before their end, and how they are worded.
        """
        training, processes = self.recipe.training, self.accelerator.num_processes
        for number, batch in enumerate(self.buckets.batches(epoch)[done:], start=epoch * len(self.buckets) + done):
            # Drawn for the whole batch, so that a picture's captions don't depend on how many processes share it.
            chance = np.random.default_rng((training.seed, number))
            views = chance.integers(self.recipe.features.views, size=len(batch))
            uniform = chance.random((len(batch), training.samples, self.length), dtype=np.float32)  # (B, K, T)
            share = slice(self.accelerator.process_index, None, processes)
            pictures, seen_as = batch[share], views[share].tolist()
            grid = self.pictures.grids(pictures, seen_as).to(self.accelerator.device).float()  # (B, P, E)
            seen = self.seen and self.seen.take(pictures).to(grid.device)
            tokens, logprobs = network(grid, torch.from_numpy(uniform[share]).to(grid.device), seen)
            captions = words_said(tokens)
            rewards = self.rewards(pictures, seen_as, captions)  # (B, K)
            if training.baseline == "greedy":
                baseline = self.rewards(pictures, seen_as, words_said(self._greedy(grid, seen)))  # (B, 1)
            else:
                baseline = leave_one_out(rewards)  # (B, K)
            advantage = (rewards - baseline).to(grid.device)  # (B, K)
            # The mean over the global batch: gradients are averaged over processes, so each counts `processes` times.
            backward(-(advantage * logprobs).sum() * processes / (len(batch) * training.samples))
            figures = {
                "reward": float(rewards.mean()),
                "baseline": float(baseline.mean()),
                "advantage": float(advantage.abs().mean()),
                "different": sum(len({tuple(caption) for caption in group}) for group in captions) / rewards.numel(),
                "cut": sum(EOS not in caption for group in captions for caption in group) / rewards.numel(),
                **wording([self.model.vocabulary.decode(caption) for group in captions for caption in group]),
            }
            sums = torch.tensor(list(figures.values()), device=grid.device) * len(pictures)
            means = self.accelerator.reduce(sums, "sum") / len(batch)
            yield dict(zip(figures, means.tolist(), strict=True))

    def validate(self, model: Captioner) -> Validation:
        return self.dev(model)

    def rewards(self, pictures: Sequence[int], views: Sequence[int], captions: Sequence[Sequence[list[int]]]) -> Tensor:
        """(B, K), the rewards of each picture's captions; those of a mirrored view are mirrored first."""
        rows = []
        for picture, view, group in zip(pictures, views, captions, strict=True):
            mirrored = [[self.mirrored.get(token, token) for token in caption] for caption in group]
            rows.append(self.reward(picture, mirrored if view % 2 else group))
        return torch.tensor(rows)

    @torch.no_grad()
    def _greedy(self, grid: Tensor, seen: Seen | None) -> Tensor:
        """Tokens (B, 1, T) of greedy decoding, without dropout, as when captions are wanted."""
        decoder = self.model.decoder.eval()
        search = Search(method="greedy", max_length=self.length)
        with self.accelerator.autocast():
            memory = decoder.encode_source(grid, seen)
            return decode(decoder.step, decoder.initial_state(memory), memory, search, [Specials()]).tokens


def leave_one_out(rewards: Tensor) -> Tensor:
    """(B, K), the mean of each picture's other rewards."""
    return (rewards.sum(1, keepdim=True) - rewards) / (rewards.shape[1] - 1)


def words_said(tokens: Tensor) -> list[list[list[int]]]:
    """Captions (B, K, T) without their padding, the end token last where they have one."""
    return [[[number for number in caption if number != PAD] for caption in group] for group in tokens.tolist()]
