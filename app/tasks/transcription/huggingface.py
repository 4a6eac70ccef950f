"""Hugging Face's automatic-speech-recognition: a recording as the body, or base64 of it in JSON."""

from typing import Annotated, Any, Literal

from fastapi import Request

from app.http.body import Ignored, Needed, Unsupported, parse
from app.http.fields import errors_in_terms_of
from app.http.requests import body_of, is_object, parse_body, picture_of, while_connected
from app.serving.engine import Engine
from app.tasks.huggingface import Handler, Inference, InferenceParameters
from app.tasks.transcription.schemas import AutomaticSpeechRecognition, Chunk, spoken
from app.tasks.transcription.service import RecogniserWorker
from model.checkpoint import Checkpoint
from model.tasks.transcription.config import TranscriptionConfig
from model.tasks.transcription.recogniser import Recogniser, Segment


class RecognitionParameters(InferenceParameters):
    """The parameters of `transformers` for automatic-speech-recognition."""

    return_timestamps: bool | Literal["word"] = False
    """`word` for the time of each word, true for those of segments."""
    generation_parameters: Ignored = None
    generate_kwargs: Ignored = None
    do_sample: Annotated[Any, Unsupported("texts are searched for", (False,))] = None


class RecognitionInference(Inference):
    """A request for a text in JSON."""

    inputs: Annotated[str, Needed("base64 of a recording is needed")]
    """Base64 of a recording."""
    parameters: RecognitionParameters | None = None


async def infer(
    request: Request, engine: Engine, checkpoint: Checkpoint[TranscriptionConfig, Recogniser]
) -> AutomaticSpeechRecognition:
    """The text of a recording that is the bare body, or stands in JSON."""
    data, parameters = await body_of(request), parse(RecognitionParameters, {})
    if is_object(data):  # no recording begins as one
        asked = await parse_body(request, data, RecognitionInference)
        parameters = asked.parameters or parameters
        data = await picture_of(request, asked.inputs, "inputs")
        del asked
    worker: RecogniserWorker = engine.worker(checkpoint)

    async def heard() -> list[Segment]:
        with errors_in_terms_of({"file": "inputs"}):
            waveform = await worker.read(data)
        return [segment async for segment in worker.segments(waveform, checkpoint.config.decoding)]

    segments = spoken(await while_connected(request, heard()))
    text = " ".join(segment.text for segment in segments)
    if not parameters.return_timestamps:
        return AutomaticSpeechRecognition(text=text)
    if parameters.return_timestamps == "word":
        parts = [(word.text, word.begin, word.end) for segment in segments for word in segment.words]
    else:
        parts = [(segment.text, segment.words[0].begin, segment.words[-1].end) for segment in segments]
    chunks = [Chunk(text=part, timestamp=(round(begin, 3), round(end, 3))) for part, begin, end in parts]
    return AutomaticSpeechRecognition(text=text, chunks=chunks)


HANDLER = Handler(
    RecognitionInference,
    infer,
    "a recogniser takes a recording's bytes, or base64 of them in JSON",
    AutomaticSpeechRecognition,
)
