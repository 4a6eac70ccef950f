"""What a model is: frozen, validated descriptions of its parts, as they stand in a checkpoint's config.json."""

import math
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, FailFast, Field, model_validator

Triple = tuple[float, float, float]

MAX_STOPS = 16
"""Most strings that may end a text."""


class Config(BaseModel):
    """Base of every configuration: immutable, and an unknown key is an error rather than a silent typo."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())


class PreprocessingConfig(Config):
    """From an RGB picture of any size to the encoder's (3, S, S) input."""

    size: Annotated[int, Field(ge=32, le=1024)] = 224
    """Side S of the square input, in pixels."""
    resize: Literal["squash", "crop"] = "squash"
    """`squash` ignores the aspect ratio; `crop` cuts a centred square, crop_fraction of the shorter side."""
    crop_fraction: Annotated[float, Field(gt=0, le=1)] = 0.875
    """Used by `crop` alone."""
    interpolation: Literal["bilinear", "bicubic"] = "bicubic"
    mean: Triple = (0.5, 0.5, 0.5)
    """Per-channel mean, for pixels scaled to 0..1."""
    std: Triple = (0.5, 0.5, 0.5)


class EncoderConfig(Config):
    """The convolutional network that turns a picture into a grid of features."""

    name: str = "tf_efficientnet_lite2"
    """`tf_efficientnet_lite{0,1,2}` (plain torch, ours), `timm/NAME` or `torchvision/NAME` (the `train` extra)."""
    preprocessing: PreprocessingConfig = PreprocessingConfig()


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


class GenerationConfig(Config):
    """How text is drawn from a language model. Ranges are those of the HTTP API."""

    max_tokens: Annotated[int, Field(ge=0)] = 400
    """Most tokens written: characters, or words of a word model."""
    temperature: Annotated[float, Field(ge=0, le=2)] = 1.0
    """Divides the logits before sampling; below 1 sharpens, 0 takes the likeliest token."""
    top_k: Annotated[int, Field(ge=0, le=1000)] = 0
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
    seed: Annotated[int | None, Field(ge=0, lt=2**63)] = None
    """Makes sampling repeatable."""


class LanguageModelConfig(Config):
    """Everything needed to rebuild a language model around its weights."""

    unit: Literal["character", "word"] = "character"
    """What a token is; words carry the space before them, so that tokens put side by side are the text."""
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
