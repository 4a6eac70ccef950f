"""Recipes of captioners: cross-entropy over a frozen encoder, tuning of both, and self-critical training."""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from model.config import Config
from model.tasks.captioning.config import DecoderConfig, DecodingConfig
from model.vision.config import EncoderConfig
from training.recipe import Optimisation, Recipe


class DataRecipe(Config):
    """The pictures and sentences to learn from."""

    path: Path
    """The data set's folder, in any layout that `training.tasks.captioning.readers` reads."""
    description: str = ""
    """For the model card: what the data is, where it comes from and under which licence."""
    min_count: Annotated[int, Field(ge=1)] = 5
    """Words seen fewer times in training become `<unk>`."""
    max_length: Annotated[int, Field(ge=2)] = 24
    """Longer training captions are cut to this many words; scoring always sees them whole."""


class CaptioningRecipe(Recipe):
    """The part that all objectives of captioning share."""

    task: Literal["captioning"] = "captioning"
    data: DataRecipe


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


class DistillationRecipe(Config):
    """Teachers, from whose probabilities a captioner learns beside people's captions."""

    teachers: Annotated[tuple[Path, ...], Field(min_length=1)]
    """Checkpoints of captioners with the same words. Several are averaged: an ensemble becomes one model."""
    weight: Annotated[float, Field(gt=0, le=1)] = 0.5
    """Weight of the teachers' probabilities in the objective; people's words have the rest."""
    temperature: Annotated[float, Field(gt=0, le=10)] = 1.0
    """Divides the logits of teachers and learner: above 1, unlikely words count for more."""
    words: Annotated[int, Field(ge=1)] = 20
    """Likeliest words that are kept of the teachers' distribution at each place, and made to sum to 1."""


class CrossEntropyTraining(Optimisation):
    """`[training]` of a decoder that learns by cross-entropy."""

    batch_size: Annotated[int, Field(ge=1)] = 128
    """Captions a step, over all processes."""
    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.1
    attention_penalty: Annotated[float, Field(ge=0)] = 0.0
    """Weight of the doubly stochastic regulariser (Show, Attend and Tell, eq. 14)."""


class CrossEntropyRecipe(CaptioningRecipe):
    """The recipe of `training.tasks.captioning.cross_entropy`."""

    objective: Literal["cross-entropy"] = "cross-entropy"
    encoder: EncoderConfig = EncoderConfig()
    features: EncoderFeaturesRecipe = EncoderFeaturesRecipe()
    decoder: DecoderConfig = DecoderConfig()
    decoding: DecodingConfig = DecodingConfig()
    training: CrossEntropyTraining = CrossEntropyTraining()
    distillation: DistillationRecipe | None = None

    @model_validator(mode="after")
    def _no_tags(self) -> Self:
        if self.decoder.kind == "tag-reader":
            raise ValueError('decoder.kind="tag-reader": needs a tagger; go on from a captioner with one, by "mixture"')
        return self


class AugmentationRecipe(Config):
    """Random changes to training pictures, different in each epoch."""

    crop: Annotated[float, Field(gt=0, le=1)] = 0.5
    """Smallest share of a picture's area that is cut out and brought to the encoder's size; 1 leaves pictures whole."""
    flip: bool = True
    """Whether half of the pictures are mirrored; pictures whose captions say left or right never are."""
    colour: Annotated[float, Field(ge=0, lt=1)] = 0.2
    """Brightness, contrast and saturation are multiplied by up to 1 ± this each. Hues stay: captions name colours."""


