"""The other way to know which symbol to say next: attention, as in Tacotron, in the place of durations.

Shen et al., "Natural TTS synthesis by conditioning WaveNet on mel spectrogram predictions" (2018), section 2.2:
attention that knows where it has been (Chorowski et al., "Attention-based models for speech recognition", 2015, section
2.2), two recurrent cells, and a probability that the text is over.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import dropout, pad

from model.cells import State, build_cell
from model.tasks.speech.config import SpeechConfig
from model.tasks.speech.network import Drop, Prenet

FILTERS, WIDTH = 16, 31
"""Filters over the attention that was paid to each symbol so far, and symbols that one of them sees."""
OVER = 0.5
"""Probability of the end at which the decoder stops."""


class LocationAttention(nn.Module):
    """Weights of symbols by what they are, by the decoder's state, and by the weights that they had before.

    e = w tanh(W_v v + W_h h + U f),  f = F * (weights so far),  alpha = softmax(e)
    """

    def __init__(self, values: int, query: int, size: int) -> None:
        super().__init__()
        self.key = nn.Linear(values, size)
        self.query = nn.Linear(query, size, bias=False)
        self.around = nn.Conv1d(2, FILTERS, WIDTH, padding=WIDTH // 2, bias=False)
        self.place = nn.Linear(FILTERS, size, bias=False)
        self.score = nn.Linear(size, 1, bias=False)

    def forward(self, query: Tensor, keys: Tensor, mask: Tensor, last: Tensor, total: Tensor) -> Tensor:
        """A query (N, H), keys (N, L, A), a mask, the last weights and the sum of all (N, L) to weights (N, L)."""
        places = self.place(self.around(torch.stack([last, total], 1)).transpose(1, 2))  # (N, L, A)
        energy = self.score(torch.tanh(keys + self.query(query)[:, None] + places)).squeeze(-1)  # (N, L)
        return energy.masked_fill(~mask, float("-inf")).softmax(-1)  # type: ignore[no-any-return]


class Heard(NamedTuple):
    """The state between two steps."""

    attending: State
    speaking: State
    context: Tensor  # (N, E)
    weights: Tensor  # (N, L)
    total: Tensor  # (N, L)


class Said(NamedTuple):
    """All that was said of some texts."""

    mel: Tensor  # (N, S each, bands)
    ends: Tensor  # (N, S), logits of the end after each step
    weights: Tensor  # (N, S, L)


class AttentiveDecoder(nn.Module):
    """Encodings to mel spectra, without durations."""

    def __init__(self, config: SpeechConfig, encodings: int) -> None:
        super().__init__()
        self.config = config
        size = config.decoder_size
        self.prenet = Prenet(config)
        self.attending = build_cell(config.cell, config.prenet_size + encodings, size)
        self.attention = LocationAttention(encodings, size, config.prenet_size)
        self.speaking = build_cell(config.cell, size + encodings, size)
        self.output = nn.Linear(size + encodings, config.frames_per_step * config.bands)
        self.end = nn.Linear(size + encodings, 1)

    def _begin(self, encodings: Tensor) -> Heard:
        rows, symbols, size = encodings.shape
        first = torch.zeros(rows, symbols).to(encodings)
        first[:, 0] = 1  # at the break before the first word
        states = self.attending.zero_state(encodings), self.speaking.zero_state(encodings)
        return Heard(*states, encodings.new_zeros(rows, size), first, first)

    def _step(self, seen: Tensor, heard: Heard, encodings: Tensor, keys: Tensor, mask: Tensor) -> tuple[Tensor, Heard]:
        """The last frame through the prenet (N, P), to what the outputs are made of (N, H + E)."""
        attending = self.attending(torch.cat([seen, heard.context], -1), heard.attending)
        weights = self.attention(attending[0], keys, mask, heard.weights, heard.total)  # (N, L)
        context = (weights[:, None] @ encodings).squeeze(1)  # (N, E)
        hidden = dropout(attending[0], self.config.dropout, self.training)
        speaking = self.speaking(torch.cat([hidden, context], -1), heard.speaking)
        after = Heard(attending, speaking, context, weights, heard.total + weights)
        return torch.cat([speaking[0], context], -1), after

    def forward(self, encodings: Tensor, mask: Tensor, mel: Tensor) -> Said:
        """Encodings (N, L, E), their mask (N, L) and the spectra (N, T, bands) to be said, hearing the truth."""
        each = self.config.frames_per_step
        steps = -(-mel.shape[1] // each)
        heard_mel = mel[:, each - 1 :: each][:, : steps - 1]  # (N, S - 1, bands)
        before = pad(heard_mel, (0, 0, steps - heard_mel.shape[1], 0))  # (N, S, bands)
        seen = self.prenet(before, lambda hidden: dropout(hidden, self.config.prenet_dropout))  # (N, S, P)
        heard, keys = self._begin(encodings), self.attention.key(encodings)  # (N, L, A)
        outputs, weights = [], []
        for seen_t in seen.unbind(1):  # (N, P) each
            output, heard = self._step(seen_t, heard, encodings, keys, mask)
            outputs.append(output)
            weights.append(heard.weights)
        hidden = torch.stack(outputs, 1)  # (N, S, H + E)
        said = self.output(hidden).unflatten(-1, (each, -1)).flatten(1, 2)[:, : mel.shape[1]]  # (N, T, bands)
        return Said(said, self.end(hidden).squeeze(-1), torch.stack(weights, 1))

    def say(self, encodings: Tensor, drop: Drop, most: int) -> Said:
        """The encodings of one text (1, L, E) to what it sounds like, until it is over or for `most` steps."""
        keys = self.attention.key(encodings)  # (1, L, A)
        mask = torch.ones(encodings.shape[:2], dtype=torch.bool, device=encodings.device)  # (1, L)
        heard = self._begin(encodings)
        before = encodings.new_zeros(1, self.config.bands)  # (1, bands)
        mel, ends, weights = [], [], []
        for _ in range(most):
            output, heard = self._step(self.prenet(before, drop), heard, encodings, keys, mask)
            mel.append(self.output(output))  # (1, each bands)
            before = mel[-1][:, -self.config.bands :]
            ends.append(self.end(output).squeeze(-1))  # (1,)
            weights.append(heard.weights)
            if float(ends[-1].sigmoid()) > OVER:
                break
        said = torch.stack(mel, 1).unflatten(-1, (self.config.frames_per_step, -1)).flatten(1, 2)  # (1, T, bands)
        return Said(said, torch.stack(ends, 1), torch.stack(weights, 1))


def times_of(weights: Tensor, each: int) -> list[int]:
    """The frame after the last of each symbol, by weights (S, L) of L symbols over S steps of `each` frames.

    A symbol begins where attention has moved as far as it; each has at least one frame.
    """
    steps, symbols = weights.shape
    reached = weights.argmax(-1).cummax(0).values  # (S,)
    ends, last = [], 0
    for symbol in range(symbols):
        passed = int((reached <= symbol).sum()) * each if symbol < symbols - 1 else steps * each
        last = max(last + 1, passed)
        ends.append(last)
    return ends


def guide(lengths: Tensor, steps: Tensor, shape: torch.Size, width: float = 0.2) -> Tensor:
    """The cost (N, S, L) of attention far from the diagonal, for texts of `lengths` symbols said in `steps` steps.

    Tachibana et al., "Efficiently trainable text-to-speech system based on deep convolutional networks with guided
    attention" (2018), section 4.
    """
    step = torch.arange(shape[1], device=lengths.device)[:, None] / steps[:, None, None]  # (N, S, 1)
    symbol = torch.arange(shape[2], device=lengths.device) / lengths[:, None, None]  # (N, 1, L)
    cost = 1 - torch.exp(-(step - symbol).square() / (2 * width**2))  # (N, S, L)
    return cost * (step < 1) * (symbol < 1)
