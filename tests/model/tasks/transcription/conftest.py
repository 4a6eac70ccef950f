"""Small recognisers with random weights."""

from collections.abc import Callable

import pytest
import torch

from model.tasks.text.config import LanguageModelConfig
from model.tasks.transcription.alphabet import Alphabet
from model.tasks.transcription.config import TranscriptionConfig
from model.tasks.transcription.recogniser import Recogniser

SMALL = TranscriptionConfig(
    bands=12,
    channels=4,
    hidden_size=10,
    num_layers=2,
    language=LanguageModelConfig(hidden_size=8, num_layers=1),
)


@pytest.fixture
def build() -> Callable[..., Recogniser]:
    """Builds a recogniser whose configuration differs from `SMALL` in some values."""

    def build(**values: object) -> Recogniser:
        torch.manual_seed(5)
        model = Recogniser(SMALL.model_copy(update=values), Alphabet("abc' ")).eval()
        model.initialize()
        with torch.no_grad():
            model.acoustic.output.weight.mul_(4)  # so that it is sure of something
        return model

    return build
