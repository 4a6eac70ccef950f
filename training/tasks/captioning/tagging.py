"""Training of a captioner's tagger over its frozen encoder: nouns of captions and objects, beside a classifier's.

An update is a batch of pictures, each the mean of its cached grid. The classifier is that of the encoder's first
training, as it was: an encoder that was tuned for captions still fits it. The loop is `training.trainer.Trainer.run`.
"""

from collections.abc import Iterator
from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from model.figures import Figure
from model.tasks.captioning.captioner import Captioner
from model.tasks.captioning.config import CaptionerConfig, TaggingConfig
from model.tasks.captioning.tagger import Tagger, Tags
from training.calibration import calibration_error
from training.length_buckets import LengthBuckets
from training.tasks.captioning.backbone import package_classifier
from training.tasks.captioning.cross_fitting import prepare_head
from training.tasks.captioning.nouns import Nouns, imagenet_nouns
from training.tasks.captioning.readers import open_dataset
from training.tasks.captioning.recipe import TaggingRecipe
from training.tasks.captioning.tag_labels import Labels, caption_targets
from training.tasks.captioning.tag_pictures import TagPictures, mean_features
from training.tasks.captioning.warm_start import open_captioner
from training.trainer import Backward, Objective, Validation

FEWEST = 5
"""Pictures of dev that have a noun, for its average precision to count."""
UNLIKELY = -4.0
"""Least logit of the nouns that the calibration is fitted to."""
SURE = 0.1
"""Least probability of the tags whose calibration is measured."""


class Head(nn.Module):
    """The part of a tagger that learns: means of grids (B, E) to the head's logits (B, L)."""

    def __init__(self, tagger: Tagger) -> None:
        super().__init__()
        self.tagger = tagger

    def forward(self, features: Tensor) -> Tensor:
        return self.tagger.logits(features)


class Tagging(Objective[Captioner]):
    """Pictures to the nouns of what is there; raises what `Trainer` does."""

    def __init__(self, recipe: TaggingRecipe, accelerator: Accelerator) -> None:
        training = recipe.training
        self.recipe, self.accelerator = recipe, accelerator
        loaded = open_captioner(recipe.start)
        nouns = Nouns.read()
        classes = imagenet_nouns(nouns) if recipe.classifier == "package" else []
        names = [noun.name for noun in nouns.nouns]
        width = loaded.encoder.num_features
        assert isinstance(width, int)
        classifier = Tagger(Tags(names, nouns.broader, classes), width, TaggingConfig())
        if classifier.classifier is not None:
            weight, bias = package_classifier(loaded.config.encoder.name)
            classifier.classifier.load_state_dict({"weight": weight, "bias": bias})
        with accelerator.main_process_first():  # one process computes grids, the others read them
            paths = (recipe.data.path, *recipe.more)
            self.pictures = TagPictures(loaded, classifier, nouns, recipe.features, paths, recipe.doubt)
        self.inputs, (targets, weights) = self.pictures.inputs, self.pictures.labels
        learnt = (targets * (weights > 0)).sum(0) >= recipe.data.min_count  # (V,)
        self.labels = Labels(targets[:, learnt], weights[:, learnt])  # (N, L)
        tags = Tags(names, nouns.broader, classes, learnt.nonzero()[:, 0].tolist())
        fields = ("encoder", "decoder", "calibration")
        kept = {name: getattr(loaded.config, name) for name in fields}
        config = CaptionerConfig(**kept, decoding=recipe.decoding or loaded.config.decoding, tagging=TaggingConfig())
        self.model = Captioner(config, loaded.vocabulary, tags=tags).requires_grad_(False)
        self.model.load_state_dict(loaded.state_dict(), strict=False)
        assert isinstance(self.model.tagger, Tagger)
        self.tagger = self.model.tagger
        if self.tagger.classifier is not None and classifier.classifier is not None:
            self.tagger.classifier.load_state_dict(classifier.classifier.state_dict())
        self.network = Head(self.tagger)
        self.tagger.head.requires_grad_(True)
        prepare_head(self.tagger, self.inputs, self.labels)
        lengths = [1] * len(self.inputs)
        self.buckets = LengthBuckets(lengths, training.batch_size, training.seed, smallest=accelerator.num_processes)
        self.updates_per_epoch = len(self.buckets)

    def groups(self) -> list[dict[str, Any]]:
        return [{"params": list(self.tagger.head.parameters()), "peak": self.recipe.training.learning_rate}]

    def updates(self, epoch: int, done: int, network: nn.Module, backward: Backward) -> Iterator[dict[str, float]]:
        device, processes = self.accelerator.device, self.accelerator.num_processes
        tagger = self.tagger
        for batch in self.buckets.batches(epoch)[done:]:
            share = batch[self.accelerator.process_index :: processes]
            features, targets, weights = (part[share].to(device) for part in (self.inputs, *self.labels))
            logits = network(features)  # (B, L)
            nats = binary_cross_entropy_with_logits(logits, targets, weights, reduction="sum")
            nats = nats * processes / len(batch)
            backward(nats + self.recipe.training.penalty * tagger.head.weight.square().sum())
            yield {"loss": float(self.accelerator.reduce(nats.detach(), "mean"))}

    @torch.inference_mode()
    def validate(self, model: Captioner) -> Validation:
        tagger = model.tagger
        assert isinstance(tagger, Tagger)
        found = {
            name: mean_average_precision(tagger(features[:, None].to(model.device)).cpu(), targets)
            for name, (features, targets) in self.pictures.dev.items()
        }
        (_, first), *others = found.items()
        figure = Figure(
            name="tag_precision", label="average precision of nouns", value=first, split="dev", higher_is_better=True
        )
        return Validation([figure], {f"dev/{name}/tag_precision": value for name, value in others})


