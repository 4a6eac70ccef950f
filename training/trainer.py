"""The training loop of all tasks, to be read from top to bottom: `Trainer.run`.

An epoch is a series of updates, whose gradients the objective computes (`Objective.updates`) and the trainer applies
(`updates`). After it the averaged weights are scored on dev, and the best are kept (`_validate`).
"""

import copy
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar

import torch
from accelerate import Accelerator
from accelerate.utils import broadcast_object_list
from safetensors.torch import load_file
from torch import Tensor, nn
from tqdm import tqdm

from model.figures import Figure
from training.device import mixed_precision
from training.recipe import Recipe
from training.run_state import (
    Progress,
    check_run,
    interruptible,
    load_optimizer_tensors,
    load_state,
    load_trained,
    optimizer_tensors,
    save_state,
    trained_tensors,
    with_prefix,
    without_prefix,
)
from training.schedule import averaged, learning_rate, seed_step

R = TypeVar("R", bound=Recipe)
M = TypeVar("M", bound=nn.Module)
Backward = Callable[[Tensor], None]
"""Adds the gradient of a scalar to the parameters' `grad`."""


@dataclass(frozen=True)
class Validation:
    """The quality of a model on dev."""

    figures: list[Figure]
    """Most important first: weights are chosen by the first."""
    log: dict[str, float | str] = field(default_factory=dict)
    """Further numbers and texts for TensorBoard."""


class Objective(Protocol[M]):
    """The part of the loop that one kind of training adds."""

    model: M
    """The model; those of its parameters that require a gradient are trained, averaged and saved."""
    network: nn.Module
    """The module that an update calls: the model, a part of it, or a module around it."""
    updates_per_epoch: int
    share: float | None = None
    """Place of the weights that are scored and kept, on the way from the checkpoint's that training goes on from (0) to
    the averages (1); None for a model that begins with fresh weights."""

    def groups(self) -> list[dict[str, Any]]:
        """The optimizer's parameter groups: `params`, and the `peak` of their learning rate."""

    def updates(self, epoch: int, done: int, network: nn.Module, backward: Backward) -> Iterator[dict[str, float]]:
        """An epoch's updates from number `done` on, each ready to be applied when it is yielded.

        Args:
            epoch: the epoch's number.
            done: its updates before these.
            network: `network`, in training mode, for several processes and mixed precision.
            backward: takes the loss of this process's share; gradients are averaged over the processes.

        Yields:
            Numbers to log, averaged over the processes; the first is shown beside the progress bar.
        """

    def validate(self, model: M) -> Validation:
        """Scores a model on dev. One process alone calls this."""

    def state(self) -> dict[str, Tensor]:
        """The tensors that the next update needs besides the weights, of all processes."""
        return {}

    def restore(self, tensors: dict[str, Tensor]) -> None:
        """Undoes `state`."""
        return


