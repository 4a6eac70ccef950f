"""Captioning: pictures in, sentences out, over HTTP and on the command line."""

from app.tasks.captioning.command import caption
from app.tasks.task import TaskService

SERVICE = TaskService(
    name="captioning",
    default="flickr8k",
    loader="service:load_worker",
    routes=("routes:router", "stream:router", "openai:router", "ibm_max:router"),
    handler="huggingface:HANDLER",
    schema="schemas:CaptionerCard",
    fields=lambda config: {
        "encoder": config.encoder.name,
        "preprocessing": config.encoder.preprocessing.model_dump(mode="json"),
        "decoder": config.decoder.kind,
        "decoding": config.decoding.model_dump(),
    },
    network="{encoder}, {decoder}".format_map,
    command=caption,
)
