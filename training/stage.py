"""What the stages of a captioner's training share: epochs of steps on a decoder, scored on dev, as a run on disk.

The loop, read from top to bottom, is `Stage.run`: each epoch goes through batches, each of which is one `_step`, the
stage's own; then `_validate` scores the averaged weights on dev, and the best ones are kept.
"""

import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Generic, TypeVar

import torch
from accelerate import Accelerator
from accelerate.utils import broadcast_object_list
from torch import Tensor, nn

from model.captioner import Captioner
from model.checkpoint import load_weights
from model.config import EncoderConfig
from model.decoder import Decoder
from training.batching import LengthBuckets
from training.data import CaptionDataset, open_dataset
from training.features import FeatureCache, cached_features
from training.loop import (
    averaged,
    check_run,
    interruptible,
    learning_rate,
    load_optimizer_tensors,
    load_state,
    mixed_precision,
    optimizer_tensors,
    put_aside,
    save_state,
    seed_step,
    with_prefix,
    without_prefix,
)
from training.metrics import CaptionScorer
from training.progress import progress
from training.recipe import FeaturesRecipe, StageRecipe
from training.wording import WORDING

R = TypeVar("R", bound=StageRecipe)


@dataclass
class Progress:
    """How far a run has come; with the tensors, all that is needed to go on."""

    recipe: str
    """The recipe as JSON: a state belongs to one recipe."""
    epoch: int = 0
    batch: int = 0
    step: int = 0
    best_score: float = -1.0
    best_epoch: int = -1
    start_score: float | None = None
    """Dev CIDEr of the checkpoint that the stage began with."""
    seconds: float = 0.0
    totals: dict[str, float] = field(default_factory=dict)
    """Sums of the steps' figures in this epoch."""


def prepare_features(
    recipe: FeaturesRecipe,
    config: EncoderConfig,
    data: CaptionDataset,
    encoder: nn.Module,
    device: torch.device | str,
) -> dict[str, FeatureCache]:
    """The cached grids of the train and dev pictures, computed where they are not there yet."""
    views = {"train": recipe.views, "dev": 1}
    return {
        split: cached_features(
            encoder,
            config,
            [image.path for image in data.split(split)],
            recipe.cache / split,
            views=number,
            device=device,
            batch_size=recipe.batch_size,
        )
        for split, number in views.items()
    }


