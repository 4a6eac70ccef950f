"""Everything that a synthesiser is built from."""

from typing import Annotated, Literal

from pydantic import Field

from model.config import Config

Share = Annotated[float, Field(ge=0, lt=1)]


class RenderingConfig(Config, use_attribute_docstrings=True):
    """The way from spectra to sound, of which nothing is learnt."""

    iterations: Annotated[int, Field(ge=1, le=200)] = 32
    """Rounds of Griffin and Lim's search for phases."""
    sharpness: Annotated[float, Field(ge=0.5, le=3)] = 1.2
    """Power that magnitudes are raised to before: above 1, harmonics stand out."""
    pause: Annotated[float, Field(ge=0, le=2)] = 0.15
    """Seconds of silence between two pieces of a text."""


class SpeechConfig(Config):
    """Symbols to durations and spectra."""

    bands: Annotated[int, Field(ge=8, le=256)] = 80
    """Mel bands of a frame, see `model.audio.spectrogram`."""
    alignment: Literal["durations", "attention"] = "durations"
    """The way that the decoder knows which symbol it is at: durations that are predicted first, or attention to the
    symbols, as Tacotron has it."""
    cell: str = "lstm"
    """A name in `model.cells.CELLS`."""
    embedding_size: Annotated[int, Field(ge=1)] = 128
    voice_size: Annotated[int, Field(ge=1)] = 32
    """Numbers that tell one voice from another."""
    encoder_size: Annotated[int, Field(ge=1)] = 128
    """Units of the encoder in each direction."""
    prenet_size: Annotated[int, Field(ge=1)] = 128
    """Units of the two layers through which the decoder sees what it said last."""
    decoder_size: Annotated[int, Field(ge=1)] = 320
    decoder_layers: Annotated[int, Field(ge=1, le=8)] = 2
    frames_per_step: Annotated[int, Field(ge=1, le=8)] = 2
    """Frames that a step of the decoder says."""
    postnet_size: Annotated[int, Field(ge=1)] = 128
    """Units in each direction of the network from mel bands to linear spectra."""
    dropout: Share = 0.2
    """Share of the encoder's outputs that is not seen in training."""
    prenet_dropout: Share = 0.5
    """Share of the prenet's units that is not seen, in training and in speaking, so that the decoder heeds the text."""
    rendering: RenderingConfig = RenderingConfig()
