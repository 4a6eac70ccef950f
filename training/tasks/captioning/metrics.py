"""How good captions are: BLEU, METEOR, ROUGE-L, CIDEr and SPICE as pycocoevalcap computes them, and their wording.

The scores are those of COCO's evaluation server: references as people wrote them, tokens by Stanford's PTB tokenizer.
pycocoevalcap's own wrappers around its Java programs are not used as they are: they write into the package's folder,
leave pipes open, and download 400 MB for SPICE unasked.
"""

import json
import subprocess
import tempfile
import threading
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, Self

from pycocoevalcap.bleu.bleu import Bleu
from pycocoevalcap.cider.cider import Cider
from pycocoevalcap.meteor import meteor
from pycocoevalcap.rouge.rouge import Rouge
from pycocoevalcap.spice import get_stanford_models, spice
from pycocoevalcap.tokenizer import ptbtokenizer

from model.vocabulary import tokenize
from training.tasks.captioning.wording import WORDING, wording

METRICS = (
    *("BLEU-1", "BLEU-2", "BLEU-3", "BLEU-4", "METEOR", "ROUGE-L", "CIDEr", "SPICE", "unique", "novel"),
    *WORDING,
)

Sentences = Mapping[str, Sequence[str]]
"""Tokenised sentences of each picture, their tokens separated by spaces."""

_GET_JAVA = "install a Java runtime (Debian and Ubuntu: apt install default-jre-headless; macOS: brew install temurin)"
_GET_SPICE = "run python -m pycocoevalcap.spice.get_stanford_models once, which downloads 400 MB, and use Java 8 or 11"


class JavaError(Exception):
    """Java is missing, or a Java program failed."""


