"""Beam search and diverse beam search, batched over sources; with one beam, greedy search."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from model.cells import State
from model.decoding.constraints import NEVER, Constraint, allowed_logprobs
from model.decoding.mentions import Floats, Integers, Mentions, Truths
from model.decoding.search import Hypotheses, M, Observer, Search, StepFunction
from model.vocabulary import BOS, EOS, PAD


def beam_search(
    step: StepFunction[M],
    state: State,
    memory: M,
    search: Search,
    constraints: Sequence[Constraint],
    mentions: Mentions | None,
    attention: bool,
    observers: Sequence[Observer],
) -> Hypotheses:
    """Beam search in which a finished hypothesis keeps its place, and competes from it, until all have finished.

    The hypothesis that greedy decoding would give is never dropped: where it falls out of the best K, it takes the
    last place. So one beam is greedy decoding, and more never score below it (with the length penalty off).

    A source with something to mention shares its beams between hypotheses that have said it and others. Once one that
    has said it is finished, the best of these is never dropped, instead of the greedy one.

    Torch finds the few best tokens after each hypothesis. The bookkeeping after that is on a few numbers per source,
    where numpy's overhead per call is a third of torch's.
    """
    groups = search.num_groups
    hypotheses = search.rows_per_source  # K
    sources = len(state[0]) // hypotheses  # B
    beams = hypotheses // groups  # K' of each group
    device = state[0].device
    tokens = np.full((sources, hypotheses, search.max_length), PAD)  # (B, K, T)
    logprobs = np.zeros(tokens.shape, np.float32)  # (B, K, T)
    looked: Floats | None = None  # (B, K, T, P)
    own_place = np.tile(np.arange(hypotheses), (sources, 1))  # (B, K)
    hope = np.zeros(own_place.shape, np.bool_)  # (B, K)
    silence = np.full(hypotheses, NEVER, np.float32)  # (K,), candidates after a finished hypothesis: padding, once
    silence[0] = 0.0

    going = np.arange(sources)  # (B',), the sources still searched; what follows is about these alone
    totals = np.full((sources, groups, beams), NEVER, np.float32)
    totals[:, :, 0] = 0.0  # all beams are alike at first, so only one may go on
    lengths = np.zeros(totals.shape, np.float32)
    finished = np.zeros(totals.shape, np.bool_)
    greedy = np.zeros((sources, groups), np.int64)  # its place among the beams, or that of what stays in its stead
    said = np.ones(totals.shape, np.bool_)  # whether it has said what its source is to mention, if anything
    if mentions:
        said &= ~mentions.asked[:, None, None]
    last = torch.full((sources * hypotheses,), BOS, device=device)  # (N,)

    for time in range(search.max_length):
        logits, state, seen = step(last, state, memory)
        history = tokens[going, :, :time].reshape(len(logits), time)
        # K candidates a hypothesis are enough, even if other groups have taken some of them.
        allowed = allowed_logprobs(logits, history, constraints)  # (N, V)
        likely = allowed.topk(min(hypotheses, allowed.shape[1]))  # (N, C)
        logprob, word = (part.cpu().numpy().reshape(*totals.shape, -1) for part in likely)  # (B', G, K', C)
        logprob = np.where(finished[..., None], silence[: logprob.shape[3]], logprob)
        word[finished] = PAD
        says = np.broadcast_to(said[..., None], word.shape)  # (B', G, K', C)
        if mentions:
            logprob, word = _with_mentions(logprob, word, mentions, allowed, done=said | finished)
            says = said[..., None] | mentions.said(word)
        lengths = lengths + ~finished
        scores = (totals[..., None] + logprob) / lengths[..., None] ** search.length_penalty  # (B', G, K', C)
        complete = says & (finished[..., None] | (word == EOS))
        chosen, greedy = _choose(
            scores, word, greedy, search.diversity, mentions, says, complete
        )  # (B', G, K'), (B', G)

        row = chosen // word.shape[3]  # (B', G, K'), in 0..N-1: the row that each goes on from
        word, logprob = word.ravel()[chosen], logprob.ravel()[chosen]  # (B', G, K')
        totals = totals.ravel()[row] + logprob
        lengths = lengths.ravel()[row]
        finished = finished.ravel()[row] | (word == EOS)
        said = says.ravel()[chosen]
        place = row.reshape(len(going), hypotheses) - np.arange(len(going))[:, None] * hypotheses  # (B', K)
        tokens[going] = tokens[going[:, None], place]
        tokens[going, :, time] = word.reshape(place.shape)
        logprobs[going] = logprobs[going[:, None], place]
        logprobs[going, :, time] = logprob.reshape(place.shape)
        if attention and seen is not None:
            if looked is None:
                looked = np.zeros((*tokens.shape, seen.shape[1]), np.float32)
            looked[going] = looked[going[:, None], place]
            looked[going, :, time] = seen.float().cpu().numpy()[row.reshape(place.shape)]
        if observers:
            parents = own_place.copy()
            parents[going] = place
            hope[going] = _hopeful(totals, lengths, finished, said, greedy, search).reshape(place.shape)
            told = _until(tokens, logprobs, looked, time), torch.from_numpy(parents), torch.tensor(hope)
            for observer in observers:
                observer.step(*told)

        stay = ~finished.all((1, 2))  # (B',)
        if not stay.any():
            break
        if not stay.all():
            going, row, word = going[stay], row[stay], word[stay]
            totals, lengths, finished, greedy = totals[stay], lengths[stay], finished[stay], greedy[stay]
            said, mentions = said[stay], mentions.take(stay) if mentions else None
            kept = torch.from_numpy(stay.nonzero()[0]).to(device)
            memory = memory.take(kept)
        last = torch.from_numpy(word.ravel()).to(device)
        rows = torch.from_numpy(row.ravel()).to(device)
        state = tuple(part.index_select(0, rows) for part in state)
    return _until(tokens, logprobs, looked, time)


def _with_mentions(
    logprob: Floats, word: Integers, mentions: Mentions, allowed: Tensor, done: Truths
) -> tuple[Floats, Integers]:
    """The candidates (B, G, K', C) with what hypotheses are to mention, but for those that are `done` (B, G, K')."""
    shares, tokens = (part.reshape(*done.shape, -1) for part in mentions.candidates(allowed))  # (B, G, K', W)
    known = (tokens[..., None] == word[..., None, :]).any(-1)
    shares = np.where(done[..., None] | known, NEVER, shares)
    return np.concatenate([logprob, shares], 3, dtype=np.float32), np.concatenate([word, tokens], 3)


def _choose(
    scores: Floats,
    words: Integers,
    greedy: Integers,
    diversity: float,
    mentions: Mentions | None,
    says: Truths,
    complete: Truths,
) -> tuple[Integers, Integers]:
    """The hypotheses that a step keeps, out of all candidates: `words` after each, with scores (B, G, K', C).

    With mentions, `says` tells which candidates have made theirs, and `complete` those that are finished, too.

    Returns:
        their places among all B * G * K' * C, (B, G, K'); and the greedy one's place among them (B, G).
    """
    sources, groups, beams, candidates = scores.shape
    source = np.arange(sources)
    chosen = np.empty((sources, groups, beams), np.int64)
    places = np.empty((sources, groups), np.int64)
    for group in range(groups):
        ranking = scores[:, group]  # (B, K', C)
        if group:
            taken = words.ravel()[chosen[:, :group]].reshape(sources, -1)  # (B, g K')
            again = (words[:, group, :, :, None] == taken[:, None, None]) & (taken != PAD)[:, None, None]
            ranking = ranking - np.float32(diversity) * again.sum(3, dtype=np.float32)
        before = greedy[:, group]  # (B,)
        lead = before * candidates + ranking[source, before].argmax(1)  # (B,)
        flat = ranking.reshape(sources, -1)  # (B, K' C)
        if mentions is None:
            best = (-flat).argsort(1, kind="stable")[:, :beams]  # (B, K')
        else:
            reached = np.where(complete[:, group].reshape(flat.shape), flat, NEVER)
            lead = np.where(mentions.asked & (reached.max(1) > NEVER), reached.argmax(1), lead)
            best = mentions.best(flat, says[:, group].reshape(flat.shape), beams)
        led = best == lead[:, None]
        best[:, -1] = np.where(led.any(1), best[:, -1], lead)
        places[:, group] = (best == lead[:, None]).argmax(1)
        chosen[:, group] = best + (source * groups + group)[:, None] * (beams * candidates)
    return chosen, places


def _until(tokens: Integers, logprobs: Floats, looked: Floats | None, time: int) -> Hypotheses:
    """A copy of the hypotheses up to and including a step, in main memory."""
    end = time + 1
    seen = None if looked is None else torch.tensor(looked[:, :, :end])
    return Hypotheses(torch.tensor(tokens[:, :, :end]), torch.tensor(logprobs[:, :, :end]), seen)


def _hopeful(
    totals: Floats, lengths: Floats, finished: Truths, said: Truths, greedy: Integers, search: Search
) -> Truths:
    """Marks the hypotheses (B, G, K') that can still become the best.

    A hypothesis is beaten by a finished one that has said what it is to mention, if it would not reach that one's score
    even if all its further tokens were certain, or if it is itself finished without having said it: it will never rank
    above that one. The greedy hypothesis keeps its place without ranking, and diversity penalties have no such order;
    there, every hypothesis that is possible has hope.
    """
    possible: Truths = totals > NEVER
    if totals.shape[1] > 1:
        return possible
    ceiling = totals / np.where(finished, lengths, np.float32(search.max_length)) ** search.length_penalty
    reached = np.where(finished & said, ceiling, NEVER).max(2, keepdims=True)  # (B, 1, 1)
    beaten: Truths = ceiling < reached - 1e-4  # the final ranks are sums in another order
    beaten |= finished & ~said & (reached > NEVER)
    np.put_along_axis(beaten, greedy[..., None], False, 2)
    return possible & ~beaten
