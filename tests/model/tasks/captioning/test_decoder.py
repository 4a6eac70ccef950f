"""Each decoder in each cell: teacher forcing, stepping and batching agree."""

import itertools

import pytest
import torch

from model.cells import State
from model.tasks.captioning.config import DecoderConfig
from model.tasks.captioning.decoder import DECODERS, RecurrentDecoder, Seen, TagReader, active_rows, build_decoder
from model.vocabulary import PAD

KINDS = list(itertools.product(DECODERS, ("rnn", "lstm", "gru", "lstm-cifg")))
LIKELY = torch.tensor([[0.9, 0.2, 0], [0.7, 0.6, 0.1], [0.5, 0, 0]])
SEEN = Seen(torch.tensor([[4, 5, PAD], [6, 4, 5], [5, PAD, PAD]]), LIKELY.logit(eps=1e-4))
"""The view that a tagger has of three pictures."""
every_decoder = pytest.mark.parametrize(("kind", "cell"), KINDS)


def make(kind: str, cell: str, **options: object) -> RecurrentDecoder:
    torch.manual_seed(0)
    config = DecoderConfig.model_validate(
        {"kind": kind, "cell": cell, "embedding_size": 6, "hidden_size": 8, "attention_size": 5, **options}
    )
    decoder = build_decoder(config, num_features=7, vocabulary_size=11)
    for weight in decoder.parameters():
        torch.nn.init.normal_(weight)
    return decoder.eval()


def run_steps(decoder: RecurrentDecoder, grid: torch.Tensor, tokens: torch.Tensor) -> torch.Tensor:
    memory = decoder.encode_source(grid, SEEN)
    state: State = decoder.initial_state(memory)
    logits = []
    for time in range(tokens.shape[1]):
        output, state, _ = decoder.step(tokens[:, time], state, memory)
        logits.append(output)
    return torch.stack(logits, 1)


@every_decoder
def test_steps_equal_teacher_forcing(kind: str, cell: str) -> None:
    decoder = make(kind, cell)
    grid, tokens = torch.randn(3, 4, 7), torch.randint(4, 11, (3, 5))
    logits, _ = decoder(grid, tokens, SEEN)
    torch.testing.assert_close(run_steps(decoder, grid, tokens), logits)


def test_show_and_tell_stacks_layers() -> None:
    decoder = make("show-and-tell", "lstm", num_layers=3)
    grid, tokens = torch.randn(3, 4, 7), torch.randint(4, 11, (3, 5))
    torch.testing.assert_close(run_steps(decoder, grid, tokens), decoder(grid, tokens)[0])
    assert decoder.initial_state(decoder.encode_source(grid))[0].shape == (3, 3, 8)


@every_decoder
def test_pictures_do_not_see_each_other(kind: str, cell: str) -> None:
    decoder = make(kind, cell)
    grid, tokens = torch.randn(3, 4, 7), torch.randint(4, 11, (3, 5))
    together, _ = decoder(grid, tokens, SEEN)
    alone = torch.cat([decoder(grid[i : i + 1], tokens[i : i + 1], SEEN.take([i]))[0] for i in range(3)])
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-4)  # of products in other shapes


@every_decoder
def test_hypotheses_of_a_picture_share_its_memory(kind: str, cell: str) -> None:
    decoder = make(kind, cell)
    grid, tokens = torch.randn(2, 4, 7), torch.randint(4, 11, (6,))
    memory = decoder.encode_source(grid, SEEN.take([0, 1]))
    shared = decoder.step(tokens, decoder.initial_state(memory, 3), memory)
    apart = decoder.encode_source(grid.repeat_interleave(3, 0), SEEN.take([0, 0, 0, 1, 1, 1]))
    expected = decoder.step(tokens, decoder.initial_state(apart), apart)
    torch.testing.assert_close(shared.output, expected.output)
    for ours, theirs in zip(shared.state, expected.state, strict=True):
        torch.testing.assert_close(ours, theirs)