class CaptionScorer:
    """Scores captions against references, which are tokenised once.

    Without Java the tokens are those of `model.vocabulary.tokenize`, which differ in about one caption of a thousand
    on Flickr8k, and METEOR and SPICE are left out; `notes` says so.
    """

    def __init__(self, references: Mapping[str, Sequence[str]]) -> None:
        """
        Args:
            references: sentences people wrote about each picture, by any key that the captions share.

        Raises:
            ValueError: there are no references, or there is none for some picture.
        """
        if not references:
            raise ValueError("no references")
        if bare := [key for key, sentences in references.items() if not sentences]:
            raise ValueError(f"no reference for {_some(bare)}")
        self.notes: list[str] = []
        """What the latest scores lack or how they differ from the published way, and what to do about it."""
        self._tokenizer = _Tokenizer()
        sentences = [sentence for group in references.values() for sentence in group]
        tokens = iter(self._tokenizer(sentences))
        self._references = {key: [next(tokens) for _ in group] for key, group in references.items()}

    def score(
        self,
        captions: Mapping[str, str],
        *,
        metrics: Collection[str] | None = None,
        training_captions: Collection[str] | None = None,
    ) -> dict[str, float]:
        """Scores one caption a picture.

        BLEU, METEOR, ROUGE-L and SPICE are fractions; CIDEr goes from 0 to 10, and papers print it times 100.
        `unique` is the number of different captions by the number of captions, `novel` the share of captions that are
        not, token by token, among `training_captions`. For the rest see `training.tasks.captioning.wording`.

        Args:
            captions: a sentence for each picture that has references.
            metrics: those wanted, of `METRICS`; all that can be had when left out.
            training_captions: what the model was trained on, for `novel`.

        Raises:
            ValueError: the pictures are not those of the references, or a metric is unknown.
            JavaError: tokenising failed.
        """
        if unknown := [name for name in metrics or () if name not in METRICS]:
            raise ValueError(f"no metric {_some(unknown)}; there are {', '.join(METRICS)}")
        if missing := self._references.keys() - captions.keys():
            raise ValueError(f"no caption for {_some(sorted(missing))}")
        if extra := captions.keys() - self._references.keys():
            raise ValueError(f"a caption but no reference for {_some(sorted(extra))}")
        wanted = METRICS if metrics is None else metrics
        ours = [captions[key] for key in self._references]
        seen = list(training_captions or ()) if "novel" in wanted else []
        both = self._tokenizer([*ours, *seen])  # in one run of Java
        tokens, known = both[: len(ours)], set(both[len(ours) :])
        candidates = {key: [sentence] for key, sentence in zip(self._references, tokens, strict=True)}
        self.notes = list(self._tokenizer.notes)

        scores: dict[str, float] = {}
        if any(name.startswith("BLEU") for name in wanted):
            bleu, _ = Bleu(4).compute_score(self._references, candidates, verbose=0)
            scores |= {f"BLEU-{n}": float(value) for n, value in enumerate(bleu, start=1)}
        singles: dict[str, Callable[[Sentences, Sentences], float]] = {
            "METEOR": _meteor,
            "ROUGE-L": lambda references, candidates: float(Rouge().compute_score(references, candidates)[0]),
            "CIDEr": lambda references, candidates: float(Cider().compute_score(references, candidates)[0]),
            "SPICE": _spice,
        }
        for name in filter(singles.__contains__, wanted):
            try:
                scores[name] = singles[name](self._references, candidates)
            except JavaError as error:
                self.notes.append(f"{name} left out: {error}")
        scores["unique"] = len(set(tokens)) / len(tokens)
        scores |= wording([sentence.split() for sentence in tokens])
        if "novel" in wanted:
            if training_captions is None:
                self.notes.append("novel left out: no captions of training to compare with")
            else:
                scores["novel"] = sum(sentence not in known for sentence in tokens) / len(tokens)
        return {name: scores[name] for name in METRICS if name in wanted and name in scores}

    def each(self, captions: Mapping[str, str]) -> list[float]:
        """CIDEr of each caption, in the order of the references.

        Raises:
            JavaError: tokenising failed.
        """
        tokens = self._tokenizer([captions[key] for key in self._references])
        candidates = {key: [sentence] for key, sentence in zip(self._references, tokens, strict=True)}
        return _cider(self._references, candidates)

    def people(self) -> list[float]:
        """CIDEr of every reference against the others of its picture; none where pictures have only one."""
        found: list[float] = []
        for place in range(max(map(len, self._references.values()))):
            held = {key: group for key, group in self._references.items() if place < len(group) > 1}
            if held:
                others = {key: [*group[:place], *group[place + 1 :]] for key, group in held.items()}
                found += _cider(others, {key: [group[place]] for key, group in held.items()})
        return found


def _cider(references: Sentences, candidates: Sentences) -> list[float]:
    return [float(score) for score in Cider().compute_score(references, candidates)[1]]


