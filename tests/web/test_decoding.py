"""How words are chosen: each control changes the caption to what the API says for it; what is copied says the same."""

import json
import shlex
import subprocess
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx2
import pytest
from playwright.sync_api import Page, Request, expect

from tests.conftest import draw
from tests.web.conftest import Encode, caption_example, drop

pytestmark = pytest.mark.browser


def shown(page: Page) -> list[str]:
    page.locator(".frame[data-state=done]").wait_for()
    return [text.lower() for text in page.locator(".other .text").all_text_contents()]


def parameters(request: Request) -> dict[str, str]:
    """What was asked for, but for what is only seen."""
    query = dict(parse_qsl(urlsplit(request.url).query))
    return {name: value for name, value in query.items() if name not in ("attention", "tags", "tree")}


def told(server: str, photo: bytes, query: dict[str, str]) -> list[str]:
    answer = httpx2.post(f"{server}/v1/captions", params=query, content=photo)
    return [caption["text"] for caption in answer.json()["captions"]]


def test_every_control_asks_for_what_it_says(page: Page, server: str, photo: bytes) -> None:
    caption_example(page)
    first = shown(page)[0]

    def after(act: Any, **expected: str) -> list[str]:
        with page.expect_response(lambda response: "/v1/captions/stream" in response.url) as response:
            act()
        asked = parameters(response.value.request)
        assert asked == expected
        response.value.finished()
        captions = shown(page)
        assert captions == told(server, photo, asked)
        return captions

    method = page.get_by_role("group", name="Method")
    (greedy,) = after(lambda: method.get_by_text("Greedy").click(), method="greedy")
    expect(page.locator(".before")).to_have_text(f"Before: {first}" if greedy != first else "")
    for slider in ("Beam size", "Temperature", "Diversity", "Captions"):
        expect(page.get_by_role("slider", name=slider)).to_be_hidden()
    after(lambda: method.get_by_text("Beam").click(), num_captions="3")
    beam = page.get_by_role("slider", name="Beam size")
    assert len(after(lambda: beam.fill("1"), beam_size="1")) == 1
    assert len(after(lambda: beam.fill("10"), beam_size="10", num_captions="3")) == 3
    diverse = after(
        lambda: page.get_by_role("slider", name="Diversity").fill("3"), beam_size="10", num_captions="3", diversity="3"
    )
    assert len({tuple(caption.split()[:2]) for caption in diverse}) > 1
    after(lambda: page.get_by_role("button", name="Defaults").click(), num_captions="3")
    page.get_by_text("Length and repetition").click()
    short = after(lambda: page.get_by_role("slider", name="Most words").fill("4"), num_captions="3", max_length="4")
    assert max(len(caption.split()) for caption in short) == 4
    page.get_by_text("Length and repetition").click()

    page.evaluate("Math.random = () => 0.25")  # seeds are drawn by it
    page.get_by_role("button", name="Defaults").click()
    page.locator(".frame[data-state=done]").wait_for()
    seed = str(2**29)
    after(lambda: method.get_by_text("Sampling").click(), method="sample", num_captions="3", seed=seed)
    with page.expect_response(lambda response: "top_p" in response.url) as response:
        for slider, value in (("Temperature", "0.5"), ("Top k", "20"), ("Top p", "0.8")):
            page.get_by_role("slider", name=slider).fill(value)
    asked = parameters(response.value.request)
    assert asked == {
        "method": "sample",
        "num_captions": "3",
        "seed": seed,
        "temperature": "0.5",
        "top_k": "20",
        "top_p": "0.8",
    }
    assert shown(page) == told(server, photo, asked)
    page.evaluate("Math.random = () => 0.5")
    after(lambda: page.get_by_role("button", name="Draw others").click(), **{**asked, "seed": str(2**30)})


def test_all_pictures_are_asked_for_in_the_same_way(captioned: Page, server: str, photo: bytes, encode: Encode) -> None:
    page, drawn = captioned, encode(draw(1))
    drop(page, {"drawn.png": drawn})
    shown(page)
    page.get_by_role("group", name="Method").get_by_text("Greedy").click()
    expect(page.locator(".other")).to_have_count(1)
    page.get_by_role("button", name="Use these for all 2").click()
    assert shown(page) == told(server, drawn, {"method": "greedy"})
    page.get_by_role("button", name="photo.jpg, done").click()
    expect(page.locator(".other")).to_have_count(1)
    assert shown(page) == told(server, photo, {"method": "greedy"})


