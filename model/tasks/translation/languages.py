"""The language of a text, told from its subwords."""

import json
import math
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Self

from pydantic import FiniteFloat, TypeAdapter, ValidationError

from model.config import Config
from model.files import read_bytes

LARGEST = 4.0
"""Most that one piece may say for a language, in nats: one word of the other language decides nothing alone."""


class _File(Config):
    languages: tuple[str, str]
    evidence: tuple[FiniteFloat, ...]


class Languages:
    """A naive Bayes classifier of the two languages of a translator.

    Args:
        names: the languages.
        evidence: for each subword, the logarithm of how much likelier it is in the first language.
    """

    def __init__(self, names: tuple[str, str], evidence: Sequence[float]) -> None:
        self.names, self.evidence = names, tuple(evidence)

    @classmethod
    def learn(
        cls, names: tuple[str, str], first: Iterable[Sequence[int]], second: Iterable[Sequence[int]], size: int
    ) -> Self:
        """The evidence in sentences of both languages, as numbers of subwords, of which there are `size`."""
        counts = [Counter(number for sentence in sentences for number in sentence) for sentences in (first, second)]
        totals = [sum(count.values()) + size for count in counts]

        def logprob(number: int, language: int) -> float:
            return math.log((counts[language][number] + 1) / totals[language])  # add-one smoothing

        found = [logprob(number, 0) - logprob(number, 1) for number in range(size)]
        seen = counts[0].keys() | counts[1].keys()
        bounded = [max(-LARGEST, min(LARGEST, value)) for value in found]
        return cls(names, [round(value, 3) if number in seen else 0.0 for number, value in enumerate(bounded)])

    @classmethod
    def read(cls, path: Path) -> Self:
        """The evidence in a JSON file; see `model.task.AssetKind`."""
        try:
            found = TypeAdapter(_File).validate_json(read_bytes(path))
        except ValidationError as error:
            raise ValueError("two languages are needed, and a number for each subword") from error
        return cls(found.languages, found.evidence)

    def write(self, path: Path) -> None:
        values = {"languages": self.names, "evidence": self.evidence}
        path.write_text(json.dumps(values) + "\n", encoding="utf-8")

    def probabilities(self, numbers: Sequence[int]) -> dict[str, float]:
        """The probability that a text is in each of the languages, from its subwords; a half if they say nothing."""
        total = math.fsum(self.evidence[number] for number in numbers)
        first = 1 / (1 + math.exp(-max(-50.0, min(50.0, total))))
        return {self.names[0]: first, self.names[1]: 1 - first}
