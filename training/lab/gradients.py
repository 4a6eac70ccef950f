"""The reach of the gradient: |dL_T/dh_t| against T - t, before and after training on the adding problem.

Bengio et al., "Learning long-term dependencies with gradient descent is difficult" (1994): in a plain recurrent network
it vanishes, or explodes, exponentially with the distance. Hochreiter and Schmidhuber, "Long short-term memory" (1997)
give the task, section 5.4, and the cure.
"""

import copy
import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import torch
from matplotlib.figure import Figure
from pydantic import Field, field_validator
from torch import Tensor, nn
from torch.nn.functional import mse_loss
from torch.nn.utils import clip_grad_norm_
from tqdm import tqdm

from model.cells import CELLS, State
from model.config import Config
from model.files import replacing
from model.recurrent import Recurrent

VARIANCE = 1 / 6
"""Variance of the sum of two numbers from 0..1: the squared error of a network that always answers 1."""

LEARNT = 0.5
"""The share of VARIANCE below which a length counts as learnt."""

Length = Annotated[int, Field(ge=4, le=2000)]


class Study(Config):
    """Cells to train, and the problem to train them on."""

    cells: Annotated[tuple[str, ...], Field(min_length=1)] = ("rnn", "lstm", "gru")
    """Names in `model.cells.CELLS`."""
    lengths: Annotated[tuple[Length, ...], Field(min_length=1)] = (10, 20, 50, 100)
    """Steps T of the sequences, shortest first: a network that has learnt one length goes on to the next. From 50 steps
    on even an LSTM takes very long to learn the task from nothing. Gradients are measured at the longest."""
    hidden_size: Annotated[int, Field(ge=1)] = 64
    steps: Annotated[int, Field(ge=1)] = 2000
    """Most training steps at a length; a network that has learnt it goes on sooner."""
    batch_size: Annotated[int, Field(ge=1)] = 64
    learning_rate: Annotated[float, Field(gt=0)] = 3e-3
    seed: Annotated[int, Field(ge=0)] = 1

    @field_validator("cells")
    @classmethod
    def _known(cls, cells: tuple[str, ...]) -> tuple[str, ...]:
        for cell in cells:
            if cell not in CELLS:
                raise ValueError(f"no cell {cell!r}; there are {', '.join(CELLS)}")
        return cells


