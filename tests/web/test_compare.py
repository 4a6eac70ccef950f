"""Two ways to caption side by side: what differs, votes by keys, and scores that are pycocoevalcap's own."""

import csv
import io
import json
import random
from pathlib import Path
from typing import Any

import httpx2
import pytest
from playwright.sync_api import Page, expect
from pycocoevalcap.bleu.bleu import Bleu
from pycocoevalcap.cider.cider import Cider

from model.vocabulary import tokenize
from tests.conftest import ROOT, draw
from tests.web.conftest import Encode, Open, drop

pytestmark = pytest.mark.browser

GOLDEN = ROOT / "tests" / "training" / "tasks" / "captioning" / "golden" / "captions.json"

SCORES = """async ([references, captions]) => {
    const {Cider, bleu} = await import("/web/views/captioning/metrics.js");
    const cider = new Cider(Object.values(references));
    return Object.entries(captions).map(([name, caption]) =>
        [cider.score(caption, references[name]), ...bleu(caption, references[name])]);
}"""
TOKENS = """async (sentences) => {
    const {tokens} = await import("/web/views/captioning/metrics.js");
    return sentences.map(tokens);
}"""
READ = """async (text) => {
    const {readReferences} = await import("/web/views/captioning/references.js");
    return [...readReferences(text)];
}"""


def theirs(references: dict[str, list[str]], captions: dict[str, str]) -> list[list[float]]:
    """CIDEr and BLEU-1 to BLEU-4 of each caption, by pycocoevalcap."""
    said = {name: [caption] for name, caption in captions.items()}
    _, cider = Cider().compute_score(references, said)
    _, bleu = Bleu().compute_score(references, said, verbose=0)
    return [list(row) for row in zip(cider, *bleu, strict=True)]


def corpora() -> list[tuple[dict[str, list[str]], dict[str, str]]]:
    """The golden captions, and two corpora of few words, so that n-grams repeat and lengths differ."""
    golden = json.loads(GOLDEN.read_text(encoding="utf-8"))
    made = [
        (
            {name: [" ".join(tokenize(one)) for one in entry["references"]] for name, entry in golden.items()},
            {name: " ".join(tokenize(entry["caption"])) for name, entry in golden.items()},
        )
    ]
    chance = random.Random(3)
    for pictures, words in ((1, "a dog runs"), (40, "a dog cat runs sits on the red big grass")):

        def sentence(words: str = words) -> str:
            return " ".join(chance.choices(words.split(), k=chance.randint(1, 12)))

        names = [f"{number}.jpg" for number in range(pictures)]
        made.append(
            (
                {name: [sentence() for _ in range(chance.randint(1, 5))] for name in names},
                {n: sentence() for n in names},
            )
        )
    return made


def test_scores_are_those_of_pycocoevalcap(tab: Page) -> None:
    for references, captions in corpora():
        ours = tab.evaluate(SCORES, [references, captions])
        for one, other in zip(ours, theirs(references, captions), strict=True):
            assert one == pytest.approx(other, rel=1e-9, abs=1e-12)


def test_tokens_are_those_that_captions_are_scored_by(tab: Page) -> None:
    golden = json.loads(GOLDEN.read_text(encoding="utf-8"))
    sentences = [one for entry in golden.values() for one in (entry["caption"], *entry["references"])]
    sentences += [
        "The man\u2019s dog doesn't care, it's a T-shirt.",
        "Caf\u00e9 No. 5/6: \u201cHi!\u201d",
        "",
        "don't won't ain't can't",
    ]
    assert tab.evaluate(TOKENS, sentences) == [" ".join(tokenize(one)) for one in sentences]


def test_references_are_read_in_every_form(tab: Page) -> None:
    expected = [["a.jpg", ["One dog.", "Two, dogs"]], ["b.jpg", ["A cat"]]]
    karpathy = {
        "images": [
            {"filename": "a.jpg", "sentences": [{"raw": "One dog."}, {"raw": "Two, dogs"}]},
            {"filename": "b.jpg", "sentences": [{"raw": "A cat"}]},
        ]
    }
    lines = [{"file": "a.jpg", "references": ["One dog.", "Two, dogs"]}, {"image": "b.jpg", "caption": "A cat"}]
    for text in (
        json.dumps(karpathy),
        "\n".join(map(json.dumps, lines)),
        'image,caption\na.jpg,One dog.\nb.jpg,A cat\na.jpg,"Two, dogs"\n',
        'file;caption_1;caption_2\na.jpg;One dog.;"Two, dogs"\nb.jpg;A cat;\n',
    ):
        assert sorted(tab.evaluate(READ, text)) == expected, text
    for text in ("what is this", '{"a": 1}', "[1, 2]", ""):
        assert tab.evaluate(READ, text) == []


