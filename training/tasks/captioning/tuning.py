"""Cross-entropy training of encoder and decoder together, from a checkpoint whose encoder was frozen.

The loop is `Stage.run`; a step here is some pictures, each encoded once, in a view of its own, and read
by all its captions. The encoder's first modules, which see edges and colours, stay as they are, and so do the
statistics of all its batch norms: the few pictures of a step would make poor ones.
"""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from model.tasks.captioning.captioner import Captioner
from model.vision.preprocessing import normalize
from training.data.pictures import open_picture
from training.length_buckets import LengthBuckets
from training.prefetch import load_batches
from training.recipe import RecipeError, TuningRecipe
from training.tasks.captioning.augmentation import augmented
from training.tasks.captioning.ensemble import read_pictures
from training.tasks.captioning.examples import captions_by_picture, collate
from training.tasks.captioning.teacherforcing import TeacherForcing
from training.tasks.captioning.warm_start import start_from


class Pictures(NamedTuple):
    """A batch, of which a process has its share in hand."""

    numbers: list[int]
    pixels: Tensor  # (B, 3, S, S), bytes


class EndToEnd(nn.Module):
    """Encoder and decoder as one network."""

    def __init__(self, captioner: Captioner) -> None:
        super().__init__()
        self.captioner = captioner

    def train(self, mode: bool = True) -> "EndToEnd":
        super().train(mode)
        self.captioner.encoder.eval()  # batch norm by its own statistics, which stay
        return self

    def forward(self, pixels: Tensor, tokens: Tensor, pictures: Tensor) -> tuple[Tensor, Tensor | None]:
        """Teacher forcing.

        Args:
            pixels: (B, 3, S, S).
            tokens: (N, T), `<bos>` first, longest first.
            pictures: (N,), of which of the pictures each caption is.

        Returns:
            Logits and attention weights, as `RecurrentDecoder.teacher_forcing` returns them.
        """
        decoder = self.captioner.decoder
        memory = decoder.encode_source(self.captioner.encoder(pixels))
        return decoder.teacher_forcing(memory.take(pictures), tokens)  # type: ignore[no-any-return]


class TuningTrainer(TeacherForcing[TuningRecipe, Pictures]):
    """A run of `recap-train tune`, fresh or resumed.

    Raises:
        CheckpointError: there is nothing to start from, or it makes no captions.
        DataError, RecipeError: what the recipe names is not there or does not fit.
        StateError: the run's folder holds another recipe's state, or a state and `resume` is False.
    """

    def __init__(self, recipe: TuningRecipe, *, resume: bool = False) -> None:
        super().__init__(recipe, resume=resume)
        training = recipe.training
        captioner = start_from(recipe.start, dropout=training.dropout, decoding=recipe.decoding, size=recipe.size)
        captioner.encoder.to(memory_format=torch.channels_last)  # a third faster on a CPU
        freeze_before(captioner.encoder, training.first)
        self.preprocessing = captioner.config.encoder.preprocessing
        self._take_captions(captioner.vocabulary)
        self.captions = captions_by_picture(self.examples, len(self.train))
        buckets = LengthBuckets(
            [1] * len(self.train), training.batch_size, training.seed, smallest=self.accelerator.num_processes
        )
        self._prepare(captioner, buckets, EndToEnd(captioner))

    def _groups(self) -> list[dict[str, Any]]:
        encoder, decoder = (
            [parameter for parameter in part.parameters() if parameter.requires_grad]
            for part in (self.captioner.encoder, self.captioner.decoder)
        )
        training = self.recipe.training
        return [
            {"params": encoder, "peak": training.encoder_learning_rate},
            {"params": decoder, "peak": training.learning_rate},
        ]

    def _share(self, batch: Sequence[int]) -> Sequence[int]:
        """Those pictures of a global batch that are this process's."""
        return batch[self.accelerator.process_index :: self.accelerator.num_processes]

    def _ready(self, batches: Sequence[list[int]]) -> Iterator[Pictures]:
        epoch = self.progress.epoch
        jobs = ([(picture, epoch) for picture in self._share(batch)] for batch in batches)
        return map(Pictures, batches, load_batches(self._load, jobs))

    def _load(self, job: tuple[int, int]) -> Tensor:
        """(3, S, S) bytes: a training picture, in its view of the epoch."""
        picture, epoch = job
        image = augmented(
            open_picture(self.train[picture].path),
            self.preprocessing,
            self.recipe.augmentation,
            np.random.default_rng((self.recipe.training.seed, epoch, picture)),
            mirrors=all(self.examples[number].mirrors for number in self.captions[picture]),
        )
        return torch.from_numpy(np.array(image)).movedim(-1, 0)

    def _dev_grids(self, captioner: Captioner) -> Iterator[Tensor]:
        return read_pictures(captioner, self.dev, 50)

    def _step(self, batch: Pictures) -> dict[str, float]:
        """One update from a global batch of pictures; the loss in nats a token."""
        device = self.accelerator.device
        self._begin_step()
        pictures = self._share(batch.numbers)
        share = [(number, place) for place, picture in enumerate(pictures) for number in self.captions[picture]]
        share.sort(key=lambda caption: len(self.examples[caption[0]].tokens), reverse=True)
        numbers, places = zip(*share, strict=True)
        tokens, targets = (part.to(device) for part in collate([self.examples[number] for number in numbers]))
        pixels = normalize(batch.pixels.to(device, memory_format=torch.channels_last), self.preprocessing)
        logits, attention = self.network(pixels, tokens, torch.tensor(places, device=device))
        everyones = [number for picture in batch.numbers for number in self.captions[picture]]
        return self._learn(logits, attention, targets, numbers, everyones)


def freeze_before(encoder: nn.Module, first: str) -> None:
    """Turns off the gradients of the parameters that come before those of the module `first`.

    Nothing is kept of the frozen part for a backward pass, which ends where it begins.

    Raises:
        RecipeError: the encoder has no such module, or none that has parameters.
    """
    tuned = False
    for name, parameter in encoder.named_parameters():
        tuned = tuned or name.startswith(f"{first}.")
        parameter.requires_grad_(tuned)
    if not tuned:
        names = (name.split(".") for name, _ in encoder.named_parameters())
        modules = dict.fromkeys(".".join(parts[: min(2, len(parts) - 1)]) for parts in names)
        raise RecipeError(f"training.first: the encoder has no module {first!r}; there are {', '.join(modules)}")
