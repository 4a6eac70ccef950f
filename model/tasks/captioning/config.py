"""Everything that a captioner is built from."""

import math
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from model.config import Config
from model.decoding.config import DecodingConfig
from model.vision.config import EncoderConfig


class DecoderConfig(Config):
    """The recurrent network that turns the grid into words."""

    kind: Literal["show-and-tell", "soft-attention", "top-down"] = "top-down"
    cell: str = "lstm"
    """A name in `model.cells.CELLS`."""
    embedding_size: Annotated[int, Field(ge=1)] = 512
    hidden_size: Annotated[int, Field(ge=1)] = 512
    attention_size: Annotated[int, Field(ge=1)] = 256
    """Units A of the attention's hidden layer; unused by show-and-tell."""
    num_layers: Annotated[int, Field(ge=1, le=8)] = 1
    """Stacked recurrent layers of show-and-tell; the attention decoders have a fixed number (1 and 2)."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.5

    @model_validator(mode="after")
    def _layers_only_where_stacked(self) -> Self:
        if self.num_layers != 1 and self.kind != "show-and-tell":
            raise ValueError(f"num_layers={self.num_layers}: only show-and-tell stacks layers, {self.kind} does not")
        return self


class CalibrationConfig(Config):
    """From how likely a model finds its captions to how likely they are good (Platt, 1999).

    The sigmoid of intercept + slope * logit of the geometric mean of the tokens' probabilities.
    """

    intercept: float
    slope: Annotated[float, Field(gt=0)]
    """Above 0, so that a likelier caption never has less confidence."""
    threshold: float
    """CIDEr that a good caption reaches; see `training.tasks.captioning.calibration`."""

    def confidence(self, probability: float) -> float:
        """Of a caption whose tokens have this geometric mean probability."""
        probability = min(max(probability, 1e-9), 1 - 1e-9)
        score = self.intercept + self.slope * math.log(probability / (1 - probability))
        return 1 / (1 + math.exp(-score)) if score > -700 else 0.0


class CaptionerConfig(Config):
    """Everything needed to rebuild a captioner around its weights."""

    encoder: EncoderConfig = EncoderConfig()
    decoder: DecoderConfig = DecoderConfig()
    decoding: DecodingConfig = DecodingConfig()
    """Defaults, which a request may override."""
    calibration: CalibrationConfig | None = None
    """What makes a caption's probability a confidence; without it, they are the same."""
