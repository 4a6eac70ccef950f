"""POST /models/{name}: Hugging Face's inference contract, by the task of the model."""

from collections.abc import AsyncIterator
from typing import Any

from fastapi import APIRouter, Request
from starlette.types import Scope

from app.errors import Refusal
from app.http.contract import Contract
from app.http.dialects import HUGGING_FACE
from app.http.disconnect import while_connected
from app.http.errors import tell
from app.http.events import EventStream, event
from app.http.fields import invalid
from app.http.openapi import BYTES, closed, errors, event_stream, json_body
from app.http.requests import json_object, parse, picture_of, read_json
from app.schemas.huggingface import GeneratedText
from app.serving.engine import Engine
from app.serving.generation import Generation, Update
from app.tasks.captioning.request import CaptionRequest
from app.tasks.huggingface import TextInference, caption_decoding, parameters, parameters_schema
from model.checkpoint import Checkpoint
from model.tasks.captioning import CAPTIONING
from model.tasks.captioning.captioner import Captioner
from model.tasks.captioning.config import CaptionerConfig
from model.tasks.text.config import LanguageModelConfig
from model.tasks.text.language import LanguageModel
from model.tasks.text.prompt import Token
from model.vocabulary import EOS, SPECIALS, Vocabulary

router = APIRouter(tags=["Hugging Face"])

_SCHEMA = closed(
    {
        "inputs": {"type": "string", "description": "A prompt, or base64 of a picture."},
        "parameters": parameters_schema(),
        "stream": {"type": "boolean", "description": "Text token by token, as server-sent events."},
        "options": {"description": "Ignored."},
    },
    ["inputs"],
)
_BODY = json_body(_SCHEMA, {"inputs": "ROMEO:", "parameters": {"max_new_tokens": 100}})
_BODY["description"] = "A captioner takes a picture's bytes, or base64 of them in JSON; a language model takes text."
_BODY["content"] |= BYTES
_ANSWERS = {200: {"content": event_stream()}} | errors(
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
    response_model=list[GeneratedText],
    responses=_ANSWERS,
    openapi_extra={"requestBody": _BODY},
)
@Contract(errors=HUGGING_FACE, task_of_model=True)
async def infer(request: Request, name: str) -> Any:
    """A picture's caption, or a prompt's continuation, as Hugging Face's inference API answers.

    `huggingface_hub.InferenceClient(model="http://host/models/flickr8k")` works as it comes. What a request leaves out
    is the model's own default.
    """
    engine: Engine = request.app.state.engine
    checkpoint = engine.get(name)
    if checkpoint.task is CAPTIONING:
        return await _caption(request, engine, checkpoint)
    return await _write(request, engine, checkpoint)


async def _caption(
    request: Request, engine: Engine, checkpoint: Checkpoint[CaptionerConfig, Captioner]
) -> list[dict[str, Any]]:
    body = await request.body()
    picture, given = body, {}
    if body.lstrip()[:1] == b"{":  # no picture begins with it
        document = await parse(json_object, body)
        given = parameters(document)
        inputs = document.get("inputs")
        if not isinstance(inputs, str):
            raise invalid("inputs", inputs, "base64 of a picture is needed")
        picture = await picture_of(request, inputs, "inputs")
    asked = CaptionRequest(engine, checkpoint, caption_decoding(checkpoint.config.decoding, given))
    answer = await asked.answer(request, picture)
    return [{"generated_text": caption.text} for caption in answer.captions]


async def _write(request: Request, engine: Engine, checkpoint: Checkpoint[LanguageModelConfig, LanguageModel]) -> Any:
    asked = TextInference.parse(await read_json(request), checkpoint.config.generation, engine.settings)
    answer = _Answer(asked, engine.workers[checkpoint.name].vocabulary)
    generation = engine.generate(checkpoint, asked.texts)
    if asked.completion.stream:
        return EventStream(answer.events(generation, request.scope), generation)
    with generation:
        updates = await while_connected(request, generation.whole())
    return [answer.whole(update) for _, update in sorted(updates.items())]


class _Answer:
    """What comes of a text, in the words of Hugging Face's text-generation-inference."""

    def __init__(self, asked: TextInference, vocabulary: Vocabulary) -> None:
        self._asked = asked
        self._vocabulary = vocabulary

    def whole(self, update: Update) -> dict[str, Any]:
        """One of the texts, from all that came of it."""
        answer: dict[str, Any] = {"generated_text": self._full(update.text)}
        if self._asked.details:
            details = self._summary(update) | {"prefill": [self._token(token) for token in update.stream.prompt]}
            details["tokens"] = [self._token(token) for token in update.tokens]
            if self._asked.completion.logprobs:
                details["top_tokens"] = [self._top(token) for token in update.tokens]
            answer["details"] = details
        return answer

    async def events(self, generation: Generation, scope: Scope) -> AsyncIterator[bytes]:
        """An event for each token, the last of which has the whole text too. Or, in its place, an error."""
        count, text = 0, ""
        try:
            async for updates in generation:
                (update,) = updates.values()
                text += update.text
                tokens = update.tokens
                if update.finish_reason and not tokens:  # all is told, but for its end
                    tokens = [Token(SPECIALS[EOS], 0.0)]
                for place, token in enumerate(tokens, start=1):
                    count += 1
                    told = {"index": count, "token": self._token(token), "generated_text": None, "details": None}
                    if self._asked.completion.logprobs:
                        told["top_tokens"] = self._top(token)
                    if update.finish_reason and place == len(tokens):
                        told["generated_text"] = self._full(text)
                        if self._asked.details:
                            told["details"] = self._summary(update) | {"input_length": update.stream.prompt_tokens}
                    yield event(told)
        except Refusal as error:
            yield event(tell(error, scope)[1])

    def _full(self, text: str) -> str:
        return self._asked.texts[0].prompt + text if self._asked.full_text else text

    def _summary(self, update: Update) -> dict[str, Any]:
        return {
            "finish_reason": "length" if update.finish_reason == "length" else "stop_sequence",
            "generated_tokens": update.stream.written,
            "seed": self._asked.texts[0].generation.seed,
        }

    def _token(self, token: Token) -> dict[str, Any]:
        (number,) = self._vocabulary.encode([token.text])
        return {"id": number, "text": token.text, "logprob": token.logprob, "special": number < len(SPECIALS)}

    def _top(self, token: Token) -> list[dict[str, Any]]:
        return [self._token(Token(text, logprob)) for text, logprob in token.alternatives]
