"""POST /v1/states: a text in, what the cells of a language model do at each of its characters out."""

import time
from base64 import b64encode
from typing import Annotated, Any, Self
from uuid import uuid4

import torch
from fastapi import APIRouter, Request, Response
from pydantic import Field, model_validator
from torch import Tensor

from app.errors import Refusal
from app.http.body import Body, Needed
from app.http.contract import Contract
from app.http.dialects import OWN
from app.http.fields import invalid
from app.http.openapi import errors, json_content
from app.http.requests import read_body, while_connected
from app.http.schema import UNLESS_NONE, ModelInfo, Schema
from app.serving.engine import Engine
from app.settings import Settings
from model.checkpoint import Checkpoint
from model.tasks.text import TEXT
from model.tasks.text.config import LanguageModelConfig
from model.tasks.text.language import LanguageModel
from model.tasks.text.readable import ReadableCell
from model.tasks.text.states import StateReader

router = APIRouter(tags=["states"])

MAX_CHARS = 4_000
"""Most characters of a text: each takes a step of its own, as no other text is read beside it."""
MAX_POINTS = 2**19
"""Most characters times cells of an answer: 512 cells over 1,024 characters, whose h and c take 10 MB. A third with
gates, of which there are four."""
MAX_ACTIVITY = 2**22
"""Most characters times cells of `activity`: three layers of 512 cells over 2,730 characters, a byte each."""
MAX_CELLS = 4_096
"""Most cells that a request may ask for."""
TOP = 10
"""Cells that are told where a request asks for none."""
DECIMALS = 6
"""Digits that are told: more than single precision is sure of after a thousand steps."""


class StatesRequest(Body):
    """A text, and the cells to watch while it is read."""

    model: str | None = None
    """Name of a language model, as in /v1/models."""
    text: Annotated[
        str, Field(min_length=1, max_length=MAX_CHARS), Needed(f"a text of 1 to {MAX_CHARS:,} characters is needed")
    ]
    """The text to read. The model begins with a state of zeros."""
    layer: Annotated[int, Field(ge=1)] | None = None
    """From 1, the layer that reads the text; by default the last one."""
    cells: Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=1, max_length=MAX_CELLS)] | None = None
    """Places of cells in the layer, from 0."""
    top: Annotated[int, Field(ge=1, le=MAX_CELLS)] | None = None
    """Instead of `cells`, so many whose h varies most over the text, that which varies most first; by default 10."""
    gates: bool = False
    """Whether to tell the gates too."""
    activity: bool = False
    """Whether to tell, coarsely, what all cells of this layer and those below do."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.cells is not None and self.top is not None:
            raise Refusal("conflicting_parameter", "cells and top exclude each other", "top")
        return self


class CellStates(Schema):
    """A cell over the text; lists of one length, a number for each token."""

    cell: int
    """Its place in the layer, from 0."""
    hidden: list[float]
    """h, after the token."""
    cell_state: Annotated[list[float] | None, UNLESS_NONE] = None
    """c, after the token; not of kinds of cells that have none."""
    gates: Annotated[dict[str, list[float]] | None, UNLESS_NONE] = None
    """Gates and candidates at the token, by their letters in the equations: i, f, g and o of an LSTM."""


class Activity(Schema):
    """Coarse values of all cells of some layers."""

    layers: int
    """Layers, from the first on."""
    cells: int
    """Cells of a layer."""
    values: str
    """Base64 of a signed byte for each layer, token and cell, in this order: tanh(c), or h of cells that have no c, in
    steps of 1/127."""


class StatesTiming(Schema):
    """Milliseconds."""

    queue: float
    """Until reading began."""
    read: float
    """Reading, with the waits for others' turns."""
    total: float


class StatesResponse(Schema):
    """The states of a layer's cells over a text."""

    id: str
    model: ModelInfo
    layer: int
    tokens: list[str]
    """The text's characters, or words with the space before them."""
    cells: list[CellStates]
    """In the order in which they were asked for."""
    activity: Annotated[Activity | None, UNLESS_NONE] = None
    """The values of all cells; only with activity=true."""
    readable: list[ReadableCell]
    """The cells, of all layers, that are known to follow something in the text."""
    timing_ms: StatesTiming


_ANSWERS = errors(
    OWN,
    {
        400: "A body that can't be parsed",
        404: "No such language model",
        415: "The body is not JSON",
        422: "A parameter that is unknown or out of range, or more numbers than fit into an answer",
        504: "It took too long",
    },
)
_EXAMPLE = {"text": "ROMEO:\nO, she doth teach the torches", "layer": 1, "top": 2, "gates": True}


