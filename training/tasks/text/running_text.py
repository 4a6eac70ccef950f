"""Truncated backpropagation through time on running text.

An epoch cuts the training text into N streams that are read side by side, with the state carried along; every k1 tokens
there is an update. The loop around it is `training.trainer.Trainer.run`.
"""

import textwrap
from collections.abc import Iterator
from typing import Any

import torch
import torch.nn.functional as F
from accelerate import Accelerator
from torch import Tensor, nn

from model.cells import State
from model.tasks.text.language import LanguageModel
from model.vocabulary import Vocabulary, pieces
from training.data.base import DataError
from training.data.text import read_text, split_text
from training.tasks.text.bptt import truncated_bptt
from training.tasks.text.recipe import RunningTextRecipe
from training.tasks.text.score import sample, score_text
from training.trainer import Backward, Objective, Validation


class RunningText(Objective[LanguageModel]):
    """A text to a language model that predicts each token from all before it; raises what `Trainer` does."""

    def __init__(self, recipe: RunningTextRecipe, accelerator: Accelerator) -> None:
        training = recipe.training
        self.recipe, self.accelerator = recipe, accelerator
        data = recipe.data
        self.text = split_text(read_text(data.path, data.pattern), dev=data.dev, test=data.test)
        units = pieces(self.text.train, recipe.model.unit)
        vocabulary = Vocabulary.build([units], data.min_count)
        self.tokens = torch.tensor(vocabulary.encode(units))  # (M,)
        if len(self.tokens) <= training.batch_size * training.k1:
            raise DataError(
                f"{data.path}: {len(self.tokens)} tokens to train on are too few for {training.batch_size} "
                f"streams of {training.k1}; lower training.batch_size or training.k1"
            )
        if training.batch_size % accelerator.num_processes:
            raise DataError(
                f"training.batch_size={training.batch_size} streams can't be shared evenly among "
                f"{accelerator.num_processes} processes"
            )
        torch.manual_seed(training.seed)
        self.model = self.network = LanguageModel(recipe.model, vocabulary)
        if training.initialization == "orthogonal":
            self.model.initialize()
        self.updates_per_epoch = -(-((len(self.tokens) - 1) // training.batch_size) // training.k1)
        self.start = 0
        self.before: State = ()
        """The state of this process's streams at token `start`, where the next update's gradient ends."""

    def groups(self) -> list[dict[str, Any]]:
        # Fused, AdamW takes a fifth of the time on a language model's few, large tensors.
        return [{"params": list(self.model.parameters()), "peak": self.recipe.training.learning_rate, "fused": True}]

    def updates(self, epoch: int, done: int, network: nn.Module, backward: Backward) -> Iterator[dict[str, float]]:
        training = self.recipe.training
        inputs, targets = streams(self.tokens, training.batch_size, seed=training.seed, epoch=epoch)  # (N, T)
        if not done:
            self.start, self.before = 0, ()
        first, end = self.start, min(done * training.k1, inputs.shape[1])
        if end == inputs.shape[1]:  # resumed between the last update and the validation
            return
        chunks = truncated_bptt(
            network,
            mean_nats,
            self._share(inputs)[:, first:].to(self.accelerator.device),
            self._share(targets)[:, first:].to(self.accelerator.device),
            self.before or None,
            k1=training.k1,
            k2=training.k2,
            done=end - first,
            backward=backward,
        )
        for chunk in chunks:
            self.start, self.before = first + chunk.start, chunk.before
            yield {"nats": float(self.accelerator.reduce(chunk.loss, "mean"))}

    def validate(self, model: LanguageModel) -> Validation:
        mixed = self.recipe.training.precision == "bf16"
        score = score_text(model, self.text.dev, before=self.text.train[-20_000:], mixed=mixed)
        log: dict[str, float | str] = {}
        if tokens := self.recipe.training.sample_tokens:
            log["sample"] = textwrap.indent(sample(model.eval(), tokens), "    ")
        return Validation(score.figures("dev"), log)

    def state(self) -> dict[str, Tensor]:
        parts = [self.accelerator.gather(part.transpose(0, 1).contiguous()) for part in self.before]  # (N, L, H)
        return {"start": torch.tensor(self.start), **{str(place): part for place, part in enumerate(parts)}}

    def restore(self, tensors: dict[str, Tensor]) -> None:
        self.start = int(tensors["start"])
        parts = (tensors[str(place)] for place in range(len(tensors) - 1))
        device = self.accelerator.device
        self.before = tuple(self._share(part).transpose(0, 1).contiguous().to(device) for part in parts)

    def _share(self, rows: Tensor) -> Tensor:
        """The streams of this process, of (N, ...)."""
        size = len(rows) // self.accelerator.num_processes
        return rows[self.accelerator.process_index * size :][:size]


def streams(tokens: Tensor, number: int, *, seed: int, epoch: int) -> tuple[Tensor, Tensor]:
    """An epoch's inputs and targets, each (N, T): contiguous pieces of the text and the same one token on.

    The text is turned like a ring by a random amount, so that each epoch cuts it at other places.
    """
    turn = int(torch.randint(len(tokens), (), generator=torch.Generator().manual_seed(seed * 1_000_003 + epoch)))
    turned = tokens.roll(turn)
    length = (len(tokens) - 1) // number
    inputs = turned[: number * length].view(number, length)
    return inputs, turned[1 : number * length + 1].view(number, length)


def mean_nats(logits: Tensor, targets: Tensor) -> Tensor:
    """Mean cross-entropy of logits (N, t, V) and targets (N, t)."""
    return F.cross_entropy(logits.float().flatten(0, 1), targets.flatten())
