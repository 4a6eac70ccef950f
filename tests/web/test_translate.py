"""The view of translation: two panes as one types, the attention between them, and other words."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import numpy as np
import pytest
from playwright.sync_api import Page, expect

from app.main import create_app
from app.settings import Settings
from model.checkpoint import save
from model.tasks.translation import TRANSLATION
from model.tasks.translation.translator import Translator
from tests.app.conftest import serving, wait_until_ready
from tests.conftest import GERMAN, SENTENCES
from tests.web.conftest import Open, Visit, violations

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def address(tiny_translator: Translator, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server with a translator that knows five sentences."""
    folder: Path = tmp_path_factory.mktemp("translate")
    save(folder / "tiny-en-de", TRANSLATION, tiny_translator, name="tiny-en-de", metrics={}, card="# tiny\n")
    settings = Settings(checkpoints=folder, threads=1, defaults={"translation": "tiny-en-de"})
    with serving(create_app(settings)) as client:
        wait_until_ready(client)
        yield str(client.base_url).rstrip("/")


@pytest.fixture(scope="module")
def translator_tab(visit: Visit, address: str) -> Iterator[Page]:
    with visit() as open_page:
        yield open_page("#translate", url=address)


@pytest.fixture
def view(translator_tab: Page) -> Page:
    """The view with the first of the sentences."""
    translate(translator_tab, SENTENCES[0], GERMAN[0])
    return translator_tab


def translate(page: Page, text: str, expected: str) -> None:
    with page.expect_response("**/v1/translations"):
        page.get_by_role("textbox", name="Text").fill(text)
    expect(page.locator("#translation-said")).to_contain_text(expected)


def told(address: str, text: str) -> Any:
    asked = {"text": text, "num_translations": 5, "attention": True}
    return httpx2.post(f"{address}/v1/translations", json=asked).json()["results"][0]


def test_texts_are_translated_as_they_are_typed(view: Page, address: str) -> None:
    translate(view, SENTENCES[1], GERMAN[1])
    found = told(address, SENTENCES[1])["translations"]
    listed = view.get_by_role("list", name="Translations").get_by_role("button")
    assert listed.all_inner_texts() == [translation["text"] for translation in found]
    listed.nth(1).click()
    expect(view.locator("#translation-said")).to_contain_text(found[1]["text"])
    expect(listed.nth(1)).to_have_attribute("aria-current", "true")
    view.get_by_role("textbox", name="Text").fill("  ")
    expect(view.locator("#translation-said")).to_be_empty()
    expect(view.get_by_role("table")).to_have_count(0)


def words_of(pieces: list[str]) -> list[list[int]]:
    """The places of each word's pieces."""
    found: list[list[int]] = []
    for place, piece in enumerate(pieces):
        before = pieces[place - 1] if place else ""
        if found and piece[:1].isalnum() and before[-1:].isalnum():
            found[-1].append(place)
        else:
            found.append([place])
    return found


def test_matrix_is_the_attention_of_words(view: Page, address: str) -> None:
    result = told(address, SENTENCES[0])
    tokens = result["translations"][0]["tokens"]
    attention = np.array([token["attention"] for token in tokens])
    source = words_of(result["source_tokens"])
    target = words_of([token["text"] for token in tokens])
    expected = [[attention[rows][:, columns].sum(1).mean() for columns in source] for rows in target]
    rows = view.locator("table.attention tbody tr")
    assert rows.count() == len(target)
    shares = rows.evaluate_all("""(rows) => rows.map((row) => [...row.querySelectorAll("td")].map(({style}) =>
        Number(style.getPropertyValue("--share").replace("%", "")) / 100))""")
    np.testing.assert_allclose(shares, expected, atol=0.006)
    np.testing.assert_allclose(np.sum(shares, 1), 1, atol=0.1)
    view.get_by_text("As a table").click()
    told_rows = view.get_by_role("group", name="as a table").locator("tbody tr")
    expect(told_rows).to_have_count(len(target))
    best = f"{round(100 * max(expected[0]))} %"
    assert told_rows.first.locator("td").all_inner_texts()[2] == best
    view.get_by_text("As a table").click()


def test_words_light_their_partners_in_both_panes(view: Page) -> None:
    said = view.get_by_role("group", name="The translation, word by word").get_by_role("button")
    said.nth(1).focus()
    row = view.locator("table.attention tbody tr").nth(1)
    lit = row.locator("td.lit")
    expect(lit).to_have_count(view.locator(".words-read span").count())
    shares = row.evaluate("""(row) => [...row.querySelectorAll("td")].map(({style}) =>
        parseFloat(style.getPropertyValue("--share")) / 100)""")
    partners = [place for place, share in enumerate(shares) if share >= 0.2]
    read = view.locator(".words-read span.lit").evaluate_all(
        "(spans) => spans.map(({dataset}) => Number(dataset.source))"
    )
    assert read == partners != []
    view.locator(".words-read span").nth(partners[0]).hover()
    expect(said.nth(1)).to_have_class("lit")
    view.keyboard.press("ArrowRight")
    expect(said.nth(2)).to_be_focused()


def test_other_words_are_those_of_other_translations(view: Page, address: str) -> None:
    texts = []
    for translation in told(address, SENTENCES[0])["translations"]:
        pieces = [token["text"] for token in translation["tokens"]]
        texts.append(["".join(pieces[place] for place in word).strip() or "⏎" for word in words_of(pieces)])
    shown, *rest = texts
    said = view.get_by_role("group", name="The translation, word by word").get_by_role("button")
    assert said.all_inner_texts() == shown
    chosen = 0
    for place, word in enumerate(shown):
        said.nth(place).click()
        begun = [other[place] for other in rest if other[:place] == shown[:place] and len(other) > place]
        expected = list(dict.fromkeys(other for other in begun if other != word))
        assert view.locator(".instead-of button").all_inner_texts() == expected
        chosen += len(expected)
    assert chosen > 0


def test_words_never_read_are_marked(view: Page) -> None:
    view.get_by_role("textbox", name="Text").fill(SENTENCES[0].replace("dog", "zeppelin").replace("man", "zeppelin"))
    expect(view.locator(".unknown")).to_contain_text("Never read before: zeppelin")
    expect(view.locator(".words-read .strange").first).to_have_text("zeppelin")


def test_a_server_without_a_translator_says_so(open_page: Open) -> None:
    page = open_page("#translate")
    alert = page.locator("#view-translate").get_by_role("alert")
    expect(alert).to_contain_text("This server has no translator: none comes with Recap yet")


def test_axe_finds_nothing(still: Page, address: str) -> None:
    still.goto(f"{address}/#translate")
    still.get_by_role("textbox", name="Text").wait_for()
    translate(still, SENTENCES[0], GERMAN[0])
    still.locator(".words-said button").nth(2).click()
    assert violations(still, "#view-translate") == ""
