"""The tasks that are served; each adds a worker, routes, a command and the fields of its models' cards."""

from app.tasks import captioning, forecasting, intents, speech, text, transcription, translation
from app.tasks.task import TaskService

TASKS: dict[str, TaskService] = {
    service.name: service
    for service in (
        captioning.SERVICE,
        text.SERVICE,
        intents.SERVICE,
        translation.SERVICE,
        transcription.SERVICE,
        speech.SERVICE,
        forecasting.SERVICE,
    )
}
"""By name, as in `model.tasks.TASKS`."""

PREFERRED = {service.name: service.default for service in TASKS.values()}
"""Task -> name of its default checkpoint."""
