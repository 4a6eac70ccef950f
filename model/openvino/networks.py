"""Models whose networks were compiled: they do what the originals do, on the CPU, faster."""

from collections.abc import Mapping
from itertools import chain

import torch
from torch import Tensor, nn

from model.cells import State
from model.checkpoint import Checkpoint
from model.decoding.hypotheses import PictureMemory, StepFunction
from model.openvino.program import Program
from model.openvino.runtime import Network, Runtime
from model.tasks.captioning.captioner import Captioner
from model.tasks.captioning.config import CaptionerConfig
from model.tasks.captioning.decoder import Decoder, Memory, Step
from model.tasks.text.config import LanguageModelConfig
from model.tasks.text.language import CompiledStep, LanguageModel
from model.vision.encoder import EfficientNetLite
from model.vocabulary import Vocabulary

TOGETHER = 4
"""Pictures that are encoded at once. More are 7 % faster on two threads, slower on one, and take 10 MB each."""


class CompiledCaptioner(Captioner):
    """A captioner without weights of its own.

    Args:
        config: the original's.
        vocabulary: the original's.
        programs: what `captioner_networks` names.
    """

    def __init__(self, config: CaptionerConfig, vocabulary: Vocabulary, programs: Mapping[str, Program]) -> None:
        nn.Module.__init__(self)
        self.config = config
        self.vocabulary = vocabulary
        self.encoder = _Encoder(programs.get("stem"), programs["encoder"])
        self._start, self._step = programs["start"], programs["step"]

    @property
    def device(self) -> torch.device:
        return torch.device("cpu")

    def start(self, grid: Tensor, hypotheses: int) -> tuple[StepFunction, State, PictureMemory]:
        state, *memory = self._start(grid)

        def step(tokens: Tensor, state: State, memory: PictureMemory) -> Step:
            logits, after, *attention = self._step(tokens, *state, *memory)
            return Step(logits, (after,), attention[0] if attention else None)

        return step, (state.repeat_interleave(hypotheses, 0),), tuple(memory)


def load_captioner(checkpoint: Checkpoint[CaptionerConfig, Captioner], runtime: Runtime) -> CompiledCaptioner:
    """The captioner of a checkpoint, compiled.

    Raises:
        CheckpointError: a file was changed or cut, or its tensors are not those of the architecture.
    """
    assets = checkpoint.verify()
    programs = runtime.programs(checkpoint.description, lambda: captioner_networks(checkpoint.build(assets)))
    return CompiledCaptioner(checkpoint.config, programs=programs, **assets)


def captioner_networks(captioner: Captioner) -> dict[str, Network]:
    """What is compiled of a captioner.

    `encoder`: pictures (B, 3, S, S), or what `stem` makes of them, to grids (B, P, E); `start`: grids to the state
    before the first word (B, S) and what the steps need of the memory; `step`: tokens (N,), states (N, S) and that
    memory to logits (N, V), states (N, S), and attention weights (N, P) where there is attention.
    """
    size = captioner.config.encoder.preprocessing.size
    pixels = torch.zeros(2, 3, size, size)
    with torch.inference_mode():
        grid = captioner.encode(pixels)  # (B, P, E)
        start = _Start(captioner.decoder)
        state, *memory = start(grid)
        step = _Step(captioner.decoder, captioner.decoder.start(captioner.decoder.read(grid)))
        encoder = {"encoder": Network(captioner.encoder, (pixels,))}
        if isinstance(captioner.encoder, EfficientNetLite):
            stem, trunk = _Method(captioner.encoder, "stem"), _Method(captioner.encoder, "trunk")
            encoder = {
                "stem": Network(stem, (pixels,), precision="float32"),
                "encoder": Network(trunk, (stem(pixels),)),
            }
    hypotheses = 3  # unlike the number of pictures, so that the two can't be mistaken for each other
    tokens = torch.zeros(len(pixels) * hypotheses, dtype=torch.long)
    return encoder | {
        "start": Network(start, (grid,)),
        "step": Network(step, (tokens, state.repeat_interleave(hypotheses, 0), *memory), precision="int8"),
    }


class _Encoder(nn.Module):
    """A compiled one.

    The first filters of an EfficientNet-Lite find small differences of large numbers. In bfloat16 they account for half
    of what the grid is off by, and for little of the time, so they are a program of their own, in single precision.
    """

    def __init__(self, stem: Program | None, trunk: Program) -> None:
        super().__init__()
        self.stem, self.trunk = stem, trunk

    def forward(self, pixels: Tensor) -> Tensor:
        return torch.cat([self._encode(part) for part in pixels.split(TOGETHER)])

    def _encode(self, pixels: Tensor) -> Tensor:
        if self.stem is None:
            return self.trunk(pixels)[0]
        with self.stem.lend(pixels) as seen:
            return self.trunk(*seen)[0]


