"""The choice of k1 and k2: loss and time of truncated backpropagation on a task whose range is known.

A copy of what was read R steps ago can be learnt from gradients that go back R steps, so k2 should be more than R; what
k1 and k2 cost is k2 / k1 times the work and T / k1 steps of the optimizer.
"""

import csv
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import torch
from matplotlib.figure import Figure
from pydantic import Field, field_validator
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, one_hot
from torch.nn.utils import clip_grad_norm_
from tqdm import tqdm

from model.cells import CELLS, State
from model.config import Config
from model.files import replacing
from model.recurrent import Recurrent
from training.tasks.text.bptt import truncated_bptt

SYMBOLS = 2
"""Kinds of symbols: a guess costs log(2) nats."""

Steps = Annotated[int, Field(ge=1, le=1000)]


class Study(Config):
    """A range to learn, and the k1 and k2 to learn it with."""

    cell: str = "lstm"
    """A name in `model.cells.CELLS`."""
    range: Annotated[int, Field(ge=1, le=200)] = 5
    """Steps R between a symbol and its copy."""
    k1: Annotated[tuple[Steps, ...], Field(min_length=1)] = (1, 5, 10, 20)
    k2: Annotated[tuple[Steps, ...], Field(min_length=1)] = (1, 3, 5, 6, 10, 20)
    """Only pairs with k2 >= k1 are tried: with fewer steps back than forward, some losses reach no gradient."""
    hidden_size: Annotated[int, Field(ge=1)] = 32
    length: Annotated[int, Field(ge=20, le=2000)] = 100
    """Steps T of a sequence."""
    sequences: Annotated[int, Field(ge=1)] = 40
    """Batches of sequences, which all pairs see once: an epoch of running text."""
    batch_size: Annotated[int, Field(ge=1)] = 16
    learning_rate: Annotated[float, Field(gt=0)] = 1e-2
    seed: Annotated[int, Field(ge=0)] = 1

    @field_validator("cell")
    @classmethod
    def _known(cls, cell: str) -> str:
        if cell not in CELLS:
            raise ValueError(f"no cell {cell!r}; there are {', '.join(CELLS)}")
        return cell

    @property
    def pairs(self) -> list[tuple[int, int]]:
        """All k1 and k2 that are tried."""
        return [(k1, k2) for k1 in sorted(self.k1) for k2 in sorted(self.k2) if k2 >= k1]


