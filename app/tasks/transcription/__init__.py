"""Transcription: recordings in, what is said in them out, over HTTP and on the command line."""

from app.tasks.task import TaskService
from app.tasks.transcription.command import transcribe

SERVICE = TaskService(
    name="transcription",
    default="an4",
    loader="service:load_worker",
    routes=("openai:router",),
    handler="huggingface:HANDLER",
    schema="schemas:RecogniserCard",
    fields=lambda checkpoint: {
        "cell": checkpoint.config.cell,
        "num_layers": checkpoint.config.num_layers,
        "hidden_size": checkpoint.config.hidden_size,
        "bidirectional": checkpoint.config.bidirectional,
        "decoding": checkpoint.config.decoding,
    },
    network="{num_layers} x {hidden_size} {cell}".format_map,
    command=transcribe,
)
