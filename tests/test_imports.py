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

import pytest
from PIL import Image

ROOT = Path(__file__).resolve().parent.parent

TRAINING_LIBRARIES = {
    "accelerate",
    "datasets",
    "matplotlib",
    "pycocoevalcap",
    "pycocotools",
    "tensorboard",
    "timm",
    "torchvision",
}

FORBIDDEN = {
    "app": {"training"} | TRAINING_LIBRARIES,
    # timm and torchvision only inside the functions that build an encoder of theirs: see the last test.
    "model": {"app", "training", "fastapi", "starlette", "uvicorn", "typer", "rich"}
    | (TRAINING_LIBRARIES - {"timm", "torchvision"}),
    "recap": {"fastapi", "starlette", "uvicorn", "typer"} | TRAINING_LIBRARIES,
    "training": {"app", "fastapi", "starlette", "uvicorn"},
}


def imports(package: str) -> Iterator[tuple[str, str]]:
    """Each import of a package's files, wherever it stands in them: (file:line, name of the top-level module)."""
    for file in sorted((ROOT / package).rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            match node:
                case ast.Import(names=aliases):
                    names = [alias.name for alias in aliases]
                case ast.ImportFrom(module=str(module), level=0):
                    names = [module]
                case _:
                    continue
            for name in names:
                yield f"{file.relative_to(ROOT)}:{node.lineno}", name.split(".")[0]


@pytest.mark.parametrize("package", FORBIDDEN)
def test_layers(package: str) -> None:
    found = list(imports(package))
    assert {"app": "fastapi", "model": "torch", "recap": "PIL", "training": "accelerate"}[package] in {
        name for _, name in found
    }
    assert [f"{place} imports {name}" for place, name in found if name in FORBIDDEN[package]] == []


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
    fast = {canonical(requirement) for requirement in extras["fast"]}
    declared = {"app": serving, "model": train | fast, "recap": serving, "training": train}
    distributions = {module: {canonical(name) for name in names} for module, names in packages_distributions().items()}
    undeclared = set()
    for package, allowed in declared.items():
        for place, name in imports(package):
            if name in sys.stdlib_module_names or name in declared:
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
    assert set(answer["modules"]) & (TRAINING_LIBRARIES | {"training"}) == set()
