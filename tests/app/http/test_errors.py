"""Refusals as answers."""

import ast

from app.http.errors import STATUS
from tests.conftest import ROOT


def codes() -> set[str]:
    """The code of each refusal that the service makes, itself, by a subclass or of a picture's or recording's error."""
    calls = []
    for file in (file for place in ("app", "model/audio", "model/vision") for file in (ROOT / place).rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            match node:
                case ast.Call(func=ast.Name(id="Refusal" | "PictureError" | "WaveformError")):
                    calls.append(node)
                case ast.ClassDef(bases=[ast.Name(id="Refusal"), *_]):
                    made = [part for part in ast.walk(node) if isinstance(part, ast.Call)]
                    calls += [call for call in made if ast.unparse(call.func) == "super().__init__"]
    arguments = [argument for call in calls for argument in call.args[:1]]
    return {str(argument.value) for argument in arguments if isinstance(argument, ast.Constant)}


def test_every_code_has_a_status_and_every_status_a_use() -> None:
    assert codes() == set(STATUS)
