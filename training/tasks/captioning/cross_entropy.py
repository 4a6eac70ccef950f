"""Cross-entropy training of a captioner's decoder over a frozen encoder's cached grids.

An update is a batch of captions of like length, each with its picture, by teacher forcing. The loop around it is
`training.trainer.Trainer.run`.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor, nn

from model.tasks.captioning.captioner import Captioner
from model.tasks.captioning.config import CaptionerConfig
from training.length_buckets import LengthBuckets
from training.tasks.captioning.backbone import pretrained_encoder
from training.tasks.captioning.distillation import teaching
from training.tasks.captioning.examples import Example, caption_examples, caption_vocabulary, collate
from training.tasks.captioning.features import prepare_features
from training.tasks.captioning.losses import caption_objective
from training.tasks.captioning.readers import open_dataset
from training.tasks.captioning.recipe import CrossEntropyRecipe
from training.tasks.captioning.score import DevScore
from training.trainer import Backward, Objective, Validation


class CrossEntropy(Objective[Captioner]):
    """Captions of the training pictures to a decoder that predicts their words; raises what `Trainer` does."""

    def __init__(self, recipe: CrossEntropyRecipe, accelerator: Accelerator) -> None:
        training = recipe.training
        self.recipe, self.accelerator = recipe, accelerator
        data = open_dataset(recipe.data.path)
        pictures = data.split("train")
        self.dev = DevScore(data.split("dev"))
        vocabulary = caption_vocabulary(pictures, recipe.data.min_count)
        self.examples = caption_examples(pictures, vocabulary, recipe.data.max_length)
        checked = [image.path for image in (*pictures, *self.dev.images)]
        self.teaching = teaching(
            recipe.distillation, pictures, self.examples, vocabulary, recipe.run, accelerator, checked=checked
        )
        torch.manual_seed(training.seed)
        config = CaptionerConfig(encoder=recipe.encoder, decoder=recipe.decoder, decoding=recipe.decoding)
        self.model = Captioner(config, vocabulary)
        self.model.encoder = pretrained_encoder(recipe.encoder, recipe.features.weights).requires_grad_(False)
        self.network = self.model.decoder
        self.features = prepare_features(recipe.features, recipe.encoder, data, self.model.encoder, accelerator)
        lengths = [len(example.tokens) for example in self.examples]
        self.buckets = LengthBuckets(lengths, training.batch_size, training.seed, smallest=accelerator.num_processes)
        self.updates_per_epoch = len(self.buckets)

    def groups(self) -> list[dict[str, Any]]:
        return [{"params": list(self.model.decoder.parameters()), "peak": self.recipe.training.learning_rate}]

    def updates(self, epoch: int, done: int, network: nn.Module, backward: Backward) -> Iterator[dict[str, float]]:
        device, processes, training = self.accelerator.device, self.accelerator.num_processes, self.recipe.training
        for batch in self.buckets.batches(epoch)[done:]:
            share = batch[self.accelerator.process_index :: processes]
            examples = [self.examples[number] for number in share]
            tokens, targets = (part.to(device) for part in collate(examples))  # (N, T)
            logits, attention = network(self.grids(examples), tokens)  # (N, T, V), (N, T, P)
            expected = self.teaching.expected(share, targets.shape[1], device) if self.teaching else None
            lengths = [len(self.examples[number].tokens) + 1 for number in batch]
            loss, nats = caption_objective(training, logits, attention, targets, lengths, processes, expected)
            backward(loss)
            yield {"loss": float(self.accelerator.reduce(nats.detach(), "mean"))}

    def validate(self, model: Captioner) -> Validation:
        return self.dev(model, self.features["dev"].batches(100, model.device))

    def grids(self, share: Sequence[Example]) -> Tensor:
        """(N, P, E), each caption's picture in a view drawn at random from those for which the caption holds."""
        drawn = torch.randint(self.recipe.features.views, (len(share),)).tolist()
        pairs = zip(drawn, share, strict=True)
        chosen = [view if example.mirrors else view // 2 * 2 for view, example in pairs]  # even views are not mirrored
        grids = self.features["train"].read([example.picture for example in share], chosen)
        return grids.to(self.accelerator.device).float()
