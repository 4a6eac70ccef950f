"""Clients that are generated from /openapi.json."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import httpx2
import pytest

GENERATOR = shutil.which("openapi-python-client")


def test_operations_have_short_names_of_their_own(client: httpx2.Client) -> None:
    paths = client.get("/openapi.json").json()["paths"]
    names = [operation["operationId"] for path in paths.values() for operation in path.values()]
    assert len(set(names)) == len(names) > 30
    assert [name for name in names if not re.fullmatch(r"[a-z_]{4,30}", name)] == []
    assert "create_caption" in names


ASK = """
import sys
from recap_client import Client
from recap_client.api.health import readyz
from recap_client.api.models import list_models
from recap_client.api.ollama import ollama_show
from recap_client.models import OllamaShowOllamaShowRequest

client = Client(base_url=sys.argv[1])
shown = ollama_show.sync(client=client, body=OllamaShowOllamaShowRequest(model="tiny"))
print(readyz.sync(client=client).status, list_models.sync(client=client).data[0].id, *shown.capabilities)
"""


@pytest.mark.slow
@pytest.mark.skipif(GENERATOR is None, reason="openapi-python-client is not installed (uv tool install)")
def test_generated_client_asks_the_server(client: httpx2.Client, tmp_path: Path) -> None:
    assert GENERATOR
    (tmp_path / "openapi.json").write_bytes(client.get("/openapi.json").content)
    (tmp_path / "config.yaml").write_text("project_name_override: recap-client\npost_hooks: []\nliteral_enums: true\n")
    command = [GENERATOR, "generate", "--path", "openapi.json", "--config", "config.yaml", "--meta", "none"]
    command += ["--output-path", "recap_client"]
    told = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert told.returncode == 0, told.stdout + told.stderr
    asked = [sys.executable, "-c", ASK, str(client.base_url)]
    answer = subprocess.run(asked, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert answer.stdout == "ready tiny completion vision\n", answer.stderr
