"""Drawing tokens from a network's distribution, for sequences of a source and for running text."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from model.cells import State
from model.decoding.constraints import NEVER, Constraint, allowed_logprobs
from model.decoding.search import Hypotheses, M, Observer, Search, StepFunction
from model.vocabulary import BOS, EOS, PAD


def sample(
    step: StepFunction[M],
    state: State,
    memory: M,
    search: Search,
    constraints: Sequence[Constraint],
    attention: bool,
    observers: Sequence[Observer],
) -> Hypotheses:
    """Draws sequences independently, from the distribution that temperature, top_k and top_p leave."""
    draws = search.rows_per_source  # K
    shape = (len(state[0]) // draws, draws)  # (B, K)
    device = state[0].device
    uniform = _uniform(search, shape).to(device)  # (T, B, K)
    empty = torch.zeros(*shape, 0, device=device)
    found = Hypotheses(empty.long(), empty, None)
    tokens = torch.full(shape, BOS, device=device)
    finished = torch.zeros(shape, dtype=torch.bool, device=device)
    for time in range(search.max_length):
        logits, state, seen = step(tokens.flatten(), state, memory)
        logprobs = allowed_logprobs(logits, found.tokens.flatten(0, 1).cpu().numpy(), constraints)  # (N, V)
        drawn = inverse_transform(_sharpen(logprobs, search), uniform[time].flatten()[:, None])  # (N, 1)
        logprob = logprobs.gather(1, drawn).view(shape).masked_fill(finished, 0.0)
        tokens = drawn.view(shape).masked_fill(finished, PAD)
        found = found.extend(tokens, logprob, seen.unflatten(0, shape) if attention and seen is not None else None)
        finished = finished | (tokens == EOS)
        for observer in observers:
            observer.step(found, torch.arange(draws, device=device).expand(shape), torch.ones_like(finished))
        if finished.all():
            break
    return found


def _uniform(search: Search, shape: tuple[int, int]) -> Tensor:
    """Random numbers (T, B, K) in 0..1, for each step of each draw.

    With a seed, a draw's numbers depend only on its place among its source's draws: a source has the same draws in
    every batch, and the first of them is the same however many there are.
    """
    sources, draws = shape
    if search.seed is None:
        return torch.from_numpy(np.random.default_rng().random((search.max_length, *shape), dtype=np.float32))
    generators = [np.random.default_rng([search.seed % 2**64, place]) for place in range(draws)]
    numbers = np.stack([each.random(search.max_length, dtype=np.float32) for each in generators], 1)  # (T, K)
    return torch.from_numpy(numbers)[:, None].expand(-1, sources, -1)


def keep_top_k(logits: Tensor, top_k: Tensor, most: int) -> Tensor:
    """Sets all but the k largest of each row of logits (N, V) to -inf; ties with the k-th stay.

    `top_k` is (N, 1), 0 for a row that keeps all; `most` is the largest of them.
    """
    most = min(most, logits.shape[1])
    weakest = logits.topk(most).values.gather(1, (top_k - 1).clamp(0, most - 1))  # (N, 1)
    return logits.masked_fill((logits < weakest) & (top_k > 0), NEVER)


def keep_nucleus(logits: Tensor, top_p: Tensor) -> Tensor:
    """Sets logits (N, V) outside each row's nucleus of mass p to -inf; `top_p` is (N, 1), 1 for a row that keeps all.

    Holtzman et al., "The curious case of neural text degeneration" (2020), section 3.1.
    """
    ordered, places = logits.sort(dim=1, descending=True, stable=True)
    mass = ordered.softmax(1)  # (N, V)
    beyond = (mass.cumsum(1) - mass >= top_p) & (top_p < 1)  # the token that reaches p stays
    return logits.masked_fill(beyond.scatter(1, places, beyond), NEVER)


def inverse_transform(logits: Tensor, uniform: Tensor) -> Tensor:
    """Draws tokens (N, 1) from logits (N, V) by inverting the cumulative distribution at random numbers (N, 1).

    These are from 0 to below 1, in single precision: times the total mass, summed in double, they stay below that mass,
    so that no token of zero probability is drawn.
    """
    mass = logits.softmax(1).cumsum(1, dtype=torch.double)  # (N, V)
    drawn = torch.searchsorted(mass, uniform * mass[:, -1:], right=True)
    return drawn.clamp_(max=logits.shape[1] - 1)  # only rows with NaN go beyond


def _sharpen(logprobs: Tensor, search: Search) -> Tensor:
    """Log-probabilities (N, V) to sampling logits: temperature, then top k, then the nucleus of mass p."""
    logits = logprobs / search.temperature
    rows = (len(logits), 1)
    if search.top_k:
        logits = keep_top_k(logits, torch.full(rows, search.top_k, device=logits.device), search.top_k)
    if search.top_p < 1:
        logits = keep_nucleus(logits, torch.full(rows, search.top_p, device=logits.device))
    return logits
