"""The training pictures of several data sets as one list, with their grids and what a tagger sees in them."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from accelerate import Accelerator
from torch import Tensor

from model.tasks.captioning.captioner import Captioner
from training.errors import TrainingError
from training.tasks.captioning.cross_fitting import cross_fitted
from training.tasks.captioning.features import FeatureCache, cached_features
from training.tasks.captioning.nouns import Nouns
from training.tasks.captioning.readers import CaptionedImage, open_dataset
from training.tasks.captioning.recipe import PENALTY, FeaturesRecipe
from training.tasks.captioning.score import DevScore
from training.tasks.captioning.tag_pictures import TagPictures
from training.trainer import Validation


class Pictures:
    """Captioned pictures by their number, those of one data set after those of another."""

    def __init__(
        self, captioner: Captioner, recipe: FeaturesRecipe, paths: Sequence[Path], accelerator: Accelerator
    ) -> None:
        """Reads the data sets in the folders `paths`, and computes the grids that their caches lack.

        Raises:
            DataError: a data set is missing or broken, or pictures can't be read.
        """
        self.images: list[CaptionedImage] = []
        self.dev: dict[str, tuple[tuple[CaptionedImage, ...], FeatureCache]] = {}
        """The dev pictures of each data set, by its folder's name."""
        self._caches: list[FeatureCache] = []
        self._places: list[tuple[int, int]] = []  # a cache, and the picture's place there

        data = {path: open_dataset(path) for path in paths}
        splits = {path: (read.split("train"), read.split("dev")) for path, read in data.items()}
        checked = [image.path for parts in splits.values() for images in parts for image in images]

        def cache(path: Path, split: str, images: Sequence[CaptionedImage], views: int) -> FeatureCache:
            with accelerator.main_process_first():  # one process builds, the others read
                return cached_features(
                    captioner.encoder.eval(),
                    captioner.config.encoder,
                    [image.path for image in images],
                    recipe.cache / path.name / split,
                    views=views,
                    device=accelerator.device,
                    batch_size=recipe.batch_size,
                    checked=checked,
                )

        for number, (path, (train, dev)) in enumerate(splits.items()):
            self.dev[path.name] = dev, cache(path, "dev", dev, 1)
            self._caches.append(cache(path, "train", train, recipe.views))
            self._places += [(number, place) for place in range(len(train))]
            self.images += train
        self.first = len(splits[paths[0]][0])
        """Number of pictures of the first data set."""

    @property
    def num_features(self) -> int:
        """E, of a grid."""
        return int(self._caches[0].grids.shape[-1])

    def grids(self, numbers: Sequence[int], views: Sequence[int]) -> Tensor:
        """(B, P, E) of the pictures, each in its view."""
        rows = []
        for number, view in zip(numbers, views, strict=True):
            cache, place = self._places[number]
            rows.append(self._caches[cache].grids[place, view])
        return torch.from_numpy(np.stack(rows))


class PicturesScore:
    """The score of a captioner in training on the dev pictures of all data sets; the first one's decides."""

    def __init__(self, pictures: Pictures) -> None:
        self._parts = {name: (DevScore(images), cache) for name, (images, cache) in pictures.dev.items()}

    def __call__(self, captioner: Captioner) -> Validation:
        """Captions and scores all dev pictures."""
        (_, first), *others = [
            (name, score(captioner, cache.batches(100, captioner.device)))
            for name, (score, cache) in self._parts.items()
        ]
        log = dict(first.log)
        for name, part in others:
            log |= {f"dev/{name}/{figure.name}": figure.value for figure in part.figures}
        return Validation(first.figures, log)


def tags_in_training(
    captioner: Captioner, recipe: FeaturesRecipe, paths: Sequence[Path], accelerator: Accelerator
) -> tuple[Tensor, Tensor]:
    """The narrowest tags of the captioned training pictures, each by a head that has not learnt from the picture.

    Returns:
        their probabilities (N, V), in the order of `Pictures`, and what captions and objects say (N, V).

    Raises:
        TrainingError: the captioner has no tagger, or one of other nouns.
    """
    nouns = Nouns.read()
    if captioner.tagger is None or captioner.tagger.tags.names != tuple(nouns.numbers):
        raise TrainingError("the captioner's tags are not the nouns of nouns.csv; train its tagger again")
    with accelerator.main_process_first():
        pictures = TagPictures(captioner, captioner.tagger, nouns, recipe, paths)
        cache = recipe.cache / "tags"
        found = cross_fitted(captioner.tagger, pictures.inputs, pictures.labels, PENALTY, cache)
    return captioner.tagger.narrowest(found[pictures.captioned]), pictures.labels.targets[pictures.captioned]
