"""Cells that one can read: which cells of a language model follow something in the text, and how often gates are shut.

Karpathy, Johnson and Li, "Visualizing and understanding recurrent networks" (2015), sections 4.2 and 4.3: some cells of
a character model keep the length of a line, quotations or the depth of brackets. Here a search finds them: for each
trait of the text (`training.lab.traits`), the cell that correlates with it most over one half of a held-out text, with
the correlation over the other half, where the choice has no say.
"""

import csv
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch
from matplotlib.figure import Figure
from torch import Tensor
from tqdm import tqdm

from model.checkpoint import Checkpoint, save
from model.files import replacing
from model.recurrent import Trace
from model.tasks.text import TEXT
from model.tasks.text.config import LanguageModelConfig
from model.tasks.text.language import LanguageModel
from model.tasks.text.readable import ReadableCell, ReadableCells
from model.tasks.text.states import StateReader
from model.vocabulary import pieces
from training.data.base import DataError
from training.data.text import read_text, split_text
from training.lab.excerpts import Excerpt, plot, telling
from training.lab.traits import TRAITS, Trait
from training.tasks.text.score import CONTEXT, cut_of

READABLE = 0.5
"""Least |r| on the half that chooses, from which on a cell is kept as readable."""
RARE = 0.005
"""Share of places below which a trait counts as not there."""
SHUT, OPEN = 0.1, 0.9
"""A gate below the one is saturated to the left, above the other to the right, as in the paper."""
GATES = {"i": "input gate", "f": "forget gate", "o": "output gate", "r": "reset gate", "z": "update gate"}
"""Gates in the equations of `model.cells`, whose functions go from 0 to 1."""
STREAMS, CHUNK = 32, 64
SHOWN = 6
"""Most readable cells of which an excerpt is drawn."""
MARKERS = (("o", "0.0"), ("^", "0.45"), ("s", "0.75"), ("D", "0.6"))
"""Shape and grey of each layer, which a printer without colours tells apart."""


class Half(NamedTuple):
    """A part of a held-out text."""

    pieces: Sequence[str]  # T of them
    tokens: Tensor  # (T,), their numbers
    traits: Tensor  # (T, F), after each token


class Moments:
    """Sums over places, of which correlations are made: of F traits with H cells in each of L layers."""

    def __init__(self, layers: int, traits: int, cells: int) -> None:
        self.count = 0
        self.y, self.yy = torch.zeros(2, traits, dtype=torch.double)  # (F,) each
        self.a, self.aa = torch.zeros(2, layers, cells, dtype=torch.double)  # (L, H) each
        self.ya = torch.zeros(layers, traits, cells, dtype=torch.double)  # (L, F, H)

    def add(self, traits: Tensor, activity: Sequence[Tensor]) -> None:
        """Takes in traits (P, F) and each layer's activity (P, H) at P places."""
        self.count += len(traits)
        exact = traits.double()  # in single precision, a cell that hardly moves would have any r, also above 1
        self.y += exact.sum(0)
        self.yy += exact.square().sum(0)
        for layer, values in enumerate(part.double() for part in activity):
            self.a[layer] += values.sum(0)
            self.aa[layer] += values.square().sum(0)
            self.ya[layer] += exact.t() @ values

    def correlations(self) -> Tensor:
        """Pearson's r (L, F, H); 0 where a trait or a cell does not vary."""
        y, a = self.y / self.count, self.a / self.count
        covariance = self.ya / self.count - y[None, :, None] * a[:, None]
        spread = (self.yy / self.count - y.square())[None, :, None] * (self.aa / self.count - a.square())[:, None]
        found = covariance / spread.clamp(min=1e-18).sqrt()
        return torch.where(spread > 1e-18, found, 0.0).clamp(-1, 1)


class Found(NamedTuple):
    """The cell that follows a trait most."""

    trait: Trait
    layer: int  # from 1
    cell: int
    chosen: float  # r on the half that chose it
    reported: float  # r on the other half
    share: float  # of places, in both halves, at which the trait is not 0


@dataclass(frozen=True)
class Findings:
    """The outcome of a search."""

    name: str
    """The checkpoint's."""
    found: Sequence[Found]
    """For each trait that the text has, the strongest |r| on the half that reports first."""
    absent: Sequence[Trait]
    saturation: Mapping[str, Tensor]
    """Gate -> shares of time (2, L, H) that it is shut and open, over both halves."""
    readable: ReadableCells
    excerpts: Sequence[Excerpt]
    """Lines of the half that reports, shaded by readable cells."""


def activity(trace: Trace) -> Tensor:
    """The values of a layer that are looked at, (N, T, H): tanh(c), as in the paper, or h of cells without c."""
    return trace.states[1].tanh() if len(trace.states) > 1 else trace.states[0]


def streams(length: int, before: int, count: int) -> tuple[Tensor, Tensor]:
    """Places (N, W) of tokens to be read side by side, and whether they count: each of `length` does so once.

    A stream begins up to CONTEXT tokens before its first that counts; `before` tokens precede the first of all, whose
    place is 0.
    """
    width = math.ceil(length / count)
    starts = torch.arange(0, length, width)[:, None]
    places = starts - CONTEXT + torch.arange(CONTEXT + width)  # (N, W)
    counts = (places >= starts) & (places < length)
    return places.clamp(-before, length - 1), counts


