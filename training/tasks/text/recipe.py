"""Recipes of language models."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AliasChoices, Field

from model.config import Config
from model.tasks.text.config import LanguageModelConfig
from training.recipe import Optimisation, Recipe


class TextDataRecipe(Config):
    """The text, cut at two places into train, dev and test."""

    path: Path
    """A file; or a folder, whose files are put one after the other in the order of their names."""
    pattern: str = "**/*"
    """Glob of the files in a folder."""
    description: str = ""
    """For the model card: what the text is, where it comes from and under which licence."""
    # Checkpoints of version 0.1 say `validation` in the recipe in their metrics.json, by which their text is cut.
    dev: Annotated[float, Field(gt=0, lt=1, validation_alias=AliasChoices("dev", "validation"))] = 0.1
    """Share of the characters that follows the training text, and decides which weights are kept."""
    test: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Share at the end, scored once."""
    min_count: Annotated[int, Field(ge=1)] = 1
    """Tokens seen fewer times in training become `<unk>`."""


class RunningTextTraining(Optimisation):
    """`[training]` of a language model on running text."""

    initialization: Literal["orthogonal", "torch"] = "orthogonal"
    """`orthogonal` learns several times as fast at first, see `LanguageModel.initialize`; `torch` begins with smaller
    weights, with which the best model of a short text, read many times, was found."""
    batch_size: Annotated[int, Field(ge=1)] = 32
    """Streams N that the training text is cut into, read side by side, over all processes."""
    k1: Annotated[int, Field(ge=1)] = 128
    """Tokens of each stream between two updates: truncated backpropagation through time."""
    k2: Annotated[int, Field(ge=1)] = 128
    """Tokens that the gradient goes back."""
    learning_rate: Annotated[float, Field(gt=0)] = 2e-3
    gradient_clip: Annotated[float, Field(gt=0)] = 1.0
    patience: Annotated[int, Field(ge=1)] | None = None
    sample_tokens: Annotated[int, Field(ge=0)] = 600
    """Tokens written to TensorBoard after each epoch."""


class RunningTextRecipe(Recipe):
    """The recipe of `training.tasks.text.running_text`."""

    task: Literal["text"] = "text"
    objective: Literal["running-text"] = "running-text"
    data: TextDataRecipe
    model: LanguageModelConfig = LanguageModelConfig()
    training: RunningTextTraining = RunningTextTraining()
