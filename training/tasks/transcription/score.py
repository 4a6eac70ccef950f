"""Word and character error rates of recognisers, by set and by what sounds behind the speech."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jiwer
import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from model.audio import RATE, Samples
from model.checkpoint import Checkpoint
from model.decoding.ctc import Floats
from model.figures import Figure
from model.tasks.transcription import TRANSCRIPTION
from model.tasks.transcription.alphabet import END
from model.tasks.transcription.config import Calibration, DecodingConfig, TranscriptionConfig
from model.tasks.transcription.recogniser import Recogniser
from training.calibration import calibration_error
from training.device import available_device
from training.task import Evaluation, Report
from training.tasks.transcription.augmentation import NOISES, Draw, babble, echo, in_room, low_passed, mixed
from training.tasks.transcription.examples import joined
from training.tasks.transcription.reader import COMMANDS, Clip, read_recordings
from training.tasks.transcription.recipe import RecogniserRecipe

BATCH_SECONDS = 120
"""Seconds of recordings that are heard at once."""
STRINGS = 25
"""Strings of digits that a speaker's recordings are joined to."""
NOISES_EACH = 30
"""Recordings of each kind of noise in which nothing is said."""
GREEDY = DecodingConfig(beam_size=1)
_LANGUAGE_WEIGHTS = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
_BONUSES = (0.0, 0.5, 1.0, 1.5)


@dataclass(frozen=True)
class Score:
    """Errors in the texts of some recordings."""

    texts: list[str]
    """The texts that were said."""
    heard: list[str]
    """The texts that the recogniser took them for."""

    @property
    def word_error_rate(self) -> float:
        """Words that are wrong, missing or too many, for each that was said; recordings of noise alone don't count."""
        said, heard = self._said()
        return float(jiwer.wer(said, heard)) if said else 0.0

    @property
    def character_error_rate(self) -> float:
        """The same of characters, spaces among them."""
        said, heard = self._said()
        return float(jiwer.cer(said, heard)) if said else 0.0

    @property
    def wrong(self) -> float:
        """Share of recordings whose text is not right."""
        return float(np.mean([text != heard for text, heard in zip(self.texts, self.heard, strict=True)]))

    @property
    def wordy(self) -> float:
        """Share of recordings that any word is heard in."""
        return float(np.mean([bool(heard) for heard in self.heard]))

    @property
    def commands(self) -> float:
        """Accuracy over twelve classes: ten commands, any other word, and no word."""
        classes = [
            tuple(text if text in COMMANDS or not text else None for text in pair)
            for pair in zip(self.texts, self.heard, strict=True)
        ]
        return float(np.mean([said == heard for said, heard in classes]))

    def figure(self, split: str) -> Figure:
        """The figure that weights are chosen by."""
        return Figure(
            name="word_error_rate",
            label="word error rate, without language model",
            value=self.word_error_rate,
            split=split,
            higher_is_better=False,
        )

    def _said(self) -> tuple[list[str], list[str]]:
        pairs = [pair for pair in zip(self.texts, self.heard, strict=True) if pair[0]]
        return [text for text, _ in pairs], [heard for _, heard in pairs]


_FIGURES: Mapping[str, tuple[str, str, Callable[[Score], float], bool]] = {
    "an4": ("word_error_rate_sentences", "word error rate of sentences", lambda score: score.word_error_rate, False),
    "fsdd": ("digit_error", "wrong digits", lambda score: score.wrong, False),
    "strings": (
        "word_error_rate_strings",
        "word error rate of digit strings",
        lambda score: score.word_error_rate,
        False,
    ),
    "speech_commands": ("commands", "accuracy of command words", lambda score: score.commands, True),
    "noise": ("words_in_noise", "share of noises with a word", lambda score: score.wordy, False),
}
"""Set -> its figure: name, label, value, and whether more is better."""


def pooled(scores: Iterable[Score]) -> Score:
    """The score of all recordings."""
    scores = list(scores)
    return Score([text for score in scores for text in score.texts], [text for score in scores for text in score.heard])


