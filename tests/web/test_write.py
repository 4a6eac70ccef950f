"""The third view: text as it is written, stopped, shaded, and branched; all of it as the API has it."""

import re
import time
from typing import Any

import httpx2
import numpy as np
import pytest
from playwright.sync_api import Page, expect

from tests.web.conftest import Open

pytestmark = pytest.mark.browser

PROMPT = "KING RICHARD"


@pytest.fixture
def desk(tab: Page) -> Page:
    """The view with a prompt, and nothing left to chance."""
    tab.evaluate("location.hash = 'write'")
    tab.mouse.move(0, 0)
    tab.get_by_role("combobox", name="Model").select_option("shakespeare")
    tab.get_by_role("textbox", name="Prompt").fill(PROMPT)
    tab.get_by_role("slider", name="Temperature").fill("0")
    tab.get_by_role("slider", name="Length").fill("60")
    return tab


def told(server: str, prompt: str, **more: Any) -> Any:
    asked = {"model": "shakespeare", "prompt": prompt, "temperature": 0, "max_tokens": 60, "logprobs": 5, **more}
    return httpx2.post(f"{server}/v1/completions", json=asked).json()["choices"][0]


def working(server: str) -> float:
    """Texts that the server has in hand."""
    depths = re.findall(
        r'^recap_queue_depth\{.*task="text.*"\} ([\d.]+)', httpx2.get(f"{server}/metrics").text, re.MULTILINE
    )
    assert depths
    return sum(map(float, depths))


def write(page: Page) -> None:
    page.get_by_role("button", name="Write", exact=True).click()
    done(page)


def done(page: Page) -> None:
    expect(page.get_by_role("button", name="Go on")).to_be_visible()


def text(page: Page) -> str:
    return page.locator(".made").text_content() or ""


def test_it_begins_with_a_model_and_a_prompt_of_its(open_page: Open) -> None:
    page = open_page("#write")
    model, prompt = page.get_by_role("combobox", name="Model"), page.get_by_role("textbox", name="Prompt")
    expect(model).to_have_value("shakespeare")
    expect(prompt).to_have_value("ROMEO:\n")
    model.select_option("linux-c")
    expect(prompt).to_have_value("static int ")
    prompt.fill("mine")
    model.select_option("latex")
    expect(prompt).to_have_value("mine")


def test_it_writes_what_the_model_says_and_shows_how_sure_it_was(desk: Page, server: str) -> None:
    page, choice = desk, told(server, PROMPT)
    page.evaluate("""() => {
        window.lengths = [];
        const made = document.querySelector(".made");
        new MutationObserver(() => window.lengths.push(made.childElementCount)).observe(made, {childList: true});
    }""")
    write(page)
    assert text(page) == choice["text"]
    assert page.locator(".given").text_content() == PROMPT
    assert len(set(page.evaluate("window.lengths"))) > 1  # it came in pieces: few, where a CPU writes 60 in 30 ms
    shares = page.evaluate(
        "Array.from(document.querySelectorAll('.token'), (token) => Number(token.style.getPropertyValue('--p')))"
    )
    np.testing.assert_allclose(shares, np.exp(choice["logprobs"]["token_logprobs"]), atol=1e-3)
    shades = page.evaluate(
        "Array.from(document.querySelectorAll('.token'), (token) => getComputedStyle(token).backgroundColor)"
    )
    alphas = [float(found[1]) if (found := re.search(r"/ ([\d.]+)\)", shade)) else 0.0 for shade in shades]
    assert np.corrcoef(alphas, shares)[0, 1] < -0.99  # the likelier, the lighter
    place = int(np.argmin(shares))
    page.locator(".token").nth(place).hover()
    card = page.get_by_role("group", name="Instead of")
    expect(card).to_be_visible()
    top = sorted(choice["logprobs"]["top_logprobs"][place].items(), key=lambda pair: -pair[1])[:5]
    for (token, logprob), button in zip(top, card.get_by_role("button").all(), strict=True):
        assert token.strip() in (button.locator(".sign").text_content() or "")
        share = np.exp(logprob)
        expect(button.locator(".share")).to_have_text("< 1 %" if share < 0.01 else f"{round(100 * share)} %")
    page.locator("h1:visible").hover()
    expect(card).to_be_hidden()


