"""Time per network of networks side by side, forward and backward, against one alone.

python benchmarks/fleet.py [CELL [REPEATS]]

Times are of the processor, on one thread, so that what else the machine does matters little.
"""

import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import torch

from model.cells import build_cell
from model.recurrent import Recurrent, unroll
from training.lab.odyssey.fleet import Fleet

BATCH, STEPS, INPUTS = 16, 60, 88
TOGETHER = (4, 8, 16)


def fastest(run: Callable[[], Any], repeats: int) -> float:
    """Seconds of the fastest of several passes, after one that warms up."""
    times = []
    for _ in range(repeats + 1):
        started = time.process_time()
        found = run()
        (found[0] if isinstance(found, tuple) else found).sum().backward()  # without the last state
        times.append(time.process_time() - started)
    return min(times[1:])


def main() -> None:
    """Prints the table, in Markdown."""
    cell = sys.argv[1] if sys.argv[1:] else "lstm-peephole"
    repeats = int(sys.argv[2]) if sys.argv[2:] else 3
    torch.set_num_threads(1)
    inputs = torch.randn(STEPS, BATCH, INPUTS)
    print(f"N = {BATCH}, T = {STEPS}, D = {INPUTS}, {cell}; ms for a pass of a network, forward and backward\n")
    print("| units | `nn.LSTM` | alone | " + " | ".join(f"{networks} together" for networks in TOGETHER) + " |")
    print("|--:|--:|--:|" + "--:|" * len(TOGETHER))
    for size in (30, 60, 120, 200):
        fused, single = Recurrent("lstm", INPUTS, size), build_cell(cell, INPUTS, size)
        alone = partial(unroll, single, inputs, single.zero_state(inputs[0]))
        times = [fastest(partial(fused, inputs.transpose(0, 1)), repeats), fastest(alone, repeats)]
        for networks in TOGETHER:
            fleet = Fleet(cell, INPUTS, 1, [size] * networks, range(networks))
            many = inputs.expand(networks, *inputs.shape)
            times.append(fastest(partial(fleet.hidden, many), repeats) / networks)
        print(f"| {size} | " + " | ".join(f"{seconds * 1000:.1f}" for seconds in times) + " |", flush=True)


if __name__ == "__main__":
    main()
