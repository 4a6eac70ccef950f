"""The picture of where a synthesiser looks."""

from pathlib import Path

import pytest
import torch
from PIL import Image

from model.tasks.speech.synthesiser import Synthesiser
from tests.training.conftest import run_command
from tests.voices import save_synthesiser, small_synthesiser
from training.lab.attention import draw, weights_of


@pytest.mark.parametrize("alignment", ["durations", "attention"])
def test_weights_sum_to_one_at_each_frame(alignment: str) -> None:
    model: Synthesiser = small_synthesiser(alignment=alignment)
    (script,) = model.scripts("hello go")
    weights = weights_of(model, script, 0)
    assert weights.shape[1] == len(script.symbols)
    torch.testing.assert_close(weights.sum(1), torch.ones(len(weights)))


def test_picture_is_drawn(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert draw(small_synthesiser(alignment="attention"), "hello go on. now", 0, tmp_path / "a" / "x.png") <= 1
    with Image.open(tmp_path / "a" / "x.png") as picture:
        assert picture.width > 500
    save_synthesiser(tmp_path / "tiny")
    arguments = ("lab", "attention", "--checkpoint", str(tmp_path / "tiny"), "--out", str(tmp_path / "b.png"))
    assert run_command(*arguments, "--text", "go") == 0
    assert "the largest weight is 1.00 on average" in capsys.readouterr().out
    assert (tmp_path / "b.png").is_file()
    assert run_command(*arguments, "--voice", "carl") != 0
    assert "--voice carl: there are ann, bob" in capsys.readouterr().err
