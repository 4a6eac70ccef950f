"""Who may import whom, and that serving stays light."""

import ast
import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import NamedTuple

import pytest
from PIL import Image

from model.tasks import TASKS
from tests.conftest import ROOT

PACKAGES = ("app", "model", "recap", "training")
WEB = ("fastapi", "starlette", "uvicorn")
DATA_SETS = ("datasets", "pycocotools")
METRICS = ("jiwer", "pycocoevalcap", "sacrebleu")
MODELS = tuple(f"model.tasks.{name}" for name in TASKS)
TRAINING_LIBRARIES = (
    *DATA_SETS,
    *METRICS,
    "accelerate",
    "matplotlib",
    "optuna",
    "scipy",
    "tensorboard",
    "timm",
    "torchvision",
)


class Rule(NamedTuple):
    """Modules below `place`, but for those in `apart`, import nothing of `forbidden`, wherever the import stands."""

    place: str
    forbidden: tuple[str, ...]
    apart: tuple[str, ...] = ()


# timm and torchvision are imported by `model`, inside the functions that build an encoder of theirs: the last test
# sees to it that serving does not come there.
RULES = (
    Rule("app", ("training", *TRAINING_LIBRARIES)),
    Rule("training", ("app", "recap", *WEB)),
    Rule("model", ("app", "recap", "training", *WEB, *DATA_SETS, *METRICS, "accelerate", "rich", "tqdm", "typer")),
    # `recap.__main__` is the entry point of both commands.
    Rule("recap", ("training", "app.http", *WEB, *TRAINING_LIBRARIES), apart=("recap/__main__.py",)),
    Rule("app/serving", ("app.http", "app.tasks", "app.routes", "app.commands", *MODELS, *WEB)),
    Rule("app", ("ray",), apart=("app/cluster",)),
    Rule("app", ("pyarrow",), apart=("app/tasks/captioning/bulk",)),
    Rule("model", ("ray",)),
    Rule("training", ("ray",)),
)


def imports(root: Path, place: str) -> Iterator[tuple[str, str]]:
    """Each import below a folder: (file:line, name of the module)."""
    for file in sorted((root / place).rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            match node:
                case ast.Import(names=aliases):
                    names = [alias.name for alias in aliases]
                case ast.ImportFrom(module=str(module), names=aliases, level=0):
                    names = [f"{module}.{alias.name}" for alias in aliases]
                case _:
                    continue
            for name in names:
                yield f"{file.relative_to(root)}:{node.lineno}", name


def violations(root: Path, rule: Rule) -> list[str]:
    """The imports that a rule forbids."""
    return [
        f"{where} imports {name}"
        for where, name in imports(root, rule.place)
        if not any(where.startswith((f"{folder}/", f"{folder}:")) for folder in rule.apart)
        and any(f"{name}.".startswith(f"{module}.") for module in rule.forbidden)
    ]


def label(rule: Rule) -> str:
    return f"{rule.place}-{rule.forbidden[0]}"


@pytest.mark.parametrize("rule", RULES, ids=label)
def test_layers(rule: Rule) -> None:
    assert list(imports(ROOT, rule.place))
    assert violations(ROOT, rule) == []


@pytest.mark.parametrize("rule", RULES, ids=label)
def test_a_broken_rule_is_found(rule: Rule, tmp_path: Path) -> None:
    """Breaks each rule in each way that an import can be written."""
    folder = tmp_path / rule.place
    folder.mkdir(parents=True)
    for module in rule.forbidden:
        package, _, name = module.rpartition(".")
        written: tuple[str, ...] = (
            f"def f():\n    import {module}\n",
            f"from {module} import x\n",
            f"import {module}.x\n",
        )
        if package:
            written += (f"from {package} import {name}\n",)
        for lines in written:
            file = folder / "broken.py"
            file.write_text(lines)
            assert len(violations(tmp_path, rule)) == 1, lines


def canonical(requirement: str) -> str:
    """PEP 503's form of a requirement's name."""
    name = re.match(r"[\w.-]+", requirement)
    assert name
    return re.sub(r"[-_.]+", "-", name[0]).lower()


def test_every_import_is_declared() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    serving = {canonical(requirement) for requirement in project["dependencies"]}
    extras = project["optional-dependencies"]
    train = serving | {canonical(requirement) for requirement in extras["train"]}
    apart = {canonical(requirement) for extra in ("fast", "av") for requirement in extras[extra]}
    scale = {canonical(requirement) for extra in ("bulk", "ray") for requirement in extras.get(extra, ())}
    declared = {"app": serving | scale, "model": train | apart, "recap": serving, "training": train}
    distributions = {module: {canonical(name) for name in names} for module, names in packages_distributions().items()}
    undeclared = set()
    for package, allowed in declared.items():
        for place, module in imports(ROOT, package):
            name = module.split(".")[0]
            if name in sys.stdlib_module_names or name in PACKAGES:
                continue
            if not distributions.get(name, {name}) & allowed:
                undeclared.add(f"{place} imports {name}")
    assert undeclared == set()


SERVE_AND_CAPTION = """
import json, sys
from pathlib import Path
from PIL import Image
import app.main, app.cli
from model.checkpoint import Checkpoint

captioner = Checkpoint.open(Path(sys.argv[1])).load()
with Image.open(sys.argv[2]) as picture:
    captions = captioner.caption([picture.convert("RGB")])
print(json.dumps({"text": captions[0][0].text, "modules": sorted({name.split(".")[0] for name in sys.modules})}))
"""


def test_serving_imports_no_training_library(tiny_checkpoint: Path, picture: Image.Image, tmp_path: Path) -> None:
    picture.save(tmp_path / "picture.png")
    command = [sys.executable, "-c", SERVE_AND_CAPTION, str(tiny_checkpoint), str(tmp_path / "picture.png")]
    answer = json.loads(subprocess.run(command, cwd=tmp_path, check=True, stdout=subprocess.PIPE, timeout=120).stdout)
    assert answer["text"]
    assert "fastapi" in answer["modules"]
    assert set(answer["modules"]) & {*TRAINING_LIBRARIES, "training", "onnx", "pyarrow", "ray"} == set()


def test_the_commands_help_needs_no_torch() -> None:
    command = "import sys, app.cli; print(sorted({'torch', 'numpy', 'fastapi'} & set(sys.modules)))"
    answer = subprocess.run([sys.executable, "-c", command], check=True, stdout=subprocess.PIPE, text=True, timeout=60)
    assert answer.stdout.strip() == "[]"
