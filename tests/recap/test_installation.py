"""Where Recap finds its checkpoints and packages, also beside somebody else's."""

import subprocess
import sys
from pathlib import Path

import pytest

import recap
from tests.conftest import ROOT


def run(*arguments: str, cwd: Path, path: str) -> subprocess.CompletedProcess[str]:
    environment = {"PYTHONPATH": path, "PATH": "/usr/bin:/bin"}
    return subprocess.run(
        [sys.executable, *arguments], cwd=cwd, env=environment, capture_output=True, text=True, timeout=120, check=False
    )


def test_the_checkpoints_of_a_checkout_are_found_from_anywhere(tmp_path: Path) -> None:
    told = run("-c", "import recap; print(recap.checkpoints_folder())", cwd=tmp_path, path=str(ROOT))
    assert (told.stdout, told.stderr) == (f"{ROOT / 'checkpoints'}\n", "")


def test_importing_recap_is_quick(tmp_path: Path) -> None:
    code = "import recap, sys; print({'torch', 'pydantic', 'app.settings'} & sys.modules.keys())"
    assert run("-c", code, cwd=tmp_path, path=str(ROOT)).stdout == "set()\n"


def test_the_api_needs_no_http(tmp_path: Path) -> None:
    code = "from recap import Captioner, LanguageModel; import sys; print({'fastapi', 'uvicorn'} & sys.modules.keys())"
    assert run("-c", code, cwd=tmp_path, path=str(ROOT)).stdout == "set()\n"


@pytest.mark.parametrize("name", ["app", "model", "training"])
@pytest.mark.parametrize("is_package", [True, False], ids=["package", "module"])
def test_a_foreign_package_is_told_in_words(name: str, is_package: bool, tmp_path: Path) -> None:
    foreign = tmp_path / name / "__init__.py" if is_package else tmp_path / f"{name}.py"
    foreign.parent.mkdir(exist_ok=True)
    foreign.write_text("raise AssertionError('imported')")
    told = run("-m", "recap", "--help", cwd=tmp_path, path=f"{tmp_path}:{ROOT}")
    assert told.returncode == 1
    assert told.stderr.startswith(f"error: `{name}` is {tmp_path}/{name}")
    assert "uv tool install" in told.stderr
    told = run("-c", "from recap import Captioner", cwd=tmp_path, path=f"{tmp_path}:{ROOT}")
    assert f"ImportError: `{name}` is" in told.stderr


def test_the_command_runs_by_the_module_too(tmp_path: Path) -> None:
    told = run("-m", "recap", "--help", cwd=tmp_path, path=str(ROOT))
    assert told.returncode == 0
    assert "caption" in told.stdout


def test_training_without_its_libraries_names_the_extra(tmp_path: Path) -> None:
    code = "import sys; sys.modules['pycocoevalcap'] = None; from recap.__main__ import train; train()"
    evaluate = ("evaluate", "--checkpoint", str(ROOT / "checkpoints" / "flickr8k-coco"), "--data", "nowhere")
    told = run("-c", code, *evaluate, cwd=tmp_path, path=str(ROOT))
    assert told.returncode == 1
    assert told.stderr.startswith("error: pycocoevalcap")
    assert told.stderr.endswith("pip install 'recap-captioner[train]'\n")


def test_what_there_is_not_is_said() -> None:
    with pytest.raises(AttributeError, match="module 'recap' has no attribute 'Translator'"):
        _ = recap.Translator
    assert {name for name in recap.__all__ if hasattr(recap, name)} == set(recap.__all__)
