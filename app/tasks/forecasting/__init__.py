"""Forecasting: prices in, the distribution of the next days out, over HTTP and on the command line."""

from app.tasks.forecasting.command import forecast
from app.tasks.task import TaskService

SERVICE = TaskService(
    name="forecasting",
    default="indices",
    loader="service:load_worker",
    routes=("routes:router", "nixtla:router"),
    handler="huggingface:HANDLER",
    schema="schemas:ForecasterCard",
    fields=lambda checkpoint: {
        "cell": checkpoint.config.cell,
        "num_layers": checkpoint.config.num_layers,
        "hidden_size": checkpoint.config.hidden_size,
        "members": checkpoint.config.members,
        "context": checkpoint.config.context,
    },
    network="{members} times {num_layers} x {hidden_size} {cell}, {context} days".format_map,
    command=forecast,
)
