"""Additive attention over the positions of a source: a picture's grid, or the tokens of a sentence."""

import torch
from torch import Tensor, nn


class AdditiveAttention(nn.Module):
    """Soft attention of Bahdanau et al. (2015), as "Show, Attend and Tell" (Xu et al., 2015, eq. 4-6) uses it.

        e = w tanh(W_v v + W_h h),  alpha = softmax(e),  context = sum_p alpha_p v_p

    The keys W_v v depend on the source alone: compute them once with `keys`, then attend once a token.
    """

    def __init__(self, value_size: int, query_size: int, attention_size: int) -> None:
        super().__init__()
        self.key = nn.Linear(value_size, attention_size)
        self.query = nn.Linear(query_size, attention_size, bias=False)  # the key's bias serves both
        self.score = nn.Linear(attention_size, 1, bias=False)  # softmax does not see a constant

    def keys(self, values: Tensor) -> Tensor:
        """(B, P, E) -> (B, P, A)."""
        return self.key(values)  # type: ignore[no-any-return]

    def forward(self, query: Tensor, keys: Tensor, values: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Context (N, E) and attention weights (N, P), which sum to 1, of each row of a query (N, H), N = B * K.

        The K hypotheses of a source stand together. Keys are (B, P, A) and values (B, P, E), finite at masked positions
        too. The mask (B, P) is False for padding, whose weight is exactly 0, and True at one position at least of each
        source; None if no source is padded.
        """
        sources = keys.shape[0]
        queries = self.query(query).unflatten(0, (sources, -1))  # (B, K, A)
        energy = self.score(torch.tanh(keys[:, None] + queries[:, :, None])).squeeze(-1)  # (B, K, P)
        if mask is not None:
            energy = energy.masked_fill(~mask[:, None], float("-inf"))
        alpha = energy.softmax(-1)  # (B, K, P)
        context = alpha @ values  # (B, K, E)
        return context.flatten(0, 1), alpha.flatten(0, 1)
