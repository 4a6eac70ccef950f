"""POST /model/parse, GET /status and /version: Rasa's HTTP API, for chatbot frameworks that ask it for intents."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Request

from app.errors import Refusal
from app.http.body import Body, Ignored, Needed
from app.http.contract import TEXT_BYTES, Contract
from app.http.dialects import Dialect, Shape
from app.http.openapi import errors, json_content
from app.http.requests import read_body, while_connected
from app.http.schema import UNLESS_NONE, Schema
from app.serving.engine import Engine
from app.tasks.intents.service import IntentJob, check
from model.tasks.intents import INTENTS

VERSION = "3.6.0"
"""The version of Rasa whose contract this is."""
FALLBACK = "nlu_fallback"
"""Rasa's intent of a text that has none of the others."""
TOP = 10
"""Intents in a ranking, as many as Rasa's classifiers rank."""

router = APIRouter(tags=["Rasa"])


class RasaError(Schema):
    """An error in Rasa's words."""

    version: str
    status: Literal["failure"]
    reason: str
    """A short, stable name, for programs."""
    message: str
    """For people: what was wrong and what would be right."""
    details: dict[str, Any]
    help: None
    code: int
    """The status of the answer."""


def _rasa(error: Refusal, status: int, request_id: str) -> Shape:
    status = 400 if status == 422 else status
    details = {} if error.field is None else {"parameter": error.field, "in": "body"}
    body = {"version": VERSION, "status": "failure", "reason": error.code, "message": error.message}
    return status, body | {"details": details, "help": None, "code": status}


RASA = Dialect(RasaError, _rasa)
"""The shape of Rasa's errors, where a faulty request is always a 400."""


class ParseRequest(Body):
    """A message."""

    text: Annotated[str, Needed("a text is needed")]
    message_id: str | None = None
    """Returned as it is."""
    metadata: Ignored = None


class RasaIntent(Schema):
    """An intent and its probability."""

    name: str
    confidence: float


class ParseResponse(Schema):
    """The intent of a message, in Rasa's words."""

    text: str
    message_id: Annotated[str | None, UNLESS_NONE] = None
    intent: RasaIntent
    """The likeliest; `nlu_fallback` if it is less probable than the model's threshold."""
    intent_ranking: list[RasaIntent]
    entities: list[dict[str, Any]]
    """Always empty: the model finds none."""


class StatusResponse(Schema):
    """The model that answers."""

    model_id: str
    """Digest of its weights."""
    model_file: str
    """Its name."""
    num_active_training_jobs: int = 0


class VersionResponse(Schema):
    """The contract's version."""

    version: str
    minimum_compatible_version: str


_ERRORS = errors(
    RASA,
    {400: "A message that can't be read, is empty or too long", 404: "There is no classifier", 504: "It took too long"},
)


@router.post(
    "/model/parse",
    responses=_ERRORS,
    openapi_extra={"requestBody": json_content(ParseRequest.json_schema(), {"text": "What time is it?"})},
)
@Contract(errors=RASA, task="intents", body="text")
async def parse_message(request: Request) -> ParseResponse:
    """The intent of a message, as Rasa's server answers."""
    asked = await read_body(request, ParseRequest, TEXT_BYTES)
    engine: Engine = request.app.state.engine
    worker = engine.worker(engine.find(INTENTS, None))
    (task,) = worker.submit([IntentJob(check(asked.text))])
    answer = (await while_connected(request, task)).answer
    ranked = [RasaIntent(name=one.intent, confidence=one.confidence) for one in answer.ranking[:TOP]]
    if not answer.in_scope:
        ranked = [RasaIntent(name=FALLBACK, confidence=answer.best.confidence), *ranked]
    return ParseResponse(
        text=asked.text, message_id=asked.message_id, intent=ranked[0], intent_ranking=ranked, entities=[]
    )


@router.get("/status", responses={404: _ERRORS[404]})
@Contract(errors=RASA)
def status(request: Request) -> StatusResponse:
    """The model that answers."""
    engine: Engine = request.app.state.engine
    checkpoint = engine.find(INTENTS, None)
    return StatusResponse(model_id=checkpoint.sha256, model_file=checkpoint.name)


@router.get("/version")
@Contract(errors=RASA)
def version() -> VersionResponse:
    """The version of Rasa whose contract this is."""
    return VersionResponse(version=VERSION, minimum_compatible_version="3.0.0")
