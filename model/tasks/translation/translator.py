"""A sentence to its translations: subwords, network and search in one module."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from model.decoding.constraints import Constraint, Specials
from model.decoding.decode import decode
from model.decoding.search import Hypotheses, Observer
from model.subwords import SPACE, Subwords
from model.tasks.translation.config import TranslationDecodingConfig, TranslatorConfig
from model.tasks.translation.languages import Languages
from model.tasks.translation.network import Seq2Seq, TranslationNetwork
from model.vocabulary import EOS, PAD, Vocabulary, tokenize

LONGEST = 100
"""Most pieces of a sentence that is translated as one; the training sentences have fewer."""


@dataclass(frozen=True)
class Piece:
    """A piece of a translation: a word, or a part of one."""

    text: str
    """Its part of the text, with the space before it."""
    logprob: float
    attention: list[float] | None
    """Attention weights over the pieces of the source, which sum to 1."""


@dataclass(frozen=True)
class Translation:
    """A sentence in the other language."""

    text: str
    logprob: float
    """Natural logarithm of the sentence's probability, its end included."""
    probability: float
    """Geometric mean of the pieces' probabilities, its end included."""
    confidence: float
    """Probability that the translation is good, by the model's calibration; without one, the same as `probability`."""
    finish_reason: Literal["stop", "length"]
    """`stop`: the network ended the sentence; `length`: the search cut it at max_length."""
    tokens: tuple[Piece, ...]

    def __str__(self) -> str:
        return self.text


class Translator(nn.Module):
    """A network from subwords of one language to subwords of another, and what tells the two apart.

    Args:
        config: what it is built from.
        subwords: of both languages.
        words: the words of the source language that training had.
        languages: which of the two a text is in.
        network: one that is compiled; by default a `Seq2Seq` with fresh weights.

    Raises:
        ValueError: there is no such cell; the languages are others, or of other subwords.
    """

    def __init__(
        self,
        config: TranslatorConfig,
        subwords: Subwords,
        words: Vocabulary,
        languages: Languages,
        network: TranslationNetwork[Any] | None = None,
    ) -> None:
        super().__init__()
        if languages.names != (config.source, config.target):
            raise ValueError(f"it is for {config.source} to {config.target}, and tells {languages.names} apart")
        if len(languages.evidence) != len(subwords):
            raise ValueError(f"{len(languages.evidence)} subwords tell languages apart; there are {len(subwords)}")
        self.config, self.subwords, self.words, self.languages = config, subwords, words, languages
        self.network: Any = network or Seq2Seq(config, len(subwords))

    @property
    def device(self) -> torch.device:
        """Device of the weights; the CPU for compiled networks, which have none."""
        weight = next(self.parameters(), None)
        return torch.device("cpu") if weight is None else weight.device

    def encode(self, sentence: str) -> Tensor:
        """Numbers of a sentence's pieces and its end (P,), at most `LONGEST` and one."""
        return torch.tensor([*self.subwords.encode(sentence)[:LONGEST], EOS])

    def fits(self, sentence: str) -> bool:
        """Tell whether a sentence is translated whole."""
        return len(self.subwords.encode(sentence)) <= LONGEST

    def unknown(self, text: str) -> list[str]:
        """The words of a text that training never had, in order, each once."""
        return list(dict.fromkeys(word for word in tokenize(text) if word not in self.words))

    def detect(self, text: str) -> dict[str, float]:
        """The probability that a text is in each of the two languages; a half if it has none of their pieces.

        A space alone, which comes before a word that has no piece of its own, counts for neither.
        """
        numbers = self.subwords.encode(text)
        return self.languages.probabilities([number for number in numbers if self.subwords.pieces[number] != SPACE])

    @torch.inference_mode()
    def generate(
        self,
        sources: Sequence[Tensor],
        decoding: TranslationDecodingConfig,
        *,
        attention: bool = False,
        observers: Sequence[Observer] = (),
    ) -> list[list[Translation]]:
        """Writes `decoding.num_translations` translations of each of the encoded sentences (P,), best first."""
        search = decoding.search
        padded = pad_sequence(list(sources), batch_first=True, padding_value=PAD).to(self.device)  # (B, P)
        memory = self.network.encode_source(padded)
        state = self.network.initial_state(memory, search.rows_per_source)
        rules: list[Constraint] = [Specials()]
        found = decode(self.network.step, state, memory, search, rules, attention=attention, observers=observers)
        return self._translations(found.cpu(), [len(source) for source in sources])

    def translate(
        self,
        sentences: Sequence[str],
        decoding: TranslationDecodingConfig | None = None,
        *,
        attention: bool = False,
        batch_size: int = 32,
    ) -> list[list[Translation]]:
        """Translates sentences, those of like length together; `decoding` defaults to the checkpoint's own."""
        sources = [self.encode(sentence) for sentence in sentences]
        order = sorted(range(len(sources)), key=lambda place: len(sources[place]))
        answers: list[list[Translation]] = [[] for _ in sources]
        for start in range(0, len(order), batch_size):
            places = order[start : start + batch_size]
            found = self.generate(
                [sources[place] for place in places], decoding or self.config.decoding, attention=attention
            )
            for place, translations in zip(places, found, strict=True):
                answers[place] = translations
        return answers

    def _translations(self, found: Hypotheses, lengths: Sequence[int]) -> list[list[Translation]]:
        calibration = self.config.calibration
        answers: list[list[Translation]] = []
        for source, rows in enumerate(found.tokens.tolist()):
            answers.append([])
            for place, row in enumerate(rows):
                length = sum(number != PAD for number in row)
                logprobs = found.logprobs[source, place, :length].tolist()
                total = math.fsum(logprobs)
                if not math.isfinite(total):  # an empty place of the beam
                    continue
                numbers = [number for number in row[:length] if number != EOS]
                seen: list[list[float] | None] = [None] * len(numbers)
                if found.attention is not None:
                    seen = found.attention[source, place, : len(numbers), : lengths[source]].tolist()
                texts = self.subwords.texts(numbers)
                probability = math.exp(total / length)
                answers[-1].append(
                    Translation(
                        text=self.subwords.decode(numbers).strip(),
                        logprob=total,
                        probability=probability,
                        confidence=calibration.confidence(probability) if calibration else probability,
                        finish_reason="stop" if len(numbers) < length else "length",
                        tokens=tuple(Piece(*parts) for parts in zip(texts, logprobs, seen, strict=False)),
                    )
                )
        return answers
