"""Everything that a forecaster is built from."""

from typing import Annotated

from pydantic import Field

from model.config import Config


class ForecastConfig(Config):
    """The network's sizes, and the calibration that was found on dev."""

    cell: str = "lstm"
    """A name in `model.cells.CELLS`."""
    hidden_size: Annotated[int, Field(ge=1, le=4096)] = 32
    num_layers: Annotated[int, Field(ge=1, le=16)] = 1
    members: Annotated[int, Field(ge=1, le=64)] = 5
    """Networks, each from random weights of its own, whose forecasts are averaged."""
    context: Annotated[int, Field(ge=1, le=10_000)] = 250
    """Days that a network reads before it forecasts: about a year."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.2
    """Share of inputs and hidden states that training leaves out."""
    spread: Annotated[float, Field(ge=0.1, le=10)] = 1.0
    """Factor of the returns' scale, by which intervals are as wide as dev showed that they should be."""
