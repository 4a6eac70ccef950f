"""The network of an intent classifier that OpenVINO compiles, and the classifier around the program."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from model.openvino.program import Network, Program
from model.recurrent import FUSED
from model.tasks.intents.classifier import Batch, IntentClassifier, collate
from model.tasks.intents.config import IntentConfig
from model.tasks.intents.intents import Intents
from model.vocabulary import Vocabulary


def classifier_networks(classifier: IntentClassifier) -> dict[str, Network]:
    """The network of a classifier in torch: `logits`, of words (N, T) and spellings (N, T, C) for any N and T.

    In single precision: bfloat16 saves a tenth of a millisecond, and a text near the threshold would be in scope on one
    CPU and out of scope on another.

    Raises:
        ValueError: torch has no kernel for the cell. Tracing would unroll the loop over a sentence of one length.
    """
    if (cell := classifier.config.cell) not in FUSED:
        raise ValueError(f"{cell} has no kernel that takes sentences of any length; there are {', '.join(FUSED)}")
    example = collate([classifier.encode("what time is it"), classifier.encode("book a flight")])
    return {"logits": Network(_Logits(classifier), tuple(example), "float32", free=(2, 2))}


class CompiledClassifier(IntentClassifier):
    """A classifier around its compiled network."""

    def __init__(
        self,
        config: IntentConfig,
        vocabulary: Vocabulary,
        characters: Vocabulary,
        intents: Intents,
        programs: Mapping[str, Program],
    ) -> None:
        super().__init__(config, vocabulary, characters, intents)
        self._logits = programs["logits"]

    @property
    def device(self) -> torch.device:
        return torch.device("cpu")

    def forward(self, batch: Batch) -> Tensor:
        (logits,) = self._logits(*batch)  # (N, V)
        return logits


class _Logits(nn.Module):
    """A classifier as a function of tensors."""

    def __init__(self, classifier: IntentClassifier) -> None:
        super().__init__()
        self.classifier = classifier

    def forward(self, words: Tensor, spellings: Tensor) -> Tensor:
        return self.classifier(Batch(words, spellings))  # type: ignore[no-any-return]
