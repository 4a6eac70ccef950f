"""The contact sheet: all pictures that were dropped, none lost; captions filtered, edited, exported and removed."""

import asyncio
import csv
import io
import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx2
import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from app.serving.worker import Resources
from app.settings import Settings
from app.tasks.captioning.files import Line, caption_files
from app.tasks.captioning.service import PictureJob, PictureWorker
from model.checkpoint import Checkpoint
from model.tasks.captioning import CAPTIONING
from tests.conftest import ROOT, draw
from tests.web.conftest import Encode, Open, Visit, drop, exported, sentence

pytestmark = pytest.mark.browser

BAD = {"words.jpg": b"no picture at all, " * 9, "cut.png": b"", "paper.jpg": b"%PDF-1.7 " + b"x" * 99}


@pytest.fixture(scope="module")
def contents(encode: Encode, photo: bytes) -> dict[str, bytes]:
    """Twelve files by their names, three of them bad."""
    drawn = {f"drawn-{seed}.png": encode(draw(seed)) for seed in range(8)}
    return {"photo.jpg": photo} | drawn | BAD


def drop_all(page: Page, contents: dict[str, bytes]) -> Page:
    """The view when all of them are done."""
    expect(page.get_by_role("heading", name="A contact sheet for your pictures")).to_be_visible()
    page.evaluate(
        """async () => (await import("/web/views/captioning/decoding.js")).decoding.set({method: "greedy"})"""
    )
    drop(page, contents)
    expect(page.locator(".found")).to_have_text("12 pictures, 3 failed")
    return page


@pytest.fixture(scope="module")
def sheet(visit: Visit, contents: dict[str, bytes]) -> Iterator[Page]:
    """For tests that leave it as it is."""
    with visit() as open_page:
        yield drop_all(open_page("#many"), contents)


def test_all_that_is_dropped_is_answered(sheet: Page, contents: dict[str, bytes], server: str) -> None:
    def told(data: bytes) -> str:
        answer = httpx2.post(f"{server}/v1/captions?method=greedy", content=data).json()
        return sentence(answer["captions"][0]["text"]) if "captions" in answer else str(answer["error"]["code"])

    expect(sheet.get_by_text("Kept in this browser")).to_be_visible()
    expect(sheet.locator("#count")).to_have_text("12")
    cards = sheet.get_by_role("list", name="Contact sheet").locator("> li")  # not the tags in them
    expect(cards).to_have_count(12)
    for (name, data), card in zip(contents.items(), cards.all(), strict=True):
        expect(card.locator(".name")).to_have_text(name)
        if name in BAD:
            expect(card.locator(".trouble")).to_have_attribute("data-code", told(data))
        else:
            expect(card.get_by_role("textbox", name=f"Caption of {name}")).to_have_value(told(data))
            expect(card.locator("img")).to_have_js_property("complete", True)
    sheet.get_by_role("button", name="Open drawn-3.png").click()
    expect(sheet.locator(".picture")).to_have_attribute("alt", told(contents["drawn-3.png"]))
    sheet.go_back()


