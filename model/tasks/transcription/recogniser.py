"""Recordings to texts: the letters heard at each frame, a search for what was said, times and confidence of words."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from model.audio import RATE, Samples
from model.audio.mel import HOP, WINDOW, log_mel
from model.cells import State
from model.decoding.ctc import Floats, Language, Span, Weights, align, greedy, prefix_beam_search
from model.tasks.text.language import LanguageModel
from model.tasks.transcription.alphabet import END, Alphabet
from model.tasks.transcription.config import Calibration, DecodingConfig, TranscriptionConfig
from model.tasks.transcription.network import STRIDE, AcousticNetwork
from model.tasks.transcription.pieces import cuts
from model.vocabulary import SPECIALS

SECONDS = STRIDE * HOP / RATE
"""Length of a frame of letters."""
_INAUDIBLE, _LETTERS = -7.0, 6
"""Log-probability below which a letter is not said at a frame, for the search, and most letters that may be."""


@dataclass(frozen=True)
class Word:
    """A word, and when it is said."""

    text: str
    begin: float  # seconds from the beginning of the recording
    end: float
    score: float  # mean log-probability of its letters, each where it is surest
    confidence: float  # probability that the word is right


@dataclass(frozen=True)
class Segment:
    """The words of a piece of a recording, the pieces being cut at pauses."""

    words: tuple[Word, ...]
    begin: float  # seconds
    end: float
    logprobs: Floats = field(repr=False, compare=False)  # (T, V), of the blank and the letters at each frame

    @property
    def text(self) -> str:
        return " ".join(word.text for word in self.words)


@dataclass(frozen=True)
class Transcript:
    """All that was said in a recording."""

    segments: tuple[Segment, ...]
    seconds: float  # of the recording

    @property
    def text(self) -> str:
        """The words, with spaces between; empty where nothing was said."""
        return " ".join(word.text for word in self.words)

    @property
    def words(self) -> tuple[Word, ...]:
        return tuple(word for segment in self.segments for word in segment.words)

    @property
    def confidence(self) -> float:
        """Expected share of right words; 1 where nothing was said."""
        words = self.words
        return sum(word.confidence for word in words) / len(words) if words else 1.0


class Recogniser(nn.Module):
    """A network that hears letters, and a language model that knows which are likely."""

    def __init__(self, config: TranscriptionConfig, alphabet: Alphabet) -> None:
        """Fresh weights; ValueError if there is no cell of a kind, or if the language model is one of words."""
        super().__init__()
        if config.language.unit != "character":
            raise ValueError(f"language.unit: {config.language.unit!r}; a language model of characters is needed")
        self.config, self.alphabet = config, alphabet
        self.acoustic = AcousticNetwork(config, len(alphabet))
        self.language = LanguageModel(config.language, alphabet.vocabulary())

    def initialize(self) -> None:
        """Sets the weights that training starts from."""
        self.acoustic.initialize()
        self.language.initialize()

    @property
    def device(self) -> torch.device:
        return self.acoustic.output.weight.device

    def spectra(self, waveforms: Sequence[Samples]) -> tuple[Tensor, Tensor]:
        """Normalised spectra (N, T, bands) of waveforms, at least one, and how many frames (N,) each has."""
        heard = [torch.from_numpy(np.ascontiguousarray(waveform, np.float32)) for waveform in waveforms]
        lengths = torch.tensor([max(len(waveform), WINDOW) // HOP for waveform in heard], device=self.device)  # (N,)
        padded = pad_sequence([*heard, torch.zeros(WINDOW)], batch_first=True)[:-1]  # (N, S)
        mel = log_mel(padded.to(self.device), self.config.bands)  # (N, T, bands)
        return self.acoustic.normalized(mel, lengths), lengths

    @torch.inference_mode()
    def hear(self, waveforms: Sequence[Samples]) -> list[Floats]:
        """Log-probabilities (T, V) of the blank and the letters at each frame of waveforms (S,) at `RATE`."""
        spectra, lengths = self.spectra(waveforms)
        logprobs = self.acoustic(spectra, lengths).cpu().numpy()  # (N, T, V)
        steps = self.acoustic.steps(lengths).tolist()
        return [row[:length] for row, length in zip(logprobs, steps, strict=True)]

    def search(self, logprobs: Floats, decoding: DecodingConfig | None = None) -> tuple[int, ...]:
        """The symbols that frames (T, V) say, by the configuration's own parameters if none are given."""
        decoding = decoding or self.config.decoding
        if decoding.beam_size == 1:
            return greedy(logprobs)
        weights = Weights(decoding.language_weight, decoding.length_bonus)
        language = Letters(self.language) if decoding.language_weight else None
        best, *_ = prefix_beam_search(logprobs, decoding.beam_size, language, weights, least=_INAUDIBLE, most=_LETTERS)
        return best.symbols

    def words(self, logprobs: Floats, symbols: Sequence[int], begin: float = 0.0) -> tuple[Word, ...]:
        """The words of symbols that are said in frames (T, V), which begin at a time in seconds."""
        spans = align(logprobs, symbols)
        words, letters = [], ""
        inside: list[Span] = []
        scores: list[float] = []
        for letter, symbol, span in zip(
            (*self.alphabet.decode(symbols), " "), (*symbols, 0), (*spans, None), strict=True
        ):
            if letter != " " and span:
                letters += letter
                inside.append(span)
                scores.append(float(logprobs[span.begin : span.end, symbol].max()))
            elif letters:
                times = begin + inside[0].begin * SECONDS, begin + inside[-1].end * SECONDS
                score = sum(scores) / len(scores)
                words.append(Word(letters, *times, score, confidence(score, self.config.calibration)))
                letters, inside, scores = "", [], []
        return tuple(words)

    def transcribe(self, waveforms: Sequence[Samples], decoding: DecodingConfig | None = None) -> list[Transcript]:
        """The texts of waveforms (S,) at `RATE`, S at least 1 each."""
        pieces = [cuts(waveform) for waveform in waveforms]
        heard = iter(self.hear([w[slice(*piece)] for w, own in zip(waveforms, pieces, strict=True) for piece in own]))
        return [
            Transcript(
                tuple(self.segment(next(heard), begin, end, decoding) for begin, end in own), len(waveform) / RATE
            )
            for waveform, own in zip(waveforms, pieces, strict=True)
        ]

    def segment(self, logprobs: Floats, begin: int, end: int, decoding: DecodingConfig | None = None) -> Segment:
        """The words in the frames (T, V) of a piece, which begins and ends at these samples of a recording."""
        words = self.words(logprobs, self.search(logprobs, decoding), begin / RATE)
        return Segment(words, begin / RATE, end / RATE, logprobs)


