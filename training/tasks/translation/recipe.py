"""Recipes of translators."""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from model.config import Config
from model.tasks.translation.config import TranslatorConfig
from training.recipe import Optimisation, Recipe


class ParallelDataRecipe(Config):
    """Sentences in two languages."""

    path: Path
    """Folder of `train.en` and `train.de`, `dev.*` (or `val.*`) and perhaps `test.*`: a sentence a line."""
    description: str = ""
    """For the model card: what the data is, where it comes from and under which licence."""
    max_length: Annotated[int, Field(ge=2)] = 80
    """Training pairs with more pieces of words on either side are left out."""


class SubwordsRecipe(Config):
    """The pieces that words are cut into, learnt from both sides of the training sentences."""

    size: Annotated[int, Field(ge=300)] = 6000
    """Number of pieces, 260 for specials and bytes among them."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.1
    """Share of a training sentence's pieces that are cut once more, anew in each epoch; so are their parts (Provilkov,
    Emelianenko and Voita, "BPE-dropout", 2020)."""


class ParallelTextTraining(Optimisation):
    """`[training]` of a translator; see `training.tasks.translation.parallel_text`."""

    epochs: Annotated[int, Field(ge=1)] = 30
    batch_size: Annotated[int, Field(ge=1)] = 64
    """Pairs a step, over all processes."""
    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.1
    invented: Annotated[float, Field(ge=0, le=1)] = 0.5
    """Share of the pairs with a name or a number in common where it is replaced by one that does not exist, so that the
    network learns to copy what it does not know."""


class ParallelTextRecipe(Recipe):
    """The recipe of `training.tasks.translation.parallel_text`."""

    task: Literal["translation"] = "translation"
    objective: Literal["parallel-text"] = "parallel-text"
    data: ParallelDataRecipe
    subwords: SubwordsRecipe = SubwordsRecipe()
    model: TranslatorConfig = TranslatorConfig()
    training: ParallelTextTraining = ParallelTextTraining()

    @model_validator(mode="after")
    def _two_languages(self) -> Self:
        if self.model.source == self.model.target:
            raise ValueError(f"model.target={self.model.target} is the source too; name the other language")
        return self
