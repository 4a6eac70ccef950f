"""Self-critical training: a captioner learns from the reward of captions that it draws itself.

    gradient = -(r(w) - b) grad log p(w),  w ~ p

with the reward r of `reward.py`, and as baseline b the reward of greedy decoding (SCST: Rennie et al.,
"Self-critical sequence training for image captioning", 2017) or the mean reward of the picture's other samples (NSC:
Luo, "A better variant of self-critical sequence training", 2020). The loop is `training.trainer.Stage.run`.
"""

from collections.abc import Hashable, Sequence

import numpy as np
import torch
from torch import Tensor

from model.decoding.constraints import Specials
from model.decoding.decode import decode
from model.decoding.search import Search
from model.vocabulary import EOS, PAD
from training.length_buckets import LengthBuckets
from training.recipe import SelfCriticalRecipe
from training.tasks.captioning.examples import MIRRORED_WORDS
from training.tasks.captioning.frozen import FrozenStage
from training.tasks.captioning.reward import Reward
from training.tasks.captioning.sampled_captions import Policy
from training.tasks.captioning.warm_start import start_from
from training.tasks.captioning.wording import wording


class SelfCriticalTrainer(FrozenStage[SelfCriticalRecipe]):
    """A run of `recap-train selfcritical`, fresh or resumed.

    Raises:
        CheckpointError: there is nothing to start from, or it makes no captions.
        DataError: what the recipe names is not there or does not fit.
        StateError: the run's folder holds another recipe's state, or a state and `resume` is False.
    """

    def __init__(self, recipe: SelfCriticalRecipe, *, resume: bool = False) -> None:
        super().__init__(recipe, resume=resume)
        training = recipe.training
        captioner = start_from(recipe.start, dropout=training.dropout, decoding=recipe.decoding)
        vocabulary = captioner.vocabulary
        self.length = captioner.config.decoding.max_length
        self.reward = Reward(self.train, vocabulary, bleu_weight=training.bleu_weight, end_token=training.end_token)
        swapped = {word: vocabulary.encode([word])[0] for word in MIRRORED_WORDS if word in vocabulary}
        self.mirrored: dict[int, Hashable] = {
            number: swapped.get(MIRRORED_WORDS[word], MIRRORED_WORDS[word]) for word, number in swapped.items()
        }
        buckets = LengthBuckets(
            [1] * len(self.train), training.batch_size, training.seed, smallest=self.accelerator.num_processes
        )
        self._prepare(captioner, buckets, Policy(captioner.decoder, training.temperature))

    def _step(self, batch: Sequence[int]) -> dict[str, float]:
        """One update from the captions drawn for a global batch of pictures.

        Returns:
            Means over the batch: the reward, the baseline, how far the two are apart, how many of a picture's captions
            differ, how many were cut before their end, and how they are worded.
        """
        training, processes = self.recipe.training, self.accelerator.num_processes
        self._begin_step()
        # Drawn for the whole batch, so that a picture's captions do not depend on how many processes share it.
        chance = np.random.default_rng((training.seed, self.progress.step))
        views = chance.integers(self.recipe.features.views, size=len(batch))
        uniform = chance.random((len(batch), training.samples, self.length), dtype=np.float32)  # (B, K, T)
        share = slice(self.accelerator.process_index, None, processes)
        pictures, views = batch[share], views[share].tolist()
        grid = self.train_features.read(pictures, views).to(self.accelerator.device).float()  # (B, P, E)
        tokens, logprobs = self.network(grid, torch.from_numpy(uniform[share]).to(grid.device))
        captions = words_said(tokens)
        rewards = self._rewards(pictures, views, captions)  # (B, K)
        if training.baseline == "greedy":
            baseline = self._rewards(pictures, views, words_said(self._greedy(grid)))  # (B, 1)
        else:
            baseline = leave_one_out(rewards)
        advantage = (rewards - baseline).to(grid.device)  # (B, K)
        # The mean over the global batch: gradients are averaged over the processes, so each counts `processes` times.
        self._update(-(advantage * logprobs).sum() * processes / (len(batch) * training.samples))
        figures = {
            "reward": float(rewards.mean()),
            "baseline": float(baseline.mean()),
            "advantage": float(advantage.abs().mean()),
            "different": sum(len({tuple(caption) for caption in group}) for group in captions) / rewards.numel(),
            "cut": sum(EOS not in caption for group in captions for caption in group) / rewards.numel(),
            **wording([self.captioner.vocabulary.decode(caption) for group in captions for caption in group]),
        }
        sums = torch.tensor(list(figures.values()), device=grid.device) * len(pictures)
        means = self.accelerator.reduce(sums, "sum") / len(batch)
        return dict(zip(figures, means.tolist(), strict=True))

    def _rewards(
        self, pictures: Sequence[int], views: Sequence[int], captions: Sequence[Sequence[list[int]]]
    ) -> Tensor:
        """(B, K), of each picture's captions; what is said of a mirrored view is scored as said of the picture."""
        return torch.tensor(
            [
                self.reward(
                    picture,
                    [[self.mirrored.get(token, token) for token in caption] for caption in group]
                    if view % 2
                    else group,
                )
                for picture, view, group in zip(pictures, views, captions, strict=True)
            ]
        )

    @torch.no_grad()
    def _greedy(self, grid: Tensor) -> Tensor:
        """Tokens (B, 1, T) of greedy decoding, without dropout, as when captions are wanted."""
        decoder = self.captioner.decoder.eval()
        search = Search(method="greedy", max_length=self.length)
        with self.accelerator.autocast():
            memory = decoder.encode_source(grid)
            state = decoder.initial_state(memory)
            return decode(decoder.step, state, memory, search, [Specials()]).tokens


def leave_one_out(rewards: Tensor) -> Tensor:
    """(B, K), the mean of each picture's other rewards."""
    return (rewards.sum(1, keepdim=True) - rewards) / (rewards.shape[1] - 1)


def words_said(tokens: Tensor) -> list[list[list[int]]]:
    """Captions (B, K, T) without their padding, the end token last where they have one."""
    return [[[number for number in caption if number != PAD] for caption in group] for group in tokens.tolist()]
