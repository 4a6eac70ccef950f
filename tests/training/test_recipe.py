"""Recipes: typed, complete and clear about mistakes."""

import re
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.training.conftest import recap_train
from training.recipe import RecipeError
from training.tasks import TASKS, read_recipe
from training.tasks.captioning.recipe import CrossEntropyRecipe

NAMES = ", ".join(map(repr, TASKS))
CONFIGS = sorted((ROOT / "configs").glob("*/*.toml"))


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_published_recipe_is_valid(path: Path) -> None:
    """It says how to run it, and its folder says the task."""
    commands = re.findall(rf"(?:recap-train|training\.cli) (\w+) --config {path.relative_to(ROOT)}", path.read_text())
    assert set(commands) - {"features"} == {"train"}
    recipe = read_recipe(path)
    assert (recipe.name, recipe.task) == (path.stem, path.parent.name)


def test_every_objective_has_a_published_recipe() -> None:
    published = {(recipe.task, recipe.objective) for recipe in map(read_recipe, CONFIGS)}
    assert published == {(task, objective) for task in TASKS for objective in TASKS[task].objectives}


def test_published_recipes_are_listed_with_their_figures(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(ROOT)
    with pytest.raises(SystemExit, match="0"):
        recap_train("recipes")
    lines = {line.split()[0]: line.split()[1:] for line in capsys.readouterr().out.splitlines()}
    assert len(lines) == 1 + len(CONFIGS)
    assert lines["configs/captioning/flickr8k-coco.toml"][:4] == ["captioning", "self-critical", "CIDEr", "0.627,"]
    assert lines["configs/text/shakespeare.toml"][:5] == ["text", "running-text", "bits", "per", "character"]
    assert lines["configs/captioning/coco.toml"] == ["captioning", "cross-entropy"]


def test_command_of_the_past_points_to_train(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        recap_train("language", "--config", "x.toml")
    told = " ".join(capsys.readouterr().err.replace("│", " ").split())
    assert "No such command 'language'. Every recipe is trained by: recap-train train --config FILE" in told


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ('objective = "tuning"', f"task: is missing; choose one of {NAMES}$"),
        ('task = "chess"', f"task: 'chess' is none of {NAMES}$"),
        ('task = ["text"]', rf"task: \['text'\] is none of {NAMES}$"),
        ('task = "text"', "objective: is missing; choose one of 'running-text'$"),
        ('task = "text"\nobjective = "tuning"', "objective: 'tuning' is none of 'running-text'$"),
    ],
)
def test_recipe_without_a_task_or_an_objective_is_refused(tmp_path: Path, lines: str, message: str) -> None:
    (tmp_path / "recipe.toml").write_text(lines)
    with pytest.raises(RecipeError, match=message):
        read_recipe(tmp_path / "recipe.toml")


def test_recipe_extends_another(tiny_recipe: Path) -> None:
    (tiny_recipe.parent / "more").mkdir()
    path = tiny_recipe.parent / "more" / "small.toml"
    path.write_text('extends = "../tiny.toml"\nname = "small"\n[training]\nepochs = 5\n[decoder]\ncell = "gru"\n')
    base, recipe = CrossEntropyRecipe.read(tiny_recipe), CrossEntropyRecipe.read(path, ["training.seed=7"])
    assert (recipe.name, recipe.training.epochs, recipe.training.seed) == ("small", 5, 7)
    assert recipe.decoder == base.decoder.model_copy(update={"cell": "gru"})
    assert (recipe.data, recipe.training.batch_size) == (base.data, base.training.batch_size)


def test_recipe_that_extends_itself_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text('extends = "b.toml"')
    (tmp_path / "b.toml").write_text('extends = "a.toml"')
    with pytest.raises(RecipeError, match=r"b\.toml: extends: .*a\.toml extends this file in turn"):
        read_recipe(tmp_path / "a.toml")
    (tmp_path / "b.toml").unlink()
    with pytest.raises(RecipeError, match=r"b\.toml: No such file"):
        read_recipe(tmp_path / "a.toml")


def test_set_overrides_in_toml(tiny_recipe: Path) -> None:
    recipe = CrossEntropyRecipe.read(
        tiny_recipe, ["training.epochs=7", "decoder.cell=gru", "encoder.preprocessing.mean=[0,0,0]", "name=other"]
    )
    assert (recipe.training.epochs, recipe.decoder.cell, recipe.name) == (7, "gru", "other")
    assert recipe.encoder.preprocessing.mean == (0, 0, 0)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("training.epoch=3", r"training\.epoch: no such key; there are epochs, learning_rate"),
        ("train.epochs=3", "train: no such key; there are task, objective, name, output, run, training, data"),
        ("distillation.teacher=x", r"distillation\.teacher: no such key; there are teachers, weight"),
        ("encoder.preprocessing.side=8", r"encoder\.preprocessing\.side: no such key; there are size, resize"),
        ("training.epochs=many", r"training\.epochs: Input should be a valid integer"),
        ("training.epochs", r"--set training\.epochs: write section\.key=value"),
        ("name.first=x", r"--set name\.first=x: name is a value, not a section"),
    ],
)
def test_mistake_is_named(tiny_recipe: Path, override: str, message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        CrossEntropyRecipe.read(tiny_recipe, [override])


def test_file_that_is_no_recipe_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="No such file"):
        CrossEntropyRecipe.read(tmp_path / "none.toml")
    (tmp_path / "bad.toml").write_text("name =")
    with pytest.raises(RecipeError, match="not TOML"):
        CrossEntropyRecipe.read(tmp_path / "bad.toml")
