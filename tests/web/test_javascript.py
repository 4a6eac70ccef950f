"""The tools that check the page's JavaScript are pinned, and come from whichever registry a machine has."""

import json
import re

from tests.conftest import ROOT


def test_tools_are_pinned_without_a_registry() -> None:
    tools = json.loads((ROOT / "package.json").read_text(encoding="utf-8"))["devDependencies"]
    assert tools
    assert all(re.fullmatch(r"\d+\.\d+\.\d+", version) for version in tools.values())
    text = (ROOT / "package-lock.json").read_text(encoding="utf-8")
    packages = json.loads(text)["packages"]
    assert packages[""]["devDependencies"] == tools
    for name, package in packages.items():
        assert not name or package["integrity"].startswith("sha512-"), name
        assert "resolved" not in package, name
    assert "registry" not in text
