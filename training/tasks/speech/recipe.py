"""Recipes of synthesisers."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from model.config import Config
from model.tasks.speech.config import SpeechConfig
from training.recipe import Optimisation, Recipe


class VoicesRecipe(Config):
    """Recordings of voices with their texts."""

    path: Path
    """A folder with `asterisk`, `fsdd` or both, see `training.tasks.speech.reader`."""
    dictionary: Path | None = None
    """Pronunciations in the form of the CMU dictionary; by default those that PocketSphinx brings along."""
    description: str = ""
    """For the model card: what the data are, where they come from and under which licence."""


class AlignmentRecipe(Config):
    """The network that finds when each symbol is said, see `training.tasks.speech.alignment`. It is not kept."""

    epochs: Annotated[int, Field(ge=1)] = 12
    even: Annotated[int, Field(ge=0)] = 2
    """Epochs at first in which all symbols of a recording are taken to last equally long."""
    hidden_size: Annotated[int, Field(ge=1)] = 128
    """Channels of the convolutions."""
    learning_rate: Annotated[float, Field(gt=0)] = 2e-3
    prior: Annotated[float, Field(ge=0, le=1)] = 0.7
    """Power of the symbols' frequencies that their probabilities are divided by: without, breaks would grow."""
    digits: Annotated[float, Field(gt=0, le=1)] = 0.1
    """Share of the recordings of single digits that an epoch has."""


class SynthesiserTraining(Optimisation):
    """`[training]` of a synthesiser."""

    batch_size: Annotated[int, Field(ge=1)] = 16
    """Recordings of an update, over all processes."""
    learning_rate: Annotated[float, Field(gt=0)] = 1e-3
    gradient_clip: Annotated[float, Field(gt=0)] = 1.0
    patience: Annotated[int, Field(ge=1)] | None = None
    letters: Annotated[float, Field(ge=0, le=1)] = 0.1
    """Share of words that are written in letters, so that words without a pronunciation can be said."""
    digits: Annotated[int, Field(ge=1)] = 4
    """Most digits of one speaker that are joined to a string."""
    longest: Annotated[float, Field(gt=0)] = 12.0
    """Seconds of the longest recording; longer ones are cut where a sentence ends."""


class SynthesiserRecipe(Recipe):
    """The recipe of `training.tasks.speech.synthesis`."""

    task: Literal["speech"] = "speech"
    objective: Literal["synthesis"] = "synthesis"
    data: VoicesRecipe
    model: SpeechConfig = SpeechConfig()
    alignment: AlignmentRecipe = AlignmentRecipe()
    training: SynthesiserTraining = SynthesiserTraining()
    listeners: tuple[str, ...] = ("sphinx",)
    """Listeners when the synthesiser is scored: `sphinx` for PocketSphinx, or a recogniser's checkpoint."""
