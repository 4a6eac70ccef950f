"""The time and the parameters of each cell, at one size."""

import time
from collections.abc import Sequence
from typing import NamedTuple

import torch

from model.recurrent import Recurrent

BATCH, STEPS, INPUTS, HIDDEN = 16, 50, 88, 128


class Cost(NamedTuple):
    """One layer of a cell with `HIDDEN` units and `INPUTS` inputs."""

    cell: str
    parameters: int
    step: float  # seconds of the processor for a step of a batch, forward and backward


def costs(cells: Sequence[str], repeats: int = 5) -> list[Cost]:
    """The cost of each cell, the fastest of several passes, which take turns."""
    inputs = torch.randn(BATCH, STEPS, INPUTS)
    networks = {cell: Recurrent(cell, INPUTS, HIDDEN) for cell in cells}
    fastest = dict.fromkeys(cells, float("inf"))
    for _ in range(repeats + 1):  # the first pass warms up, and is never the fastest
        for cell, network in networks.items():
            started = time.process_time()
            network(inputs)[0].sum().backward()
            fastest[cell] = min(fastest[cell], time.process_time() - started)
    return [
        Cost(cell, sum(each.numel() for each in networks[cell].parameters()), fastest[cell] / STEPS) for cell in cells
    ]
