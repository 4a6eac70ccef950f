"""The search for readable cells, on a model with a cell that counts the column, and what the command writes."""

import csv
import json
import math
from pathlib import Path

import pytest
import torch
from PIL import Image

from model.checkpoint import Checkpoint, save
from model.tasks.text import TEXT
from model.tasks.text.config import LanguageModelConfig
from model.tasks.text.language import LanguageModel
from model.vocabulary import Vocabulary
from tests.training.conftest import run_command
from training.data.base import DataError
from training.lab.cells import Moments, search, streams
from training.tasks.text.recipe import TextDataRecipe
from training.tasks.text.score import CONTEXT

COUNTER = 3
"""The cell that counts."""


@pytest.fixture
def text(tmp_path: Path) -> Path:
    """Lines of up to 15 letters, 8,000 characters of which the second half is dev."""
    generator = torch.Generator().manual_seed(0)
    lengths = torch.randint(16, (1200,), generator=generator).tolist()
    letters = torch.randint(2, (15 * 1200,), generator=generator).tolist()
    lines = ["".join("ab"[letter] for letter in letters[15 * n : 15 * n + length]) for n, length in enumerate(lengths)]
    path = tmp_path / "text.txt"
    path.write_text("\n".join(lines)[:8000])
    return path


@pytest.fixture
def counting(text: Path, tmp_path: Path) -> Path:
    """A checkpoint of one layer of five cells: one adds 0.05 at each character, and forgets all at a line break."""
    config = LanguageModelConfig(hidden_size=5, num_layers=1)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = LanguageModel(config, Vocabulary.build([text.read_text()])).eval().requires_grad_(False)
    (cell,) = model.recurrent.cells()
    line_break = model.encode("\n")[0]
    rows = [COUNTER + 5 * block for block in range(4)]  # of i, f, g, o
    for weight in (cell.weight_ih, cell.weight_hh):
        weight[rows] = 0.0
    cell.bias_hh[rows] = 0.0
    cell.bias_ih[rows] = torch.tensor([10.0, 10.0, math.atanh(0.05), 10.0])
    cell.weight_ih[rows[:2], line_break] = -20.0
    data = TextDataRecipe(path=text, dev=0.5).model_dump(mode="json")
    return save(
        tmp_path / "counting", TEXT, model, name="counting", metrics={"recipe": {"data": data}}, card="# counting\n"
    ).path


def test_cell_that_counts_is_found(counting: Path, text: Path) -> None:
    checkpoint = Checkpoint.open(counting).expect(TEXT)
    findings = search(checkpoint, text, 100_000)
    best = findings.found[0]
    assert (best.trait.name, best.layer, best.cell) == ("column", 1, COUNTER)
    assert best.chosen > 0.98
    # All by itself: torch's LSTM from the first character on, over the half that reports.
    model, characters = checkpoint.load(), text.read_text()
    columns, column = [], 0.0
    for character in characters:
        column = 0.0 if character == "\n" else column + 1
        columns.append(column)
    (cell,) = model.recurrent.cells()
    state, values = None, []
    with torch.inference_mode():
        for token in model.encode(characters):
            state = cell(model.inputs(torch.tensor([token])), state)
            values.append(state[1][0, COUNTER].tanh())
    expected = torch.corrcoef(torch.stack([torch.tensor(columns[6000:]), torch.stack(values[6000:])]))[0, 1]
    assert best.reported == pytest.approx(float(expected), abs=1e-4)
    assert (findings.readable.chosen_on, findings.readable.reported_on) == (2000, 2000)
    assert findings.readable.cells[0].model_dump() == {
        "layer": 1,
        "cell": COUNTER,
        "trait": "column",
        "label": "characters of the line so far",
        "r": round(best.reported, 3),
    }
    assert {"comment", "proof", "speaker"} <= {trait.name for trait in findings.absent}
    # The gate that forgets is open but at line breaks, where it is shut.
    breaks = characters[4000:].count("\n") / 4000
    shut, open_ = findings.saturation["f"][:, 0, COUNTER].tolist()
    assert (shut, open_) == pytest.approx((breaks, 1 - breaks), abs=1e-6)


