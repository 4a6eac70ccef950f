"""Answers in the shape of IBM's Model Asset eXchange."""

from typing import Literal

from app.http.schema import Schema


class MaxPrediction(Schema):
    """One of the captions."""

    index: str
    """Its place: the first is the best."""
    caption: str
    probability: float
    """Of the whole sentence."""


class MaxResponse(Schema):
    """Captions of a picture, as IBM's Model Asset Exchange tells them."""

    status: Literal["ok"]
    predictions: list[MaxPrediction]


class MaxMetadata(Schema):
    """A model, as IBM's Model Asset Exchange describes it."""

    id: str
    name: str
    description: str
    type: str
    license: str
    source: str
    """Where more about it is told."""
