"""Pictures that are never twice the same."""

import math

from numpy.random import Generator
from PIL import Image, ImageEnhance, ImageOps

from model.vision.config import PreprocessingConfig
from model.vision.preprocessing import resize
from training.tasks.captioning.recipe import AugmentationRecipe

ASPECT = 4 / 3
"""Largest ratio of a cut's sides to each other."""
LIGHT = (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color)


def augmented(
    image: Image.Image,
    preprocessing: PreprocessingConfig,
    recipe: AugmentationRecipe,
    chance: Generator,
    *,
    mirrors: bool,
) -> Image.Image:
    """S x S pixels cut out of an RGB picture as the encoder sees it (Szegedy et al., "Going deeper with convolutions",
    2015, section 6), in other light, and mirrored or not; `mirrors` tells whether the captions allow it.
    """
    # As fine as the picture is, but no finer than the smallest cut needs.
    side = max(preprocessing.size, min(math.ceil(preprocessing.size / recipe.crop**0.5), *image.size))
    image = _resized(image, preprocessing.model_copy(update={"size": side}))
    area = chance.uniform(recipe.crop, 1)
    aspect = min(ASPECT, 1 / area) ** chance.uniform(-1, 1)
    width, height = (round(side * (area * ratio) ** 0.5) for ratio in (aspect, 1 / aspect))
    left, top = (int(chance.integers(side - part + 1)) for part in (width, height))
    mirrored = recipe.flip and mirrors and chance.random() < 0.5
    factors = chance.uniform(1 - recipe.colour, 1 + recipe.colour, len(LIGHT))

    image = image.crop((left, top, left + width, top + height))
    image = _resized(image, preprocessing.model_copy(update={"resize": "squash"}))
    image = ImageOps.mirror(image) if mirrored else image
    for enhance, factor in zip(LIGHT, factors, strict=True):
        image = enhance(image).enhance(factor) if recipe.colour else image
    return image


def _resized(image: Image.Image, preprocessing: PreprocessingConfig) -> Image.Image:
    return Image.fromarray(resize(image, preprocessing).movedim(0, -1).numpy())
