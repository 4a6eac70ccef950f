"""POST /v1/states: the numbers of torch's LSTM, limits, and turns with others."""

import copy
from base64 import b64decode
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import httpx2
import pytest
import torch
from fastapi import FastAPI

from app.main import create_app
from app.settings import Settings
from app.tasks.text.states import MAX_CHARS, MAX_POINTS
from app.tasks.text.worker import READS
from model.checkpoint import save
from model.tasks.text import TEXT
from model.tasks.text.language import LanguageModel
from model.tasks.text.readable import ReadableCell, ReadableCells
from model.tasks.text.states import StateReader
from tests.app.conftest import worker_of

Serve = Callable[..., AbstractContextManager[httpx2.Client]]
Ready = Callable[[httpx2.Client], None]
WaitFor = Callable[[Callable[[], bool]], None]
URL = "/v1/states"
PROSE = "A brown dog runs ☃ through the green grass .\n" * 4

READABLE = ReadableCells(
    data_sha256="0" * 64,
    chosen_on=1000,
    reported_on=1001,
    cells=(
        ReadableCell(layer=2, cell=47, trait="column", label="characters of the line so far", r=-0.92),
        ReadableCell(layer=1, cell=0, trait="word", label="letters of the word so far", r=0.61),
    ),
)


def states(client: httpx2.Client, **body: Any) -> dict[str, Any]:
    response = client.post(URL, json={"text": PROSE, **body})
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    return answer


def refusal(client: httpx2.Client, status: int, code: str, field: str | None, body: Any) -> str:
    """The message of an error in our own shape."""
    response = client.post(URL, json=body)
    assert response.status_code == status, response.text
    error = response.json()["error"]
    assert (error["code"], error.get("field")) == (code, field)
    message: str = error["message"]
    return message


@pytest.mark.parametrize("layer", [1, 2])
def test_states_are_those_of_torchs_lstm(text_client: httpx2.Client, served_text: LanguageModel, layer: int) -> None:
    asked = [3, 47, 0]
    answer = states(text_client, model="tiny-text", layer=layer, cells=asked)
    assert (answer["layer"], answer["tokens"], answer["readable"]) == (layer, list(PROSE), [])
    assert answer["model"]["name"] == "tiny-text"
    assert answer["id"].startswith("states-")
    assert [cell["cell"] for cell in answer["cells"]] == asked
    lstm = torch.nn.LSTM(16, 48, layer, batch_first=True)
    lstm.load_state_dict({name: served_text.recurrent.network.state_dict()[name] for name in lstm.state_dict()})
    state, expected = None, []
    with torch.inference_mode():
        for token in torch.tensor(served_text.encode(PROSE)):
            _, state = lstm(served_text.inputs(token[None, None]), state)
            expected.append(torch.stack([state[0][-1, 0], state[1][-1, 0]]))
    theirs = torch.stack(expected)[:, :, asked]  # (T, 2, K)
    for place, cell in enumerate(answer["cells"]):
        assert cell.keys() == {"cell", "hidden", "cell_state"}
        ours = torch.tensor([cell["hidden"], cell["cell_state"]]).t()  # (T, 2)
        torch.testing.assert_close(ours, theirs[:, :, place], rtol=1e-6, atol=1e-5)  # c reaches 40
    timing = answer["timing_ms"]
    assert 0 <= timing["queue"] + timing["read"] <= timing["total"] + 0.02


def test_gates_are_told_where_asked_for(text_client: httpx2.Client) -> None:
    (cell,) = states(text_client, layer=2, cells=[5], gates=True)["cells"]
    assert list(cell["gates"]) == ["i", "f", "g", "o"]
    before = 0.0
    for place, (hidden, now) in enumerate(zip(cell["hidden"], cell["cell_state"], strict=True)):
        i, f, g, o = (values[place] for values in cell["gates"].values())
        assert now == pytest.approx(f * before + i * g, abs=1e-5)
        assert hidden == pytest.approx(o * torch.tensor(now).tanh().item(), abs=1e-5)
        before = now


def test_activity_has_all_cells_of_the_layers_up_to_this_one(text_client: httpx2.Client) -> None:
    told = [states(text_client, layer=layer, top=48, activity=True) for layer in (1, 2)]
    both = told[1]["activity"]
    assert (both["layers"], both["cells"], told[0]["activity"]["layers"]) == (2, 48, 1)
    values = torch.frombuffer(bytearray(b64decode(both["values"])), dtype=torch.int8).view(2, len(PROSE), 48)
    for layer, answer in enumerate(told):
        for cell in answer["cells"]:
            exact = torch.tensor(cell["cell_state"]).tanh()
            torch.testing.assert_close(values[layer, :, cell["cell"]] / 127, exact, rtol=0, atol=0.51 / 127)
    assert b64decode(told[0]["activity"]["values"]) == b64decode(both["values"])[: len(PROSE) * 48]
    assert "activity" not in states(text_client)


def test_top_cells_of_the_last_layer_are_the_default(text_client: httpx2.Client, served_text: LanguageModel) -> None:
    reader = StateReader(served_text, PROSE, 2)
    while reader.left:
        reader.read()
    answer = states(text_client)
    assert (answer["layer"], [cell["cell"] for cell in answer["cells"]]) == (2, reader.top(10))
    assert len(states(text_client, top=4000)["cells"]) == 48


