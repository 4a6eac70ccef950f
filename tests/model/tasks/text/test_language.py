"""Language models: shapes, inputs, states, and text to tokens and back."""

import pytest
import torch
from torch.nn.functional import one_hot

from model.cells import CELLS
from model.tasks.text.config import LanguageModelConfig
from model.tasks.text.language import LanguageModel
from model.vocabulary import UNK, Vocabulary, pieces

TEXT = "to be, or not to be:\nthat is the question\n"


def build(**changes: object) -> LanguageModel:
    config = LanguageModelConfig.model_validate({"hidden_size": 7, "num_layers": 2} | changes)
    torch.manual_seed(0)
    return LanguageModel(config, Vocabulary.build([pieces(TEXT, config.unit)])).eval()


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("embedding_size", [0, 5])
@torch.inference_mode()
def test_a_text_in_two_parts_is_the_text_in_one(cell: str, embedding_size: int) -> None:
    model = build(cell=cell, embedding_size=embedding_size)
    tokens = torch.tensor([model.encode(TEXT), model.encode(TEXT[::-1])])  # (N, T)
    whole, last = model(tokens)
    assert whole.shape == (2, len(TEXT), len(model.vocabulary))
    first, state = model(tokens[:, :11])
    second, end = model(tokens[:, 11:], state)
    torch.testing.assert_close(torch.cat([first, second], 1), whole)
    torch.testing.assert_close(end, last)


def test_one_hot_inputs_are_one_hot_and_embedded_ones_are_learned() -> None:
    tokens = torch.tensor([[4, 6]])
    model = build()
    assert model.embedding is None
    assert torch.equal(model.inputs(tokens), one_hot(tokens, len(model.vocabulary)).float())
    model = build(embedding_size=5)
    assert model.embedding is not None
    assert torch.equal(model.inputs(tokens)[0, 1], model.embedding.weight[6])


def test_dropout_is_on_in_training_alone() -> None:
    model = build(dropout=0.5)
    tokens = torch.tensor([model.encode(TEXT)])
    assert torch.equal(model(tokens)[0], model(tokens)[0])
    model.train()
    assert not torch.equal(model(tokens)[0], model(tokens)[0])


@pytest.mark.parametrize("unit", ["character", "word"])
def test_text_survives_encoding(unit: str) -> None:
    model = build(unit=unit)
    assert model.decode(model.encode(TEXT)) == TEXT


def test_what_the_vocabulary_lacks_is_unk() -> None:
    assert build().encode("b☃e")[1] == UNK
    assert build(unit="word").encode("to sleep") == [*build(unit="word").encode("to"), UNK]


@pytest.mark.parametrize("cell", CELLS)
def test_training_begins_with_a_signal_in_every_layer(cell: str) -> None:
    model = build(cell=cell, hidden_size=64, num_layers=3)
    tokens = torch.tensor([model.encode(TEXT)])  # (N, T)
    model.initialize()
    for layer in model.recurrent.cells():
        for block in layer.weight_hh.split(64):
            torch.testing.assert_close(block @ block.t(), torch.eye(64))
        biases = layer.bias_ih.view(layer.num_gates, 64) + layer.bias_hh.view(layer.num_gates, 64)
        for name, bias in zip(layer.blocks, biases, strict=True):
            assert torch.equal(bias, torch.full_like(bias, name == "f")), name
    with torch.inference_mode():
        hidden, _ = model.recurrent(model.inputs(tokens))
    assert hidden.std(1).mean() > 0.02  # over time; 0.005 of an LSTM's third layer with torch's weights


def test_an_unknown_cell_is_named() -> None:
    with pytest.raises(ValueError, match="transformer"):
        build(cell="transformer")
