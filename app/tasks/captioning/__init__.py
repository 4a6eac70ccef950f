"""Captioning: pictures in, sentences out, over HTTP and on the command line."""

from typing import TYPE_CHECKING, Any

from app.tasks.captioning.command import caption
from app.tasks.task import TaskService

if TYPE_CHECKING:
    from model.checkpoint import Checkpoint


def _fields(checkpoint: "Checkpoint[Any, Any]") -> dict[str, Any]:
    config = checkpoint.config
    return {
        "encoder": config.encoder.name,
        "preprocessing": config.encoder.preprocessing.model_dump(mode="json"),
        "decoder": config.decoder.kind,
        "decoding": config.decoding.model_dump(),
    }


SERVICE = TaskService(
    name="captioning",
    default="flickr8k",
    loader="captioning.service:load_worker",
    routes=(
        "captioning.routes:router",
        "captioning.stream:router",
        "captioning.openai:router",
        "captioning.ibm_max:router",
    ),
    handler="captioning.huggingface:HANDLER",
    schema="captioning.schemas:CaptionerCard",
    fields=_fields,
    network="{encoder}, {decoder}".format_map,
    command=caption,
)