@pytest.fixture(scope="module")
def readable_client(
    tiny_language_model: LanguageModel, tmp_path_factory: pytest.TempPathFactory, serve: Serve, ready: Ready
) -> Iterator[tuple[FastAPI, httpx2.Client]]:
    """A service of a model with readable cells, and its client."""
    folder: Path = tmp_path_factory.mktemp("readable")
    model = copy.deepcopy(tiny_language_model)
    model.readable = READABLE
    save(folder / "tiny-text", TEXT, model, name="tiny-text", metrics={}, card="")
    app = create_app(Settings(checkpoints=folder, threads=1, max_prompt_chars=1000, deadline_seconds=20))
    with serve(app) as client:
        ready(client)
        yield app, client


def test_readable_cells_are_listed(readable_client: tuple[FastAPI, httpx2.Client], text_client: httpx2.Client) -> None:
    _, client = readable_client
    assert states(client, layer=1, top=1)["readable"] == [cell.model_dump() for cell in READABLE.cells]
    assert client.get("/v1/models/tiny-text").json()["readable_cells"] is True
    assert text_client.get("/v1/models/tiny-text").json()["readable_cells"] is False


@pytest.mark.parametrize(
    ("body", "code", "field", "message"),
    [
        ({}, "invalid_parameter", "text", "a text of 1 to 4,000 characters is needed; the field is required"),
        ({"text": ""}, "invalid_parameter", "text", "a text of 1 to 4,000 characters is needed"),
        ({"text": "x" * (MAX_CHARS + 1)}, "invalid_parameter", "text", "a text of 1 to 4,000 characters is needed"),
        ({"text": "x", "layer": 3}, "invalid_parameter", "layer", "layer=3: tiny-text has layers 1 to 2"),
        ({"text": "x", "layer": 0}, "invalid_parameter", "layer", "greater than or equal to 1"),
        (
            {"text": "x", "cells": [0, 48]},
            "invalid_parameter",
            "cells",
            "cells=48: a layer of tiny-text has cells 0 to 47",
        ),
        ({"text": "x", "cells": []}, "invalid_parameter", "cells", "at least 1 item"),
        ({"text": "x", "cells": [0], "top": 2}, "conflicting_parameter", "top", "cells and top exclude each other"),
        ({"text": "x", "cell": [0]}, "unknown_parameter", "cell", "did you mean cells?"),
        (
            {"text": "x" * MAX_CHARS, "cells": [0] * (MAX_POINTS // MAX_CHARS + 1)},
            "invalid_parameter",
            "cells",
            "132 cells over 4,000 characters are too much for one answer: at most 131 cells of such a text fit",
        ),
        (
            {"text": "x" * MAX_CHARS, "top": 48, "gates": True},
            "invalid_parameter",
            "top",
            "48 cells over 4,000 characters are too much for one answer: with gates, at most 43 cells of such a text",
        ),
    ],
    ids=str,
)
def test_request_that_is_wrong_is_told_what_is_right(
    text_client: httpx2.Client, body: dict[str, Any], code: str, field: str, message: str
) -> None:
    assert message in refusal(text_client, 422, code, field, body)


def test_more_activity_than_fits_is_refused(text_client: httpx2.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.tasks.text.states.MAX_ACTIVITY", 96 * 100)
    message = refusal(text_client, 422, "invalid_parameter", "activity", {"text": "x" * 101, "activity": True})
    assert message.endswith("is too much for one answer: of so many cells, at most 100 characters fit")
    assert states(text_client, text="x" * 200, layer=1, activity=True)["activity"]["layers"] == 1


def test_unknown_models_and_captioners_are_refused(text_client: httpx2.Client) -> None:
    assert "there is no model 'x'" in refusal(text_client, 404, "unknown_model", "model", {"text": "x", "model": "x"})
    message = refusal(text_client, 404, "unknown_model", "model", {"text": "x", "model": "tiny"})
    assert message == "tiny is a captioner, a language model is needed; there is tiny-text"


def test_operators_limit_of_a_prompt_holds(readable_client: tuple[FastAPI, httpx2.Client]) -> None:
    _, client = readable_client
    message = refusal(client, 422, "prompt_too_long", "text", {"text": "x" * 1001})
    assert message == "the text has 1,001 characters; at most 1,000 are read"


def test_too_many_reads_are_refused_and_texts_are_written_meanwhile(
    readable_client: tuple[FastAPI, httpx2.Client], wait_for: WaitFor
) -> None:
    app, client = readable_client
    worker = worker_of(app, "tiny-text")
    with ThreadPoolExecutor(READS) as pool:
        with app.state.engine.pause():
            waiting = [pool.submit(states, client, top=1) for _ in range(READS)]
            wait_for(lambda: worker._reads == READS)
            message = refusal(client, 429, "queue_full", None, {"text": "x"})
            assert message == "the states of 16 texts are being read, and no more are taken; try again shortly"
            assert worker.pending == 0  # texts to write have all their room
        answers = [future.result() for future in waiting]
    assert len({str(answer["cells"]) for answer in answers}) == 1
    wait_for(lambda: worker._reads == 0)


def test_read_whose_client_has_left_ends(readable_client: tuple[FastAPI, httpx2.Client], wait_for: WaitFor) -> None:
    app, client = readable_client
    worker = worker_of(app, "tiny-text")
    with app.state.engine.pause():
        with pytest.raises(httpx2.ReadTimeout):
            client.post(URL, json={"text": PROSE}, timeout=0.2)
        wait_for(lambda: worker._reads == 0)
    assert states(client, top=1)["cells"]
