"""The base of every configuration."""

from pydantic import AfterValidator, BaseModel, ConfigDict


class Config(BaseModel):
    """Base of every configuration: immutable, and an unknown key is an error rather than a silent typo."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())


OffByMinusOne = AfterValidator(lambda value: max(value, 0))
"""Annotates a number whose 0 turns something off, as does -1 elsewhere."""
