"""Pictures to captions and prompts to texts, without ever holding up the event loop."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Literal, TypeVar

import anyio.to_thread
from PIL import Image

from app.http.errors import ApiError, draining
from app.http.middleware.telemetry import Metrics
from app.serving.continuous import TextWorker
from app.serving.cores import Turns
from app.serving.generation import Generation, TextRequest
from app.serving.loading import Loader
from app.serving.registry import Registry, UnknownModelError
from app.settings import Settings
from app.tasks.captioning.service import PictureWorker
from model.checkpoint import CaptionerCheckpoint, Checkpoint, LanguageCheckpoint
from model.openvino.networks import CompiledCaptioner
from model.tasks.captioning.captioner import Captioner

C = TypeVar("C", bound=Checkpoint)


class Engine:
    """The models, and the threads they run on. These take turns: a call of a network takes all cores, or a share."""

    def __init__(self, settings: Settings) -> None:
        """Reads the checkpoints' descriptions; `load` brings their weights.

        Raises:
            CheckpointError: a checkpoint is missing or broken.
            ValueError: the device is not there, or OpenVINO is asked for and can't be had.
        """
        self.settings = settings
        self.registry = Registry.open(settings.checkpoints, settings.default_model, settings.default_text_model)
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

    def _load(self, checkpoint: Checkpoint) -> Captioner | TextWorker:
        if isinstance(checkpoint, CaptionerCheckpoint):
            captioner = self.loader.captioner(checkpoint)
            captioner.caption([Image.new("RGB", (64, 64))])
            return captioner
        assert isinstance(checkpoint, LanguageCheckpoint)
        model = self.loader.language_model(checkpoint)
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
            ApiError: 503, not yet or no longer.
        """
        if self.state == "loading":
            message = "the models are still loading; try again shortly"
            raise ApiError(503, "loading", message, headers={"retry-after": "2"})
        if self.state == "draining":
            raise draining()
        if self.state == "failed":
            raise ApiError(503, "failed", "the models could not be loaded; the server's log says why")

    def require_room(self) -> None:
        """For a picture.

        Raises:
            ApiError: 503, not ready; 429, too many pictures wait already.
        """
        self.require_ready()
        self.pictures.require_room()

    def find(self, kind: type[C], name: str | None) -> C:
        """The checkpoint of that kind and name, or the default one.

        Raises:
            ApiError: 404, there is none, or it is of another kind.
        """
        try:
            return self.registry.find(kind, name)
        except UnknownModelError as error:
            raise ApiError(404, "unknown_model", str(error), "model") from error

    def generate(self, checkpoint: LanguageCheckpoint, requests: Sequence[TextRequest]) -> Generation:
        """Texts of a language model, which end when the caller leaves the context of what this returns.

        Raises:
            ApiError: 429, too many texts wait already; 503, the server is shutting down.
        """
        return self.workers[checkpoint.name].generate(requests)
