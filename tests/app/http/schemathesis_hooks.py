"""What schemathesis can't read in /openapi.json: real pictures, the names of models, and values that go together."""

import base64
import json
import re
from typing import Any

import schemathesis
from hypothesis import strategies
from schemathesis import Case, HookContext
from schemathesis.core.failures import AcceptedNegativeData, Failure
from schemathesis.core.transport import Response
from schemathesis.generation import GenerationMode
from schemathesis.openapi.checks import RejectedPositiveData

from app.tasks.captioning import huggingface as captions
from app.tasks.captioning.parameters import parameter_schemas
from app.tasks.text import huggingface as text

GIF = base64.b64decode("R0lGODdhAQABAIAAAP///////ywAAAAAAQABAAACAkQBADs=")
URI = f"data:image/gif;base64,{base64.b64encode(GIF).decode()}"
MESSAGE: Any = {"role": "user", "content": [{"type": "image_url", "image_url": {"url": URI}}]}
OLLAMAS_MESSAGE: Any = {"role": "user", "images": [URI]}

CAPTION_PARAMETERS = set(captions.NAMES) - set(text.NAMES) - {"num_return_sequences"}
NUMBERS = {name for name, schema in parameter_schemas().items() if schema["type"] != "string"}
VALID = {"prefix": "a", "max_tokens": 20}
"""Instead of any words, and of more than the operator allows."""

NOT_IN_THE_DOCUMENT = (
    # One parameter, one value: the document has each in the query and in the body.
    r"\w+ is both ",
    # JSON schema does not compare one value with another.
    r"min_\w+=\d+ is above max_\w+=\d+",
    r"\w+=\d+ is above (beam_size|num_beams)=\d+",
    r"\w+=\d+: greedy decoding gives one caption",
    r"tree=true: samples are drawn one by one",
    r"best_of=\S+: all texts are returned, so it can only be n",
    r"[\d,]+ prompts, \d+ texts each: at most",
    r"log-probabilities of up to",
    r"num_return_sequences=\d+: a stream has one text",
    r"cells and top exclude each other",
    r"timestamp_granularities: words and frames have times with response_format=verbose_json alone",
    r"stream=true: not with response_format=",
    r"[\d,]+ cells over [\d,]+ characters are too much for one answer",
    # Nor does it say what a model can do.
    r"tags=true: \w+ has no tagger",
    r"layer=\d+: tiny-text has layers 1 to 2",
    r"cells=\d+: a layer of tiny-text has cells 0 to 47",
    r"model: the name of a captioner is needed",
    # JSON schema takes 1.0 for an integer.
    r"\w+=.*\d\.0\b.*: input should be a valid integer",
    # Next to 2**63, which a double can't tell from its neighbours.
    r"seed=92233720368547\d+: input should be less than",
    # JSON schema tells neither white space nor control characters from other text.
    r"(text|inputs)(\[\d+\])? (is empty|has )",
    r"explain=true: the text has",
    # No URLs are fetched, by default.
    r"(url: )?(the picture can't be fetched|URLs are not fetched)",
    # The operator's limit.
    r"max_(new_)?tokens=\d+: at most 20 are written here",
    # The words and tags that there are depend on the model, and what a request may say on its task.
    r"prefix: ",
    r"inputs=[\[{]",
    r"(mention|people)=\S+: this captioner has no tags",
    r"unknown parameter .*; (did you mean|there are)",
)
"""Why a request may be refused although it is as the document says."""


for kind in ("application/octet-stream", "image/*"):
    schemathesis.openapi.media_type(kind, strategies.just(GIF))
schemathesis.openapi.format("binary", strategies.just(GIF))


@schemathesis.hook
def map_case(context: HookContext, case: Case[Any]) -> Case[Any]:
    """Puts pictures, models and words that there are where some are meant, so that what stands beside them matters."""
    valid = case.meta is not None and case.meta.generation.mode == GenerationMode.POSITIVE
    body: Any = case.body if isinstance(case.body, dict) else {}
    if "Binary(" in repr(body):  # a form with a file, of which schemathesis would not know that it is valid
        return case
    if case.path == "/models/{name}":
        about_text = body and not set(body.get("parameters") or {}) & CAPTION_PARAMETERS
        case.path_parameters = {"name": "tiny-text" if about_text else "tiny"}
        if isinstance(body.get("inputs"), str) and not about_text:
            body["inputs"] = URI
    for place in (body, case.query):
        if isinstance(place.get("model"), str):
            place["model"] = "tiny-text" if case.path in ("/v1/completions", "/v1/states") else "tiny"
        if valid:
            place |= {name: value for name, value in VALID.items() if name in place}
    if "image" in body:
        body["image"] = _picture(body["image"])
    messages = body.get("messages")
    if isinstance(messages, list) and messages and all(isinstance(message, dict) for message in messages):
        messages.append(OLLAMAS_MESSAGE if case.path == "/api/chat" else MESSAGE)
    if valid and case.path in ("/api/generate", "/api/v1/vision/caption"):
        body["images"] = [URI]
    if valid and body:
        case.query = {name: value for name, value in case.query.items() if name not in body}
        if isinstance(body.get("stream_options"), dict):
            body["stream"] = True
    return case


def _picture(value: Any) -> Any:
    if isinstance(value, list):
        return [_picture(one) for one in value]
    return URI if isinstance(value, str) and value else value


def _fields(body: Any) -> list[tuple[str, Any]]:
    return list(body.items()) if isinstance(body, dict) else []


@schemathesis.hook
def filter_failure(context: HookContext, failure: Failure, case: Case[Any], response: Response) -> bool:
    """Whether it is one."""
    if isinstance(failure, AcceptedNegativeData) and case.path.startswith("/v1/captions"):
        # Bytes that are no object are taken for a picture, whatever they are said to be; a batch says what is wrong.
        if not isinstance(case.body, dict):
            return False
        # A number may come as text, also in JSON: in forms it comes as nothing else.
        return not any(isinstance(value, str) and name in NUMBERS for name, value in _fields(case.body))
    if not isinstance(failure, RejectedPositiveData):
        return True
    error = json.loads(response.content)
    told = error["error"] if isinstance(error.get("error"), dict) else error
    message = told.get("message") or told.get("error")
    return not any(re.match(pattern, message) for pattern in NOT_IN_THE_DOCUMENT)
