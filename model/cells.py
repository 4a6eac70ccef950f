"""Recurrent cells, one step each, written from their equations.

Notation, in all docstrings: x is the input (N, D), h the hidden vector (N, H), c the LSTM's cell state (N, H), primes
mark the step before, σ is the logistic function and * multiplies element by element. A cell has G blocks of H rows in

    weight_ih (G H, D)    weight_hh (G H, H)    bias_ih (G H,)    bias_hh (G H,)

which are torch's names, shapes and order of blocks: a state dict of `torch.nn.RNNCell`, `LSTMCell` or `GRUCell` loads.
The second bias is superfluous everywhere but in the GRU; torch has it, so it is here.

`project` computes all that a step takes from its input, so that `model.recurrent` can do it for all steps at once.
`pointwise`, `recurrent_input` and `recurrent_weight` also work for many networks side by side, whose axis comes first.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import partial
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

State = tuple[Tensor, ...]
"""h first, then whatever else the cell carries to the next step, (N, H) each."""
Gates = dict[str, Tensor]
"""Letter in the equations -> values after the gate's function, (N, H) each; candidates are among them."""


class Cell(nn.Module, ABC):
    """The parameters that all cells share, and the two products with them."""

    blocks: ClassVar[str]  # a letter for each block, in their order
    num_states: ClassVar[int] = 1  # tensors of the state

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__()
        self.input_size, self.hidden_size = input_size, hidden_size
        rows = self.num_gates * hidden_size
        self.weight_ih = nn.Parameter(torch.empty(rows, input_size))
        self.weight_hh = nn.Parameter(torch.empty(rows, hidden_size))
        self.bias_ih = nn.Parameter(torch.empty(rows))
        self.bias_hh = nn.Parameter(torch.empty(rows))
        self.reset_parameters()

    @property
    def num_gates(self) -> int:
        """Blocks G."""
        return len(self.blocks)

    def reset_parameters(self) -> None:
        """Uniform in ±1 / sqrt(H), as torch does."""
        bound = self.hidden_size**-0.5
        for parameter in self.parameters():
            nn.init.uniform_(parameter, -bound, bound)

    def zero_state(self, inputs: Tensor) -> State:
        """Zeros for inputs (N, ...)."""
        return (inputs.new_zeros(inputs.shape[0], self.hidden_size),) * self.num_states

    def project(self, inputs: Tensor) -> Tensor:
        """W_ih x + b_ih: (..., D) -> (..., G H)."""
        return linear(inputs, self.weight_ih, self.bias_ih)

    def recurrent_input(self, state: State) -> Tensor:
        """The factor of the recurrent weight: h (N, H), unless a cell says otherwise."""
        return state[0]

    def recurrent_weight(self) -> Tensor:
        """The weight for `recurrent_input`: (G H, H)."""
        return self.weight_hh

    @abstractmethod
    def equations(self, from_input: Tensor, from_state: Tensor, state: State) -> tuple[Gates, State]:
        """The gates and the next state, after W_ih x + b_ih and W_hh h' + b_hh (N, G H), with the state before."""

    def pointwise(self, from_input: Tensor, from_state: Tensor, state: State) -> State:
        """The next state alone."""
        return self.equations(from_input, from_state, state)[1]

    def forward(self, inputs: Tensor, state: State | None = None) -> State:
        """One step: inputs (N, D) and the state before (zeros if None) to the state after."""
        return self.step(self.project(inputs), state or self.zero_state(inputs))

    def step(self, from_input: Tensor, state: State) -> State:
        """One step from a product with the inputs (N, G H) that is there already, as `project` returns it."""
        from_state = linear(self.recurrent_input(state), self.recurrent_weight(), self.bias_hh)  # (N, G H)
        return self.pointwise(from_input, from_state, state)


class RNN(Cell):
    """Elman, "Finding structure in time" (1990).

        h = tanh(W_ih x + b_ih + W_hh h' + b_hh)

    With `relu` in place of tanh: Le et al., "A simple way to initialize recurrent networks of rectified linear units"
    (2015), without their initialisation.
    """

    blocks = "h"

    def __init__(self, input_size: int, hidden_size: int, activation: Callable[[Tensor], Tensor] = torch.tanh) -> None:
        super().__init__(input_size, hidden_size)
        self.activation = activation

    def equations(self, from_input: Tensor, from_state: Tensor, state: State) -> tuple[Gates, State]:
        return {}, (self.activation(from_input + from_state),)


