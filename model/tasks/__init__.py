"""The tasks that a checkpoint can be for. What each adds to the service and to training has the same name there."""

from typing import Any

from model.task import Task
from model.tasks.captioning import CAPTIONING
from model.tasks.forecasting import FORECASTING
from model.tasks.intents import INTENTS
from model.tasks.speech import SPEECH
from model.tasks.text import TEXT
from model.tasks.transcription import TRANSCRIPTION
from model.tasks.translation import TRANSLATION

TASKS: dict[str, Task[Any, Any]] = {
    task.name: task for task in (CAPTIONING, TEXT, INTENTS, TRANSLATION, TRANSCRIPTION, SPEECH, FORECASTING)
}
"""By name."""
