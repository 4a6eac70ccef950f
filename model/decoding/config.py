"""How sequences are read out of a decoder."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from model.config import Config


class DecodingConfig(Config):
    """How captions are read out of the decoder. Ranges are those of the HTTP API."""

    method: Literal["greedy", "beam", "sample"] = "beam"
    beam_size: Annotated[int, Field(ge=1, le=10)] = 3
    num_captions: Annotated[int, Field(ge=1, le=10)] = 1
    """Captions returned for a picture, best first: beams, diverse beam groups, or independent samples."""
    max_length: Annotated[int, Field(ge=1, le=100)] = 20
    """Most tokens generated; a caption that has not ended by then is cut, with finish_reason `length`."""
    min_length: Annotated[int, Field(ge=0, le=100)] = 0
    """Fewest tokens before a caption may end."""
    length_penalty: Annotated[float, Field(ge=0, le=2)] = 0.0
    """Hypotheses rank by log-probability / length ** length_penalty: 0 turns it off, more favours longer ones."""
    temperature: Annotated[float, Field(gt=0, le=5)] = 1.0
    """Divides the logits before sampling; below 1 sharpens. Sampling only."""
    top_k: Annotated[int, Field(ge=0, le=1000)] = 0
    """Sample among the k most likely words only; 0 turns it off."""
    top_p: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Sample among the fewest words whose probabilities reach p (nucleus sampling); 1 turns it off."""
    diversity: Annotated[float, Field(ge=0, le=10)] = 0.0
    """Diverse beam search (Vijayakumar et al., 2016): penalty for a word that another caption has at the same step."""
    block_ngram: Annotated[int, Field(ge=0, le=10)] = 0
    """No n-gram of this length occurs twice in a caption; 0 turns it off."""
    neutral: bool = False
    """Say "person" rather than guess at people's gender or the colour of their skin."""
    seed: Annotated[int | None, Field(ge=0, lt=2**63)] = None
    """Makes sampling repeatable."""
    prefix: Annotated[str, Field(max_length=200)] = ""
    """Words that every caption begins with."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.min_length > self.max_length:
            raise ValueError(f"min_length={self.min_length} is above max_length={self.max_length}")
        if self.method == "greedy" and self.num_captions > 1:
            raise ValueError(f"num_captions={self.num_captions}: greedy decoding gives one caption; use beam or sample")
        if self.method == "beam" and self.num_captions > self.beam_size:
            raise ValueError(f"num_captions={self.num_captions} is above beam_size={self.beam_size}")
        return self
