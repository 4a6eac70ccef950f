"""Documents are true as far as a program can tell: links lead somewhere, named files exist, tables are the code's."""

import re
import subprocess
from collections.abc import Iterator
from functools import cache
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from model.tasks import TASKS
from tests.conftest import ROOT

PACKAGES = ("app", "model", "recap", "training")
FOLDERS = (*PACKAGES, ".ci", ".github", "benchmarks", "checkpoints", "configs", "deploy", "docs", "tests")
HISTORY = {"CHANGELOG.md", "docs/measurements"}
"""Documents that name what was there at their time."""


def documents() -> list[str]:
    """Paths of all Markdown files that git knows or would take."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.md"]
    names = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.split("\n")
    return sorted(name for name in names if name and (ROOT / name).is_file())


DOCUMENTS = documents()


@cache
def text_of(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def prose(text: str) -> str:
    """A document without its blocks of code."""
    return re.sub(r"^( *)```.*?^\1```", "", text, flags=re.DOTALL | re.MULTILINE)


def slug(heading: str) -> str:
    """The anchor that GitHub gives a heading."""
    words = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading).replace("`", "").lower()
    return re.sub(r"[^\w\- ]", "", words).replace(" ", "-")


@cache
def anchors(path: Path) -> set[str]:
    found: dict[str, int] = {}
    for heading in re.findall(r"^#{1,6} (.+)$", prose(text_of(path)), re.MULTILINE):
        name = slug(heading)
        found[f"{name}-{found[name]}" if name in found else name] = 0
        found[name] += 1
    return set(found)


def broken(document: Path, text: str) -> Iterator[str]:
    """Relative links of a document that lead nowhere."""
    for target in re.findall(r"\]\(<?([^)>\s]+)>?\)", prose(text)):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = unquote(target).partition("#")
        file = (document.parent / path).resolve() if path else document
        if not file.exists():
            yield f"{target}: no such file"
        elif anchor and (file.suffix != ".md" or anchor not in anchors(file)):
            yield f"{target}: no such heading"


@pytest.mark.parametrize("name", DOCUMENTS)
def test_links_lead_somewhere(name: str) -> None:
    assert list(broken(ROOT / name, text_of(ROOT / name))) == []


def test_a_broken_link_is_found() -> None:
    text = (
        "[a](README.md) [b](nowhere.md) [c](README.md#nowhere) [d](https://example.com/x)\n```\n[e](nowhere.md)\n```\n"
    )
    assert list(broken(ROOT / "x.md", text)) == ["nowhere.md: no such file", "README.md#nowhere: no such heading"]


def missing(text: str) -> Iterator[str]:
    """Files and modules that a document names and that do not exist."""
    for name in re.findall(rf"(?<![\w./-])((?:{'|'.join(map(re.escape, FOLDERS))})/[\w./-]+\.[a-z]+)\b", text):
        if not (ROOT / name).exists() and not re.search(r"/(?:mine|NAME|TASK)\b", name):
            yield name
    # Two parts may also be a recipe's key: `model.cell`, `training.first`.
    for name in re.findall(rf"`((?:{'|'.join(PACKAGES)})(?:\.\w+){{2,}})`", text):
        if not module_exists(name):
            yield name


def module_exists(name: str) -> bool:
    """Whether a dotted name is a module, or something that its module mentions."""
    place = ROOT
    for number, part in enumerate(parts := name.split(".")):
        if (place / part).is_dir():
            place /= part
            continue
        file = place / f"{part}.py"
        rest = parts[number + 1 :] if file.is_file() else parts[number:]
        source = text_of(file if file.is_file() else place / "__init__.py")
        return all(re.search(rf"\b{word}\b", source) for word in rest)
    return True


@pytest.mark.parametrize("name", [name for name in DOCUMENTS if not name.startswith(tuple(HISTORY))])
def test_named_files_and_modules_exist(name: str) -> None:
    assert list(missing(text_of(ROOT / name))) == []


def test_a_missing_module_is_found() -> None:
    text = "`model.cells.CELLS`, `model.cell.CELLS`, `model.cell`, model/cells.py, model/cell.py, configs/NAME.toml"
    assert list(missing(text)) == ["model/cell.py", "model.cell.CELLS"]


def test_every_task_has_a_page_and_all_pages_have_the_same_sections() -> None:
    pages = {path.stem: path for path in (ROOT / "docs" / "tasks").glob("*.md")}
    assert pages.keys() == TASKS.keys()
    sections = {name: re.findall(r"^## (.+)$", prose(text_of(path)), re.MULTILINE) for name, path in pages.items()}
    expected = ["Use", "Parameters", "Quality", "Speed", "Train", "Measurements"]
    assert sections == dict.fromkeys(TASKS, expected)


def test_measurements_are_dated_and_listed() -> None:
    folder = ROOT / "docs" / "measurements"
    notes = {path.name for path in folder.glob("*.md")} - {"README.md"}
    assert all(re.fullmatch(r"20\d\d-\d\d-\d\d-[a-z-]+\.md", name) for name in notes)
    assert notes == set(re.findall(r"\((20[^)]+)\)", text_of(folder / "README.md")))


@pytest.fixture(scope="module")
def generate() -> Any:
    """The script docs/generate.py."""
    spec = spec_from_file_location("generate", ROOT / "docs" / "generate.py")
    assert spec
    assert spec.loader
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_generated_tables_are_up_to_date(generate: Any) -> None:
    for path, text in generate.pages().items():
        assert path.read_text(encoding="utf-8") == text, f"{path.name}: run `make docs`"


def test_a_setting_without_a_table_is_an_error(generate: Any) -> None:
    page = text_of(ROOT / "docs" / "operations.md")
    with pytest.raises(ValueError, match=r"belongs into one .*: rate_burst$"):
        generate.operations(page.replace(" rate_burst ", " "))
    with pytest.raises(ValueError, match=r"belongs into one .*: host$"):
        generate.operations(page.replace(" rate_burst ", " rate_burst host "))
    with pytest.raises(ValueError, match="rate_bursts: no such setting"):
        generate.operations(page.replace(" rate_burst ", " rate_bursts "))
