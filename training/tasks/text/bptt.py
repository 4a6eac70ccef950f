"""Truncated backpropagation through time: every k1 steps, back through k2 steps.

Williams and Peng, "An efficient gradient-based algorithm for on-line training of recurrent network trajectories"
(1990), their BPTT(h; h') with h = k2 and h' = k1; the letters are those of Sutskever, "Training recurrent neural
networks" (2013). k1 = k2 is the usual training in chunks, k1 = 1 takes a gradient at each step, k2 >= T the full one.
"""

from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor

from model.cells import State

Network = Callable[[Tensor, State | None], tuple[Tensor, State]]
"""inputs (N, T, ...) and a state to outputs (N, T, ...) and the state after; `model.recurrent.Recurrent` is one."""


class Chunk(NamedTuple):
    """k1 steps whose gradient has been added to the parameters' `grad`."""

    loss: Tensor  # (), detached
    state: State  # after the chunk, detached
    end: int  # steps done so far
    start: int  # the step at which the next chunk's gradient ends, min(end, end + k1 - k2)
    before: State  # the state before that step: with these two, a later call can go on


def truncated_bptt(
    network: Network,
    criterion: Callable[[Tensor, Tensor], Tensor],
    inputs: Tensor,
    targets: Tensor,
    state: State | None = None,
    *,
    k1: int,
    k2: int,
    done: int = 0,
    backward: Callable[[Tensor], None] = Tensor.backward,
) -> Iterator[Chunk]:
    """Runs over a sequence, and stops after every k1 steps for the caller to use the gradient.

    At step t = k1, 2 k1, ... the losses of the last k1 steps are differentiated, with the state of step t - k2 taken as
    a constant. Every loss counts once, so without updates in between the gradients add up to the full one where
    k2 >= T. With k2 < k1 the first k1 - k2 steps of a chunk only carry the state on, as what they say can't be reached.

    With k2 > k1, steps are run again with the weights as they now are, so the caller may step an optimizer at each
    chunk, and fused kernels are used throughout; the price is k2 / k1 times the work. Dropout then draws anew.

    Args:
        network: inputs (N, t, ...) and a state to outputs and the state after; None as a state means its own start.
        criterion: outputs (N, t, ...) and targets (N, t, ...) to a scalar; gradients add up to the full one if it sums.
        inputs: (N, T, ...).
        targets: (N, T, ...).
        state: before the first step.
        k1: steps between two gradients.
        k2: steps that a gradient goes back.
        done: steps at the beginning whose losses an earlier call has had. To go on after a chunk, pass on the inputs
            and targets from `chunk.start`, the state `chunk.before`, and chunk.end - chunk.start as `done`.
        backward: adds a scalar's gradient to the parameters' `grad`.

    Raises:
        ValueError: k1 or k2 is below 1, or the lengths of inputs and targets differ.
    """
    if k1 < 1 or k2 < 1:
        raise ValueError(f"k1={k1} and k2={k2}: both must be 1 or more")
    length = inputs.shape[1]
    if targets.shape[1] != length:
        raise ValueError(f"{length} steps of inputs and {targets.shape[1]} of targets")
    at, state = 0, _detached(state)  # `state` is the one before step `at`
    for begin in range(done, length, k1):
        end = min(begin + k1, length)
        start = max(0, end - k2)
        if start > at:
            with torch.no_grad():
                at, (_, state) = start, network(inputs[:, at:start], state)
        # Where the next window starts inside this one, its state is picked up on the way.
        ahead = min(end, max(0, min(end + k1, length) - k2))
        running, parts = state, []
        for left, right in pairwise(sorted({start, ahead, end})):
            part, running = network(inputs[:, left:right], running)
            parts.append(part)
            if right == ahead:
                at, state = ahead, _detached(running)
        scored = max(begin, start)
        loss = criterion(torch.cat(parts, 1)[:, scored - start :], targets[:, scored:end])
        backward(loss)
        yield Chunk(loss.detach(), _detached(running) or (), end, at, state or ())


def _detached(state: State | None) -> State | None:
    return tuple(part.detach() for part in state) if state is not None else None