class ContinuedTraining(Optimisation):
    """`[training]` of an objective that goes on from a checkpoint."""

    share: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Place of the weights that are scored and kept, on the way from the start's weights to the trained ones: below 1,
    a run that learns few pictures by heart forgets less of what it knew (Wortsman et al., "Robust fine-tuning of
    zero-shot models", 2022)."""


class ContinuedRecipe(CaptioningRecipe):
    """The part that objectives share which go on from a checkpoint."""

    start: Path
    """The checkpoint to go on from; encoder, vocabulary and decoder are its own."""
    decoding: DecodingConfig | None = None
    """Decoding of dev, and the default of the new checkpoint; the start's own when left out."""


class SeveralRecipe(ContinuedRecipe):
    """The part that objectives share which learn from several data sets; weights are chosen by the first one's dev."""

    more: tuple[Path, ...] = ()
    """Further data sets, with captions. A tagger also learns from an `objects.csv` in their folders."""


class TuningTraining(CrossEntropyTraining, ContinuedTraining):
    """`[training]` of encoder and decoder together; see `training.tasks.captioning.tuning`."""

    epochs: Annotated[int, Field(ge=1)] = 8
    batch_size: Annotated[int, Field(ge=1)] = 24
    """Pictures a step, each with all its captions, over all processes."""
    learning_rate: Annotated[float, Field(gt=0)] = 2e-4
    """The decoder's peak."""
    encoder_learning_rate: Annotated[float, Field(gt=0)] = 2e-4
    """The encoder's, on the same schedule."""
    warmup_steps: Annotated[int, Field(ge=0)] = 100
    save_every: Annotated[int, Field(ge=1)] = 50
    first: str = "blocks.3"
    """The encoder's first module that is tuned, by its name; those before it stay as they are. For `timm/resnet101`,
    say, `trunk.layer3`."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.5
    """In place of the checkpoint's."""


class TuningRecipe(ContinuedRecipe):
    """The recipe of `training.tasks.captioning.tuning`."""

    objective: Literal["tuning"] = "tuning"
    size: Annotated[int, Field(ge=32, le=1024)] | None = None
    """Side of the square that pictures are brought to, also when served; the start's own when left out."""
    augmentation: AugmentationRecipe = AugmentationRecipe()
    training: TuningTraining = TuningTraining()
    distillation: DistillationRecipe | None = None


class SelfCriticalTraining(ContinuedTraining):
    """`[training]` on the reward of the decoder's own captions; see `training.tasks.captioning.self_critical`."""

    epochs: Annotated[int, Field(ge=1)] = 10
    batch_size: Annotated[int, Field(ge=1)] = 64
    """Pictures a step, over all processes."""
    learning_rate: Annotated[float, Field(gt=0)] = 5e-5
    warmup_steps: Annotated[int, Field(ge=0)] = 20
    ema_decay: Annotated[float, Field(ge=0, lt=1)] = 0.99
    save_every: Annotated[int, Field(ge=1)] = 20
    samples: Annotated[int, Field(ge=1)] = 5
    """Captions drawn for each picture."""
    baseline: Literal["greedy", "leave-one-out"] = "leave-one-out"
    """The reward that a caption's is held against: that of the picture's likeliest words (Rennie et al.,
    "Self-critical sequence training", 2017), or the mean of its other samples' (Luo, "A better variant of
    self-critical sequence training", 2020)."""
    temperature: Annotated[float, Field(gt=0, le=5)] = 1.0
    """Divides the logits of the distribution that is drawn from and learns; below 1 it is sharper."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """In place of the checkpoint's. Captions are drawn, and learn, with the same units dropped."""
    bleu_weight: Annotated[float, Field(ge=0)] = 0.0
    """Weight of sentence BLEU-4 (0 to 1) in the reward, beside CIDEr-D (0 to 10)."""
    end_token: bool = True
    """Whether the end token is a word of the reward. Without it captions come to end in "with a"."""

    @model_validator(mode="after")
    def _others_to_compare_with(self) -> Self:
        if self.baseline == "leave-one-out" and self.samples < 2:
            raise ValueError(f'samples={self.samples}: leave-one-out needs 2 or more; or take baseline = "greedy"')
        return self


class SelfCriticalRecipe(SeveralRecipe):
    """The recipe of `training.tasks.captioning.self_critical`."""

    objective: Literal["self-critical"] = "self-critical"
    features: FeaturesRecipe = FeaturesRecipe()
    training: SelfCriticalTraining = SelfCriticalTraining()


DOUBT = 0.05
"""Probability by the classifier from which on a noun that no caption has is unknown, and not taken for absent."""
PENALTY = 0.03
"""Weight of the sum of a tagger's squared weights."""


class TaggingTraining(Optimisation):
    """`[training]` of a tagger; see `training.tasks.captioning.tagging`."""

    epochs: Annotated[int, Field(ge=1)] = 10
    batch_size: Annotated[int, Field(ge=1)] = 512
    """Pictures a step, over all processes."""
    learning_rate: Annotated[float, Field(gt=0)] = 3e-3
    warmup_steps: Annotated[int, Field(ge=0)] = 10
    ema_decay: Annotated[float, Field(ge=0, lt=1)] = 0.9
    penalty: Annotated[float, Field(ge=0)] = PENALTY
    """Weight of the sum of the head's squared weights. An encoder that was tuned on the same pictures knows them by
    heart, so without it the head trusts features that other pictures do not have."""


class TaggingRecipe(SeveralRecipe):
    """The recipe of `training.tasks.captioning.tagging`."""

    objective: Literal["tagging"] = "tagging"
    classifier: Literal["package", "none"] = "package"
    """The classifier beside the head: that of the package which has the encoder's first weights, or none."""
    doubt: Annotated[float, Field(gt=0, le=1)] = DOUBT
    """Probability by the classifier from which on a noun that no caption has is unknown, and not taken for absent."""
    features: FeaturesRecipe = FeaturesRecipe()
    training: TaggingTraining = TaggingTraining()


class ReaderRecipe(Config):
    """The part of a tag reader that its start does not decide."""

    tags: Annotated[int, Field(ge=1, le=100)] = 15
    """Words that it sees of each picture."""
    embedding_size: Annotated[int, Field(ge=1)] = 512
    """At least the start's."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.5


class MixtureTraining(CrossEntropyTraining):
    """`[training]` of a tag reader; see `training.tasks.captioning.mixture`."""

    sentences: Annotated[int, Field(ge=0)] = 30_000
    """Sentences without pictures in each epoch."""
    repeat: Annotated[int, Field(ge=1)] = 2
    """Times that each caption of `more` comes in an epoch."""
    hidden: Annotated[float, Field(ge=0, le=1)] = 0.25
    """Share of the pictures whose grid is hidden, so that their tags are read."""


class MixtureRecipe(SeveralRecipe):
    """The recipe of `training.tasks.captioning.mixture`."""

    objective: Literal["mixture"] = "mixture"
    sentences: tuple[Path, ...] = ()
    """Files of sentences without pictures, one a line."""
    vectors: Path | None = None
    """Folder of word vectors, `words.txt` and `vectors.npy`, for words that the start has never read."""
    min_count: Annotated[int, Field(ge=1)] = 20
    """Words seen fewer times in all sentences become `<unk>`, if the start does not know them and they are no tags."""
    features: FeaturesRecipe = FeaturesRecipe()
    decoder: ReaderRecipe = ReaderRecipe()
    training: MixtureTraining = MixtureTraining()