class _Method(nn.Module):
    """A module's method as a module, which is what is traced."""

    def __init__(self, module: nn.Module, name: str) -> None:
        super().__init__()
        self.module = module
        self.name = name

    def forward(self, *inputs: Tensor) -> Tensor:
        return getattr(self.module, self.name)(*inputs)  # type: ignore[no-any-return]


class _Start(nn.Module):
    """A decoder before its first word."""

    def __init__(self, decoder: Decoder) -> None:
        super().__init__()
        self.decoder = decoder

    def forward(self, grid: Tensor) -> tuple[Tensor, ...]:
        memory = self.decoder.read(grid)
        state = self.decoder.start(memory)
        return _packed(state), *(getattr(memory, name) for name in self.decoder.remembers)


class _Step(nn.Module):
    """A decoder one word further, with its state as a single tensor: a search has less to reorder.

    What a step takes of a word is looked up: it is computed here, for all there are.
    """

    def __init__(self, decoder: Decoder, state: State) -> None:
        super().__init__()
        self.decoder = decoder
        self.words = decoder.words(torch.arange(decoder.embedding.num_embeddings))  # (V, W)
        self.shapes = [part.shape[1:] for part in state]

    def forward(self, tokens: Tensor, state: Tensor, *memory: Tensor) -> tuple[Tensor, ...]:
        parts = state.split([shape.numel() for shape in self.shapes], 1)
        unpacked = tuple(part.unflatten(1, shape) for part, shape in zip(parts, self.shapes, strict=True))
        known = dict.fromkeys(Memory._fields, state) | dict(zip(self.decoder.remembers, memory, strict=True))
        step = self.decoder.speak(self.words[tokens], unpacked, Memory(**known))
        attention = () if step.attention is None else (step.attention,)
        return step.output, _packed(step.state), *attention


def load_language_model(checkpoint: Checkpoint[LanguageModelConfig, LanguageModel], runtime: Runtime) -> LanguageModel:
    """The language model of a checkpoint, with its step compiled.

    Raises:
        CheckpointError: a file was changed or cut, or its tensors are not those of the architecture.
    """
    model = checkpoint.load()
    model.compiled = compile_step(model, checkpoint.description, runtime)
    return model


def compile_step(model: LanguageModel, description: str, runtime: Runtime) -> CompiledStep:
    """A language model one token further, as a program; for `description` see `Runtime.programs`."""
    step = _TextStep(model)
    example = torch.zeros(2, dtype=torch.long), *torch.zeros(step.parts, 2, step.hidden_size)
    program = runtime.programs(description, lambda: {"step": Network(step, example, precision="int8")})["step"]
    return CompiledStep(program, step.parts, _rows_are_independent(program, step), runtime.dtype)


class _TextStep(nn.Module):
    """A language model one token further. Its state stands in parts, so that none is copied out of another."""

    def __init__(self, model: LanguageModel) -> None:
        super().__init__()
        self.model = model
        self.cells = model.recurrent.cells()
        self.hidden_size = model.config.hidden_size
        self.parts = self.cells[0].num_states * len(self.cells)
        self.vocabulary_size = len(model.vocabulary)

    def forward(self, tokens: Tensor, *state: Tensor) -> tuple[Tensor, ...]:
        hidden = self.model.inputs(tokens)  # (N, D)
        after = []
        for layer, cell in enumerate(self.cells):
            after.append(cell(hidden, state[layer :: len(self.cells)]))
            hidden = after[-1][0]  # (N, H)
        return self.model.output(hidden), *chain.from_iterable(zip(*after, strict=True))


WIDTHS = (1, 2, 3, 4, 5, 6, 7, 8, 9, 15, 16, 17, 31)
"""For which it is tried whether rows come out as among 32: what a kernel may take together, and what stands beside."""


def _rows_are_independent(program: Program, step: _TextStep) -> bool:
    """Whether each row has the same bits in any place, among any number of others."""
    generator = torch.Generator().manual_seed(0)
    tokens = torch.randint(step.vocabulary_size, (32,), generator=generator)
    state = torch.rand(step.parts, 32, step.hidden_size, generator=generator) * 2 - 1
    expected = program(tokens, *state)
    return all(
        torch.equal(part, whole[start : start + width])
        for width in WIDTHS
        for start in (0, 32 - width)
        for part, whole in zip(
            program(tokens[start : start + width], *state[:, start : start + width]), expected, strict=True
        )
    )


def _packed(state: State) -> Tensor:
    """State tensors (N, ...) as one (N, S)."""
    return torch.cat([part.flatten(1) for part in state], 1)