def test_a_click_branches_and_one_can_go_back(desk: Page, server: str) -> None:
    page = desk
    write(page)
    before = text(page)
    page.locator(".token").nth(20).hover()
    other = page.get_by_role("group", name="Instead of").get_by_role("button", disabled=False).first
    sign = (other.locator(".sign").text_content() or "").split(" ")[0].replace("␣", " ").replace("⏎", "\n")
    other.click()
    done(page)
    expect(page.locator(".turns")).to_contain_text("Text")
    assert text(page) == before[:20] + sign + told(server, PROMPT + before[:20] + sign)["text"]
    expect(page.locator(".token.own")).to_have_count(1)
    page.get_by_role("button", name="Text before").click()
    assert text(page) == before
    page.get_by_role("button", name="Text after").click()
    assert text(page)[20] == sign
    branch = text(page)
    page.get_by_role("button", name="Go on").click()
    expect(page.locator(".token")).to_have_count(len(branch) + 60)
    assert text(page) == branch + told(server, PROMPT + branch)["text"]
    expect(page.locator(".turns")).to_contain_text("Text")


def test_it_stops_when_it_is_told_to(desk: Page, server: str) -> None:
    page = desk
    slow = {"offline": False, "latency": 0, "downloadThroughput": 30_000, "uploadThroughput": -1}  # bytes a second
    page.context.new_cdp_session(page).send("Network.emulateNetworkConditions", slow)  # else it may be done too soon
    page.get_by_role("slider", name="Length").fill("2000")
    page.get_by_role("button", name="Write", exact=True).click()
    page.locator(".token").nth(5).wait_for()
    page.get_by_role("button", name="Stop").click()
    done(page)
    length = len(text(page))
    assert 5 < length < 1900
    expect(page.get_by_role("status")).to_have_text(re.compile("Stopped"))
    until = time.monotonic() + 10
    while working(server):  # the server is to let go of it too
        assert time.monotonic() < until
        time.sleep(0.05)
    assert len(text(page)) == length


def test_the_keyboard_does_all_of_it(desk: Page) -> None:
    page = desk
    page.get_by_role("textbox", name="Prompt").press("Control+Enter")
    done(page)
    before = text(page)
    page.get_by_role("group", name="The text").focus()
    for _ in range(4):
        page.keyboard.press("ArrowRight")
    expect(page.locator(".token.cursor")).to_have_text(before[3])
    expect(page.get_by_role("status")).to_contain_text(" Or ")
    page.keyboard.press("Enter")
    page.keyboard.press("ArrowDown")
    expect(page.locator(".alternatives :focus")).to_have_count(1)
    page.keyboard.press("Escape")
    expect(page.get_by_role("group", name="The text")).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.press("Enter")
    expect(page.locator(".turns")).to_contain_text("Text")
    assert text(page)[:3] == before[:3]
    assert text(page)[3] != before[3]


