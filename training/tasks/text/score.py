"""The score of a language model: the cost of a whole text, each token once."""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from pydantic import ValidationError

from model.checkpoint import METRICS, Checkpoint, CheckpointError
from model.figures import Figure
from model.openvino.precision import autocast
from model.tasks.text import TEXT
from model.tasks.text.batch import generate
from model.tasks.text.config import LanguageModelConfig
from model.tasks.text.language import LanguageModel
from model.vocabulary import UNK
from training.data.base import DataError
from training.data.text import SplitText, read_text, split_text
from training.device import available_device
from training.task import Evaluation, Report
from training.tasks.text.recipe import RunningTextRecipe, TextDataRecipe

CONTEXT = 512
"""Tokens that each stream reads before the first one it is scored on."""

SAMPLE_TOKENS = 600
"""Tokens of the text in the model card."""

_CHARACTERS = 0x110000
"""Characters that Unicode has room for."""


@dataclass(frozen=True)
class TextScore:
    """The cost of a text under a model."""

    nats: float
    """Total over the tokens."""
    tokens: int
    characters: int
    unknown: int
    """Tokens that the vocabulary lacks."""
    unit: str

    @property
    def per_token(self) -> float:
        return self.nats / self.tokens

    def figures(self, split: str) -> list[Figure]:
        """Bits and nats per character; of a word model, perplexity first."""
        per_character = self.nats / self.characters
        scores = {"bits_per_character": per_character / math.log(2), "nats_per_character": per_character}
        if self.unit == "word":
            perplexity = math.exp(self.per_token) if self.per_token < 700 else math.inf  # beyond, exp overflows
            scores = {"perplexity": perplexity, **scores}
        return [
            Figure(name=name, label=name.replace("_", " "), value=value, split=split, higher_is_better=False)
            for name, value in scores.items()
        ]

    def report(self) -> dict[str, Any]:
        """Counts and figures, by name."""
        scores = {figure.name: figure.value for figure in self.figures("")}
        names = ("perplexity", "nats_per_character", "bits_per_character")
        counts = {"tokens": self.tokens, "characters": self.characters, "unknown": self.unknown}
        return counts | {name: scores[name] for name in names if name in scores}


def evaluate(checkpoints: Sequence[Path], data: Path, split: str, *, device: torch.device | str = "cpu") -> Evaluation:
    """Scores a language model in single precision on a part of a text, a file or a folder.

    The text is cut by the recipe that the checkpoint was trained with. The report has `split`, `tokens`, `characters`,
    `unknown`, each figure, and `seconds` (of all of it).

    Raises:
        CheckpointError: the checkpoint is missing or damaged, no language model, or does not say how its text was cut.
        DataError: the text can't be read, or has no such part.
    """
    start = time.perf_counter()
    (path,) = checkpoints
    checkpoint = Checkpoint.open(path).expect(TEXT)
    cut = cut_of(checkpoint)
    text = split_text(read_text(data, cut.pattern), dev=cut.dev, test=cut.test)
    return _evaluation(checkpoint.load(device), text, split, start)


def report(checkpoint: Path, recipe: RunningTextRecipe) -> Report:
    """Scores a trained model on dev, and on test if the recipe holds a share of the text back."""
    data, splits = recipe.data, ("dev", "test") if recipe.data.test else ("dev",)
    text = split_text(read_text(data.path, data.pattern), dev=data.dev, test=data.test)
    model = Checkpoint.open(checkpoint).expect(TEXT).load(available_device())
    found = {split: _evaluation(model, text, split, time.perf_counter()) for split in splits}
    reports = {split: evaluation.report for split, evaluation in found.items()}
    return Report(
        figures=[figure for evaluation in found.values() for figure in evaluation.figures],
        metrics={**reports, "vocabulary": len(model.vocabulary), "data_sha256": text.sha256},
        config=model.config,
        card={"sample": sample(model.cpu(), SAMPLE_TOKENS)},
    )


