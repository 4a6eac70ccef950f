"""The translator's network: padding changes nothing, a step is teacher forcing, any cell will do, copies are copied."""

import pytest
import torch
from torch.nn.utils.rnn import pad_sequence

from model.cells import CELLS
from model.openvino.runtime import Runtime
from model.tasks.translation import build
from model.tasks.translation.config import TranslationDecodingConfig, TranslatorConfig
from model.tasks.translation.network import Seq2Seq, Written, mixed
from model.tasks.translation.networks import translator_networks
from model.tasks.translation.translator import Translator
from model.vocabulary import BOS, PAD
from tests.conftest import GERMAN, SENTENCES

SIZES = {"embedding_size": 6, "encoder_size": 5, "hidden_size": 7, "attention_size": 4, "dropout": 0.0}


def network(cell: str = "gru", layers: int = 1) -> Seq2Seq:
    torch.manual_seed(0)
    return Seq2Seq(TranslatorConfig.model_validate({"cell": cell, "encoder_layers": layers, **SIZES}), 20).eval()


@pytest.mark.parametrize("cell", CELLS)
@torch.no_grad()
def test_padding_changes_nothing(cell: str) -> None:
    model = network(cell, layers=2)
    sources = [torch.tensor([5, 6, 7, 8, 9]), torch.tensor([10, 11])]
    tokens = torch.tensor([[BOS, 12, 13], [BOS, 14, 15]])
    together = model(pad_sequence(sources, batch_first=True, padding_value=PAD), tokens)
    for row, source in enumerate(sources):
        alone = model(source[None], tokens[row, None])
        torch.testing.assert_close(together.logits[row], alone.logits[0])
        torch.testing.assert_close(together.copying[row], alone.copying[0])
        torch.testing.assert_close(together.attention[row, :, : len(source)], alone.attention[0])
        assert together.attention[row, :, len(source) :].eq(0).all()


@pytest.mark.parametrize("cell", CELLS)
@torch.no_grad()
def test_steps_are_teacher_forcing(cell: str) -> None:
    model = network(cell)
    sources = torch.tensor([[5, 6, 7], [8, 9, PAD]])
    tokens = torch.tensor([[BOS, 12, 13], [BOS, 14, 15]])
    whole = model(sources, tokens)
    memory = model.encode_source(sources)
    state = model.initial_state(memory, 2)
    for time in range(3):
        last = tokens[:, time].repeat_interleave(2)
        logprobs, state, attention = model.step(last, state, memory)
        expected = mixed(Written(*(part[:, time] for part in whole)), sources)
        torch.testing.assert_close(logprobs[::2], expected)
        torch.testing.assert_close(logprobs[1::2], expected)
        assert attention is not None
        torch.testing.assert_close(attention[::2], whole.attention[:, time])
        torch.testing.assert_close(logprobs.exp().sum(1), torch.ones(4))


def test_both_directions_are_read() -> None:
    """A change of the last piece reaches what is known of the first, and the other way round."""
    model = network()
    first = model.encode_source(torch.tensor([[5, 6, 7]])).values
    for place in (0, 2):
        changed = torch.tensor([[5, 6, 7]])
        changed[0, place] = 8
        values = model.encode_source(changed).values
        assert (values != first).any(2).all()


def test_what_attention_points_at_is_copied() -> None:
    logits, attention = torch.zeros(1, 20), torch.tensor([[0.25, 0.5, 0.25]])
    sources = torch.tensor([[9, 11, 9]])
    logprobs = mixed(Written(logits, torch.tensor([[30.0]]), attention), sources)
    assert logprobs.exp()[0, [9, 11]].tolist() == pytest.approx([0.5, 0.5])
    logprobs = mixed(Written(logits, torch.tensor([[-30.0]]), attention), sources)
    assert logprobs.exp()[0].tolist() == pytest.approx([0.05] * 20)


def test_sentences_that_were_learnt_come_out(tiny_translator: Translator) -> None:
    for beam_size in (1, 5):
        found = tiny_translator.translate(SENTENCES, TranslationDecodingConfig(beam_size=beam_size))
        assert [best[0].text for best in found] == list(GERMAN)
        assert all(best[0].finish_reason == "stop" for best in found)


def test_compiled_networks_translate_alike(tiny_translator: Translator) -> None:
    """Sentences of lengths that were not traced, together and alone."""
    runtime = Runtime(precision="float32")
    programs = runtime.programs("tiny", lambda: translator_networks(tiny_translator))
    given = tiny_translator.subwords, tiny_translator.words, tiny_translator.languages
    compiled = build(tiny_translator.config, *given, programs=programs)
    assert next(compiled.parameters(), None) is None
    decoding = TranslationDecodingConfig(num_translations=3)
    for sentences in (SENTENCES, SENTENCES[:1], ["A dog ."]):
        pairs = zip(
            tiny_translator.translate(sentences, decoding, attention=True),
            compiled.translate(sentences, decoding, attention=True),
            strict=True,
        )
        for expected, found in pairs:
            assert [each.text for each in found] == [each.text for each in expected]
            for one, other in zip(found, expected, strict=True):
                assert one.logprob == pytest.approx(other.logprob, abs=1e-3)
                seen = [token.attention for token in one.tokens], [token.attention for token in other.tokens]
                torch.testing.assert_close(torch.tensor(seen[0]), torch.tensor(seen[1]), atol=1e-4, rtol=1e-3)


def test_cell_without_a_kernel_is_not_compiled(tiny_translator: Translator) -> None:
    config = tiny_translator.config.model_copy(update={"cell": "lstm-peephole"})
    given = tiny_translator.subwords, tiny_translator.words, tiny_translator.languages
    with pytest.raises(ValueError, match="lstm-peephole has no kernel"):
        translator_networks(build(config, *given))