@torch.inference_mode()
def walk(model: LanguageModel, half: Half, before: Tensor) -> Iterator[tuple[Tensor, list[Trace], Tensor]]:
    """Reads a half after the tokens before it: yields the places (N, t), the traces of all layers, and what counts."""
    text = torch.cat([before, half.tokens])
    places, counts = streams(len(half.tokens), len(before), STREAMS)
    states = None
    for start in range(0, places.shape[1], CHUNK):
        part = slice(start, start + CHUNK)
        tokens = text[places[:, part] + len(before)].to(model.device)  # (N, t)
        traces = model.recurrent.traces(model.inputs(tokens), states)
        states = [trace.last for trace in traces]
        yield places[:, part], traces, counts[:, part]


def halves(model: LanguageModel, before: str, held_out: str, most: int) -> tuple[Half, Half]:
    """Up to so many tokens of a text in two halves, each from its beginning, with all traits.

    The traits are told from the text before it too, in which a comment or a bracket may have begun.
    """
    lead = before[-20_000:]
    columns = [trait.values(lead + held_out)[len(lead) :] for trait in TRAITS]
    texts = pieces(held_out, model.config.unit)
    ends = torch.tensor([len(text) for text in texts]).cumsum(0) - 1  # (T,)
    traits = torch.tensor(columns).t()[ends]  # (T, F)
    tokens = torch.tensor(model.vocabulary.encode(texts))  # (T,)
    middle, size = len(tokens) // 2, most // 2
    if middle <= CONTEXT:
        raise DataError(f"the held-out text has {len(tokens):,} tokens; more than {2 * CONTEXT:,} are needed")
    first, second = slice(0, min(middle, size)), slice(middle, middle + size)
    return Half(texts[first], tokens[first], traits[first]), Half(texts[second], tokens[second], traits[second])


def search(checkpoint: Checkpoint[LanguageModelConfig, LanguageModel], data: Path, most: int) -> Findings:
    """Looks for readable cells, on up to so many tokens of a text's dev part, cut as in the checkpoint's training.

    Raises:
        CheckpointError: the checkpoint is damaged, or does not say how its text was cut.
        DataError: the text can't be read, or is too short.
    """
    cut = cut_of(checkpoint)
    text = split_text(read_text(data, cut.pattern), dev=cut.dev, test=cut.test)
    model = checkpoint.load()
    first, second = halves(model, text.train, text.dev, most)
    context = torch.tensor(model.encode(text.train[-20 * CONTEXT :])[-CONTEXT:])
    config = model.config
    shut_open: dict[str, Tensor] = {}
    correlations, counted = [], 0
    steps = sum(math.ceil((CONTEXT + math.ceil(len(half.tokens) / STREAMS)) / CHUNK) for half in (first, second))
    with tqdm(desc=f"cells of {checkpoint.name}", total=steps, unit="chunk", disable=None) as bar:
        for half, before in ((first, context), (second, first.tokens[-CONTEXT:])):
            moments = Moments(config.num_layers, len(TRAITS), config.hidden_size)
            centred = half.traits - half.traits.mean(0)
            for places, traces, counts in walk(model, half, before):
                moments.add(centred[places[counts]], [activity(trace)[counts] for trace in traces])
                for gate in GATES.keys() & traces[0].gates.keys():
                    values = [trace.gates[gate][counts] for trace in traces]  # (P, H) each
                    times = [torch.stack([(value < SHUT).sum(0), (value > OPEN).sum(0)]) for value in values]
                    shut_open[gate] = shut_open.get(gate, 0) + torch.stack(times, 1)  # (2, L, H)
                bar.update()
            correlations.append(moments.correlations())
            counted += moments.count
    found, absent = _best(correlations[0], correlations[1], first, second)
    saturation = {gate: (shut_open[gate] / counted).float() for gate in GATES if gate in shut_open}
    cells = tuple(
        ReadableCell(layer=f.layer, cell=f.cell, trait=f.trait.name, label=f.trait.label, r=round(f.reported, 3))
        for f in found
        if abs(f.chosen) >= READABLE
    )
    readable = ReadableCells(
        data_sha256=text.sha256, chosen_on=len(first.tokens), reported_on=len(second.tokens), cells=cells
    )
    excerpts = [_excerpt(model, second, f) for f in found if abs(f.chosen) >= READABLE][:SHOWN]
    return Findings(checkpoint.name, found, absent, saturation, readable, excerpts)


def _best(chosen: Tensor, reported: Tensor, first: Half, second: Half) -> tuple[list[Found], list[Trait]]:
    """The cell of each trait by the correlations (L, F, H) on the half that chooses; and the traits that are rare."""
    shares = [(half.traits != 0).float().mean(0) for half in (first, second)]  # (F,) each
    found, absent = [], []
    for number, trait in enumerate(TRAITS):
        if min(share[number] for share in shares) < RARE:
            absent.append(trait)
            continue
        layer, cell = divmod(int(chosen[:, number].abs().argmax()), chosen.shape[2])
        share = float(sum(share[number] for share in shares) / 2)
        place = layer, number, cell
        found.append(Found(trait, layer + 1, cell, float(chosen[place]), float(reported[place]), share))
    return sorted(found, key=lambda f: -abs(f.reported)), absent


