"""The likeliest tokens in the place of each token of sequences that have been found already."""

from collections.abc import Sequence

import torch
from torch import Tensor

from model.cells import State
from model.decoding.constraints import Constraint, allowed_logprobs
from model.decoding.search import M, StepFunction
from model.vocabulary import BOS


def alternatives(
    step: StepFunction[M], state: State, memory: M, tokens: Tensor, constraints: Sequence[Constraint], count: int
) -> tuple[Tensor, Tensor]:
    """The `count` likeliest tokens after each beginning of sequences (B, K, T), with their log-probabilities.

    The sequences are read again, so it does not matter how they were found. The state is that before the first token,
    with K rows for each source; log-probabilities are the network's own, -inf for what the constraints rule out.

    Returns:
        log-probabilities and tokens, each (B, K, T, C), the likeliest first.
    """
    rows = tokens.flatten(0, 1)  # (N, T)
    history = rows.cpu().numpy()
    last = torch.full_like(rows[:, 0], BOS)  # (N,)
    found = []
    for time in range(rows.shape[1]):
        logits, state, _ = step(last, state, memory)
        allowed = allowed_logprobs(logits, history[:, :time], constraints)  # (N, V)
        found.append(allowed.topk(min(count, allowed.shape[1])))
        last = rows[:, time]
    logprobs, best = (torch.stack(part, 1).unflatten(0, tokens.shape[:2]) for part in zip(*found, strict=True))
    return logprobs, best
