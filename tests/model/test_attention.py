"""Attention: the equations, and masks."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from model.attention import AdditiveAttention

LENGTHS = st.lists(st.integers(1, 6), min_size=1, max_size=5)


def make(seed: int) -> AdditiveAttention:
    torch.manual_seed(seed)
    return AdditiveAttention(8, 7, 5).requires_grad_(False)


def test_weights_are_the_equation() -> None:
    """Xu et al. 2015, eq. 4-6, written out for one source and one position at a time."""
    attention = make(0)
    query, values = torch.randn(1, 7), torch.randn(1, 4, 8)
    context, alpha = attention(query, attention.keys(values), values)
    energies = [
        (attention.score.weight @ torch.tanh(attention.key(values[0, p]) + attention.query(query[0]))).item()
        for p in range(4)
    ]
    expected = torch.tensor(energies).softmax(0)
    torch.testing.assert_close(alpha[0], expected)
    torch.testing.assert_close(context[0], expected @ values[0])


@given(lengths=LENGTHS, rows_per_source=st.integers(1, 3), padding=st.integers(0, 3), seed=st.integers(0, 1000))
@settings(max_examples=50)
def test_padded_source_gives_what_it_gives_unpadded(
    lengths: list[int], rows_per_source: int, padding: int, seed: int
) -> None:
    attention = make(seed)
    values = 10 * torch.randn(len(lengths), max(lengths) + padding, 8)  # (B, P, E), anything where there is padding
    mask = torch.arange(values.shape[1]) < torch.tensor(lengths)[:, None]  # (B, P)
    query = torch.randn(len(lengths) * rows_per_source, 7)  # (N, H)
    context, alpha = attention(query, attention.keys(values), values, mask)
    assert not alpha[~mask.repeat_interleave(rows_per_source, 0)].any()
    for source, length in enumerate(lengths):
        rows = slice(source * rows_per_source, (source + 1) * rows_per_source)
        alone = values[source : source + 1, :length]
        expected_context, expected_alpha = attention(query[rows], attention.keys(alone), alone)
        torch.testing.assert_close(context[rows], expected_context)
        torch.testing.assert_close(alpha[rows, :length], expected_alpha)


def test_mask_of_everything_changes_nothing() -> None:
    attention = make(0)
    query, values = torch.randn(4, 7), torch.randn(2, 4, 8)
    keys = attention.keys(values)
    for masked, plain in zip(
        attention(query, keys, values, torch.ones(2, 4, dtype=torch.bool)), attention(query, keys, values), strict=True
    ):
        assert torch.equal(masked, plain)
