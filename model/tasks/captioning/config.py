"""Everything that a captioner is built from."""

from dataclasses import fields
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from model.calibration import Calibration
from model.config import Config, OffByMinusOne
from model.decoding.search import Search
from model.vision.config import EncoderConfig


class DecoderConfig(Config):
    """The recurrent network that turns a grid into words."""

    kind: Literal["show-and-tell", "soft-attention", "top-down", "tag-reader"] = "top-down"
    cell: str = "lstm"
    """A name in `model.cells.CELLS`."""
    embedding_size: Annotated[int, Field(ge=1)] = 512
    hidden_size: Annotated[int, Field(ge=1)] = 512
    attention_size: Annotated[int, Field(ge=1)] = 256
    """Units A of the attention's hidden layer; unused by show-and-tell."""
    num_layers: Annotated[int, Field(ge=1, le=8)] = 1
    """Stacked recurrent layers of show-and-tell; the attention decoders have a fixed number (1 and 2)."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.5
    tags: Annotated[int, Field(ge=1, le=100)] = 15
    """Words that a tag reader sees of each picture."""

    @model_validator(mode="after")
    def _layers_only_where_stacked(self) -> Self:
        if self.num_layers != 1 and self.kind != "show-and-tell":
            raise ValueError(f"num_layers={self.num_layers}: only show-and-tell stacks layers, {self.kind} does not")
        return self


class DecodingConfig(Config, use_attribute_docstrings=True):
    """Parameters of decoding captions; ranges and descriptions are those of the HTTP API."""

    method: Literal["greedy", "beam", "sample"] = "beam"
    """The way words are chosen: the likeliest each time, beam search, or at random by their probability."""
    beam_size: Annotated[int, Field(ge=1, le=10)] = 3
    """Captions kept in view at each step of beam search."""
    num_captions: Annotated[int, Field(ge=1, le=10)] = 1
    """Captions to return, best first: beams, diverse beam groups, or independent samples."""
    max_length: Annotated[int, Field(ge=1, le=100)] = 20
    """Most words in a caption; one that has not ended by then is cut, with finish_reason `length`."""
    min_length: Annotated[int, Field(ge=0, le=100)] = 0
    """Fewest words before a caption may end."""
    length_penalty: Annotated[float, Field(ge=0, le=2)] = 0.0
    """Captions rank by log-probability / length ** length_penalty: 0 is off, more favours long ones."""
    temperature: Annotated[float, Field(gt=0, le=5)] = 1.0
    """Sampling: divides the logits; below 1 is safer, above 1 more varied."""
    top_k: Annotated[int, Field(ge=-1, le=1000), OffByMinusOne] = 0
    """Sampling: only among this many likeliest words; 0 and -1 are off."""
    top_p: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Sampling: only among the fewest words whose probabilities reach this sum (nucleus sampling); 1 is off."""
    diversity: Annotated[float, Field(ge=0, le=10)] = 0.0
    """Beam search with several captions: how strongly each avoids the words of those before it at the same step
    (diverse beam search, Vijayakumar et al., 2016)."""
    block_ngram: Annotated[int, Field(ge=0, le=10)] = 0
    """No run of this many words comes twice in a caption; 0 is off."""
    neutral: bool = False
    """Say "person" rather than guess at gender or the colour of skin."""
    mention: Annotated[float, Field(ge=0, le=1)] = 1.0
    """Beam search: captions that say the likeliest tag with a word in the vocabulary, where its confidence is at least
    this, come before others; 1 is off. With `people`, only of pictures without them. Only for models with tags."""
    people: Annotated[float, Field(ge=0, le=1)] = 0.0
    """Least confidence of a tag for people, for captions to speak of any; 0 is off. Only for models with tags."""
    seed: Annotated[int | None, Field(ge=-(2**63), lt=2**63)] = None
    """Makes sampling repeatable."""
    prefix: Annotated[str, Field(max_length=200)] = ""
    """Words that each caption begins with."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.min_length > self.max_length:
            raise ValueError(f"min_length={self.min_length} is above max_length={self.max_length}")
        if self.method == "greedy" and self.num_captions > 1:
            raise ValueError(f"num_captions={self.num_captions}: greedy decoding gives one caption; use beam or sample")
        if self.method == "beam" and self.num_captions > self.beam_size:
            raise ValueError(f"num_captions={self.num_captions} is above beam_size={self.beam_size}")
        return self

    @property
    def search(self) -> Search:
        """The search for these captions."""
        shared = {field.name: getattr(self, field.name) for field in fields(Search) if field.name != "num_sequences"}
        return Search(**shared, num_sequences=self.num_captions)


class TaggingConfig(Config):
    """Maps a tagger's logits to how likely things are there (Platt, 1999)."""

    intercept: float = 0.0
    slope: Annotated[float, Field(gt=0)] = 1.0


class CaptionerConfig(Config):
    """Everything needed to rebuild a captioner around its weights."""

    encoder: EncoderConfig = EncoderConfig()
    decoder: DecoderConfig = DecoderConfig()
    decoding: DecodingConfig = DecodingConfig()
    """Defaults, which a request may override."""
    calibration: Calibration | None = None
    """Turns a caption's probability into a confidence; without it, they are the same."""
    tagging: TaggingConfig | None = None
    """Calibration of the tags, where the captioner has a tagger."""

    @model_validator(mode="after")
    def _mentions_only_tags(self) -> Self:
        for name, off in (("mention", 1), ("people", 0)):
            value = getattr(self.decoding, name)
            if value != off and self.tagging is None:
                raise ValueError(f"decoding.{name}={value:g}: without `tagging` there are no tags to go by")
        return self
