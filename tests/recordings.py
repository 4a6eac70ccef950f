"""Recordings in the layouts of the three sets, whose letters are tones, so that small networks can learn them; and a
recogniser that hears letters in noise.
"""

import io
import zipfile
from pathlib import Path

import numpy as np
import soundfile
import torch

from model.audio import RATE, Samples
from model.checkpoint import save
from model.tasks.text.config import LanguageModelConfig
from model.tasks.transcription import TRANSCRIPTION
from model.tasks.transcription.alphabet import Alphabet
from model.tasks.transcription.config import DecodingConfig, TranscriptionConfig
from model.tasks.transcription.recogniser import Recogniser
from training.tasks.transcription.reader import DIGITS

LETTERS = "abcdefghijklmnopqrstuvwxyz'"
SENTENCES = ("yes", "no", "go on", "a b", "stop", "on", "b a")


def spoken(text: str, pitch: float = 1.0, rate: int = RATE) -> Samples:
    """A tenth of a second a letter, in a tone of its own; spaces are silent."""
    time = np.arange(rate // 10) / rate
    fade = np.sin(np.pi * np.arange(len(time)) / len(time))
    tones = []
    for letter in f" {text} ":
        hertz = pitch * 200 * 1.12 ** (LETTERS.find(letter) + 1)
        tones.append(0.3 * fade * np.sin(2 * np.pi * hertz * time) * (letter != " "))
    noise = 0.001 * np.random.default_rng(len(text)).normal(size=len(time) * len(tones))
    return (np.concatenate(tones) + noise).astype(np.float32)


def write_an4(folder: Path, speakers: int = 9) -> None:
    identifiers, lines = [], []
    for speaker in range(speakers):
        name = f"{'fm'[speaker % 2]}{chr(97 + speaker)}xx"
        for number, text in enumerate(SENTENCES[speaker % 3 : speaker % 3 + 3]):
            stem = f"an{number}-{name}-b"
            file = folder / "wav" / "an4_clstk" / name / f"{stem}.{('wav', 'opus')[speaker % 2]}"
            file.parent.mkdir(parents=True, exist_ok=True)
            samples = spoken(text, 1 + 0.01 * speaker)
            soundfile.write(file, samples, RATE, **({"format": "OGG", "subtype": "OPUS"} if speaker % 2 else {}))
            identifiers.append(f"an4_clstk/{name}/{stem}")
            lines.append(f"<s> {text.upper()} </s> ({stem})")
    (folder / "etc").mkdir()
    (folder / "etc" / "an4_train.fileids").write_text("\n".join(identifiers) + "\n")
    (folder / "etc" / "an4_train.transcription").write_text("\n".join(lines) + "\n")


def write_fsdd(folder: Path, speakers: tuple[str, ...] = ("ann", "bob"), numbers: range = range(4, 12)) -> None:
    folder.mkdir(parents=True)
    with zipfile.ZipFile(folder / "recordings.zip", "w") as archive:
        for place, speaker in enumerate(speakers):
            for digit in (0, 1, 2):
                for number in numbers:
                    file = io.BytesIO()
                    samples = spoken(DIGITS[digit], 1 + 0.02 * place, 8_000)
                    soundfile.write(file, samples, 8_000, format="WAV", subtype="PCM_16")
                    archive.writestr(f"{digit}_{speaker}_{number}.wav", file.getvalue())


def write_commands(folder: Path, speakers: int = 24) -> None:
    for number in range(speakers):
        word = ("yes", "no", "_unknown_")[number % 3]
        text = "bed" if word == "_unknown_" else word
        name = f"{number:08x}_nohash_0.wav"
        file = folder / word / (f"bed_{name}" if word == "_unknown_" else name)
        file.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(file, spoken(text), RATE)
    quiet = folder / "_silence_"
    quiet.mkdir(parents=True, exist_ok=True)
    for number in range(12):
        noise = 0.01 * np.random.default_rng(number).normal(size=RATE // 2)
        soundfile.write(quiet / f"{number}.wav", noise, RATE)


def write_recordings(folder: Path) -> Path:
    """A folder with all three sets."""
    write_an4(folder / "an4")
    write_fsdd(folder / "fsdd")
    write_commands(folder / "speech_commands")
    return folder


def recording(seconds: float, format_: str = "WAV") -> bytes:
    """Noise, in which there are pauses."""
    draw = np.random.default_rng(int(10 * seconds))
    samples = 0.1 * draw.normal(size=int(seconds * RATE)) * (np.sin(np.arange(int(seconds * RATE)) / 4000) > -0.5)
    file = io.BytesIO()
    soundfile.write(file, samples, RATE, format=format_, subtype="OPUS" if format_ == "OGG" else None)
    return file.getvalue()


def save_recogniser(path: Path, blank: float = 0.0) -> None:
    """Saves a small recogniser that hears letters in noise, or with a bias for the blank nothing at all."""
    torch.manual_seed(6)
    config = TranscriptionConfig(
        bands=16,
        channels=4,
        hidden_size=12,
        num_layers=1,
        language=LanguageModelConfig(hidden_size=8, num_layers=1),
        decoding=DecodingConfig(beam_size=4),
    )
    model = Recogniser(config, Alphabet(" abc"))
    model.initialize()
    with torch.no_grad():
        model.acoustic.output.weight.mul_(4)
        model.acoustic.output.bias[0] += blank
        model.acoustic.output.bias[1] += 1.0  # the space, so that there are words
    save(path, TRANSCRIPTION, model, name=path.name, metrics={}, card=f"# {path.name}\n")
