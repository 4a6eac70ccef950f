"""Tags: the things that an encoder sees in a picture, as words with the probability that each is there."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Self

import torch
from pydantic import TypeAdapter, ValidationError
from torch import Tensor, nn

from model.tasks.captioning.config import TaggingConfig
from model.tasks.captioning.decoder import Seen
from model.tasks.captioning.neutral import neutralized
from model.vocabulary import PAD, UNK, Vocabulary, tokenize


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
        learnt: the numbers of the nouns that the tagger's head has learnt; it sees no others. All, if None.

    Raises:
        ValueError: a name stands twice, or a number is none of a noun.
    """

    def __init__(
        self,
        names: Sequence[str],
        broader: Sequence[Sequence[int]],
        classes: Sequence[Sequence[int]] = (),
        learnt: Sequence[int] | None = None,
    ) -> None:
        self.names = tuple(names)
        self.learnt = tuple(range(len(names)) if learnt is None else learnt)
        self.broader, self.classes = (tuple(tuple(numbers) for numbers in rows) for rows in (broader, classes))
        if len(set(self.names)) != len(self.names):
            raise ValueError("a tag stands twice")
        if len(self.broader) != len(self.names):
            raise ValueError(f"{len(self.broader)} rows of broader tags for {len(self.names)} tags")
        rows = (*self.broader, *self.classes, self.learnt)
        if any(not 0 <= number < len(self.names) for row in rows for number in row):
            raise ValueError(f"a number is none of the {len(self.names)} tags")

    @classmethod
    def read(cls, path: Path) -> Self:
        """The tags in a JSON file; see `model.task.AssetKind`."""
        try:
            found = TypeAdapter(dict[str, list[str] | list[int] | list[list[int]]]).validate_json(path.read_bytes())
            return cls(found["names"], found["broader"], found["classes"], found["learnt"])  # type: ignore[arg-type]
        except (ValidationError, KeyError, TypeError) as error:
            raise ValueError("tags are names, broader, classes and learnt") from error

    def write(self, path: Path) -> None:
        values = {"names": self.names, "broader": self.broader, "classes": self.classes, "learnt": self.learnt}
        path.write_text(json.dumps(values, ensure_ascii=False) + "\n", encoding="utf-8")

    def __len__(self) -> int:
        return len(self.names)


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
    """(L,), numbers of the nouns that the head has learnt."""
    members: Tensor
    """(2, M), pairs of a class and a noun that it is."""
    kinds: Tensor
    """(2, R), pairs of a noun and one that it is a kind of."""

    def __init__(self, tags: Tags, num_features: int, config: TaggingConfig) -> None:
        super().__init__()
        self.tags, self.config = tags, config
        self.head = nn.Linear(num_features, len(tags.learnt))
        self.classifier = nn.Linear(num_features, len(tags.classes)) if tags.classes else None
        self.register_buffer("centre", torch.zeros(num_features))
        self.register_buffer("scale", torch.ones(num_features))
        self.register_buffer("learnt", torch.tensor(tags.learnt, dtype=torch.long), persistent=False)
        self.register_buffer("members", _pairs(tags.classes), persistent=False)
        self.register_buffer("kinds", _pairs(tags.broader), persistent=False)

    def logits(self, features: Tensor) -> Tensor:
        """The head's logits (B, L) of grids' means (B, E), not calibrated."""
        return self.head((features - self.centre) / self.scale)  # type: ignore[no-any-return]

    def shown(self, features: Tensor) -> Tensor:
        """Probabilities (B, V) that a noun is what the picture shows, from grids' means (B, E)."""
        if self.classifier is None:
            return features.new_zeros(len(features), len(self.tags))
        classes, nouns = self.members
        found = self.classifier(features).softmax(1)  # (B, C)
        shown = features.new_zeros(len(features), len(self.tags)).index_add(1, nouns, found[:, classes])  # (B, V)
        return shown.clamp(max=1)

    def probabilities(self, logits: Tensor, shown: Tensor, config: TaggingConfig) -> Tensor:
        """Probabilities (B, V) that things are there, from the head's logits (B, L) and the classifier's (B, V)."""
        said = (config.intercept + config.slope * logits).sigmoid()  # (B, L)
        return 1 - (1 - torch.zeros_like(shown).index_copy(1, self.learnt, said)) * (1 - shown)

    def forward(self, grid: Tensor) -> Tensor:
        """Grids (B, P, E) to the probabilities that things are there (B, V).

        A picture at a time: the rounding of sums depends on how many are summed together, and networks in bfloat16 or 8
        bits that read tags make more of it, so that a caption would depend on the others in its batch.
        """
        return torch.cat([self._of_one(features) for features in grid.mean(1).split(1)])  # (B, V)

    def _of_one(self, features: Tensor) -> Tensor:
        return self.probabilities(self.logits(features), self.shown(features), self.config)  # (1, V)

    def narrowest(self, probabilities: Tensor) -> Tensor:
        """Probabilities (B, V), 0 for a noun if one of its kinds is at least half as likely: no animal beside a dog."""
        narrow, broad = self.kinds
        kinds = broad.expand(len(probabilities), -1)  # (B, R)
        narrower = torch.zeros_like(probabilities).scatter_reduce(1, kinds, probabilities[:, narrow], "amax")  # (B, V)
        return probabilities.masked_fill(narrower >= probabilities / 2, 0)

    @torch.inference_mode()
    def tags_of(self, grid: Tensor, number: int = 5, *, least: float = 0.0, neutral: bool = False) -> list[list[Tag]]:
        """The `narrowest` tags of grids (B, P, E), likeliest first, `number` for each, with at least this confidence.

        Neutral ones name neither gender nor origin: a person is as likely as the likeliest of person, man and woman.
        """
        probabilities = self(grid)  # (B, V)
        if neutral:
            avoided, groups = self._neutralized
            for noun, others in groups:
                probabilities[:, noun] = probabilities[:, [noun, *others]].amax(1)  # (B,)
            probabilities[:, avoided] = 0
        likeliest = self.narrowest(probabilities).topk(min(number, len(self.tags)))  # (B, number)
        rows = zip(likeliest.indices.tolist(), likeliest.values.tolist(), strict=True)
        return [
            [
                Tag(self.tags.names[place], value)
                for place, value in zip(*row, strict=True)
                if value > 0 and value >= least
            ]
            for row in rows
        ]

    @cached_property
    def _neutralized(self) -> tuple[list[int], list[tuple[int, list[int]]]]:
        return neutralized(self.tags.names)


