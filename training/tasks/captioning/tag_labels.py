"""Labels of things in pictures: nouns of their captions, objects, and what a classifier sees.

A caption tells some of what is there, and objects are labels of a few nouns. A label that nobody gave is unknown, so
that it teaches nothing, where there is a reason to doubt: a narrower noun of one that is there, a thing that the
classifier sees, any noun that no labels of objects have in a picture without captions.
"""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from model.vocabulary import tokenize
from training.data.base import DataError
from training.tasks.captioning.nouns import Nouns

OBJECTS = {
    "aeroplane": "airplane",
    "baseball glove": "mitt",
    "diningtable": "table",
    "motorbike": "motorcycle",
    "pottedplant": "plant",
    "skis": "ski",
    "sports ball": "ball",
    "tvmonitor": "tv",
    "wine glass": "wineglass",
}
"""Labels of COCO's objects that are no nouns of ours, and the nouns."""
WEIGHT = 0.5
"""Weight of a label that a detector gave, or did not give."""


class Labels(NamedTuple):
    """Labels of pictures."""

    targets: Tensor
    """(N, V), 1 for nouns of what is there, 0 for others."""
    weights: Tensor
    """(N, V), how much each teaches; 0 where it is unknown."""

    def cat(self, other: "Labels") -> "Labels":
        """The labels of both."""
        return Labels(*(torch.cat(pair) for pair in zip(self, other, strict=True)))


def caption_targets(nouns: Nouns, captions: Sequence[Sequence[str]]) -> Tensor:
    """(N, V), 1 for the nouns that a picture's captions have, and for those that these are kinds of."""
    targets = torch.zeros(len(captions), len(nouns))
    for row, sentences in zip(targets, captions, strict=True):
        for sentence in sentences:
            for number in nouns.mentioned(tokenize(sentence)):
                row[[number, *nouns.broader[number]]] = 1
    return targets


def caption_labels(nouns: Nouns, targets: Tensor, shown: Tensor, doubt: float) -> Labels:
    """The labels of pictures with captions.

    Args:
        nouns: what the columns are.
        targets: (N, V) of `caption_targets`.
        shown: (N, V), probability that a classifier sees each.
        doubt: from this probability on, a noun that no caption has is unknown.
    """
    weights = ((targets == 1) | (shown < doubt)).float()
    for number, broader in enumerate(nouns.broader):
        if broader:  # an unnamed breed of a dog, of which captions speak
            unknown = (targets[:, list(broader)].amax(1) == 1) & (targets[:, number] == 0)  # (N,)
            weights[unknown, number] = 0
    return Labels(targets, weights)


def read_objects(path: Path) -> dict[str, dict[str, float]]:
    """The objects in pictures, with their scores, by the pictures' names.

    Args:
        path: a table with the columns `image` and `tags`, which has `noun:score` with spaces between them.

    Raises:
        DataError: the file is missing or malformed.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        pairs = {row["image"]: [tag.rsplit(":", 1) for tag in row["tags"].split()] for row in rows}
        return {image: {name.replace("_", " "): float(score) for name, score in tags} for image, tags in pairs.items()}
    except FileNotFoundError:
        raise DataError(f"{path}: no such file") from None
    except (OSError, KeyError, ValueError, AttributeError) as error:
        raise DataError(f"{path}: not a table of image,tags with noun:score ...: {error}") from error


def object_labels(nouns: Nouns, objects: Sequence[Mapping[str, float]]) -> Labels:
    """The labels of pictures of which objects alone are known; nouns that none of them has are unknown.

    Raises:
        DataError: an object is none of the nouns.
    """
    numbers: dict[str, int] = {}
    for name in dict.fromkeys(name for found in objects for name in found):
        number = nouns.number(OBJECTS.get(name, name))
        if number is None:
            raise DataError(f"no noun for the object {name!r}")
        numbers[name] = number
    targets, weights = torch.zeros(len(objects), len(nouns)), torch.zeros(len(objects), len(nouns))
    weights[:, list(numbers.values())] = WEIGHT
    for row, weight, found in zip(targets, weights, objects, strict=True):
        for name in found:
            there = [numbers[name], *nouns.broader[numbers[name]]]
            row[there], weight[there] = 1, WEIGHT
    return Labels(targets, weights)


def with_objects(labels: Labels, objects: Labels) -> Labels:
    """Labels of captions, with the objects that no caption names."""
    found = (objects.targets == 1) & (labels.targets == 0)
    return Labels(labels.targets.maximum(objects.targets), labels.weights.masked_fill(found, WEIGHT))
