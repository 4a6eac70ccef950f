"""Cross-entropy of the intents of queries, and of what is out of scope.

An update is a batch of queries of like length. Four kinds of examples are out of scope: queries that the data say so
of, sentences that are no request, texts that mean nothing, and mixtures of two queries' representations.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from torch import Tensor, nn
from torch.nn.functional import log_softmax, one_hot

from model.tasks.intents.classifier import Batch, IntentClassifier, collate
from model.tasks.intents.network import RecurrentClassifier
from model.vocabulary import PAD, UNK, Vocabulary
from training.data.vectors import Vectors
from training.length_buckets import LengthBuckets
from training.tasks.intents.distillation import Examples
from training.tasks.intents.nonsense import nonsense
from training.tasks.intents.reader import IntentDataset, read_dataset, tokens
from training.tasks.intents.recipe import ClassificationRecipe, IntentDataRecipe
from training.tasks.intents.score import fit, logits_of, score
from training.trainer import Backward, Objective, Validation


class Learner(nn.Module):
    """A classifier that learns: a batch and mixtures of its rows to the logits of both."""

    def __init__(self, classifier: RecurrentClassifier) -> None:
        super().__init__()
        self.classifier = classifier

    def forward(self, batch: Batch, first: Tensor, second: Tensor, shares: Tensor) -> tuple[Tensor, Tensor]:
        """Logits of the rows (N, V), and of mixtures (M, V) of the rows `first` and `second` (M,).

        The shares (M, 1) are those of the second rows.
        """
        rows = self.classifier.represent(batch)  # (N, R)
        mixed = rows[first].lerp(rows[second], shares.to(rows.dtype))  # (M, R)
        logits: Tensor = self.classifier.classify(torch.cat([rows, mixed]))  # (N + M, V)
        return logits[: len(rows)], logits[len(rows) :]


class Classification(Objective[IntentClassifier]):
    """Queries to their intents; raises what `Trainer` does."""

    def __init__(self, recipe: ClassificationRecipe, accelerator: Accelerator) -> None:
        training = recipe.training
        self.recipe, self.accelerator = recipe, accelerator
        data = read_dataset(recipe.data.path)
        train, dev = data.split("train"), data.split("dev")
        self.dev, self.dev_labels = dev.texts, torch.tensor(dev.labels)
        torch.manual_seed(training.seed)
        self.model = build(recipe, data)
        self.network = Learner(self.model)
        classes, smoothing = len(data.intents) + 1, training.label_smoothing
        queries = train.texts + nonsense(training.nonsense, training.seed)
        outside = len(queries) + len(data.background) - len(train.texts)
        labels = torch.tensor(train.labels + [len(data.intents)] * outside)  # (M,)
        targets = one_hot(labels, classes) * (1 - smoothing) + smoothing / classes  # (M, V)
        examples = Examples(queries + data.background, len(queries), labels, targets)
        if recipe.distillation:
            examples = examples.taught(recipe.distillation, self.model, accelerator.device, training.seed)
        self.sentences = [self.model.encode(text) for text in examples.texts]
        self.labels, self.targets, self.queries = examples.labels, examples.targets, examples.queries
        self.background = min(training.background, len(data.background))
        self.updates_per_epoch = len(self._buckets(self._examples(0)))

    def _examples(self, epoch: int) -> list[int]:
        """Numbers of an epoch's examples: all queries, and some sentences of the background."""
        drawn = np.random.default_rng((self.recipe.training.seed, epoch))
        others = len(self.sentences) - self.queries
        return [*range(self.queries), *(self.queries + drawn.permutation(others)[: self.background]).tolist()]

    def _buckets(self, examples: Sequence[int]) -> LengthBuckets:
        training = self.recipe.training
        lengths = [len(self.sentences[number].words) for number in examples]
        return LengthBuckets(lengths, training.batch_size, training.seed, smallest=self.accelerator.num_processes)

    def groups(self) -> list[dict[str, Any]]:
        return [{"params": list(self.model.parameters()), "peak": self.recipe.training.learning_rate}]

    def updates(self, epoch: int, done: int, network: nn.Module, backward: Backward) -> Iterator[dict[str, float]]:
        training, device, processes = self.recipe.training, self.accelerator.device, self.accelerator.num_processes
        examples = self._examples(epoch)
        for batch in self._buckets(examples).batches(epoch)[done:]:
            share = [examples[place] for place in batch[self.accelerator.process_index :: processes]]
            words, spellings = collate([self.sentences[number] for number in share])  # (N, T), (N, T, C)
            forgotten = (torch.rand(words.shape) < training.word_dropout) & (words != PAD)
            mixtures = self._mixtures(self.labels[share])
            logits, mixed = network(
                Batch(words.masked_fill(forgotten, UNK).to(device), spellings.to(device)),
                *(part.to(device) for part in mixtures),
            )
            targets = self.targets[share].to(device)  # (N, V)
            nats = -(targets * log_softmax(logits.float(), -1)).sum() * processes / len(batch)
            outside = -log_softmax(mixed.float(), -1)[:, -1].sum() * processes / len(batch)
            backward(nats + training.mixture_weight * outside)
            yield {"nats": float(self.accelerator.reduce(nats.detach(), "mean"))}

    def _mixtures(self, labels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Pairs of rows with different intents, (M,) each, and the share of the second in each mixture (M, 1)."""
        first = torch.randperm(len(labels))  # (N,)
        second = first.roll(1)
        apart = labels[first] != labels[second]
        most = round(self.recipe.training.mixtures * len(labels))
        first, second = first[apart][:most], second[apart][:most]  # (M,)
        return first, second, 0.25 + 0.5 * torch.rand(len(first), 1)

    def validate(self, model: IntentClassifier) -> Validation:
        share = self.recipe.training.out_of_scope
        logits = logits_of(model, self.dev)
        found = score(logits, self.dev_labels, *fit(logits, self.dev_labels, share))
        return Validation(found.figures("dev", share), {"dev/unrejected": found.unrejected})


def build(recipe: ClassificationRecipe, data: IntentDataset) -> RecurrentClassifier:
    """A classifier with fresh weights, and word vectors to begin with; raises DataError."""
    queries = tokens(data.split("train").texts)
    vectors = Vectors(recipe.data.vectors) if recipe.data.vectors else None
    vocabulary = make_vocabulary(queries, vectors.words if vectors else [], recipe.data)
    characters = Vocabulary.build([word for sentence in queries for word in sentence], 5)
    config = recipe.model.model_copy(update={"embedding_size": vectors.size}) if vectors else recipe.model
    model = RecurrentClassifier(config, vocabulary, characters, data.intents)
    model.initialize()
    if vectors:
        known = [word for word in vocabulary.words if word in vectors]
        with torch.no_grad():
            model.embedding.weight[vocabulary.encode(known)] = vectors.of(known)
    return model


def make_vocabulary(queries: Sequence[Sequence[str]], known: Sequence[str], recipe: IntentDataRecipe) -> Vocabulary:
    """The words of the training queries, then the commonest that have a vector."""
    seen = Vocabulary.build(queries)
    often = Vocabulary.build(queries, recipe.min_count)
    vectors = set(known)
    words = [word for word in seen.words if word in often or word in vectors]
    more = (word for word in known if word not in seen and word.isalnum())
    words += [word for word, _ in zip(more, range(max(0, recipe.words - len(words))), strict=False)]
    return Vocabulary(words)
