"""Recordings as they are published: who is in which split, and what is told of folders that are broken."""

import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest

from model.audio import RATE
from tests.recordings import write_an4, write_commands, write_fsdd, write_recordings
from training.data.base import DataError
from training.tasks.transcription.reader import Clip, read_recordings


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_recordings(tmp_path / "recordings")


def speakers(clips: list[Clip], name: str) -> set[str]:
    return {clip.speaker for clip in clips if clip.set == name}


def test_nobody_is_in_two_splits(folder: Path) -> None:
    splits = read_recordings(folder).splits
    assert list(splits) == ["train", "dev", "test"]
    for name in ("an4", "speech_commands"):
        people = [speakers(clips, name) for clips in splits.values()]
        assert sum(map(len, people)) == len(set.union(*people))
    assert speakers(splits["dev"], "an4") == {"mfxx"}  # the eighth of nine, by name


def test_digits_are_split_by_their_numbers(folder: Path) -> None:
    splits = read_recordings(folder).splits
    counts = {split: sum(clip.set == "fsdd" for clip in clips) for split, clips in splits.items()}
    assert counts == {"train": 2 * 3 * 2, "dev": 2 * 3 * 5, "test": 2 * 3 * 1}  # 10 and 11; 5 to 9; 4


def test_speaker_who_is_left_out_is_test_alone(folder: Path) -> None:
    splits = read_recordings(folder, without=["bob"]).splits
    assert speakers(splits["train"], "fsdd") == speakers(splits["dev"], "fsdd") == {"ann"}
    assert speakers(splits["test"], "fsdd") == {"bob"}
    assert sum(clip.set == "fsdd" for clip in splits["test"]) == 3 * 8
    with pytest.raises(DataError, match="'eve' is no speaker of fsdd; there are ann, bob"):
        read_recordings(folder, without=["eve"])


def test_texts_and_waveforms(folder: Path) -> None:
    clips = [clip for split in read_recordings(folder).splits.values() for clip in split]
    texts = {name: {clip.text for clip in clips if clip.set == name} for name in ("an4", "fsdd", "speech_commands")}
    assert texts["an4"] == {"yes", "no", "go on", "a b", "stop"}
    assert texts["fsdd"] == {"zero", "one", "two"}
    assert texts["speech_commands"] == {"yes", "no", "bed", ""}
    seconds = {clip.text: len(clip) / RATE for clip in clips if clip.set == "fsdd"}
    assert seconds == pytest.approx({"zero": 0.6, "one": 0.5, "two": 0.5}, abs=0.01)
    for clip in clips:
        assert clip.waveform.dtype == np.float32
        assert 0 < np.abs(clip.waveform).max() <= 1


def test_a_split_alone_can_be_read(folder: Path) -> None:
    assert list(read_recordings(folder, splits=("dev",)).splits) == ["dev"]
    with pytest.raises(DataError, match="split=test: the data have dev"):
        read_recordings(folder, splits=("dev",)).split("test")


def test_digest_is_of_all_that_was_read(folder: Path) -> None:
    before = read_recordings(folder).sha256
    assert read_recordings(folder).sha256 == before
    file = folder / "an4" / "etc" / "an4_train.transcription"
    file.write_text(file.read_text().replace("GO ON", "GO NO", 1))
    assert read_recordings(folder).sha256 != before


def test_files_may_lie_beside_an_archive_or_in_a_folder(tmp_path: Path) -> None:
    write_fsdd(tmp_path / "fsdd")
    packed = read_recordings(tmp_path)
    with zipfile.ZipFile(tmp_path / "fsdd" / "recordings.zip") as archive:
        archive.extractall(tmp_path / "fsdd" / "recordings")
    (tmp_path / "fsdd" / "recordings.zip").unlink()
    assert read_recordings(tmp_path).sha256 == packed.sha256


def test_test_of_an4_is_read_where_it_is_there(tmp_path: Path) -> None:
    write_an4(tmp_path / "an4")
    assert "test" not in read_recordings(tmp_path).splits
    for kind in ("fileids", "transcription"):
        train = tmp_path / "an4" / "etc" / f"an4_train.{kind}"
        lines = train.read_text().splitlines()
        train.write_text("\n".join(lines[3:]))
        (train.with_name(f"an4_test.{kind}")).write_text("\n".join(lines[:3]))
    assert speakers(read_recordings(tmp_path).split("test"), "an4") == {"faxx"}


@pytest.mark.parametrize(
    ("break_it", "message"),
    [
        (lambda folder: shutil.rmtree(folder), "has none of the folders an4, fsdd, speech_commands"),
        (lambda folder: (folder / "an4" / "etc" / "an4_train.fileids").unlink(), "an4_train.fileids: no such file"),
        (lambda folder: (folder / "an4" / "etc" / "an4_train.transcription").write_text("YES\n" * 27), "'YES' is not"),
        (lambda folder: (folder / "an4" / "etc" / "an4_train.transcription").write_text("YES\n"), "1 texts for 27"),
        (lambda folder: shutil.rmtree(folder / "an4" / "wav" / "an4_clstk" / "faxx"), "faxx/an0.*: no such recording"),
        (lambda folder: (folder / "fsdd" / "recordings.zip").write_bytes(b"zip"), "recordings.zip: "),
        (lambda folder: (folder / "fsdd" / "recordings.zip").unlink(), "neither recordings"),
        (lambda folder: (folder / "speech_commands" / "yes" / "x.wav").touch(), "yes/x.wav: .*empty"),
    ],
)
def test_broken_data_are_told(folder: Path, break_it, message: str) -> None:  # type: ignore[no-untyped-def]
    break_it(folder)
    with pytest.raises(DataError, match=message):
        read_recordings(folder)


def test_recordings_without_dev_are_told(tmp_path: Path) -> None:
    write_commands(tmp_path / "speech_commands", speakers=0)
    for file in sorted((tmp_path / "speech_commands" / "_silence_").iterdir())[1:]:
        file.unlink()
    with pytest.raises(DataError, match="has no recordings for "):
        read_recordings(tmp_path)
