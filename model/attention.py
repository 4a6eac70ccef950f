"""Where to look: additive attention over the encoder's grid."""

import torch
from torch import Tensor, nn


class AdditiveAttention(nn.Module):
    """Soft attention of Bahdanau et al. (2015), as "Show, Attend and Tell" (Xu et al., 2015, eq. 4-6) uses it.

        e = w tanh(W_v v + W_h h),  alpha = softmax(e),  context = sum_p alpha_p v_p

    The keys W_v v depend on the picture alone: compute them once with `keys`, then attend once a word.
    """

    def __init__(self, value_size: int, query_size: int, attention_size: int) -> None:
        super().__init__()
        self.key = nn.Linear(value_size, attention_size)
        self.query = nn.Linear(query_size, attention_size, bias=False)  # the key's bias serves both
        self.score = nn.Linear(attention_size, 1, bias=False)  # softmax does not see a constant

    def keys(self, values: Tensor) -> Tensor:
        """(B, P, E) -> (B, P, A)."""
        return self.key(values)  # type: ignore[no-any-return]

    def forward(self, query: Tensor, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """
        Args:
            query: (N, H), N = B * K rows; the K hypotheses of a picture stand together.
            keys: (B, P, A).
            values: (B, P, E).

        Returns:
            context (N, E) and attention weights (N, P), which sum to 1.
        """
        pictures = keys.shape[0]
        queries = self.query(query).unflatten(0, (pictures, -1))  # (B, K, A)
        energy = self.score(torch.tanh(keys[:, None] + queries[:, :, None])).squeeze(-1)  # (B, K, P)
        alpha = energy.softmax(-1)  # (B, K, P)
        context = alpha @ values  # (B, K, E)
        return context.flatten(0, 1), alpha.flatten(0, 1)