def test_sliders_and_models_are_asked_for_and_errors_told(desk: Page) -> None:
    page = desk
    page.get_by_role("combobox", name="Model").select_option("latex")
    page.get_by_role("slider", name="Temperature").fill("0.35")
    page.get_by_role("slider", name="Top k").fill("12")
    page.get_by_role("slider", name="Top p").fill("0.9")
    page.get_by_role("slider", name="Length").fill("20")
    with page.expect_request("**/v1/completions") as request:
        write(page)
    asked = request.value.post_data_json
    assert asked
    assert 0 <= asked.pop("seed") < 2**31
    assert asked == {
        "model": "latex", "prompt": PROMPT, "logprobs": 5, "stream": True,
        "temperature": 0.35, "top_k": 12, "top_p": 0.9, "max_tokens": 20,
    }  # fmt: skip
    assert len(text(page)) == 20
    page.route("**/v1/completions", lambda route: route.abort("connectionrefused"))
    page.get_by_role("button", name="Write", exact=True).click()
    trouble = page.locator("#view-write .trouble")
    expect(trouble).to_contain_text("The server can't be reached. See whether")
    page.unroute("**/v1/completions")
    trouble.get_by_role("button", name="Try again").click()
    expect(trouble).to_be_hidden()
    done(page)
    assert len(text(page)) == 20


def test_texts_are_kept_beside_each_other_and_a_seed_draws_one_again(desk: Page) -> None:
    page = desk
    page.get_by_role("slider", name="Temperature").fill("1")
    page.get_by_role("textbox", name="Seed").fill("")
    texts = []
    for _ in range(2):
        write(page)
        texts.append(text(page))
    assert texts[0] != texts[1]
    page.get_by_role("button", name="Text before").click()
    assert text(page) == texts[0]  # another was written since
    hold = page.get_by_role("button", name="Hold its seed")
    seed = (hold.text_content() or "").rpartition(" ")[2]
    hold.click()
    expect(page.get_by_role("textbox", name="Seed")).to_have_value(seed)
    expect(hold).to_be_hidden()
    write(page)
    assert text(page) == texts[0]  # drawn again
    page.get_by_role("button", name="Copy", exact=True).click()
    expect(page.get_by_role("status")).to_contain_text("Text copied.")
    assert page.evaluate("navigator.clipboard.readText()") == PROMPT + texts[0]
    with page.expect_download() as download:
        page.get_by_role("button", name="Save").click()
    assert download.value.path().read_text(encoding="utf-8") == PROMPT + texts[0]
    page.get_by_role("textbox", name="Seed").fill("")


def test_another_model_goes_on_from_a_seam_that_is_seen(desk: Page) -> None:
    page = desk
    write(page)
    expect(page.locator(".token.seam")).to_have_count(0)
    before = len(text(page))
    page.get_by_role("combobox", name="Model").select_option("linux-c")
    page.get_by_role("button", name="Go on").click()
    expect(page.locator(".token.seam")).to_have_count(1)
    done(page)
    place = page.evaluate("[...document.querySelectorAll('.token')].findIndex((one) => one.matches('.seam'))")
    assert place == before
    told = page.locator(".token.seam").evaluate("(seam) => getComputedStyle(seam, '::before').content")
    assert "linux-c" in told
    page.get_by_role("combobox", name="Model").select_option("shakespeare")


def test_characters_that_the_model_has_never_seen_are_told(desk: Page) -> None:
    page, prompt = desk, desk.get_by_role("textbox", name="Prompt")
    told = page.get_by_text("has never seen")
    expect(told).to_be_hidden()
    prompt.fill("Gr\u00f6\u00dfe \u4f60")
    expect(told).to_have_text(
        "shakespeare has never seen \u00f6 \u00df \u4f60: it reads each of them as \u201csomething unknown\u201d."
    )
    write(page)
    assert page.locator(".given .unknown").all_inner_texts() == ["\u00f6", "\u00df", "\u4f60"]
    assert page.locator(".given").text_content() == "Gr\u00f6\u00dfe \u4f60"
    prompt.fill(PROMPT)
    expect(told).to_be_hidden()


def test_shades_are_there_in_forced_colours(desk: Page) -> None:
    page = desk
    write(page)
    page.emulate_media(forced_colors="active")
    shades = page.evaluate(
        "Array.from(document.querySelectorAll('.token'), (token) => getComputedStyle(token).backgroundColor)"
    )
    assert len(set(shades)) > 5
    page.emulate_media(forced_colors="none")
