"""POST /models/{name}: Hugging Face's inference contract, by the task of the model."""

from typing import Any, Union

from fastapi import APIRouter, Request

from app.http.body import or_null
from app.http.contract import Contract
from app.http.dialects import HUGGING_FACE
from app.http.openapi import BYTES, Json, errors, event_stream, json_content
from app.serving.engine import Engine
from app.tasks import TASKS

router = APIRouter(tags=["Hugging Face"])

_HANDLERS = {name: task.huggingface() for name, task in TASKS.items()}


def _any_of(*schemas: Json) -> Json:
    """A value that is as one of the schemas says; objects are merged, so that each property is documented once."""
    parts = [next((part for part in schema.get("anyOf", ()) if "properties" in part), schema) for schema in schemas]
    bare = [{key: value for key, value in part.items() if key not in ("description", "title")} for part in parts]
    if all(part == bare[0] for part in bare):
        return schemas[0]
    if not all("properties" in part for part in parts):
        return {"anyOf": list(schemas)}
    names = list(dict.fromkeys(name for part in parts for name in part["properties"]))
    merged: Json = {
        "type": "object",
        "properties": {
            name: _any_of(*(part["properties"][name] for part in parts if name in part["properties"])) for name in names
        },
        "required": [name for name in names if all(name in part.get("required", ()) for part in parts)],
        "additionalProperties": False,
    }
    return merged if "properties" in schemas[0] else or_null(merged)


_BODY = json_content(
    _any_of(*(handler.body.json_schema() for handler in _HANDLERS.values())),
    {"inputs": "ROMEO:", "parameters": {"max_new_tokens": 100}},
)
_TAKES = "; ".join(handler.takes for handler in _HANDLERS.values())
_BODY["description"] = f"{_TAKES[0].upper()}{_TAKES[1:]}."
_BODY["content"] |= BYTES
_CONTENT = {kind: about for handler in _HANDLERS.values() for kind, about in handler.content.items()}
_ANSWERS = {200: {"content": event_stream() | _CONTENT}} | errors(
    HUGGING_FACE,
    {
        400: "A body or a picture that can't be read",
        404: "No such model",
        415: "A format that is not read",
        422: "A parameter that is unknown, out of range or not supported",
        504: "It took too long",
    },
)


@router.post(
    "/models/{name:path}",
    response_model=Union[tuple(handler.answer for handler in _HANDLERS.values() if handler.answer)],  # noqa: UP007
    responses=_ANSWERS,
    openapi_extra={"requestBody": _BODY},
)
@Contract(errors=HUGGING_FACE, task_of_model=True)
async def infer(request: Request, name: str) -> Any:
    """A picture's caption, or a prompt's continuation, as Hugging Face's inference API answers.

    `huggingface_hub.InferenceClient(model="http://host/models/flickr8k-coco")` works as it comes. What a request leaves
    out is the model's own default.
    """
    engine: Engine = request.app.state.engine
    checkpoint = engine.get(name)
    return await _HANDLERS[checkpoint.task.name].infer(request, engine, checkpoint)
