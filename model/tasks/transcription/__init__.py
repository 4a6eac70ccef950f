"""Transcription: what is said in a recording."""

from model.task import Asset, Task
from model.tasks.transcription.alphabet import Alphabet
from model.tasks.transcription.config import TranscriptionConfig
from model.tasks.transcription.recogniser import Recogniser

TRANSCRIPTION = Task(
    name="transcription",
    pipeline="automatic-speech-recognition",
    noun="recogniser",
    config=TranscriptionConfig,
    assets=(Asset("alphabet", "alphabet.json", Alphabet),),
    build=Recogniser,
)
