"""Speech: texts in, what they sound like out, over HTTP and on the command line."""

from app.tasks.speech.command import speak
from app.tasks.task import TaskService

SERVICE = TaskService(
    name="speech",
    default="asterisk",
    loader="service:load_worker",
    routes=("openai:router",),
    handler="huggingface:HANDLER",
    schema="schemas:SynthesiserCard",
    fields=lambda checkpoint: {
        "cell": checkpoint.config.cell,
        "encoder_size": checkpoint.config.encoder_size,
        "decoder_size": checkpoint.config.decoder_size,
        "decoder_layers": checkpoint.config.decoder_layers,
        "rendering": checkpoint.config.rendering,
    },
    network="{decoder_layers} x {decoder_size} {cell}".format_map,
    command=speak,
)
