"""Recap's speed, as ratios to what one would use instead, all measured in one run: `make bench`.

python benchmarks/bench.py [captions text start http blip]

Times in process are the best of several, and rates of servers the median, in turns with what they are compared with: a
machine that others use as well has slow moments, and slow minutes. Servers' clients run in this process, over loopback.
`peers.py` has what they are compared with, in processes of its own.
"""

import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.metadata import version
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from typing import TypeVar

import torch
from generation import plain_loop, write_texts
from peers import load
from PIL import Image
from service import PHOTO, ROOT, serving
from throughput import PEERS, measure
from torch import Tensor, nn

from app.serving.loading import Loader
from app.settings import Settings
from model.checkpoint import Checkpoint
from model.decoding.search import Hypotheses
from model.tasks.captioning.captioner import Captioner
from model.tasks.text import TEXT
from model.tasks.text.batch import TextBatch

T = TypeVar("T")

STARTS = 5
"""From the cache."""
CORES = torch.get_num_threads()
"""Threads that torch takes by itself; what Recap is compared with gets them, whatever our loading leaves torch."""


def row(what: str, ours: str, other: str, ratio: str, bar: str) -> None:
    """A line of the table."""
    print(f"| {what} | {ours} | {other} | {ratio} | {bar} |", flush=True)


def best_of(functions: list[Callable[[], object]], repeats: int) -> list[float]:
    """Seconds that each takes at best; they take turns."""
    best = [float("inf")] * len(functions)
    for function in functions:
        function()
    for _ in range(repeats):
        for place, function in enumerate(functions):
            started = time.perf_counter()
            function()
            best[place] = min(best[place], time.perf_counter() - started)
    return best


def on_all_cores(function: Callable[[], T]) -> Callable[[], T]:
    """The same, with as many of torch's threads as there are cores."""

    def run() -> T:
        ours = torch.get_num_threads()
        torch.set_num_threads(CORES)
        try:
            return function()
        finally:
            torch.set_num_threads(ours)

    return run


def multiplications(encoder: nn.Module, pixels: Tensor) -> int:
    """Multiplications in the encoder's convolutions."""
    total = 0

    def count(module: nn.Module, _: object, output: Tensor) -> None:
        nonlocal total
        assert isinstance(module, nn.Conv2d)
        total += output.numel() * module.weight[0].numel()

    hooks = [part.register_forward_hook(count) for part in encoder.modules() if isinstance(part, nn.Conv2d)]
    with torch.inference_mode():
        encoder(pixels)
    for hook in hooks:
        hook.remove()
    return total


class Steps:
    """Counts the steps of a search."""

    steps = 0

    def step(self, found: Hypotheses, parents: Tensor, hopeful: Tensor) -> None:
        self.steps += 1

    def end(self, found: Hypotheses, places: Tensor) -> None:
        pass


def captions() -> None:
    """One picture to one caption, in process."""
    original, compiled = load("torch"), load("auto")
    image = Image.open(PHOTO).convert("RGB")
    decoding = original.config.decoding.model_copy(update={"beam_size": 3})

    def caption(captioner: Captioner) -> Callable[[], object]:
        return lambda: captioner.caption([image], decoding)

    eager, ours = best_of([on_all_cores(caption(original)), caption(compiled)], 12)
    pixels = original.preprocess(image)[None]
    grid = original.encode(pixels)
    encode = best_of([on_all_cores(lambda: original.encode(pixels)), lambda: compiled.encode(pixels)], 12)
    slow = on_all_cores(lambda: original.generate(grid, decoding))
    generate = best_of([slow, lambda: compiled.generate(grid, decoding)], 8)
    counter = Steps()
    compiled.generate(grid, decoding, observers=[counter])
    steps = counter.steps
    square, long = torch.rand(1536, 1536), torch.rand(2**26)
    multiply, read = best_of([on_all_cores(lambda: square @ square), on_all_cores(long.sum)], 8)
    peak, bandwidth = 2 * 1536**3 / multiply, long.nbytes / read
    kept = ("attention", "attention_cell", "language_cell", "output")
    weights = sum(
        parameter.numel() * 4
        for name, parameter in original.decoder.named_parameters()
        if name.split(".")[0] in kept and not name.startswith("attention.key")
    )
    work = 2 * multiplications(original.encoder, pixels)
    floor = work / peak + steps * weights / bandwidth
    row("a picture to a caption, beam 3, against eager torch", ms(ours), ms(eager), f"{eager / ours:.1f}x", "4x")
    row("... the encoder", ms(encode[1]), ms(encode[0]), f"{encode[0] / encode[1]:.1f}x", "")
    alone, onnx = seconds_of("encoder"), seconds_of("onnxruntime")
    row(
        "... the encoder in a process of its own, against ONNX Runtime", ms(alone), ms(onnx), f"{onnx / alone:.1f}x", ""
    )
    row(f"... the search, {steps} steps", ms(generate[1]), ms(generate[0]), f"{generate[0] / generate[1]:.1f}x", "")
    how = f"{work / 1e9:.2f} GFLOP at {peak / 1e9:.0f} GFLOP/s"
    how += f", {weights / 1e6:.0f} MB a step at {bandwidth / 1e9:.0f} GB/s"
    row(f"... against the floor ({how})", ms(ours), ms(floor), f"{ours / floor:.1f} of it", "at most 2")


