"""Hugging Face's text-to-speech: a text in, a FLAC file out."""

from typing import Annotated, Any

from fastapi import Request, Response
from pydantic import Field

from app.http.body import Ignored, Needed, Unsupported, parse
from app.http.fields import errors_in_terms_of
from app.http.requests import read_body, while_connected
from app.serving.engine import Engine
from app.tasks.huggingface import Handler, Inference, InferenceParameters
from app.tasks.speech.openai import audio
from app.tasks.speech.service import LONGEST, SpeechCheckpoint, SynthesiserWorker, voice_of
from model.audio.encoding import MEDIA_TYPES


class TextToSpeechParameters(InferenceParameters):
    """The parameters of `transformers` for text-to-speech, and Recap's own."""

    voice: str | None = None
    """A name in /v1/audio/voices; by default the first."""
    speed: Annotated[float, Field(ge=0.25, le=4)] | None = None
    """Speed, as a multiple of the usual one."""
    generation_parameters: Ignored = None
    generate_kwargs: Ignored = None
    do_sample: Annotated[Any, Unsupported("speech is not drawn", (False,))] = None


class TextToSpeechInference(Inference):
    """A request for speech."""

    inputs: Annotated[
        str, Field(min_length=1, max_length=LONGEST), Needed(f"a text of 1 to {LONGEST} characters is needed")
    ]
    """A text."""
    parameters: TextToSpeechParameters | None = None


async def infer(request: Request, engine: Engine, checkpoint: SpeechCheckpoint) -> Response:
    """A text as it sounds."""
    asked = await read_body(request, TextToSpeechInference)
    parameters = asked.parameters or parse(TextToSpeechParameters, {})
    worker: SynthesiserWorker = engine.worker(checkpoint)
    voice = voice_of(worker.model, parameters.voice)
    with errors_in_terms_of({"input": "inputs"}):
        speech = await while_connected(request, worker.plan(asked.inputs, voice, parameters.speed or 1.0))
    return await audio(request, worker.parts(speech, "flac"), speech, "flac")


HANDLER = Handler(
    TextToSpeechInference,
    infer,
    "a synthesiser takes text",
    None,
    {MEDIA_TYPES["flac"]: {"schema": {"type": "string", "format": "binary"}}},
)