class Stage(ABC, Generic[R]):
    """A run of a training command for captioners, fresh or resumed.

    A subclass builds its captioner and batches and hands them to `_prepare`, and knows what a step is.

    Raises:
        DataError: what the recipe names is not there or does not fit.
        StateError: the run's folder holds another recipe's state, or a state and `resume` is False.
    """

    def __init__(self, recipe: R, *, resume: bool = False) -> None:
        self.recipe = recipe
        self.resume = resume
        self.state_path = recipe.run / "state.safetensors"
        self.best_path = recipe.run / "best.safetensors"
        self.progress = Progress(recipe.model_dump_json())
        check_run(self.state_path, recipe, resume=resume)
        self.accelerator = Accelerator(
            mixed_precision=mixed_precision(recipe.training.precision),
            log_with="tensorboard",
            project_dir=str(recipe.run),
        )
        self.data = open_dataset(recipe.data.path)
        self.train, self.dev = self.data.split("train"), self.data.split("dev")
        self.scorer = CaptionScorer({image.path.name: image.captions for image in self.dev})

    def _prepare(
        self, captioner: Captioner, buckets: LengthBuckets, network: nn.Module | None = None, *, trained: bool = False
    ) -> None:
        """Takes the model to train and the batches of an epoch, and the state on disk, where there is one.

        Args:
            captioner: the model.
            buckets: the batches.
            network: what a step runs: the decoder, or a module around it.
            trained: whether the model is worth scoring before the first step.
        """
        recipe, training = self.recipe, self.recipe.training
        self.captioner = captioner
        self.buckets = buckets
        with self.accelerator.main_process_first():  # one process builds, the others read
            features = prepare_features(
                recipe.features, captioner.config.encoder, self.data, captioner.encoder, self.accelerator.device
            )
        self.train_features, self.dev_features = features["train"], features["dev"]
        self.total_steps = training.epochs * len(buckets)
        decoder = captioner.decoder.to(self.accelerator.device)
        self.average = averaged(decoder, training.ema_decay)
        optimizer = torch.optim.AdamW(
            decoder.parameters(), lr=training.learning_rate, weight_decay=training.weight_decay
        )
        self.network, self.optimizer = self.accelerator.prepare(network or decoder, optimizer)
        self.trained = trained
        if self.resume and self.state_path.is_file():
            self._restore()

    def run(self) -> bool:
        """Trains until the schedule ends or dev CIDEr has not risen for `patience` epochs.

        Returns:
            Whether it got there; False where it was interrupted, and can be resumed.
        """
        self.accelerator.init_trackers("tensorboard")
        began = time.monotonic() - self.progress.seconds
        epochs = self.recipe.training.epochs
        at = self.progress
        with interruptible() as interruption:
            if self.trained and at.step == 0:
                (at.start_score,) = broadcast_object_list([self._score()["CIDEr"] if self._first else 0.0])
                self.accelerator.print(f"start: dev CIDEr {at.start_score:.4f}", flush=True)
            while at.epoch < epochs and at.epoch - at.best_epoch <= self.recipe.training.patience:
                batches = self.buckets.batches(at.epoch)
                with progress(f"epoch {at.epoch + 1}/{epochs}", len(batches), at.batch, show=self._first) as bar:
                    while at.batch < len(batches):
                        figures = self._step(batches[at.batch])
                        at.batch += 1
                        at.step += 1
                        at.seconds = time.monotonic() - began
                        at.totals = {name: at.totals.get(name, 0.0) + value for name, value in figures.items()}
                        name, value = next(iter(figures.items()))
                        bar.advance(note=f"{name} {value:.3f}")
                        self.accelerator.log({f"train/{name}": value for name, value in figures.items()}, at.step)
                        stop = self._any(interruption.requested)
                        if stop or at.step % self.recipe.training.save_every == 0:
                            self._save()
                        if stop:
                            self.accelerator.end_training()
                            return False
                (score,) = broadcast_object_list([self._validate() if self._first else 0.0])
                at.seconds = time.monotonic() - began
                if score > at.best_score:
                    at.best_score, at.best_epoch = score, at.epoch
                at.epoch, at.batch, at.totals = at.epoch + 1, 0, {}
                self._save()
        self.accelerator.end_training()
        return True

    @abstractmethod
    def _step(self, batch: Sequence[int]) -> dict[str, float]:
        """One update from a global batch, of which each process takes a share.

        Returns:
            What is logged of it, averaged over the processes; the first is shown beside the progress bar.
        """

    def best(self) -> Captioner:
        """The captioner with the averaged weights that scored best on dev, on the CPU."""
        captioner = self.captioner.to("cpu").eval()
        load_weights(captioner.decoder, self.best_path)
        return captioner

    @property
    def _first(self) -> bool:
        return bool(self.accelerator.is_main_process)

    def _any(self, flag: bool) -> bool:
        """Whether any process says so: all have to stop after the same step."""
        here = torch.tensor(float(flag), device=self.accelerator.device)
        return bool(self.accelerator.reduce(here, "sum").item())

    def _begin_step(self) -> None:
        """Training mode, and this step's random numbers and learning rate."""
        training = self.recipe.training
        self.network.train()
        seed_step(training.seed, self.progress.step, self.accelerator.process_index)
        rate = learning_rate(
            self.progress.step, peak=training.learning_rate, warmup=training.warmup_steps, total=self.total_steps
        )
        for group in self.optimizer.param_groups:
            group["lr"] = rate

    def _update(self, loss: Tensor) -> None:
        """One step of the optimizer down the gradient of a scalar, and of the averages after it."""
        self.optimizer.zero_grad()
        self.accelerator.backward(loss)
        self.accelerator.clip_grad_norm_(self.network.parameters(), self.recipe.training.gradient_clip)
        self.optimizer.step()
        self.average.update_parameters(self.captioner.decoder)

    def _validate(self) -> float:
        """Dev CIDEr of the averaged weights, which are put aside where they are the best so far."""
        scores = self._score()
        name, total = next(iter(self.progress.totals.items()))
        self.accelerator.print(
            f"epoch {self.progress.epoch + 1}: {name} {total / len(self.buckets):.3f}, "
            f"dev CIDEr {scores['CIDEr']:.4f}, BLEU-4 {scores['BLEU-4']:.4f}, {scores['unique']:.1%} unique, "
            f"{scores['bad_endings']:.1%} badly ended, {self.progress.seconds:.0f} s",
            flush=True,
        )
        if scores["CIDEr"] > self.progress.best_score:
            put_aside(self.average.module, self.best_path)
        return scores["CIDEr"]

    @torch.inference_mode()
    def _score(self) -> dict[str, float]:
        """How good the averaged weights are on dev."""
        average = self.average.module.eval()
        assert isinstance(average, Decoder)
        live, self.captioner.decoder = self.captioner.decoder, average
        captions: dict[str, str] = {}
        names = [image.path.name for image in self.dev]
        for start in range(0, len(names), 100):
            part = range(start, min(start + 100, len(names)))
            grid = self.dev_features.read(part, [0] * len(part)).to(self.accelerator.device).float()
            best = self.captioner.generate(grid, self.captioner.config.decoding)
            captions |= {names[number]: found[0].text for number, found in zip(part, best, strict=True)}
        self.captioner.decoder = live
        scores = self.scorer.score(captions, metrics=("CIDEr", "BLEU-4", "unique", *WORDING))
        self.accelerator.log({f"dev/{name}": score for name, score in scores.items()}, self.progress.step)
        return scores

    def _save(self) -> None:
        if not self._first:
            return
        tensors = with_prefix("decoder", self.captioner.decoder.state_dict())
        tensors |= with_prefix("average", self.average.state_dict())
        tensors |= with_prefix("optimizer", optimizer_tensors(self.optimizer))
        save_state(self.state_path, tensors, asdict(self.progress))

    def _restore(self) -> None:
        tensors, values = load_state(self.state_path)
        self.progress = Progress(**values)
        self.captioner.decoder.load_state_dict(without_prefix("decoder", tensors))
        self.average.load_state_dict(without_prefix("average", tensors))
        load_optimizer_tensors(self.optimizer, without_prefix("optimizer", tensors))