def _evaluation(model: LanguageModel, text: SplitText, split: str, start: float) -> Evaluation:
    """The score of a part of a text, by work that began at `start`."""
    parts = {"train": text.train, "dev": text.dev, "test": text.test}
    if not parts.get(split):
        raise DataError(f"split={split}: the text has {', '.join(name for name, part in parts.items() if part)}")
    before = {"train": "", "dev": text.train, "test": text.train + text.dev}
    score = score_text(model, parts[split], before=before[split])
    report = {"split": split, **score.report(), "seconds": round(time.perf_counter() - start, 1)}
    return Evaluation(score.figures(split), report)


def sample(model: LanguageModel, tokens: int) -> str:
    """The text that a model in evaluation mode writes after a line break, with its own parameters and seed 1."""
    asked = model.config.generation.model_copy(update={"max_tokens": tokens, "seed": 1})
    return "".join(delta.text for delta in generate(model, "\n", asked))


def cut_of(checkpoint: Checkpoint[LanguageModelConfig, LanguageModel]) -> TextDataRecipe:
    """The recipe's section `data`, as the checkpoint's metrics have it; the other sections may have had other keys."""
    try:
        return TextDataRecipe.model_validate(checkpoint.metrics["recipe"]["data"])
    except (KeyError, TypeError, ValidationError) as error:
        where = checkpoint.path / METRICS
        raise CheckpointError(f"{where}: recipe.data does not say how the text was cut") from error


@torch.inference_mode()
def score_text(
    model: LanguageModel, text: str, *, before: str = "", streams: int = 32, chunk: int = 256, mixed: bool = False
) -> TextScore:
    """Scores every token of `text` with the state carried from one to the next.

    To use all of the processor, the text is cut into streams that are read side by side; each first reads the 512
    tokens before its own, unscored, so that it begins with a state as good as any. The first stream reads the end of
    `before`, the text that precedes.

    A character that the vocabulary lacks costs what `<unk>` does and ln 1,114,112 nats more, which name it among all
    of Unicode: whoever used the model to compress the text would have to. A word that it lacks costs what `<unk>`
    does, as is the custom.

    Args:
        model: in any mode; it is scored in evaluation mode.
        text: at least one character.
        before: what comes before it.
        streams: read side by side.
        chunk: tokens a call of the network.
        mixed: products in bfloat16, where that is faster.
    """
    training = model.training
    model.eval()
    context = model.encode(before[-20 * CONTEXT :])[-CONTEXT:] or model.encode("\n")
    tokens = model.encode(text)
    length = math.ceil(len(tokens) / min(streams, math.ceil(len(tokens) / CONTEXT)))
    cuts = range(0, len(tokens), length)
    everything = torch.tensor(context + tokens)
    total = 0.0
    # Streams differ in length at both ends (the first has little before it, the last little left), so they are padded.
    width = CONTEXT + length
    inputs, targets = torch.zeros(len(cuts), width, dtype=torch.long), torch.full((len(cuts), width), -1)
    for row, cut in enumerate(cuts):
        begin = len(context) + cut  # of what is scored, in `everything`
        first, end = max(0, begin - CONTEXT), min(begin + length, len(everything))
        inputs[row, : end - first - 1] = everything[first : end - 1]
        targets[row, begin - first - 1 : end - first - 1] = everything[begin:end]
    state = None
    for start in range(0, width, chunk):
        part = slice(start, start + chunk)
        with autocast(model.device, wanted=mixed):
            logits, state = model(inputs[:, part].to(model.device), state)  # (N, t, V)
        scored = targets[:, part].to(model.device).flatten()
        total += float(F.cross_entropy(logits.float().flatten(0, 1), scored, ignore_index=-1, reduction="sum"))
    unknown = tokens.count(UNK)
    if model.config.unit == "character":
        total += unknown * math.log(_CHARACTERS)
    model.train(training)
    return TextScore(total, len(tokens), len(text), unknown, model.config.unit)
