"""A sentence to its intent: recurrent layers compute a representation of the sequence, a perceptron classifies it."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from model.tasks.intents.config import IntentConfig
from model.tasks.intents.intents import OUT_OF_SCOPE, OUT_OF_SCOPE_TITLE, Intents
from model.vocabulary import BOS, EOS, PAD, Vocabulary, tokenize

LETTERS = 16
"""Characters of a word that are read; of a longer one, the first."""


class Sentence(NamedTuple):
    """A text in numbers."""

    words: Tensor  # (T,), T at least 1
    spellings: Tensor  # (T, LETTERS + 2): each word's characters, between `BOS` and `EOS`


class Batch(NamedTuple):
    """Sentences side by side."""

    words: Tensor  # (N, T), `PAD` after a sentence's end
    spellings: Tensor  # (N, T, LETTERS + 2)


class Ranked(NamedTuple):
    """An intent and its probability."""

    intent: str
    title: str
    confidence: float


@dataclass(frozen=True)
class Answer:
    """The intent of a text."""

    best: Ranked
    """The likeliest intent, or that the text is out of scope, with the probability that this is right."""
    in_scope: bool
    ranking: tuple[Ranked, ...]
    """All intents, likeliest first."""

    def probability(self, intent: str) -> float:
        """The probability of one of the intents."""
        return next(ranked.confidence for ranked in self.ranking if ranked.intent == intent)


def collate(sentences: Sequence[Sentence]) -> Batch:
    """Sentences, at least one, padded to the longest."""
    words = pad_sequence([sentence.words for sentence in sentences], batch_first=True, padding_value=PAD)  # (N, T)
    spellings = pad_sequence([sentence.spellings for sentence in sentences], batch_first=True)  # (N, T, C)
    return Batch(words, spellings)


class IntentClassifier(nn.Module, ABC):
    """The interface of a classifier: in torch, or compiled.

    Args:
        config: what it is built from.
        vocabulary: the words that it knows.
        characters: those that words are spelled with.
        intents: what a text may ask for.
    """

    def __init__(self, config: IntentConfig, vocabulary: Vocabulary, characters: Vocabulary, intents: Intents) -> None:
        super().__init__()
        self.config, self.vocabulary, self.characters, self.intents = config, vocabulary, characters, intents

    @property
    @abstractmethod
    def device(self) -> torch.device:
        """Where `forward` takes its batch."""

    @abstractmethod
    def forward(self, batch: Batch) -> Tensor:
        """Sentences to logits of the intents and, last, of out of scope (N, V)."""

    def encode(self, text: str) -> Sentence:
        """A text in numbers; one that has no word is one unknown word without a character."""
        words = tokenize(text) or [""]
        return Sentence(torch.tensor(self.vocabulary.encode(words)), spell(words, self.characters))

    @torch.inference_mode()
    def logits(self, sentences: Sequence[Sentence]) -> Tensor:
        """Logits (N, V) on the CPU of sentences, at least one; out of scope comes last."""
        return self(Batch(*(part.to(self.device) for part in collate(sentences)))).float().cpu()  # type: ignore[no-any-return]

    def answers(self, sentences: Sequence[Sentence]) -> list[Answer]:
        """The intents of sentences, at least one."""
        probabilities = (self.logits(sentences) / self.config.temperature).softmax(-1)  # (N, V)
        best = probabilities[:, :-1].sort(descending=True)  # (N, V - 1)
        return [self._answer(*row) for row in zip(best.values.tolist(), best.indices.tolist(), strict=True)]

    def _answer(self, probabilities: Sequence[float], numbers: Sequence[int]) -> Answer:
        names, titles = self.intents.names, self.intents.titles
        ranking = tuple(
            Ranked(names[number], titles[number], probability)
            for number, probability in zip(numbers, probabilities, strict=True)
        )
        if ranking[0].confidence >= self.config.threshold:
            return Answer(ranking[0], True, ranking)
        return Answer(Ranked(OUT_OF_SCOPE, OUT_OF_SCOPE_TITLE, 1 - ranking[0].confidence), False, ranking)


def spell(words: Sequence[str], characters: Vocabulary) -> Tensor:
    """Numbers of the words' characters (T, LETTERS + 2), `PAD` after the end."""
    rows = [[BOS, *characters.encode(word[:LETTERS]), EOS] for word in words]
    return torch.tensor([row + [PAD] * (LETTERS + 2 - len(row)) for row in rows])