def sets_of(clips: Sequence[Clip]) -> dict[str, list[Clip]]:
    """Recordings by the set that they are of."""
    names = dict.fromkeys(clip.set for clip in clips)
    return {name: [clip for clip in clips if clip.set == name] for name in names}


def hear(model: Recogniser, waveforms: Sequence[Samples]) -> list[Floats]:
    """Log-probabilities (T, V) of the frames of waveforms, which are heard in batches of about the same length."""
    order = sorted(range(len(waveforms)), key=lambda place: len(waveforms[place]))
    found: list[Floats] = [np.empty(0, np.float32)] * len(waveforms)
    batch: list[int] = []
    for number, place in enumerate(order):
        batch.append(place)
        if len(waveforms[place]) * (len(batch) + 1) >= BATCH_SECONDS * RATE or number == len(order) - 1:
            for place, logprobs in zip(batch, model.hear([waveforms[place] for place in batch]), strict=True):
                found[place] = logprobs
            batch = []
    return found


def texts_of(model: Recogniser, heard: Sequence[Floats], decoding: DecodingConfig | None = None) -> list[str]:
    """The texts that are found in frames (T, V)."""
    return [" ".join(model.alphabet.decode(model.search(logprobs, decoding)).split()) for logprobs in heard]


def score_recordings(model: Recogniser, clips: Sequence[Clip], *, beam_size: int) -> Score:
    """The score of recordings as they are."""
    heard = hear(model, [clip.waveform for clip in clips])
    decoding = model.config.decoding.model_copy(update={"beam_size": beam_size})
    return Score([clip.text for clip in clips], texts_of(model, heard, decoding))


@torch.inference_mode()
def language_nats(model: Recogniser, texts: Sequence[str]) -> float:
    """Nats a character that texts cost under the language model."""
    total, count = 0.0, 0
    for text in texts:
        tokens = torch.tensor([model.language.encode(f"{END}{text}{END}")], device=model.device)  # (1, L + 2)
        logits, _ = model.language(tokens[:, :-1])  # (1, L + 1, W)
        total += float(torch.nn.functional.cross_entropy(logits[0].float(), tokens[0, 1:], reduction="sum"))
        count += len(text) + 1
    return total / count


def with_babble(ratio: float) -> Callable[[Draw, Samples, Sequence[Samples]], Samples]:
    """Talk behind speech, at a ratio in decibels."""
    return lambda draw, waveform, voices: mixed(waveform, babble(draw, len(waveform), voices), ratio)


CONDITIONS: Mapping[str, Callable[[Draw, Samples, Sequence[Samples]], Samples]] = {
    "clean": lambda draw, waveform, voices: waveform,
    "telephone": lambda draw, waveform, voices: low_passed(waveform, 3400, 300),
    "room": lambda draw, waveform, voices: in_room(waveform, echo(draw, 0.5)),
    "babble_10_db": with_babble(10),
    "babble_5_db": with_babble(5),
}
"""Conditions that recordings are scored in."""


def digit_strings(clips: Sequence[Clip]) -> list[Clip]:
    """Strings of 3 to 7 of the digits of each speaker, the same each time."""
    strings = []
    for speaker in sorted({clip.speaker for clip in clips}):
        own = [clip for clip in clips if clip.speaker == speaker]
        draw = np.random.default_rng((7, len(own)))
        for _ in range(STRINGS):
            chosen = [own[place] for place in draw.integers(len(own), size=draw.integers(3, 8))]
            whole = joined(draw, [clip.waveform for clip in chosen])
            samples = (whole.clip(-1, 1) * 32767).astype(np.int16)
            strings.append(Clip("strings", speaker, " ".join(clip.text for clip in chosen), samples))
    return strings


