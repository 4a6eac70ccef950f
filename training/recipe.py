"""A training run as one frozen, validated value, read from TOML; `--set section.key=value` overrides a key."""

import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import BaseModel, Field, ValidationError, model_validator
from pydantic_core import ErrorDetails

from model.config import Config
from model.tasks.captioning.config import DecoderConfig, DecodingConfig
from model.tasks.text.config import LanguageModelConfig
from model.vision.config import EncoderConfig


class RecipeError(Exception):
    """A recipe that can't be read, or says something that can't be done; the message names the key."""


class Recipe(Config):
    """Base of what a training command is told."""

    name: str
    """Of the checkpoint."""
    output: Path
    """Where the checkpoint goes."""
    run: Path
    """Where states and TensorBoard logs go."""

    @classmethod
    def read(cls, path: Path, overrides: Sequence[str] = ()) -> Self:
        """From a TOML file and `section.key=value` overrides, whose values are TOML too (bare words are strings).

        Raises:
            RecipeError: the file is missing or not TOML, a key is unknown, or a value is not what it should be.
        """
        try:
            values = tomllib.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise RecipeError(f"{path}: {error.strerror}") from error
        except tomllib.TOMLDecodeError as error:
            raise RecipeError(f"{path}: not TOML: {error}") from error
        for override in overrides:
            _override(values, override)
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            lines = [f"{'.'.join(map(str, problem['loc']))}: {_told(cls, problem)}" for problem in error.errors()]
            raise RecipeError(f"{path}: " + "; ".join(lines)) from error


class DataRecipe(Config):
    """Which pictures and sentences."""

    path: Path
    """The data set's folder, in any layout that `training.tasks.captioning.readers` reads."""
    description: str = ""
    """For the model card: what the data is, where it comes from and under which licence."""
    min_count: Annotated[int, Field(ge=1)] = 5
    """Words seen fewer times in training become `<unk>`."""
    max_length: Annotated[int, Field(ge=2)] = 24
    """Longer training captions are cut to this many words; scoring always sees them whole."""


class FeaturesRecipe(Config):
    """The frozen encoder's grids."""

    cache: Path = Path("runs/features")
    """Folder of the memory-mapped grids."""
    views: Annotated[int, Field(ge=1, le=32)] = 1
    """Views of each training picture: 1 is the picture, 2 adds its mirror image, more add random crops."""
    batch_size: Annotated[int, Field(ge=1)] = 32


class EncoderFeaturesRecipe(FeaturesRecipe):
    """The grids of an encoder that no checkpoint has yet."""

    weights: str = "package"
    """`package`, `hub`, `random`, or the path of a state dict or of a captioner's checkpoint."""


class StageTraining(Config):
    """How any stage of a captioner learns."""

    epochs: Annotated[int, Field(ge=1)] = 20
    batch_size: Annotated[int, Field(ge=1)] = 128
    """Captions a step, over all processes."""
    learning_rate: Annotated[float, Field(gt=0)] = 5e-4
    """Peak of the schedule: a linear rise, then a cosine to zero at the last step."""
    warmup_steps: Annotated[int, Field(ge=0)] = 200
    """Of that rise; at most a tenth of all steps are taken."""
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    gradient_clip: Annotated[float, Field(gt=0)] = 5.0
    """Largest norm of the gradient."""
    ema_decay: Annotated[float, Field(ge=0, lt=1)] = 0.999
    """Decay of the averaged weights, which are what is scored and kept; 0 keeps the last step's."""
    patience: Annotated[int, Field(ge=1)] = 5
    """Epochs without a better dev CIDEr before training stops."""
    precision: Literal["no", "bf16", "fp16"] = "bf16"
    """Of products: `bf16` is bfloat16 where the device multiplies it faster, else single precision."""
    save_every: Annotated[int, Field(ge=1)] = 200
    """Steps between two resumable states."""
    seed: Annotated[int, Field(ge=0)] = 1


class StageRecipe(Recipe):
    """What every stage of a captioner is told."""

    data: DataRecipe
    training: StageTraining = StageTraining()


class FrozenRecipe(StageRecipe):
    """What a stage over a frozen encoder is told."""

    features: FeaturesRecipe = FeaturesRecipe()


class DistillationRecipe(Config):
    """Teachers, from whose probabilities a captioner learns beside people's captions."""

    teachers: Annotated[tuple[Path, ...], Field(min_length=1)]
    """Checkpoints of captioners with the same words. Several are averaged: an ensemble becomes one model."""
    weight: Annotated[float, Field(gt=0, le=1)] = 0.5
    """Of what the teachers say in the objective; the rest is that of people's words."""
    temperature: Annotated[float, Field(gt=0, le=10)] = 1.0
    """Divides the logits of teachers and learner: above 1, unlikely words count for more."""
    words: Annotated[int, Field(ge=1)] = 20
    """Likeliest words that are kept of what the teachers expect at each place, and made to sum to 1."""


