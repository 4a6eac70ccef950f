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
    observers: Sequence[Observer] = (),
) -> Hypotheses:
    """Searches for the best sequences: `search.num_sequences` for each source, best first.

    The state is that before the first token, with `search.rows_per_source` rows for each of B sources. Constraints are
    applied in turn to each step's log-probabilities; attention weights are kept if `attention` says so.
    """
    method = sample if search.method == "sample" else beam_search
    found = method(step, state, memory, search, constraints, attention, observers)
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
    for observer in observers:
        observer.end(best_first, places)
    return best_first
