"""POST /v1/audio/speech: a text in, what it sounds like out, in OpenAI's contract; and GET /v1/audio/voices."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Annotated, Literal

from fastapi import APIRouter, Request, Response
from fastapi.responses import StreamingResponse
from pybase64 import b64encode_as_string
from pydantic import Field

from app.errors import Refusal
from app.http.body import Body, Ignored, Needed
from app.http.contract import Contract
from app.http.dialects import OPENAI
from app.http.errors import tell
from app.http.events import EventStream, event
from app.http.openapi import Json, errors, event_stream, json_content
from app.http.requests import read_body, while_connected
from app.serving.engine import Engine
from app.tasks.speech.schemas import ALIASES, SpeechDelta, SpeechVoice, VoiceList, done
from app.tasks.speech.service import LONGEST, Speech, SpeechCheckpoint, SynthesiserWorker, voice_of
from model.audio.encoding import MEDIA_TYPES, Format, encoded_size
from model.tasks.speech import SPEECH

router = APIRouter(tags=["speech"])


class VoiceId(Body):
    """A voice, as an object."""

    id: str


class SpeechRequest(Body):
    """A text, and how it is to be said: OpenAI's parameters."""

    model: str | None = None
    """Name of a synthesiser, as in /v1/models; `tts-1` is the default one."""
    input: Annotated[
        str, Field(min_length=1, max_length=LONGEST), Needed(f"a text of 1 to {LONGEST} characters is needed")
    ]
    """The text, in English."""
    voice: str | VoiceId | None = None
    """A name in /v1/audio/voices; by default the first."""
    response_format: Format = "mp3"
    """The file's format; `pcm` is 24,000 samples a second of 16 bits, without a header. There is no `aac`."""
    speed: Annotated[float, Field(ge=0.25, le=4)] = 1.0
    """Speed, as a multiple of the usual one."""
    stream_format: Literal["audio", "sse"] = "audio"
    """The file itself, or server-sent events with its parts and, at the end, the time of each word."""
    instructions: Ignored = None

    @property
    def voice_name(self) -> str | None:
        return self.voice.id if isinstance(self.voice, VoiceId) else self.voice


_CONTENT: Json = {kind: {"schema": {"type": "string", "format": "binary"}} for kind in MEDIA_TYPES.values()}


def find(engine: Engine, model: str | None) -> SpeechCheckpoint:
    """The checkpoint that a request names."""
    return engine.find(SPEECH, None if model in ALIASES else model)


@router.post(
    "/v1/audio/speech",
    response_class=Response,
    responses={
        200: {"content": {**_CONTENT, **event_stream()}},
        **errors(
            OPENAI,
            {
                400: "Not a JSON object; a parameter that is unknown or wrong; a text that can't be said",
                404: "No such synthesiser",
                415: "Something that is no JSON",
                504: "It took too long",
            },
        ),
    },
    openapi_extra={"requestBody": json_content(SpeechRequest.json_schema(), {"input": "Hello world."})},
)
@Contract(errors=OPENAI, task="speech", body="text")
async def create_speech(request: Request) -> Response:
    """Says a text.

    The contract is OpenAI's: their clients work with `base_url` set to `/v1` here. A long text is said sentence by
    sentence, and sent as it is.

        curl -d '{"input": "Hello world."}' localhost:8000/v1/audio/speech > hello.mp3
    """
    engine: Engine = request.app.state.engine
    asked = await read_body(request, SpeechRequest)
    worker: SynthesiserWorker = engine.worker(find(engine, asked.model))
    voice = voice_of(worker.model, asked.voice_name)
    speech = await while_connected(request, worker.plan(asked.input, voice, asked.speed))
    parts = worker.parts(speech, asked.response_format)
    if asked.stream_format == "sse":
        return EventStream(_events(parts, asked.input, speech, request))
    return await audio(request, parts, speech, asked.response_format)


async def audio(request: Request, parts: AsyncGenerator[bytes], speech: Speech, format: Format) -> Response:
    """The file of a speech: whole, if it is there at once, else as it is made.

    Its first part is waited for, so that whatever goes wrong until then is told in words.
    """
    first = await while_connected(request, anext(parts))
    size = encoded_size(format, speech.samples)
    if size == len(first):
        return Response(first, media_type=MEDIA_TYPES[format])
    headers = {} if size is None else {"content-length": str(size)}
    return StreamingResponse(_rest(first, parts), headers=headers, media_type=MEDIA_TYPES[format])


async def _rest(first: bytes, parts: AsyncGenerator[bytes]) -> AsyncIterator[bytes]:
    async with aclosing(parts):
        yield first
        async for part in parts:
            yield part


async def _events(parts: AsyncGenerator[bytes], text: str, speech: Speech, request: Request) -> AsyncIterator[bytes]:
    """The parts of the file, and the time of each word; an error takes the place of the rest."""
    try:
        async with aclosing(parts):
            async for part in parts:
                yield event(SpeechDelta(audio=b64encode_as_string(part)).model_dump())
    except Refusal as error:
        yield event(tell(error, request.scope)[1])
        return
    yield event(done(text, speech).model_dump())


@router.get(
    "/v1/audio/voices",
    responses=errors(OPENAI, {404: "No such synthesiser"}),
)
@Contract(errors=OPENAI, task="speech")
async def list_voices(request: Request, model: str | None = None) -> VoiceList:
    """The voices of a synthesiser: the one that `model` names, or the default one."""
    engine: Engine = request.app.state.engine
    worker: SynthesiserWorker = engine.worker(find(engine, model))
    voices = worker.model.voices.voices
    return VoiceList(
        voices=[SpeechVoice(id=voice.name, name=voice.name.title(), description=voice.description) for voice in voices],
        default_voice=voices[0].name,
    )