@pytest.fixture
def compared(open_page: Open, photo: bytes, encode: Encode) -> tuple[Page, dict[str, bytes]]:
    """Three pictures, captioned by beam search and greedily."""
    page = open_page("#many")
    given = {"photo.jpg": photo, "one.png": encode(draw(1)), "two.png": encode(draw(2))}
    drop(page, given)
    expect(page.locator(".card[data-state=done]")).to_have_count(3)
    page.get_by_role("button", name="Compare").click()
    page.get_by_role("button", name="Caption both ways").click()
    expect(page.locator(".tally")).to_contain_text("A 0, B 0, tie 0 of 3")
    return page, given


def told(page: Page) -> dict[str, list[str]]:
    """The two sentences of each picture."""
    rows = page.locator(".pair")
    return {row.locator(".name").inner_text(): row.locator(".of-two").all_inner_texts() for row in rows.all()}


def rows(page: Page) -> Any:
    with page.expect_download() as download:
        page.get_by_role("button", name="Votes as CSV").click()
    return list(csv.DictReader(io.StringIO(download.value.path().read_text(encoding="utf-8-sig"))))


def test_two_settings_side_by_side_with_votes_by_keys(
    compared: tuple[Page, dict[str, bytes]], server: str, tmp_path: Path
) -> None:
    page, given = compared
    said = told(page)
    best = {}
    for name, data in given.items():
        for side, method in (("a", "beam"), ("b", "greedy")):
            answer = httpx2.post(f"{server}/v1/captions", params={"method": method}, content=data).json()
            best[name, side] = answer["captions"][0]["text"]
        assert [text.rstrip(".").lower() for text in said[name]] == [best[name, "a"], best[name, "b"]]
    pair = page.locator(".pair")
    different = next(name for name in given if best[name, "a"] != best[name, "b"])
    marks = pair.filter(has_text=different).locator("mark").all_inner_texts()
    assert marks
    assert {word.lower().rstrip(".") for word in marks} <= set(
        (best[different, "a"] + " " + best[different, "b"]).split()
    )
    expect(pair.first).to_be_focused()
    page.keyboard.press("a")
    expect(pair.nth(1)).to_be_focused()
    page.keyboard.press("2")
    page.keyboard.press("t")
    expect(page.locator(".tally")).to_contain_text("A 1, B 1, tie 1 of 3")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("b")  # the same again takes it back
    expect(page.locator(".tally")).to_contain_text("A 1, B 0, tie 1 of 3")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("b")
    table = rows(page)
    assert [row["vote"] for row in table] == ["A", "B", "tie"]
    assert [(row["a"], row["b"]) for row in table] == [(best[name, "a"], best[name, "b"]) for name in given]
    assert [row["b_settings"] for row in table] == ["flickr8k-coco method=greedy"] * 3
    page.wait_for_timeout(400)  # until it is kept
    page.reload()
    page.locator("html[data-ready]").wait_for()
    page.get_by_role("button", name="Caption both ways").click()
    expect(page.locator(".tally")).to_contain_text("A 1, B 1, tie 1 of 3")


def test_references_give_scores_and_an_order(compared: tuple[Page, dict[str, bytes]]) -> None:
    page, given = compared
    references = {
        "photo.jpg": ["A man looks through a camera on a tripod.", "A man in a black coat is holding a camera."],
        "one.png": ["Nothing of the kind.", "Something else"],
        "two.png": ["A dog is on a beach", "The dog runs in the sand"],
        "elsewhere.jpg": ["A dog runs on the beach"],
    }
    entries = [{"filename": name, "sentences": [{"raw": one} for one in all]} for name, all in references.items()]
    drop(page, {"dataset.json": json.dumps({"images": entries}).encode()})
    expect(page.get_by_text("References of 4 pictures")).to_be_visible()
    table = {row["file"]: row for row in rows(page)}
    tokens = {name: [" ".join(tokenize(one)) for one in all] for name, all in references.items()}
    for side in "ab":
        captions = {name: table[name][side] if name in table else "" for name in references}
        for name, scores in zip(references, theirs(tokens, captions), strict=True):
            if name in table:
                assert float(table[name][f"cider_{side}"]) == pytest.approx(scores[0], abs=1e-4)
                assert float(table[name][f"bleu4_{side}"]) == pytest.approx(scores[4], abs=1e-4)
    page.get_by_label("Order").select_option("A's worst first")
    order = page.locator(".pair .name").all_inner_texts()
    assert order == sorted(given, key=lambda name: (float(table[name]["cider_a"]), list(given).index(name)))
    drop(page, {"words.csv": b"what,is\nthis,then\n"})
    expect(page.get_by_role("alert").filter(has_text="words.csv has no references")).to_be_visible()
