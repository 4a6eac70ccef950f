"""Beam search and diverse beam search, batched over pictures; with one beam, greedy decoding."""

import numpy as np
import numpy.typing as npt
import torch

from model.cells import State
from model.decoding.config import DecodingConfig
from model.decoding.constraints import NEVER, Constraints
from model.decoding.hypotheses import Hypotheses, Observer, PictureMemory, StepFunction, num_groups, rows_per_picture
from model.vocabulary import BOS, EOS, PAD

Floats = npt.NDArray[np.float32]
Integers = npt.NDArray[np.int64]
Truths = npt.NDArray[np.bool_]


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

    Of the network's logits, torch finds the few best words after each hypothesis. What becomes of them is a matter of
    a few numbers a picture, for each operation on which numpy takes a third of torch's time.
    """
    groups = num_groups(decoding)
    hypotheses = rows_per_picture(decoding)  # K
    beams = hypotheses // groups  # K' of each group
    device = state[0].device
    tokens = np.full((pictures, hypotheses, decoding.max_length), PAD)  # (B, K, T)
    logprobs = np.zeros(tokens.shape, np.float32)  # (B, K, T)
    looked: Floats | None = None  # (B, K, T, P)
    own_place = np.tile(np.arange(hypotheses), (pictures, 1))  # (B, K)
    hope = np.zeros(own_place.shape, np.bool_)  # (B, K)
    silence = np.full(hypotheses, NEVER, np.float32)  # (K,), what follows a finished hypothesis: nothing, once
    silence[0] = 0.0

    going = np.arange(pictures)  # (B',), whose search goes on; what follows is of these alone
    totals = np.full((pictures, groups, beams), NEVER, np.float32)
    totals[:, :, 0] = 0.0  # all beams are alike at first, so only one may speak
    lengths = np.zeros(totals.shape, np.float32)
    finished = np.zeros(totals.shape, np.bool_)
    greedy = np.zeros((pictures, groups), np.int64)  # its place among the beams
    last = torch.full((pictures * hypotheses,), BOS, device=device)  # (N,)

    for time in range(decoding.max_length):
        logits, state, seen = step(last, state, memory)
        history = tokens[going, :, :time].reshape(len(logits), time)
        # A step keeps no more of the words after one hypothesis than there is room for, and those that other groups
        # have taken.
        likely = constraints.logprobs(logits, history).topk(min(hypotheses, logits.shape[1]))  # (N, C)
        logprob, word = (part.cpu().numpy().reshape(*totals.shape, -1) for part in likely)  # (B', G, K', C)
        logprob = np.where(finished[..., None], silence[: logprob.shape[3]], logprob)
        word[finished] = PAD
        lengths = lengths + ~finished
        scores = (totals[..., None] + logprob) / lengths[..., None] ** decoding.length_penalty  # (B', G, K', C)
        chosen, greedy = _choose(scores, word, greedy, decoding.diversity)  # (B', G, K'), (B', G)

        row = chosen // word.shape[3]  # (B', G, K'), in 0..N-1: that which each goes on from
        word, logprob = word.ravel()[chosen], logprob.ravel()[chosen]  # (B', G, K')
        totals = totals.ravel()[row] + logprob
        lengths = lengths.ravel()[row]
        finished = finished.ravel()[row] | (word == EOS)
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
        if observer:
            parents = own_place.copy()
            parents[going] = place
            hope[going] = _hopeful(totals, lengths, finished, greedy, decoding).reshape(place.shape)
            observer.step(_until(tokens, logprobs, looked, time), torch.from_numpy(parents), torch.tensor(hope))

        stay = ~finished.all((1, 2))  # (B',)
        if not stay.any():
            break
        if not stay.all():
            going, row, word = going[stay], row[stay], word[stay]
            totals, lengths, finished, greedy = totals[stay], lengths[stay], finished[stay], greedy[stay]
            kept = torch.from_numpy(stay.nonzero()[0]).to(device)
            memory = tuple(part.index_select(0, kept) for part in memory)
        last = torch.from_numpy(word.ravel()).to(device)
        rows = torch.from_numpy(row.ravel()).to(device)
        state = tuple(part.index_select(0, rows) for part in state)
    return _until(tokens, logprobs, looked, time)


def _choose(scores: Floats, words: Integers, greedy: Integers, diversity: float) -> tuple[Integers, Integers]:
    """The hypotheses that a step keeps, of all that it could: `words` after each, with scores (B, G, K', C).

    Returns:
        their places among all B * G * K' * C, (B, G, K'); and the greedy one's place among them (B, G).
    """
    pictures, groups, beams, candidates = scores.shape
    picture = np.arange(pictures)
    chosen = np.empty((pictures, groups, beams), np.int64)
    places = np.empty((pictures, groups), np.int64)
    for group in range(groups):
        ranking = scores[:, group]  # (B, K', C)
        if group:
            taken = words.ravel()[chosen[:, :group]].reshape(pictures, -1)  # (B, g K')
            again = (words[:, group, :, :, None] == taken[:, None, None]) & (taken != PAD)[:, None, None]
            ranking = ranking - np.float32(diversity) * again.sum(3, dtype=np.float32)
        before = greedy[:, group]  # (B,)
        lead = before * candidates + ranking[picture, before].argmax(1)  # (B,)
        best = (-ranking.reshape(pictures, -1)).argsort(1, kind="stable")[:, :beams]  # (B, K')
        led = best == lead[:, None]
        best[:, -1] = np.where(led.any(1), best[:, -1], lead)
        places[:, group] = (best == lead[:, None]).argmax(1)
        chosen[:, group] = best + (picture * groups + group)[:, None] * (beams * candidates)
    return chosen, places


def _until(tokens: Integers, logprobs: Floats, looked: Floats | None, time: int) -> Hypotheses:
    """A copy of what was found until a step, that included, in main memory."""
    end = time + 1
    seen = None if looked is None else torch.tensor(looked[:, :, :end])
    return Hypotheses(torch.tensor(tokens[:, :, :end]), torch.tensor(logprobs[:, :, :end]), seen)


def _hopeful(totals: Floats, lengths: Floats, finished: Truths, greedy: Integers, decoding: DecodingConfig) -> Truths:
    """Which hypotheses (B, G, K') can still become the best.

    One can't where a finished one has a score that it would not reach even if all words to come were certain. It never
    ranks above that one, so it is gone before that one is. The greedy one alone may stay without ranking, and ranks
    with a penalty have no such order; there, all hope that are possible.
    """
    possible: Truths = totals > NEVER
    if totals.shape[1] > 1:
        return possible
    ceiling = totals / np.where(finished, lengths, np.float32(decoding.max_length)) ** decoding.length_penalty
    reached = np.where(finished, ceiling, NEVER).max(2, keepdims=True)  # (B, 1, 1)
    beaten: Truths = ceiling < reached - 1e-4  # the final ranks are sums in another order
    np.put_along_axis(beaten, greedy[..., None], False, 2)
    return possible & ~beaten
