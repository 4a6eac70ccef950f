"""Everything that an intent classifier is built from."""

from typing import Annotated

from pydantic import Field

from model.config import Config


class IntentConfig(Config):
    """The network's sizes, and the operating point and the calibration that were found on dev."""

    cell: str = "lstm"
    """A name in `model.cells.CELLS`."""
    embedding_size: Annotated[int, Field(ge=1)] = 100
    """Size of a word's vector."""
    character_size: Annotated[int, Field(ge=1)] = 24
    """Size of a character's vector."""
    character_filters: Annotated[int, Field(ge=1)] = 64
    """Features that are read off a word's characters, three at a time."""
    hidden_size: Annotated[int, Field(ge=1)] = 256
    """Units in each direction."""
    num_layers: Annotated[int, Field(ge=1, le=16)] = 1
    attention_size: Annotated[int, Field(ge=1)] = 64
    perceptron_size: Annotated[int, Field(ge=1)] = 256
    """Units of the perceptron's hidden layer."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.5
    """Share of inputs, hidden states and the perceptron's units that training leaves out."""
    temperature: Annotated[float, Field(gt=0)] = 1.0
    """Divides the logits, so that probabilities are as sure as they are right."""
    threshold: Annotated[float, Field(ge=0, le=1)] = 0.5
    """Least probability of the likeliest intent for a text to be in scope: the operating point."""
