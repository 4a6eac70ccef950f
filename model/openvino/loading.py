"""Checkpoints to models whose networks OpenVINO has compiled."""

from model.checkpoint import Checkpoint
from model.openvino.runtime import Runtime
from model.task import C, M


def load(checkpoint: Checkpoint[C, M], runtime: Runtime) -> M:
    """The model of a checkpoint, around compiled networks if its task has any; else in torch.

    Raises:
        CheckpointError: a file was changed or cut, or its tensors are not those of the architecture.
    """
    networks = checkpoint.task.networks
    if networks is None:
        return checkpoint.load()
    assets = checkpoint.verify()
    programs = runtime.programs(checkpoint.description, lambda: networks(checkpoint.build(assets)))
    return checkpoint.build(assets, programs)
