"""Recipes of intent classifiers."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from model.config import Config
from model.tasks.intents.config import IntentConfig
from training.recipe import Optimisation, Recipe


class IntentDataRecipe(Config):
    """Queries with their intents, and word vectors."""

    path: Path
    """A folder in CLINC150's layout, see `training.tasks.intents.reader`."""
    vectors: Path | None = None
    """A folder with words.txt, commonest first, and vectors.npy, a row a word; None begins with random vectors."""
    words: Annotated[int, Field(ge=0)] = 10_000
    """Words to know: those of the training queries, then the commonest that have a vector."""
    min_count: Annotated[int, Field(ge=1)] = 1
    """Words seen fewer times in the training queries, and without a vector, are unknown."""
    description: str = ""
    """For the model card: what the data are, where they come from and under which licence."""


class Distillation(Config):
    """Teachers whose probabilities, averaged, are learnt beside the labels (Hinton, Vinyals and Dean, "Distilling the
    knowledge in a neural network", 2015).
    """

    teachers: Annotated[tuple[Path, ...], Field(min_length=1)]
    """Folders of their checkpoints."""
    weight: Annotated[float, Field(ge=0, le=1)] = 0.7
    """Share of the teachers in what is learnt; the labels have the rest."""
    copies: Annotated[int, Field(ge=0)] = 4
    """Altered copies of each training query, of which the teachers alone say what they mean."""


class ClassificationTraining(Optimisation):
    """`[training]` of an intent classifier."""

    batch_size: Annotated[int, Field(ge=2)] = 64
    """Queries of an update, over all processes."""
    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.1
    word_dropout: Annotated[float, Field(ge=0, lt=1)] = 0.1
    """Share of words that are unknown in an update, but for their characters."""
    background: Annotated[int, Field(ge=0)] = 400
    """Sentences that are no request, drawn anew for each epoch, as further examples of what is out of scope."""
    nonsense: Annotated[int, Field(ge=0)] = 0
    """Texts that mean nothing, such as random letters, as further examples of what is out of scope."""
    mixtures: Annotated[float, Field(ge=0, le=1)] = 0.5
    """Mixtures of two queries with different intents, as a share of the batch, that are out of scope (Zhan et al.,
    "Out-of-scope intent detection with self-supervision and discriminative training", 2021, section 3.2)."""
    mixture_weight: Annotated[float, Field(ge=0)] = 0.1
    """Weight of their loss."""
    out_of_scope: Annotated[float, Field(gt=0, lt=1)] = 0.1
    """Share of requests that are expected to be out of scope. The operating point is the one with the greatest accuracy
    at this share, and weights are chosen by it."""


class ClassificationRecipe(Recipe):
    """The recipe of `training.tasks.intents.classification`."""

    task: Literal["intents"] = "intents"
    objective: Literal["classification"] = "classification"
    data: IntentDataRecipe
    model: IntentConfig = IntentConfig()
    distillation: Distillation | None = None
    training: ClassificationTraining = ClassificationTraining()
