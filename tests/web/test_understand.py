"""The view of intents: a sentence as it is typed, its words, the threshold, all intents, and lists."""

import csv
import json

import httpx2
import pytest
from playwright.sync_api import Page, expect

from tests.conftest import ROOT
from tests.web.conftest import violations

pytestmark = pytest.mark.browser


@pytest.fixture
def view(tab: Page) -> Page:
    """The view, with the lecture's sentence."""
    tab.set_viewport_size({"width": 1280, "height": 800})
    tab.evaluate("location.hash = 'understand'")
    tab.locator("#intent-text").wait_for()
    type_in(tab, "What time is it?")
    expect(tab.locator("#intent-answer").get_by_role("heading")).to_contain_text("Asking for the time")
    return tab


def type_in(page: Page, text: str) -> None:
    page.get_by_role("textbox", name="Sentence", exact=True).fill(text)


def test_a_sentence_is_understood_as_it_is_typed(view: Page) -> None:
    answer = view.locator("#intent-answer")
    expect(answer.locator(".ranking li")).to_have_count(5)
    words = view.get_by_role("list", name="Word by word")
    expect(words.locator("mark")).to_have_text(["what", "time", "is", "it"])
    type_in(view, "what will the weather be")
    expect(answer.get_by_role("heading")).to_contain_text("Asking about the weather")
    expect(words.locator("mark")).to_have_text(["what", "will", "the", "weather", "be"])
    view.get_by_role("group", name="Examples").get_by_role("button", name="What time is it?").click()
    expect(answer.get_by_role("heading")).to_contain_text("Asking for the time")


def test_bars_are_the_likeliest_after_each_word(view: Page, server: str) -> None:
    asked = {"text": "What time is it?", "explain": True}
    (result,) = httpx2.post(f"{server}/v1/intents", json=asked).json()["results"]
    words = view.get_by_role("list", name="Word by word").locator("> li")
    expect(words).to_have_count(4)
    for shown, word in zip(words.all(), result["explanation"], strict=True):
        bars = shown.locator(".word-bar")
        assert bars.locator("span").all_inner_texts() == [ranked["title"] for ranked in word["after"][:3]]
        shares = [f"{round(100 * ranked['confidence'])} %" for ranked in word["after"][:3]]
        assert bars.locator("small").all_inner_texts() == shares
        assert shown.locator("mark").evaluate("(mark) => mark.style.getPropertyValue('--effect')") == (
            f"{round(100 * max(0, word['effect']))}%"
        )


def test_what_is_out_of_scope_is_said(view: Page) -> None:
    type_in(view, "?!")
    expect(view.locator("#intent-answer")).to_contain_text("This is none of the intents that the model knows.")
    expect(view.locator("#intent-answer").get_by_role("heading")).to_contain_text("Outside what I know")


def test_another_threshold_has_the_accuracy_and_recall_that_were_measured(view: Page) -> None:
    metrics = json.loads((ROOT / "checkpoints" / "clinc150" / "metrics.json").read_text(encoding="utf-8"))
    control = view.get_by_role("slider", name="Threshold")
    expect(control).to_have_value("0.35")
    told = (
        view.locator("section.figure").filter(has=view.get_by_role("heading", name="When to say")).get_by_role("status")
    )
    for point in metrics["dev"]["operating_points"][::4]:
        control.fill(str(point["threshold"]))
        expect(told.locator(".accuracy")).to_contain_text(f"{100 * point['accuracy']:.1f} %")
        expect(told.locator(".recall")).to_contain_text(f"{100 * point['recall']:.1f} %")
    heading = view.locator("#intent-answer").get_by_role("heading")
    control.fill("1")
    expect(heading).to_contain_text("Outside what I know")
    control.fill("0.35")
    expect(heading).to_contain_text("Asking for the time")


def test_all_intents_are_reached_by_the_keyboard(view: Page) -> None:
    intents = view.get_by_role("listbox", name="All intents")
    expect(intents.get_by_role("option")).to_have_count(150)
    expect(intents.get_by_role("option", selected=True)).to_have_text("Asking for the time")
    intents.focus()
    view.keyboard.press("Home")
    seen = set()
    for _ in range(150):
        seen.add(intents.get_attribute("aria-activedescendant"))
        view.keyboard.press("ArrowRight")
    assert len(seen) == 150
    view.get_by_role("textbox", name="Find an intent").fill("umbrella card")
    expect(intents.get_by_role("option")).to_have_count(0)
    view.get_by_role("textbox", name="Find an intent").fill("spelled")
    expect(intents.get_by_role("option")).to_have_text("Asking how a word is spelled")
    view.get_by_role("textbox", name="Find an intent").fill("")
    expect(intents.get_by_role("option")).to_have_count(150)


def test_a_list_comes_back_as_csv(view: Page, server: str) -> None:
    texts = ["What time is it?", "who won the war of the roses", 'a "quoted", sentence', *["tell me a joke"] * 120]
    view.get_by_role("textbox", name="Sentences").fill("\n".join(texts) + "\n\n")
    view.get_by_role("button", name="Understand them").click()
    with view.expect_download() as download:
        view.get_by_role("button", name="Save as CSV").click()
    view.set_viewport_size({"width": 320, "height": 640})
    assert view.evaluate("document.documentElement.scrollWidth <= document.body.clientWidth")
    assert download.value.suggested_filename == "intents.csv"
    with download.value.path().open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["text"] for row in rows] == texts
    results = httpx2.post(f"{server}/v1/intents", json={"text": texts}).json()["results"]
    assert [row["intent"] for row in rows] == [result["intent"] for result in results]
    assert [row["in_scope"] for row in rows] == [str(result["in_scope"]).lower() for result in results]


def test_a_long_sentence_is_understood_without_its_words(view: Page) -> None:
    type_in(view, "what time is it " * 20)
    expect(view.locator("#intent-answer .ranking li")).to_have_count(5)
    expect(view.get_by_role("list", name="Word by word")).to_be_hidden()


def test_a_refusal_does_not_stand_above_another_answer(view: Page) -> None:
    type_in(view, "  ")
    expect(view.locator("#view-understand").get_by_role("alert").first).to_contain_text(
        "Text is empty; a sentence is needed"
    )
    expect(view.locator("#intent-answer")).to_be_empty()
    type_in(view, "tell me a joke")
    expect(view.locator("#intent-answer").get_by_role("heading")).to_contain_text("joke")
    expect(view.locator("#view-understand").get_by_role("alert").first).to_be_empty()


def test_axe_finds_nothing(still: Page, server: str) -> None:
    still.goto(f"{server}/#understand")
    still.locator("#intent-answer h2").wait_for()
    type_in(still, "What time is it in Lllanfair?")
    still.locator("mark.strange").wait_for()
    still.get_by_role("textbox", name="Sentences").fill("one\ntwo")
    still.get_by_role("button", name="Understand them").click()
    still.get_by_role("button", name="Save as CSV").wait_for()
    assert violations(still) == ""
