"""Beam search and diverse beam search, batched over pictures; with one beam, greedy decoding."""

import torch
from torch import Tensor

from model.cells import State
from model.config import DecodingConfig
from model.constraints import NEVER, Constraints
from model.hypotheses import Hypotheses, Observer, PictureMemory, StepFunction, num_groups, rows_per_picture
from model.vocabulary import BOS, EOS, PAD


def beam_search(
    step: StepFunction,
    state: State,
    memory: PictureMemory,
    pictures: int,
    decoding: DecodingConfig,
    constraints: Constraints,
    attention: bool,
    observer: Observer | None,
) -> Hypotheses:
    """Beam search in which a finished hypothesis keeps its place, and competes from it, until all have finished.

    The hypothesis that greedy decoding would give is never dropped: where it falls out of the best K, it takes the
    last place. So one beam is greedy decoding, and more never score below it (with the length penalty off).
    """
    groups = num_groups(decoding)
    beams = rows_per_picture(decoding) // groups  # K' of each group
    shape = (pictures, groups * beams)
    device = state[0].device
    empty = torch.zeros(*shape, 0, device=device)
    found = Hypotheses(empty.long(), empty, None)
    first_beam = torch.arange(groups, device=device)[:, None] * beams  # (G, 1)
    first_row = torch.arange(pictures, device=device)[:, None] * shape[1]  # (B, 1)
    own_place = torch.arange(shape[1], device=device).expand(shape)  # (B, K)
    silence, nothing = torch.full(shape, PAD, device=device), torch.zeros(shape, device=device)
    hope = nothing.bool()  # (B, K)

    going = torch.arange(pictures, device=device)  # (B',), whose search goes on: all but `found` is of these alone
    tokens = torch.full(shape, BOS, device=device)
    totals = torch.full((pictures, groups, beams), NEVER, device=device)
    totals[:, :, 0] = 0.0  # all beams are alike at first, so only one may speak
    lengths = torch.zeros(pictures, groups, beams, device=device)
    finished = torch.zeros(pictures, groups, beams, dtype=torch.bool, device=device)
    greedy = torch.zeros(pictures, groups, 1, dtype=torch.long, device=device)  # its place among the beams

    for _ in range(decoding.max_length):
        logits, state, seen = step(tokens.flatten(), state, memory)
        logprobs = constraints.logprobs(logits, found.tokens[going].flatten(0, 1))  # (N, V)
        logprobs = logprobs.unflatten(0, finished.shape)  # (B', G, K', V)
        logprobs.masked_fill_(finished[..., None], NEVER)
        logprobs[..., PAD].masked_fill_(finished, 0.0)
        lengths = lengths + ~finished
        scores = (totals[..., None] + logprobs) / lengths[..., None] ** decoding.length_penalty  # (B', G, K', V)
        parent, word, greedy = _choose(scores, greedy, decoding.diversity)  # (B', G, K'), (B', G, K'), (B', G, 1)
        logprob = logprobs.flatten(2).gather(2, parent * logprobs.shape[3] + word)
        totals = totals.gather(2, parent) + logprob
        lengths = lengths.gather(2, parent)
        finished = finished.gather(2, parent) | (word == EOS)

        tokens, place = word.flatten(1), (parent + first_beam).flatten(1)  # (B', K)
        row = place + first_row[: len(going)]  # (B', K)
        looked = seen[row] if attention and seen is not None else None  # (B', K, P)
        parents = _among_all(place, going, own_place)
        found = found.take(parents).extend(
            _among_all(tokens, going, silence),
            _among_all(logprob.flatten(1), going, nothing),
            None if looked is None else _among_all(looked, going, looked.new_zeros(*shape, looked.shape[2])),
        )
        if observer:
            hope = _among_all(_hopeful(totals, lengths, finished, greedy, decoding).flatten(1), going, hope)
            observer.step(found, parents, hope)

        stay = (~finished).flatten(1).any(1).nonzero().flatten()
        if not len(stay):
            break
        if len(stay) < len(going):
            going, tokens, row = going[stay], tokens[stay], row[stay]
            totals, lengths, finished, greedy = totals[stay], lengths[stay], finished[stay], greedy[stay]
            memory = tuple(part.index_select(0, stay) for part in memory)
        state = tuple(part.index_select(0, row.flatten()) for part in state)
    return found


def _choose(scores: Tensor, greedy: Tensor, diversity: float) -> tuple[Tensor, Tensor, Tensor]:
    """The hypotheses that a step keeps, of the scores (B, G, K', V) of all that it could.

    Returns:
        which they go on from and with which word, (B, G, K') each; and the greedy one's place among them (B, G, 1).
    """
    pictures, groups, beams, vocabulary = scores.shape
    kept, places = [], []
    taken = scores.new_zeros(pictures, vocabulary)
    for group in range(groups):
        ranking = scores[:, group] - diversity * taken[:, None] if group else scores[:, group]  # (B, K', V)
        before = greedy[:, group]  # (B, 1)
        lead = ranking.gather(1, before[:, :, None].expand(-1, 1, vocabulary)).argmax(2)  # (B, 1)
        lead = lead + before * vocabulary
        best = ranking.flatten(1).topk(beams).indices  # (B, K')
        found = best == lead
        best[:, -1:] = torch.where(found.any(1, keepdim=True), best[:, -1:], lead)
        places.append((best == lead).int().argmax(1, keepdim=True))
        kept.append(best)
        if groups > 1:
            words = best % vocabulary
            taken.scatter_add_(1, words, (words != PAD).float())
    chosen = torch.stack(kept, 1)  # (B, G, K')
    return chosen // vocabulary, chosen % vocabulary, torch.stack(places, 1)


def _among_all(part: Tensor, going: Tensor, rest: Tensor) -> Tensor:
    """What some of the pictures have (B', ...), and the others of `rest` (B, ...)."""
    return part if len(going) == len(rest) else rest.clone().index_copy_(0, going, part)


def _hopeful(totals: Tensor, lengths: Tensor, finished: Tensor, greedy: Tensor, decoding: DecodingConfig) -> Tensor:
    """Which hypotheses (B, G, K') can still become the best.

    One can't where a finished one has a score that it would not reach even if all words to come were certain. It never
    ranks above that one, so it is gone before that one is. The greedy one alone may stay without ranking, and ranks
    with a penalty have no such order; there, all hope that are possible.
    """
    possible = totals > NEVER
    if totals.shape[1] > 1:
        return possible
    penalty = decoding.length_penalty
    ceiling = totals / torch.where(finished, lengths, decoding.max_length) ** penalty
    reached = ceiling.masked_fill(~finished, NEVER).amax(2, keepdim=True)  # (B, 1, 1)
    beaten = ceiling < reached - 1e-4  # the final ranks are sums in another order
    return possible & ~beaten.scatter(2, greedy, False)
