"""The base of all answers."""

from pydantic import BaseModel, ConfigDict, Field

UNLESS_NONE = Field(exclude_if=lambda value: value is None)
"""Leaves a field out of the answer when it is None."""


class Schema(BaseModel):
    """Base of all answers."""

    model_config = ConfigDict(
        frozen=True,
        from_attributes=True,
        use_attribute_docstrings=True,
        json_schema_serialization_defaults_required=True,
    )