class TrainingRecipe(StageTraining):
    """How the decoder learns by cross-entropy."""

    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.1
    attention_penalty: Annotated[float, Field(ge=0)] = 0.0
    """Weight of the doubly stochastic regulariser (Show, Attend and Tell, eq. 14)."""


class CaptionerRecipe(FrozenRecipe):
    """Everything that `recap-train captioner` is told."""

    encoder: EncoderConfig = EncoderConfig()
    features: EncoderFeaturesRecipe = EncoderFeaturesRecipe()
    decoder: DecoderConfig = DecoderConfig()
    decoding: DecodingConfig = DecodingConfig()
    training: TrainingRecipe = TrainingRecipe()
    distillation: DistillationRecipe | None = None


class AugmentationRecipe(Config):
    """How training pictures differ from one time to the next."""

    crop: Annotated[float, Field(gt=0, le=1)] = 0.5
    """Smallest share of a picture's area that is cut out and brought to the encoder's size; 1 leaves pictures whole."""
    flip: bool = True
    """Whether half of the pictures are mirrored; never those of which a caption says left or right."""
    colour: Annotated[float, Field(ge=0, lt=1)] = 0.2
    """Brightness, contrast and saturation are multiplied by up to 1 ± this each. Hues stay: captions name colours."""


class ContinuedTraining(Config):
    """How a stage learns that goes on from a checkpoint."""

    share: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Of the way from the start's weights to the trained ones, where the weights lie that are scored and kept: below 1,
    a stage that learns few pictures by heart forgets less of what it knew (Wortsman et al., "Robust fine-tuning of
    zero-shot models", 2022)."""


class TuningTraining(TrainingRecipe, ContinuedTraining):
    """How encoder and decoder learn together by cross-entropy; see training.tasks.captioning.tuning."""

    epochs: Annotated[int, Field(ge=1)] = 8
    batch_size: Annotated[int, Field(ge=1)] = 24
    """Pictures a step, each with all its captions, over all processes."""
    learning_rate: Annotated[float, Field(gt=0)] = 2e-4
    """Of the decoder. Peak of the schedule: a linear rise, then a cosine to zero at the last step."""
    encoder_learning_rate: Annotated[float, Field(gt=0)] = 2e-4
    """Of the encoder, on the same schedule."""
    warmup_steps: Annotated[int, Field(ge=0)] = 100
    save_every: Annotated[int, Field(ge=1)] = 50
    """Steps between two resumable states."""
    first: str = "blocks.3"
    """The encoder's first module that is tuned, by its name; those before it stay as they are. For `timm/resnet101`,
    say, `trunk.layer3`."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.5
    """In place of the checkpoint's."""


class TuningRecipe(StageRecipe):
    """Everything that `recap-train tune` is told."""

    start: Path
    """The checkpoint to go on from; encoder, vocabulary and decoder are its own."""
    size: Annotated[int, Field(ge=32, le=1024)] | None = None
    """Side of the square that pictures are brought to, also when served; the start's own when left out."""
    decoding: DecodingConfig | None = None
    """How dev is captioned, and the default of the new checkpoint; the start's own when left out."""
    augmentation: AugmentationRecipe = AugmentationRecipe()
    training: TuningTraining = TuningTraining()
    distillation: DistillationRecipe | None = None


class SelfCriticalTraining(StageTraining, ContinuedTraining):
    """How the decoder learns from the reward of its own captions; see training.tasks.captioning.self_critical."""

    epochs: Annotated[int, Field(ge=1)] = 10
    batch_size: Annotated[int, Field(ge=1)] = 64
    """Pictures a step, over all processes."""
    learning_rate: Annotated[float, Field(gt=0)] = 5e-5
    """Peak of the schedule: a linear rise, then a cosine to zero at the last step."""
    warmup_steps: Annotated[int, Field(ge=0)] = 20
    ema_decay: Annotated[float, Field(ge=0, lt=1)] = 0.99
    """Decay of the averaged weights, which are what is scored and kept; 0 keeps the last step's."""
    save_every: Annotated[int, Field(ge=1)] = 20
    """Steps between two resumable states."""
    samples: Annotated[int, Field(ge=1)] = 5
    """Captions drawn for each picture."""
    baseline: Literal["greedy", "leave-one-out"] = "leave-one-out"
    """What a caption's reward is held against: that of the picture's likeliest words (Rennie et al., "Self-critical
    sequence training", 2017), or the mean of its other samples' (Luo, "A better variant of self-critical sequence
    training", 2020)."""
    temperature: Annotated[float, Field(gt=0, le=5)] = 1.0
    """Divides the logits of the distribution that is drawn from and learns; below 1 it is sharper."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """In place of the checkpoint's. Captions are drawn, and learn, with the same units dropped."""
    bleu_weight: Annotated[float, Field(ge=0)] = 0.0
    """Of sentence BLEU-4 (0 to 1) in the reward, beside CIDEr-D (0 to 10)."""
    end_token: bool = True
    """Whether the end token is a word of the reward. Without it captions come to end in "with a"."""

    @model_validator(mode="after")
    def _others_to_compare_with(self) -> Self:
        if self.baseline == "leave-one-out" and self.samples < 2:
            raise ValueError(f'samples={self.samples}: leave-one-out needs 2 or more; or take baseline = "greedy"')
        return self


class SelfCriticalRecipe(FrozenRecipe):
    """Everything that `recap-train selfcritical` is told."""

    start: Path
    """The checkpoint to go on from; encoder, vocabulary and decoder are its own."""
    decoding: DecodingConfig | None = None
    """How dev is captioned, and the default of the new checkpoint; the start's own when left out."""
    training: SelfCriticalTraining = SelfCriticalTraining()


class TextRecipe(Config):
    """Which text, cut at two places into training, validation and test."""

    path: Path
    """A file; or a folder, whose files are put one after the other in the order of their names."""
    pattern: str = "**/*"
    """Which of a folder's files."""
    description: str = ""
    """For the model card: what the text is, where it comes from and under which licence."""
    validation: Annotated[float, Field(gt=0, lt=1)] = 0.1
    """Share of the characters that follows the training text, and decides which weights are kept."""
    test: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Share at the end, scored once."""
    min_count: Annotated[int, Field(ge=1)] = 1
    """Tokens seen fewer times in training become `<unk>`."""


class LanguageTrainingRecipe(Config):
    """How a language model learns."""

    initialization: Literal["orthogonal", "torch"] = "orthogonal"
    """`orthogonal` learns several times as fast at first, see `LanguageModel.initialize`; `torch` begins with smaller
    weights, with which the best model of a short text, read many times, was found."""
    epochs: Annotated[int, Field(ge=1)] = 20
    batch_size: Annotated[int, Field(ge=1)] = 32
    """Streams N that the training text is cut into, read side by side."""
    k1: Annotated[int, Field(ge=1)] = 128
    """Tokens of each stream between two updates: truncated backpropagation through time."""
    k2: Annotated[int, Field(ge=1)] = 128
    """Tokens that the gradient goes back."""
    learning_rate: Annotated[float, Field(gt=0)] = 2e-3
    """Peak of the schedule: a linear rise, then a cosine to zero at the last step."""
    cycles: Annotated[int, Field(ge=1)] = 1
    """Times that the schedule is gone through, each in its share of the epochs (Loshchilov and Hutter, "SGDR:
    stochastic gradient descent with warm restarts", 2017)."""
    warmup_steps: Annotated[int, Field(ge=0)] = 200
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    gradient_clip: Annotated[float, Field(gt=0)] = 1.0
    """Largest norm of the gradient."""
    ema_decay: Annotated[float, Field(ge=0, lt=1)] = 0.999
    """Decay of the averaged weights, which are what is scored and kept; 0 keeps the last step's."""
    precision: Literal["no", "bf16"] = "bf16"
    """Of products: `bf16` is bfloat16 where the device multiplies it faster, else single precision."""
    save_every: Annotated[int, Field(ge=1)] = 200
    """Steps between two resumable states."""
    sample_tokens: Annotated[int, Field(ge=0)] = 600
    """Tokens written to TensorBoard after each epoch."""
    seed: Annotated[int, Field(ge=0)] = 1

    @model_validator(mode="after")
    def _whole_cycles(self) -> Self:
        if self.epochs % self.cycles:
            raise ValueError(f"cycles={self.cycles}: epochs={self.epochs} can't be shared among them evenly")
        return self


class LanguageRecipe(Recipe):
    """Everything that `recap-train language` is told."""

    data: TextRecipe
    model: LanguageModelConfig = LanguageModelConfig()
    training: LanguageTrainingRecipe = LanguageTrainingRecipe()


def _told(section: type[BaseModel], problem: ErrorDetails) -> str:
    """What is wrong with a key; of one that is not known, those that are."""
    if problem["type"] != "extra_forbidden":
        return problem["msg"]
    for name in problem["loc"][:-1]:
        annotation = section.model_fields[str(name)].annotation
        parts = get_args(annotation) or (annotation,)  # of one that may be left out, it and None
        section = next(part for part in parts if isinstance(part, type) and issubclass(part, BaseModel))
    return f"no such key; there are {', '.join(section.model_fields)}"


def _override(values: dict[str, Any], override: str) -> None:
    key, equals, text = override.partition("=")
    if not equals or not key:
        raise RecipeError(f"--set {override}: write section.key=value")
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        value = text
    *sections, last = key.split(".")
    for section in sections:
        values = values.setdefault(section, {})
        if not isinstance(values, dict):
            raise RecipeError(f"--set {override}: {section} is a value, not a section")
    values[last] = value
