"""Several teachers' answers, averaged, as targets beside the labels.

The teachers have learnt the training queries nearly by heart. Of altered copies they say more: what a query still means
without some of its words, or with others, and when it means nothing any more.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from torch import Tensor

from model.checkpoint import Checkpoint, CheckpointError
from model.tasks.intents import INTENTS
from model.tasks.intents.classifier import IntentClassifier
from model.vocabulary import tokenize
from training.tasks.intents.recipe import Distillation
from training.tasks.intents.score import logits_of

LEFT_OUT, REPLACED = 0.1, 0.15
"""Shares of a query's words that its copy lacks, or has others for."""


@dataclass(frozen=True)
class Examples:
    """Texts to learn from: first the queries, then the background."""

    texts: list[str]
    queries: int
    labels: Tensor  # (M,): each text's class, or the likeliest
    targets: Tensor  # (M, V): the probabilities to learn

    def taught(self, recipe: Distillation, learner: IntentClassifier, device: torch.device, seed: int) -> Self:
        """The examples and altered copies of the queries, with the teachers' answers.

        Raises:
            CheckpointError: a teacher is missing or damaged, or knows other intents than the learner.
        """
        copies = altered_copies(self.texts[: self.queries], recipe.copies, seed)
        texts = [*self.texts[: self.queries], *copies, *self.texts[self.queries :]]
        answers = torch.zeros(len(texts), self.targets.shape[1])  # (M, V)
        for path in recipe.teachers:
            teacher = Checkpoint.open(path).expect(INTENTS).load(device)
            if teacher.intents.names != learner.intents.names:
                raise CheckpointError(f"{path}: knows other intents than the learner; train both on the same queries")
            answers += logits_of(teacher, texts).softmax(-1) / len(recipe.teachers)
        end = self.queries + len(copies)
        likeliest = answers[self.queries : end].argmax(-1)
        targets = answers.clone()
        for own, given in ((slice(self.queries), slice(self.queries)), (slice(self.queries, None), slice(end, None))):
            targets[given] = self.targets[own].lerp(answers[given], recipe.weight)
        labels = torch.cat([self.labels[: self.queries], likeliest, self.labels[self.queries :]])
        return type(self)(texts, end, labels, targets)


def altered_copies(texts: Sequence[str], copies: int, seed: int) -> list[str]:
    """So many copies of each text, without some of its words, and with others that are as frequent as in all texts."""
    chance = np.random.default_rng((seed, 0))
    sentences = [tokenize(text) for text in texts]
    words = [word for sentence in sentences for word in sentence]
    altered = []
    for sentence in sentences * copies:
        fates, drawn = chance.random(len(sentence)), chance.integers(len(words), size=len(sentence))
        kept = [
            words[other] if fate < LEFT_OUT + REPLACED else word
            for word, fate, other in zip(sentence, fates, drawn, strict=True)
            if fate >= LEFT_OUT
        ]
        altered.append(" ".join(kept or sentence))
    return altered