def _excerpt(model: LanguageModel, half: Half, found: Found) -> Excerpt:
    """Lines over which the trait varies, shaded dark where the cell says that there is much of it."""
    number = TRAITS.index(found.trait)
    place = telling(half.pieces, half.traits[:, number])
    begin = max(0, place.start - CONTEXT)
    reader = StateReader(model, "".join(half.pieces[begin : place.stop]), found.layer)
    while reader.left:
        reader.read()
    states = reader.of([found.cell]).states
    values = states[1].tanh() if len(states) > 1 else states[0]  # (t, 1)
    sign = math.copysign(1, found.chosen)
    title = f"layer {found.layer}, cell {found.cell}: {found.trait.label}, r = {found.reported:+.2f}"
    return Excerpt(title, half.pieces[place], sign * values[place.start - begin :, 0])


def store(checkpoint: Checkpoint[LanguageModelConfig, LanguageModel], readable: ReadableCells) -> None:
    """Writes the readable cells beside the weights, which stay as they are."""
    model = checkpoint.load()
    model.readable = readable
    save(checkpoint.path, TEXT, model, name=checkpoint.name, metrics=checkpoint.metrics, card=checkpoint.card)


def summary(findings: Findings) -> str:
    """A table in Markdown: the cell of each trait, and its correlation on either half."""
    readable = findings.readable
    lines = [
        f"`{findings.name}`: chosen on {readable.chosen_on:,} held-out tokens, "
        f"reported on {readable.reported_on:,} others.",
        "",
        "| trait | share of places | layer | cell | r, chosen | r, reported |",
        "|---|--:|--:|--:|--:|--:|",
    ]
    lines += [
        f"| {f.trait.label} | {f.share:.1%} | {f.layer} | {f.cell} | {f.chosen:+.2f} | **{f.reported:+.2f}** |"
        for f in findings.found
    ]
    if findings.absent:
        lines += ["", f"Not in this text: {', '.join(trait.label for trait in findings.absent)}."]
    return "\n".join(lines) + "\n"


def plot_saturation(saturation: Mapping[str, Tensor]) -> Figure:
    """A panel for each gate and a mark for each cell: shares of time that its gate is open, and shut."""
    figure = Figure(figsize=(3.6 * len(saturation), 3.9), layout="constrained")
    panels = figure.subplots(1, len(saturation), sharex=True, sharey=True, squeeze=False)[0]
    for axes, (gate, shares) in zip(panels, saturation.items(), strict=True):
        shut, open_ = shares  # (L, H) each
        for layer in range(len(shut)):
            marker, grey = MARKERS[layer % len(MARKERS)]
            style: dict[str, Any] = {"s": 14, "facecolors": "none", "edgecolors": grey, "linewidths": 0.7}
            axes.scatter(open_[layer], shut[layer], marker=marker, label=f"layer {layer + 1}", **style)
        axes.plot([0, 1], [1, 0], color="0.8", linewidth=0.8, zorder=0)
        axes.set(title=GATES[gate], xlabel=f"share of time above {OPEN}", xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
        axes.set_aspect("equal")
    panels[0].set_ylabel(f"share of time below {SHUT}")
    panels[-1].legend(loc="upper right", fontsize=8)
    return figure


def write(findings: Findings, folder: Path) -> list[Path]:
    """Writes the tables, the summary and the figures for which there is something to draw, each whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    cells, gates, text = paths = [folder / name for name in ("cells.csv", "saturation.csv", "summary.md")]
    with replacing(cells) as partial, partial.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["trait", "layer", "cell", "r chosen", "r reported", "share of places"])
        writer.writerows(
            (f.trait.name, f.layer, f.cell, f"{f.chosen:.4f}", f"{f.reported:.4f}", f"{f.share:.4f}")
            for f in findings.found
        )
    with replacing(gates) as partial, partial.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["gate", "layer", "cell", f"below {SHUT}", f"above {OPEN}"])
        for gate, shares in findings.saturation.items():
            for layer, (shut, open_) in enumerate(shares.transpose(0, 1), start=1):
                rows = zip(shut.tolist(), open_.tolist(), strict=True)
                writer.writerows((gate, layer, cell, f"{s:.4f}", f"{o:.4f}") for cell, (s, o) in enumerate(rows))
    with replacing(text) as partial:
        partial.write_text(summary(findings), encoding="utf-8")
    figures = {
        "saturation.png": plot_saturation(findings.saturation) if findings.saturation else None,
        "excerpts.png": plot(findings.excerpts) if findings.excerpts else None,
    }
    for name, figure in figures.items():
        if figure:
            with replacing(folder / name) as partial:
                figure.savefig(partial, format="png", dpi=130)
            paths.append(folder / name)
    return paths
