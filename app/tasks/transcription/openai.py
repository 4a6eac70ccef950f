"""POST /v1/audio/transcriptions: a recording in, what is said in it out, in OpenAI's contract."""

from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from typing import Annotated, Any, Literal, Self

from fastapi import APIRouter, Request, Response
from fastapi.responses import PlainTextResponse
from pydantic import Field, model_validator

from app.errors import Refusal
from app.http.body import Ignored, parse
from app.http.contract import Contract
from app.http.dialects import OPENAI
from app.http.errors import tell
from app.http.events import EventStream, event
from app.http.fields import unknown
from app.http.forms import parse_multipart
from app.http.openapi import Json, errors, event_stream
from app.http.requests import UploadParameters, while_connected
from app.serving.engine import Engine
from app.tasks.transcription.schemas import (
    Delta,
    Done,
    TranscriptionText,
    Usage,
    VerboseTranscription,
    subtitles,
    verbose,
)
from app.tasks.transcription.service import RecogniserWorker
from model.audio import RATE, Samples
from model.tasks.transcription import TRANSCRIPTION
from model.tasks.transcription.config import DecodingConfig
from model.tasks.transcription.recogniser import Segment, Transcript

router = APIRouter(tags=["transcriptions"])

FILE = "file"
SEVERAL = ("timestamp_granularities", "include", "chunking_strategy")
"""Fields that may come several times; clients write `include[]`, and `chunking_strategy[type]` for an object."""


class TranscriptionParameters(UploadParameters):
    """Parameters of a transcription: OpenAI's."""

    model: str | None = None
    """Name of a recogniser, as in /v1/models; `whisper-1` is the default one."""
    language: Literal["en", "english", "English"] | None = None
    """English is what there is."""
    prompt: str | None = None
    """Ignored: the language model begins anew with each recording."""
    temperature: Annotated[float, Field(ge=0, le=1)] | None = None
    """Ignored: texts are searched for, not drawn."""
    response_format: Literal["json", "text", "srt", "verbose_json", "vtt"] = "json"
    timestamp_granularities: tuple[Literal["word", "segment", "frame"], ...] = ("segment",)
    """The times that are told, with `verbose_json`; may be given several times. `frame` is Recap's own: the letters
    that are heard at each moment."""
    include: Ignored = None
    stream: bool = False
    """Whether to send the text as it is heard, as server-sent events."""
    chunking_strategy: Ignored = None

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if set(self.timestamp_granularities) - {"segment"} and self.response_format != "verbose_json":
            message = "timestamp_granularities: words and frames have times with response_format=verbose_json alone"
            raise Refusal("invalid_parameter", message, "timestamp_granularities")
        if self.stream and self.response_format not in ("json", "text"):
            message = f"stream=true: not with response_format={self.response_format}; json and text are streamed"
            raise Refusal("invalid_parameter", message, "stream")
        return self


async def read_form(request: Request) -> tuple[bytes, TranscriptionParameters]:
    """The file and the parameters of a multipart form.

    Raises:
        Refusal: it is no such form, has no file or several, or a parameter that is unknown or wrong.
    """
    content_type = request.headers.get("content-type", "")
    if not content_type.lower().startswith("multipart/form-data"):
        message = (
            f"the body is {content_type[:100]!r}; a form is needed, as multipart/form-data, with the field {FILE!r}"
        )
        raise Refusal("unsupported_media_type", message)
    async with aclosing(request.stream()) as stream:
        fields = await parse_multipart(content_type, stream, 1, FILE)
    document: dict[str, Any] = {}
    for name, value in fields:
        name = name.partition("[")[0]
        if name not in (FILE, *TranscriptionParameters.model_fields):
            raise unknown(name, (FILE, *TranscriptionParameters.model_fields))
        if name in SEVERAL:
            document.setdefault(name, []).append(value)
        elif name in document:
            raise Refusal("conflicting_parameter", f"{name} is there twice", name)
        elif value != "":
            document[name] = value
    data = document.pop(FILE, None)
    if data is None:
        raise Refusal("missing_audio", f"there is no field {FILE!r}, or it is empty; it holds the recording", FILE)
    if isinstance(data, str):
        raise Refusal("missing_audio", f"{FILE} is text; send the recording as a file of the form", FILE)
    return data, parse(TranscriptionParameters, document)


