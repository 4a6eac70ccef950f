"""Recipes of recognisers."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from model.config import Config
from model.tasks.transcription.config import TranscriptionConfig
from training.recipe import Optimisation, Recipe

Share = Annotated[float, Field(ge=0, le=1)]


class RecordingsRecipe(Config):
    """Recordings with their texts."""

    path: Path
    """A folder with `an4`, `fsdd` or `speech_commands`, see `training.tasks.transcription.reader`."""
    without: tuple[str, ...] = ()
    """Speakers that are left out of train and dev, to be heard for the first time in test."""
    description: str = ""
    """For the model card: what the data are, where they come from and under which licence."""


class Augmentation(Config):
    """Changes to a recording, drawn anew each time that it is heard."""

    speed: Annotated[float, Field(ge=0, lt=1)] = 0.15
    """Greatest change of the speed, and with it of the pitch (Ko et al., "Audio augmentation for speech recognition",
    2015)."""
    level: Annotated[float, Field(ge=0, le=40)] = 12.0
    """Greatest change of the level, in decibels."""
    noise: Share = 0.4
    """Share of recordings with noise, hum or music behind them."""
    babble: Share = 0.25
    """Share with other people's talk behind them."""
    loudest: float = 3.0
    """Least ratio of a recording to what is behind it, in decibels; the greatest is 30 more."""
    room: Share = 0.25
    """Share in a room with an echo."""
    telephone: Share = 0.3
    """Share without what is above a frequency of 3.2 to 4 kHz, and some of them below 300 Hz."""
    bands: Annotated[int, Field(ge=0)] = 12
    """Most mel bands that are hidden, twice (Park et al., "SpecAugment", 2019)."""
    frames: Annotated[int, Field(ge=0)] = 20
    """Most frames that are hidden at a time, once for each second."""


class RecogniserTraining(Optimisation):
    """`[training]` of a recogniser."""

    batch_size: Annotated[int, Field(ge=1)] = 32
    """Texts of an update, over all processes."""
    learning_rate: Annotated[float, Field(gt=0)] = 2e-3
    gradient_clip: Annotated[float, Field(gt=0)] = 1.0
    patience: Annotated[int, Field(ge=1)] | None = None
    words: Share = 0.5
    """Share of the recordings of single words that an epoch has, other ones each time."""
    digits: Annotated[int, Field(ge=1)] = 7
    """Most digits of one speaker that are joined to a string."""
    silences: Share = 0.04
    """Recordings of noise alone, as a share of the others."""
    language: Annotated[float, Field(gt=0, le=1)] = 0.25
    """Share of the texts that the language model reads in an update: it learns sooner than the network does."""


class RecogniserRecipe(Recipe):
    """The recipe of `training.tasks.transcription.ctc`."""

    task: Literal["transcription"] = "transcription"
    objective: Literal["ctc"] = "ctc"
    data: RecordingsRecipe
    model: TranscriptionConfig = TranscriptionConfig()
    augmentation: Augmentation = Augmentation()
    training: RecogniserTraining = RecogniserTraining()
