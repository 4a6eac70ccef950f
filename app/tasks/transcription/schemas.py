"""Answers of recognisers in the words of OpenAI and of Hugging Face, and their cards."""

import math
import zlib
from base64 import b64encode
from collections.abc import Sequence
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BaseModel

from app.http.schema import UNLESS_NONE, ModelCard, Schema
from model.tasks.transcription.config import DecodingConfig
from model.tasks.transcription.recogniser import SECONDS, Segment, Transcript, Word


class Usage(Schema):
    """The price of a recording, if there were one."""

    type: Literal["duration"] = "duration"
    seconds: float


class TranscriptionText(Schema):
    """The text of a recording."""

    text: str
    """Empty where nothing is said."""
    usage: Usage


class TranscriptionWord(Schema):
    """A word, and when it is said."""

    word: str
    start: float
    """Seconds from the beginning of the recording."""
    end: float
    confidence: float
    """Probability that the word is right."""


class TranscriptionSegment(Schema):
    """The text between two pauses."""

    id: int
    seek: int
    """Hundredths of a second before the segment."""
    start: float
    end: float
    text: str
    tokens: list[int]
    """Numbers of its letters."""
    temperature: float
    """Always 0: texts are searched for, not drawn."""
    avg_logprob: float
    """Mean log-probability of the letters, each where it is surest."""
    compression_ratio: float
    """Bytes of the text for each that zlib makes of them."""
    no_speech_prob: float
    """Probability that none of its words is right."""


class TranscriptionFrames(Schema):
    """The letters that are heard at each moment of a piece of a recording."""

    start: float
    """Seconds at which the piece begins."""
    step: float
    """Seconds from a frame to the next."""
    letters: list[str]
    """The letters that there are; the first is none, the blank."""
    probabilities: str
    """Base64 of a byte for each frame and letter, frame by frame, in steps of 1/255."""


class VerboseTranscription(Schema):
    """The text of a recording, with the times of segments or words."""

    task: Literal["transcribe"] = "transcribe"
    language: Literal["english"] = "english"
    duration: float
    text: str
    segments: Annotated[list[TranscriptionSegment] | None, UNLESS_NONE] = None
    words: Annotated[list[TranscriptionWord] | None, UNLESS_NONE] = None
    frames: Annotated[list[TranscriptionFrames] | None, UNLESS_NONE] = None
    """The letters that the network heard in each piece, before its language model; not part of OpenAI's contract."""
    usage: Usage


class Chunk(Schema):
    """A part of a text, in Hugging Face's words."""

    text: str
    timestamp: tuple[float, float]
    """Seconds from the beginning of the recording."""


class AutomaticSpeechRecognition(Schema):
    """The text of a recording, in Hugging Face's words."""

    text: str
    chunks: Annotated[list[Chunk] | None, UNLESS_NONE] = None


class RecogniserCard(ModelCard):
    """A model that writes what is said."""

    task: Literal["automatic-speech-recognition"] = "automatic-speech-recognition"
    """Hugging Face's name of the task."""
    cell: str
    """Kind of its recurrent layers."""
    num_layers: int
    hidden_size: int
    """Units in each direction."""
    bidirectional: bool
    """Whether layers also run from the end back."""
    decoding: DecodingConfig
    """Defaults of a request's parameters."""


def words_of(words: Sequence[Word]) -> list[TranscriptionWord]:
    """Words with their times."""
    return [
        TranscriptionWord(
            word=word.text, start=_rounded(word.begin), end=_rounded(word.end), confidence=word.confidence
        )
        for word in words
    ]


def spoken(segments: Sequence[Segment]) -> list[Segment]:
    """The segments in which something is said."""
    return [segment for segment in segments if segment.words]


def segments_of(transcript: Transcript, letters: dict[str, int]) -> list[TranscriptionSegment]:
    """The segments in which something is said, from the first word to the last."""
    found = []
    for number, segment in enumerate(spoken(transcript.segments)):
        text = segment.text.encode()
        found.append(
            TranscriptionSegment(
                id=number,
                seek=round(100 * segment.begin),
                start=_rounded(segment.words[0].begin),
                end=_rounded(segment.words[-1].end),
                text=segment.text,
                tokens=[letters[letter] for letter in segment.text],
                temperature=0.0,
                avg_logprob=sum(word.score for word in segment.words) / len(segment.words),
                compression_ratio=len(text) / len(zlib.compress(text)),
                no_speech_prob=math.prod(1 - word.confidence for word in segment.words),
            )
        )
    return found


def frames_of(segments: Sequence[Segment], letters: Sequence[str]) -> list[TranscriptionFrames]:
    """The probabilities of letters over each segment."""
    return [
        TranscriptionFrames(
            start=_rounded(segment.begin),
            step=SECONDS,
            letters=["", *letters],
            probabilities=b64encode(np.rint(255 * np.exp(segment.logprobs)).astype(np.uint8).tobytes()).decode(),
        )
        for segment in segments
    ]


def verbose(transcript: Transcript, granularities: Sequence[str], letters: dict[str, int]) -> VerboseTranscription:
    """An answer with the times that were asked for."""
    return VerboseTranscription(
        duration=_rounded(transcript.seconds),
        text=transcript.text,
        segments=segments_of(transcript, letters) if "segment" in granularities else None,
        words=words_of(transcript.words) if "word" in granularities else None,
        frames=frames_of(transcript.segments, list(letters)) if "frame" in granularities else None,
        usage=Usage(seconds=_rounded(transcript.seconds)),
    )


def subtitles(transcript: Transcript, kind: Literal["srt", "vtt"]) -> str:
    """Subtitles in SubRip's format or WebVTT."""
    parts = ["WEBVTT\n"] if kind == "vtt" else []
    for number, segment in enumerate(spoken(transcript.segments), 1):
        begin, end = (_clock(seconds, kind) for seconds in (segment.words[0].begin, segment.words[-1].end))
        heading = f"{number}\n" if kind == "srt" else ""
        parts.append(f"{heading}{begin} --> {end}\n{segment.text}\n")
    return "\n".join(parts)


def _clock(seconds: float, kind: str) -> str:
    whole, thousandths = divmod(round(1000 * seconds), 1000)
    minutes, second = divmod(whole, 60)
    return f"{minutes // 60:02}:{minutes % 60:02}:{second:02}{',' if kind == 'srt' else '.'}{thousandths:03}"


def _rounded(seconds: float) -> float:
    return round(seconds, 3)


def in_json(transcript: Transcript) -> dict[str, Any]:
    """A transcript as the command prints it."""
    return {
        "text": transcript.text,
        "confidence": transcript.confidence,
        "seconds": _rounded(transcript.seconds),
        "words": [word.model_dump() for word in words_of(transcript.words)],
    }


class Delta(BaseModel):
    """A further part of a text that is being heard."""

    type: Literal["transcript.text.delta"] = "transcript.text.delta"
    delta: str


class Done(BaseModel):
    """The end of a text that was heard."""

    type: Literal["transcript.text.done"] = "transcript.text.done"
    text: str
    usage: Usage
