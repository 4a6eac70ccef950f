"""Small data sets in the form of the real ones."""

import json
from pathlib import Path
from zipfile import ZipFile

import numpy as np
import pytest
import soundfile

PHONES = {"YES": "Y EH S", "NO": "N OW", "YES(2)": "Y AH S"}


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with scales for chorales, tones for speech and lines for characters."""
    folder = tmp_path_factory.mktemp("odyssey")
    random = np.random.default_rng(0)
    write_chorales(folder)
    write_speech(folder, random)
    write_characters(folder, random)
    return folder


def write_chorales(folder: Path) -> None:
    def scale(start: int, length: int) -> list[list[int]]:
        return [[start + 2 * (time % 5), start + 12 + time % 3] for time in range(length)]

    splits = {
        "train": [scale(43 + number % 6, 12 + number) for number in range(10)],
        "valid": [scale(44 + number, 9 + number) for number in range(4)],
        "test": [[[20]]],  # out of range: nobody may read it
    }
    (folder / "jsb").mkdir()
    (folder / "jsb" / "jsb-chorales-quarter.json").write_text(json.dumps(splits))


def write_speech(folder: Path, random: np.random.Generator) -> None:
    etc = folder / "an4" / "etc"
    etc.mkdir(parents=True)
    (etc / "an4.dic").write_text("".join(f"{word} {phones}\n" for word, phones in PHONES.items()))
    names, lines = [], []
    for speaker in range(8):
        for number, words in enumerate(("YES", "NO NO")):
            name = f"an4_clstk/s{speaker}/an{number}-s{speaker}-b"
            path = folder / "an4" / "wav" / f"{name}.{'wav' if number else 'opus'}"
            path.parent.mkdir(parents=True, exist_ok=True)
            time = np.arange(16_000 + 1600 * number) / 16_000
            tone = 0.3 * np.sin(2 * np.pi * 300 * (2 + number) * time) + 0.01 * random.standard_normal(len(time))
            options = {} if number else {"format": "OGG", "subtype": "OPUS"}
            soundfile.write(path, tone.astype("float32"), 16_000, **options)
            names.append(name)
            lines.append(f"<s> {words} </s> ({name.split('/')[-1]})")
    (etc / "an4_train.fileids").write_text("\n".join(names) + "\n")
    (etc / "an4_train.transcription").write_text("\n".join(lines) + "\n")


def write_characters(folder: Path, random: np.random.Generator) -> None:
    (folder / "omniglot").mkdir()
    with ZipFile(folder / "omniglot" / "strokes_background_small1.zip", "w") as archive:
        for character in range(3):
            for writer in range(1, 21):
                angle = 2 * np.pi * character / 3
                ends = np.array([[0, 0], [100 * np.cos(angle), 100 * np.sin(angle)]]) + random.normal(0, 3, (2, 2))
                lines = ["START", "20.0,-20.0,0", "60.0,-20.0,10", "BREAK"]
                lines += [*(f"{x:f},{y:f},{20 + 10 * time}" for time, (x, y) in enumerate(ends)), "BREAK", ""]
                name = f"strokes_background_small1/Greek/character{character + 1:02}/0{character}_{writer:02}.txt"
                archive.writestr(name, "\n".join(lines))
        archive.writestr("__MACOSX/strokes_background_small1/Greek/character01/._00_01.txt", b"\x00")
