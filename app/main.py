"""The application: models' life cycle, middleware and routes."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from importlib.metadata import PackageNotFoundError, version

import anyio
from fastapi import FastAPI, Security
from fastapi.middleware.cors import CORSMiddleware
from fastapi.security import HTTPBearer
from starlette.routing import Route
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from app.http.contract import Contract
from app.http.errors import HANDLERS
from app.http.fetch import Fetcher
from app.http.middleware.access import AccessMiddleware
from app.http.middleware.admission import AdmissionMiddleware
from app.http.middleware.bodies import BodyLimitMiddleware
from app.http.middleware.headers import SecurityHeadersMiddleware
from app.http.middleware.request_id import REQUEST_ID, RequestIdMiddleware
from app.http.middleware.telemetry import TelemetryMiddleware
from app.routes import docs, health, huggingface, metrics, models, page
from app.serving.engine import Engine
from app.settings import Settings
from app.tasks import TASKS


def create_app(settings: Settings | None = None, on_failure: Callable[[str], None] | None = None) -> FastAPI:
    """Build the application. Checkpoints' descriptions are read here; their weights load while it already answers.

    Args:
        settings: taken from the environment by default.
        on_failure: called with the reason if weights can't be loaded, so that the server can stop.

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
        title="Recap",
        description=description,
        version=_version(),
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        generate_unique_id_function=lambda route: route.name,  # which generated clients call their functions
    )
    app.state.engine = engine
    app.state.fetcher = Fetcher(settings)
    app.exception_handlers.update(HANDLERS)
    app.router.routes.extend(page.routes)
    for route in app.router.routes:
        if isinstance(route, Route) and route.path == app.openapi_url:
            Contract(open=True)(route.endpoint)
    # AccessMiddleware checks keys; this documents them in /openapi.json, so that /docs can send one.
    needs_key = [Security(HTTPBearer(auto_error=False))] if settings.api_keys else []
    for router in (
        *(router for task in TASKS.values() for router in task.routers()),  # before Hugging Face's, whose paths overlap
        huggingface.router,
        models.router,
        metrics.router,
    ):
        app.include_router(router, dependencies=needs_key)
    for router in (health.router, docs.router):
        app.include_router(router)
    # From the innermost to the outermost.
    app.add_middleware(AdmissionMiddleware, engine=engine)
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
    app.add_middleware(TelemetryMiddleware, metrics=engine.metrics, routes=app.routes)
    if settings.trusted_proxies:
        app.add_middleware(ProxyHeadersMiddleware, trusted_hosts=[str(network) for network in settings.trusted_proxies])
    return app


def _version() -> str:
    try:
        return version("recap-captioner")
    except PackageNotFoundError:  # run from a checkout that was never installed
        return "0"
