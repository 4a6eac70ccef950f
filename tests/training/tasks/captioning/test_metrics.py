"""Scores against pycocoevalcap's own, known cases, and what must hold for all captions."""

import gc
import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocoevalcap.meteor import meteor
from pycocoevalcap.spice import spice
from pycocoevalcap.tokenizer import ptbtokenizer

from training.tasks.captioning import metrics
from training.tasks.captioning.java import JavaError
from training.tasks.captioning.metrics import METRICS, CaptionScorer
from training.tasks.captioning.wording import WORDING

GOLDEN = Path(__file__).parent / "golden"
CASES: dict[str, dict[str, Any]] = json.loads((GOLDEN / "captions.json").read_text(encoding="utf-8"))
SCORES: dict[str, float] = json.loads((GOLDEN / "scores.json").read_text(encoding="utf-8"))
TOKENS: dict[str, str] = json.loads((GOLDEN / "tokens.json").read_text(encoding="utf-8"))
REFERENCES: dict[str, list[str]] = {key: case["references"] for key, case in CASES.items()}
CAPTIONS: dict[str, str] = {key: case["caption"] for key, case in CASES.items()}

WITHOUT_JAVA = ("BLEU-1", "BLEU-2", "BLEU-3", "BLEU-4", "ROUGE-L", "CIDEr", "unique", "novel", *WORDING)


@contextmanager
def no_java(folder: str = "/nowhere") -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", folder)
        yield


