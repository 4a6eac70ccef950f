"""Reading words out of a recurrent network: greedy, beam, diverse beam and sampled, batched over pictures."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from model.cells import State
from model.decoding.beam import beam_search
from model.decoding.config import DecodingConfig
from model.decoding.constraints import NEVER, Constraints
from model.decoding.hypotheses import Hypotheses, Observer, PictureMemory, StepFunction, num_groups, rows_per_picture
from model.tasks.captioning.neutral import Neutral
from model.vocabulary import BOS, EOS, PAD


def decode(
    step: StepFunction,
    state: State,
    memory: PictureMemory,
    pictures: int,
    decoding: DecodingConfig,
    *,
    prefix: Sequence[int] = (),
    neutral: Neutral | None = None,
    attention: bool = False,
    observer: Observer | None = None,
) -> Hypotheses:
    """Best hypotheses first, `decoding.num_captions` of them for each picture.

    Args:
        step: the network, one token further.
        state: where it starts, with `rows_per_picture(decoding)` rows for each picture.
        memory: what it knows of the pictures.
        pictures: how many, B.
        decoding: the method and its parameters.
        prefix: tokens that every hypothesis begins with.
        neutral: the words that are not said, but in the prefix, and those said instead.
        attention: whether to keep the attention weights.
        observer: told of each step; costs nothing where there is none.
    """
    search = _sample if decoding.method == "sample" else beam_search
    found = search(step, state, memory, pictures, decoding, Constraints(decoding, prefix, neutral), attention, observer)
    ranking = found.score(decoding.length_penalty)  # (B, K)
    if num_groups(decoding) > 1:  # the best of each group, so that they differ
        ranking = ranking.unflatten(1, (num_groups(decoding), -1))
        best, place = ranking.max(2)  # (B, G)
        order = best.argsort(dim=1, descending=True, stable=True)
        place = place + torch.arange(best.shape[1], device=best.device) * ranking.shape[2]
        places = place.gather(1, order)
    else:
        places = ranking.argsort(dim=1, descending=True, stable=True)[:, : decoding.num_captions]
    captions = found.take(places)
    if observer:
        observer.end(captions, places)
    return captions


def _sample(
    step: StepFunction,
    state: State,
    memory: PictureMemory,
    pictures: int,
    decoding: DecodingConfig,
    constraints: Constraints,
    attention: bool,
    observer: Observer | None,
) -> Hypotheses:
    """Independent draws, from the distribution that temperature, top_k and top_p leave."""
    shape = (pictures, rows_per_picture(decoding))
    device = state[0].device
    uniform = _uniform(decoding, shape).to(device)  # (T, B, K)
    empty = torch.zeros(*shape, 0, device=device)
    found = Hypotheses(empty.long(), empty, None)
    tokens = torch.full(shape, BOS, device=device)
    finished = torch.zeros(shape, dtype=torch.bool, device=device)
    for time in range(decoding.max_length):
        logits, state, seen = step(tokens.flatten(), state, memory)
        logprobs = constraints.logprobs(logits, found.tokens.flatten(0, 1).cpu().numpy())  # (N, V)
        drawn = inverse_transform(_sharpen(logprobs, decoding), uniform[time].flatten()[:, None])  # (N, 1)
        logprob = logprobs.gather(1, drawn).view(shape).masked_fill(finished, 0.0)
        tokens = drawn.view(shape).masked_fill(finished, PAD)
        found = found.extend(tokens, logprob, seen.unflatten(0, shape) if attention and seen is not None else None)
        finished = finished | (tokens == EOS)
        if observer:
            observer.step(found, torch.arange(shape[1], device=device).expand(shape), torch.ones_like(finished))
        if finished.all():
            break
    return found


def _uniform(decoding: DecodingConfig, shape: tuple[int, int]) -> Tensor:
    """Random numbers (T, B, K) in 0..1, for each step of each draw.

    From a seed, a draw's numbers depend on its place among its picture's alone: a picture has the same captions in
    every batch, and the first of them is the same however many are drawn.
    """
    pictures, draws = shape
    if decoding.seed is None:
        return torch.from_numpy(np.random.default_rng().random((decoding.max_length, *shape), dtype=np.float32))
    generators = [np.random.default_rng([decoding.seed, place]) for place in range(draws)]
    numbers = np.stack([each.random(decoding.max_length, dtype=np.float32) for each in generators], 1)  # (T, K)
    return torch.from_numpy(numbers)[:, None].expand(-1, pictures, -1)


def keep_top_k(logits: Tensor, top_k: Tensor, most: int) -> Tensor:
    """Sampling logits (N, V) with all but the k likeliest of each row at -inf; those as likely as the last one stay.

    Args:
        logits: (N, V).
        top_k: (N, 1), 0 for a row that keeps all.
        most: the largest of them.
    """
    most = min(most, logits.shape[1])
    weakest = logits.topk(most).values.gather(1, (top_k - 1).clamp(0, most - 1))  # (N, 1)
    return logits.masked_fill((logits < weakest) & (top_k > 0), NEVER)


def keep_nucleus(logits: Tensor, top_p: Tensor) -> Tensor:
    """Sampling logits (N, V) with all but the nucleus of each row, of mass p, at -inf.

    Holtzman et al., "The curious case of neural text degeneration" (2020), section 3.1.

    Args:
        logits: (N, V).
        top_p: (N, 1), 1 for a row that keeps all.
    """
    ordered, places = logits.sort(dim=1, descending=True, stable=True)
    mass = ordered.softmax(1)  # (N, V)
    beyond = (mass.cumsum(1) - mass >= top_p) & (top_p < 1)  # the token that reaches p stays
    return logits.masked_fill(beyond.scatter(1, places, beyond), NEVER)


def inverse_transform(logits: Tensor, uniform: Tensor) -> Tensor:
    """The tokens (N, 1) in whose part of the cumulated probabilities the random numbers fall.

    Args:
        logits: (N, V), -inf for what is not to be drawn.
        uniform: (N, 1), from 0 to below 1, in single precision: then it is below the whole mass in double, so that no
            token without mass is drawn.
    """
    mass = logits.softmax(1).cumsum(1, dtype=torch.double)  # (N, V)
    drawn = torch.searchsorted(mass, uniform * mass[:, -1:], right=True)
    return drawn.clamp_(max=logits.shape[1] - 1)  # only rows with NaN go beyond


def _sharpen(logprobs: Tensor, decoding: DecodingConfig) -> Tensor:
    """Log-probabilities (N, V) to sampling logits: temperature, then the k likeliest, then the nucleus of mass p."""
    logits = logprobs / decoding.temperature
    rows = (len(logits), 1)
    if decoding.top_k:
        logits = keep_top_k(logits, torch.full(rows, decoding.top_k, device=logits.device), decoding.top_k)
    if decoding.top_p < 1:
        logits = keep_nucleus(logits, torch.full(rows, decoding.top_p, device=logits.device))
    return logits
