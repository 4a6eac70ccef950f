"""Refusals as answers."""

import ast

from app.http.errors import STATUS
from tests.conftest import ROOT

COMMAND_LINE = {"unreadable_file"}
"""Codes of refusals that no request meets."""


def codes() -> set[str]:
    """The code of each refusal that the service makes."""
    calls = [
        node
        for file in (ROOT / "app").rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Refusal"
    ]
    arguments = [argument for call in calls for argument in call.args[:1]]
    return {str(argument.value) for argument in arguments if isinstance(argument, ast.Constant)}


def test_every_code_has_a_status_and_every_status_a_use() -> None:
    assert codes() - COMMAND_LINE == set(STATUS)