def test_filter_edit_export_and_remove(open_page: Open, contents: dict[str, bytes]) -> None:
    page = drop_all(open_page("#many"), contents)
    cards = page.locator(".card")
    search = page.get_by_role("searchbox", name="Filter by word")
    search.fill("camera")
    visible = page.locator(".card:visible .name")
    expect(visible).to_have_count(1)
    expect(visible).to_have_text("photo.jpg")
    expect(page.locator(".found")).to_contain_text("1 of 12")

    caption = page.get_by_role("textbox", name="Caption of photo.jpg")
    before = caption.input_value()
    caption.fill('a "cameraman", at work')
    expect(cards.first.locator(".doing")).to_have_text("edited")
    search.fill("cameraman work")
    expect(page.locator(".card:visible")).to_have_count(1)
    search.fill("")

    name, text = exported(page, "CSV")
    assert name == "captions.csv"
    assert text.startswith("\ufeff")
    rows = list(csv.DictReader(io.StringIO(text.removeprefix("\ufeff"))))
    assert [row["file"] for row in rows] == list(contents)
    assert rows[0]["caption"] == 'a "cameraman", at work'
    assert [row["edited"] for row in rows] == ["yes"] + ["no"] * 11
    assert {row["model"] for row in rows[:9]} == {"flickr8k-coco"}
    assert all(0 < float(row["confidence"]) < 1 and row["error"] == "" for row in rows[:9])
    assert [row["file"] for row in rows if row["error"]] == list(BAD)

    name, text = exported(page, "JSON lines")
    assert name == "captions.jsonl"
    lines = [json.loads(line) for line in text.splitlines()]
    assert [line["file"] for line in lines] == list(contents)
    assert lines[0]["edited"] is True
    assert sentence(lines[0]["captions"][0]["text"]) == before
    assert lines[0]["alt"] == lines[0]["caption"] == 'a "cameraman", at work'
    assert "edited" not in lines[1]
    assert lines[1]["caption"] == lines[1]["captions"][0]["text"] == rows[1]["caption"]
    assert [line["error"]["code"] for line in lines[9:]] == ["not_an_image", "empty_image", "unsupported_format"]

    expect(page.get_by_role("button", name="Try failed ones again")).to_be_hidden()  # they would fail again
    page.get_by_role("button", name="Undo edit").click()
    expect(caption).to_have_value(before)
    page.get_by_role("button", name="Remove words.jpg").click()
    expect(cards).to_have_count(11)
    expect(page.get_by_role("button", name="Remove cut.png")).to_be_focused()
    expect(page.locator("#count")).to_have_text("11")
    caption.fill("mine")
    page.get_by_role("button", name="Remove all").click()
    expect(page.get_by_role("heading", name="A contact sheet for your pictures")).to_be_visible()
    expect(page.locator("#count")).to_be_hidden()
    page.get_by_role("region", name="Undo").get_by_role("button", name="Undo").click()
    expect(cards).to_have_count(11)
    expect(caption).to_have_value("mine")
    page.locator("main").press("ControlOrMeta+z")
    page.locator("main").press("ControlOrMeta+z")
    assert page.locator(".card .name").all_text_contents() == list(contents)


def test_lines_are_those_of_the_command(sheet: Page, tmp_path: Path, contents: dict[str, bytes]) -> None:
    """So that what reads the one reads the other."""
    _, text = exported(sheet, "JSON lines")
    mine = {line["file"]: line for line in map(json.loads, text.splitlines())}
    checkpoint = Checkpoint.open(ROOT / "checkpoints" / "flickr8k-coco")
    assert checkpoint.task is CAPTIONING
    files = [tmp_path / name for name in ("photo.jpg", "words.jpg")]
    for file in files:
        file.write_bytes(contents[file.name])
    decoding = checkpoint.config.decoding.model_copy(update={"method": "greedy"})
    resources = Resources(Settings(runtime="torch"))
    worker = PictureWorker("flickr8k-coco", checkpoint.load(), resources)

    async def lines() -> list[Line]:
        return [line async for line in caption_files(worker, files, lambda data: PictureJob(data, decoding, tag=True))]

    with ThreadPoolExecutor(1) as pool:  # Playwright has a loop on this thread
        expected = pool.submit(lambda: asyncio.run(lines())).result()
    resources.close()
    for line in expected:
        found = mine[Path(line["file"]).name]
        assert found.keys() - {"sha256"} == line.keys()  # a page also tells which file it had
        if "error" in line:
            assert found["error"] == line["error"]
        else:
            assert found["caption"] == line["caption"]
            assert [caption.keys() for caption in found["captions"]] == [caption.keys() for caption in line["captions"]]


def test_many_at_once_are_all_captioned_though_some_are_refused_at_first(open_page: Open, encode: Encode) -> None:
    """A server that says "later" to every third, and a picture that is taken away while it waits."""
    page = open_page("#many")
    page.clock.install()
    page.evaluate(
        """async () => (await import("/web/views/captioning/decoding.js")).decoding.set({method: "greedy"})"""
    )
    asked = []

    def busy(route: Any) -> None:
        asked.append(route)
        if len(asked) % 3:
            route.continue_()
        else:
            body = {"error": {"code": "queue_full", "message": "busy", "request_id": "x"}}
            route.fulfill(status=429, json=body, headers={"retry-after": "1"})

    page.route("**/v1/captions/stream*", busy)
    drop(page, {f"{number}.png": encode(Image.new("RGB", (32, 24), (20 * number, 0, 90))) for number in range(10)})
    page.get_by_role("button", name="Remove 9.png").click()
    until = time.monotonic() + 20
    while page.locator(".card[data-state=done]").count() < 9:
        assert time.monotonic() < until
        page.clock.fast_forward(1000)  # what was refused is asked for again
    expect(page.locator(".found")).to_have_text("9 pictures")
    assert len(asked) > 9
