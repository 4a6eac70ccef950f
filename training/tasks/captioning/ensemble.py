"""Several captioners as one: their probabilities are averaged, word by word."""

import math
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from torch import Tensor

from model.cells import State
from model.checkpoint import CheckpointError
from model.decoding.search import Step
from model.tasks.captioning.captioner import Caption, Captioner
from model.tasks.captioning.config import DecodingConfig
from model.tasks.captioning.decoder import GridMemory
from model.vision.preprocessing import useful_side
from training.data.pictures import open_picture
from training.prefetch import in_batches, load_batches
from training.tasks.captioning.readers import CaptionedImage
from training.tasks.captioning.warm_start import open_captioner


def read_pictures(captioner: Captioner, images: Sequence[CaptionedImage], batch_size: int) -> Iterator[Tensor]:
    """Encodes pictures in their order, in batches: (B, P, E) each.

    Raises:
        DataError: a picture is missing or broken: `check_pictures` names them all beforehand.
    """
    enough = useful_side(captioner.config.encoder.preprocessing)

    def load(image: CaptionedImage) -> Tensor:
        return captioner.preprocess(open_picture(image.path, enough))

    return map(captioner.encode, load_batches(load, in_batches(images, batch_size)))


class Memories(tuple[GridMemory, ...]):
    """The memory of each member, in their order."""

    def take(self, sources: Tensor) -> "Memories":
        """The memories of some of the pictures, by their numbers."""
        return Memories(memory.take(sources) for memory in self)


class Ensemble:
    """Captioners with the same words, in evaluation mode; their encoders and decoders may differ."""

    def __init__(self, members: Sequence[Captioner]) -> None:
        self.members = members

    @classmethod
    def open(cls, checkpoints: Sequence[Path], device: torch.device | str = "cpu") -> "Ensemble":
        """The captioners of checkpoints.

        Raises:
            CheckpointError: one is missing or damaged, no captioner, or has other words than the first.
        """
        members = [open_captioner(path).to(device) for path in checkpoints]
        for path, member in zip(checkpoints, members, strict=True):
            if member.vocabulary != members[0].vocabulary:
                raise CheckpointError(f"{path}: has other words than {checkpoints[0]}; train it on the same captions")
        return cls(members)

    def read(self, images: Sequence[CaptionedImage], batch_size: int) -> Iterator[tuple[Tensor, ...]]:
        """The members' `read_pictures` side by side: for each, (B, P, E)."""
        return zip(*(read_pictures(member, images, batch_size) for member in self.members), strict=True)

    @torch.inference_mode()
    def probabilities(self, grids: Sequence[Tensor], tokens: Tensor, pictures: Tensor, temperature: float) -> Tensor:
        """(N, T, V): mean probabilities of the token after each, by teacher forcing.

        Args:
            grids: for each member, (B, P, E).
            tokens: (N, T), `<bos>` first.
            pictures: (N,), the picture of each caption.
            temperature: divides the logits.
        """
        shares = []
        for member, grid in zip(self.members, grids, strict=True):
            logits, _ = member.decoder.teacher_forcing(member.encode_source(grid).take(pictures), tokens)
            shares.append((logits.float() / temperature).softmax(2))
        return torch.stack(shares).mean(0)

    @torch.inference_mode()
    def captions(self, grids: Sequence[Tensor], decoding: DecodingConfig) -> list[Caption]:
        """The best caption of each picture, from each member's grids; the first's calibration and tags hold for all."""
        if len(self.members) == 1:
            return [found[0] for found in self.members[0].generate(grids[0], decoding)]
        decoders = [member.decoder for member in self.members]
        memories = Memories(member.encode_source(grid) for member, grid in zip(self.members, grids, strict=True))
        rows = decoding.search.rows_per_source
        starts = [decoder.initial_state(memory, rows) for decoder, memory in zip(decoders, memories, strict=True)]

        def step(tokens: Tensor, state: State, memories: Memories) -> Step:
            """Goes one word further. The members' states follow one another."""
            logprobs: list[Tensor] = []
            after: list[Tensor] = []
            for decoder, memory, start in zip(decoders, memories, starts, strict=True):
                logits, own, _ = decoder.step(tokens, state[len(after) : len(after) + len(start)], memory)
                logprobs.append(logits.float().log_softmax(1))
                after += own
            return Step(torch.stack(logprobs).logsumexp(0) - math.log(len(logprobs)), tuple(after), None)

        state = tuple(part for start in starts for part in start)
        first = self.members[0]
        tags = first.tagger(grids[0]) if first.tagger else None
        return [best[0] for best in first.search(step, state, memories, decoding, tags)]
