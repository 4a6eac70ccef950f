"""Intents: sentences in, what they ask for out, over HTTP and on the command line."""

from app.tasks.intents.command import classify
from app.tasks.task import TaskService

SERVICE = TaskService(
    name="intents",
    default="clinc150",
    loader="service:load_worker",
    routes=("routes:router", "rasa:router"),
    handler="huggingface:HANDLER",
    schema="schemas:IntentCard",
    fields=lambda checkpoint: {
        "cell": checkpoint.config.cell,
        "num_layers": checkpoint.config.num_layers,
        "hidden_size": checkpoint.config.hidden_size,
        "threshold": checkpoint.config.threshold,
    },
    network="{num_layers} x {hidden_size} {cell} in both directions".format_map,
    command=classify,
)