def adding_problem(count: int, length: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Sequences of numbers from 0..1, two of which are marked; the target is the sum of these two.

    As in the paper, the first mark is in the first tenth and the second in the first half, so that both must be
    remembered for T / 2 steps or more.

    Returns:
        inputs (N, T, 2), number and mark, and targets (N, 1).
    """
    numbers = torch.rand(count, length, generator=generator)  # (N, T)
    early = max(1, length // 10)
    first = torch.randint(0, early, (count,), generator=generator)
    second = torch.randint(early, length // 2, (count,), generator=generator)
    rows = torch.arange(count)
    marks = torch.zeros(count, length)
    marks[rows, first] = marks[rows, second] = 1
    targets = (numbers * marks).sum(1, keepdim=True)  # (N, 1)
    return torch.stack([numbers, marks], 2), targets


class Adder(nn.Module):
    """One recurrent layer, whose last h says the sum."""

    def __init__(self, kind: str, hidden_size: int) -> None:
        super().__init__()
        self.recurrent = Recurrent(kind, 2, hidden_size)
        self.output = nn.Linear(hidden_size, 1)

    def forward(self, inputs: Tensor) -> Tensor:
        """(N, T, 2) -> (N, 1)."""
        return self.output(self.recurrent(inputs)[0][:, -1])  # type: ignore[no-any-return]


def gradient_norms(network: Adder, inputs: Tensor, targets: Tensor) -> dict[str, list[float]]:
    """|dL_T/dh_t|, the mean over sequences, for T - t = 0 .. T - 1; L_T is a sequence's squared error at its last step.

    In double precision, since single loses what has vanished. For cells with a cell state there is |dL_T/dc_t| too: h_t
    acts on the steps after it through the gates alone, while c_t also goes from step to step by itself.
    """
    exact = copy.deepcopy(network).double().requires_grad_(False)
    (cell,) = exact.recurrent.cells()
    state: State | None = None
    states: list[State] = []
    for x in inputs.double().requires_grad_().unbind(1):  # so that the graph begins with the first step
        state = cell(x, state)
        states.append(state)
    loss = mse_loss(exact.output(states[-1][0]), targets.double(), reduction="sum")  # sequences do not see each other
    curves = {}
    for place, name in enumerate("hc"[: cell.num_states]):
        found = torch.autograd.grad(loss, [state[place] for state in reversed(states)], retain_graph=True)
        curves[name] = [gradient.norm(dim=1).mean().item() for gradient in found]
    return curves


def reach(curve: Sequence[float], share: float = 0.01) -> int:
    """The distance T - t up to which the gradient keeps this share of what it is at the last step."""
    return next((distance - 1 for distance, norm in enumerate(curve) if norm < share * curve[0]), len(curve) - 1)


class Outcome(NamedTuple):
    """A study's findings about one cell."""

    errors: dict[int, float]  # length T -> squared error on new sequences, as a share of VARIANCE; of those tried
    initial: dict[str, list[float]]  # `gradient_norms` of h, and c where there is one
    trained: dict[str, list[float]]

    @property
    def learnt(self) -> int:
        """The longest T that was learnt, 0 for none."""
        return max((length for length, error in self.errors.items() if error < LEARNT), default=0)


def train(network: Adder, length: int, study: Study, generator: torch.Generator, bar: "tqdm[Any]") -> float:
    """Trains on one length, and returns the error on 1,000 new sequences as a share of VARIANCE."""
    optimizer = torch.optim.Adam(network.parameters(), lr=study.learning_rate)
    average = 1.0
    for step in range(study.steps):
        inputs, targets = adding_problem(study.batch_size, length, generator)
        loss = mse_loss(network(inputs), targets)
        optimizer.zero_grad()
        loss.backward()
        clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        average += 0.02 * (loss.item() / VARIANCE - average)
        if average < 0.02:
            bar.update(study.steps - step)
            break
        bar.set_postfix_str(f"{network.recurrent.kind}, T = {length}: error {average:.2f}", refresh=False)
        bar.update()
    with torch.inference_mode():
        inputs, targets = adding_problem(1000, length, generator)
        return mse_loss(network(inputs), targets).item() / VARIANCE


def examine(kind: str, study: Study, bar: "tqdm[Any] | None" = None) -> Outcome:
    """Trains a cell on longer and longer sequences, until it fails, and measures its gradients before and after.

    The same study gives the same numbers.
    """
    bar = bar if bar is not None else tqdm(disable=True)
    lengths = sorted(study.lengths)
    inputs, targets = adding_problem(256, lengths[-1], torch.Generator().manual_seed(study.seed + 1))
    generator = torch.Generator().manual_seed(study.seed)
    with torch.random.fork_rng():
        torch.manual_seed(study.seed)
        network = Adder(kind, study.hidden_size)
    initial = gradient_norms(network, inputs, targets)
    errors: dict[int, float] = {}
    for tried, length in enumerate(lengths, start=1):
        errors[length] = train(network, length, study, generator, bar)
        if errors[length] >= LEARNT:
            bar.update((len(lengths) - tried) * study.steps)
            break
    return Outcome(errors, initial, gradient_norms(network, inputs, targets))


def run(study: Study) -> dict[str, Outcome]:
    """Each cell's outcome."""
    total = len(study.cells) * len(study.lengths) * study.steps
    with tqdm(desc="gradients", total=total, unit="step", disable=None) as bar:
        return {kind: examine(kind, study, bar) for kind in study.cells}


def summary(outcomes: dict[str, Outcome]) -> str:
    """A table in Markdown and a sentence a cell: how far each gradient reaches, and which lengths were learnt."""
    longest = len(next(iter(outcomes.values())).initial["h"])
    lengths = sorted({length for outcome in outcomes.values() for length in outcome.errors})
    lines = [
        f"Distance T - t up to which the gradient keeps 1 % of |dL_T/dh_T| (T = {longest}), "
        "and squared error on the adding problem, 1 being that of a constant answer.",
        "",
        "| cell | at initialisation | trained | " + " | ".join(f"error, T = {length}" for length in lengths) + " |",
        "|---|--:|--:|" + "--:|" * len(lengths),
    ]
    for kind, outcome in outcomes.items():
        stages = (outcome.initial, outcome.trained)
        reaches = [", ".join(f"{name} {reach(curve)}" for name, curve in curves.items()) for curves in stages]
        errors = [f"{outcome.errors[length]:.3f}" if length in outcome.errors else "" for length in lengths]
        lines.append(f"| `{kind}` | {' | '.join(reaches + errors)} |")
    lines.append("")
    for kind, outcome in outcomes.items():
        failed = max(outcome.errors)
        within = f"learns over {outcome.learnt // 2} to {outcome.learnt} steps (T = {outcome.learnt})"
        if not outcome.learnt:
            lines.append(f"- `{kind}` does not learn over {failed // 2} to {failed} steps (T = {failed}).")
        elif failed > outcome.learnt:
            lines.append(f"- `{kind}` {within} and no longer over {failed // 2} to {failed} (T = {failed}).")
        else:
            lines.append(f"- `{kind}` {within}, the longest tried.")
    return "\n".join(lines) + "\n"


def plot(outcomes: dict[str, Outcome]) -> Figure:
    """|dL_T/dh_t| against T - t, with a dashed line for c; at initialisation on the left, trained on the right."""
    figure = Figure(figsize=(10, 4), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    for axes, title in ((left, "at initialisation"), (right, "trained")):
        for number, (kind, outcome) in enumerate(outcomes.items()):
            for name, curve in (outcome.initial if axes is left else outcome.trained).items():
                style = "-" if name == "h" else "--"
                axes.semilogy(curve, style, color=f"C{number}", label=f"{kind}, {name}", linewidth=1.5)
        axes.set(title=title, xlabel="T − t, steps", ylim=(1e-12, None))
        axes.grid(alpha=0.3)
    left.set_ylabel("mean norm of dL(T) / dh(t), dashed: dc(t)")
    left.legend(loc="upper right")
    return figure


def write(outcomes: dict[str, Outcome], folder: Path) -> list[Path]:
    """Writes gradients.csv (a row for each distance), gradients.png and summary.md, each whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    columns = {
        f"{kind} {stage} {name}": curve
        for kind, outcome in outcomes.items()
        for stage, curves in (("initial", outcome.initial), ("trained", outcome.trained))
        for name, curve in curves.items()
    }
    table, picture, text = paths = [folder / name for name in ("gradients.csv", "gradients.png", "summary.md")]
    with replacing(table) as partial, partial.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["T - t", *columns])
        writer.writerows((distance, *norms) for distance, norms in enumerate(zip(*columns.values(), strict=True)))
    with replacing(picture) as partial:
        plot(outcomes).savefig(partial, format="png", dpi=110)
    with replacing(text) as partial:
        partial.write_text(summary(outcomes), encoding="utf-8")
    return paths
