"""A real, small checkpoint scored on pictures that it knows."""

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from model.checkpoint import CheckpointError, save
from model.tasks.captioning import CAPTIONING
from model.tasks.captioning.captioner import Captioner
from model.tasks.captioning.config import DecodingConfig
from tests.conftest import SENTENCES
from training.data.base import DataError
from training.tasks.captioning.metrics import METRICS
from training.tasks.captioning.score import FIGURES, evaluate, figures


@pytest.fixture
def data(tmp_path: Path, pictures: list[Image.Image]) -> Path:
    """The five pictures that `tiny_captioner` knows, as dev; the first of them is train too, under another name."""
    root = tmp_path / "data"
    (root / "Images").mkdir(parents=True)
    for number, image in enumerate([*pictures, pictures[0]]):
        image.save(root / "Images" / f"{number}.png")
    said = [(number, text) for number, text in enumerate([*SENTENCES, SENTENCES[0]])] + [(1, "Children, playing !")]
    (root / "captions.txt").write_text("image,caption\n" + "".join(f'{number}.png,"{text}"\n' for number, text in said))
    (root / "Flickr_8k.devImages.txt").write_text("".join(f"{number}.png\n" for number in range(5)))
    (root / "Flickr_8k.trainImages.txt").write_text("5.png\n")
    return root


def read_lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.mark.usefixtures("no_java")
def test_scores_of_known_pictures(
    tiny_checkpoint: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "new" / "captions.jsonl"
    scores = evaluate([tiny_checkpoint], data, "dev", captions_path=path).report
    assert capsys.readouterr().out == ""
    here = [name for name in METRICS if name not in ("METEOR", "SPICE")]
    assert list(scores) == ["split", "images", "beam_size", *here, "seconds", "notes"]
    assert (scores["split"], scores["images"], scores["beam_size"]) == ("dev", 5, 3)
    assert scores["BLEU-4"] == pytest.approx(1)
    assert scores["ROUGE-L"] == pytest.approx(1)
    assert (scores["unique"], scores["novel"]) == (1, 4 / 5)
    assert 0 < scores["seconds"] < 60
    assert [note.split(":")[0] for note in scores["notes"]] == [
        "tokens are not PTB's but a close imitation",
        "METEOR left out",
        "SPICE left out",
    ]
    lines = read_lines(path)
    assert [line["file"] for line in lines] == [f"Images/{number}.png" for number in range(5)]
    assert 0 < lines[0]["confidence"] < 1
    assert lines[0] == {
        "file": "Images/0.png",
        "caption": "a brown dog runs through the green grass",
        "confidence": lines[0]["confidence"],
        "references": ["A brown dog runs through the green grass ."],
    }
    assert lines[1]["references"] == [SENTENCES[1], "Children, playing !"]


@pytest.mark.usefixtures("no_java")
def test_batches_do_not_matter(tiny_checkpoint: Path, data: Path, tmp_path: Path) -> None:
    found = []
    for size in (1, 2, 5, 32):
        path = tmp_path / f"{size}.jsonl"
        scores = evaluate([tiny_checkpoint], data, "dev", captions_path=path, batch_size=size).report
        lines = [{**line, "confidence": pytest.approx(line["confidence"], rel=1e-5)} for line in read_lines(path)]
        found.append((lines, {name: scores[name] for name in METRICS if name in scores}))
    assert all(other == found[0] for other in found[1:])


@pytest.mark.usefixtures("no_java")
def test_beam_size(tiny_checkpoint: Path, tiny_captioner: Captioner, data: Path, tmp_path: Path) -> None:
    assert evaluate([tiny_checkpoint], data, "dev", beam_size=5).report["beam_size"] == 5
    greedy = Captioner(
        tiny_captioner.config.model_copy(update={"decoding": DecodingConfig(method="greedy")}),
        tiny_captioner.vocabulary,
    )
    greedy.load_state_dict(tiny_captioner.state_dict())
    saved = save(tmp_path / "greedy", CAPTIONING, greedy, name="greedy", metrics={}, card="")
    assert evaluate([saved.path], data, "dev").report["beam_size"] == 1
    assert evaluate([saved.path], data, "dev", beam_size=4).report["beam_size"] == 4


@pytest.mark.usefixtures("no_java")
def test_neutral(tiny_checkpoint: Path, data: Path, tmp_path: Path) -> None:
    path = tmp_path / "captions.jsonl"
    assert evaluate([tiny_checkpoint], data, "dev", neutral=True, captions_path=path).report["BLEU-4"] < 1
    for line, sentence in zip(read_lines(path), SENTENCES, strict=True):
        assert not {"man", "woman"} & {*line["caption"].split()}
        if not {"man", "woman"} & {*sentence.lower().split()}:
            assert line["caption"] == sentence.lower().removesuffix(" .")


@pytest.mark.parametrize("size", [0, 11])
def test_beam_size_out_of_range(tiny_checkpoint: Path, data: Path, size: int) -> None:
    with pytest.raises(ValueError, match=rf"^beam_size={size}: must be 1 to 10$"):
        evaluate([tiny_checkpoint], data, "dev", beam_size=size)


@pytest.mark.usefixtures("no_java")
def test_captions_left_out_of_the_data_set_are_noted(tiny_checkpoint: Path, data: Path) -> None:
    with (data / "captions.txt").open("a") as file:
        file.write("2.png,.\n")
    (data / "Flickr_8k.trainImages.txt").unlink()
    notes = evaluate([tiny_checkpoint], data, "dev").report["notes"]
    assert notes[0] == "1 caption without a word left out, of 2.png"
    assert notes[-1] == "novel left out: no captions of training to compare with"


def test_broken_picture(tiny_checkpoint: Path, data: Path, tmp_path: Path) -> None:
    whole = (data / "Images" / "3.png").read_bytes()
    (data / "Images" / "3.png").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match=r"^1 of \d pictures can't be read; .*\n.*3\.png: ."):
        evaluate([tiny_checkpoint], data, "dev", captions_path=tmp_path / "captions.jsonl", batch_size=2)
    assert not (tmp_path / "captions.jsonl").exists()


def test_no_such_split(tiny_checkpoint: Path, data: Path) -> None:
    with pytest.raises(DataError, match=r"no split 'test'; there are train, dev"):
        evaluate([tiny_checkpoint], data, "test")


def test_no_such_checkpoint(data: Path, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"nowhere.config\.json: no such file"):
        evaluate([tmp_path / "nowhere"], data, "dev")


def test_captions_that_cannot_be_written_stop_it_at_once(tiny_checkpoint: Path, data: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (data / "Images" / "0.png").write_bytes(b"would be noticed later")
    with pytest.raises(DataError, match=r"file/captions\.jsonl: .*(exists|Not a directory)"):
        evaluate([tiny_checkpoint], data, "dev", captions_path=tmp_path / "file" / "captions.jsonl")


def test_figures_are_the_scores_that_tell_which_model_is_better() -> None:
    scores = {"BLEU-1": 0.5, "bad_endings": 0.1, "CIDEr": 0.6, "mean_length": 9.0}
    found = figures(scores, "test")
    assert [(figure.name, figure.label, figure.value, figure.higher_is_better) for figure in found] == [
        ("CIDEr", "CIDEr", 0.6, True),
        ("BLEU-1", "BLEU-1", 0.5, True),
        ("bad_endings", "bad endings", 0.1, False),
    ]
    assert {figure.split for figure in found} == {"test"}
    assert FIGURES.keys() <= set(METRICS)
