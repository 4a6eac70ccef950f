"""Tags as chips beside captions, found by the contact sheet's search; and captions that are withheld."""

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from app.main import create_app
from app.settings import Settings
from model.checkpoint import save
from model.tasks.captioning import CAPTIONING
from model.tasks.captioning.captioner import Captioner
from tests.app.conftest import serving
from tests.conftest import SENTENCES, draw_pictures
from tests.web.conftest import Encode, Open, drop, exported, sentence, violations

pytestmark = pytest.mark.browser

CHIPS = "Things in the picture, with their confidence"


@pytest.fixture(scope="module")
def tagged(tagged_captioner: Captioner, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a captioner that has a tagger."""
    folder = tmp_path_factory.mktemp("tagged")
    save(folder / "tagged", CAPTIONING, tagged_captioner, name="tagged", metrics={}, card="# tagged\n")
    return folder


@pytest.fixture(scope="module")
def address(tagged: Path) -> Iterator[str]:
    """A server of it."""
    with serving(create_app(Settings(checkpoints=tagged, threads=1))) as client:
        yield str(client.base_url).rstrip("/")


@pytest.fixture(scope="module")
def contents(encode: Encode) -> dict[str, bytes]:
    """The five pictures that it knows."""
    return {f"{number}.png": encode(picture) for number, picture in enumerate(draw_pictures())}


def test_tags_are_chips_beside_the_caption(open_page: Open, address: str, picture: Image.Image, encode: Encode) -> None:
    page = open_page(url=address)
    drop(page, {"dog.png": encode(picture)})
    page.locator(".frame[data-state=done]").wait_for()
    chips = page.locator(".told").get_by_role("list", name=CHIPS)
    expect(chips).to_be_visible()
    told = chips.get_by_role("listitem").all_text_contents()
    assert told[:2] == ["grass 100 %", "dog 100 %"]
    assert len(told) <= 5
    expect(page.locator(".sentence")).to_have_text("A brown dog runs through the green grass")


def test_pictures_are_found_by_tag_as_by_caption(open_page: Open, address: str, contents: dict[str, bytes]) -> None:
    page = open_page("#many", address)
    drop(page, contents)
    expect(page.locator(".found")).to_have_text("5 pictures")
    for number, card in enumerate(page.locator(".card").all()):
        expect(card.get_by_role("list", name=CHIPS)).to_be_visible()
        expect(card.get_by_role("textbox")).to_have_value(sentence(SENTENCES[number].lower().removesuffix(" .")))
    search = page.get_by_role("searchbox", name="Filter by word")
    shown = page.locator(".card:visible .name")
    search.fill("animal")  # a tag of which no caption speaks
    expect(page.locator(".found")).to_have_text("3 of 5")
    expect(shown).to_have_text(["1.png", "2.png", "3.png"])
    search.fill("animal climbs")  # and a word of a caption beside it
    expect(shown).to_have_text(["2.png"])
    search.fill("zebra")
    expect(shown).to_have_count(0)
    search.fill("")

    lines = [json.loads(line) for line in exported(page, "JSON lines")[1].splitlines()]
    assert [line["tags"][0]["name"] for line in lines] == ["grass", "water", "man", "bicycle", "fence"]
    rows = list(csv.DictReader(io.StringIO(exported(page, "CSV")[1].removeprefix("\ufeff"))))
    assert rows[2]["tags"].split(", ")[:3] == ["man", "rock", "shirt"]
    assert {row["needs_review"] for row in rows} == {"no"}


def test_model_without_a_tagger_is_not_asked_for_tags(open_page: Open, tiny_checkpoint: Path, photo: bytes) -> None:
    with serving(create_app(Settings(checkpoints=tiny_checkpoint.parent, threads=1))) as client:
        page = open_page(url=str(client.base_url).rstrip("/"))
        with page.expect_request("**/v1/captions/stream*") as asked:
            drop(page, {"photo.jpg": photo})
        page.locator(".frame[data-state=done]").wait_for()
        assert "tags" not in asked.value.url
        assert "attention=true" in asked.value.url
        expect(page.locator(".told .tags")).to_be_hidden()


def test_withheld_caption_is_shown_as_one_to_review(
    open_page: Open, tagged: Path, picture: Image.Image, encode: Encode
) -> None:
    with serving(create_app(Settings(checkpoints=tagged, threads=1, min_confidence=0.9))) as client:
        page = open_page(url=str(client.base_url).rstrip("/"))
        drop(page, {"dog.png": encode(picture)})
        page.locator(".frame[data-state=done]").wait_for()
        expect(page.locator(".progress")).to_have_text("Not sure enough to say.")
        expect(page.locator(".sentence")).to_be_empty()
        first = page.locator(".other").first
        expect(first).to_contain_text("Needs review: a brown dog runs through the green grass")
        copy = page.get_by_role("button", name="Copy as Text")
        copy.click()
        expect(copy).to_have_text("Copied")
        assert page.evaluate("navigator.clipboard.readText()") == "Grass, dog."
        page.goto(f"{page.url.partition('#')[0]}#many")
        card = page.locator(".card")
        expect(card.get_by_role("textbox")).to_have_value("Grass, dog.")
        expect(card.locator(".doing")).to_contain_text("needs review")


def test_axe_finds_nothing_in_tags(still: Page, address: str, contents: dict[str, bytes]) -> None:
    still.goto(f"{address}/#many")
    still.locator("html[data-ready]").wait_for()
    drop(still, contents)
    expect(still.locator(".found")).to_have_text("5 pictures")
    for view in ("#many", "#caption"):
        still.goto(f"{address}/{view}")
        expect(still.locator(".tags:visible").first).to_be_visible()
        assert violations(still) == "", view