@every_decoder
def test_captions_of_a_picture_share_its_memory(kind: str, cell: str) -> None:
    decoder = make(kind, cell)
    grid, tokens, pictures = torch.randn(2, 4, 7), torch.randint(4, 11, (3, 5)), torch.tensor([1, 0, 1])
    shared, _ = decoder.teacher_forcing(decoder.encode_source(grid, SEEN.take([0, 1])).take(pictures), tokens)
    torch.testing.assert_close(shared, decoder(grid[pictures], tokens, SEEN.take([1, 0, 1]))[0])


@every_decoder
def test_captions_that_have_ended_do_not_matter(kind: str, cell: str) -> None:
    """Wherever they stand: longest first, where they are left out, or not."""
    decoder = make(kind, cell)
    grid, tokens = torch.randn(4, 4, 7), torch.randint(4, 11, (4, 5))
    lengths, seen = [5, 3, 3, 1], SEEN.take([0, 1, 2, 0])
    for row, length in enumerate(lengths):
        tokens[row, length:] = PAD
    for order in ([0, 1, 2, 3], [3, 1, 0, 2], [2, 3, 1]):
        logits, attention = decoder(grid[order], tokens[order], seen.take(order))
        for place, row in enumerate(order):
            length = lengths[row]
            alone, looked = decoder(grid[row, None], tokens[row, None, :length], seen.take([row]))
            torch.testing.assert_close(logits[place, :length], alone[0])
            if looked is not None:
                torch.testing.assert_close(attention[place, :length], looked[0])


def test_rows_that_go_on() -> None:
    tokens = torch.tensor([[1, 5, 6, 7], [1, 5, PAD, PAD], [1, 5, 6, PAD], [1, PAD, PAD, PAD]])
    assert active_rows(tokens) == [4, 3, 3, 1]
    assert active_rows(tokens.flip(0)) == [4, 4, 4, 4]


@every_decoder
def test_attention_sums_to_one_and_every_parameter_learns(kind: str, cell: str) -> None:
    decoder = make(kind, cell)
    logits, attention = decoder(torch.randn(2, 4, 7), torch.randint(4, 11, (2, 5)), SEEN.take([0, 1]))
    if kind == "show-and-tell":
        assert attention is None
    else:
        assert attention.shape == (2, 5, 4)
        torch.testing.assert_close(attention.sum(2), torch.ones(2, 5))
    logits.square().sum().backward()
    still = [name for name, weight in decoder.named_parameters() if weight.grad is None or not weight.grad.any()]
    assert not still


def test_a_cell_there_is_none_of() -> None:
    with pytest.raises(ValueError, match="no cell 'lstmm'; there are rnn, rnn-relu, lstm, "):
        make("top-down", "lstmm")


def test_only_show_and_tell_stacks() -> None:
    with pytest.raises(ValueError, match="only show-and-tell stacks layers"):
        DecoderConfig(kind="top-down", num_layers=2)


def test_word_that_is_seen_can_be_copied() -> None:
    decoder = make("tag-reader", "lstm")
    assert isinstance(decoder, TagReader)
    grid, tokens = torch.randn(3, 4, 7), torch.randint(4, 11, (3, 5))
    memory = decoder.encode_source(grid, SEEN)
    nothing = memory._replace(words=torch.full_like(memory.words, PAD))
    written, copied = (decoder.teacher_forcing(known, tokens)[0] for known in (nothing, memory))
    for row, words in enumerate(SEEN.words):
        seen = words[words != PAD]
        others = [word for word in range(11) if word not in seen]
        assert (copied[row][:, seen] > written[row][:, seen]).all()
        assert torch.equal(copied[row][:, others], written[row][:, others])


def test_order_of_what_is_seen_does_not_matter() -> None:
    decoder = make("tag-reader", "lstm")
    grid, tokens = torch.randn(3, 4, 7), torch.randint(4, 11, (3, 5))
    turned = Seen(*(part[:, [2, 0, 1]] for part in SEEN))
    torch.testing.assert_close(decoder(grid, tokens, turned)[0], decoder(grid, tokens, SEEN)[0])
