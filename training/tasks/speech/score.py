"""Word error rates of listeners to a synthesiser, beside theirs of the real recordings; distances; the right voice."""

import time
from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import Any

import jiwer
import numpy as np
import torch

from model.audio import RATE, Samples
from model.checkpoint import Checkpoint
from model.figures import Figure
from model.tasks.speech import SPEECH
from model.tasks.speech.synthesiser import Synthesiser
from training.device import available_device
from training.task import Evaluation, Report
from training.tasks.speech.distance import Ear, cepstra, mel_cepstral_distance
from training.tasks.speech.listeners import Listener, Ours, PocketSphinx
from training.tasks.speech.reader import Clip, Recordings, read_voices
from training.tasks.speech.recipe import SynthesiserRecipe
from training.tasks.transcription.reader import DIGITS

SEEDS = (0, 1, 2)
"""Each digit is said so many times by each voice that says digits."""
FAMILIAR = 60
"""Recordings of each voice by which it is known."""


def spoken(model: Synthesiser, text: str, voice: int, seed: int = 0) -> Samples:
    """A text as a voice says it."""
    pieces = model.plan(model.scripts(text), voice)
    return np.concatenate(model.speak(pieces, seed))


def written(clip: Clip) -> str:
    """The words of a recording."""
    return " ".join(word.text for word in clip.words)


def is_digit(clip: Clip) -> bool:
    """Tells whether it is of somebody who was recorded saying digits alone."""
    return clip.text in DIGITS and "/" not in clip.name and "-" in clip.name


def measure(
    model: Synthesiser, clips: Sequence[Clip], familiar: Sequence[Clip], listeners: Sequence[Listener]
) -> tuple[list[Figure], dict[str, Any]]:
    """The figures of recordings, without their split, and a flat report of all that was counted.

    Args:
        clips: recordings; what is said in them is said again.
        familiar: other recordings of the voices, by which they are told apart.
        listeners: who write what they hear.
    """
    report: dict[str, Any] = {}
    figures: list[Figure] = []

    def add(name: str, label: str, value: float, *, higher: bool) -> None:
        report[name] = value
        figures.append(Figure(name=name, label=label, value=value, split="", higher_is_better=higher))

    prompts = [clip for clip in clips if not is_digit(clip)]
    voices = sorted({clip.voice for clip in clips if is_digit(clip)})
    heard: list[tuple[Samples, str]] = []
    if prompts:
        texts = [written(clip) for clip in prompts]
        began = time.process_time()
        said = [spoken(model, clip.text, model.voices.number(clip.voice)) for clip in prompts]
        report["real_time_factor"] = (time.process_time() - began) * RATE / sum(map(len, said))
        report["prompts"] = len(prompts)
        distances = [
            mel_cepstral_distance(cepstra(waveform), cepstra(clip.waveform))
            for waveform, clip in zip(said, prompts, strict=True)
        ]
        add("mel_cepstral_distance", "mel-cepstral distance (dB)", float(np.mean(distances)), higher=False)
        for listener in listeners:
            rates = [
                float(jiwer.wer(texts, listener.hear(waveforms, digits=False)))
                for waveforms in (said, [clip.waveform for clip in prompts])
            ]
            add(f"word_error_rate_{listener.name}", f"word error rate, {listener.name}", rates[0], higher=False)
            report[f"word_error_rate_{listener.name}_real"] = rates[1]
        heard += [(waveform, clip.voice) for waveform, clip in zip(said, prompts, strict=True)]
    if voices:
        asked = list(product(voices, DIGITS, SEEDS))
        digits = [spoken(model, digit, model.voices.number(voice), seed) for voice, digit, seed in asked]
        real = [clip for clip in clips if is_digit(clip)]
        for listener in listeners:
            found = listener.hear(digits, digits=True)
            right = [text == digit for text, (_, digit, _) in zip(found, asked, strict=True)]
            found = listener.hear([clip.waveform for clip in real], digits=True)
            really = [text == clip.text for text, clip in zip(found, real, strict=True)]
            add(f"digits_{listener.name}", f"digits understood, {listener.name}", float(np.mean(right)), higher=True)
            report[f"digits_{listener.name}_real"] = float(np.mean(really))
            for voice in voices:
                own = [each for each, (name, _, _) in zip(right, asked, strict=True) if name == voice]
                report[f"digits_{listener.name}_{voice}"] = float(np.mean(own))
                own = [each for each, clip in zip(really, real, strict=True) if clip.voice == voice]
                report[f"digits_{listener.name}_{voice}_real"] = float(np.mean(own))
        heard += [(waveform, voice) for waveform, (voice, _, _) in zip(digits, asked, strict=True)]
    if len({clip.voice for clip in familiar}) > 1:
        ear = Ear([clip.waveform for clip in familiar], [clip.voice for clip in familiar])
        add("right_voice", "voices recognised", ear.right(*zip(*heard, strict=True)), higher=True)
        report["right_voice_real"] = ear.right([clip.waveform for clip in clips], [clip.voice for clip in clips])
    return figures, report


