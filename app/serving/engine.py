"""The models that are served, and their life cycle; blind to what their tasks are."""

import asyncio
import logging
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from functools import partial
from typing import Any, Literal

import anyio.to_thread

from app.errors import Refusal, draining
from app.serving.registry import Registry
from app.serving.worker import Resources, Service, Worker
from app.settings import Settings
from model.checkpoint import Checkpoint, CheckpointError

logger = logging.getLogger(__name__)


class Engine:
    """A worker for each checkpoint. Workers share the cores and take turns at them.

    Constructing it reads the checkpoints' descriptions; `run` loads their weights.

    Raises:
        CheckpointError: a checkpoint is missing or broken.
        ValueError: there is no folder of checkpoints; the device is missing, or OpenVINO is demanded and not installed.
    """

    def __init__(self, settings: Settings, services: Mapping[str, Service]) -> None:
        self.settings = settings
        preferred = {name: service.default for name, service in services.items()}
        self.registry = Registry.open(settings.checkpoint_folder(), settings.defaults, preferred)
        self.find, self.get = self.registry.find, self.registry.get
        self.state: Literal["loading", "ready", "draining", "failed"] = "loading"
        self.settled = False
        """True once everything is loaded that will be."""
        self._services = services
        self._resources = Resources(settings)
        self._workers: dict[str, Worker] = {}
        self.metrics = self._resources.metrics
        self.metrics.ready.set_function(lambda: self.state == "ready")
        for task in services:
            self.metrics.queue_depth.labels(task).set_function(partial(self._pending, task))
        for checkpoint in self.registry.checkpoints.values():
            self.metrics.model_info.labels(checkpoint.name, checkpoint.task.pipeline, checkpoint.sha256).set(1)

    async def run(self, on_failure: Callable[[str], None] | None = None) -> None:
        """Loads and warms up every model, then prepares the workers for many requests at once.

        If a model can't be loaded, `on_failure` is called with the reason.
        """
        try:
            await anyio.to_thread.run_sync(self._load, abandon_on_cancel=True)
        except Exception as error:  # also out of memory, or a driver that does not go with torch
            self.state = "failed"
            known = isinstance(error, CheckpointError)
            logger.critical("the models could not be loaded: %s", error, exc_info=not known)
            if on_failure:
                on_failure(f"{error}")
            return
        if self.state == "loading":  # it may be draining by now
            self.state = "ready"
        logger.info("serving %s on %s", ", ".join(self._workers), self._resources.loader.device)
        for name, worker in self._workers.items():
            try:
                await worker.widen()
            except Exception:  # out of memory: what is loaded serves
                logger.warning("%s runs a batch at a time, even when many requests wait", name, exc_info=True)
        self.settled = True

    async def close(self) -> None:
        """Gives up what waits, ends texts that are being written, and ends the threads."""
        await asyncio.gather(*[worker.close() for worker in self._workers.values()])
        self._resources.close()

    def worker(self, checkpoint: Checkpoint[Any, Any]) -> Any:
        """The worker of a checkpoint, of the class that its task's service makes."""
        return self._workers[checkpoint.name]

    def pause(self) -> AbstractContextManager[None]:
        """Keeps all networks from running while its context is open: for tests."""
        return self._resources.cores.whole()

    def require_ready(self) -> None:
        """Raises a `Refusal` if the models are not loaded yet, could not be loaded, or serve no longer."""
        if self.state == "loading":
            raise Refusal("loading", "the models are still loading; try again shortly", retry_after=2)
        if self.state == "draining":
            raise draining()
        if self.state == "failed":
            raise Refusal("failed", "the models could not be loaded; the server's log says why")

    def require_room(self, task: str) -> None:
        """Refuses early what every worker of a task would refuse; does nothing if the task has none."""
        self.require_ready()
        refusal: Refusal | None = None
        for worker in self._workers_of(task):
            try:
                worker.require_room()
            except Refusal as error:
                refusal = error
            else:
                return
        if refusal:
            raise refusal

    def _load(self) -> None:
        def load(checkpoint: Checkpoint[Any, Any]) -> Worker:
            return self._services[checkpoint.task.name].worker(checkpoint, self._resources)

        checkpoints = self.registry.checkpoints
        with ThreadPoolExecutor(2) as pool:  # one that compiles or reads leaves a core to another
            self._workers = dict(zip(checkpoints, pool.map(load, checkpoints.values()), strict=True))

    def _workers_of(self, task: str) -> list[Worker]:
        checkpoints = self.registry.checkpoints
        return [worker for name, worker in self._workers.items() if checkpoints[name].task.name == task]

    def _pending(self, task: str) -> int:
        return sum(worker.pending for worker in self._workers_of(task))
