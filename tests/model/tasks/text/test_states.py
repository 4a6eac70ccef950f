"""The states of cells over a text, against torch's own LSTM and against steps of each cell."""

import pytest
import torch

from model.cells import CELLS
from model.tasks.text.states import CHUNK, StateReader
from tests.model.conftest import LETTERS, random_model

TEXT = "a bad cab. \nfed a deaf head; a face, " * 18  # `;`, `h` and `,` are unknown
CELLS_ASKED = [5, 0, 23]


def read(reader: StateReader) -> StateReader:
    while reader.left:
        reader.read()
    return reader


@pytest.mark.parametrize("layer", [1, 2, 3])
def test_states_are_those_of_torchs_lstm(layer: int) -> None:
    model = random_model(num_layers=3, sharpness=2)
    assert len(TEXT) > 2 * CHUNK
    found = read(StateReader(model, TEXT, layer)).of(CELLS_ASKED)
    lstm = torch.nn.LSTM(len(model.vocabulary), 24, layer, batch_first=True)
    lstm.load_state_dict({name: model.recurrent.network.state_dict()[name] for name in lstm.state_dict()})
    state, hidden, cell_state = None, [], []
    with torch.inference_mode():
        for token in torch.tensor(model.encode(TEXT)):  # a call for each token: torch tells c at the end of a call only
            _, state = lstm(model.inputs(token[None, None]), state)
            hidden.append(state[0][-1, 0])
            cell_state.append(state[1][-1, 0])
    assert len(found.states) == 2
    for ours, theirs in zip(found.states, (hidden, cell_state), strict=True):
        torch.testing.assert_close(ours, torch.stack(theirs)[:, CELLS_ASKED], rtol=0, atol=1e-5)


def test_gates_of_an_lstm_make_its_states() -> None:
    model = random_model(sharpness=2)
    found = read(StateReader(model, TEXT, 2)).of(CELLS_ASKED)
    (hidden, cell_state), gates = found.states, found.gates
    assert list(gates) == ["i", "f", "g", "o"]
    before = torch.cat([torch.zeros(1, 3), cell_state[:-1]])
    torch.testing.assert_close(gates["f"] * before + gates["i"] * gates["g"], cell_state)
    torch.testing.assert_close(gates["o"] * cell_state.tanh(), hidden)
    for name in "ifo":
        assert 0 <= gates[name].min() < gates[name].max() <= 1
    assert gates["g"].min() < 0


@pytest.mark.parametrize("kind", CELLS)
def test_every_cell_can_be_read_in_any_chunks(kind: str) -> None:
    model = random_model(cell=kind, sharpness=1.5)
    reader = read(StateReader(model, TEXT, 2))
    found = reader.of(range(24))
    cells = model.recurrent.cells()
    states = [cell.zero_state(torch.zeros(1, 1)) for cell in cells]
    for place, token in enumerate(torch.tensor(model.encode(TEXT))):
        x = model.inputs(token[None])  # (1, D)
        for number, cell in enumerate(cells):
            states[number] = cell(x, states[number])
            x = states[number][0]
        for ours, expected in zip(found.states, states[1], strict=True):
            torch.testing.assert_close(ours[place], expected[0], rtol=1e-4, atol=1e-5)
    activity = reader.activity()
    assert activity.shape == (2, len(TEXT), 24)
    seen = found.states[1].tanh() if len(found.states) > 1 else found.states[0]
    torch.testing.assert_close(activity[1], seen, rtol=1e-3, atol=1e-3)
    below = read(StateReader(model, TEXT, 1)).activity()
    torch.testing.assert_close(activity[:1], below)
    expected_gates = {"rnn": "", "rnn-relu": "", "gru": "rzn"}.get(kind, "ifgo")
    assert "".join(found.gates) == expected_gates


def test_top_cells_are_those_that_vary_most() -> None:
    model = random_model(sharpness=2)
    reader = read(StateReader(model, TEXT, 1))
    spread = reader.of(range(24)).states[0].var(0)
    assert reader.top(5) == spread.argsort(descending=True)[:5].tolist()
    assert sorted(reader.top(100)) == list(range(24))


def test_words_are_tokens_of_a_word_model() -> None:
    model = random_model(["a", " bad", " cab", "."], unit="word")
    reader = read(StateReader(model, "a bad dog.", 2))
    assert reader.tokens == ["a", " bad", " dog", "."]
    assert reader.of([0]).states[0].shape == (4, 1)


@pytest.mark.parametrize("layer", [0, 3])
def test_layer_that_is_not_there_is_refused(layer: int) -> None:
    with pytest.raises(ValueError, match=rf"layer={layer}: there are layers 1 to 2"):
        StateReader(random_model(), LETTERS, layer)
