"""A picture to sentences: encoder, decoder and vocabulary in one module."""

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal

import torch
from PIL import Image
from torch import Tensor, nn

from model.cells import State
from model.decoding.alternatives import alternatives
from model.decoding.barred import BarredMemory, barring
from model.decoding.constraints import NEVER, Constraint, MinLength, NoRepeat, Prefix, Specials
from model.decoding.decode import decode
from model.decoding.mentions import Mentions
from model.decoding.search import Hypotheses, Observer, StepFunction
from model.tasks.captioning.config import CaptionerConfig, DecodingConfig, TaggingConfig
from model.tasks.captioning.decoder import Decoder, Seen, build_decoder
from model.tasks.captioning.naming import Naming
from model.tasks.captioning.neutral import Neutral
from model.tasks.captioning.tagger import Tag, Tagger, Tags, TagWords
from model.vision.encoder import build_encoder
from model.vision.formats import MAX_PIXELS, MAX_SIDE
from model.vision.pictures import PictureFile
from model.vision.preprocessing import preprocess, useful_side
from model.vocabulary import EOS, PAD, Vocabulary, detokenize, tokenize

MOST_TAGS = 5
"""Most tags that are told of a picture."""
LEAST_CONFIDENCE = 0.1
"""Least confidence of a tag that is told."""


@dataclass(frozen=True)
class Alternative:
    """A word that may stand in another's place, or the end of the caption."""

    text: str | None
    """None for the end."""
    logprob: float


@dataclass(frozen=True)
class Word:
    """A word of a caption."""

    text: str
    logprob: float
    attention: list[list[float]] | None
    """Attention weights, rows x columns of the grid, summing to 1."""
    top_logprobs: tuple[Alternative, ...] | None = None
    """The likeliest in its place, after the same words, if they were asked for."""


@dataclass(frozen=True)
class Caption:
    """A sentence about a picture."""

    text: str
    logprob: float
    """Natural logarithm of the sentence's probability, its end included."""
    probability: float
    """Geometric mean of the tokens' probabilities, its end included."""
    confidence: float
    """Probability that the caption is good, by the model's calibration; without one, the same as `probability`."""
    finish_reason: Literal["stop", "length"]
    """`stop`: the network ended the sentence; `length`: the search cut it at max_length."""
    tokens: tuple[Word, ...]
    original: str | None = None
    """The sentence as the network wrote it, where `text` is another; see `model.tasks.captioning.wording`."""
    needs_review: bool = False
    """True if it is not sure enough to be told as it is."""

    def __str__(self) -> str:
        return self.text


NO_TAGS = "this captioner has no tags to go by; only {off}, which is off, is possible"


class UnknownPrefixError(ValueError):
    """The prefix has words that the vocabulary lacks."""