def copies(count: int, length: int, distance: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Symbols at random, and at each step the symbol of `distance` steps ago.

    Returns:
        inputs (N, T, 2), one-hot, and targets (N, T), of which those before step `distance` are -100: no target.
    """
    symbols = torch.randint(0, SYMBOLS, (count, length), generator=generator)  # (N, T)
    targets = symbols.roll(distance, 1)
    targets[:, :distance] = -100
    return one_hot(symbols, SYMBOLS).float(), targets


class Copier(nn.Module):
    """One recurrent layer that says a symbol at each step."""

    def __init__(self, kind: str, hidden_size: int) -> None:
        super().__init__()
        self.recurrent = Recurrent(kind, SYMBOLS, hidden_size)
        self.output = nn.Linear(hidden_size, SYMBOLS)

    def forward(self, inputs: Tensor, state: State | None) -> tuple[Tensor, State]:
        """(N, T, 2) -> (N, T, 2), and the state after."""
        hidden, after = self.recurrent(inputs, state)
        return self.output(hidden), after


def nats(scores: Tensor, targets: Tensor) -> Tensor:
    """Mean loss of the steps that have a target; zero where none has."""
    total = cross_entropy(scores.flatten(0, 1), targets.flatten(), ignore_index=-100, reduction="sum")
    return total / (targets >= 0).sum().clamp(min=1)


class Outcome(NamedTuple):
    """The findings about one pair."""

    k1: int
    k2: int
    loss: float  # nats a symbol, on new sequences
    seconds: float  # of the processor
    updates: int


def examine(study: Study, k1: int, k2: int) -> Outcome:
    """Trains a network with one k1 and k2. All see the same sequences, and begin with the same weights."""
    generator = torch.Generator().manual_seed(study.seed)
    with torch.random.fork_rng():
        torch.manual_seed(study.seed)
        network = Copier(study.cell, study.hidden_size)
    optimizer = torch.optim.Adam(network.parameters(), lr=study.learning_rate)
    updates, started = 0, time.process_time()
    for _ in range(study.sequences):
        inputs, targets = copies(study.batch_size, study.length, study.range, generator)
        for _chunk in truncated_bptt(network, nats, inputs, targets, k1=k1, k2=k2):
            clip_grad_norm_(network.parameters(), 1.0)
            optimizer.step()
            optimizer.zero_grad()
            updates += 1
    seconds = time.process_time() - started
    with torch.inference_mode():
        inputs, targets = copies(100, study.length, study.range, torch.Generator().manual_seed(study.seed + 1))
        loss = nats(network(inputs, None)[0], targets).item()
    return Outcome(k1, k2, loss, seconds, updates)


def run(study: Study) -> list[Outcome]:
    """All pairs."""
    bar: tqdm[Any]
    with tqdm(study.pairs, desc="truncation", unit="pair", disable=None) as bar:
        return [examine(study, k1, k2) for k1, k2 in bar]


def summary(study: Study, outcomes: Sequence[Outcome]) -> str:
    """Two tables in Markdown, loss and time, with a row for each k1 and a column for each k2."""
    k2s = sorted({outcome.k2 for outcome in outcomes})
    lines = [
        f"Copying what was read {study.range} steps ago, `{study.cell}`: nats a symbol on new sequences after "
        f"{study.sequences} batches of {study.length} steps (a guess costs 0.693), and seconds of the processor.",
        "",
        "| k1 | " + " | ".join(f"k2 = {k2}" for k2 in k2s) + " |",
        "|--:|" + "--:|" * len(k2s),
    ]
    found = {(outcome.k1, outcome.k2): outcome for outcome in outcomes}
    for k1 in sorted({outcome.k1 for outcome in outcomes}):
        cells = [f"{found[k1, k2].loss:.3f}, {found[k1, k2].seconds:.1f} s" if (k1, k2) in found else "" for k2 in k2s]
        lines.append(f"| {k1} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def plot(study: Study, outcomes: Sequence[Outcome]) -> Figure:
    """Loss against k2 on the left, loss against time on the right; a line and a marker for each k1."""
    figure = Figure(figsize=(10, 4), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    for number, k1 in enumerate(sorted({outcome.k1 for outcome in outcomes})):
        own = [outcome for outcome in outcomes if outcome.k1 == k1]
        losses = [outcome.loss for outcome in own]
        style: dict[str, Any] = {
            "color": f"{0.12 * number:.2f}",
            "marker": "osD^vP"[number % 6],
            "markersize": 5,
            "linewidth": 1,
        }
        line = ("-", "--", ":", "-.")[number % 4]
        left.plot([outcome.k2 for outcome in own], losses, linestyle=line, label=f"k1 = {k1}", **style)
        right.plot([outcome.seconds for outcome in own], losses, linestyle="", **style)
    left.axvline(study.range + 0.5, color="0.6", linewidth=0.8)
    left.set(xlabel="k2, steps", ylabel="nats a symbol", xscale="log", ylim=(0, None))
    ticks = sorted({outcome.k2 for outcome in outcomes})
    left.set_xticks(ticks, [str(tick) for tick in ticks])
    left.minorticks_off()
    right.set(xlabel="seconds", xscale="log")
    for axes in (left, right):
        axes.grid(alpha=0.3)
    left.legend()
    return figure


def write(study: Study, outcomes: Sequence[Outcome], folder: Path) -> list[Path]:
    """Writes truncation.csv, truncation.png and summary.md, each whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    table, picture, text = paths = [folder / name for name in ("truncation.csv", "truncation.png", "summary.md")]
    with replacing(table) as partial, partial.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([Outcome._fields, *outcomes])
    with replacing(picture) as partial:
        plot(study, outcomes).savefig(partial, format="png", dpi=110)
    with replacing(text) as partial:
        partial.write_text(summary(study, outcomes), encoding="utf-8")
    return paths
