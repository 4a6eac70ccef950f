"""Small random language models, what they write, and what compiles them."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest
import torch
from hypothesis import strategies as st

from model.openvino.runtime import Runtime
from model.tasks.text import build
from model.tasks.text.batch import TextBatch, generate
from model.tasks.text.config import GenerationConfig, LanguageModelConfig
from model.tasks.text.language import LanguageModel
from model.tasks.text.networks import language_model_networks
from model.tasks.text.prompt import Token
from model.tasks.text.stream import Delta, TextStream
from model.vocabulary import SPECIALS, Vocabulary

LETTERS = "abcdefg. \n"

SEEDS = st.integers(0, 10_000)


def random_model(
    letters: Sequence[str] = LETTERS, *, seed: int = 0, sharpness: float = 3, **config: object
) -> LanguageModel:
    """Random weights, large enough that texts depend on what came before."""
    torch.manual_seed(seed)
    given = {"hidden_size": 24, "num_layers": 2, **config}
    if given.get("cell") == "rnn-relu":
        sharpness = min(sharpness, 1.0)  # without bound as it is, it would soon be infinite
    model = (
        LanguageModel(LanguageModelConfig.model_validate(given), Vocabulary.build([letters]))
        .eval()
        .requires_grad_(False)
    )
    for parameter in model.parameters():
        parameter.mul_(sharpness)
    return model


def compiled(model: LanguageModel, description: str, runtime: Runtime) -> LanguageModel:
    """The same model around a compiled step."""
    programs = runtime.programs(description, lambda: language_model_networks(model))
    found = build(model.config, model.vocabulary, programs=programs).eval().requires_grad_(False)
    found.load_state_dict(model.state_dict())
    return found


def memoryless_model(logits: dict[str, float]) -> LanguageModel:
    """Says each token with the same probability at every step, whatever came before."""
    model = random_model(list(logits), sharpness=0, hidden_size=1, num_layers=1)
    for token, logit in logits.items():
        model.output.bias[model.vocabulary.encode([token])] = logit
    model.output.bias[: len(SPECIALS)] = -20.0
    return model


@dataclass
class Written:
    """All that came of a text."""

    text: str = ""
    tokens: list[Token] = field(default_factory=list)
    finish_reason: str | None = None

    def add(self, delta: Delta) -> None:
        assert self.finish_reason is None
        self.text += delta.text
        self.tokens += delta.tokens
        self.finish_reason = delta.finish_reason


def write(
    model: LanguageModel,
    prompt: str = "a",
    *,
    dtype: torch.dtype | None = None,
    alternatives: int = 0,
    choice: int = 0,
    **options: object,
) -> Written:
    """A text alone."""
    written = Written()
    generation = GenerationConfig.model_validate({"max_tokens": 30, "seed": 0, **options})
    for delta in generate(model, prompt, generation, choice=choice, alternatives=alternatives, dtype=dtype):
        written.add(delta)
    return written


def run(batch: TextBatch, *streams: TextStream) -> list[Written]:
    """Steps until these texts have ended."""
    written = {stream: Written() for stream in streams}
    while any(text.finish_reason is None for text in written.values()):
        for stream, delta in batch.step():
            if stream in written:
                written[stream].add(delta)
    return list(written.values())


@pytest.fixture(scope="module")
def runtime() -> Runtime:
    """In torch's precision, whatever the CPU has."""
    if not Runtime.available():
        pytest.skip("OpenVINO is not installed")
    return Runtime(threads=1, precision="float32")