def _pairs(rows: Sequence[Sequence[int]]) -> Tensor:
    """Each row's place with each of its numbers, (2, R)."""
    pairs = [(place, number) for place, numbers in enumerate(rows) for number in numbers]
    return torch.tensor(pairs, dtype=torch.long).view(-1, 2).t()


class TagWords(nn.Module):
    """The words of a tagger's nouns, for a decoder to read: a hot dog is "hot" and "dog"."""

    tag: Tensor
    """(R,), a noun for each of its words."""
    place: Tensor
    """(R,), the word's place among all words."""
    words: Tensor
    """(W,), numbers of all words in the vocabulary."""

    def __init__(self, tags: Tags, vocabulary: Vocabulary) -> None:
        super().__init__()
        pairs = [(tag, word) for tag, name in enumerate(tags.names) for word in vocabulary.encode(tokenize(name))]
        pairs = [(tag, word) for tag, word in pairs if word != UNK] or [(0, PAD)]
        words = sorted({word for _, word in pairs})
        places = {word: place for place, word in enumerate(words)}
        self.register_buffer("tag", torch.tensor([tag for tag, _ in pairs]), persistent=False)
        self.register_buffer("place", torch.tensor([places[word] for _, word in pairs]), persistent=False)
        self.register_buffer("words", torch.tensor(words), persistent=False)

    def forward(self, probabilities: Tensor, number: int) -> Seen:
        """Probabilities of nouns (B, V) to the `number` likeliest words, each as likely as its likeliest noun."""
        likely = probabilities.new_zeros(len(probabilities), len(self.words))  # (B, W)
        places = self.place.expand(len(probabilities), -1)  # (B, R)
        likely = likely.scatter_reduce(1, places, probabilities[:, self.tag], "amax")
        found = likely.topk(min(number, len(self.words)))  # (B, K)
        return Seen(self.words[found.indices].masked_fill(found.values == 0, PAD), found.values.logit(eps=1e-4))
