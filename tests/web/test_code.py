"""The programs at /docs, each run: curl, Python, JavaScript, the clients of others and the command line."""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import chdir
from pathlib import Path
from typing import Any, NamedTuple

import httpx2
import pytest
from playwright.sync_api import Page, expect
from typer.testing import CliRunner

from app.cli import cli
from app.main import create_app
from app.settings import Settings
from model.checkpoint import save
from model.tasks.captioning import CAPTIONING
from model.tasks.captioning.captioner import Captioner
from model.tasks.forecasting import FORECASTING
from model.tasks.intents import INTENTS
from model.tasks.text import TEXT
from model.tasks.text.language import LanguageModel
from model.tasks.translation import TRANSLATION
from model.tasks.translation.translator import Translator
from tests.app.conftest import serving, wait_until_ready
from tests.app.http.test_fetch import Internet, internet
from tests.intent_queries import tiny_classifier
from tests.price_series import as_csv, made_up, tiny_forecaster
from tests.recordings import recording, save_recogniser
from tests.voices import save_synthesiser
from tests.web.conftest import Visit

__all__ = ["internet"]  # a fixture

pytestmark = pytest.mark.browser

PROGRAMS = """async () => {
    const found = [];
    for (const section of document.querySelectorAll(".operation")) {
        for (const choice of section.querySelectorAll(".trying input[type=radio]")) {
            choice.click();
            const code = section.querySelector(".answer pre").textContent;
            found.push([section.getAttribute("aria-label"), choice.value, code]);
        }
    }
    return found;
}"""

RUN_PYTHON = """
import contextlib, io, json, sys, traceback
told = []
for code in json.load(sys.stdin):
    out = io.StringIO()
    try:
        with contextlib.redirect_stdout(out):
            exec(compile(code, "program", "exec"), {})
        told.append([0, out.getvalue()])
    except Exception:
        told.append([1, traceback.format_exc()])
print(json.dumps(told))
"""

RUN_JAVASCRIPT = """
const files = JSON.parse(process.argv[2]);
const print = console.log;
const told = [];
for (const file of files) {
    const lines = [];
    console.log = (...words) => lines.push(words.join(" "));
    try {
        await import(file);
        told.push([0, lines.join("\\n")]);
    } catch (error) {
        told.push([1, String(error)]);
    }
}
print(JSON.stringify(told));
"""


class Program(NamedTuple):
    """A request in a language."""

    request: str
    language: str
    code: str


@pytest.fixture
def folder(
    tmp_path: Path,
    photo: bytes,
    tiny_captioner: Captioner,
    tiny_language_model: LanguageModel,
    tiny_translator: Translator,
) -> Path:
    """The files that the programs name, and below `checkpoints` a small model of each task, by the default's name."""
    models: list[tuple[Any, Any, str]] = [
        (CAPTIONING, tiny_captioner, "flickr8k-coco"),
        (TEXT, tiny_language_model, "shakespeare"),
        (TRANSLATION, tiny_translator, "multi30k-en-de"),
        (INTENTS, tiny_classifier(), "clinc150"),
        (FORECASTING, tiny_forecaster(), "indices"),
    ]
    for task, model, name in models:
        save(tmp_path / "checkpoints" / name, task, model, name=name, metrics={}, card=f"# {name}\n")
    save_recogniser(tmp_path / "checkpoints" / "an4")
    save_synthesiser(tmp_path / "checkpoints" / "asterisk")
    (tmp_path / "photos").mkdir()
    for path in (tmp_path / "photo.jpg", tmp_path / "photos" / "one.jpg"):
        path.write_bytes(photo)
    (tmp_path / "hello.wav").write_bytes(recording(2))
    (tmp_path / "prices.csv").write_text(as_csv(made_up(300)))
    return tmp_path