def seconds_of(name: str) -> float:
    """Seconds that a peer which is no server takes."""
    found = subprocess.run([sys.executable, str(PEERS), name], check=True, stdout=subprocess.PIPE)
    return float(json.loads(found.stdout.splitlines()[-1])["seconds"])


def ms(seconds: float) -> str:
    """Seconds as milliseconds, for a table."""
    return f"{1000 * seconds:.1f} ms"


def text() -> None:
    """Characters a second of one text and of 32, against a loop over `nn.LSTM` with the same weights."""
    checkpoint = Checkpoint.open(ROOT / "checkpoints" / "shakespeare")
    assert checkpoint.task is TEXT
    model = Loader(Settings()).load(checkpoint)
    count, batch = 120, TextBatch(model, capacity=32)
    write_texts(batch, 10, range(32))
    together: list[str] = []

    def all_of_them() -> None:
        together[:] = write_texts(batch, count, range(32))

    plain, one, many = best_of(
        [on_all_cores(lambda: plain_loop(model, count)), lambda: write_texts(batch, count, [0]), all_of_them], 3
    )
    row("one text, against a loop over `nn.LSTM`", rate(count / one), rate(count / plain), f"{plain / one:.1f}x", "3x")
    row("32 texts, against that loop", rate(32 * count / many), rate(count / plain), f"{32 * plain / many:.1f}x", "10x")
    row("32 texts, against one", rate(32 * count / many), rate(count / one), f"{32 * one / many:.1f}x", "8x")
    same = sum(write_texts(batch, count, [seed]) == [together[seed]] for seed in range(0, 32, 4))
    row("texts that are what they are alone", f"{same}", "8", "", "all")


def rate(count: float) -> str:
    """A rate, for a table."""
    return f"{count:.0f} characters/s"


def start() -> None:
    """From the start of the process until it is ready, and the memory that it takes then."""
    taken = []
    with tempfile.TemporaryDirectory() as cache:
        for _ in range(1 + STARTS):
            began = time.perf_counter()
            with serving(ROOT / "checkpoints", cache=cache) as service:
                taken.append(time.perf_counter() - began)
                memory = service.memory()
    cold, *warm = taken
    row("start until ready, with an empty cache", f"{cold:.1f} s", "", "", "15 s")
    row("start until ready, from the cache", f"{median(warm):.1f} s", "", "", "3 s")
    row("memory, a captioner and three language models", f"{memory:.0f} MB", "", "", "900 MB")


def http() -> None:
    """Captions a second over HTTP, and how long one takes."""
    others = {
        "fastapi": ("plain FastAPI over our runtime, without batching", "2x"),
        "litserve": ("LitServe over our torch model, with batching", "3x"),
    }
    rates, unloaded, slow = measure(list(others))
    ratio = f"{slow / unloaded:.1f}x"
    row("p99 at half the peak, against the unloaded median", ms(slow), ms(unloaded), ratio, "at most 4")
    for name, (what, bar) in others.items():
        ours, theirs = rates["recap"], rates[name]
        row(f"captions over HTTP, against {what}", f"{ours:.1f}/s", f"{theirs:.1f}/s", f"{ours / theirs:.1f}x", bar)


def blip() -> None:
    """A caption against transformers' BLIP-base."""
    theirs = seconds_of("blip")
    captioner = load("auto")
    image = Image.open(PHOTO).convert("RGB")
    greedy = captioner.config.decoding.model_copy(update={"method": "greedy", "beam_size": 1})
    (ours,) = best_of([lambda: captioner.caption([image], greedy)], 12)
    row("a caption, greedy, against BLIP-base", ms(ours), ms(theirs), f"{theirs / ours:.0f}x", "25x")


PARTS = {"captions": captions, "text": text, "start": start, "http": http, "blip": blip}


def main() -> None:
    """Prints the table."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    processor = next((line.partition(": ")[2] for line in lines if line.startswith("model name")), platform.machine())
    versions = ", ".join(f"{name} {version(name)}" for name in ("torch", "openvino"))
    print(f"{processor}, {os.cpu_count()} cores, {versions}\n")
    print("| what | Recap | the other | ratio | bar |\n|---|--:|--:|--:|--:|")
    for name in sys.argv[1:] or PARTS:
        # Each in a process of its own: what malloc keeps after one makes `nn.LSTM` faster in the next.
        part = get_context("spawn").Process(target=PARTS[name])
        part.start()
        part.join()
        if part.exitcode:
            raise SystemExit(part.exitcode)


if __name__ == "__main__":
    main()
