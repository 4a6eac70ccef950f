"""Each cell against torch, against its equations, and against finite differences."""

import pytest
import torch
from torch import Tensor, nn

from model.cells import CELLS, FGR, NP, PeepholeLSTM, build_cell

N, D, H = 3, 4, 5

TORCH: dict[str, nn.RNNCellBase] = {
    "rnn": nn.RNNCell(D, H),
    "rnn-relu": nn.RNNCell(D, H, nonlinearity="relu"),
    "lstm": nn.LSTMCell(D, H),
    "lstm-np": nn.LSTMCell(D, H),
    "gru": nn.GRUCell(D, H),
}


@pytest.mark.parametrize("kind", TORCH)
def test_equals_torch_forward_and_backward(kind: str) -> None:
    torch.manual_seed(0)
    theirs, ours = TORCH[kind], build_cell(kind, D, H)
    ours.load_state_dict(theirs.state_dict())
    x = torch.randn(N, D, requires_grad=True)
    state = tuple(torch.randn(N, H, requires_grad=True) for _ in range(ours.num_states))
    expected = theirs(x, state if len(state) == 2 else state[0])
    expected = expected if isinstance(expected, tuple) else (expected,)
    weights = torch.randn(len(state), N, H)
    answers = []
    for after, parameters in ((ours(x, state), ours.parameters()), (expected, theirs.parameters())):
        loss = sum((part * weight).sum() for part, weight in zip(after, weights, strict=True))
        answers.append((*after, *torch.autograd.grad(loss, [x, *state, *parameters])))
    for our, their in zip(*answers, strict=True):
        torch.testing.assert_close(our, their, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("kind", CELLS)
def test_gradients_are_those_of_finite_differences(kind: str) -> None:
    torch.manual_seed(0)
    cell = build_cell(kind, D, H).double()
    x = torch.randn(N, D, dtype=torch.double, requires_grad=True)
    state = [torch.randn(N, H, dtype=torch.double, requires_grad=True) for _ in range(cell.num_states)]
    names = [name for name, _ in cell.named_parameters()]

    def step(x: Tensor, *rest: Tensor) -> tuple[Tensor, ...]:
        given = dict(zip(names, rest[len(state) :], strict=True))
        return torch.func.functional_call(cell, given, (x, rest[: len(state)]))  # type: ignore[no-any-return]

    assert torch.autograd.gradcheck(step, (x, *state, *cell.parameters()))
    # Without a state the step starts from zeros.
    zeros = tuple(torch.zeros(N, H, dtype=torch.double) for _ in state)
    for ours, expected in zip(cell(x), cell(x, zeros), strict=True):
        assert torch.equal(ours, expected)


def odyssey(cell: PeepholeLSTM, kind: str, x: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """Section II and III.C of the paper for one row and one unit after the other, in numbers."""
    h, c = state[0], state[1]
    gates_before = torch.cat(state[2:]) if len(state) > 2 else None
    row = {block: number * H for number, block in enumerate(cell.blocks)}
    after: list[list[Tensor]] = []
    for unit in range(H):

        def total(block: str, c: Tensor, unit: int = unit) -> Tensor:
            at = row[block] + unit
            answer = cell.weight_ih[at] @ x + cell.bias_ih[at] + cell.weight_hh[at] @ h + cell.bias_hh[at]
            if block != "g" and cell.peepholes:
                answer = answer + getattr(cell, f"peephole_{block}")[unit] * c
            if block != "g" and isinstance(cell, FGR):
                assert gates_before is not None
                answer = answer + cell.weight_gates["ifo".index(block) * H + unit] @ gates_before
            return answer

        def logistic(value: Tensor) -> Tensor:
            return 1 / (1 + torch.exp(-value))

        one = torch.ones(())
        i = one if kind == "lstm-nig" else logistic(total("i", c[unit]))
        f = one if kind == "lstm-nfg" else 1 - i if kind == "lstm-cifg" else logistic(total("f", c[unit]))
        g = total("g", c[unit]) if kind == "lstm-niaf" else torch.tanh(total("g", c[unit]))
        new = f * c[unit] + i * g
        o = one if kind == "lstm-nog" else logistic(total("o", new))
        y = o * (new if kind == "lstm-noaf" else torch.tanh(new))
        after.append([y, new, i, f, o])
    return tuple(torch.stack(part) for part in zip(*after, strict=True))[: len(state)]


@pytest.mark.parametrize("kind", [kind for kind in CELLS if kind.startswith("lstm-")])
def test_variants_are_the_paper_s(kind: str) -> None:
    torch.manual_seed(0)
    cell = build_cell(kind, D, H).double()
    assert isinstance(cell, PeepholeLSTM)
    x = torch.randn(N, D, dtype=torch.double)
    state = tuple(torch.randn(N, H, dtype=torch.double) for _ in range(cell.num_states))
    ours = cell(x, state)
    for row in range(N):
        expected = odyssey(cell, kind, x[row], tuple(part[row] for part in state))
        for part, value in zip(ours, expected, strict=True):
            torch.testing.assert_close(part[row], value)


def test_no_peepholes_means_none() -> None:
    assert {name for name, _ in NP(D, H).named_parameters()} == {"weight_ih", "weight_hh", "bias_ih", "bias_hh"}


def test_unknown_kinds_are_named() -> None:
    with pytest.raises(ValueError, match="no cell 'lstn'; there are rnn, rnn-relu, lstm, gru, lstm-peephole"):
        build_cell("lstn", D, H)
