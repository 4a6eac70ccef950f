"""Texts to speech: what is to be said and for how long, then the spectra, then a waveform."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate
from torch.nn.utils.rnn import pad_sequence

from model.audio import RATE, Samples
from model.audio.spectrogram import HOP, griffin_lim, magnitudes_of
from model.tasks.speech.attention import AttentiveDecoder, Said, times_of
from model.tasks.speech.config import SpeechConfig
from model.tasks.speech.network import (
    POSITIONS,
    Decoder,
    DurationPredictor,
    Encoder,
    PostNet,
    initialize,
    lengths_mask,
)
from model.tasks.speech.pieces import pieces
from model.tasks.speech.pronunciations import Pronunciations, Script
from model.tasks.speech.reading import read
from model.tasks.speech.voices import Voices

SECONDS = HOP / RATE
"""Length of a frame."""
LONGEST_SYMBOL = 2.0
"""Seconds that no symbol is longer than, at normal speed: what a network says of strange texts is bounded."""
LONGEST_ATTENDED = 0.4
"""Seconds for each symbol after which a decoder with attention is stopped."""


@dataclass(frozen=True)
class Piece:
    """A part of a text, a sentence or a clause, as it is going to be said."""

    script: Script
    voice: int
    ends: tuple[int, ...]
    """Frame after the last of each symbol."""
    mel: Tensor | None = None
    """Its mel spectra (T, bands), of a decoder that has to say it to know how long it takes."""

    @property
    def frames(self) -> int:
        return self.ends[-1]

    @property
    def samples(self) -> int:
        return self.frames * HOP


@dataclass(frozen=True)
class Timed:
    """A word, and when it is said, in seconds."""

    text: str
    begin: float
    end: float


class Synthesiser(nn.Module):
    """An encoder of symbols, durations, a decoder of spectra, and the voices."""

    def __init__(self, config: SpeechConfig, pronunciations: Pronunciations, voices: Voices) -> None:
        """Fresh weights; ValueError if there is no cell of that kind."""
        super().__init__()
        self.config, self.pronunciations, self.voices = config, pronunciations, voices
        self.encoder = Encoder(config, len(voices))
        self.durations: DurationPredictor | None = None
        self.decoder: Decoder | AttentiveDecoder
        if config.alignment == "attention":
            self.decoder = AttentiveDecoder(config, self.encoder.size)
        else:
            self.durations = DurationPredictor(config, self.encoder.size)
            self.decoder = Decoder(config, self.encoder.size + POSITIONS)
        self.postnet = PostNet(config)

    def initialize(self) -> None:
        """Sets the weights that training starts from."""
        initialize(self)

    @property
    def device(self) -> torch.device:
        return self.encoder.symbols.weight.device

    def scripts(self, text: str) -> list[Script]:
        """The pieces of a text, to be said one after the other.

        Raises:
            UnsayableError: the text can't be said.
        """
        return [self.pronunciations.write_down(parts) for parts in pieces(read(text, self.pronunciations))]

    @torch.inference_mode()
    def plan(self, scripts: Sequence[Script], voice: int, speed: float = 1.0) -> list[Piece]:
        """The pieces of a text with the time of each symbol; `speed` is how many times as fast as usual they are."""
        if self.durations is None:
            return [self._attended(script, voice, speed) for script in scripts]
        symbols = _padded(scripts).to(self.device)  # (N, L)
        encodings = self.encoder(symbols, torch.full((len(scripts),), voice, device=self.device))  # (N, L, E)
        logs = self.durations(encodings, symbols > 0)  # (N, L)
        frames = logs.double().exp().clamp(1, LONGEST_SYMBOL / SECONDS) / speed  # (N, L)
        rows = frames.cumsum(1).round().long().cpu().tolist()
        found = []
        for script, row in zip(scripts, rows, strict=True):
            ends, last = [], 0
            for end in row[: len(script.symbols)]:
                last = max(last + 1, end)  # a symbol has at least a frame
                ends.append(last)
            found.append(Piece(script, voice, tuple(ends)))
        return found

    def _attended(self, script: Script, voice: int, speed: float) -> Piece:
        """A piece that attention goes through, and so is said already."""
        assert isinstance(self.decoder, AttentiveDecoder)
        said = self.attend(script, voice)
        each = self.config.frames_per_step
        ends = [max(1, round(end / speed)) for end in times_of(said.weights[0], each)]
        frames = max(ends[-1], len(ends))
        ends = [max(place, min(end, frames - len(ends) + place)) for place, end in enumerate(ends, 1)]
        mel = interpolate(said.mel.transpose(1, 2), frames, mode="linear")[0].t()  # (T, bands)
        return Piece(script, voice, tuple(ends), mel)

    @torch.inference_mode()
    def attend(self, script: Script, voice: int, seed: int = 0) -> Said:
        """The spectra (1, T, bands) that a decoder with attention makes of a script, and where it looks: (1, S, L).

        Raises:
            ValueError: the decoder has durations instead.
        """
        if not isinstance(self.decoder, AttentiveDecoder):
            raise ValueError(
                "this synthesiser has durations and no attention; train one with model.alignment=attention"
            )
        symbols = torch.tensor([script.symbols], device=self.device)  # (1, L)
        encodings = self.encoder(symbols, torch.tensor([voice], device=self.device))  # (1, L, E)
        draw = torch.Generator().manual_seed(seed)
        keep = 1 - self.config.prenet_dropout

        def drop(hidden: Tensor) -> Tensor:
            return hidden * (torch.rand(hidden.shape, generator=draw) < keep).to(hidden) / keep

        most = math.ceil(len(script.symbols) * LONGEST_ATTENDED / SECONDS / self.config.frames_per_step)
        return self.decoder.say(encodings, drop, most)

    @torch.inference_mode()
    def spectra(self, pieces: Sequence[Piece], seed: int = 0) -> list[tuple[Tensor, Tensor]]:
        """Mel (T, bands) and linear spectra (T, BINS) of pieces, which do not depend on what is said beside them."""
        if isinstance(self.decoder, AttentiveDecoder):
            mels = [piece.mel[None] for piece in pieces if piece.mel is not None]  # (1, T, bands) each
            return [(mel[0], self.postnet(mel, torch.ones_like(mel[..., 0], dtype=torch.bool))[0]) for mel in mels]
        symbols = _padded([piece.script for piece in pieces]).to(self.device)  # (N, L)
        voices = torch.tensor([piece.voice for piece in pieces], device=self.device)
        encodings = self.encoder(symbols, voices)  # (N, L, E)
        ends = pad_sequence([torch.tensor(piece.ends) for piece in pieces], batch_first=True).to(self.device)  # (N, L)
        durations = ends.diff(dim=1, prepend=ends.new_zeros(len(ends), 1)).clamp(min=0)  # (N, L)
        lengths = torch.tensor([piece.frames for piece in pieces], device=self.device)
        longest = int(lengths.max())
        contexts = self.decoder.contexts(encodings, durations, longest)  # (N, S, E)
        kept = self._kept(len(pieces), contexts.shape[1], seed)  # (N, S, 2, P)
        mel = self.decoder.say(contexts, kept)[:, :longest]  # (N, T, bands)
        linear = self.postnet(mel, lengths_mask(lengths, mel.shape[1]))  # (N, T, BINS)
        return [(mel[row, :length], linear[row, :length]) for row, length in enumerate(lengths.tolist())]

    def _kept(self, rows: int, steps: int, seed: int) -> Tensor:
        """The prenet's factors (N, S, 2, P), the same for each row, whoever is beside it."""
        keep = 1 - self.config.prenet_dropout
        draw = torch.Generator().manual_seed(seed)
        kept = torch.rand(steps, 2, self.config.prenet_size, generator=draw) < keep  # (S, 2, P)
        return (kept / keep).to(self.device).expand(rows, -1, -1, -1)

    def speak(self, pieces: Sequence[Piece], seed: int = 0) -> list[Samples]:
        """Waveforms (S,) at `RATE` of pieces, S being `Piece.samples`."""
        rendering = self.config.rendering
        found = []
        for _, linear in self.spectra(pieces, seed):
            magnitudes = magnitudes_of(linear)  # (T, BINS)
            loudest = magnitudes.max().clamp(min=1e-8)
            magnitudes = loudest * (magnitudes / loudest) ** rendering.sharpness
            waveform: Samples = griffin_lim(magnitudes, rendering.iterations, seed).cpu().numpy()
            found.append(waveform.clip(-1, 1))
        return found


def words_of(piece: Piece, begin: float = 0.0) -> list[Timed]:
    """The words of a piece, which begins at a time in seconds."""
    times = [0, *piece.ends]
    return [
        Timed(word.text, begin + times[word.begin] * SECONDS, begin + times[word.end] * SECONDS)
        for word in piece.script.words
    ]


def _padded(scripts: Sequence[Script]) -> Tensor:
    return pad_sequence([torch.tensor(script.symbols) for script in scripts], batch_first=True)  # (N, L)
