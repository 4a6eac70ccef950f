"""A network that OpenVINO has compiled, called as a function of tensors."""

import ctypes
import mmap
import threading
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from copy import copy
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    import openvino

Turn = Callable[[], AbstractContextManager[object]]
"""Makes what is entered for as long as a network computes."""


class Program:
    """A compiled network, called with tensors on the CPU.

    Threads that call it at the same time wait for each other.

    Args:
        compile: compiles the network for so many calls at the same time.
        tensor: OpenVINO's class of them.
        folder: of the cache, where its weights stand.
    """

    def __init__(
        self, compile: "Callable[[int], openvino.CompiledModel]", tensor: "type[openvino.Tensor]", folder: Path | None
    ) -> None:
        self._compile = compile
        self._tensor = tensor
        self._folder = folder
        self._take(compile(1), nullcontext)

    def _take(self, compiled: "openvino.CompiledModel", turn: Turn) -> None:
        self._request = compiled.create_infer_request()
        self._given: list[Tensor | None] = [None] * len(compiled.inputs)
        self._outputs = range(len(compiled.outputs))
        self._lock = threading.Lock()
        self._turn = turn
        self._unpacked = self._folder

    def lanes(self, number: int, turn: Turn = nullcontext) -> "list[Program]":
        """The same network for calls at the same time, which share the cores, and let other threads go first.

        Args:
            number: of calls.
            turn: entered for as long as one computes.
        """
        compiled = self._compile(number)
        lanes = [copy(self) for _ in range(number)]
        for lane in lanes:
            lane._take(compiled, turn)
        return lanes

    def __call__(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        """Its outputs, the caller's own."""
        with self._lock, self._turn():
            return tuple([output.clone() for output in self._run(inputs)])

    def advance(self, inputs: Tensor, state: Sequence[Tensor]) -> Tensor:
        """A step of a recurrence: its first output. The others, which are the next state, are written over this one."""
        with self._lock, self._turn():
            output, *after = self._run((inputs, *state))
            for part, value in zip(state, after, strict=True):
                part.copy_(value)
            return output.clone()

    def lend(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        """Its outputs in the plugin's memory, to which the next call writes its own."""
        with self._lock, self._turn():
            return self._run(inputs)

    def _run(self, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        request = self._request
        for place, tensor in enumerate(inputs):
            if tensor is not self._given[place]:  # what all steps of a picture take is there already
                whole = tensor.contiguous()  # whose memory the plugin reads, but does not hold
                request.set_input_tensor(place, self._tensor(whole.numpy(), shared_memory=True))
                self._given[place] = whole
        request.start_async()  # and wait: half the time of `infer`, which looks at what it is given first
        request.wait()
        if self._unpacked:
            _let_go(self._unpacked)
            self._unpacked = None
        return tuple([torch.from_numpy(request.get_output_tensor(place).data) for place in self._outputs])


def _let_go(folder: Path) -> None:
    """Takes the files of a folder, which are mapped, out of the process's memory.

    Networks read the weights as they were packed when first called, but OpenVINO holds on to the originals. What is
    read of these after all comes back from the file. Without Linux's `/proc`, they stay.
    """
    with suppress(OSError):
        files = f" {folder.resolve()}/"
        for line in Path("/proc/self/maps").read_text().splitlines():
            span, access, *_ = line.split(maxsplit=2)
            if files in line and access == "r--s":  # nothing there to lose
                begin, end = (int(address, 16) for address in span.split("-"))
                ctypes.CDLL(None).madvise(ctypes.c_void_p(begin), ctypes.c_size_t(end - begin), mmap.MADV_DONTNEED)
