"""Scores of a model, each with its label, its split and its direction."""

from collections.abc import Mapping
from typing import Any

from pydantic import TypeAdapter, ValidationError

from model.config import Config


class Figure(Config):
    """One score of a model, as it stands in the list `figures` of metrics.json."""

    name: str  # `bits_per_character`: the key for programs
    label: str  # `bits per character`: what people read
    value: float
    split: str  # the part of the data that was scored: `train`, `dev` or `test`
    higher_is_better: bool


def figures_of(metrics: Mapping[str, Any]) -> list[Figure]:
    """The figures in a checkpoint's metrics, most important first; ValueError says what is wrong with them."""
    try:
        return TypeAdapter(list[Figure]).validate_python(metrics.get("figures", []))
    except ValidationError as error:
        first = error.errors()[0]
        raise ValueError(f"figures.{'.'.join(map(str, first['loc']))}: {first['msg']}") from error