def familiar_to(model: Synthesiser, recordings: Recordings) -> list[Clip]:
    """Some training recordings of each voice, the same each time."""
    found = []
    for name in model.voices.names:
        own = [clip for clip in recordings.splits.get("train", ()) if clip.voice == name]
        found += own[:: max(1, len(own) // FAMILIAR)][:FAMILIAR]
    return found


def evaluate(
    checkpoints: Sequence[Path],
    data: Path,
    split: str,
    *,
    listeners: Sequence[str] = ("sphinx",),
    device: torch.device | str = "cpu",
) -> Evaluation:
    """Has a synthesiser say what is said in a split of recordings, and listeners write what they hear.

    Args:
        listeners: who write what they hear: `sphinx` for PocketSphinx, or a recogniser's checkpoint.

    Raises:
        CheckpointError: the checkpoint is missing or damaged, or no synthesiser; or the listener's no recogniser.
        DataError: the data can't be read, or have no such split.
    """
    (path,) = checkpoints
    model = Checkpoint.open(path).expect(SPEECH).load(device)
    chosen = _listeners(listeners, device)
    recordings = read_voices(data, model.pronunciations, tuple({"train", split}))
    return _evaluation(model, recordings, split, chosen)


def report(checkpoint: Path, recipe: SynthesiserRecipe) -> Report:
    """Scores a trained synthesiser on dev, and on test, if there is any."""
    device = available_device()
    model = Checkpoint.open(checkpoint).expect(SPEECH).load(device)
    listeners = _listeners(recipe.listeners, device)
    recordings = read_voices(recipe.data.path, model.pronunciations)
    found = {
        split: _evaluation(model, recordings, split, listeners)
        for split in ("dev", "test")
        if split in recordings.splits
    }
    return Report(
        figures=[figure for evaluation in found.values() for figure in evaluation.figures],
        metrics={
            **{split: evaluation.report for split, evaluation in found.items()},
            "parameters": sum(parameter.numel() for parameter in model.parameters()),
            "data_sha256": recordings.sha256,
        },
        config=model.config,
        card={"voices": model.voices.voices},
    )


def _listeners(names: Sequence[str], device: torch.device | str) -> list[Listener]:
    return [PocketSphinx() if name == PocketSphinx.name else Ours(Path(name), device) for name in names]


def _evaluation(model: Synthesiser, recordings: Recordings, split: str, listeners: Sequence[Listener]) -> Evaluation:
    began = time.perf_counter()
    figures, counted = measure(model, recordings.split(split), familiar_to(model, recordings), listeners)
    seconds = round(time.perf_counter() - began, 1)
    named = [figure.model_copy(update={"split": split}) for figure in figures]
    return Evaluation(named, {"split": split, **counted, "seconds": seconds})