class LSTM(Cell):
    """Hochreiter and Schmidhuber (1997) with the forget gate of Gers et al. (2000), as drawn in Olah,
    "Understanding LSTM Networks" (2015); blocks i, f, g, o.

        i = σ(W_ii x + b_ii + W_hi h' + b_hi)       input gate
        f = σ(W_if x + b_if + W_hf h' + b_hf)       forget gate
        g = tanh(W_ig x + b_ig + W_hg h' + b_hg)    candidate
        o = σ(W_io x + b_io + W_ho h' + b_ho)       output gate
        c = f * c' + i * g                          state update
        h = o * tanh(c)
    """

    num_states = 2
    blocks = "ifgo"

    def equations(self, from_input: Tensor, from_state: Tensor, state: State) -> tuple[Gates, State]:
        sums = (from_input + from_state).chunk(4, -1)  # (N, H) each
        i, f, g, o = sums[0].sigmoid(), sums[1].sigmoid(), sums[2].tanh(), sums[3].sigmoid()
        c = f * state[1] + i * g
        return {"i": i, "f": f, "g": g, "o": o}, (o * c.tanh(), c)


class GRU(Cell):
    """Cho et al. (2014), in the form of Chung et al. (2014) that torch and cuDNN compute: the reset gate acts after the
    product with h'; blocks r, z, n.

        r = σ(W_ir x + b_ir + W_hr h' + b_hr)            reset gate
        z = σ(W_iz x + b_iz + W_hz h' + b_hz)            update gate
        n = tanh(W_in x + b_in + r * (W_hn h' + b_hn))   candidate
        h = (1 - z) * n + z * h'
    """

    blocks = "rzn"

    def equations(self, from_input: Tensor, from_state: Tensor, state: State) -> tuple[Gates, State]:
        input_r, input_z, input_n = from_input.chunk(3, -1)  # (N, H) each
        state_r, state_z, state_n = from_state.chunk(3, -1)
        r = (input_r + state_r).sigmoid()
        z = (input_z + state_z).sigmoid()
        n = (input_n + r * state_n).tanh()
        return {"r": r, "z": z, "n": n}, ((1 - z) * n + z * state[0],)


class PeepholeLSTM(Cell):
    """The vanilla LSTM of Greff et al., "LSTM: A Search Space Odyssey" (2015), section II: the gates see the cell state
    through peepholes p (H,); blocks i, f, g, o.

        i = σ(W_ii x + b_ii + W_hi h' + b_hi + p_i * c')
        f = σ(W_if x + b_if + W_hf h' + b_hf + p_f * c')
        g = tanh(W_ig x + b_ig + W_hg h' + b_hg)            the paper's z, the block input
        c = f * c' + i * g
        o = σ(W_io x + b_io + W_ho h' + b_ho + p_o * c)     sees the new c
        h = o * tanh(c)                                     the paper's y, the block output

    The paper's eight variants (section III.C) are the subclasses; each says what it changes.
    """

    num_states = 2
    blocks = "ifgo"
    peepholes: ClassVar[bool] = True

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__(input_size, hidden_size)
        for gate in self.blocks.replace("g", "") if self.peepholes else "":
            self.register_parameter(f"peephole_{gate}", nn.Parameter(torch.empty(hidden_size)))
        self.reset_parameters()

    def gate(self, name: str, sums: dict[str, Tensor], c: Tensor) -> Tensor:
        """σ(W x + b + W h' + b + p * c) of i, f or o, and 1 for a gate that the variant lacks: (N, H)."""
        if name not in self.blocks:
            return torch.ones_like(c)
        if not self.peepholes:
            return sums[name].sigmoid()
        peephole: Tensor = getattr(self, f"peephole_{name}")
        return torch.addcmul(sums[name], peephole, c).sigmoid()

    def forget_gate(self, sums: dict[str, Tensor], c: Tensor, i: Tensor) -> Tensor:
        return self.gate("f", sums, c)

    def block_input(self, g: Tensor) -> Tensor:
        return g.tanh()

    def block_output(self, c: Tensor) -> Tensor:
        return c.tanh()

    def equations(self, from_input: Tensor, from_state: Tensor, state: State) -> tuple[Gates, State]:
        sums = dict(zip(self.blocks, (from_input + from_state).chunk(self.num_gates, -1), strict=True))  # (N, H) each
        i = self.gate("i", sums, state[1])
        f = self.forget_gate(sums, state[1], i)
        g = self.block_input(sums["g"])
        c = f * state[1] + i * g
        o = self.gate("o", sums, c)
        return {"i": i, "f": f, "g": g, "o": o}, (o * self.block_output(c), c, *self.carried(i, f, o))

    def carried(self, i: Tensor, f: Tensor, o: Tensor) -> State:
        """Further tensors of the next state."""
        return ()


