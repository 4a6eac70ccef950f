"""The base of every configuration, and names."""

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field


class Config(BaseModel):
    """Base of every configuration: immutable, and an unknown key is an error rather than a silent typo."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())


def _plain(name: str) -> str:
    if not name.isprintable() or name != name.strip() or name.startswith(".") or {"/", "\\"} & set(name):
        raise ValueError(f"{name!r}: a name is on one line, has no slashes, and begins with no dot or space")
    return name


Name = Annotated[str, Field(min_length=1, max_length=100), AfterValidator(_plain)]
"""Name of a model, which stands in paths, addresses, metrics and the log."""


OffByMinusOne = AfterValidator(lambda value: max(value, 0))
"""Annotates a number whose 0 turns something off, as does -1 elsewhere."""
