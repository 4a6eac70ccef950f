"""Texts of any length, translated sentence by sentence."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from model.tasks.translation.sentences import Sentence, split_sentences
from model.tasks.translation.translator import Piece, Translation, Translator


@dataclass(frozen=True)
class TextTranslation:
    """A text in the other language."""

    text: str
    logprob: float
    """Natural logarithm of the probability of all its sentences."""
    confidence: float
    """The lowest of its sentences'."""
    finish_reason: Literal["stop", "length"]
    """`length`: a sentence was cut."""
    tokens: tuple[Piece, ...]
    """Their texts are the whole text, but for characters that are written in bytes."""


class Text:
    """A text in sentences, which are translated apart and put together with the white space between them."""

    def __init__(self, translator: Translator, text: str) -> None:
        self.text = text
        self.sentences: list[Sentence]
        self.sentences, self.after = split_sentences(text, translator.fits)
        self._translator = translator

    @property
    def unknown(self) -> list[str]:
        """The words that training never had."""
        return self._translator.unknown(self.text)

    def source_tokens(self) -> list[str]:
        """The pieces that attention is over: those of each sentence, and its end."""
        subwords = self._translator.subwords
        return [piece for _, part in self.sentences for piece in (*subwords.texts(subwords.encode(part)), "")]

    def join(self, found: Sequence[Sequence[Translation]]) -> list[TextTranslation]:
        """The translations of the text, from those of its sentences, best first.

        Where a sentence has fewer than another, its best stands in.
        """
        lengths = [len(self._translator.encode(part)) for _, part in self.sentences]
        return [
            self._joined([each[place] if place < len(each) else each[0] for each in found], lengths)
            for place in range(max(map(len, found)))
        ]

    def _joined(self, parts: Sequence[Translation], lengths: Sequence[int]) -> TextTranslation:
        tokens: list[Piece] = []
        text, begin, whole = "", 0, sum(lengths)
        for (before, _), part, length in zip(self.sentences, parts, lengths, strict=True):
            text += before + part.text
            for place, token in enumerate(part.tokens):
                seen = token.attention
                if seen is not None and len(parts) > 1:
                    seen = [0.0] * begin + seen + [0.0] * (whole - begin - length)
                shown = token.text if place else before + token.text.lstrip()
                tokens.append(Piece(shown, token.logprob, seen))
            begin += length
        return TextTranslation(
            text=text + self.after,
            logprob=math.fsum(part.logprob for part in parts),
            confidence=min(part.confidence for part in parts),
            finish_reason="length" if any(part.finish_reason == "length" for part in parts) else "stop",
            tokens=tuple(tokens),
        )


def translate_texts(
    translator: Translator, texts: Sequence[Text], *, beam_size: int | None = None, number: int | None = None
) -> list[list[TextTranslation]]:
    """The translations of each text, best first, by the translator's own search unless told otherwise."""
    own = translator.config.decoding
    decoding = own.model_copy(
        update={"beam_size": beam_size or own.beam_size, "num_translations": number or own.num_translations}
    )
    found = iter(translator.translate([part for text in texts for _, part in text.sentences], decoding))
    return [text.join([next(found) for _ in text.sentences]) for text in texts]