class NIG(PeepholeLSTM):
    """No input gate: i = 1."""

    blocks = "fgo"


class NFG(PeepholeLSTM):
    """No forget gate, as in 1997: f = 1."""

    blocks = "igo"


class NOG(PeepholeLSTM):
    """No output gate: o = 1."""

    blocks = "ifg"


class NIAF(PeepholeLSTM):
    """No input activation function: g = W_ig x + b_ig + W_hg h' + b_hg."""

    def block_input(self, g: Tensor) -> Tensor:
        return g


class NOAF(PeepholeLSTM):
    """No output activation function: h = o * c."""

    def block_output(self, c: Tensor) -> Tensor:
        return c


class NP(PeepholeLSTM):
    """No peepholes: p = 0, which is `LSTM`."""

    peepholes = False


class CIFG(PeepholeLSTM):
    """Coupled input and forget gate: f = 1 - i."""

    blocks = "igo"

    def forget_gate(self, sums: dict[str, Tensor], c: Tensor, i: Tensor) -> Tensor:
        return 1 - i


class FGR(PeepholeLSTM):
    """Full gate recurrence: each gate also sees all gates of the step before, through `weight_gates` (3 H, 3 H), whose
    blocks are i, f, o both ways.

        i = σ(W_ii x + b_ii + W_hi h' + b_hi + p_i * c' + R_ii i' + R_if f' + R_io o'),    and f and o likewise

    The state is h, c, i, f, o.
    """

    num_states = 5

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__(input_size, hidden_size)
        self.weight_gates = nn.Parameter(torch.empty(3 * hidden_size, 3 * hidden_size))
        self.reset_parameters()

    def recurrent_input(self, state: State) -> Tensor:
        return torch.cat([state[0], *state[2:]], -1)  # (N, 4 H)

    def recurrent_weight(self) -> Tensor:
        to_i, to_f, to_o = self.weight_gates.chunk(3, -2)  # (H, 3 H) each
        gates = torch.cat([to_i, to_f, torch.zeros_like(to_i), to_o], -2)  # (4 H, 3 H), nothing goes to g
        return torch.cat([self.weight_hh, gates], -1)  # (4 H, 4 H)

    def carried(self, i: Tensor, f: Tensor, o: Tensor) -> State:
        return i, f, o


CELLS: dict[str, Callable[[int, int], Cell]] = {
    "rnn": RNN,
    "rnn-relu": partial(RNN, activation=torch.relu),
    "lstm": LSTM,
    "gru": GRU,
    "lstm-peephole": PeepholeLSTM,
    "lstm-nig": NIG,
    "lstm-nfg": NFG,
    "lstm-nog": NOG,
    "lstm-niaf": NIAF,
    "lstm-noaf": NOAF,
    "lstm-np": NP,
    "lstm-cifg": CIFG,
    "lstm-fgr": FGR,
}


def build_cell(kind: str, input_size: int, hidden_size: int) -> Cell:
    """A cell with fresh weights; ValueError if there is none of that kind."""
    if kind not in CELLS:
        raise ValueError(f"no cell {kind!r}; there are {', '.join(CELLS)}")
    return CELLS[kind](input_size, hidden_size)
