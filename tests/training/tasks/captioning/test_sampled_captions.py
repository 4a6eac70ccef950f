"""Drawing captions: from the right distribution, with its log-probabilities, whatever ends when."""

import pytest
import torch

from model.tasks.captioning.config import DecoderConfig
from model.tasks.captioning.decoder import RecurrentDecoder, build_decoder
from model.vocabulary import BOS, EOS, PAD, UNK
from training.tasks.captioning.sampled_captions import Policy


def make(kind: str = "top-down", cell: str = "lstm", **options: object) -> RecurrentDecoder:
    torch.manual_seed(0)
    config = DecoderConfig.model_validate(
        {"kind": kind, "cell": cell, "embedding_size": 6, "hidden_size": 8, "attention_size": 5, **options}
    )
    decoder = build_decoder(config, num_features=7, vocabulary_size=9)
    for weight in decoder.parameters():
        torch.nn.init.normal_(weight)
    torch.nn.init.normal_(decoder.output.weight, std=0.2)  # no word is certain, nor is the end
    torch.nn.init.zeros_(decoder.output.bias)
    return decoder.eval()


def log_probabilities(
    decoder: RecurrentDecoder, grid: torch.Tensor, tokens: torch.Tensor, temperature: float
) -> torch.Tensor:
    """(B, K), of captions (B, K, T) by teacher forcing, over the words that may be said."""
    said = tokens.flatten(0, 1)  # (N, T)
    begun = torch.cat([torch.full((len(said), 1), BOS), said[:, :-1]], 1)
    logits, _ = decoder(grid.repeat_interleave(tokens.shape[1], 0), begun)
    logits = logits / temperature
    logits[:, :, [PAD, BOS, UNK]] = float("-inf")
    chosen: torch.Tensor = logits.log_softmax(2).gather(2, said[:, :, None]).squeeze(2)
    return chosen.masked_fill(said == PAD, 0).sum(1).view(tokens.shape[:2])


@pytest.mark.parametrize("kind", ["show-and-tell", "soft-attention", "top-down"])
@pytest.mark.parametrize("cell", ["lstm", "gru"])
@pytest.mark.parametrize("temperature", [1.0, 0.5])
def test_log_probabilities_and_gradients_are_those_of_teacher_forcing(kind: str, cell: str, temperature: float) -> None:
    decoder = make(kind, cell)
    policy = Policy(decoder, temperature)
    grid, uniform = torch.randn(6, 4, 7), torch.rand(6, 5, 9)
    tokens, logprobs = policy(grid, uniform)
    ended = (tokens == EOS).any(2)
    assert 0 < ended.sum() < ended.numel(), "some end and some are cut"
    assert not torch.isin(tokens, torch.tensor([BOS, UNK])).any()
    for caption in tokens.flatten(0, 1).tolist():
        words = [token for token in caption if token not in (PAD, EOS)]
        assert caption == (words + [EOS] + [PAD] * 9)[:9]
    weights = torch.randn(6, 5)
    ours = torch.autograd.grad((logprobs * weights).sum(), tuple(decoder.parameters()))
    expected = log_probabilities(decoder, grid, tokens, temperature)
    torch.testing.assert_close(logprobs, expected)
    theirs = torch.autograd.grad((expected * weights).sum(), tuple(decoder.parameters()))
    for mine, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(mine, other, atol=1e-4, rtol=1e-4)


def test_words_are_drawn_as_often_as_they_are_likely() -> None:
    decoder = make()
    grid = torch.randn(1, 4, 7)
    tokens, _ = Policy(decoder, 2.0)(grid, torch.rand(1, 20_000, 1))
    logits, _ = decoder(grid, torch.tensor([[BOS]]))
    logits = logits[0, 0] / 2
    logits[[PAD, BOS, UNK]] = float("-inf")
    shares = tokens.flatten().bincount(minlength=9) / 20_000
    torch.testing.assert_close(shares, logits.softmax(0), atol=0.015, rtol=0)


def test_a_pictures_captions_do_not_depend_on_the_others() -> None:
    policy = Policy(make())
    grid, uniform = torch.randn(5, 4, 7), torch.rand(5, 3, 9)
    together, totals = policy(grid, uniform)
    for number in range(5):
        alone, total = policy(grid[number : number + 1], uniform[number : number + 1])
        assert torch.equal(alone[0], together[number])
        torch.testing.assert_close(total[0], totals[number])


def test_dropout_is_the_policys_own() -> None:
    """A unit that is dropped is dropped from what draws, and so from what learns."""
    decoder = make(dropout=0.5)
    grid, uniform = torch.randn(3, 4, 7), torch.rand(3, 2, 9)
    whole, _ = Policy(decoder)(grid, uniform)
    decoder.train()
    torch.manual_seed(1)
    dropped, first = Policy(decoder)(grid, uniform)
    torch.manual_seed(1)
    again, second = Policy(decoder)(grid, uniform)
    assert torch.equal(dropped, again)
    assert torch.equal(first, second)
    assert not torch.equal(dropped, whole)
