"""Views of training pictures."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageOps

from model.vision.config import PreprocessingConfig
from model.vision.preprocessing import resize
from tests.conftest import draw
from training.tasks.captioning.augmentation import augmented
from training.tasks.captioning.recipe import AugmentationRecipe

SQUASH = PreprocessingConfig(size=48)
NOTHING = AugmentationRecipe(crop=1, flip=False, colour=0)


def view(image: Image.Image, recipe: AugmentationRecipe, seed: int = 0, *, mirrors: bool = True) -> np.ndarray:
    return np.asarray(augmented(image, SQUASH, recipe, np.random.default_rng(seed), mirrors=mirrors)).astype(int)


@pytest.mark.parametrize("size", [(48, 48), (96, 64)])
@pytest.mark.parametrize("preprocessing", [SQUASH, PreprocessingConfig(size=48, resize="crop")])
def test_with_everything_off_it_is_what_the_encoder_sees(
    size: tuple[int, int], preprocessing: PreprocessingConfig
) -> None:
    image = draw(0, size)
    plain = augmented(image, preprocessing, NOTHING, np.random.default_rng(0), mirrors=True)
    assert (np.asarray(plain) == resize(image, preprocessing).movedim(0, -1).numpy()).all()


@given(st.integers(0, 10_000), st.floats(0.05, 1), st.integers(8, 200), st.integers(8, 200))
def test_it_is_a_square_cut_of_at_least_the_share_asked_for(seed: int, crop: float, width: int, height: int) -> None:
    """Seen in pictures whose red and green say where a pixel is."""
    places = np.zeros((height, width, 3), np.uint8)
    places[..., 0] = np.linspace(0, 250, width)
    places[..., 1] = np.linspace(0, 250, height)[:, None]
    seen = view(Image.fromarray(places), AugmentationRecipe(crop=crop, flip=False, colour=0), seed)
    assert seen.shape == (48, 48, 3)
    across, down = (np.ptp(seen[..., channel]) / 250 for channel in (0, 1))
    assert across * down >= crop - 0.1
    assert (np.diff(seen[24, :, 0]) >= -2).all()  # left is left


def test_mirrored_half_of_the_time_and_only_where_captions_allow() -> None:
    image = draw(0, (48, 48))
    flips = AugmentationRecipe(crop=1, colour=0)
    plain, mirrored = np.asarray(image), np.asarray(ImageOps.mirror(image))
    views = [view(image, flips, seed) for seed in range(100)]
    assert all((seen == plain).all() or (seen == mirrored).all() for seen in views)
    assert 30 < sum((seen == mirrored).all() for seen in views) < 70
    assert all((view(image, flips, seed, mirrors=False) == plain).all() for seed in range(20))


def test_light_changes_and_hues_stay() -> None:
    image = Image.new("RGB", (48, 48), (200, 60, 60))
    image.paste((40, 40, 160), (0, 0, 24, 48))
    seen = np.stack([view(image, AugmentationRecipe(crop=1, flip=False, colour=0.3), seed) for seed in range(30)])
    assert seen.mean((1, 2)).std(0).min() > 5
    blue, red = seen[:, :, :20].mean((1, 2)), seen[:, :, 28:].mean((1, 2))
    assert (blue.argmax(1) == 2).all()
    assert (red.argmax(1) == 0).all()
    assert np.abs(red[:, 1] - red[:, 2]).max() < 2


def test_a_view_is_a_function_of_its_chance() -> None:
    image = draw(0)
    recipe = AugmentationRecipe()
    assert (view(image, recipe, 3) == view(image, recipe, 3)).all()
    assert (view(image, recipe, 3) != view(image, recipe, 4)).any()