@pytest.fixture
def java_starts(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The Java programs that are really run."""
    starts: list[list[str]] = []
    run: Callable[..., Any] = subprocess.run

    def count(command: list[str], **options: Any) -> Any:
        starts.append(command)
        return run(command, **options)

    monkeypatch.setattr(subprocess, "run", count)
    return starts


@pytest.fixture
def spaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The package as if it were installed below a folder with a space in its name."""
    package = tmp_path / "with space" / "pycocoevalcap"
    package.parent.mkdir()
    package.symlink_to(Path(ptbtokenizer.__file__).parent.parent)
    for module in (ptbtokenizer, meteor, spice):
        assert module.__file__
        monkeypatch.setattr(module, "__file__", str(package / Path(module.__file__).parent.name / "module.py"))
    return package


@pytest.mark.java
def test_scores_are_those_of_cocoevalcap(spaced: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """METEOR takes seconds to start, so this one run holds all that is asked of it."""
    before = sorted(spaced.rglob("*"))
    assert before
    scorer = CaptionScorer(REFERENCES)
    scores = scorer.score(CAPTIONS, training_captions=["A brown dog runs through the grass ."])
    assert {name: scores[name] for name in SCORES} == pytest.approx(SCORES, rel=1e-9)
    assert scores["unique"] == 11 / 12
    assert scores["novel"] == 10 / 12
    assert [name for name in METRICS if name in scores] == list(scores)
    assert sorted(spaced.rglob("*")) == before, "the package's folder may be read-only"
    assert capfd.readouterr().out == ""
    gc.collect()  # a pipe left open would be a warning, and so an error


@pytest.mark.java
def test_tokens_are_those_of_cocoevalcap() -> None:
    assert dict(zip(TOKENS, metrics._Tokenizer()(list(TOKENS)), strict=True)) == TOKENS


@pytest.mark.java
@settings(max_examples=5)
@given(st.lists(st.text(), min_size=5, max_size=50))
def test_every_sentence_keeps_its_own_tokens(texts: list[str]) -> None:
    """Whatever is in it: line ends of all kinds, nothing, or what Java drops."""
    tokens = metrics._Tokenizer()([*(f"{text} word{number}" for number, text in enumerate(texts)), *texts])
    assert len(tokens) == 2 * len(texts)
    assert [line.split()[-1] for line in tokens[: len(texts)]] == [f"word{number}" for number in range(len(texts))]


@pytest.mark.java
def test_tokens_do_not_depend_on_the_locale(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", "C")
    tokens = metrics._Tokenizer()(["A café !", "Naïve\N{LINE SEPARATOR}dog", "\N{DOG FACE}"])
    assert tokens == ["a café", "naïve dog", ""]


@pytest.mark.java
def test_one_start_of_java_an_epoch(java_starts: list[list[str]]) -> None:
    scorer = CaptionScorer(REFERENCES)
    assert len(java_starts) == 1
    scores = scorer.score(CAPTIONS, metrics=("CIDEr", "BLEU-4"))
    assert len(java_starts) == 2
    assert scores == pytest.approx({name: SCORES[name] for name in ("CIDEr", "BLEU-4")}, rel=1e-9)
    assert scorer.notes == []
    scorer.score(CAPTIONS, metrics=("CIDEr",))
    assert len(java_starts) == 2, "captions seen before need no Java"
    scorer.score(CAPTIONS, metrics=("novel", "unique"), training_captions=["A cat ."])
    assert len(java_starts) == 3


@pytest.mark.java
def test_spice_without_its_models_is_left_out_and_never_downloaded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("urllib.request.urlretrieve", None)
    scorer = CaptionScorer(REFERENCES)
    assert scorer.score(CAPTIONS, metrics=("SPICE", "unique")) == {"unique": 11 / 12}
    (note,) = scorer.notes
    assert note.startswith(
        "SPICE left out: stanford-corenlp-3.6.0.jar and stanford-corenlp-3.6.0-models.jar missing: run"
    )


@pytest.mark.java
def test_spice_that_fails_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert spice.__file__
    shutil.copytree(Path(spice.__file__).parent, tmp_path / "spice")
    for jar in ("stanford-corenlp-3.6.0.jar", "stanford-corenlp-3.6.0-models.jar"):
        (tmp_path / "spice" / "lib" / jar).write_bytes(b"")
    monkeypatch.setattr(spice, "__file__", str(tmp_path / "spice" / "spice.py"))
    scorer = CaptionScorer(REFERENCES)
    assert scorer.score(CAPTIONS, metrics=("SPICE",)) == {}
    (note,) = scorer.notes
    assert note.startswith("SPICE left out: Java failed: ")
    assert "edu/stanford/nlp" in note


@pytest.mark.java
def test_meteor_that_fails_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(meteor, "METEOR_JAR", "gone.jar")
    scorer = CaptionScorer(REFERENCES)
    assert scorer.score(CAPTIONS, metrics=("METEOR",)) == {}
    (note,) = scorer.notes
    assert note.startswith("METEOR left out: Java failed: Error: Unable to access jarfile")
    gc.collect()


@pytest.mark.java
def test_tokens_of_two_kinds_are_never_mixed() -> None:
    scorer = CaptionScorer(REFERENCES)
    with no_java(), pytest.raises(JavaError, match="there is no Java: install a Java runtime"):
        scorer.score(CAPTIONS, metrics=("CIDEr",))
    with no_java():
        scorer = CaptionScorer({"a": ["Player # 8 sees the dog ."]})
    assert scorer.score({"a": "player 8 sees the dog"}, metrics=("BLEU-4",)) == pytest.approx({"BLEU-4": 1})
    assert len(scorer.notes) == 1


@pytest.mark.java
def test_broken_java_is_as_no_java(tmp_path: Path) -> None:
    """As on macOS, whose java only says that there is none."""
    stub = tmp_path / "java"
    stub.write_text("#!/bin/sh\necho 'Unable to locate a Java Runtime.' >&2\nexit 1\n")
    stub.chmod(0o755)
    with no_java(str(tmp_path)):
        scorer = CaptionScorer(REFERENCES)
        scores = scorer.score(CAPTIONS, metrics=("METEOR", "CIDEr"))
    assert scores.keys() == {"CIDEr"}
    assert scorer.notes == [
        "tokens are not PTB's but a close imitation: Java failed: Unable to locate a Java Runtime.",
        "METEOR left out: Java failed: Unable to locate a Java Runtime.",
    ]


def test_without_java() -> None:
    with no_java():
        scorer = CaptionScorer(REFERENCES)
        scores = scorer.score(CAPTIONS, training_captions=["A brown dog runs through the grass ."])
    assert tuple(scores) == WITHOUT_JAVA
    assert scores["novel"] == 10 / 12
    tokens, no_meteor, no_spice = scorer.notes
    assert tokens.startswith(
        "tokens are not PTB's but a close imitation: there is no Java: install a Java runtime (Debian"
    )
    assert no_meteor.startswith("METEOR left out: there is no Java: install a Java runtime (Debian")
    assert no_spice.startswith("SPICE left out: ")
    # Brackets, # and & are dropped by the imitation and kept by PTB: a few captions of these few.
    assert {name: scores[name] for name in scores if name in SCORES} == pytest.approx(
        {name: SCORES[name] for name in WITHOUT_JAVA if name in SCORES}, abs=0.05
    )


def test_novel_needs_captions_of_training() -> None:
    with no_java():
        scorer = CaptionScorer({"a": ["A dog ."]})
        assert scorer.score({"a": "a dog"}, metrics=("novel",)) == {}
        assert scorer.notes[-1] == "novel left out: no captions of training to compare with"
        assert scorer.score({"a": "a dog"}, metrics=("novel",), training_captions=[]) == {"novel": 1}
        assert not any("novel" in note for note in scorer.notes), "notes are of the latest scores"


def test_unique_and_novel_compare_tokens() -> None:
    with no_java():
        scorer = CaptionScorer({key: ["A dog ."] for key in "abcd"})
        scores = scorer.score(
            {"a": "A dog.", "b": "a dog", "c": "A  dog !", "d": "a cat"},
            metrics=("unique", "novel"),
            training_captions=["A CAT .", "A horse ."],
        )
    assert scores == {"unique": 2 / 4, "novel": 3 / 4}


def test_bleu_of_papineni() -> None:
    """Papineni et al. 2002, section 2.1: 2 of 7 words, no penalty, since a reference has 7 words."""
    with no_java():
        scorer = CaptionScorer({"a": ["The cat is on the mat.", "There is a cat on the mat."]})
        scores = scorer.score({"a": "the the the the the the the"}, metrics=("BLEU-1", "BLEU-2"))
    assert scores == pytest.approx({"BLEU-1": 2 / 7, "BLEU-2": 0}, abs=1e-7)


def test_rouge_of_lin() -> None:
    """Lin 2004, section 3.1: a common subsequence of 3 words in 4, and of 2."""
    with no_java():
        scorer = CaptionScorer({"a": ["police killed the gunman"]})
        assert scorer.score({"a": "police kill the gunman"}, metrics=("ROUGE-L",)) == pytest.approx({"ROUGE-L": 3 / 4})
        assert scorer.score({"a": "the gunman kill police"}, metrics=("ROUGE-L",)) == pytest.approx({"ROUGE-L": 2 / 4})


def test_cider_of_what_nobody_else_says_is_ten() -> None:
    with no_java():
        scorer = CaptionScorer({"a": ["one two three four"], "b": ["five six seven eight"]})
        assert scorer.score({"a": "one two three four", "b": "nine"}, metrics=("CIDEr",)) == pytest.approx({"CIDEr": 5})


words = st.lists(st.sampled_from(["a", "dog", "cat", "runs", "the", "on", "red"]), min_size=4, max_size=9).map(" ".join)
corpora = st.dictionaries(st.text("xyz", min_size=1), st.lists(words, min_size=1, max_size=3), min_size=1, max_size=5)


@given(corpora, st.data())
def test_perfect_captions(references: dict[str, list[str]], data: st.DataObject) -> None:
    captions = {key: data.draw(st.sampled_from(group)) for key, group in references.items()}
    everything = [sentence for group in references.values() for sentence in group]
    with no_java():
        scores = CaptionScorer(references).score(
            captions, metrics=("BLEU-1", "BLEU-4", "ROUGE-L", "novel"), training_captions=everything
        )
    assert scores == pytest.approx({"BLEU-1": 1, "BLEU-4": 1, "ROUGE-L": 1, "novel": 0}, abs=1e-6)


@given(corpora, st.data())
def test_ranges_and_order(references: dict[str, list[str]], data: st.DataObject) -> None:
    captions = {key: data.draw(words | st.just("")) for key in references}
    keys = data.draw(st.permutations(list(references)))
    other = data.draw(st.permutations(list(references)))
    with no_java():
        scores = CaptionScorer(references).score(captions, training_captions=["a dog"])
        again = CaptionScorer({key: references[key] for key in keys}).score(
            {key: captions[key] for key in other}, training_captions=["a dog"]
        )
    assert tuple(scores) == WITHOUT_JAVA
    highest = {"CIDEr": 10, "mean_length": 9, "vocabulary_used": 7}
    assert all(0 <= value <= highest.get(name, 1) + 1e-9 for name, value in scores.items())
    assert again == pytest.approx(scores)


@pytest.mark.parametrize(
    ("references", "message"),
    [({}, "no references"), ({"a": ["x"], **{key: [] for key in "bcdef"}}, "no reference for b, c, d and 2 more")],
)
def test_references_that_will_not_do(references: dict[str, list[str]], message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}$"):
        CaptionScorer(references)


def test_captions_that_will_not_do() -> None:
    with no_java():
        scorer = CaptionScorer({"a": ["A dog ."], "b": ["A cat ."]})
    with pytest.raises(ValueError, match=r"^no caption for b$"):
        scorer.score({"a": "a dog"})
    with pytest.raises(ValueError, match=r"^a caption but no reference for c$"):
        scorer.score({"a": "a dog", "b": "a cat", "c": "a cow"})
    with pytest.raises(ValueError, match=r"^no metric Bleu_4; there are BLEU-1, .*, repeated_trigrams$"):
        scorer.score({"a": "a dog", "b": "a cat"}, metrics=("Bleu_4",))
