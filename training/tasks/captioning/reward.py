"""The reward of a sampled caption: CIDEr-D, or CIDEr-D and BLEU-4 mixed, against the references of its picture.

The scores are pycocoevalcap's to rounding, but document frequencies are counted once, over the training references, and
sentences are sequences of any tokens: numbers where the vocabulary has the word, else the word itself.
"""

import math
from collections import Counter
from collections.abc import Hashable, Iterable, Sequence

from model.vocabulary import EOS, UNK, Vocabulary, tokenize
from training.tasks.captioning.readers import CaptionedImage

Tokens = Sequence[Hashable]
Gram = tuple[Hashable, ...]

ORDER = 4
"""Longest n-grams that count."""
SIGMA = 6.0
"""Width of CIDEr-D's length penalty, in words."""


def n_grams(tokens: Tokens) -> tuple[Counter[Gram], ...]:
    """Counts of a sentence's n-grams, for n from 1 to `ORDER`."""
    return tuple(Counter(zip(*(tokens[place:] for place in range(n)), strict=False)) for n in range(1, ORDER + 1))


class CiderD:
    """CIDEr-D of Vedantam, Zitnick and Parikh, "CIDEr: consensus-based image description evaluation" (2015), section 5.

    From 0 to 10. pycocoevalcap calls it CIDEr.

        10 / (N m) sum_n sum_j exp(-(l(c) - l(s_j))^2 / (2 sigma^2)) min(g_n(c), g_n(s_j)) . g_n(s_j) /
        (|g_n(c)| |g_n(s_j)|)

    with N = 4, m references s_j, lengths l, and g_n the n-gram counts times log(pictures / document frequency).
    """

    def __init__(self, references: Sequence[Sequence[Tokens]]) -> None:
        """Takes the sentences of every training picture; a picture's are one document."""
        self.references = references
        frequencies: Counter[Gram] = Counter()
        for group in references:
            frequencies.update({gram for sentence in group for grams in n_grams(sentence) for gram in grams})
        self.rarest = math.log(len(references))
        # What one picture has counts as what none has, so it needs no place in the table: most n-grams are such.
        self.rarity = {gram: self.rarest - math.log(count) for gram, count in frequencies.items() if count > 1}

    def __call__(self, picture: int, captions: Iterable[Tokens]) -> list[float]:
        """The score of each caption of a picture, by its number among the training pictures."""
        references = self.references[picture]
        # By n-gram: reference, its weight there, and of norm 1.
        weights: dict[Gram, list[tuple[int, float, float]]] = {}
        for number, reference in enumerate(references):
            for vector, norm in self._weigh(reference):
                for gram, value in vector.items():
                    if value:
                        weights.setdefault(gram, []).append((number, value, value / norm))
        return [self._score(caption, references, weights) for caption in captions]

    def _weigh(self, sentence: Tokens) -> list[tuple[dict[Gram, float], float]]:
        """The tf-idf vector and its norm for each order."""
        rare, rarest = self.rarity, self.rarest
        vectors = [
            {gram: count * rare.get(gram, rarest) for gram, count in grams.items()} for grams in n_grams(sentence)
        ]
        return [(vector, math.hypot(*vector.values())) for vector in vectors]

    def _score(
        self, caption: Tokens, references: Sequence[Tokens], weights: dict[Gram, list[tuple[int, float, float]]]
    ) -> float:
        similar = [0.0] * len(references)
        for vector, norm in self._weigh(caption):
            for gram, value in vector.items():
                for number, theirs, normed in weights.get(gram, ()):
                    similar[number] += (value if value < theirs else theirs) * normed / norm
        total = 0.0
        for reference, similarity in zip(references, similar, strict=True):
            # pycocoevalcap counts lengths in bigrams, so no word is as long as one.
            longer = max(1, len(caption)) - max(1, len(reference))
            total += similarity * math.exp(-(longer**2) / (2 * SIGMA**2))
        return 10 * total / (ORDER * len(references))


class Bleu4:
    """BLEU-4 of single sentences (Papineni et al., 2002), from 0 to 1, with the closest reference's length.

    Like pycocoevalcap, it adds 1e-15 to the matches of each order so that one order without a match leaves a
    little of the score.
    """

    def __init__(self, references: Sequence[Sequence[Tokens]]) -> None:
        """Takes the sentences of every training picture."""
        self.references = references

    def __call__(self, picture: int, captions: Iterable[Tokens]) -> list[float]:
        """The score of each caption of a picture, by its number among the training pictures."""
        most: list[dict[Gram, int]] = [{} for _ in range(ORDER)]
        for reference in self.references[picture]:
            for highest, grams in zip(most, n_grams(reference), strict=True):
                for gram, count in grams.items():
                    if count > highest.get(gram, 0):
                        highest[gram] = count
        lengths = [len(reference) for reference in self.references[picture]]
        return [self._score(caption, most, lengths) for caption in captions]

    def _score(self, caption: Tokens, most: list[dict[Gram, int]], lengths: list[int]) -> float:
        tiny, small = 1e-15, 1e-9
        score = 1.0
        for highest, grams in zip(most, n_grams(caption), strict=True):
            matches = sum(min(count, highest[gram]) for gram, count in grams.items() if gram in highest)
            score *= (matches + tiny) / (grams.total() + small)
        closest = min(lengths, key=lambda length: (abs(length - len(caption)), length))
        ratio = (len(caption) + tiny) / (closest + small)
        return float(score ** (1 / ORDER) * (math.exp(1 - 1 / ratio) if ratio < 1 else 1.0))


class Reward:
    """CIDEr-D plus a share of BLEU-4, with the end token as a word among the others.

    The end token is part of captions and references alike, and a caption that was cut has none. Without it, breaking
    off costs nothing where the next word would be unsure, and captions soon end in "with a" (Rennie et al.,
    "Self-critical sequence training for image captioning", 2017).
    """

    def __init__(
        self, pictures: Sequence[CaptionedImage], vocabulary: Vocabulary, *, bleu_weight: float, end_token: bool
    ) -> None:
        """
        Args:
            pictures: the training pictures, with their captions.
            vocabulary: words of the captions to be scored.
            bleu_weight: weight of BLEU-4; that of CIDEr-D is 1.
            end_token: whether it counts as a word.
        """

        def reference(caption: str) -> Tokens:
            """Token numbers; words that the vocabulary lacks stay words, which no caption can match."""
            words = tokenize(caption)
            numbers = zip(words, vocabulary.encode(words), strict=True)
            return [word if number == UNK else number for word, number in numbers] + [EOS] * end_token

        references = [[reference(caption) for caption in picture.captions] for picture in pictures]
        self.end_token, self.bleu_weight = end_token, bleu_weight
        self.cider, self.bleu = CiderD(references), Bleu4(references)

    def __call__(self, picture: int, captions: Sequence[Tokens]) -> list[float]:
        """The reward of each caption of a picture, by its number among the training pictures.

        Captions are tokens without padding; the end token is last, where there is one.
        """
        if not self.end_token:
            captions = [[token for token in caption if token != EOS] for caption in captions]
        scores = self.cider(picture, captions)
        if not self.bleu_weight:
            return scores
        bleu = self.bleu(picture, captions)
        return [one + self.bleu_weight * other for one, other in zip(scores, bleu, strict=True)]