class _Tokenizer:
    """Sentences to lower-case tokens without punctuation, by PTB where there is Java; remembers what it has seen."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        self._seen: dict[str, str] = {}

    def __call__(self, sentences: Sequence[str]) -> list[str]:
        # A line each: whatever Java may take for the end of one is a space.
        lines = [" ".join(sentence.split()) for sentence in sentences]
        if fresh := [line for line in dict.fromkeys(lines) if line and line not in self._seen]:
            self._seen.update(zip(fresh, self._tokenize(fresh), strict=True))
        return [self._seen.get(line, "") for line in lines]

    def _tokenize(self, lines: list[str]) -> Iterable[str]:
        if not self.notes:
            try:
                return _ptb(lines)
            except JavaError as error:
                if self._seen:  # some sentences in one kind of tokens and some in another can't be compared
                    raise
                self.notes.append(f"tokens are not PTB's but a close imitation: {error}")
        return (" ".join(tokenize(line)) for line in lines)


def _ptb(lines: Sequence[str]) -> list[str]:
    """Lines, none of them blank, to lines of tokens, in one run of Java."""
    jar = Path(ptbtokenizer.__file__).with_name(ptbtokenizer.STANFORD_CORENLP_3_4_1_JAR)
    program = ["-cp", str(jar), "edu.stanford.nlp.process.PTBTokenizer", "-preserveLines", "-lowerCase"]
    output = _java(program, "".join(f"{line}\n" for line in lines))
    found = output.removesuffix("\n").split("\n")
    if len(found) != len(lines):
        raise JavaError(f"the PTB tokenizer gave {len(found)} lines for {len(lines)}")
    dropped = set(ptbtokenizer.PUNCTUATIONS)
    return [" ".join(token for token in line.split(" ") if token and token not in dropped) for line in found]


def _java(arguments: Sequence[str], text: str = "") -> str:
    """What a Java program writes to standard output when it reads `text`."""
    try:
        done = subprocess.run(
            ["java", *arguments], input=text, capture_output=True, encoding="utf-8", errors="replace", check=False
        )
    except OSError as error:
        raise JavaError(f"there is no Java: {_GET_JAVA}") from error
    if done.returncode != 0:
        raise JavaError(f"Java failed: {_reason(done.stderr)}")
    return done.stdout


def _reason(errors: str) -> str:
    """The line of Java's standard error that says most."""
    lines = [line.strip() for line in errors.splitlines() if line.strip()]
    said = [line for line in lines if "Exception" in line or "Error" in line]
    return (said or lines or ["it said nothing"])[0]


def _meteor(references: Sentences, candidates: Sentences) -> float:
    # METEOR's protocol has ||| between sentences; pycocoevalcap takes it out of the candidates only.
    clean = {key: [sentence.replace("|||", "") for sentence in group] for key, group in references.items()}
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as errors, _Meteor(errors) as program:
        try:
            return float(program.compute_score(clean, candidates)[0])
        except (OSError, ValueError) as error:  # what comes of a process that has ended
            with suppress(subprocess.TimeoutExpired):  # its last words may be on their way
                program.meteor_p.wait(timeout=5)
            errors.seek(0)
            raise JavaError(f"Java failed: {_reason(errors.read())}") from error


class _Meteor(meteor.Meteor):  # type: ignore[misc]
    """pycocoevalcap's METEOR, but its process and pipes end with the context."""

    def __init__(self, errors: IO[str]) -> None:
        jar = Path(meteor.__file__).with_name(meteor.METEOR_JAR)
        self.lock = threading.Lock()  # the base class's methods want it
        try:
            self.meteor_p = subprocess.Popen(
                ["java", "-Xmx2G", "-jar", str(jar), "-", "-", "-stdio", "-l", "en", "-norm"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
            )
        except OSError as error:
            raise JavaError(f"there is no Java: {_GET_JAVA}") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.meteor_p.kill()
        self.meteor_p.communicate()  # closes the pipes

    def __del__(self) -> None:
        """Nothing is left to do; the base class would close again what is closed."""


def _spice(references: Sentences, candidates: Sentences) -> float:
    folder = Path(spice.__file__).parent
    lacking = [
        jar
        for jar in (f"{get_stanford_models.JAR}.jar", f"{get_stanford_models.JAR}-models.jar")
        if not (folder / get_stanford_models.SPICELIB / jar).is_file()
    ]
    if lacking:
        raise JavaError(f"{' and '.join(lacking)} missing: {_GET_SPICE}")
    with tempfile.TemporaryDirectory() as scratch:
        questions, answers = Path(scratch, "captions.json"), Path(scratch, "scores.json")
        images = [{"image_id": key, "test": candidates[key][0], "refs": group} for key, group in references.items()]
        questions.write_text(json.dumps(images))
        program = ["-Xmx8G", "-jar", str(folder / spice.SPICE_JAR)]
        # pycocoevalcap has a -cache too, which is a data base in its package's folder.
        _java([*program, str(questions), "-out", str(answers), "-subset", "-silent"])
        found: list[dict[str, Any]] = json.loads(answers.read_text())
    return sum(float(image["scores"]["All"]["f"]) for image in found) / len(found)


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
