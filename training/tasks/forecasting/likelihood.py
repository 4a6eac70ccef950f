"""Likelihood of returns, and errors of variance, on windows of series."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import torch
from accelerate import Accelerator
from torch import Tensor, nn

from model.tasks.forecasting.base import HORIZONS
from model.tasks.forecasting.forecaster import Forecaster, Outlook, Window
from model.tasks.forecasting.series import Floats
from model.tasks.forecasting.signals import signals
from model.tasks.forecasting.student import log_density
from training.data.base import DataError
from training.tasks.forecasting.fitting import fit_base
from training.tasks.forecasting.reader import read_histories
from training.tasks.forecasting.recipe import LikelihoodRecipe
from training.tasks.forecasting.score import figures, scored
from training.trainer import Backward, Objective, Validation

WEIGHTS = (1.0, 0.2, 0.1)
"""Weight of each horizon: the days ahead of neighbouring days overlap, and tell as much less."""


class Stretch(NamedTuple):
    """A series, as far as it may be learnt from."""

    window: Window
    """All days: (T, ...)."""
    returns: Tensor
    variance: Tensor
    """(T, 3): what came true; NaN where it is not to be known."""


class Likelihood(Objective[Forecaster]):
    """Windows that begin on random days, each of a series with ranges or of its closes alone; raises what `Trainer`
    does.
    """

    def __init__(self, recipe: LikelihoodRecipe, accelerator: Accelerator) -> None:
        training, data = recipe.training, recipe.data
        self.recipe, self.accelerator = recipe, accelerator
        self.histories = read_histories(data.path, data.series)
        torch.manual_seed(training.seed)
        self.model = self.network = Forecaster(recipe.model, fit_base(self.histories, data.dev_from))
        self.stretches = []
        for history in self.histories:
            known = [history.between(None, data.dev_from, horizon) for horizon in HORIZONS]
            if len(known[-1]) < recipe.model.context:
                raise DataError(
                    f"{data.path}: {history.name} has {len(known[-1])} days before {data.dev_from} to learn from; "
                    f"lower model.context={recipe.model.context} to that, or choose a later data.dev_from"
                )
            outcomes = [_known(found, known) for found in (history.returns, history.variance)]
            part = slice(known[0][0] - training.burn_in, known[0][-1] + 1)
            for found in (history.signals, signals(history.series.closes())):
                window = self.model.window(found)
                self.stretches.append(
                    Stretch(Window(*(days[part] for days in window)), *(days[part] for days in outcomes))
                )
        self.updates_per_epoch = training.updates

    def groups(self) -> list[dict[str, Any]]:
        return [{"params": list(self.model.parameters()), "peak": self.recipe.training.learning_rate}]

    def updates(self, epoch: int, done: int, network: nn.Module, backward: Backward) -> Iterator[dict[str, float]]:
        training, device, processes = self.recipe.training, self.accelerator.device, self.accelerator.num_processes
        for update in range(done, self.updates_per_epoch):
            drawn = np.random.default_rng((training.seed, epoch, update))
            chosen = [self._draw(drawn) for _ in range(training.batch_size)]
            share = chosen[self.accelerator.process_index :: processes]
            window = Window(
                *(torch.stack(parts).to(device) for parts in zip(*(one.window for one in share), strict=True))
            )
            returns, variance = (torch.stack(parts).to(device) for parts in list(zip(*share, strict=True))[1:])
            days = training.batch_size * (self.recipe.model.context - training.burn_in)  # of all processes
            losses = torch.stack([self._loss(found, returns, variance) for found in network(window)])  # (M, 2)
            nats, errors = losses.sum(0) * processes / days
            backward(training.return_weight * nats + errors)
            told = self.accelerator.reduce(torch.stack([nats, errors]).detach(), "mean") / len(losses)
            yield {"loss": float(told.sum()), "nats": float(told[0]), "variance": float(told[1])}

    def _draw(self, drawn: np.random.Generator) -> Stretch:
        """A window of any series that begins on any day."""
        stretch = self.stretches[drawn.integers(len(self.stretches))]
        context = self.recipe.model.context
        part = slice(first := int(drawn.integers(len(stretch.returns) - context + 1)), first + context)
        return Stretch(Window(*(days[part] for days in stretch.window)), stretch.returns[part], stretch.variance[part])

    def _loss(self, found: Outlook, returns: Tensor, variance: Tensor) -> Tensor:
        """Cost of a member's forecasts (2,): of returns, in nats, and of variance, squared error and QLIKE."""
        learnt = returns.isfinite()  # (N, T, 3)
        learnt[:, : self.recipe.training.burn_in] = False
        weights = torch.tensor(WEIGHTS, device=returns.device).expand_as(returns)[learnt]  # (K,)
        found = Outlook(*(part[learnt] for part in found))  # (K,) each
        returns, log = returns[learnt], variance[learnt].log()  # (K,)
        nats = -log_density(returns, found.location, found.log_scale, found.freedom)  # (K,)
        surprise = log - found.log_mean
        errors = (log - found.log_variance) ** 2 + surprise.exp() - surprise - 1  # (K,)
        return torch.stack([(weights * cost).sum() for cost in (nats, errors)])

    def validate(self, model: Forecaster) -> Validation:
        return Validation(figures(scored(model, self.histories, "dev", self.recipe.data), "dev"))


def _known(outcomes: Floats, known: list[list[int]]) -> Tensor:
    """Outcomes (T, 3) of the known days of each horizon; NaN for the others."""
    kept = np.full_like(outcomes, np.nan)
    for column, days in enumerate(known):
        kept[days, column] = outcomes[days, column]
    return torch.from_numpy(kept.astype(np.float32))
