"""Listeners that write what they hear: PocketSphinx, which never heard any of our data, and a recogniser of ours."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from model.audio import RATE, Samples
from model.checkpoint import Checkpoint
from model.tasks.transcription import TRANSCRIPTION
from training.tasks.transcription.reader import DIGITS

QUIET = np.zeros(RATE // 4, np.float32)
"""Silence that a recording is put between: recognisers expect some."""


class Listener(ABC):
    """Somebody who writes what is said."""

    name: str
    """Its name in reports."""

    @abstractmethod
    def hear(self, waveforms: Sequence[Samples], *, digits: bool) -> list[str]:
        """The texts of waveforms (S,) at `RATE`; `digits` tells that each says one digit."""


class PocketSphinx(Listener):
    """The recogniser of Carnegie Mellon University with the English model in its wheel: hidden Markov models."""

    name = "sphinx"

    def __init__(self) -> None:
        from pocketsphinx import Decoder

        self._sentences = Decoder(samprate=float(RATE), loglevel="FATAL")
        self._digits = Decoder(samprate=float(RATE), loglevel="FATAL", lm=None)
        self._digits.add_jsgf_string("digits", f"#JSGF V1.0; grammar digits; public <digit> = {' | '.join(DIGITS)};")
        self._digits.activate_search("digits")

    def hear(self, waveforms: Sequence[Samples], *, digits: bool) -> list[str]:
        decoder = self._digits if digits else self._sentences
        found = []
        for waveform in waveforms:
            whole = np.concatenate([QUIET, waveform, QUIET])
            decoder.start_utt()
            decoder.process_raw((whole.clip(-1, 1) * 32767).astype("<i2").tobytes(), full_utt=True)
            decoder.end_utt()
            hypothesis = decoder.hyp()
            found.append(hypothesis.hypstr.lower() if hypothesis else "")
        return found


class Ours(Listener):
    """A recogniser's checkpoint, which has to be trained without synthetic speech of the voices."""

    name = "recogniser"

    def __init__(self, path: Path, device: torch.device | str) -> None:
        """Raises CheckpointError if it is missing, damaged or no recogniser."""
        self._model = Checkpoint.open(path).expect(TRANSCRIPTION).load(device)

    def hear(self, waveforms: Sequence[Samples], *, digits: bool) -> list[str]:
        padded = [np.concatenate([QUIET, waveform, QUIET]) for waveform in waveforms]
        return [self._model.transcribe([waveform])[0].text for waveform in padded]
