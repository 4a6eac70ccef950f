"""The step of a language model that OpenVINO compiles, and blocks of texts around the program."""

from itertools import chain

import torch
from torch import Tensor, nn

from model.cells import State
from model.openvino.program import Network, Program
from model.tasks.text.language import LanguageModel
from model.tasks.text.step import BLOCK, Block, Stepper

WIDTHS = (1, 2, 3, 4, 5, 6, 7, 8, 9, 15, 16, 17, 31)
"""Numbers of rows tried against 32: whole groups that a kernel may take together, and remainders beside them."""


def language_model_networks(model: LanguageModel) -> dict[str, Network]:
    """The network of a language model in torch.

    `step`: tokens (N,) and the parts of a state, (N, H) each, all layers of a kind side by side, to logits (N, V) and
    the parts of the next state.
    """
    step = _Step(model)
    example = torch.zeros(2, dtype=torch.long), *torch.zeros(step.parts, 2, model.config.hidden_size)
    return {"step": Network(step, example, precision="int8")}


class CompiledStepper(Stepper):
    """The compiled `step` of any cell. Its blocks have any number of rows where the CPU's kernels keep rows apart."""

    short = 16  # a call of the model costs torch as much as ten steps

    def __init__(self, program: Program, hidden_size: int, vocabulary_size: int) -> None:
        self.program, self.dtype, self.hidden_size = program, program.dtype, hidden_size
        self.parts = program.num_inputs - 1
        self.width = 0 if self._rows_are_independent(vocabulary_size) else BLOCK

    def block(self, rows: int = BLOCK) -> "CompiledBlock":
        return CompiledBlock(self, self.width or rows)

    def _rows_are_independent(self, vocabulary_size: int) -> bool:
        """Tries whether each row has the same bits in any place, among any number of others."""
        generator = torch.Generator().manual_seed(0)
        tokens = torch.randint(vocabulary_size, (32,), generator=generator)
        state = torch.rand(self.parts, 32, self.hidden_size, generator=generator) * 2 - 1
        expected = self.program(tokens, *state)
        return all(
            torch.equal(part, whole[start : start + width])
            for width in WIDTHS
            for start in (0, 32 - width)
            for part, whole in zip(
                self.program(tokens[start : start + width], *state[:, start : start + width]), expected, strict=True
            )
        )


class CompiledBlock(Block):
    """The states of a program's texts."""

    def __init__(self, stepper: CompiledStepper, rows: int) -> None:
        self.stepper = stepper
        self.state = torch.zeros(stepper.parts, rows, stepper.hidden_size)  # (parts, N, H)
        self.used = tuple(self.state)  # (N, H) each
        """The rows of the last step: the program recognises the same tensors, and need not be given them again."""

    def put(self, row: int, state: State | None) -> None:
        self.state[:, row] = 0.0 if state is None else torch.cat(state)[:, 0]

    def take(self, row: int) -> State:
        return (self.state[:, row, None].clone(),)  # all parts in one

    def step(self, tokens: Tensor, rows: int) -> Tensor:
        used = self.stepper.width or rows
        if used != len(self.used[0]):
            self.used = tuple(self.state[:, :used])
        return self.stepper.program.recur(tokens[:used], self.used)[:rows]


class _Step(nn.Module):
    """A language model one token further. Its state stands in parts, so that none is copied out of another."""

    def __init__(self, model: LanguageModel) -> None:
        super().__init__()
        self.model = model
        self.cells = model.recurrent.cells()
        self.parts = self.cells[0].num_states * len(self.cells)

    def forward(self, tokens: Tensor, *state: Tensor) -> tuple[Tensor, ...]:
        hidden = self.model.inputs(tokens)  # (N, D)
        after = []
        for layer, cell in enumerate(self.cells):
            after.append(cell(hidden, state[layer :: len(self.cells)]))
            hidden = after[-1][0]  # (N, H)
        return self.model.output(hidden), *chain.from_iterable(zip(*after, strict=True))
