"""The application as it is, on a cluster: replicas that Ray Serve starts, watches, and asks as they have room."""

import asyncio
from typing import Any

from ray import serve

from app.main import create_app
from app.serving.engine import Engine
from app.settings import Settings

POLL_SECONDS = 0.05
"""Seconds between two looks at whether the models are loaded."""


class Recap:
    """A replica: an application with its own models and queues.

    It counts as healthy once its models are loaded, so that no request comes before; if they can't be, it is replaced.
    """

    def __init__(self, settings: dict[str, Any]) -> None:
        self._settings = Settings(**settings)
        self._engine: Engine | None = None

    def __serve_build_asgi_app__(self) -> Any:
        app = create_app(self._settings)
        self._engine = app.state.engine
        return app

    async def check_health(self) -> None:
        assert self._engine
        while self._engine.state == "loading":  # noqa: ASYNC110 (its thread has no event to set)
            await asyncio.sleep(POLL_SECONDS)
        if self._engine.state == "failed":
            raise RuntimeError("the models could not be loaded; the replica's log says why")


def application(settings: Settings, replicas: tuple[int, int], cpus: int) -> serve.Application:
    """The application for `serve.run`, or for `serve build`.

    Args:
        settings: for the replicas.
        replicas: fewest and most of them.
        cpus: CPUs of each, which are its threads.
    """
    given = settings.model_copy(update={"threads": cpus}).model_dump(mode="json", exclude_unset=True) | {
        "threads": cpus
    }
    room = settings.batch_size + settings.picture_queue
    low, high = replicas
    scaled: dict[str, Any] = {"num_replicas": low}
    if high > low:
        # Two batches' worth of requests keep a replica busy; more are worth another one.
        target = 2 * settings.batch_size
        scaled = {"autoscaling_config": {"min_replicas": low, "max_replicas": high, "target_ongoing_requests": target}}
    deploy: Any = serve.deployment(
        name="recap",
        max_ongoing_requests=room,  # Ray's own 5 would starve the batches
        max_queued_requests=high * room,
        backpressure_config={"status_code": 429, "retry_after_s": 1},
        ray_actor_options={"num_cpus": cpus},
        graceful_shutdown_timeout_s=settings.drain_seconds + 10,
        health_check_timeout_s=120,  # the first compiles the networks
        **scaled,
    )
    found: serve.Application = deploy(serve.ingress()(Recap)).bind(given)
    return found


def run(settings: Settings, replicas: tuple[int, int], cpus: int, *, blocking: bool = True) -> None:
    """Serves on the cluster that this process is connected to, until it is told to stop."""
    serve.start(http_options={"host": settings.host, "port": settings.port})
    serve.run(application(settings, replicas, cpus), route_prefix="/", blocking=blocking)


def built() -> serve.Application:
    """The application for `serve deploy` and KubeRay's RayService, by the settings in the environment."""
    settings = Settings()
    return application(settings, (2, 8), settings.threads or 2)
