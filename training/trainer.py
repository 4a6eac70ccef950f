"""What the stages of a captioner's training share: epochs of steps, scored on dev, as a run on disk.

The loop, read from top to bottom, is `Stage.run`: each epoch goes through batches, each of which is one `_step`, the
stage's own; then `_validate` scores the averaged weights on dev, and the best ones are kept. What a stage trains are
those parameters of its captioner that require a gradient; they alone are in its state.
"""

import copy
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Generic, TypeVar

import torch
from accelerate import Accelerator
from accelerate.utils import broadcast_object_list
from safetensors.torch import load_file
from torch import Tensor, nn

from model.tasks.captioning.captioner import Captioner
from training.length_buckets import LengthBuckets
from training.progress import progress
from training.recipe import ContinuedTraining, StageRecipe
from training.run_state import (
    averaged,
    check_run,
    interruptible,
    learning_rate,
    load_optimizer_tensors,
    load_state,
    load_trained,
    mixed_precision,
    optimizer_tensors,
    put_aside,
    save_state,
    seed_step,
    trained_tensors,
    with_prefix,
    without_prefix,
)
from training.tasks.captioning.metrics import CaptionScorer
from training.tasks.captioning.readers import open_dataset
from training.tasks.captioning.wording import WORDING

R = TypeVar("R", bound=StageRecipe)
Ready = TypeVar("Ready")
"""A batch, with what was made ready for its step."""


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


