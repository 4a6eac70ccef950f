"""Reading sequences out of a recurrent network: greedy, beam, diverse beam and sampled, batched over sources."""

from collections.abc import Sequence

import torch
from torch import Tensor

from model.cells import State
from model.decoding.beam import beam_search
from model.decoding.constraints import NEVER, Constraint
from model.decoding.mentions import Mentions
from model.decoding.sampling import sample
from model.decoding.search import Hypotheses, M, Observer, Search, StepFunction
from model.vocabulary import EOS


def decode(
    step: StepFunction[M],
    state: State,
    memory: M,
    search: Search,
    constraints: Sequence[Constraint],
    *,
    mentions: Mentions | None = None,
    attention: bool = False,
    observers: Sequence[Observer] = (),
) -> Hypotheses:
    """Searches for the best sequences: `search.num_sequences` for each source, best first.

    The state is that before the first token, with `search.rows_per_source` rows for each of B sources. Constraints are
    applied in turn to each step's log-probabilities; attention weights are kept if `attention` says so.

    Finished sequences that have said what their source is to mention come before all others. Beam search looks for
    them; where it finds none, as where the constraints rule the tokens out, the result is the best without. Draws take
    no notice of mentions, nor does greedy search or a group of one: there is no second place for what has said them.

    Raises:
        ValueError: there are mentions for more or fewer sources.
    """
    sources = len(state[0]) // search.rows_per_source  # B
    if mentions is not None and len(mentions) != sources:
        raise ValueError(f"mentions of {len(mentions)} sources, where there are {sources}")
    shared = search.method == "beam" and search.rows_per_source > search.num_groups
    if mentions is not None and not (shared and mentions.asked.any()):
        mentions = None
    if search.method == "sample":
        found = sample(step, state, memory, search, constraints, attention, observers)
    else:
        found = beam_search(step, state, memory, search, constraints, mentions, attention, observers)
    ranking = found.score(search.length_penalty)  # (B, K)
    met = _met(found, mentions) & (ranking > NEVER)  # (B, K)
    if search.num_groups > 1:  # the best of each group, so that they differ
        ranking, met = (part.unflatten(1, (search.num_groups, -1)) for part in (ranking, met))  # (B, G, K')
        place = _best_first(ranking, met)[..., :1]  # (B, G, 1)
        order = _best_first(ranking.gather(2, place)[..., 0], met.gather(2, place)[..., 0])  # (B, G)
        group = torch.arange(search.num_groups, device=place.device)
        places = (place[..., 0] + group * ranking.shape[2]).gather(1, order)
    else:
        places = _best_first(ranking, met)[:, : search.num_sequences]
    best_first = found.take(places)
    for observer in observers:
        observer.end(best_first, places)
    return best_first


def _met(found: Hypotheses, mentions: Mentions | None) -> Tensor:
    """Marks the hypotheses (B, K) that are finished and have said what their source is to mention, if anything."""
    finished = (found.tokens == EOS).any(2)  # (B, K)
    if mentions is None:
        return torch.ones_like(finished)
    said = torch.from_numpy(mentions.said(found.tokens.cpu().numpy()).any(2)).to(finished.device)  # (B, K)
    return finished & said | ~torch.from_numpy(mentions.asked).to(finished.device)[:, None]


def _best_first(ranking: Tensor, met: Tensor) -> Tensor:
    """The order of hypotheses (..., K), best first: those that have `met` what they must before all others."""
    order = ranking.argsort(dim=-1, descending=True, stable=True)
    return order.gather(-1, met.gather(-1, order).int().argsort(dim=-1, descending=True, stable=True))