def confidence(score: float, calibration: Calibration) -> float:
    """The probability that a word of this score is right."""
    return 1 / (1 + math.exp(-(calibration.slope * score + calibration.offset)))


class Letters(Language[State]):
    """A character language model as a search for symbols sees it: 0 is both the beginning and the end of a text."""

    def __init__(self, model: LanguageModel) -> None:
        self._model = model
        self._end = model.vocabulary.words.index(END)

    def start(self) -> tuple[list[float], State]:
        (first,) = self._read(torch.tensor([[self._end]]), None)
        return first

    def read(self, states: Sequence[State], symbols: Sequence[int]) -> list[tuple[Sequence[float], State]]:
        state = tuple(torch.cat(parts, 1) for parts in zip(*states, strict=True))  # (L, N, H) each
        tokens = torch.tensor(symbols)[:, None] + len(SPECIALS)  # (N, 1)
        return [(following, after) for following, after in self._read(tokens, state)]

    @torch.inference_mode()
    def _read(self, tokens: Tensor, state: State | None) -> list[tuple[list[float], State]]:
        logits, after = self._model(tokens.to(self._model.device), state)  # (N, 1, V)
        logprobs = logits[:, 0, len(SPECIALS) :].float().log_softmax(-1).tolist()
        rows = zip(*(part.split(1, 1) for part in after), strict=True)
        return list(zip(logprobs, rows, strict=True))
