"""One evaluator for checkpoints of all tasks."""

import json
from pathlib import Path
from typing import Any

import pytest

from model.checkpoint import CheckpointError
from tests.training.conftest import recap_train
from training.data.base import DataError
from training.evaluate import evaluate, write_json


@pytest.mark.usefixtures("no_java")
def test_command_writes_the_report(
    tiny_checkpoint: Path, tiny_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ("evaluate", "--checkpoint", str(tiny_checkpoint), "--data", str(tiny_data))
    with pytest.raises(SystemExit, match="0"):
        recap_train(*given, "--beam-size", "2", "--json", str(tmp_path / "scores.json"))
    scores = json.loads((tmp_path / "scores.json").read_text())
    assert (scores["split"], scores["images"], scores["beam_size"]) == ("dev", 8, 2)
    assert "METEOR left out" in capsys.readouterr().err
    with pytest.raises(SystemExit, match="0"):
        recap_train(*given, "--beam-size", "2", "--json", "-")
    assert {**json.loads(capsys.readouterr().out), "seconds": 0} == {**scores, "seconds": 0}


@pytest.mark.parametrize(
    ("options", "flag"),
    [
        ({"beam_size": 2}, "--beam-size"),
        ({"neutral": True}, "--neutral"),
        ({"captions_path": Path("captions.jsonl")}, "--captions"),
    ],
)
def test_option_of_another_task_is_refused(tiny_language_checkpoint: Path, options: dict[str, Any], flag: str) -> None:
    with pytest.raises(CheckpointError, match=rf"^{flag}: is for captioning; .*tiny-text is a language model$"):
        evaluate([tiny_language_checkpoint], Path("text.txt"), **options)


def test_several_checkpoints_of_a_task_that_takes_one_are_refused(tiny_language_checkpoint: Path) -> None:
    with pytest.raises(CheckpointError, match=r"^several --checkpoint: is for captioning; "):
        evaluate([tiny_language_checkpoint] * 2, Path("text.txt"))


def test_json_to_standard_output_is_alone_there(capsys: pytest.CaptureFixture[str]) -> None:
    write_json({"split": "dev", "CIDEr": 0.75}, Path("-"))
    assert json.loads(capsys.readouterr().out) == {"split": "dev", "CIDEr": 0.75}


def test_json_to_a_file(tmp_path: Path) -> None:
    path = tmp_path / "new" / "scores.json"
    for value in (0.5, 0.75):
        write_json({"CIDEr": value}, path)
        assert json.loads(path.read_text()) == {"CIDEr": value}
    assert [entry.name for entry in path.parent.iterdir()] == ["scores.json"]


def test_json_that_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "scores.json").mkdir()
    with pytest.raises(DataError, match=r"scores\.json: .*directory"):
        write_json({"CIDEr": 0.75}, tmp_path / "scores.json")
    assert [entry.name for entry in tmp_path.iterdir()] == ["scores.json"]
