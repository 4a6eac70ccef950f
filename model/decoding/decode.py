"""Reading sequences out of a recurrent network: greedy, beam, diverse beam and sampled, batched over sources."""

from collections.abc import Sequence

import torch

from model.cells import State
from model.decoding.beam import beam_search
from model.decoding.constraints import Constraint
from model.decoding.sampling import sample
from model.decoding.search import Hypotheses, M, Observer, Search, StepFunction


def decode(
    step: StepFunction[M],
    state: State,
    memory: M,
    search: Search,
    constraints: Sequence[Constraint],
    *,
    attention: bool = False,
    observer: Observer | None = None,
) -> Hypotheses:
    """Searches for the best sequences: `search.num_sequences` for each source, best first.

    Args:
        step: the network, one token further.
        state: before the first token, with `search.rows_per_source` rows for each of B sources.
        memory: what the network reads of the sources.
        search: the method and its parameters.
        constraints: applied in turn to each step's log-probabilities.
        attention: whether to keep the attention weights.
        observer: called after each step.
    """
    method = sample if search.method == "sample" else beam_search
    found = method(step, state, memory, search, constraints, attention, observer)
    ranking = found.score(search.length_penalty)  # (B, K)
    if search.num_groups > 1:  # the best of each group, so that they differ
        ranking = ranking.unflatten(1, (search.num_groups, -1))
        best, place = ranking.max(2)  # (B, G)
        order = best.argsort(dim=1, descending=True, stable=True)
        place = place + torch.arange(best.shape[1], device=best.device) * ranking.shape[2]
        places = place.gather(1, order)
    else:
        places = ranking.argsort(dim=1, descending=True, stable=True)[:, : search.num_sequences]
    best_first = found.take(places)
    if observer:
        observer.end(best_first, places)
    return best_first