def noises() -> list[Clip]:
    """Noise, hum and music in which nothing is said, and silence."""
    draw = np.random.default_rng(11)
    found = [
        (kind(draw, int(draw.uniform(1, 5) * RATE)) * 10 ** draw.uniform(-2, 0.3)).clip(-1, 1)
        for kind in NOISES
        for _ in range(NOISES_EACH)
    ]
    found += [np.zeros(RATE * seconds) for seconds in range(1, 6)]
    return [Clip("noise", "", "", (waveform * 32767).astype(np.int16)) for waveform in found]


def measure(model: Recogniser, clips: Sequence[Clip]) -> tuple[list[Figure], dict[str, Any]]:
    """The figures of a split, without their split, and a flat report of all that was counted."""
    sets = sets_of(clips)
    if digits := sets.get("fsdd"):
        sets["strings"] = digit_strings(digits)
    sets["noise"] = noises()
    voices = [clip.waveform for clip in sets.get("an4", clips) if clip.text]
    report: dict[str, Any] = {}
    clean: dict[str, Score] = {}
    plain: list[Score] = []
    confidences: list[tuple[float, bool]] = []
    for name, own in sets.items():
        report[f"{name}_recordings"] = len(own)
        for condition, change in CONDITIONS.items() if name in ("an4", "fsdd") else [("clean", CONDITIONS["clean"])]:
            draw = np.random.default_rng((5, len(own)))
            heard = hear(model, [change(draw, clip.waveform, voices) for clip in own])
            texts = [clip.text for clip in own]
            greedy, searched = (Score(texts, texts_of(model, heard, decoding)) for decoding in (GREEDY, None))
            suffix = "" if condition == "clean" else f"_{condition}"
            if condition == "clean":
                clean[name] = searched
                plain += [greedy] if name != "strings" else []
            if name != "noise":
                report[f"{name}{suffix}_wer_greedy"] = greedy.word_error_rate
                report[f"{name}{suffix}_wer"] = searched.word_error_rate
                report[f"{name}{suffix}_cer"] = searched.character_error_rate
            if name == "fsdd":
                report[f"{name}{suffix}_wrong"] = searched.wrong
            if name == "speech_commands":
                report["commands_accuracy"] = searched.commands
                report["commands_accuracy_greedy"] = greedy.commands
            if name == "noise":
                report["noise_with_words"] = searched.wordy
            if condition in ("clean", "babble_5_db") and name != "noise":
                confidences += word_confidences(model, heard, texts)
    if confidences:
        given, right = zip(*confidences, strict=True)
        report["calibration_error"] = calibration_error(torch.tensor(given), torch.tensor(right))
    figures = [pooled(plain).figure("")]
    for name, (key, label, value, higher) in _FIGURES.items():
        if name in clean:
            figures.append(Figure(name=key, label=label, value=value(clean[name]), split="", higher_is_better=higher))
    return figures, report


def word_confidences(
    model: Recogniser, heard: Sequence[Floats], texts: Sequence[str], *, raw: bool = False
) -> list[tuple[float, bool]]:
    """The confidence of each word that is heard, or its score, and whether the word is right."""
    found = []
    for logprobs, text in zip(heard, texts, strict=True):
        words = model.words(logprobs, model.search(logprobs))
        right = set()
        if text and words:
            aligned = jiwer.process_words(text, " ".join(word.text for word in words))
            for chunk in aligned.alignments[0]:
                if chunk.type == "equal":
                    right |= set(range(chunk.hyp_start_idx, chunk.hyp_end_idx))
        found += [(word.score if raw else word.confidence, place in right) for place, word in enumerate(words)]
    return found


