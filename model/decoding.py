"""Reading words out of a recurrent network: greedy, beam, diverse beam and sampled, batched over pictures.

Everything works over one function, `step(tokens, state, memory) -> Step` with logits (N, V), and on rows that stand
picture by picture: row b * K + k is hypothesis k of picture b. What is known of a picture, the memory, stands once for
all its hypotheses; a picture whose search has ended leaves the batch. Constraints mask log-probabilities without
renormalising them, so a token's log-probability is always the model's own; that of a neutral word is of all it is said
for.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from model.cells import State
from model.config import DecodingConfig
from model.decoder import Step
from model.neutral import Neutral
from model.vocabulary import BOS, EOS, PAD, UNK

PictureMemory = tuple[Tensor, ...]
"""What a step reads of the pictures, (B, ...) each."""
StepFunction = Callable[[Tensor, State, PictureMemory], Step]
NEVER = float("-inf")


@dataclass(frozen=True)
class Hypotheses:
    """K hypotheses for each of B pictures."""

    tokens: Tensor
    """(B, K, T), `<pad>` after the end token."""
    logprobs: Tensor
    """(B, K, T), the model's own, 0 after the end token. A hypothesis with -inf is none: nothing else was allowed."""
    attention: Tensor | None
    """(B, K, T, P), where it was asked for and the network has it."""

    @property
    def finished(self) -> Tensor:
        """(B, K), whether the end token was said."""
        return (self.tokens == EOS).any(2)

    def score(self, length_penalty: float = 0.0) -> Tensor:
        """(B, K), log-probability / length ** length_penalty."""
        lengths = (self.tokens != PAD).sum(2).clamp(min=1)
        return self.logprobs.sum(2) / lengths**length_penalty

    def take(self, order: Tensor) -> "Hypotheses":
        """The hypotheses (B, K') that `order` names, in that order."""
        rows = torch.arange(len(order), device=order.device)[:, None]
        seen = None if self.attention is None else self.attention[rows, order]
        return Hypotheses(self.tokens[rows, order], self.logprobs[rows, order], seen)

    def cpu(self) -> "Hypotheses":
        """The same, in main memory."""
        return Hypotheses(
            self.tokens.cpu(), self.logprobs.cpu(), None if self.attention is None else self.attention.cpu()
        )

    def extend(self, tokens: Tensor, logprobs: Tensor, attention: Tensor | None) -> "Hypotheses":
        """One token (B, K) further, with what was looked at (B, K, P)."""
        seen = None if attention is None else attention[:, :, None]  # (B, K, 1, P)
        if seen is not None and self.attention is not None:
            seen = torch.cat([self.attention, seen], 2)
        return Hypotheses(
            torch.cat([self.tokens, tokens[:, :, None]], 2), torch.cat([self.logprobs, logprobs[:, :, None]], 2), seen
        )


class Observer(Protocol):
    """Watches a search."""

    def step(self, found: Hypotheses, parents: Tensor, hopeful: Tensor) -> None:
        """A token further.

        Args:
            found: the K hypotheses of each picture so far.
            parents: (B, K), the place that each one's beginning had among the hypotheses of the step before.
            hopeful: (B, K), whether it can still turn out to be its picture's best; of draws, all can.
        """

    def end(self, found: Hypotheses, places: Tensor) -> None:
        """The captions, best first, and the places (B, K') that they had among the hypotheses of the last step."""


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
    search = _sample if decoding.method == "sample" else _beam_search
    found = search(
        step, state, memory, pictures, decoding, _Constraints(decoding, prefix, neutral), attention, observer
    )
    ranking = found.score(decoding.length_penalty)  # (B, K)
    if _groups(decoding) > 1:  # the best of each group, so that they differ
        ranking = ranking.unflatten(1, (_groups(decoding), -1))
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


def rows_per_picture(decoding: DecodingConfig) -> int:
    """How many hypotheses K a search keeps for each picture."""
    if decoding.method == "greedy":
        return 1
    if decoding.method == "sample":
        return decoding.num_captions
    return decoding.beam_size // _groups(decoding) * _groups(decoding)


def _groups(decoding: DecodingConfig) -> int:
    """Diverse beam search shares its beams among as many groups as captions are wanted."""
    return decoding.num_captions if decoding.method == "beam" and decoding.diversity else 1


class _Constraints:
    """What may not be said next: specials, an early end, anything but the prefix, a repeated n-gram, or a gender."""

    def __init__(self, decoding: DecodingConfig, prefix: Sequence[int], neutral: Neutral | None) -> None:
        self.prefix = prefix
        self.neutral = neutral
        self.min_length = decoding.min_length
        self.ngram = decoding.block_ngram

    def logprobs(self, logits: Tensor, history: Tensor) -> Tensor:
        """Logits (N, V) after the tokens `history` (N, T) to log-probabilities, -inf for what is not allowed."""
        logprobs = logits.float().log_softmax(1)
        length = history.shape[1]
        if length < len(self.prefix):
            forced = torch.full_like(logprobs, NEVER)
            forced[:, self.prefix[length]] = logprobs[:, self.prefix[length]]
            return forced
        if self.neutral:
            logprobs = self.neutral.logprobs(logprobs, history)
        for special in (PAD, BOS, UNK):
            logprobs[:, special] = NEVER
        if self.ngram and length >= self.ngram:
            grams = history.unfold(1, self.ngram, 1)  # (N, T - n + 1, n)
            last = history[:, None, length - self.ngram + 1 :]  # (N, 1, n - 1)
            rows, places = (grams[:, :, :-1] == last).all(2).nonzero(as_tuple=True)
            said = grams[rows, places, -1]
            logprobs[rows[said != EOS], said[said != EOS]] = NEVER
        if length < self.min_length:
            logprobs[:, EOS] = NEVER
        return logprobs


def _beam_search(
    step: StepFunction,
    state: State,
    memory: PictureMemory,
    pictures: int,
    decoding: DecodingConfig,
    constraints: _Constraints,
    attention: bool,
    observer: Observer | None,
) -> Hypotheses:
    """Beam search in which a finished hypothesis keeps its place, and competes from it, until all have finished.

    The hypothesis that greedy decoding would give is never dropped: where it falls out of the best K, it takes the
    last place. So one beam is greedy decoding, and more never score below it (with the length penalty off).
    """
    groups = _groups(decoding)
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


def _sample(
    step: StepFunction,
    state: State,
    memory: PictureMemory,
    pictures: int,
    decoding: DecodingConfig,
    constraints: _Constraints,
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
        logprobs = constraints.logprobs(logits, found.tokens.flatten(0, 1))  # (N, V)
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
