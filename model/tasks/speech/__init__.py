"""Speech: a text, said by one of some voices."""

from model.task import Asset, Task
from model.tasks.speech.config import SpeechConfig
from model.tasks.speech.pronunciations import Pronunciations
from model.tasks.speech.synthesiser import Synthesiser
from model.tasks.speech.voices import Voices

SPEECH = Task(
    name="speech",
    pipeline="text-to-speech",
    noun="synthesiser",
    config=SpeechConfig,
    assets=(
        Asset("pronunciations", "pronunciations.txt", Pronunciations),
        Asset("voices", "voices.json", Voices),
    ),
    build=Synthesiser,
)