@router.post(
    "/v1/states",
    response_model=StatesResponse,
    responses=_ANSWERS,
    openapi_extra={"requestBody": json_content(StatesRequest.json_schema(), _EXAMPLE)},
)
@Contract(task="text", body="text")
async def read_states(request: Request) -> Response:
    """Shows what the cells of a language model do while it reads a text.

    For each chosen cell of a layer: h, c and, with `gates`, what its gates are at each character, or word, in single
    precision, rounded to six decimals. `activity` has all cells, a byte each. `readable` lists the cells that are known
    to follow something in the text, with the correlation.

        curl localhost:8000/v1/states -d '{"model": "shakespeare", "text": "ROMEO:\\nO, she", "layer": 3, "top": 5}'
    """
    received = time.perf_counter()
    engine: Engine = request.app.state.engine
    asked = await read_body(request, StatesRequest)
    checkpoint = engine.find(TEXT, asked.model)
    layer = asked.layer or checkpoint.config.num_layers
    _require_affordable(asked, checkpoint, engine.settings)

    def answer(reader: StateReader, queued: float, read: float) -> bytes:
        """On the reader's thread: an answer of a million numbers takes the better part of a second to write."""
        seconds = {"queue": queued, "read": read, "total": time.perf_counter() - received}
        return _response(asked, checkpoint, reader, seconds).model_dump_json().encode()

    written = engine.worker(checkpoint).read_states(asked.text, layer, answer)
    return Response(await while_connected(request, written), media_type="application/json")


def _require_affordable(
    asked: StatesRequest, checkpoint: Checkpoint[LanguageModelConfig, LanguageModel], settings: Settings
) -> None:
    """Raises a `Refusal` for a layer or cells that the model does not have, or if it is too much for one answer."""
    config, length = checkpoint.config, len(asked.text)
    if asked.layer and asked.layer > config.num_layers:
        raise invalid("layer", asked.layer, f"{checkpoint.name} has layers 1 to {config.num_layers}")
    for cell in asked.cells or ():
        if cell >= config.hidden_size:
            raise invalid("cells", cell, f"a layer of {checkpoint.name} has cells 0 to {config.hidden_size - 1}")
    if length > settings.max_prompt_chars:
        message = f"the text has {length:,} characters; at most {settings.max_prompt_chars:,} are read"
        raise Refusal("prompt_too_long", message, "text")
    count = len(asked.cells) if asked.cells else min(asked.top or TOP, config.hidden_size)
    most = MAX_POINTS // 3 if asked.gates else MAX_POINTS
    if length * count > most:
        message = (
            f"{count:,} cells over {length:,} characters are too much for one answer: "
            f"{'with gates, ' if asked.gates else ''}at most {most // length:,} cells of such a text fit"
        )
        raise Refusal("invalid_parameter", message, "cells" if asked.cells else "top")
    cells = (asked.layer or config.num_layers) * config.hidden_size
    if asked.activity and length * cells > MAX_ACTIVITY:
        message = (
            f"the activity of {cells:,} cells over {length:,} characters is too much for one answer: of so many cells, "
            f"at most {MAX_ACTIVITY // cells:,} characters fit"
        )
        raise Refusal("invalid_parameter", message, "activity")


def _response(
    asked: StatesRequest,
    checkpoint: Checkpoint[LanguageModelConfig, LanguageModel],
    reader: StateReader,
    seconds: dict[str, float],
) -> StatesResponse:
    """The answer, once the text has been read."""
    chosen = asked.cells or reader.top(asked.top or TOP)
    found = reader.of(chosen)
    names = ("hidden", "cell_state")  # some kinds of cells carry more
    states = dict(zip(names, map(_rounded, found.states), strict=False))
    gates = {name: _rounded(values) for name, values in found.gates.items()}

    def series(place: int) -> dict[str, Any]:
        told: dict[str, Any] = {name: values[place] for name, values in states.items()}
        return told | ({"gates": {name: values[place] for name, values in gates.items()}} if asked.gates else {})

    cells = [{"cell": cell, **series(place)} for place, cell in enumerate(chosen)]
    readable = reader.model.readable
    whole: dict[str, Any] = {
        "id": f"states-{uuid4().hex}",
        "model": checkpoint,
        "layer": reader.layer,
        "tokens": reader.tokens,
        "cells": cells,
        "activity": _coarse(reader.activity()) if asked.activity else None,
        "readable": readable.cells if readable else (),
        "timing_ms": {stage: round(1000 * value, 2) for stage, value in seconds.items()},
    }
    return StatesResponse.model_validate(whole)


def _coarse(values: Tensor) -> Activity:
    """Values (L, T, H) as bytes."""
    layers, _, cells = values.shape
    steps = (127 * values.clamp(-1, 1)).round().to(torch.int8)  # (L, T, H)
    return Activity(layers=layers, cells=cells, values=b64encode(steps.numpy().tobytes()).decode())


def _rounded(values: Tensor) -> list[list[float]]:
    """Values (T, K) as a list for each cell; rounded in double precision, whose last digits JSON would tell."""
    rounded: list[list[float]] = values.t().double().round(decimals=DECIMALS).tolist()
    return rounded
