"""Time per step of each cell, forward and backward, against torch's fused LSTM of the same size.

python benchmarks/cells.py [BATCH [STEPS [HIDDEN [REPEATS]]]]

Times are of the processor, on one thread, so that what else the machine does matters little.

`loop` is the same cell as a plain loop over `Cell.forward`, whose gradients autograd takes step by step.
"""

import platform
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import Tensor

from model.cells import CELLS, State
from model.recurrent import FUSED, Recurrent


def read(network: Recurrent, inputs: Tensor) -> Tensor:
    """All steps at once: (N, T, D) -> (N, T, H)."""
    outputs: Tensor = network(inputs)[0]
    return outputs


def loop(network: Recurrent, inputs: Tensor) -> Tensor:
    """One layer, a step at a time: (N, T, D) -> (N, T, H)."""
    (cell,) = network.cells()
    state: State | None = None
    outputs = []
    for x in inputs.unbind(1):
        state = cell(x, state)
        outputs.append(state[0])
    return torch.stack(outputs, 1)


def fastest(runs: Sequence[Callable[[], Tensor]], repeats: int, *, backward: bool) -> list[float]:
    """Seconds of the fastest pass of each. They take turns, so that a busy machine is so for all."""
    times: list[list[float]] = [[] for _ in runs]
    for _ in range(repeats + 1):
        for run, taken in zip(runs, times, strict=True):
            start = time.process_time()
            outputs = run()
            if backward:
                outputs.sum().backward()
            taken.append(time.process_time() - start)
    return [min(taken[1:]) for taken in times]


def main() -> None:
    """Prints the table, in Markdown."""
    batch, steps, hidden, repeats = (*map(int, sys.argv[1:]), *(32, 64, 512, 5)[len(sys.argv) - 1 :])
    torch.set_num_threads(1)
    torch.manual_seed(0)
    inputs = torch.randn(batch, steps, hidden)
    reference = Recurrent("lstm", hidden, hidden)
    print(f"{platform.machine()}, one thread, torch {torch.__version__}")
    print(f"N = {batch}, T = {steps}, D = H = {hidden}, one layer; per step, times in µs\n")
    print("| cell | path | forward and backward | to fused LSTM | loop to fused LSTM | forward | to fused LSTM |")
    print("|---|---|--:|--:|--:|--:|--:|")
    for kind in CELLS:
        for fused in (True, False) if kind in FUSED else (False,):
            network = Recurrent(kind, hidden, hidden, fused=fused)
            runs = [
                partial(read, reference, inputs),
                partial(read, network, inputs),
                partial(loop, network, inputs),
            ]
            base, ours, plain = fastest(runs, repeats, backward=True)
            with torch.inference_mode():
                base_forward, forward = fastest(runs[:2], repeats, backward=False)
            print(
                f"| `{kind}` | {'fused' if fused else 'ours'} | {ours / steps * 1e6:.0f} | {ours / base:.2f} "
                f"| {plain / base:.2f} | {forward / steps * 1e6:.0f} | {forward / base_forward:.2f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
