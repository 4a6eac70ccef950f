"""How well a language model predicts a text: the whole of it, each token once."""

import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from pydantic import ValidationError
from torch import Tensor

from model.checkpoint import METRICS, Checkpoint, CheckpointError
from model.openvino.precision import autocast
from model.tasks.text import TEXT
from model.tasks.text.config import LanguageModelConfig
from model.tasks.text.language import LanguageModel
from model.vocabulary import UNK
from training.data.text import read_text, split_text
from training.recipe import LanguageRecipe, TextRecipe
from training.tasks.captioning.readers.dataset import DataError

CONTEXT = 512
"""Tokens that each stream reads before the first one it is scored on."""

_CHARACTERS = 0x110000
"""Of Unicode."""


@dataclass(frozen=True)
class TextScore:
    """The cost of a text under a model."""

    nats: float
    """Sum over the tokens."""
    tokens: int
    characters: int
    unknown: int
    """Tokens that the vocabulary lacks."""
    unit: str

    @property
    def per_token(self) -> float:
        return self.nats / self.tokens

    def figures(self) -> dict[str, Any]:
        """Nats and bits per character of a character model; perplexity as well, of a word model."""
        figures: dict[str, Any] = {"tokens": self.tokens, "characters": self.characters, "unknown": self.unknown}
        if self.unit == "word":
            figures["perplexity"] = math.exp(self.per_token)
        per_character = self.nats / self.characters
        return figures | {"nats_per_character": per_character, "bits_per_character": per_character / math.log(2)}

    def __str__(self) -> str:
        figures = self.figures()
        perplexity = f"perplexity {figures['perplexity']:.2f}, " if "perplexity" in figures else ""
        return (
            f"{perplexity}{figures['nats_per_character']:.4f} nats or "
            f"{figures['bits_per_character']:.4f} bits per character"
        )


def evaluate_text(
    checkpoint: Path,
    data: Path,
    split: str,
    *,
    device: torch.device | str = "cpu",
    recipe: LanguageRecipe | None = None,
) -> dict[str, Any]:
    """Scores a language model on a part of a text, cut where its recipe cuts it.

    Args:
        checkpoint: its folder.
        data: the text, a file or a folder.
        split: `train`, `validation` or `test`.
        device: where the network runs, in single precision.
        recipe: how to cut the text; left out, the one that the checkpoint was trained with.

    Returns:
        `split`, the figures of `TextScore`, and `seconds` (of all of it).

    Raises:
        CheckpointError: the checkpoint is missing or damaged, no language model, or does not say how its text was cut.
        DataError: the text can't be read, or has no such part.
    """
    start = time.perf_counter()
    opened = Checkpoint.open(checkpoint).expect(TEXT)
    cut = recipe.data if recipe else _cut(opened)
    text = split_text(read_text(data, cut.pattern), validation=cut.validation, test=cut.test)
    parts = {"train": text.train, "validation": text.validation, "test": text.test}
    if not parts.get(split):
        raise DataError(f"split={split}: the text has {', '.join(name for name, part in parts.items() if part)}")
    names = list(parts)
    before = "".join(parts[name] for name in names[: names.index(split)])
    score = score_text(opened.load(device), parts[split], before=before)
    return {"split": split, **score.figures(), "seconds": round(time.perf_counter() - start, 1)}


def _cut(checkpoint: Checkpoint[LanguageModelConfig, LanguageModel]) -> TextRecipe:
    """What a checkpoint's figures say of its text; the rest of its recipe may have had other keys then."""
    try:
        return TextRecipe.model_validate(checkpoint.metrics["recipe"]["data"])
    except (KeyError, TypeError, ValidationError) as error:
        message = f"{checkpoint.path / METRICS}: recipe.data does not say how the text was cut"
        raise CheckpointError(message) from error


@torch.inference_mode()
def score_text(
    model: LanguageModel,
    text: str,
    *,
    before: str = "",
    streams: int = 32,
    chunk: int = 256,
    mixed: bool = False,
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
        total += _nats(logits, targets[:, part].to(model.device))
    unknown = tokens.count(UNK)
    if model.config.unit == "character":
        total += unknown * math.log(_CHARACTERS)
    model.train(training)
    return TextScore(total, len(tokens), len(text), unknown, model.config.unit)


def _nats(logits: Tensor, targets: Tensor) -> float:
    return float(F.cross_entropy(logits.float().flatten(0, 1), targets.flatten(), ignore_index=-1, reduction="sum"))
