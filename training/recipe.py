"""A training run as one frozen, validated value, read from TOML; `--set section.key=value` overrides a key.

This is what the recipes of all tasks share; each task's own are in its folder, `training/tasks/<task>/recipe.py`.
"""

import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import BaseModel, Field, ValidationError, model_validator
from pydantic_core import ErrorDetails

from model.config import Config, Name
from training.errors import TrainingError


class RecipeError(TrainingError):
    """A recipe that can't be read, or asks for something that can't be done; the message names the key."""


class Optimisation(Config):
    """The keys of `[training]` that every objective has."""

    epochs: Annotated[int, Field(ge=1)] = 20
    learning_rate: Annotated[float, Field(gt=0)] = 5e-4
    """Peak of the schedule: a linear rise, then a cosine to zero at the last step."""
    cycles: Annotated[int, Field(ge=1)] = 1
    """Times that the schedule is gone through, each in its share of the epochs (Loshchilov and Hutter, "SGDR:
    stochastic gradient descent with warm restarts", 2017)."""
    warmup_steps: Annotated[int, Field(ge=0)] = 200
    """Steps of the linear rise; at most a tenth of a cycle's steps are taken."""
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    gradient_clip: Annotated[float, Field(gt=0)] = 5.0
    """Largest norm of the gradient."""
    ema_decay: Annotated[float, Field(ge=0, lt=1)] = 0.999
    """Decay of the averaged weights, which are scored and kept; 0 keeps the last step's."""
    patience: Annotated[int, Field(ge=1)] | None = 5
    """Epochs without a better score on dev before training stops; never, if None."""
    precision: Literal["no", "bf16", "fp16"] = "bf16"
    """Precision of products: `bf16` is bfloat16 where the device multiplies it faster, else single precision."""
    save_every: Annotated[int, Field(ge=1)] = 200
    """Steps between two resumable states."""
    seed: Annotated[int, Field(ge=0)] = 1

    @model_validator(mode="after")
    def _whole_cycles(self) -> Self:
        if self.epochs % self.cycles:
            raise ValueError(f"cycles={self.cycles}: epochs={self.epochs} can't be shared among them evenly")
        return self


class Recipe(Config):
    """Base of all recipes."""

    task: str
    """A name in `training.tasks.TASKS`."""
    objective: str
    """A name in that task's `objectives`."""
    name: Name
    """Name of the checkpoint."""
    output: Path
    """Folder of the checkpoint."""
    run: Path
    """Folder of the resumable state and the TensorBoard logs."""
    training: Optimisation

    @classmethod
    def read(cls, path: Path, overrides: Sequence[str] = ()) -> Self:
        """Reads a recipe of this class; the arguments are those of `read_values`.

        Raises:
            RecipeError: the file is missing or not TOML, a key is unknown, or a value is not what it should be.
        """
        return cls.parse(read_values(path, overrides), path)

    @classmethod
    def parse(cls, values: Mapping[str, Any], path: Path) -> Self:
        """Validates values that were read from `path`; raises a `RecipeError` that says what is wrong."""
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            lines = [f"{'.'.join(map(str, problem['loc']))}: {_explain(cls, problem)}" for problem in error.errors()]
            raise RecipeError(f"{path}: " + "; ".join(lines)) from error


def read_values(path: Path, overrides: Sequence[str] = ()) -> dict[str, Any]:
    """Reads a recipe's values without validating them.

    Args:
        path: a TOML file. `extends = "FILE"`, relative to it, names one whose values hold where this one has none.
        overrides: `section.key=value`, whose values are TOML too; bare words are strings.

    Raises:
        RecipeError: the file is missing or not TOML, or an override is malformed.
    """
    values = _load(path)
    for override in overrides:
        _override(values, override)
    return values


def _load(path: Path, extending: tuple[Path, ...] = ()) -> dict[str, Any]:
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise RecipeError(f"{path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise RecipeError(f"{path}: not TOML: {error}") from error
    if "extends" not in values:
        return values
    base = path.parent / str(values.pop("extends"))
    extending = (*extending, path.resolve())
    if base.resolve() in extending:
        raise RecipeError(f"{path}: extends: {base} extends this file in turn")
    return _merged(_load(base, extending), values)


def _merged(base: dict[str, Any], values: dict[str, Any]) -> dict[str, Any]:
    """Both, section by section; `values` go first."""
    both = base | values
    for name in base.keys() & values.keys():
        if isinstance(base[name], dict) and isinstance(values[name], dict):
            both[name] = _merged(base[name], values[name])
    return both


def _explain(section: type[BaseModel], problem: ErrorDetails) -> str:
    """The reason why a value is refused; of an unknown key, the keys that there are."""
    if problem["type"] != "extra_forbidden":
        return problem["msg"].removeprefix("Value error, ")
    for name in problem["loc"][:-1]:
        annotation = section.model_fields[str(name)].annotation
        parts = get_args(annotation) or (annotation,)  # of an optional section, it and None
        section = next(part for part in parts if isinstance(part, type) and issubclass(part, BaseModel))
    return f"no such key; there are {', '.join(section.model_fields)}"


def _override(values: dict[str, Any], override: str) -> None:
    key, equals, text = override.partition("=")
    if not equals or not key:
        raise RecipeError(f"--set {override}: write section.key=value")
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        value = text
    *sections, last = key.split(".")
    for section in sections:
        values = values.setdefault(section, {})
        if not isinstance(values, dict):
            raise RecipeError(f"--set {override}: {section} is a value, not a section")
    values[last] = value