class Stage(ABC, Generic[R, Ready]):
    """A run of a training command for captioners, fresh or resumed.

    A subclass builds its captioner and batches and hands them to `_prepare`, and knows what a step is and where the
    grids of dev come from.

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

    def _prepare(self, captioner: Captioner, buckets: LengthBuckets, network: nn.Module) -> None:
        """Takes the model to train and the batches of an epoch, and the state on disk, where there is one.

        Args:
            captioner: the model.
            buckets: the batches.
            network: what a step runs: the part of the model that is trained, or a module around it.
        """
        training = self.recipe.training
        self.captioner = captioner.to(self.accelerator.device)
        self.buckets = buckets
        self.total_steps = training.epochs * len(buckets)
        self.average = averaged(captioner, training.ema_decay)
        optimizer = torch.optim.AdamW(self._groups(), weight_decay=training.weight_decay)
        self.network, self.optimizer = self.accelerator.prepare(network, optimizer)
        self.continued = isinstance(training, ContinuedTraining)
        self.share = training.share if isinstance(training, ContinuedTraining) else 1.0
        self.first = (
            {name: tensor.clone() for name, tensor in trained_tensors(captioner).items()} if self.share < 1 else {}
        )
        if self.resume and self.state_path.is_file():
            self._restore()

    def _groups(self) -> list[dict[str, Any]]:
        """What is trained, for the optimizer: parameters `params` whose learning rate rises to a common `peak`."""
        parameters = [parameter for parameter in self.captioner.parameters() if parameter.requires_grad]
        return [{"params": parameters, "peak": self.recipe.training.learning_rate}]

    def run(self) -> bool:
        """Trains until the schedule ends or dev CIDEr has not risen for `patience` epochs.

        Returns:
            Whether it got there; False where it was interrupted, and can be resumed.

        Raises:
            FloatingPointError: the loss is no number.
        """
        self.accelerator.init_trackers("tensorboard")
        began = time.monotonic() - self.progress.seconds
        epochs = self.recipe.training.epochs
        at = self.progress
        with interruptible() as interruption:
            if self.continued and at.step == 0:
                (at.start_score,) = broadcast_object_list([self._score(self._kept())["CIDEr"] if self._main else 0.0])
                self.accelerator.print(f"start: dev CIDEr {at.start_score:.4f}", flush=True)
            while at.epoch < epochs and at.epoch - at.best_epoch <= self.recipe.training.patience:
                batches = self.buckets.batches(at.epoch)
                with progress(f"epoch {at.epoch + 1}/{epochs}", len(batches), at.batch, show=self._main) as bar:
                    for batch in self._ready(batches[at.batch :]):
                        figures = self._step(batch)
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
                (score,) = broadcast_object_list([self._validate() if self._main else 0.0])
                at.seconds = time.monotonic() - began
                if score > at.best_score:
                    at.best_score, at.best_epoch = score, at.epoch
                at.epoch, at.batch, at.totals = at.epoch + 1, 0, {}
                self._save()
        self.accelerator.end_training()
        return True

    @abstractmethod
    def _ready(self, batches: Sequence[list[int]]) -> Iterator[Ready]:
        """The batches, each as its step takes it."""

    @abstractmethod
    def _dev_grids(self, captioner: Captioner) -> Iterator[Tensor]:
        """The grids of the dev pictures in their order, some at a time: (B, P, E) each."""

    @abstractmethod
    def _step(self, batch: Ready) -> dict[str, float]:
        """One update from a global batch, of which each process takes a share.

        Returns:
            What is logged of it, averaged over the processes; the first is shown beside the progress bar.
        """

    def best(self) -> Captioner:
        """The captioner with the weights that scored best on dev, on the CPU."""
        captioner = self.captioner.to("cpu").eval()
        load_trained(captioner, load_file(self.best_path))
        return captioner

    @property
    def _main(self) -> bool:
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
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(
                self.progress.step, peak=group["peak"], warmup=training.warmup_steps, total=self.total_steps
            )

    def _update(self, loss: Tensor) -> None:
        """One step of the optimizer down the gradient of a scalar, and of the averages after it."""
        if not loss.isfinite():
            at = self.progress.step + 1
            raise FloatingPointError(f"step {at}: the loss is {loss.item()}; lower training.learning_rate")
        self.optimizer.zero_grad()
        self.accelerator.backward(loss)
        self.accelerator.clip_grad_norm_(self.network.parameters(), self.recipe.training.gradient_clip)
        self.optimizer.step()
        self.average.update_parameters(self.captioner)

    def _kept(self) -> Captioner:
        """The captioner with the averaged weights, or with those on the way to them."""
        kept = self.average.module
        assert isinstance(kept, Captioner)
        if self.first:
            kept = copy.deepcopy(kept)
            load_trained(
                kept,
                {name: self.first[name].lerp(tensor, self.share) for name, tensor in trained_tensors(kept).items()},
            )
        return kept.eval()

    def _validate(self) -> float:
        """Dev CIDEr of the weights to keep, which are put aside where they are the best so far."""
        kept = self._kept()
        scores = self._score(kept)
        name, total = next(iter(self.progress.totals.items()))
        self.accelerator.print(
            f"epoch {self.progress.epoch + 1}: {name} {total / len(self.buckets):.3f}, "
            f"dev CIDEr {scores['CIDEr']:.4f}, BLEU-4 {scores['BLEU-4']:.4f}, {scores['unique']:.1%} unique, "
            f"{scores['bad_endings']:.1%} badly ended, {self.progress.seconds:.0f} s",
            flush=True,
        )
        if scores["CIDEr"] > self.progress.best_score:
            put_aside(trained_tensors(kept), self.best_path)
        return scores["CIDEr"]

    @torch.inference_mode()
    def _score(self, captioner: Captioner) -> dict[str, float]:
        """How good a captioner is on dev."""
        found = [
            best[0].text
            for grid in self._dev_grids(captioner)
            for best in captioner.generate(grid, captioner.config.decoding)
        ]
        captions = {image.path.name: caption for image, caption in zip(self.dev, found, strict=True)}
        scores = self.scorer.score(captions, metrics=("CIDEr", "BLEU-4", "unique", *WORDING))
        self.accelerator.log({f"dev/{name}": score for name, score in scores.items()}, self.progress.step)
        return scores

    def _save(self) -> None:
        if not self._main:
            return
        tensors = with_prefix("weights", trained_tensors(self.captioner))
        tensors |= with_prefix("average", trained_tensors(self.average.module))
        tensors["updates"] = self.average.n_averaged
        tensors |= with_prefix("optimizer", optimizer_tensors(self.optimizer))
        save_state(self.state_path, tensors, asdict(self.progress))

    def _restore(self) -> None:
        tensors, values = load_state(self.state_path)
        self.progress = Progress(**values)
        load_trained(self.captioner, without_prefix("weights", tensors))
        load_trained(self.average.module, without_prefix("average", tensors))
        self.average.n_averaged.copy_(tensors["updates"])
        load_optimizer_tensors(self.optimizer, without_prefix("optimizer", tensors))
