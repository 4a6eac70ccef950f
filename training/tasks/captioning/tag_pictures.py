"""The pictures that a tagger learns from, each as the mean of its grid, and the labels of what is there."""

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from model.tasks.captioning.captioner import Captioner
from model.tasks.captioning.tagger import Tagger
from training.tasks.captioning.features import cached_features
from training.tasks.captioning.nouns import Nouns
from training.tasks.captioning.readers import open_dataset
from training.tasks.captioning.recipe import DOUBT, FeaturesRecipe
from training.tasks.captioning.tag_labels import (
    Labels,
    caption_labels,
    caption_targets,
    object_labels,
    read_objects,
    with_objects,
)


class TagPictures:
    """The pictures of a recipe's data sets, those with captions and those of which objects alone are known."""

    inputs: Tensor
    """(N, E), means of the grids of the training pictures."""
    labels: Labels
    """(N, V)."""
    captioned: Tensor
    """(M,), the places of pictures with captions among them, data set by data set, each in its own order."""
    dev: dict[str, tuple[Tensor, Tensor]]
    """Inputs (D, E) and targets (D, V) of each data set's dev pictures, by its folder's name."""

    def __init__(
        self,
        captioner: Captioner,
        tagger: Tagger,
        nouns: Nouns,
        recipe: FeaturesRecipe,
        paths: Sequence[Path],
        doubt: float = DOUBT,
    ) -> None:
        """Reads the data sets in the folders `paths`, and computes the grids that are missing.

        Where the tagger's classifier sees a noun, its absence from captions is in doubt, see `caption_labels`. Raises
        what `open_dataset` does.
        """
        inputs: list[Tensor] = []
        labels: list[Labels] = []
        captioned: list[Tensor] = []
        self.dev = {}
        for path in paths:
            data = open_dataset(path)
            objects = read_objects(path / "objects.csv") if (path / "objects.csv").is_file() else {}
            pictures = data.split("train")
            features = mean_features(captioner, recipe, [image.path for image in pictures], path, "train")
            targets = caption_targets(nouns, [image.captions for image in pictures])
            with torch.inference_mode():
                known = caption_labels(nouns, targets, tagger.shown(features), doubt)
            if objects:
                known = with_objects(known, object_labels(nouns, [objects.get(x.path.name, {}) for x in pictures]))
            captioned.append(torch.arange(len(features)) + sum(map(len, inputs)))
            inputs, labels = [*inputs, features], [*labels, known]
            held = data.split("dev")
            targets = caption_targets(nouns, [image.captions for image in held])
            self.dev[path.name] = (
                mean_features(captioner, recipe, [image.path for image in held], path, "dev"),
                targets,
            )
            used = {image.path.name for image in data.images}
            if bare := sorted(name for name in objects if name not in used):
                folder = pictures[0].path.parent
                inputs.append(mean_features(captioner, recipe, [folder / name for name in bare], path, "objects"))
                labels.append(object_labels(nouns, [objects[name] for name in bare]))
        self.inputs, self.captioned = torch.cat(inputs), torch.cat(captioned)
        self.labels = Labels(*(torch.cat(parts) for parts in zip(*labels, strict=True)))


def mean_features(
    captioner: Captioner, recipe: FeaturesRecipe, pictures: Sequence[Path], path: Path, split: str
) -> Tensor:
    """The means of the grids of a data set's pictures, (N, E); the grids come from the recipe's cache."""
    cache = cached_features(
        captioner.encoder.eval(),
        captioner.config.encoder,
        pictures,
        recipe.cache / path.name / split,
        views=recipe.views if split == "train" else 1,
        device=captioner.device,
        batch_size=recipe.batch_size,
    )
    return torch.cat([grids.mean(1) for grids in cache.batches(256, torch.device("cpu"))])
