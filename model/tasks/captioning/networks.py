"""The networks of a captioner that OpenVINO compiles, and the encoder and decoder around the programs."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from model.cells import State
from model.decoding.search import Step
from model.openvino.program import Network, Program
from model.tasks.captioning.captioner import Captioner
from model.tasks.captioning.decoder import Decoder, GridMemory, RecurrentDecoder, Seen
from model.vision.encoder import EfficientNetLite

TOGETHER = 4
"""Pictures encoded at once. More are 7 % faster on two threads, slower on one, and take 10 MB each."""


def captioner_networks(captioner: Captioner) -> dict[str, Network]:
    """The networks of a captioner in torch.

    `encoder`: pictures (B, 3, S, S), or the output of `stem`, to grids (B, P, E); `source`: grids to the state before
    the first word (B, S) and the parts of the memory that a step reads, with the words seen in the pictures (B, K) and
    their logits (B, K) as further inputs where the decoder reads tags; `step`: tokens (N,), states (N, S) and
    these parts to logits (N, V), states (N, S), and attention weights (N, P) from decoders that have attention.
    """
    decoder = captioner.decoder
    assert isinstance(decoder, RecurrentDecoder)
    size = captioner.config.encoder.preprocessing.size
    pixels = torch.zeros(2, 3, size, size)
    with torch.inference_mode():
        grid = captioner.encode(pixels)  # (B, P, E)
        source, seen = _Source(decoder), captioner.seen(grid)
        known = (grid, *(seen or ()))
        state, *memory = source(*known)
        step = _Step(decoder, decoder.initial_state(decoder.encode_source(grid, seen)))
        encoder = {"encoder": Network(captioner.encoder, (pixels,))}
        if isinstance(captioner.encoder, EfficientNetLite):
            stem, trunk = _Method(captioner.encoder, "stem"), _Method(captioner.encoder, "trunk")
            encoder = {"stem": Network(stem, (pixels,), "float32"), "encoder": Network(trunk, (stem(pixels),))}
    rows_per_source = 3  # rows and sources must differ in number, or tracing could take one for the other
    tokens = torch.zeros(len(pixels) * rows_per_source, dtype=torch.long)
    inputs = (tokens, state.repeat_interleave(rows_per_source, 0), *memory)
    return encoder | {"source": Network(source, known), "step": Network(step, inputs, "int8")}


class CompiledEncoder(nn.Module):
    """An encoder of compiled networks.

    The first filters of an EfficientNet-Lite find small differences of large numbers. In bfloat16 they cause half of
    the grid's error, for little of the time, so they are a program of their own, in single precision.
    """

    def __init__(self, programs: Mapping[str, Program]) -> None:
        super().__init__()
        self.stem, self.trunk = programs.get("stem"), programs["encoder"]

    @property
    def num_features(self) -> int:
        return self.trunk.num_features

    def forward(self, pixels: Tensor) -> Tensor:
        return torch.cat([self._encode(part) for part in pixels.split(TOGETHER)])

    def _encode(self, pixels: Tensor) -> Tensor:
        if self.stem is None:
            return self.trunk(pixels)[0]
        with self.stem.lend(pixels) as features:
            return self.trunk(*features)[0]


class CompiledMemory(tuple[Tensor, ...]):
    """The outputs of the compiled `source`: the state before the first word (B, S), and all that each step reads."""

    def take(self, sources: Tensor) -> "CompiledMemory":
        """The memory of some of the pictures, by their numbers."""
        return CompiledMemory(part.index_select(0, sources) for part in self)


class CompiledDecoder(Decoder[CompiledMemory]):
    """A decoder of compiled networks. Its state is a single tensor (N, S), which is quick to reorder."""

    def __init__(self, programs: Mapping[str, Program], *, reads_tags: bool) -> None:
        super().__init__()
        self._source, self._step, self.reads_tags = programs["source"], programs["step"], reads_tags

    def encode_source(self, grid: Tensor, seen: Seen | None = None) -> CompiledMemory:
        return CompiledMemory(self._source(grid, *(seen or ())))

    def initial_state(self, memory: CompiledMemory, rows_per_source: int = 1) -> State:
        return (memory[0].repeat_interleave(rows_per_source, 0),)

    def step(self, tokens: Tensor, state: State, memory: CompiledMemory) -> Step:
        logits, after, *attention = self._step(tokens, *state, *memory[1:])
        return Step(logits, (after,), attention[0] if attention else None)


class _Method(nn.Module):
    """A module's method as a module, which is what can be traced."""

    def __init__(self, module: nn.Module, name: str) -> None:
        super().__init__()
        self.module, self.name = module, name

    def forward(self, *inputs: Tensor) -> Tensor:
        return getattr(self.module, self.name)(*inputs)  # type: ignore[no-any-return]


class _Source(nn.Module):
    """A decoder before its first word."""

    def __init__(self, decoder: RecurrentDecoder) -> None:
        super().__init__()
        self.decoder = decoder

    def forward(self, grid: Tensor, *seen: Tensor) -> tuple[Tensor, ...]:
        memory = self.decoder.encode_source(grid, Seen(*seen) if seen else None)
        return _packed(self.decoder.initial_state(memory)), *(getattr(memory, name) for name in self.decoder.reads)


class _Step(nn.Module):
    """A decoder one word further, its state packed. The embeddings of all words are computed here, and looked up."""

    def __init__(self, decoder: RecurrentDecoder, state: State) -> None:
        super().__init__()
        self.decoder = decoder
        self.embedded = decoder.embed(torch.arange(decoder.embedding.num_embeddings))  # (V, W)
        self.shapes = [part.shape[1:] for part in state]

    def forward(self, tokens: Tensor, state: Tensor, *memory: Tensor) -> tuple[Tensor, ...]:
        parts = state.split([shape.numel() for shape in self.shapes], 1)
        unpacked = tuple(part.unflatten(1, shape) for part, shape in zip(parts, self.shapes, strict=True))
        unread = dict.fromkeys(GridMemory._fields, state)
        known = GridMemory(**unread | dict(zip(self.decoder.reads, memory, strict=True)))
        hidden, after, attention = self.decoder.cell_step(self.embedded[tokens], unpacked, known)
        logits = self.decoder.logits(hidden.unflatten(0, (known.mean.shape[0], -1)), known).flatten(0, 1)  # (N, V)
        return logits, _packed(after), *(() if attention is None else (attention,))


def _packed(state: State) -> Tensor:
    """State tensors (N, ...) as one (N, S)."""
    return torch.cat([part.flatten(1) for part in state], 1)
