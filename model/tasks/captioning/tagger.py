"""Tags: the things that an encoder sees in a picture, as words with the probability that each is there."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import torch
from pydantic import TypeAdapter, ValidationError
from torch import Tensor, nn

from model.tasks.captioning.config import TaggingConfig


@dataclass(frozen=True)
class Tag:
    """A thing in a picture."""

    name: str
    confidence: float
    """Probability that the thing is there."""


class Tags:
    """The nouns that a tagger knows, each with its place as its number.

    Args:
        names: the nouns.
        broader: for each noun, the numbers of those that it is a kind of.
        classes: for each class of a classifier beside it, the numbers of the nouns that the class is.

    Raises:
        ValueError: a name stands twice, or a number is none of a noun.
    """

    def __init__(
        self, names: Sequence[str], broader: Sequence[Sequence[int]], classes: Sequence[Sequence[int]] = ()
    ) -> None:
        self.names = tuple(names)
        self.broader, self.classes = (tuple(tuple(numbers) for numbers in rows) for rows in (broader, classes))
        if len(set(self.names)) != len(self.names):
            raise ValueError("a tag stands twice")
        if len(self.broader) != len(self.names):
            raise ValueError(f"{len(self.broader)} rows of broader tags for {len(self.names)} tags")
        if any(not 0 <= number < len(self.names) for row in (*self.broader, *self.classes) for number in row):
            raise ValueError(f"a number is none of the {len(self.names)} tags")

    @classmethod
    def read(cls, path: Path) -> Self:
        """The tags in a JSON file; see `model.task.AssetKind`."""
        try:
            found = TypeAdapter(dict[str, list[str] | list[list[int]]]).validate_json(path.read_bytes())
            return cls(found["names"], found["broader"], found["classes"])  # type: ignore[arg-type]
        except (ValidationError, KeyError, TypeError) as error:
            raise ValueError("tags are names, broader and classes") from error

    def write(self, path: Path) -> None:
        values = {"names": self.names, "broader": self.broader, "classes": self.classes}
        path.write_text(json.dumps(values, ensure_ascii=False) + "\n", encoding="utf-8")

    def __len__(self) -> int:
        return len(self.names)

    def table(self, rows: Sequence[Sequence[int]]) -> Tensor:
        """Numbers of tags as rows of a table of zeros and ones (R, V)."""
        table = torch.zeros(len(rows), len(self))
        for row, numbers in zip(table, rows, strict=True):
            row[list(numbers)] = 1
        return table


class Tagger(nn.Module):
    """A multi-label head over the mean of a grid, and a classifier that names what the head has never learnt.

    The head learns what people say of pictures. The classifier is the one that the encoder was first trained with: the
    sum of the probabilities of its classes of a noun is the probability that the noun is what the picture shows. A
    thing is there if one of the two sees it. Both are linear, and cost next to nothing beside the encoder.
    """

    centre: Tensor
    """(E,), mean of each feature in training."""
    scale: Tensor
    """(E,), its standard deviation there."""
    learnt: Tensor
    """(V,), 1 for nouns that the head has learnt; it sees no others."""
    members: Tensor
    """(C, V), 1 where a class is a noun."""

    kinds: Tensor
    """(V, V), true where the first noun is a kind of the second."""

    def __init__(self, tags: Tags, num_features: int, config: TaggingConfig) -> None:
        super().__init__()
        self.tags, self.config = tags, config
        self.head = nn.Linear(num_features, len(tags))
        self.classifier = nn.Linear(num_features, len(tags.classes)) if tags.classes else None
        self.register_buffer("centre", torch.zeros(num_features))
        self.register_buffer("scale", torch.ones(num_features))
        self.register_buffer("learnt", torch.ones(len(tags)))
        self.register_buffer("members", tags.table(tags.classes), persistent=False)
        self.register_buffer("kinds", tags.table(tags.broader).bool(), persistent=False)

    def logits(self, features: Tensor) -> Tensor:
        """The head's logits (B, V) of grids' means (B, E), not calibrated."""
        return self.head((features - self.centre) / self.scale)  # type: ignore[no-any-return]

    def shown(self, features: Tensor) -> Tensor:
        """Probabilities (B, V) that a noun is what the picture shows, from grids' means (B, E)."""
        if self.classifier is None:
            return features.new_zeros(len(features), len(self.tags))
        return (self.classifier(features).softmax(1) @ self.members).clamp(max=1)  # type: ignore[no-any-return]

    def forward(self, grid: Tensor) -> Tensor:
        """Grids (B, P, E) to the probabilities that things are there (B, V)."""
        features = grid.mean(1)  # (B, E)
        said = (self.config.intercept + self.config.slope * self.logits(features)).sigmoid() * self.learnt  # (B, V)
        return 1 - (1 - said) * (1 - self.shown(features))

    @torch.inference_mode()
    def tags_of(self, grid: Tensor, number: int = 5) -> list[list[Tag]]:
        """The likeliest tags of grids (B, P, E), likeliest first, `number` for each.

        A noun is left out where one of its kinds is at least half as likely: a beagle is no animal beside.
        """
        found: list[list[Tag]] = []
        for probabilities in self(grid).cpu():  # (V,)
            narrower = (self.kinds.cpu() * probabilities[:, None]).amax(0)  # (V,)
            kept = probabilities.masked_fill(narrower >= probabilities / 2, -1)
            values, places = kept.topk(min(number, len(kept)))
            pairs = zip(places.tolist(), values.tolist(), strict=True)
            found.append([Tag(self.tags.names[place], value) for place, value in pairs if value >= 0])
        return found
