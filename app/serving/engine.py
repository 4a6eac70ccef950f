"""Pictures to captions and prompts to texts, without ever holding up the event loop."""

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal

import anyio.to_thread
from PIL import Image

from app.errors import Refusal, draining
from app.serving.continuous import TextWorker
from app.serving.cores import Turns
from app.serving.generation import Generation, TextRequest
from app.serving.loading import Loader
from app.serving.metrics import Metrics
from app.serving.registry import Registry, UnknownModelError
from app.settings import Settings
from app.tasks.captioning.service import Answer, PictureRequest, PictureWorker
from model.checkpoint import Checkpoint
from model.openvino.networks import CompiledCaptioner
from model.task import C, M, Task
from model.tasks.captioning.captioner import Captioner
from model.tasks.text.config import LanguageModelConfig
from model.tasks.text.language import LanguageModel


@dataclass(frozen=True)
class _OneCaptioner:
    """The worker of one captioner, until each has a worker of its own."""

    captioner: Captioner
    pictures: PictureWorker

    def submit(self, requests: Sequence[PictureRequest]) -> list[asyncio.Task[Answer]]:
        return self.pictures.caption([replace(request, captioner=self.captioner) for request in requests])


class Engine:
    """The models, and the threads they run on. These take turns: a call of a network takes all cores, or a share."""

    def __init__(self, settings: Settings) -> None:
        """Reads the checkpoints' descriptions; `load` brings their weights.

        Raises:
            CheckpointError: a checkpoint is missing or broken.
            ValueError: the device is not there, or OpenVINO is asked for and can't be had.
        """
        self.settings = settings
        self.registry = Registry.open(settings.checkpoints, settings.defaults)
        self.loader = Loader(settings)
        self.state: Literal["loading", "ready", "draining", "failed"] = "loading"
        self.settled = False
        """All is loaded that will be."""
        self.captioners: dict[str, Captioner] = {}
        self.workers: dict[str, TextWorker] = {}
        self.metrics = Metrics()
        self._turns = Turns(self.loader.lanes)
        self.pictures = PictureWorker(settings, self._turns, self.metrics)
        depths = {
            "picture": lambda: self.pictures.pending,
            "text": lambda: sum(worker.pending for worker in self.workers.values()),
        }
        self.metrics.watch(self.registry.checkpoints.values(), depths, lambda: self.state == "ready")

    def load(self) -> None:
        """Loads and warms up every model; blocks.

        Raises:
            CheckpointError: a file was changed or cut; says which and how.
        """
        checkpoints = self.registry.checkpoints
        with ThreadPoolExecutor(2) as pool:  # what is compiled, and what is read, leaves a core to another
            models = dict(zip(checkpoints, pool.map(self._load, checkpoints.values()), strict=True))
        self.captioners = {name: model for name, model in models.items() if isinstance(model, Captioner)}
        self.workers = {name: model for name, model in models.items() if isinstance(model, TextWorker)}

    def _load(self, checkpoint: Checkpoint[Any, Any]) -> Captioner | TextWorker:
        model = self.loader.load(checkpoint)
        if isinstance(model, Captioner):
            model.caption([Image.new("RGB", (64, 64))])
            return model
        slots, queue = self.settings.text_slots, self.settings.text_queue
        return TextWorker(checkpoint.name, model, self._turns, self.metrics, slots=slots, queue=queue)

    async def widen(self) -> None:
        """Makes captioners ready for several batches at the same time, where all can be: many pictures need it."""
        lanes = self.loader.lanes
        compiled = [captioner for captioner in self.captioners.values() if isinstance(captioner, CompiledCaptioner)]
        if lanes > 1 and len(compiled) == len(self.captioners):
            turn = partial(self._turns.turn, share=True)
            for captioner in compiled:
                await anyio.to_thread.run_sync(captioner.widen, lanes, turn, abandon_on_cancel=True)
            self.pictures.widen(lanes)

    async def close(self) -> None:
        """Gives up the pictures that wait and the texts that are being written, and ends the threads."""
        self.pictures.close()
        for worker in self.workers.values():
            await anyio.to_thread.run_sync(worker.close)

    def require_ready(self) -> None:
        """
        Raises:
            Refusal: not yet or no longer.
        """
        if self.state == "loading":
            message = "the models are still loading; try again shortly"
            raise Refusal("loading", message, retry_after=2)
        if self.state == "draining":
            raise draining()
        if self.state == "failed":
            raise Refusal("failed", "the models could not be loaded; the server's log says why")

    def require_room(self, task: str) -> None:
        """
        Raises:
            Refusal: not ready; too much waits for this task already.
        """
        self.require_ready()
        if task == "captioning":
            self.pictures.require_room()

    def worker(self, checkpoint: Checkpoint[Any, Any]) -> Any:
        """The worker of a checkpoint."""
        if checkpoint.name in self.workers:
            return self.workers[checkpoint.name]
        return _OneCaptioner(self.captioners[checkpoint.name], self.pictures)

    def find(self, task: Task[C, M], name: str | None) -> Checkpoint[C, M]:
        """The checkpoint of a task that has this name, or the task's default where it is None.

        Raises:
            Refusal: there is none, or it is of another kind.
        """
        try:
            return self.registry.find(task, name)
        except UnknownModelError as error:
            raise Refusal("unknown_model", str(error), "model") from error

    def get(self, name: str) -> Checkpoint[Any, Any]:
        """The checkpoint of this name, whatever its task.

        Raises:
            Refusal: there is none.
        """
        try:
            return self.registry.get(name)
        except UnknownModelError as error:
            raise Refusal("unknown_model", str(error), "model") from error

    def generate(
        self, checkpoint: Checkpoint[LanguageModelConfig, LanguageModel], requests: Sequence[TextRequest]
    ) -> Generation:
        """Texts of a language model, which end when the caller leaves the context of what this returns.

        Raises:
            Refusal: too many texts wait already; the server is shutting down.
        """
        return self.workers[checkpoint.name].generate(requests)
