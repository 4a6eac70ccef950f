"""The server does as its own OpenAPI document says: schemathesis reads one and asks the other."""

import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import httpx2
import pytest
from fastapi import FastAPI

from app.main import create_app
from app.settings import Settings
from tests.conftest import ROOT

EXAMPLES = os.environ.get("EXAMPLES")
"""Requests of each route. When it is set, every phase runs: also each limit of each parameter, and routes in a row."""

Ready = Callable[[httpx2.Client], None]
Serve = Callable[[FastAPI], AbstractContextManager[httpx2.Client]]


@pytest.mark.slow
@pytest.mark.timeout(7200 if EXAMPLES else 300)
def test_the_server_keeps_to_its_document(serve: Serve, ready: Ready, both_checkpoints: Path, tmp_path: Path) -> None:
    # One worker: Python 3.11 sometimes fails ("AST constructor recursion depth mismatch") if two threads parse code.
    phases = "examples,coverage,fuzzing,stateful" if EXAMPLES else "examples,fuzzing"
    command: list[str | Path] = [
        Path(sys.executable).with_name("schemathesis"),
        "run",
        "--checks",
        "all",
        "--continue-on-failure",
    ]
    command += ["--phases", phases, "--max-examples", EXAMPLES or "8", "--seed", "1", "--no-color"]
    command += ["--suppress-health-check", "too_slow"]  # that is the machine's, not the server's
    environment = os.environ | {"PYTHONPATH": str(ROOT), "SCHEMATHESIS_HOOKS": "tests.app.http.schemathesis_hooks"}
    app = create_app(Settings(checkpoints=both_checkpoints, threads=1, max_tokens=20))
    operations = sum(map(len, app.openapi()["paths"].values()))
    with serve(app) as client:
        ready(client)
        command += ["--generation-database", "none", f"{client.base_url}/openapi.json"]
        result = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=environment)
    assert result.returncode == 0, result.stdout + result.stderr
    assert f"Tested: {operations}\n" in result.stdout
