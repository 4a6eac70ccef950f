"""Everything that a recogniser is built from."""

from typing import Annotated

from pydantic import Field

from model.config import Config
from model.tasks.text.config import LanguageModelConfig


class DecodingConfig(Config, use_attribute_docstrings=True):
    """Parameters of the search. Ranges are those of the HTTP API."""

    beam_size: Annotated[int, Field(ge=1, le=64)] = 16
    """Texts that are kept at each frame; 1 takes the likeliest letter of each frame, without the language model."""
    language_weight: Annotated[float, Field(ge=0, le=5)] = 0.5
    """Weight of the language model's log-probability beside the recogniser's."""
    length_bonus: Annotated[float, Field(ge=-5, le=5)] = 0.5
    """Added to the score for each letter, since a language model prefers short texts."""


class Calibration(Config):
    """Probability that a word is right, σ(slope * x + offset), of the mean log-probability x of its letters."""

    slope: float = 1.0
    offset: float = 0.0


class TranscriptionConfig(Config):
    """A network from log-mel spectra to letters, and a language model over the letters."""

    bands: Annotated[int, Field(ge=8, le=256)] = 64
    """Mel bands of a frame, see `model.audio.mel`."""
    channels: Annotated[int, Field(ge=1, le=1024)] = 32
    """Channels of the two convolutions, which halve the frames and take every fourth band."""
    cell: str = "lstm"
    """A name in `model.cells.CELLS`."""
    hidden_size: Annotated[int, Field(ge=1)] = 240
    num_layers: Annotated[int, Field(ge=1, le=16)] = 3
    bidirectional: bool = True
    """Whether layers also run from the end back; False hears nothing that comes later, and writes while one speaks."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.2
    """Share of a layer's outputs that the layer above, or the softmax, does not see in training."""
    language: LanguageModelConfig = LanguageModelConfig(hidden_size=256, num_layers=1, dropout=0.3)
    decoding: DecodingConfig = DecodingConfig()
    """Defaults, which a request may override."""
    calibration: Calibration = Calibration()
