"""Text: prompts in, continuations out, over HTTP and on the command line."""

from app.tasks.task import TaskService
from app.tasks.text.command import generate

SERVICE = TaskService(
    name="text",
    default="shakespeare",
    loader="worker:load_worker",
    routes=("openai:router", "states:router"),
    handler="huggingface:HANDLER",
    schema="schemas:LanguageModelCard",
    fields=lambda checkpoint: {
        "unit": checkpoint.config.unit,
        "cell": checkpoint.config.cell,
        "num_layers": checkpoint.config.num_layers,
        "hidden_size": checkpoint.config.hidden_size,
        "generation": checkpoint.config.generation.model_dump(),
        "readable_cells": checkpoint.has("readable"),
    },
    network="{num_layers} x {hidden_size} {cell}, {unit}s".format_map,
    command=generate,
)
