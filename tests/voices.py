"""Recordings in the layout of the prompts, whose phones are tones, so that small networks can learn them; a small
dictionary; and a synthesiser with random weights that says something of finite length.
"""

from pathlib import Path

import numpy as np
import soundfile
import torch

from model.audio import RATE, Samples
from model.audio.spectrogram import HOP
from model.checkpoint import save
from model.tasks.speech import SPEECH
from model.tasks.speech.config import RenderingConfig, SpeechConfig
from model.tasks.speech.pronunciations import PHONES, Pronunciations
from model.tasks.speech.synthesiser import Synthesiser
from model.tasks.speech.voices import Voice, Voices
from tests.recordings import write_fsdd

WORDS = {
    "go": "G OW",
    "on": "AA N",
    "stop": "S T AA P",
    "now": "N AW",
    "hello": "HH AH L OW",
    "world": "W ER L D",
    "zero": "Z IH R OW",
    "one": "W AH N",
    "two": "T UW",
}
TEXTS = (
    *("go on now", "stop now go", "hello world now", "hello, stop now", "now go on stop", "world, go on", "on", "now."),
    *("go on. hello world now.", "stop the world", "hello go now", "one two zero", "on now on"),
)
SMALL = SpeechConfig(
    bands=20,
    embedding_size=16,
    voice_size=4,
    encoder_size=16,
    prenet_size=16,
    decoder_size=32,
    decoder_layers=1,
    postnet_size=12,
    rendering=RenderingConfig(iterations=2),
)
FRAMES = 8
"""Frames of a phone."""


def tones(text: str) -> tuple[Samples, list[tuple[str, int, int]]]:
    """The tones of a text's phones, between silences; and each word with its first and last frame."""
    time = np.arange(FRAMES * HOP) / RATE
    fade = np.minimum(1, 8 * np.sin(np.pi * np.arange(len(time)) / len(time)))
    parts = [np.zeros(len(time))]
    spans = []
    for word in "".join(c if c.isalpha() else " " for c in text).split():
        begin = len(parts)
        for phone in WORDS.get(word, "DH AH").split():
            hertz = 200 * 1.08 ** PHONES.index(phone)
            parts.append(0.3 * fade * sum(np.sin(2 * np.pi * hertz * n * time) / n for n in (1, 2)))
        spans.append((word, begin * FRAMES, len(parts) * FRAMES))
        parts.append(np.zeros(len(time)))
    whole = np.concatenate(parts)
    noise = 0.001 * np.random.default_rng(len(text)).normal(size=len(whole))
    return (whole + noise).astype(np.float32), spans


def write_voices(folder: Path) -> Path:
    """A folder with prompts, and with digits of two people."""
    prompts = folder / "asterisk"
    (prompts / "wav" / "digits").mkdir(parents=True)
    lines = ["; a comment", "beep: [this is a simple beep tone]", "gone: go on now"]
    for number, text in enumerate(TEXTS):
        name = f"digits/{number}" if number % 2 else f"prompt-{number}"
        lines.append(f"{name}: {text}")
        soundfile.write(prompts / "wav" / f"{name}.wav", tones(text)[0], RATE)
    soundfile.write(prompts / "wav" / "beep.wav", tones("on")[0], RATE)
    (prompts / "core-sounds-en.txt").write_text("\n".join(lines) + "\n")
    write_fsdd(folder / "fsdd")
    (folder / "words.dict").write_text("".join(f"{word} {phones}\n" for word, phones in WORDS.items()))
    return folder


def small_synthesiser(**values: object) -> Synthesiser:
    """Random weights; `values` differ from `SMALL`."""
    torch.manual_seed(4)
    words = ("go", "on", "hello")
    voices = Voices([Voice(name="ann", description="says words", words=words), Voice(name="bob", words=words)])
    model = Synthesiser(SMALL.model_copy(update=values), Pronunciations(WORDS), voices).eval()
    model.initialize()
    with torch.no_grad():
        if model.durations:
            model.durations.output.bias.fill_(1.5)
        model.postnet.output.bias.fill_(0.5)  # so that it is heard
    return model


def save_synthesiser(path: Path) -> None:
    """Saves it as a checkpoint."""
    save(path, SPEECH, small_synthesiser(), name=path.name, metrics={}, card=f"# {path.name}\n")