@pytest.fixture
def programs(folder: Path, visit: Visit, internet: Internet, photo: bytes) -> Iterator[list[Program]]:
    """All of them, while the server that they ask is there."""
    internet.pages["/dog.jpg"] = (200, {}, photo)
    settings = Settings(checkpoints=folder / "checkpoints", threads=1, url_hosts=("pictures.example",))
    with serving(create_app(settings)) as client, visit() as open_page:
        wait_until_ready(client)
        page: Page = open_page("docs", str(client.base_url).rstrip("/"))
        expect(page.get_by_role("region", name="GET /v1/models/{name}").get_by_label("Code")).to_contain_text(
            "models/shakespeare"
        )
        found = [Program(*one) for one in page.evaluate(PROGRAMS)]
        # The internet of the test has no certificates.
        yield [one._replace(code=one.code.replace("https://pictures", "http://pictures")) for one in found]


def run(folder: Path, language: str, codes: list[str], monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, str]]:
    """Exit code and output of each."""
    if language == "curl":
        pieces = [code.replace("curl ", "curl -sS --fail-with-body ", 1) for code in codes]
        done = [subprocess.run(one, shell=True, cwd=folder, capture_output=True, timeout=60) for one in pieces]
        return [(one.returncode, (one.stdout + one.stderr).decode("utf-8", "replace")) for one in done]
    if language == "command line":
        monkeypatch.setenv("RECAP_CHECKPOINTS", str(folder / "checkpoints"))
        monkeypatch.setenv("RECAP_THREADS", "1")
        words = [subprocess.check_output(["sh", "-c", f"printf '%s\\0' {code}"]).decode() for code in codes]
        # On a thread of its own: this one has Playwright's event loop.
        with chdir(folder), ThreadPoolExecutor(1) as thread:
            results = [thread.submit(CliRunner().invoke, cli, one.split("\0")[1:-1]).result() for one in words]
        return [(one.exit_code, f"{one.output}{one.exception or ''}") for one in results]
    if language == "JavaScript":
        files = [folder / f"{number}.mjs" for number in range(len(codes))]
        for file, code in zip(files, codes, strict=True):
            file.write_text(code)
        (folder / "all.mjs").write_text(RUN_JAVASCRIPT)
        command = ["node", "--no-warnings", "all.mjs", json.dumps([str(file) for file in files])]
        given = None
    else:
        command, given = [sys.executable, "-W", "ignore", "-c", RUN_PYTHON], json.dumps(codes)
    whole = subprocess.run(command, cwd=folder, input=given, capture_output=True, text=True, timeout=120)
    assert whole.returncode == 0, whole.stderr
    return [(code, out) for code, out in json.loads(whole.stdout)]


@pytest.mark.slow
def test_every_program_runs(
    folder: Path, programs: list[Program], monkeypatch: pytest.MonkeyPatch, photo: bytes
) -> None:
    languages = {one.language for one in programs}
    assert languages == {"curl", "Python", "openai", "huggingface_hub", "JavaScript", "command line"}
    requests = {one.request for one in programs}
    for language in ("curl", "Python", "JavaScript"):
        assert {one.request for one in programs if one.language == language} == requests
    told: dict[tuple[str, str], str] = {}
    for language in languages:
        if {"curl": "curl", "JavaScript": "node"}.get(language) not in (None, *filter(shutil.which, ("curl", "node"))):
            continue  # not on this machine
        these = [one for one in programs if one.language == language]
        results = run(folder, language, [one.code for one in these], monkeypatch)
        for one, (code, output) in zip(these, results, strict=True):
            assert code == 0, f"{one.request}, {language}:\n{one.code}\n{output}"
            told[one.request, language] = output
    address = next(one.code for one in programs if one == ("POST /v1/captions", "curl", one.code)).split("'")[-2]
    text = httpx2.post(address, content=photo).json()["captions"][0]["text"]
    for language in languages - {"openai", "huggingface_hub"}:
        assert text in told.get(("POST /v1/captions", language), text)
    assert text in (folder / "captions.jsonl").read_text()
    assert "shakespeare" in told["GET /v1/models", "openai"]
    assert told["POST /models/{name}", "huggingface_hub"].strip()
