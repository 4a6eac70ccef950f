"""Cross-entropy training of a translator on pairs of sentences.

An update is a batch of pairs of like length, by teacher forcing. The loop around it is `training.trainer.Trainer.run`.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from model.subwords import Subwords
from model.tasks.translation.languages import Languages
from model.tasks.translation.translator import Translator
from model.vocabulary import BOS, EOS, PAD, Vocabulary, tokenize
from training.data.base import DataError
from training.length_buckets import LengthBuckets
from training.tasks.translation.losses import translation_loss
from training.tasks.translation.noise import SubwordDropout, common_names, with_invented
from training.tasks.translation.reader import read_pairs
from training.tasks.translation.recipe import ParallelTextRecipe
from training.tasks.translation.score import DevScore
from training.trainer import Backward, Objective, Validation


class ParallelText(Objective[Translator]):
    """Sentences and their translations to a network that predicts the pieces of these; raises what `Trainer` does."""

    def __init__(self, recipe: ParallelTextRecipe, accelerator: Accelerator) -> None:
        training, config = recipe.training, recipe.model
        self.recipe, self.accelerator = recipe, accelerator
        languages = config.source, config.target
        pairs = read_pairs(recipe.data.path, "train", *languages)
        self.dev = DevScore(read_pairs(recipe.data.path, "dev", *languages))
        try:
            subwords = Subwords.learn([*pairs.sources, *pairs.targets], recipe.subwords.size)
        except ValueError as error:
            raise DataError(f"{recipe.data.path}: {error}; lower subwords.size") from error
        sides = [[subwords.encode(sentence) for sentence in side] for side in (pairs.sources, pairs.targets)]
        short = [
            number
            for number, both in enumerate(zip(*sides, strict=True))
            if max(map(len, both)) <= recipe.data.max_length
        ]
        if not short:
            longest = f"data.max_length={recipe.data.max_length}"
            raise DataError(f"{recipe.data.path}: every training pair is longer than {longest}; raise it")
        self.pairs = [(pairs.sources[number], pairs.targets[number]) for number in short]
        self.encoded = [(sides[0][number], sides[1][number]) for number in short]
        self.names = [common_names(*pair) for pair in self.pairs]
        words = Vocabulary.build(tokenize(sentence) for sentence in pairs.sources)
        torch.manual_seed(training.seed)
        self.model = Translator(config, subwords, words, Languages.learn(languages, sides[0], sides[1], len(subwords)))
        self.network = self.model.network
        self.dropout = SubwordDropout(subwords, recipe.subwords.dropout)
        lengths = [len(target) for _, target in self.encoded]
        self.buckets = LengthBuckets(lengths, training.batch_size, training.seed, smallest=accelerator.num_processes)
        self.updates_per_epoch = len(self.buckets)

    def groups(self) -> list[dict[str, Any]]:
        # Fused, AdamW takes a fifth of the time on a few, large tensors.
        return [{"params": list(self.network.parameters()), "peak": self.recipe.training.learning_rate, "fused": True}]

    def updates(self, epoch: int, done: int, network: nn.Module, backward: Backward) -> Iterator[dict[str, float]]:
        accelerator, training = self.accelerator, self.recipe.training
        for batch in self.buckets.batches(epoch)[done:]:
            sources, inputs, targets = self.collated(batch[accelerator.process_index :: accelerator.num_processes])
            written = network(sources, inputs)
            total = translation_loss(written, sources, targets, training.label_smoothing)
            # The mean over the pieces of all processes, whose gradients are averaged.
            pieces = accelerator.reduce((targets != PAD).sum().float(), "mean")
            loss = total / pieces
            backward(loss)
            yield {"loss": float(accelerator.reduce(loss.detach(), "mean"))}

    def collated(self, share: Sequence[int]) -> tuple[Tensor, Tensor, Tensor]:
        """Sources (N, P), and inputs `<bos> w1 .. wT` and targets `w1 .. wT <eos>` (N, T + 1), padded."""
        sides: tuple[list[Tensor], ...] = ([], [], [])
        invents = torch.rand(len(share)).tolist()
        for number, chance in zip(share, invents, strict=True):
            source, target = self.encoded[number]
            if self.names[number] and chance < self.recipe.training.invented:
                name = self.names[number][int(torch.randint(len(self.names[number]), ()))]
                source, target = map(self.model.subwords.encode, with_invented(*self.pairs[number], name))
            source, target = self.dropout(source), self.dropout(target)
            for side, row in zip(sides, ([*source, EOS], [BOS, *target], [*target, EOS]), strict=True):
                side.append(torch.tensor(row))
        device = self.accelerator.device
        padded = [pad_sequence(side, batch_first=True, padding_value=PAD).to(device) for side in sides]
        return padded[0], padded[1], padded[2]

    def validate(self, model: Translator) -> Validation:
        return self.dev(model)
