"""Cross-entropy training of encoder and decoder together, from a checkpoint whose encoder was frozen.

An update is a batch of pictures, each encoded once, in a view of its own, and read by all its captions. The encoder's
first modules, which see edges and colours, stay as they are, and so do the statistics of all its batch norms: the few
pictures of a step would make poor ones. The loop around it is `training.trainer.Trainer.run`.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from torch import Tensor, nn

from model.tasks.captioning.captioner import Captioner
from model.vision.preprocessing import normalize, useful_side
from training.data.pictures import check_pictures, open_picture
from training.length_buckets import LengthBuckets
from training.prefetch import load_batches
from training.recipe import RecipeError
from training.tasks.captioning.augmentation import augmented
from training.tasks.captioning.distillation import teaching
from training.tasks.captioning.ensemble import read_pictures
from training.tasks.captioning.examples import caption_examples, captions_by_picture, collate
from training.tasks.captioning.losses import caption_objective
from training.tasks.captioning.readers import open_dataset
from training.tasks.captioning.recipe import TuningRecipe
from training.tasks.captioning.score import DevScore
from training.tasks.captioning.warm_start import start_from
from training.trainer import Backward, Objective, Validation


class EndToEnd(nn.Module):
    """Encoder and decoder as one network."""

    def __init__(self, captioner: Captioner) -> None:
        super().__init__()
        self.captioner = captioner

    def train(self, mode: bool = True) -> "EndToEnd":
        super().train(mode)
        self.captioner.encoder.eval()  # batch norm by its own statistics, which stay
        return self

    def forward(self, pixels: Tensor, tokens: Tensor, pictures: Tensor) -> tuple[Tensor, Tensor | None]:
        """Logits (N, T, V) and attention (N, T, P) of `RecurrentDecoder.teacher_forcing`.

        Args:
            pixels: (B, 3, S, S).
            tokens: (N, T), `<bos>` first, longest first.
            pictures: (N,), the picture of each caption.
        """
        memory = self.captioner.encode_source(self.captioner.encoder(pixels))
        return self.captioner.decoder.teacher_forcing(memory.take(pictures), tokens)  # type: ignore[no-any-return]


class Tuning(Objective[Captioner]):
    """Pictures and their captions to an encoder and a decoder that predicts the words; raises what `Trainer` does."""

    def __init__(self, recipe: TuningRecipe, accelerator: Accelerator) -> None:
        training = recipe.training
        self.recipe, self.accelerator, self.share = recipe, accelerator, training.share
        data = open_dataset(recipe.data.path)
        self.pictures = data.split("train")
        self.dev = DevScore(data.split("dev"))
        self.model = start_from(recipe.start, dropout=training.dropout, decoding=recipe.decoding, size=recipe.size)
        self.model.encoder.to(memory_format=torch.channels_last)  # a third faster on a CPU
        freeze_before(self.model.encoder, training.first)
        self.network = EndToEnd(self.model)
        self.preprocessing = self.model.config.encoder.preprocessing
        vocabulary = self.model.vocabulary
        self.examples = caption_examples(self.pictures, vocabulary, recipe.data.max_length)
        self.captions = captions_by_picture(self.examples, len(self.pictures))
        check_pictures([image.path for image in (*self.pictures, *self.dev.images)])
        self.teaching = teaching(recipe.distillation, self.pictures, self.examples, vocabulary, recipe.run, accelerator)
        lengths = [1] * len(self.pictures)
        self.buckets = LengthBuckets(lengths, training.batch_size, training.seed, smallest=accelerator.num_processes)
        self.updates_per_epoch = len(self.buckets)

    def groups(self) -> list[dict[str, Any]]:
        training, model = self.recipe.training, self.model
        groups: list[dict[str, Any]] = []
        for part, peak in ((model.encoder, training.encoder_learning_rate), (model.decoder, training.learning_rate)):
            tuned = [parameter for parameter in part.parameters() if parameter.requires_grad]
            groups.append({"params": tuned, "peak": peak})
        return groups

    def updates(self, epoch: int, done: int, network: nn.Module, backward: Backward) -> Iterator[dict[str, float]]:
        device, processes, training = self.accelerator.device, self.accelerator.num_processes, self.recipe.training
        batches = self.buckets.batches(epoch)[done:]
        shares = [batch[self.accelerator.process_index :: processes] for batch in batches]
        loaded = load_batches(self.load, ([(picture, epoch) for picture in share] for share in shares))
        for batch, share, pixels in zip(batches, shares, loaded, strict=True):
            order = [(number, place) for place, picture in enumerate(share) for number in self.captions[picture]]
            order.sort(key=lambda caption: len(self.examples[caption[0]].tokens), reverse=True)
            numbers, places = zip(*order, strict=True)
            tokens, targets = (part.to(device) for part in collate([self.examples[number] for number in numbers]))
            pixels = normalize(pixels.to(device, memory_format=torch.channels_last), self.preprocessing)
            logits, attention = network(pixels, tokens, torch.tensor(places, device=device))  # (N, T, V), (N, T, P)
            expected = self.teaching.expected(numbers, targets.shape[1], device) if self.teaching else None
            lengths = [len(self.examples[number].tokens) + 1 for picture in batch for number in self.captions[picture]]
            loss, nats = caption_objective(training, logits, attention, targets, lengths, processes, expected)
            backward(loss)
            yield {"loss": float(self.accelerator.reduce(nats.detach(), "mean"))}

    def validate(self, model: Captioner) -> Validation:
        return self.dev(model, read_pictures(model, self.dev.images, 50))

    def load(self, job: tuple[int, int]) -> Tensor:
        """A training picture, by its number, in its view of an epoch: (3, S, S), bytes."""
        picture, epoch = job
        chance = np.random.default_rng((self.recipe.training.seed, epoch, picture))
        image = open_picture(self.pictures[picture].path, 2 * useful_side(self.preprocessing))
        mirrors = all(self.examples[number].mirrors for number in self.captions[picture])
        image = augmented(image, self.preprocessing, self.recipe.augmentation, chance, mirrors=mirrors)
        return torch.from_numpy(np.array(image)).movedim(-1, 0)


def freeze_before(encoder: nn.Module, first: str) -> None:
    """Turns off the gradients of the parameters that come before those of the module `first`.

    The backward pass ends there, and nothing is kept for it of the frozen part.

    Raises:
        RecipeError: the encoder has no such module, or the module has no parameters.
    """
    tuned = False
    for name, parameter in encoder.named_parameters():
        tuned = tuned or name.startswith(f"{first}.")
        parameter.requires_grad_(tuned)
    if not tuned:
        names = (name.split(".") for name, _ in encoder.named_parameters())
        modules = dict.fromkeys(".".join(parts[: min(2, len(parts) - 1)]) for parts in names)
        raise RecipeError(f"training.first: the encoder has no module {first!r}; there are {', '.join(modules)}")
