"""Answers of synthesisers in OpenAI's words, and their cards."""

from typing import Literal

from pydantic import BaseModel

from app.http.schema import ModelCard, Schema
from app.tasks.speech.service import Speech
from model.tasks.speech.config import RenderingConfig
from model.tasks.speech.synthesiser import Timed

ALIASES = ("tts-1", "tts-1-hd", "gpt-4o-mini-tts")
"""OpenAI's models, in whose place the default one answers."""


class SpeechVoice(Schema):
    """A voice that can be asked for."""

    id: str
    """Value of the parameter `voice`."""
    name: str
    description: str


class VoiceList(Schema):
    """The voices of a model."""

    object: Literal["list"] = "list"
    voices: list[SpeechVoice]
    default_voice: str
    """The one that speaks when a request names none."""


class SynthesiserCard(ModelCard):
    """A model that speaks."""

    task: Literal["text-to-speech"] = "text-to-speech"
    """Hugging Face's name of the task."""
    cell: str
    """Kind of its recurrent layers."""
    encoder_size: int
    """Units of the encoder in each direction."""
    decoder_size: int
    decoder_layers: int
    rendering: RenderingConfig
    """The way from its spectra to sound."""


class SpokenWord(BaseModel):
    """A word, and when it is said, in seconds."""

    word: str
    start: float
    end: float


class SpeechUsage(BaseModel):
    """The price of a text, if there were one: its characters, and frames of 12.5 ms."""

    input_tokens: int
    output_tokens: int
    total_tokens: int


class SpeechDelta(BaseModel):
    """A further part of the file."""

    type: Literal["speech.audio.delta"] = "speech.audio.delta"
    audio: str
    """Base64."""


class SpeechDone(BaseModel):
    """The end of the file."""

    type: Literal["speech.audio.done"] = "speech.audio.done"
    usage: SpeechUsage
    words: list[SpokenWord]
    unheard: list[str]
    """Words that the voice was never heard to say in training."""


def words_of(words: list[Timed]) -> list[SpokenWord]:
    """Words with their times."""
    return [SpokenWord(word=word.text, start=round(word.begin, 3), end=round(word.end, 3)) for word in words]


def done(text: str, speech: Speech) -> SpeechDone:
    """The last event of a text."""
    frames = sum(piece.frames for piece in speech.pieces)
    usage = SpeechUsage(input_tokens=len(text), output_tokens=frames, total_tokens=len(text) + frames)
    return SpeechDone(usage=usage, words=words_of(speech.words()), unheard=list(speech.unheard))
