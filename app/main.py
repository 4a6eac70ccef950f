"""The application: models' life cycle, middleware and routes."""

import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from importlib.metadata import PackageNotFoundError, version

import anyio
import anyio.to_thread
from fastapi import FastAPI

from app.engine import Engine
from app.errors import RequestIdMiddleware, install_error_handlers
from app.limits import BodyLimitMiddleware
from app.routes import (
    caption_batch,
    caption_stream,
    captions,
    chat,
    completions,
    health,
    huggingface,
    ibm_max,
    metrics,
    models,
)
from app.settings import Settings
from app.telemetry import TelemetryMiddleware
from model.checkpoint import CheckpointError

logger = logging.getLogger(__name__)


async def _load(engine: Engine, on_failure: Callable[[str], None] | None) -> None:
    try:
        await anyio.to_thread.run_sync(engine.load, abandon_on_cancel=True)
    except Exception as error:  # out of memory, a driver at odds with torch: whatever it is, it ends the loading
        engine.state = "failed"
        logger.critical("the models could not be loaded: %s", error, exc_info=not isinstance(error, CheckpointError))
        if on_failure:
            on_failure(f"{error}")
    else:
        engine.state = "ready"
        logger.info("serving %s on %s", ", ".join((*engine.captioners, *engine.workers)), engine.device)


def create_app(settings: Settings | None = None, on_failure: Callable[[str], None] | None = None) -> FastAPI:
    """The application. Checkpoints' descriptions are read here; their weights load while it already answers.

    Args:
        settings: by default, what the environment says.
        on_failure: called with the reason when weights can't be loaded: the server's chance to stop.

    Raises:
        CheckpointError: a checkpoint is missing or broken.
        ValueError: the device is not there.
    """
    settings = settings or Settings()
    engine = Engine(settings)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_load, engine, on_failure)
            tasks.start_soon(engine.pictures.run)
            yield
            engine.state = "draining"
            tasks.cancel_scope.cancel()
        await engine.close()

    description = "Describes pictures in words, and writes text."
    app = FastAPI(title="Recap", description=description, version=_version(), lifespan=lifespan)
    app.state.engine = engine
    install_error_handlers(app)
    modules = (
        captions,
        caption_batch,
        caption_stream,
        completions,
        chat,
        huggingface,
        ibm_max,
        models,
        health,
        metrics,
    )
    routes = [*app.routes, *(route for module in modules for route in module.router.routes)]
    for module in modules:
        app.include_router(module.router)
    others = {"/v1/captions/batch": settings.max_batch_bytes}
    app.add_middleware(BodyLimitMiddleware, max_bytes=settings.max_body_bytes, others=others)
    app.add_middleware(RequestIdMiddleware)
    app.add_middleware(TelemetryMiddleware, metrics=engine.metrics, routes=routes)  # the outermost: it was added last
    return app


def _version() -> str:
    try:
        return version("recap-captioner")
    except PackageNotFoundError:  # run from a checkout that was never installed
        return "0"