class Captioner(nn.Module):
    """An encoder, from pixels (B, 3, S, S) to grids (B, P, E), a decoder, from grids to words, and their vocabulary.

    With tags it has a tagger too, over the same grids. By default all have fresh weights.
    The decoder is a `RecurrentDecoder`, which can be trained, or a compiled one.
    """

    def __init__(
        self,
        config: CaptionerConfig,
        vocabulary: Vocabulary,
        encoder: nn.Module | None = None,
        decoder: Decoder[Any] | None = None,
        tags: Tags | None = None,
    ) -> None:
        super().__init__()
        self.config, self.vocabulary = config, vocabulary
        self.encoder = encoder or build_encoder(config.encoder)
        if decoder is None:
            num_features = self.encoder.num_features
            assert isinstance(num_features, int)
            decoder = build_decoder(config.decoder, num_features=num_features, vocabulary_size=len(vocabulary))
        self.decoder: Any = decoder
        self.tagger: Tagger | None = None
        if tags is not None:
            num_features = self.encoder.num_features
            assert isinstance(num_features, int)
            self.tagger = Tagger(tags, num_features, config.tagging or TaggingConfig())
        if self.decoder.reads_tags:
            if tags is None:
                raise ValueError(f"a {config.decoder.kind} needs tags")
            self.tag_words = TagWords(tags, vocabulary)

    @property
    def tags(self) -> Tags | None:
        """The nouns that its tagger knows."""
        return self.tagger.tags if self.tagger else None

    @property
    def device(self) -> torch.device:
        """Device of the weights; the CPU for compiled networks."""
        weight = next(self.parameters(), None)
        return torch.device("cpu") if weight is None else weight.device

    @cached_property
    def neutral(self) -> Neutral:
        """The constraint of `neutral=true`."""
        return Neutral(self.vocabulary)

    @cached_property
    def naming(self) -> Naming | None:
        """The words that say its tags, if it has a tagger."""
        return Naming(self.tagger.tags, self.vocabulary) if self.tagger else None

    def open(self, data: bytes, *, max_pixels: int = MAX_PIXELS, max_side: int = MAX_SIDE) -> PictureFile:
        """Opens a picture's file, to be read at the least size that `preprocess` makes use of. Thread-safe.

        Raises:
            PictureError: see `PictureFile`.
        """
        enough = useful_side(self.config.encoder.preprocessing)
        return PictureFile(data, max_pixels=max_pixels, max_side=max_side, enough=enough)

    def preprocess(self, image: Image.Image) -> Tensor:
        """Turns an RGB picture of any size into (3, S, S), on the CPU. Thread-safe."""
        return preprocess(image, self.config.encoder.preprocessing)

    @torch.inference_mode()
    def encode(self, pixels: Tensor) -> Tensor:
        """Turns preprocessed pictures (B, 3, S, S) into grids (B, P, E)."""
        return self.encoder(pixels.to(self.device))  # type: ignore[no-any-return]

    def seen(self, grid: Tensor, tags: Tensor | None = None) -> Seen | None:
        """The words of the tags of grids (B, P, E), if the decoder reads them.

        `tags` has the tagger's probabilities (B, V'), where they are known already.
        """
        if not self.decoder.reads_tags:
            return None
        assert self.tagger is not None
        with torch.no_grad():
            narrowest = self.tagger.narrowest(self.tagger(grid) if tags is None else tags)  # (B, V')
            return self.tag_words(narrowest, self.config.decoder.tags)  # type: ignore[no-any-return]

    def encode_source(self, grid: Tensor, tags: Tensor | None = None) -> Any:
        """Grids (B, P, E) to the memory that the decoder's steps read; for `tags`, see `seen`."""
        return self.decoder.encode_source(grid, self.seen(grid, tags))

    @torch.inference_mode()
    def tag(self, grid: Tensor, *, neutral: bool = False) -> list[list[Tag]]:
        """The tags of grids (B, P, E) that are worth telling: a few of each, likeliest first; none without a tagger."""
        if self.tagger is None:
            return [[] for _ in grid]
        return self.tagger.tags_of(grid, MOST_TAGS, least=LEAST_CONFIDENCE, neutral=neutral)

    @torch.inference_mode()
    def generate(
        self,
        grid: Tensor,
        decoding: DecodingConfig,
        *,
        prefix: Sequence[int] | None = None,
        mentions: Sequence[Collection[int]] | None = None,
        attention: bool = False,
        top_logprobs: int = 0,
        observers: Sequence[Observer] = (),
    ) -> list[list[Caption]]:
        """Writes `decoding.num_captions` captions for each of the grids (B, P, E), best first.

        There are fewer if fewer are possible, as when the prefix fills max_length. The observers watch the search.
        With `top_logprobs`, each word has this many of the likeliest in its place, also where the prefix says it.
        For each picture, `mentions` has the numbers of words of which its caption is to have one, none if it need not;
        left out, they are those that say what the tagger is sure of, by `decoding.mention`, see `Naming.to_mention`.
        The prefix is that of `constraints`.

        Raises:
            UnknownPrefixError: the prefix has words that the vocabulary lacks.
            ValueError: `decoding.mention` or `decoding.people` needs a tagger, and there is none.
        """
        asked = self.decoder.reads_tags or decoding.people > 0 or (decoding.mention < 1 and mentions is None)
        tags = self.tagger(grid) if self.tagger and asked else None  # (B, V')
        memory = self.encode_source(grid, tags)
        state = self.decoder.initial_state(memory, decoding.search.rows_per_source)
        captions = self.search(
            *(self.decoder.step, state, memory, decoding, tags),
            prefix=prefix,
            mentions=None if mentions is None else Mentions(mentions),
            attention=attention,
            observers=observers,
        )
        return self._with_alternatives(captions, memory, decoding, tags, top_logprobs) if top_logprobs else captions

    def _with_alternatives(
        self, captions: list[list[Caption]], memory: Any, decoding: DecodingConfig, tags: Tensor | None, count: int
    ) -> list[list[Caption]]:
        """The captions with the likeliest words in the place of each."""
        most = max(map(len, captions), default=0)  # K
        length = max((len(caption.tokens) for found in captions for caption in found), default=0)  # T
        if not length:
            return captions
        rows = [
            [self.vocabulary.encode([word.text for word in caption.tokens]) for caption in found] + [[]] * most
            for found in captions
        ]
        padded = [[row + [PAD] * (length - len(row)) for row in found[:most]] for found in rows]
        tokens = torch.tensor(padded, device=self.device)  # (B, K, T)
        step, state = self.decoder.step, self.decoder.initial_state(memory, most)
        if (barred := self.barred(decoding, tags, None)) is not None:
            step, memory = barring(step), BarredMemory(memory, barred)
        constraints = self.constraints(decoding, prefix=())
        logprobs, best = alternatives(step, state, memory, tokens, constraints, count)  # (B, K, T, C)
        told = [
            [self._told(*place) for place in zip(*row, strict=True)]
            for row in zip(logprobs.flatten(0, 1).tolist(), best.flatten(0, 1).tolist(), strict=True)
        ]  # of N captions, with T places each
        return [
            [
                replace(caption, tokens=tuple(map(_with_top, caption.tokens, told[picture * most + place])))
                for place, caption in enumerate(found)
            ]
            for picture, found in enumerate(captions)
        ]

    def _told(self, logprobs: list[float], tokens: list[int]) -> tuple[Alternative, ...]:
        words = self.vocabulary.words
        pairs = zip(logprobs, tokens, strict=True)
        return tuple(
            Alternative(None if token == EOS else words[token], value) for value, token in pairs if value > NEVER
        )

    def search(
        self,
        step: StepFunction[Any],
        state: State,
        memory: Any,
        decoding: DecodingConfig,
        tags: Tensor | None,
        *,
        prefix: Sequence[int] | None = None,
        mentions: Mentions | None = None,
        attention: bool = False,
        observers: Sequence[Observer] = (),
    ) -> list[list[Caption]]:
        """Does what `generate` does, with the step, state and memory of any decoder, and the tagger's view (B, V')."""
        constraints = self.constraints(decoding, prefix)
        if (barred := self.barred(decoding, tags, prefix)) is not None:
            step, memory = barring(step), BarredMemory(memory, barred)
        mentions = mentions or self.to_mention(decoding, tags)
        found = decode(
            *(step, state, memory, decoding.search, constraints),
            mentions=mentions,
            attention=attention,
            observers=observers,
        )
        return self.captions(found)

    def barred(self, decoding: DecodingConfig, tags: Tensor | None, prefix: Sequence[int] | None) -> Tensor | None:
        """The words (B, V) for people where the tagger sees none, by its view (B, V'); None if all may be said.

        Words of the prefix may be.

        Raises:
            ValueError: there is no tagger.
        """
        if decoding.people == 0:
            return None
        if tags is None or self.naming is None:
            raise ValueError(f"people={decoding.people:g}: {NO_TAGS.format(off=0)}")
        unseen = self.naming.people(tags) < decoding.people  # (B,)
        if not unseen.any():
            return None
        words = torch.zeros(len(self.vocabulary), dtype=torch.bool)  # (V,)
        words[list(self.naming.words_for_people)] = True
        words[list(self.encode_prefix(decoding.prefix) if prefix is None else prefix)] = False
        return unseen[:, None] & words.to(unseen.device)

    def to_mention(self, decoding: DecodingConfig, tags: Tensor | None) -> Mentions | None:
        """The words that say what the tagger is sure of, by its probabilities (B, V'); None if nothing has to be said.

        Where `decoding.people` lets a caption speak of people, they are what it is about, and nothing has to be said.

        Raises:
            ValueError: there is no tagger.
        """
        if decoding.mention == 1:
            return None
        if tags is None or self.naming is None:
            raise ValueError(f"mention={decoding.mention:g}: {NO_TAGS.format(off=1)}")
        words = self.naming.to_mention(tags, decoding.mention)
        if decoding.people:
            crowded = (self.naming.people(tags) >= decoding.people).tolist()
            words = [() if people else found for found, people in zip(words, crowded, strict=True)]
        return Mentions(words)

    def caption(
        self, images: Sequence[Image.Image], decoding: DecodingConfig | None = None, *, attention: bool = False
    ) -> list[list[Caption]]:
        """Captions RGB pictures of any size; `decoding` defaults to the checkpoint's own.

        Raises:
            UnknownPrefixError: the prefix has words that the vocabulary lacks.
        """
        if not images:
            return []
        pixels = torch.stack([self.preprocess(image) for image in images])  # (B, 3, S, S)
        return self.generate(self.encode(pixels), decoding or self.config.decoding, attention=attention)

    def constraints(self, decoding: DecodingConfig, prefix: Sequence[int] | None = None) -> list[Constraint]:
        """The rules about the next word; `prefix` has the numbers of the words of `decoding.prefix`, if they are known.

        Raises:
            UnknownPrefixError: the prefix has words that the vocabulary lacks.
        """
        rules: list[Constraint] = [self.neutral] if decoding.neutral else []
        rules.append(Specials())
        if decoding.block_ngram:
            rules.append(NoRepeat(decoding.block_ngram))
        rules.append(MinLength(decoding.min_length))
        if prefix is None:
            prefix = self.encode_prefix(decoding.prefix)
        return [Prefix(prefix, rules)] if prefix else rules

    def encode_prefix(self, prefix: str) -> list[int]:
        """Numbers of a prefix's words; UnknownPrefixError if the vocabulary lacks some."""
        words = tokenize(prefix)
        unknown = [word for word in words if word not in self.vocabulary]
        if unknown:
            raise UnknownPrefixError(f"the model's vocabulary lacks {', '.join(map(repr, unknown))}")
        return self.vocabulary.encode(words)

    def words(self, found: Hypotheses, picture: int, place: int) -> list[Word]:
        """The words of a hypothesis so far, without the end token."""
        numbers = [number for number in found.tokens[picture, place].tolist() if number not in (EOS, PAD)]
        logprobs = found.logprobs[picture, place].tolist()
        attention: list[list[list[float]] | None] = [None] * len(numbers)
        if found.attention is not None:
            seen = found.attention[picture, place]  # (T, P)
            # Six decimals: what is left is the noise of single precision, and twice the text in an answer.
            attention = seen.double().round(decimals=6).unflatten(1, (math.isqrt(seen.shape[1]), -1)).tolist()
        return [
            Word(self.vocabulary.words[number], logprobs[time], attention[time]) for time, number in enumerate(numbers)
        ]

    def captions(self, found: Hypotheses) -> list[list[Caption]]:
        """Turns the hypotheses of a search into captions, best first."""
        found = found.cpu()  # at once, not number by number
        calibration = self.config.calibration
        captions: list[list[Caption]] = []
        for picture, places in enumerate(found.tokens.tolist()):
            captions.append([])
            for place, numbers in enumerate(places):
                length = sum(number != PAD for number in numbers)
                total = sum(found.logprobs[picture, place, :length].tolist())
                if math.isfinite(total):
                    words = tuple(self.words(found, picture, place))
                    probability = math.exp(total / length)
                    captions[-1].append(
                        Caption(
                            text=detokenize(word.text for word in words),
                            logprob=total,
                            probability=probability,
                            confidence=calibration.confidence(probability) if calibration else probability,
                            finish_reason="stop" if len(words) < length else "length",
                            tokens=words,
                        )
                    )
        return captions


def _with_top(word: Word, top: tuple[Alternative, ...]) -> Word:
    return replace(word, top_logprobs=top)
