"""Captions of the training pictures as sequences of numbers."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from model.vocabulary import BOS, EOS, PAD, Vocabulary, tokenize
from training.tasks.captioning.readers import CaptionedImage

MIRRORED_WORDS = {"left": "right", "right": "left"}
"""Words that are wrong of the picture's mirror image, and the right ones."""


@dataclass(frozen=True)
class Example:
    """One caption of one training picture."""

    picture: int
    tokens: tuple[int, ...]
    mirrors: bool
    """Whether the caption holds for the mirror image too."""


def caption_vocabulary(images: Sequence[CaptionedImage], min_count: int) -> Vocabulary:
    """The words that occur at least `min_count` times in the captions."""
    return Vocabulary.build((tokenize(caption) for image in images for caption in image.captions), min_count)


def caption_examples(images: Sequence[CaptionedImage], vocabulary: Vocabulary, max_length: int) -> list[Example]:
    """Every caption of every picture, cut to `max_length` words."""
    return [
        Example(number, tuple(vocabulary.encode(words[:max_length])), not MIRRORED_WORDS.keys() & set(words))
        for number, image in enumerate(images)
        for words in map(tokenize, image.captions)
    ]


def captions_by_picture(examples: Sequence[Example], pictures: int) -> list[list[int]]:
    """The numbers of each picture's examples."""
    numbers: list[list[int]] = [[] for _ in range(pictures)]
    for number, example in enumerate(examples):
        numbers[example.picture].append(number)
    return numbers


def collate(examples: Sequence[Example]) -> tuple[Tensor, Tensor]:
    """Inputs `<bos> w1 .. wT` and targets `w1 .. wT <eos>`, both (B, T + 1), padded."""
    rows = [torch.tensor([BOS, *example.tokens, EOS]) for example in examples]
    padded = pad_sequence(rows, batch_first=True, padding_value=PAD)  # (B, T + 2)
    inputs = padded[:, :-1]
    return inputs.masked_fill(inputs == EOS, PAD), padded[:, 1:]