class Trainer(Generic[R, M]):
    """A run, fresh or resumed.

    Raises:
        TrainingError: what the recipe names does not exist or does not fit; the run's folder holds another recipe's
            state, or a state although `resume` is False.
        CheckpointError: the same of a checkpoint that the recipe names.
    """

    def __init__(self, recipe: R, build: Callable[[R, Accelerator], Objective[M]], *, resume: bool = False) -> None:
        self.recipe = recipe
        self.progress = Progress(recipe.model_dump_json())
        self.state_path, self.best_path = recipe.run / "state.safetensors", recipe.run / "best.safetensors"
        check_run(self.state_path, recipe, resume=resume)
        training = recipe.training
        self.accelerator = Accelerator(
            mixed_precision=mixed_precision(training.precision), log_with="tensorboard", project_dir=str(recipe.run)
        )
        self.objective = build(recipe, self.accelerator)
        self.model = self.objective.model.to(self.accelerator.device)
        self.average = averaged(self.model, training.ema_decay)
        optimizer = torch.optim.AdamW(self.objective.groups(), weight_decay=training.weight_decay)
        self.network, self.optimizer = self.accelerator.prepare(self.objective.network, optimizer)
        share = self.objective.share
        kept = trained_tensors(self.model) if share is not None and share < 1 else {}
        self.start = {name: tensor.clone() for name, tensor in kept.items()}
        if resume and self.state_path.is_file():
            self._restore()

    def run(self) -> bool:
        """Trains until the schedule ends or the score on dev has not improved for `patience` epochs.

        Returns:
            Whether it got there; False if it was interrupted, and can be resumed.

        Raises:
            FloatingPointError: a loss or a score is not finite.
        """
        training, at = self.recipe.training, self.progress
        self.accelerator.init_trackers("tensorboard")
        began = time.monotonic() - at.seconds
        with interruptible() as signals:
            if self.objective.share is not None and at.step == 0:
                at.start_score = self._score("start", self._kept()).value
            while at.epoch < training.epochs and not self._out_of_patience():
                with self._bar() as bar:
                    for figures in self.updates():
                        at.seconds = time.monotonic() - began
                        name, value = next(iter(figures.items()))
                        bar.set_postfix_str(f"{name} {value:.3f}", refresh=False)
                        bar.update()
                        self.accelerator.log({f"train/{name}": value for name, value in figures.items()}, at.step)
                        stop = self._any(bool(signals))
                        if stop or at.step % training.save_every == 0:
                            self.save()
                        if stop:
                            return self._end(finished=False)
                self._validate()
                at.epoch, at.done, at.totals = at.epoch + 1, 0, {}
                at.seconds = time.monotonic() - began
                self.save()
                if self._any(bool(signals)):
                    return self._end(finished=False)
        return self._end(finished=True)

    def best(self) -> M:
        """The model with the weights that scored best on dev, on the CPU."""
        model = self.model.to("cpu").eval()
        load_trained(model, load_file(self.best_path))
        return model

    def updates(self) -> Iterator[dict[str, float]]:
        """Applies the rest of an epoch's updates, each with random numbers and a learning rate of its own.

        Yields:
            What the objective says of each, once it is applied.
        """
        training, at = self.recipe.training, self.progress
        updates = self.objective.updates(at.epoch, at.done, self.network, self._backward)
        self._prepare_update()
        for figures in updates:
            self.accelerator.clip_grad_norm_(self.network.parameters(), training.gradient_clip)
            self.optimizer.step()
            self.optimizer.zero_grad()
            self.average.update_parameters(self.model)
            at.done, at.step = at.done + 1, at.step + 1
            at.totals = {name: at.totals.get(name, 0.0) + value for name, value in figures.items()}
            yield figures
            self._prepare_update()

    def _prepare_update(self) -> None:
        training, step = self.recipe.training, self.progress.step
        self.network.train()
        seed_step(training.seed, step, self.accelerator.process_index)
        cycle = training.epochs * self.objective.updates_per_epoch // training.cycles
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(step % cycle, peak=group["peak"], warmup=training.warmup_steps, total=cycle)

    def _backward(self, loss: Tensor) -> None:
        if not loss.isfinite():
            step = self.progress.step + 1
            raise FloatingPointError(f"step {step}: the loss is {loss.item()}; lower training.learning_rate")
        self.accelerator.backward(loss)

    def _validate(self) -> None:
        """Scores the weights to keep, and puts them aside if they are the best so far."""
        at, kept = self.progress, self._kept()
        name, total = next(iter(at.totals.items()))
        chosen = self._score(f"epoch {at.epoch + 1}: {name} {total / at.done:.3f}", kept)
        if not math.isfinite(chosen.value):
            found = f"{chosen.label} on dev is {chosen.value}"
            raise FloatingPointError(f"epoch {at.epoch + 1}: {found}; lower training.learning_rate")
        sign = 1 if chosen.higher_is_better else -1
        if at.best_score is None or sign * chosen.value > sign * at.best_score:
            at.best_score, at.best_epoch = chosen.value, at.epoch
            if self.accelerator.is_main_process:
                save_state(self.best_path, trained_tensors(kept))

    def _score(self, title: str, model: M) -> Figure:
        """The figure that weights are chosen by, in all processes; one of them computes, logs and prints it."""
        chosen: list[Figure | None] = [None]
        if self.accelerator.is_main_process:
            validation = self.objective.validate(model)
            scores = {f"dev/{figure.name}": figure.value for figure in validation.figures}
            self.accelerator.log(scores | validation.log, self.progress.step)
            shown = ", ".join(f"{figure.label} {figure.value:.4f}" for figure in validation.figures)
            self.accelerator.print(f"{title}, dev {shown}, {self.progress.seconds:.0f} s", flush=True)
            chosen = [validation.figures[0]]
        broadcast_object_list(chosen)
        assert chosen[0] is not None
        return chosen[0]

    def _kept(self) -> M:
        """The model with the averaged weights, or with those on the way to them."""
        kept: M = self.average.module  # type: ignore[assignment]
        share = self.objective.share
        if share is not None and share < 1:
            kept = copy.deepcopy(kept)
            averages = trained_tensors(kept)
            load_trained(kept, {name: self.start[name].lerp(tensor, share) for name, tensor in averages.items()})
        return kept.eval()

    def _out_of_patience(self) -> bool:
        patience = self.recipe.training.patience
        return patience is not None and self.progress.epoch - self.progress.best_epoch > patience

    def _any(self, flag: bool) -> bool:
        """Tells whether the flag is set in any process: all have to stop after the same step."""
        here = torch.tensor(float(flag), device=self.accelerator.device)
        return bool(self.accelerator.reduce(here, "sum").item())

    def _bar(self) -> "tqdm[Any]":
        return tqdm(
            desc=f"epoch {self.progress.epoch + 1}/{self.recipe.training.epochs}",
            total=self.objective.updates_per_epoch,
            initial=self.progress.done,
            disable=None if self.accelerator.is_main_process else True,  # None: silent off a terminal
        )

    def _end(self, *, finished: bool) -> bool:
        self.accelerator.end_training()
        return finished

    def save(self) -> None:
        """Writes the state that `resume` goes on from. All processes have to call it."""
        carried = self.objective.state()  # in all processes
        if not self.accelerator.is_main_process:
            return
        tensors = with_prefix("weights", trained_tensors(self.model))
        tensors |= with_prefix("average", trained_tensors(self.average.module))
        tensors["updates"] = self.average.n_averaged
        tensors |= with_prefix("optimizer", optimizer_tensors(self.optimizer))
        tensors |= with_prefix("objective", carried)
        save_state(self.state_path, tensors, self.progress)

    def _restore(self) -> None:
        tensors, self.progress = load_state(self.state_path)
        load_trained(self.model, without_prefix("weights", tensors))
        load_trained(self.average.module, without_prefix("average", tensors))
        self.average.n_averaged.copy_(tensors["updates"])
        load_optimizer_tensors(self.optimizer, without_prefix("optimizer", tensors))
        self.objective.restore(without_prefix("objective", tensors))