def calibrated(pairs: Sequence[tuple[float, bool]]) -> Calibration:
    """The logistic function of scores that fits best whether words are right (Platt, 1999)."""
    if not pairs:
        return Calibration()
    scores = torch.tensor([pair[0] for pair in pairs], dtype=torch.float64)  # (M,)
    # Targets as Platt's, so that words that are all right do not ask for a slope without end.
    right = torch.tensor([pair[1] for pair in pairs])
    above, below = int(right.sum()), int((~right).sum())
    targets = torch.where(right, (above + 1) / (above + 2), 1 / (below + 2)).double()
    values = torch.tensor([1.0, 0.0], dtype=torch.float64, requires_grad=True)
    solver = torch.optim.LBFGS([values], max_iter=200, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        solver.zero_grad()
        loss = binary_cross_entropy_with_logits(values[0] * scores + values[1], targets)
        loss.backward()
        return loss

    solver.step(closure)
    slope, offset = values.tolist()
    return Calibration(slope=slope, offset=offset)


def fitted(model: Recogniser, clips: Sequence[Clip]) -> TranscriptionConfig:
    """The configuration of a model, with the weights of the search and the calibration that recordings decide."""
    sentences = [clip for clip in clips if clip.set == "an4"] or [clip for clip in clips if clip.text]
    heard = hear(model, [clip.waveform for clip in sentences])
    texts = [clip.text for clip in sentences]
    best = None
    for weight in _LANGUAGE_WEIGHTS:
        for bonus in _BONUSES:
            decoding = model.config.decoding.model_copy(update={"language_weight": weight, "length_bonus": bonus})
            rate = Score(texts, texts_of(model, heard, decoding)).word_error_rate
            if best is None or rate < best[0]:
                best = rate, decoding
    assert best
    model.config = model.config.model_copy(update={"decoding": best[1]})
    spoken = [clip for clip in clips if clip.text]
    draw = np.random.default_rng(3)
    voices = [clip.waveform for clip in sentences]
    loud = [mixed(clip.waveform, babble(draw, len(clip), voices), draw.uniform(0, 20)) for clip in spoken]
    pairs = word_confidences(model, hear(model, [clip.waveform for clip in spoken]), [c.text for c in spoken], raw=True)
    pairs += word_confidences(model, hear(model, loud), [clip.text for clip in spoken], raw=True)
    return model.config.model_copy(update={"calibration": calibrated(pairs)})


def evaluate(checkpoints: Sequence[Path], data: Path, split: str, *, device: torch.device | str = "cpu") -> Evaluation:
    """Scores a recogniser on a split of recordings, by set and by what sounds behind them.

    Raises:
        CheckpointError: the checkpoint is missing or damaged, or no recogniser.
        DataError: the data can't be read, or have no such split.
    """
    (path,) = checkpoints
    checkpoint = Checkpoint.open(path).expect(TRANSCRIPTION)
    without = checkpoint.metrics.get("recipe", {}).get("data", {}).get("without", ())
    clips = read_recordings(data, without=without, splits=(split,)).split(split)
    return _evaluation(checkpoint.load(device), clips, split)


def report(checkpoint: Path, recipe: RecogniserRecipe) -> Report:
    """Fits the search and the confidence of a trained recogniser on dev, and scores it there and on test, if any."""
    recordings = read_recordings(recipe.data.path, without=recipe.data.without, splits=("dev", "test"))
    model = Checkpoint.open(checkpoint).expect(TRANSCRIPTION).load(available_device())
    model.config = fitted(model, recordings.split("dev"))
    found = {split: _evaluation(model, clips, split) for split, clips in recordings.splits.items()}
    return Report(
        figures=[figure for evaluation in found.values() for figure in evaluation.figures],
        metrics={
            **{split: evaluation.report for split, evaluation in found.items()},
            "parameters": sum(parameter.numel() for parameter in model.parameters()),
            "data_sha256": recordings.sha256,
        },
        config=model.config,
    )


def _evaluation(model: Recogniser, clips: Sequence[Clip], split: str) -> Evaluation:
    began = time.perf_counter()
    figures, counted = measure(model, clips)
    seconds = round(time.perf_counter() - began, 1)
    named = [figure.model_copy(update={"split": split}) for figure in figures]
    return Evaluation(
        named, {"split": split, **{figure.name: figure.value for figure in named}, **counted, "seconds": seconds}
    )
