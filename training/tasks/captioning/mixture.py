"""Training of a decoder that reads tags: on pictures with sentences, and on sentences without pictures.

An update is a batch of captions of like length. With a picture, a caption is read beside the grid and what a tagger
that has not learnt that picture sees in it; in a part of the batch the grid is hidden. Without one, the tags are the
sentence's own nouns, as uncertain as a tagger would be, among the mistakes that it made about another picture, and
there is no grid. The loop is `training.trainer.Trainer.run`.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from torch import Tensor, nn

from model.tasks.captioning.captioner import Captioner
from model.tasks.captioning.decoder import Seen
from model.vocabulary import tokenize
from training.data.text import read_text
from training.length_buckets import LengthBuckets
from training.tasks.captioning.examples import Example, caption_examples, collate
from training.tasks.captioning.imagined import ImaginedTags
from training.tasks.captioning.losses import caption_objective
from training.tasks.captioning.nouns import Nouns
from training.tasks.captioning.pictures import Pictures, PicturesScore, tags_in_training
from training.tasks.captioning.recipe import MixtureRecipe
from training.tasks.captioning.tag_reader import mixture_vocabulary, tag_reader
from training.tasks.captioning.warm_start import open_captioner
from training.trainer import Backward, Objective, Validation


class Mixture(Objective[Captioner]):
    """Pictures with sentences, and sentences alone, to a decoder that reads tags; raises what `Trainer` does."""

    def __init__(self, recipe: MixtureRecipe, accelerator: Accelerator) -> None:
        training = recipe.training
        self.recipe, self.accelerator = recipe, accelerator
        start = open_captioner(recipe.start)
        paths = (recipe.data.path, *recipe.more)
        self.pictures = Pictures(start, recipe.features, paths, accelerator)
        images = self.pictures.images
        lines = [tokenize(line) for path in recipe.sentences for line in read_text(path).splitlines()]
        lines = [words[: recipe.data.max_length] for words in lines if len(words) > 2]
        captions = [tokenize(caption) for image in images for caption in image.captions]
        nouns = Nouns.read()
        vocabulary = mixture_vocabulary(start, nouns, [*captions, *lines], recipe)
        torch.manual_seed(training.seed)
        self.model = tag_reader(start, vocabulary, recipe)
        self.network = self.model.decoder
        self.examples = caption_examples(images, vocabulary, recipe.data.max_length)
        self.sentences = [Example(-1, tuple(vocabulary.encode(words)), True) for words in lines]
        found, targets = tags_in_training(self.model, recipe.features, paths, accelerator)
        self.seen = self.model.tag_words(found, recipe.decoder.tags)
        self.imagined = ImaginedTags(nouns, lines, found.numpy(), targets.numpy(), self.model.tags)
        smallest = accelerator.num_processes
        more = [example for example in self.examples if example.picture >= self.pictures.first]
        self.examples += more * (training.repeat - 1)
        self.paired = _buckets(self.examples, training.batch_size, training.seed, smallest)
        self.alone = _buckets(self.sentences, training.batch_size, training.seed, smallest) if lines else None
        self.dev = PicturesScore(self.pictures)
        self.alone_per_epoch = min(training.sentences // training.batch_size, len(self.alone)) if self.alone else 0
        self.updates_per_epoch = len(self.paired) + self.alone_per_epoch

    def groups(self) -> list[dict[str, Any]]:
        return [{"params": list(self.model.decoder.parameters()), "peak": self.recipe.training.learning_rate}]

    def updates(self, epoch: int, done: int, network: nn.Module, backward: Backward) -> Iterator[dict[str, float]]:
        processes, training = self.accelerator.num_processes, self.recipe.training
        device = self.accelerator.device
        first = epoch * self.updates_per_epoch + done
        for number, (paired, batch) in enumerate(self._batches(epoch)[done:], start=first):
            # Drawn for the whole batch, so that nothing depends on how many processes share it.
            chance = np.random.default_rng((training.seed, number))
            source = self.examples if paired else self.sentences
            grid, seen = (self._pictures if paired else self._imagined)(batch, chance)
            share = list(range(self.accelerator.process_index, len(batch), processes))
            tokens, targets = (part.to(device) for part in collate([source[batch[place]] for place in share]))  # (N, T)
            logits, attention = network(grid[share].to(device).float(), tokens, seen.take(share).to(device))
            lengths = [len(source[number].tokens) + 1 for number in batch]
            loss, nats = caption_objective(training, logits, attention, targets, lengths, processes)
            backward(loss)
            yield {"loss": float(self.accelerator.reduce(nats.detach(), "mean"))}

    def validate(self, model: Captioner) -> Validation:
        return self.dev(model)

    def _batches(self, epoch: int) -> list[tuple[bool, list[int]]]:
        """An epoch's batches in the order in which they are learnt, and whether each is of captions with pictures."""
        batches = [(True, batch) for batch in self.paired.batches(epoch)]
        if self.alone:
            turn, place = divmod(epoch * self.alone_per_epoch, len(self.alone))
            queue = [*self.alone.batches(turn), *self.alone.batches(turn + 1)]
            batches += [(False, batch) for batch in queue[place : place + self.alone_per_epoch]]
        order = np.random.default_rng((self.recipe.training.seed, epoch)).permutation(len(batches))
        return [batches[number] for number in order]

    def _pictures(self, batch: Sequence[int], chance: np.random.Generator) -> tuple[Tensor, Seen]:
        """Grids (B, P, E), each in a view for which the caption holds, hidden in a part, and what was seen."""
        examples = [self.examples[number] for number in batch]
        drawn = chance.integers(self.recipe.features.views, size=len(batch)).tolist()
        pairs = zip(drawn, examples, strict=True)
        views = [view if example.mirrors else view // 2 * 2 for view, example in pairs]  # even views are not mirrored
        numbers = [example.picture for example in examples]
        hidden = torch.from_numpy(chance.random(len(batch)) < self.recipe.training.hidden)
        grids = self.pictures.grids(numbers, views).masked_fill(hidden[:, None, None], 0)
        return grids, self.seen.take(numbers)

    def _imagined(self, batch: Sequence[int], chance: np.random.Generator) -> tuple[Tensor, Seen]:
        """An empty grid (B, 1, E) for each sentence, and what a tagger might have seen."""
        assert self.model.tagger is not None
        probabilities = self.model.tagger.narrowest(torch.from_numpy(self.imagined(batch, chance)))  # (B, V)
        seen = self.model.tag_words(probabilities, self.recipe.decoder.tags)
        return torch.zeros(len(batch), 1, self.pictures.num_features), seen


def _buckets(examples: Sequence[Example], batch_size: int, seed: int, smallest: int) -> LengthBuckets:
    return LengthBuckets([len(example.tokens) for example in examples], batch_size, seed, smallest=smallest)
