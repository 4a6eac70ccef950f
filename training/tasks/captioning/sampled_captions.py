"""A decoder as a policy: captions drawn word by word, and their log-probabilities, to learn from their reward."""

from typing import Any

import torch
from torch import Tensor, nn

from model.decoding.constraints import NEVER
from model.decoding.sampling import inverse_transform
from model.tasks.captioning.decoder import Decoder, Seen
from model.vocabulary import BOS, EOS, PAD, UNK


class Policy(nn.Module):
    """Draws several captions of each picture at once.

    The next word's distribution is the softmax of the decoder's logits, divided by a temperature, over the words that
    may be said: all but `<pad>`, `<bos>` and `<unk>`. The log-probabilities are of this very distribution, and in
    training mode of the same dropout, so that the gradient of the expected reward is exact.

    They are kept while drawing: drawing without them and teacher forcing afterwards gives the same gradient, and takes
    1.6 to 1.8 times as long (benchmarks/selfcritical.py).
    """

    def __init__(self, decoder: Decoder[Any], temperature: float = 1.0) -> None:
        super().__init__()
        self.decoder = decoder
        self.temperature = temperature

    def forward(self, grid: Tensor, uniform: Tensor, seen: Seen | None = None) -> tuple[Tensor, Tensor]:
        """Tokens (B, K, T), `<pad>` after the end token, and the captions' log-probabilities (B, K).

        Args:
            grid: (B, P, E).
            uniform: (B, K, T), random numbers from 0 to below 1, one for each word of K captions of at most T tokens.
            seen: the words seen in the pictures, for a decoder that reads tags.
        """
        pictures, captions, length = uniform.shape
        draws = uniform.flatten(0, 1)  # (N, T)
        memory = self.decoder.encode_source(grid, seen)
        state = self.decoder.initial_state(memory, captions)
        last = torch.full((len(draws),), BOS, device=grid.device)  # (N,)
        tokens = torch.full((len(draws), length), PAD, device=grid.device)  # (N, T)
        totals = grid.new_zeros(len(draws))  # (N,)
        never = torch.tensor([PAD, BOS, UNK], device=grid.device)
        # The captions at work are a rectangle, pictures B' times captions K', which shrinks as captions end.
        rows = torch.arange(len(draws), device=grid.device).view(pictures, captions)  # (B', K'), their places in N
        live = torch.ones_like(rows, dtype=torch.bool)
        for time in range(length):
            logits, state, _ = self.decoder.step(last, state, memory)
            logits = (logits.float() / self.temperature).index_fill(1, never, NEVER)  # (B' K', V)
            drawn = inverse_transform(logits.detach(), draws[rows.flatten(), time, None])  # (B' K', 1)
            logprob = logits.log_softmax(1).gather(1, drawn).squeeze(1)
            last = drawn.squeeze(1)
            tokens[rows.flatten(), time] = last.where(live.flatten(), PAD)
            totals = totals.index_add(0, rows.flatten(), logprob * live.flatten())
            live = live & (last != EOS).view_as(live)
            left = live.any(1).nonzero().squeeze(1)  # (B'',)
            if not len(left):
                break
            most = int(live.sum(1).max())  # K''
            if len(left) * most < live.numel():
                order = live[left].int().argsort(dim=1, descending=True, stable=True)[:, :most]  # those at work first
                kept = (left[:, None] * live.shape[1] + order).flatten()
                rows, live = rows.flatten()[kept].view_as(order), live.flatten()[kept].view_as(order)
                last, state = last[kept], tuple(part.index_select(0, kept) for part in state)
                memory = memory.take(left) if len(left) < len(memory.values) else memory
        return tokens.view(pictures, captions, length), totals.view(pictures, captions)