def test_fewer_tokens_are_the_first_of_each_half(counting: Path, text: Path) -> None:
    checkpoint = Checkpoint.open(counting).expect(TEXT)
    readable = search(checkpoint, text, 3001).readable
    assert (readable.chosen_on, readable.reported_on) == (1500, 1500)


@pytest.mark.parametrize(("length", "before", "count"), [(2000, 512, 32), (70, 3, 32), (33, 1, 4), (5, 512, 32)])
def test_streams_count_each_place_once(length: int, before: int, count: int) -> None:
    places, counts = streams(length, before, count)
    assert sorted(places[counts].tolist()) == list(range(length))
    assert len(places) <= count
    assert places.min() == -min(before, CONTEXT)
    for row, counted in zip(places.tolist(), counts.tolist(), strict=True):
        first = counted.index(True)
        assert first == CONTEXT
        read = [place for place in row[: counted.count(True) + first] if place > -before]
        assert read == list(range(read[0], read[-1] + 1))  # without a gap, from before the first that counts


def test_correlations_are_pearsons() -> None:
    generator = torch.Generator().manual_seed(0)
    traits = torch.randn(500, 2, generator=generator)
    layers = [torch.randn(500, 4, generator=generator) + traits[:, :1] * scale for scale in (0.0, 2.0)]
    layers[1][:, 3] = 0.7  # a cell that never moves, and one that hardly does
    layers[1][:, 2] = 1e-5 * layers[1][:, 2] - 0.99
    moments = Moments(2, 2, 4)
    for part in (slice(0, 180), slice(180, 500)):
        moments.add(traits[part], [layer[part] for layer in layers])
    found = moments.correlations()
    for number, layer in enumerate(layers):
        for cell in range(4):
            for trait in range(2):
                pair = torch.stack([traits[:, trait], layer[:, cell]]).double()
                expected = torch.corrcoef(pair)[0, 1] if pair[1].std() > 1e-9 else 0.0
                assert float(found[number, trait, cell]) == pytest.approx(float(expected), abs=1e-5)


def test_command_stores_the_cells_and_draws(
    counting: Path, text: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = Checkpoint.open(counting)
    out = tmp_path / "out"
    arguments = ("--checkpoint", str(counting), "--data", str(text), "--out", str(out))
    assert run_command("lab", "cells", *arguments) == 0
    printed = capsys.readouterr().out
    after = Checkpoint.open(counting)
    assert (after.sha256, after.config, after.metrics, after.card) == (
        before.sha256,
        before.config,
        before.metrics,
        before.card,
    )
    assert after.load().readable.cells[0].cell == COUNTER
    assert json.loads((counting / "cells.json").read_text())["chosen_on"] == 2000
    assert (out / "summary.md").read_text() in printed
    with (out / "cells.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert (rows[0]["trait"], rows[0]["cell"]) == ("column", str(COUNTER))
    with (out / "saturation.csv").open(newline="") as file:
        assert len(list(csv.DictReader(file))) == 3 * 5
    with Image.open(out / "saturation.png") as picture:
        assert picture.width > picture.height > 100


def test_text_that_is_too_short_is_told(counting: Path, text: Path) -> None:
    text.write_text("ab\n" * 400)
    with pytest.raises(DataError, match=r"the held-out text has 600 tokens; more than 1,024 are needed"):
        search(Checkpoint.open(counting).expect(TEXT), text, 100_000)


def test_captioner_is_refused(
    tiny_checkpoint: Path, text: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ("--checkpoint", str(tiny_checkpoint), "--data", str(text), "--out", str(tmp_path))
    assert run_command("lab", "cells", *arguments) == 1
    assert "is a captioner, a language model is needed" in capsys.readouterr().err


def test_checkpoint_that_does_not_say_how_its_text_was_cut_is_refused(
    counting: Path, text: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (counting / "metrics.json").write_text("{}")
    arguments = ("--checkpoint", str(counting), "--data", str(text), "--out", str(text.parent))
    assert run_command("lab", "cells", *arguments) == 1
    assert "recipe.data does not say how the text was cut" in capsys.readouterr().err
