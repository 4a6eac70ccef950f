"""Everything that a language model is built from."""

from typing import Annotated, Literal

from pydantic import FailFast, Field

from model.config import Config, OffByMinusOne

MAX_STOPS = 16
"""Most strings that may end a text."""


class GenerationConfig(Config, use_attribute_docstrings=True):
    """Parameters of drawing text. Ranges are those of the HTTP API."""

    max_tokens: Annotated[int, Field(ge=0)] = 400
    """Most tokens written: characters, or words of a word model."""
    temperature: Annotated[float, Field(ge=0, le=2)] = 1.0
    """Divides the logits before sampling; below 1 sharpens, 0 takes the likeliest token."""
    top_k: Annotated[int, Field(ge=-1, le=1000), OffByMinusOne] = 0
    """Sample among the k most likely tokens only; 0 turns it off."""
    top_p: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Sample among the fewest tokens whose probabilities reach p (nucleus sampling); 1 turns it off."""
    repetition_penalty: Annotated[float, Field(gt=0, le=10)] = 1.0
    """Divides the positive logits, and multiplies the negative ones, of tokens that the text has already (Keskar et
    al., "CTRL", 2019, section 4.1); 1 turns it off. Meant for words: a text soon has all characters."""
    stop: Annotated[
        tuple[Annotated[str, Field(min_length=1, max_length=200)], ...], Field(max_length=MAX_STOPS), FailFast()
    ] = ()
    """Strings before which the text ends."""
    seed: Annotated[int | None, Field(ge=-(2**63), lt=2**63)] = None
    """Makes sampling repeatable."""


class LanguageModelConfig(Config):
    """Everything needed to rebuild a language model around its weights."""

    unit: Literal["character", "word"] = "character"
    """The kind of token; words carry the space before them, so that tokens put side by side are the text."""
    embedding_size: Annotated[int, Field(ge=0)] = 0
    """Size of the learned input vectors; 0 feeds the network one-hot vectors."""
    cell: str = "lstm"
    """A name in `model.cells.CELLS`."""
    hidden_size: Annotated[int, Field(ge=1)] = 512
    num_layers: Annotated[int, Field(ge=1, le=16)] = 3
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Share of a layer's outputs that the layer above, or the softmax, does not see in training."""
    generation: GenerationConfig = GenerationConfig()
    """Defaults, which a request may override."""
