"""Docstrings read like English: the first line stands alone, without the name above it."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import ROOT

FOLDERS = ("app", "model", "recap", "training", "benchmarks")
FRAGMENTS = {"As", "How", "Of", "That", "Those", "What", "Which", "Who", "Whose"}
"""First words that make a docstring the end of a sentence whose beginning is the name."""


def docstrings(file: Path) -> Iterator[tuple[int, str, bool]]:
    """Line and text of each docstring in a file, and whether it is an attribute's."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        for place, statement in enumerate(node.body):
            match statement:
                case ast.Expr(value=ast.Constant(value=str(text))):
                    yield statement.lineno, text.strip(), place > 0


@pytest.mark.parametrize("folder", FOLDERS)
def test_docstrings_stand_alone(folder: str) -> None:
    wrong = []
    for file in sorted((ROOT / folder).rglob("*.py")):
        for line, text, is_attribute in docstrings(file):
            first = text.split(maxsplit=1)[0].rstrip(",") if text else ""
            if first in FRAGMENTS or (first == "Whether" and not is_attribute):
                wrong.append(f"{file.relative_to(ROOT)}:{line}: {text.splitlines()[0][:70]}")
    assert not wrong, "\n" + "\n".join(wrong)