def test_a_caption_begins_as_it_is_told_to(captioned: Page) -> None:
    (first, *_) = shown(captioned)
    prefix = captioned.get_by_role("textbox", name="Begin with")
    prefix.fill("two dogs")
    expect(captioned.locator(".sentence")).to_contain_text("Two dogs")
    expect(captioned.locator(".before")).to_have_text(f"Before: {first}")
    prefix.fill("two axolotls")
    expect(prefix).to_have_attribute("aria-invalid", "true")
    expect(captioned.locator(".control .wrong:visible")).to_contain_text("vocabulary lacks 'axolotls'")
    prefix.fill("two")
    expect(captioned.locator(".sentence")).to_contain_text("Two")
    expect(prefix).not_to_have_attribute("aria-invalid", "true")


def test_people_are_not_guessed_at_where_that_is_asked_for(captioned: Page, server: str, photo: bytes) -> None:
    page = captioned
    (first, *_) = shown(page)
    assert "man" in first.split()
    page.get_by_role("checkbox", name="Say “person”").check()
    expect(page.locator(".before")).to_have_text(f"Before: {first}")
    captions = shown(page)
    assert captions == told(server, photo, {"num_captions": "3", "neutral": "true"})
    words = {word for caption in captions for word in caption.split()}
    assert "person" in words
    assert words.isdisjoint({"man", "woman", "boy", "girl", "he", "she", "his", "her"})
    page.get_by_role("button", name="Copy as curl line").click()
    address = shlex.split(page.evaluate("navigator.clipboard.readText()"))[-1]
    assert dict(parse_qsl(urlsplit(address).query)) == {"num_captions": "3", "neutral": "true"}
    page.get_by_role("button", name="Copy as JSON").click()
    expect(page.get_by_role("status")).to_contain_text("JSON copied.")
    document = json.loads(page.evaluate("navigator.clipboard.readText()"))
    assert [caption["text"] for caption in document["captions"]] == captions
    page.get_by_role("checkbox", name="Say “person”").uncheck()
    expect(page.locator(".sentence")).to_have_text(first, ignore_case=True)


def test_what_is_copied(captioned: Page, server: str, tmp_path: Path, photo: bytes) -> None:
    page = captioned
    page.get_by_role("group", name="Method").get_by_text("Greedy").click()
    expect(page.locator(".other")).to_have_count(1)
    (text,) = shown(page)

    def copied(form: str) -> str:
        button = page.get_by_role("button", name=f"Copy as {form}")
        button.click()
        expect(button).to_have_text("Copied")
        expect(page.get_by_role("status")).to_contain_text(f"{form} copied.")
        return str(page.evaluate("navigator.clipboard.readText()"))

    sentence = f"{text.capitalize()}."
    assert copied("Text") == sentence
    assert copied("Alt attribute") == f'alt="{sentence}"'
    document = json.loads(copied("JSON"))
    assert (document["file"], document["caption"]) == ("photo.jpg", text)
    assert [token["text"] for token in document["captions"][0]["tokens"]] == text.split()
    assert document["model"]["name"] == "flickr8k-coco"
    line = copied("curl line")
    assert shlex.split(line) == ["curl", "-F", 'image=@"photo.jpg"', f"{server}/v1/captions?method=greedy"]
    (tmp_path / "photo.jpg").write_bytes(photo)
    try:
        answer = subprocess.run(line, shell=True, cwd=tmp_path, capture_output=True, check=True, timeout=60).stdout
    except subprocess.CalledProcessError as error:
        if error.returncode == 127:
            pytest.skip("no curl on the PATH")
        raise
    assert json.loads(answer)["captions"][0]["text"] == text


def test_odd_names_and_words_are_copied_safely(captioned: Page, tmp_path: Path) -> None:
    line, alt = captioned.evaluate("""async () => {
        const {asAlt, asCurl} = await import("/web/views/captioning/formats.js");
        const picture = {
            name: `folder/it's "odd"; $(touch broken), x.jpg`,
            edited: null,
            best: {text: `a sign that says "<b>&"`},
            parameters: new URLSearchParams({prefix: "it's & so"}),
        };
        return [asCurl(picture), asAlt(picture)];
    }""")
    assert alt == 'alt="A sign that says &quot;&lt;b&gt;&amp;&quot;."'
    words = subprocess.run(
        f"printf '%s\\n' {line}", shell=True, cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert words.stdout.splitlines()[:3] == ["curl", "-F", """image=@"it's \\"odd\\"; $(touch broken), x.jpg\""""]
    assert words.stdout.splitlines()[3].endswith("?prefix=it%27s+%26+so")
    assert list(tmp_path.iterdir()) == []
