"""A tagger's probabilities for the pictures that it has learnt from, each by a tagger that has not.

An encoder that was tuned on pictures knows them by heart, and so does a head over it: on them it is far surer than on
any other picture. A decoder that learnt from such tags would trust them too much. So the pictures are dealt to a few
folds, and the tags of each fold come from a head that has learnt from the others (Wolpert, "Stacked Generalization",
1992).
"""

import hashlib
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from model.tasks.captioning.tagger import Tagger
from training.cache import cached
from training.tasks.captioning.tag_labels import Labels

FOLDS = 5
EPOCHS = 8
BATCH = 512
LEARNING_RATE = 3e-3


def prepare_head(tagger: Tagger, inputs: Tensor, labels: Labels) -> None:
    """Scales the features of a tagger's head by those of the pictures (N, E), and begins with each noun's frequency.

    The labels are those of the nouns that the head learns, (N, L).
    """
    targets, weights = labels
    tagger.centre.copy_(inputs.mean(0))
    tagger.scale.copy_(inputs.std(0) + 0.05)
    shares = ((targets * weights).sum(0) / weights.sum(0).clamp(min=1)).clamp(1e-4, 0.99)  # (L,)
    nn.init.zeros_(tagger.head.weight)
    tagger.head.bias.data.copy_(shares.logit())


def cross_fitted(tagger: Tagger, inputs: Tensor, labels: Labels, penalty: float, cache: Path) -> Tensor:
    """Probabilities (N, V) of the nouns in pictures, each by a head that has not learnt from the picture.

    Args:
        tagger: has the classifier and the calibration; stays as it is.
        inputs: means of the pictures' grids, (N, E).
        labels: of the pictures, (N, V).
        penalty: weight of the squared weights, as in `TaggingTraining`.
        cache: folder in which the result is kept for the next time.
    """
    digest = hashlib.sha256(f"{FOLDS} {EPOCHS} {BATCH} {LEARNING_RATE} {penalty}".encode())
    for tensor in (inputs, *labels, tagger.shown(inputs)):
        digest.update(tensor.detach().half().numpy().tobytes())
    digest.update(tagger.config.model_dump_json().encode())
    labels = Labels(*(part[:, tagger.learnt] for part in labels))  # (N, L)
    path = cache / "probabilities.npy"

    def build() -> None:
        generator = torch.Generator().manual_seed(0)
        fold = torch.randperm(len(inputs), generator=generator) % FOLDS
        found = torch.empty(len(inputs), len(tagger.tags))  # (N, V)
        for number in range(FOLDS):
            learner = Tagger(tagger.tags, inputs.shape[1], tagger.config)
            learner.load_state_dict(tagger.state_dict())
            prepare_head(learner, inputs, labels)
            _fit(learner, inputs, labels, (fold != number).nonzero()[:, 0], penalty, generator)
            with torch.inference_mode():
                found[fold == number] = learner(inputs[fold == number, None])
        np.save(path, found.half().numpy())

    cached(cache, digest.hexdigest(), build)
    return torch.from_numpy(np.load(path)).float()


def _fit(
    tagger: Tagger, inputs: Tensor, labels: Labels, rows: Tensor, penalty: float, generator: torch.Generator
) -> None:
    """Trains a prepared head on some of the pictures, by a rate that falls to zero."""
    optimizer = torch.optim.Adam(tagger.head.parameters(), LEARNING_RATE)
    steps = EPOCHS * -(-len(rows) // BATCH)
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.0, steps)
    for _ in range(EPOCHS):
        for batch in rows[torch.randperm(len(rows), generator=generator)].split(BATCH):
            targets, weights = (part[batch] for part in labels)
            logits = tagger.logits(inputs[batch])  # (B, L)
            nats = binary_cross_entropy_with_logits(logits, targets, weights, reduction="sum")
            optimizer.zero_grad()
            (nats / len(batch) + penalty * tagger.head.weight.square().sum()).backward()
            optimizer.step()
            schedule.step()
