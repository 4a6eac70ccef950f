"""The training of a fleet: each of its networks as if it were alone."""

import time
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from training.lab.odyssey.fleet import Fleet
from training.lab.odyssey.problem import Batch, Problem

ADAM, NESTEROV = OPTIMIZERS = ("adam", "nesterov")
NESTEROV_RATE = 30.0
"""By this a rate is multiplied for plain gradient descent, so that the best rates of both are in one range."""
SECOND, EPSILON = 0.999, 1e-8
"""Adam's second decay and the term of its denominator; its first decay is a trial's momentum."""
LARGEST_GRADIENT = 1.0
"""The norm to which a network's gradient is cut."""


class Trial(NamedTuple):
    """All that is drawn for one training."""

    number: int
    size: int
    rate: float
    momentum: float
    noise: float  # standard deviation of what is added to each input
    optimizer: str
    seed: int  # of the weights at the start


class Outcome(NamedTuple):
    """The findings about one trial, at the epoch of its best score on dev; 0 is before all training."""

    dev: float
    held: float
    epoch: int
    epochs: int
    parameters: int
    seconds: float  # of the processor; its share, where trials were trained side by side


class Optimizer:
    """Adam or Nesterov's gradient descent for each network of a fleet.

    Both average gradients by the trial's momentum. As in the paper, gradient descent has its rate multiplied by
    1 - momentum, which is what such an average does.
    """

    def __init__(self, fleet: Fleet, trials: Sequence[Trial]) -> None:
        self.parameters, self.masks = list(fleet.parameters()), fleet.masks
        self.first = [torch.zeros_like(each) for each in self.parameters]
        self.second = [torch.zeros_like(each) for each in self.parameters]
        self.steps = 0
        self._columns(trials)

    def _columns(self, trials: Sequence[Trial]) -> None:
        column = (len(trials), 1, 1)
        self.rate = torch.tensor([trial.rate for trial in trials]).view(column)
        self.momentum = torch.tensor([trial.momentum for trial in trials]).view(column)
        self.adam = torch.tensor([trial.optimizer == ADAM for trial in trials]).view(column)

    def retain(self, fleet: Fleet, places: list[int], trials: Sequence[Trial]) -> None:
        """Follows `Fleet.retain`."""
        self.parameters, self.masks = list(fleet.parameters()), fleet.masks
        self.first = [each[places] for each in self.first]
        self.second = [each[places] for each in self.second]
        self._columns(trials)

    @torch.no_grad()
    def step(self, gradients: Sequence[Tensor]) -> Tensor:
        """One step by gradients (K, ...); which networks' gradients are finite, (K,). The others stay as they are."""
        gradients = [torch.where(mask, each, 0) for mask, each in zip(self.masks, gradients, strict=True)]
        squares = torch.stack([each.square().sum((1, 2)) for each in gradients])  # (parameters, K)
        norms = squares.sum(0).sqrt()  # (K,)
        finite = norms.isfinite()
        shares = (LARGEST_GRADIENT / (norms + 1e-6)).clamp(max=1).view(-1, 1, 1)
        self.steps += 1
        for place, (parameter, gradient) in enumerate(zip(self.parameters, gradients, strict=True)):
            gradient = torch.where(finite.view(-1, 1, 1), gradient * shares, 0)
            first = self.first[place].lerp_(gradient, 1 - self.momentum)
            second = self.second[place].lerp_(gradient.square(), 1 - SECOND)
            adam = first / (1 - self.momentum**self.steps)
            adam = adam / ((second / (1 - SECOND**self.steps)).sqrt() + EPSILON)
            nesterov = NESTEROV_RATE * gradient.lerp(first, self.momentum)
            change = self.rate * torch.where(self.adam, adam, nesterov)
            parameter.sub_(torch.where(finite.view(-1, 1, 1), change, 0))
        return finite


@torch.no_grad()
def measure(fleet: Fleet, problem: Problem, batches: Iterable[Batch]) -> list[float]:
    """The measure of each network."""
    total, divisor = torch.zeros(()), 0
    for batch in batches:
        networks = len(fleet.parameter_counts)
        hidden = fleet.hidden(batch.inputs.expand(networks, *batch.inputs.shape))  # (T, K, N, H)
        sums, count = problem.faults(fleet.scores(problem.read(hidden, batch)), batch)
        total, divisor = total + sums, divisor + count
    return (total / divisor).tolist()


def learn(
    fleet: Fleet, optimizer: Optimizer, problem: Problem, trials: Sequence[Trial], seed: int, epoch: int
) -> Tensor:
    """One epoch; which networks have had finite gradients throughout, (K,).

    Order and noise are the seed's and the epoch's, the same for all trials.
    """
    sound = torch.ones(len(trials), dtype=torch.bool)
    deviations = torch.tensor([trial.noise for trial in trials]).view(-1, 1, 1, 1)
    generator = torch.Generator().manual_seed(seed * 100_003 + epoch)
    for batch in problem.train.shuffled(problem.batch_size, seed, epoch):
        noise = torch.randn(batch.inputs.shape, generator=generator)
        hidden = fleet.hidden(torch.addcmul(batch.inputs, deviations, noise))  # (T, K, N, H)
        losses = problem.losses(fleet.scores(problem.read(hidden, batch)), batch)  # (K,)
        gradients = torch.autograd.grad(losses.sum(), optimizer.parameters)  # a network's loss is its own alone
        sound &= optimizer.step(gradients)
    return sound


def fit(kind: str, problem: Problem, trials: Sequence[Trial], *, seed: int, epochs: int | None = None) -> list[Outcome]:
    """Trains a cell in several trials side by side.

    A trial ends `patience` epochs after its best score on dev, or where its gradients are no numbers; the others go on
    without it. Its outcome does not depend on the others, but for the rounding of sums.

    Args:
        kind: a name in `model.cells.CELLS`.
        epochs: most of them; by default the problem's.
    """
    started = time.process_time()
    trials = list(trials)
    fleet = Fleet(
        kind,
        problem.input_size,
        problem.output_size,
        [trial.size for trial in trials],
        [trial.seed for trial in trials],
    )
    parameters = list(fleet.parameter_counts)
    optimizer = Optimizer(fleet, trials)
    dev, held = problem.dev.in_order(), problem.held.in_order()
    places = list(range(len(trials)))  # of those that are still trained
    scores = zip(measure(fleet, problem, dev), measure(fleet, problem, held), strict=True)
    best = [(*pair, 0) for pair in scores]  # score on dev and held, epoch
    lasts = [0] * len(trials)
    for epoch in range(1, 1 + (epochs or problem.epochs)):
        racing = [trials[place] for place in places]
        sound = learn(fleet, optimizer, problem, racing, seed, epoch).tolist()
        found = zip(places, sound, measure(fleet, problem, dev), measure(fleet, problem, held), strict=True)
        kept = []
        for at, (place, numbers, score, other) in enumerate(found):
            lasts[place] = epoch
            if score < best[place][0]:  # never where it is no number
                best[place] = (score, other, epoch)
            if numbers and epoch - best[place][2] < problem.patience:
                kept.append(at)
        if not kept:
            break
        if len(kept) < len(places):
            places = [places[at] for at in kept]
            fleet.retain(kept)
            optimizer.retain(fleet, kept, [trials[place] for place in places])
    share = (time.process_time() - started) / len(trials)
    return [Outcome(*found, last, count, share) for found, last, count in zip(best, lasts, parameters, strict=True)]
