"""Stages that train a decoder over a frozen encoder, whose grids are computed once."""

from abc import ABC
from collections.abc import Iterator, Sequence
from typing import TypeVar

import torch
from torch import Tensor, nn

from model.tasks.captioning.captioner import Captioner
from model.vision.config import EncoderConfig
from training.length_buckets import LengthBuckets
from training.recipe import FeaturesRecipe, FrozenRecipe
from training.tasks.captioning.features import FeatureCache, cached_features
from training.tasks.captioning.readers import CaptionDataset
from training.trainer import Stage

R = TypeVar("R", bound=FrozenRecipe)


def prepare_features(
    recipe: FeaturesRecipe,
    config: EncoderConfig,
    data: CaptionDataset,
    encoder: nn.Module,
    device: torch.device | str,
) -> dict[str, FeatureCache]:
    """The cached grids of the train and dev pictures, computed where they are not there yet."""
    views = {"train": recipe.views, "dev": 1}
    return {
        split: cached_features(
            encoder,
            config,
            [image.path for image in data.split(split)],
            recipe.cache / split,
            views=number,
            device=device,
            batch_size=recipe.batch_size,
        )
        for split, number in views.items()
    }


class FrozenStage(Stage[R, list[int]], ABC):
    """A `Stage` in which pictures are grids from the cache."""

    def _prepare(
        self,
        captioner: Captioner,
        buckets: LengthBuckets,
        network: nn.Module | None = None,
    ) -> None:
        """As `Stage._prepare`, and the grids; the network is the decoder unless another is given."""
        with self.accelerator.main_process_first():  # one process builds, the others read
            features = prepare_features(
                self.recipe.features, captioner.config.encoder, self.data, captioner.encoder, self.accelerator.device
            )
        self.train_features, self.dev_features = features["train"], features["dev"]
        captioner.encoder.requires_grad_(False)
        super()._prepare(captioner, buckets, network or captioner.decoder)

    def _ready(self, batches: Sequence[list[int]]) -> Iterator[list[int]]:
        return iter(batches)

    def _dev_grids(self, captioner: Captioner) -> Iterator[Tensor]:
        for start in range(0, len(self.dev), 100):
            part = range(start, min(start + 100, len(self.dev)))
            yield self.dev_features.read(part, [0] * len(part)).to(captioner.device).float()
