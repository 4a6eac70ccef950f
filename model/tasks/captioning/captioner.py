"""A picture to sentences: encoder, decoder and vocabulary in one module."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import torch
from PIL import Image
from torch import Tensor, nn

from model.cells import State
from model.decoding.config import DecodingConfig
from model.decoding.decode import decode
from model.decoding.hypotheses import Hypotheses, Observer, PictureMemory, StepFunction, rows_per_picture
from model.tasks.captioning.config import CaptionerConfig
from model.tasks.captioning.decoder import Memory, Step, build_decoder
from model.tasks.captioning.neutral import Neutral
from model.vision.encoder import build_encoder
from model.vision.preprocessing import preprocess
from model.vocabulary import EOS, PAD, Vocabulary, detokenize, tokenize


@dataclass(frozen=True)
class Token:
    """A word of a caption."""

    text: str
    logprob: float
    attention: list[list[float]] | None
    """Where the network looked: rows x columns of the grid, summing to 1."""


@dataclass(frozen=True)
class Caption:
    """A sentence about a picture."""

    text: str
    logprob: float
    """Natural logarithm of the sentence's probability, its end included."""
    probability: float
    """Geometric mean of the tokens' probabilities, its end included."""
    confidence: float
    """How likely the caption is good, by the model's calibration; where it has none, the probability."""
    finish_reason: Literal["stop", "length"]
    """`stop`: the network ended the sentence; `length`: it was cut at max_length."""
    tokens: tuple[Token, ...]

    def __str__(self) -> str:
        return self.text


class UnknownPrefixError(ValueError):
    """The prefix has words that the vocabulary lacks."""


class Captioner(nn.Module):
    """The encoder and decoder that `config` describes, with fresh weights."""

    def __init__(self, config: CaptionerConfig, vocabulary: Vocabulary) -> None:
        super().__init__()
        self.config = config
        self.vocabulary = vocabulary
        self.encoder = build_encoder(config.encoder)
        num_features = self.encoder.num_features
        assert isinstance(num_features, int)
        self.decoder = build_decoder(config.decoder, num_features=num_features, vocabulary_size=len(vocabulary))

    lanes: "tuple[Captioner, ...]" = ()
    """Others that say the same, for as many threads at the same time, which share the cores and the weights."""

    @property
    def device(self) -> torch.device:
        return self.decoder.output.weight.device

    @cached_property
    def neutral(self) -> Neutral:
        """The words that `neutral=true` avoids."""
        return Neutral(self.vocabulary)

    def preprocess(self, image: Image.Image) -> Tensor:
        """An RGB picture of any size to (3, S, S), on the CPU; safe to call from several threads."""
        return preprocess(image, self.config.encoder.preprocessing)

    @torch.inference_mode()
    def encode(self, pixels: Tensor) -> Tensor:
        """Preprocessed pictures (B, 3, S, S) to their grids (B, P, E)."""
        return self.encoder(pixels.to(self.device))  # type: ignore[no-any-return]

    def start(self, grid: Tensor, hypotheses: int) -> tuple[StepFunction, State, PictureMemory]:
        """What a search needs for the grids (B, P, E).

        Returns:
            the decoder's step, the state before the first word, of N = B * hypotheses rows, and the memory.
        """
        memory = self.decoder.read(grid)

        def step(tokens: Tensor, state: State, memory: PictureMemory) -> Step:
            return self.decoder.step(tokens, state, Memory(*memory))

        return step, self.decoder.start(memory, hypotheses), memory

    @torch.inference_mode()
    def generate(
        self,
        grid: Tensor,
        decoding: DecodingConfig,
        *,
        attention: bool = False,
        observer: Observer | None = None,
    ) -> list[list[Caption]]:
        """Captions for each of the grids (B, P, E): `decoding.num_captions` of them, best first.

        Fewer where fewer are possible, as when the prefix fills max_length. The observer watches the search.

        Raises:
            UnknownPrefixError: the prefix has words that the vocabulary lacks.
        """
        step, state, memory = self.start(grid, rows_per_picture(decoding))
        found = decode(
            step,
            state,
            memory,
            len(grid),
            decoding,
            prefix=self.encode_prefix(decoding.prefix),
            neutral=self.neutral if decoding.neutral else None,
            attention=attention,
            observer=observer,
        )
        return self.captions(found)

    def caption(
        self,
        images: Sequence[Image.Image],
        decoding: DecodingConfig | None = None,
        *,
        attention: bool = False,
    ) -> list[list[Caption]]:
        """Captions for RGB pictures of any size; `decoding` defaults to the checkpoint's own.

        Raises:
            UnknownPrefixError: the prefix has words that the vocabulary lacks.
        """
        if not images:
            return []
        pixels = torch.stack([self.preprocess(image) for image in images])  # (B, 3, S, S)
        return self.generate(self.encode(pixels), decoding or self.config.decoding, attention=attention)

    def encode_prefix(self, prefix: str) -> list[int]:
        """Numbers of a prefix's words.

        Raises:
            UnknownPrefixError: the vocabulary lacks some.
        """
        words = tokenize(prefix)
        unknown = [word for word in words if word not in self.vocabulary]
        if unknown:
            raise UnknownPrefixError(f"the model's vocabulary lacks {', '.join(map(repr, unknown))}")
        return self.vocabulary.encode(words)

    def tokens(self, found: Hypotheses, picture: int, place: int) -> list[Token]:
        """The words of a hypothesis so far, its end left out."""
        numbers = [number for number in found.tokens[picture, place].tolist() if number not in (EOS, PAD)]
        logprobs = found.logprobs[picture, place].tolist()
        attention: list[list[list[float]] | None] = [None] * len(numbers)
        if found.attention is not None:
            seen = found.attention[picture, place]  # (T, P)
            attention = seen.unflatten(1, (math.isqrt(seen.shape[1]), -1)).tolist()
        return [
            Token(self.vocabulary.words[number], logprobs[time], attention[time]) for time, number in enumerate(numbers)
        ]

    def captions(self, found: Hypotheses) -> list[list[Caption]]:
        """What a search found as sentences, best first; tensors are brought to the CPU at once."""
        found = found.cpu()
        calibration = self.config.calibration
        captions: list[list[Caption]] = []
        for picture, places in enumerate(found.tokens.tolist()):
            captions.append([])
            for place, numbers in enumerate(places):
                length = sum(number != PAD for number in numbers)
                total = sum(found.logprobs[picture, place, :length].tolist())
                if math.isfinite(total):
                    tokens = tuple(self.tokens(found, picture, place))
                    probability = math.exp(total / length)
                    captions[-1].append(
                        Caption(
                            text=detokenize(token.text for token in tokens),
                            logprob=total,
                            probability=probability,
                            confidence=calibration.confidence(probability) if calibration else probability,
                            finish_reason="stop" if len(tokens) < length else "length",
                            tokens=tokens,
                        )
                    )
        return captions