def _in_form(schema: Json) -> Json:
    """The schema of a field of a form, which has no null."""
    if "anyOf" not in schema:
        return schema
    (kind,) = (part for part in schema["anyOf"] if part != {"type": "null"})
    return {**kind, **{name: value for name, value in schema.items() if name != "anyOf"}}


_PARAMETERS = TranscriptionParameters.json_schema()
_TEXT: Json = {"schema": {"type": "string"}}
_CONTENT: Json = {"text/plain": _TEXT, "text/vtt": _TEXT, **event_stream()}
_BODY: Json = {
    "required": True,
    "content": {
        "multipart/form-data": {
            "schema": {
                **_PARAMETERS,
                "properties": {
                    FILE: {
                        "type": "string",
                        "format": "binary",
                        "contentMediaType": "application/octet-stream",
                        "description": "The recording: WAV, FLAC, Ogg (Vorbis or Opus) or MP3, of at most 10 minutes.",
                    },
                    **{
                        f"{name}[]" if name in ("timestamp_granularities", "include") else name: _in_form(part)
                        for name, part in _PARAMETERS["properties"].items()
                    },
                },
                "required": [FILE],
            }
        }
    },
}


@router.post(
    "/v1/audio/transcriptions",
    response_model=TranscriptionText | VerboseTranscription,
    responses={
        200: {"content": _CONTENT},
        **errors(
            OPENAI,
            {
                400: "A form that can't be parsed; a recording that is empty, damaged or too long; a wrong parameter",
                404: "No such recogniser",
                415: "A format that is not read, by its bytes; or no multipart form",
                504: "It took too long",
            },
        ),
    },
    openapi_extra={"requestBody": _BODY},
)
@Contract(errors=OPENAI, task="transcription")
async def create_transcription(request: Request) -> Any:
    """Writes what is said in a recording.

    The contract is OpenAI's: their clients work with `base_url` set to `/v1` here. Long recordings are cut at pauses.

        curl -F file=@hello.wav -F response_format=verbose_json localhost:8000/v1/audio/transcriptions
    """
    engine: Engine = request.app.state.engine
    data, asked = await read_form(request)
    checkpoint = engine.find(TRANSCRIPTION, None if asked.model == "whisper-1" else asked.model)
    worker: RecogniserWorker = engine.worker(checkpoint)
    decoding = checkpoint.config.decoding
    waveform = await while_connected(request, worker.read(data))
    del data
    if asked.stream:
        return EventStream(_events(worker, waveform, decoding, request))

    async def heard() -> list[Segment]:
        return [segment async for segment in worker.segments(waveform, decoding)]

    transcript = Transcript(tuple(await while_connected(request, heard())), len(waveform) / RATE)
    return _answer(transcript, asked, worker.model.alphabet.letters)


def _answer(transcript: Transcript, asked: TranscriptionParameters, letters: Sequence[str]) -> Any:
    """The answer in the format that was asked for."""
    match asked.response_format:
        case "text":
            return PlainTextResponse(f"{transcript.text}\n")
        case "srt" | "vtt" as kind:
            return Response(subtitles(transcript, kind), media_type="text/plain" if kind == "srt" else "text/vtt")
        case "verbose_json":
            numbers = {letter: number for number, letter in enumerate(letters, 1)}
            return verbose(transcript, asked.timestamp_granularities, numbers)
        case _:
            return TranscriptionText(text=transcript.text, usage=Usage(seconds=round(transcript.seconds, 3)))


async def _events(
    worker: RecogniserWorker, waveform: Samples, decoding: DecodingConfig, request: Request
) -> AsyncIterator[bytes]:
    """Each segment as soon as it is heard, and the whole text at the end; an error takes the place of the rest."""
    text = ""
    try:
        async for segment in worker.segments(waveform, decoding):
            if segment.words:
                delta = f" {segment.text}" if text else segment.text
                text += delta
                yield event(Delta(delta=delta).model_dump())
    except Refusal as error:
        yield event(tell(error, request.scope)[1])
        return
    yield event(Done(text=text, usage=Usage(seconds=round(len(waveform) / RATE, 3))).model_dump())
