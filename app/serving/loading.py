"""Loads checkpoints to models that run where and how the settings say."""

import logging
from pathlib import Path

import torch
from platformdirs import user_cache_path

from app.serving.registry import choose_device
from app.settings import Settings
from model.checkpoint import Checkpoint, CheckpointError
from model.openvino.runtime import Runtime
from model.task import C, M

LANES = 4
"""Twice what OpenVINO runs at a time on two cores, so that the next call is ready when one ends."""

logger = logging.getLogger(__name__)


class Loader:
    """Loads models, several at a time if need be.

    Raises:
        ValueError: the device is missing, or OpenVINO is demanded and not installed.
    """

    def __init__(self, settings: Settings) -> None:
        self.device = choose_device(settings.device)
        self.cache = settings.cache or user_cache_path("recap", appauthor=False)
        """Folder of the compiled networks."""
        self.runtime = _choose_runtime(settings, self.device, self.cache)
        self._threads = settings.threads or torch.get_num_threads()
        self.lanes = LANES if self.runtime and self._threads >= 2 else 1
        """Batches that are worth running at the same time."""
        self._in_torch = False

    def load(self, checkpoint: Checkpoint[C, M]) -> M:
        """The model of a checkpoint, compiled if possible, else in torch.

        Sets torch's threads, for the whole process. Beside OpenVINO torch has little to do and gets one thread: more
        would wait for the cores that OpenVINO's threads hold, and a search would take several times as long. It gets
        all of them if a model that should have been compiled could not be; a task without `networks` has small ones.

        Raises:
            CheckpointError: a file was changed or cut, or its tensors are not those of the architecture.
        """
        model = None
        if self.runtime and checkpoint.task.networks:
            try:
                model = self.runtime.load(checkpoint)
            except CheckpointError:
                raise
            except Exception as error:  # an encoder of timm's may have what OpenVINO has not
                logger.warning("%s can't be compiled, so it runs in torch: %s", checkpoint.name, error)
        if model is None:
            model = checkpoint.load(self.device)
            self._in_torch |= self.runtime is None or checkpoint.task.networks is not None
        torch.set_num_threads(self._threads if self._in_torch else 1)
        return model


def _choose_runtime(settings: Settings, device: torch.device, cache: Path) -> Runtime | None:
    """The runtime that replaces torch; None if torch runs the networks."""
    if settings.runtime == "torch" or device.type != "cpu":
        if settings.runtime == "openvino":
            raise ValueError(f"runtime=openvino is for the CPU, and device={settings.device} is {device}; use auto")
        return None
    if not Runtime.available():
        missing = "OpenVINO is not installed: pip install 'recap-captioner[fast]'"
        if settings.runtime == "openvino":
            raise ValueError(f"runtime=openvino: {missing}; or use torch, which is slower")
        logger.info("the networks run in torch, which takes two to five times as long: %s", missing)
        return None
    return Runtime(cache, threads=settings.threads, precision=settings.precision)
