"""The application: models' life cycle, middleware and routes."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from importlib.metadata import PackageNotFoundError, version

import anyio
from fastapi import FastAPI, Security
from fastapi.middleware.cors import CORSMiddleware
from fastapi.security import HTTPBearer
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from app.http.errors import install_error_handlers
from app.http.fetch import Fetcher
from app.http.middleware.access import AccessMiddleware
from app.http.middleware.admission import RoomMiddleware
from app.http.middleware.bodies import BodyLimitMiddleware
from app.http.middleware.headers import SecurityHeadersMiddleware
from app.http.middleware.request_id import REQUEST_ID, RequestIdMiddleware
from app.http.middleware.telemetry import TelemetryMiddleware
from app.routes import docs, health, huggingface, metrics, models, page
from app.serving.engine import Engine
from app.settings import Settings
from app.tasks import TASKS
from app.tasks.captioning import batch, chat, ibm_max, stream
from app.tasks.captioning import routes as captions
from app.tasks.text import routes as completions


def create_app(settings: Settings | None = None, on_failure: Callable[[str], None] | None = None) -> FastAPI:
    """The application. Checkpoints' descriptions are read here; their weights load while it already answers.

    Args:
        settings: by default, what the environment says.
        on_failure: called with the reason when weights can't be loaded: the server's chance to stop.

    Raises:
        CheckpointError: a checkpoint is missing or broken.
        ValueError: the device is not there, or OpenVINO is asked for and can't be had.
    """
    settings = settings or Settings()
    engine = Engine(settings, TASKS)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(engine.run, on_failure)
            yield
            engine.state = "draining"
            tasks.cancel_scope.cancel()
        await engine.close()

    description = "Describes pictures in words, and writes text."
    app = FastAPI(
        title="Recap", description=description, version=_version(), lifespan=lifespan, docs_url=None, redoc_url=None
    )
    app.state.engine = engine
    app.state.fetcher = Fetcher(settings)
    install_error_handlers(app)
    app.router.routes.extend(page.routes)
    modules = (
        captions,
        batch,
        stream,
        completions,
        chat,
        huggingface,
        ibm_max,
        models,
        health,
        docs,
        metrics,
    )
    routes = [*app.routes, *(route for module in modules for route in module.router.routes)]
    # AccessMiddleware asks for keys; this says so in /openapi.json, so that /docs can send one.
    needs_key = [Security(HTTPBearer(auto_error=False))] if settings.api_keys else []
    for module in modules:
        app.include_router(module.router, dependencies=[] if module in (health, docs) else needs_key)
    # From the innermost to the outermost.
    app.add_middleware(RoomMiddleware, engine=engine)
    app.add_middleware(BodyLimitMiddleware, settings=settings)
    app.add_middleware(AccessMiddleware, settings=settings)
    app.add_middleware(RequestIdMiddleware)
    if settings.cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.cors_origins,
            allow_methods=["GET", "POST"],
            allow_headers=["*"],
            expose_headers=[REQUEST_ID, "retry-after"],
        )
    app.add_middleware(SecurityHeadersMiddleware)
    app.add_middleware(TelemetryMiddleware, metrics=engine.metrics, routes=routes)
    if settings.trusted_proxies:
        app.add_middleware(ProxyHeadersMiddleware, trusted_hosts=[str(network) for network in settings.trusted_proxies])
    return app


def _version() -> str:
    try:
        return version("recap-captioner")
    except PackageNotFoundError:  # run from a checkout that was never installed
        return "0"
