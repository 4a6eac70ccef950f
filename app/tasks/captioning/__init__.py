"""Captioning: pictures in, sentences out, over HTTP and on the command line."""

from app.tasks.captioning.command import caption
from app.tasks.task import TaskService

SERVICE = TaskService(
    name="captioning",
    default="flickr8k-coco",
    loader="service:load_worker",
    routes=(
        *("routes:router", "stream:router", "remote:router"),
        *("openai:router", "ibm_max:router", "ollama:router", "photoprism:router"),
    ),
    handler="huggingface:HANDLER",
    schema="schemas:CaptionerCard",
    fields=lambda checkpoint: {
        "encoder": checkpoint.config.encoder.name,
        "preprocessing": checkpoint.config.encoder.preprocessing.model_dump(mode="json"),
        "decoder": checkpoint.config.decoder.kind,
        "decoding": checkpoint.config.decoding.model_dump(),
        "tags": checkpoint.has("tags"),
    },
    network="{encoder}, {decoder}".format_map,
    command=caption,
)
