"""Translation: texts of one language in, of another out, over HTTP and on the command line."""

from app.tasks.task import TaskService
from app.tasks.translation.command import translate

SERVICE = TaskService(
    name="translation",
    default="multi30k-en-de",
    loader="service:load_worker",
    routes=("routes:router", "libretranslate:router"),
    handler="huggingface:HANDLER",
    schema="schemas:TranslatorCard",
    fields=lambda checkpoint: {
        "source": checkpoint.config.source,
        "target": checkpoint.config.target,
        "cell": checkpoint.config.cell,
        "hidden_size": checkpoint.config.hidden_size,
        "decoding": checkpoint.config.decoding.model_dump(),
    },
    network="{source} to {target}, {hidden_size} {cell}".format_map,
    command=translate,
)
