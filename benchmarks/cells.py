"""Time per step of each cell, forward and backward, against torch's fused LSTM of the same size.

OMP_NUM_THREADS=1 python benchmarks/cells.py [BATCH [STEPS [HIDDEN [REPEATS]]]]

`loop` is the same cell as a plain loop over `Cell.forward`, whose gradients autograd takes step by step.
"""

import platform
import sys
import time
from collections.abc import Callable

import torch
from torch import Tensor

from model.cells import CELLS, State
from model.recurrent import FUSED, Recurrent


def loop(network: Recurrent, inputs: Tensor) -> Tensor:
    """One layer, a step at a time: (N, T, D) -> (N, T, H)."""
    (cell,) = network.cells()
    state: State | None = None
    outputs = []
    for x in inputs.unbind(1):
        state = cell(x, state)
        outputs.append(state[0])
    return torch.stack(outputs, 1)


def seconds(run: Callable[[], Tensor], repeats: int, *, backward: bool) -> float:
    """The fastest of some runs, after one to warm up."""
    times = []
    for _ in range(repeats + 1):
        start = time.perf_counter()
        outputs = run()
        if backward:
            outputs.sum().backward()
        times.append(time.perf_counter() - start)
    return min(times[1:])


def main() -> None:
    """Prints the table, in Markdown."""
    batch, steps, hidden, repeats = (*map(int, sys.argv[1:]), *(32, 64, 512, 5)[len(sys.argv) - 1 :])
    torch.manual_seed(0)
    inputs = torch.randn(batch, steps, hidden)

    def microseconds(network: Recurrent, forward: Callable[[Tensor], Tensor]) -> tuple[float, float]:
        """A step with its backward pass, and one without."""
        with torch.inference_mode():
            alone = seconds(lambda: forward(inputs), repeats, backward=False)
        network.requires_grad_()
        both = seconds(lambda: forward(inputs), repeats, backward=True)
        return both / steps * 1e6, alone / steps * 1e6

    def layers(network: Recurrent) -> Callable[[Tensor], Tensor]:
        return lambda inputs: network(inputs)[0]

    reference = Recurrent("lstm", hidden, hidden)
    base, base_alone = microseconds(reference, layers(reference))
    print(f"{platform.machine()}, {torch.get_num_threads()} threads, torch {torch.__version__}")
    print(f"N = {batch}, T = {steps}, D = H = {hidden}, one layer; µs a step, forward and backward\n")
    print("| cell | path | µs | to the fused LSTM | loop, µs | forward alone, µs | to the fused LSTM |")
    print("|---|---|--:|--:|--:|--:|--:|")
    for kind in CELLS:
        for fused in (True, False) if kind in FUSED else (False,):
            network = Recurrent(kind, hidden, hidden, fused=fused)
            ours, alone = microseconds(network, layers(network))
            plain, _ = microseconds(network, lambda inputs, network=network: loop(network, inputs))  # type: ignore[misc]
            print(
                f"| `{kind}` | {'fused' if fused else 'ours'} | {ours:.0f} | {ours / base:.2f} "
                f"| {plain:.0f} | {alone:.0f} | {alone / base_alone:.2f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
