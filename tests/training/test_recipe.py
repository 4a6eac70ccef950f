"""Recipes: typed, complete and clear about mistakes."""

import re
from pathlib import Path

import pytest

from tests.conftest import ROOT
from training.recipe import (
    CaptionerRecipe,
    LanguageRecipe,
    Recipe,
    RecipeError,
    SelfCriticalRecipe,
    TuningRecipe,
)

RECIPES: dict[str, type[Recipe]] = {
    "captioner": CaptionerRecipe,
    "features": CaptionerRecipe,
    "language": LanguageRecipe,
    "selfcritical": SelfCriticalRecipe,
    "tune": TuningRecipe,
}


@pytest.mark.parametrize("path", sorted((ROOT / "configs").glob("*/*.toml")), ids=lambda path: path.stem)
def test_published_recipes_are_valid(path: Path) -> None:
    """For the commands that they say they are for."""
    commands = re.findall(rf"(?:recap-train|training\.cli) (\w+) --config {path.relative_to(ROOT)}", path.read_text())
    assert commands
    for command in commands:
        assert RECIPES[command].read(path).name == path.stem


def test_set_overrides_in_toml(tiny_recipe: Path) -> None:
    recipe = CaptionerRecipe.read(
        tiny_recipe, ["training.epochs=7", "decoder.cell=gru", "encoder.preprocessing.mean=[0,0,0]", "name=other"]
    )
    assert (recipe.training.epochs, recipe.decoder.cell, recipe.name) == (7, "gru", "other")
    assert recipe.encoder.preprocessing.mean == (0, 0, 0)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("training.epoch=3", r"training\.epoch: no such key; there are epochs, batch_size, learning_rate"),
        ("train.epochs=3", "train: no such key; there are name, output, run, data, training"),
        ("distillation.teacher=x", r"distillation\.teacher: no such key; there are teachers, weight"),
        ("encoder.preprocessing.side=8", r"encoder\.preprocessing\.side: no such key; there are size, resize"),
        ("training.epochs=many", r"training\.epochs: Input should be a valid integer"),
        ("training.epochs", r"--set training\.epochs: write section\.key=value"),
        ("name.first=x", r"--set name\.first=x: name is a value, not a section"),
    ],
)
def test_mistakes_are_named(tiny_recipe: Path, override: str, message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        CaptionerRecipe.read(tiny_recipe, [override])


def test_files_that_are_not_recipes(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="No such file"):
        CaptionerRecipe.read(tmp_path / "none.toml")
    (tmp_path / "bad.toml").write_text("name =")
    with pytest.raises(RecipeError, match="not TOML"):
        CaptionerRecipe.read(tmp_path / "bad.toml")