def tag_report(captioner: Captioner, recipe: TaggingRecipe) -> tuple[TaggingConfig, dict[str, float]]:
    """The calibration of a trained captioner's tagger on dev, and how good its tags are there.

    The figures are, for each data set by its folder's name, the `precision` of nouns, see `mean_average_precision`, the
    calibration `error`, and the `head_error` where the classifier sees nothing; beside them the `error` of all in
    halves that were not fitted, and the `uncalibrated_error`, see `calibrate_tags`.
    """
    tagger = captioner.tagger
    assert tagger is not None
    nouns, figures = Nouns.read(), {}
    features, targets = [], []
    for path in (recipe.data.path, *recipe.more):
        held = open_dataset(path).split("dev")
        features.append(mean_features(captioner, recipe.features, [image.path for image in held], path, "dev"))
        targets.append(caption_targets(nouns, [image.captions for image in held]))
    config, error, before = calibrate_tags(tagger, torch.cat(features), torch.cat(targets))
    tagger.config = config
    for path, inputs, answers in zip((recipe.data.path, *recipe.more), features, targets, strict=True):
        with torch.inference_mode():
            found = tagger(inputs[:, None])
        figures[f"{path.name}_precision"] = mean_average_precision(found, answers)
        figures[f"{path.name}_error"] = _error(found, answers)
        with torch.inference_mode():
            unshown = tagger.shown(inputs) < SURE / 2
        figures[f"{path.name}_head_error"] = _error(found * unshown, answers)
    return config, figures | {"error": error, "uncalibrated_error": before}


def mean_average_precision(probabilities: Tensor, targets: Tensor) -> float:
    """Mean of the nouns' average precisions, of nouns that at least `FEWEST` pictures have; (N, V) each."""
    counts = targets.sum(0)  # (V,)
    kept = counts >= min(FEWEST, max(1, len(targets) // 4))
    order = probabilities[:, kept].argsort(dim=0, descending=True)
    ranked = targets[:, kept].gather(0, order)  # (N, K)
    precision = ranked.cumsum(0) / torch.arange(1, len(ranked) + 1)[:, None]
    found: Tensor = (precision * ranked).sum(0) / counts[kept]  # (K,)
    return float(found.mean()) if found.numel() else 0.0


def calibrate_tags(tagger: Tagger, features: Tensor, targets: Tensor) -> tuple[TaggingConfig, float, float]:
    """The calibration of a tagger on pictures that it has not learnt from.

    Args:
        tagger: trained.
        features: means of the pictures' grids, (N, E).
        targets: (N, V), 1 for what is there.

    Returns:
        The calibration, the expected calibration error of tags above `SURE` in halves that were not fitted, and that
        of the tags before.
    """
    with torch.no_grad():
        logits, shown = tagger.logits(features), tagger.shown(features)  # (N, L), (N, V)
        held_out = torch.empty_like(shown)
        for half in range(2):
            out = torch.arange(len(features)) % 2 == half
            fitted = _fit(tagger, logits[~out], shown[~out], targets[~out])
            held_out[out] = tagger.probabilities(logits[out], shown[out], fitted)
        before = tagger.probabilities(logits, shown, TaggingConfig())
    return _fit(tagger, logits, shown, targets), _error(held_out, targets), _error(before, targets)


@torch.enable_grad()
def _fit(tagger: Tagger, logits: Tensor, shown: Tensor, targets: Tensor) -> TaggingConfig:
    """The calibration of the head's logits (N, L) that makes the captions' nouns (N, V) likeliest."""
    # Where the classifier sees a thing, captions often leave it out, and the head is not to make up for that. Nor are
    # the many nouns that nobody would take for tags to decide.
    doubtful = (shown[:, tagger.learnt] < SURE / 2) & (logits > UNLIKELY)  # (N, L)
    chosen, answers = logits[doubtful], targets[:, tagger.learnt][doubtful]
    if not len(chosen):
        return TaggingConfig()
    parameters = torch.tensor([0.0, 1.0], requires_grad=True)
    optimizer = torch.optim.LBFGS([parameters], max_iter=30, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimizer.zero_grad()
        value = binary_cross_entropy_with_logits(parameters[0] + parameters[1] * chosen, answers)
        value.backward()
        return value

    optimizer.step(loss)
    intercept, slope = parameters.tolist()
    return TaggingConfig(intercept=intercept, slope=max(slope, 1e-3))


def _error(probabilities: Tensor, targets: Tensor) -> float:
    sure = probabilities > SURE
    if not sure.any():
        return 0.0
    return calibration_error(probabilities[sure], targets[sure] == 1)
