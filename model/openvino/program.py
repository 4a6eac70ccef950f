"""A network that OpenVINO can compile, and one that it has compiled, called as a function of tensors."""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

import torch
from torch import Tensor, nn

from model.openvino.lanes import CoreLock, current_lane
from model.openvino.mapped import release_mapped

if TYPE_CHECKING:
    import openvino


class Network(NamedTuple):
    """A module, and what it takes to compile it."""

    module: nn.Module  # from tensors to a tensor, or to a tuple of them
    example: tuple[Tensor, ...]  # inputs; `free` says which of their dimensions may be others in later calls
    precision: Literal["bfloat16", "int8", "float32"] = "bfloat16"
    """Format of products, if the CPU has instructions for it; float32 otherwise. `int8` is for products with weights:
    all others are in float32 then."""
    free: tuple[int, ...] | None = None
    """Number of leading dimensions of each input that may be any in later calls; None is the first of each."""


class Program:
    """A compiled network, called with tensors on the CPU.

    Outside `CoreLock.shared` a call takes all cores, and threads that call at the same time wait for each other. Inside
    it, each thread has an infer request of its own, and holds a share of the cores while it computes. The first such
    call compiles the network once more, for as many calls at the same time as there are shares.

    Args:
        compile: compiles the network for a number of calls at the same time.
        dtype: `Runtime.dtype`, for whatever else computes in torch beside the program.
        folder: of the cache that holds the weights.
    """

    def __init__(
        self, compile: "Callable[[int], openvino.CompiledModel]", dtype: torch.dtype, folder: Path | None
    ) -> None:
        self.dtype = dtype
        self._compile, self._folder = compile, folder
        self._whole = _Request(compile(1), folder, nullcontext)
        self.num_inputs = self._whole.num_inputs  # tensors that a call takes
        self._shared: list[_Request] = []
        self._cores: CoreLock | None = None  # the lock that `_shared` was compiled for
        self._compiling = threading.Lock()

    @property
    def num_features(self) -> int:
        """Length of the last dimension of the first output."""
        return self._whole.num_features

    def __call__(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        """The outputs, copied."""
        request = self._request()
        with request.lock, request.turn():
            return tuple([output.clone() for output in request.run(inputs)])

    def recur(self, inputs: Tensor, state: Sequence[Tensor]) -> Tensor:
        """Runs one step of a recurrence: returns the first output, and overwrites `state` with the others."""
        request = self._request()
        with request.lock, request.turn():
            output, *after = request.run((inputs, *state))
            for part, value in zip(state, after, strict=True):
                part.copy_(value)
            return output.clone()

    @contextmanager
    def lend(self, *inputs: Tensor) -> Iterator[tuple[Tensor, ...]]:
        """The outputs without a copy, which no other call overwrites before the context ends."""
        request = self._request()
        with request.lock:
            with request.turn():
                outputs = request.run(inputs)
            yield outputs

    def _request(self) -> "_Request":
        """The infer request of the calling thread."""
        lane = current_lane()
        if lane is None:
            return self._whole
        if self._cores is not lane.cores:
            with self._compiling:
                if self._cores is not lane.cores:
                    shares, turn = lane.cores.shares, lane.cores.share
                    compiled = self._compile(shares)
                    self._shared = [_Request(compiled, self._folder, turn) for _ in range(shares)]
                    self._cores = lane.cores
        return self._shared[lane.number]


class _Request:
    """An infer request, its inputs and its lock; `turn` makes the context in which `run` computes."""

    def __init__(
        self, compiled: "openvino.CompiledModel", folder: Path | None, turn: Callable[[], AbstractContextManager[None]]
    ) -> None:
        import openvino

        self.lock = threading.Lock()
        self.turn = turn
        self._tensor = openvino.Tensor
        self._request = compiled.create_infer_request()
        self.num_inputs = len(compiled.inputs)
        self._given: list[Tensor | None] = [None] * self.num_inputs
        self._outputs = range(len(compiled.outputs))
        self._unpacked = folder

    @property
    def num_features(self) -> int:
        length: int = self._request.get_compiled_model().output(0).partial_shape[-1].get_length()
        return length

    def run(self, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """The outputs in the plugin's memory, which the next call overwrites."""
        request = self._request
        for place, tensor in enumerate(inputs):
            if tensor is not self._given[place]:  # inputs that stay the same from step to step are there already
                whole = tensor.contiguous()  # kept, since the plugin reads its memory without holding it
                request.set_input_tensor(place, self._tensor(whole.numpy(), shared_memory=True))
                self._given[place] = whole
        request.start_async()  # half the overhead of `infer`, which inspects its inputs first
        request.wait()
        if self._unpacked:
            release_mapped(self._unpacked)
            self._unpacked = None
        return tuple([torch.from_numpy(request.get_output_tensor(place).data) for place in self._outputs])
