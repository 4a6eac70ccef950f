"""Java programs that score captions: Stanford's PTB tokenizer, METEOR and SPICE, as pycocoevalcap packs them.

pycocoevalcap's own wrappers are not used as they are: they write into the package's folder, leave pipes open, and
download 400 MB for SPICE unasked.
"""

import json
import subprocess
import tempfile
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from pycocoevalcap.meteor import meteor
from pycocoevalcap.spice import get_stanford_models, spice
from pycocoevalcap.tokenizer import ptbtokenizer

from training.errors import TrainingError

Sentences = Mapping[str, Sequence[str]]
"""Tokenised sentences of each picture, their tokens separated by spaces."""

_GET_JAVA = "install a Java runtime (Debian and Ubuntu: apt install default-jre-headless; macOS: brew install temurin)"
_GET_SPICE = "run python -m pycocoevalcap.spice.get_stanford_models once, which downloads 400 MB, and use Java 8 or 11"


class JavaError(TrainingError):
    """Java is missing, or a Java program failed."""


def ptb_tokens(lines: Sequence[str]) -> list[str]:
    """Tokenises lines, none of them blank, in one run of Java: lower case, without punctuation."""
    jar = Path(ptbtokenizer.__file__).with_name(ptbtokenizer.STANFORD_CORENLP_3_4_1_JAR)
    program = ["-cp", str(jar), "edu.stanford.nlp.process.PTBTokenizer", "-preserveLines", "-lowerCase"]
    output = _java(program, "".join(f"{line}\n" for line in lines))
    found = output.removesuffix("\n").split("\n")
    if len(found) != len(lines):
        raise JavaError(f"the PTB tokenizer gave {len(found)} lines for {len(lines)}")
    dropped = set(ptbtokenizer.PUNCTUATIONS)
    return [" ".join(token for token in line.split(" ") if token and token not in dropped) for line in found]


def _java(arguments: Sequence[str], text: str = "") -> str:
    """Runs a Java program on `text`, and returns its standard output."""
    command = ["java", *arguments]
    try:
        done = subprocess.run(command, input=text, capture_output=True, encoding="utf-8", errors="replace", check=False)
    except OSError as error:
        raise JavaError(f"there is no Java: {_GET_JAVA}") from error
    if done.returncode != 0:
        raise JavaError(f"Java failed: {_reason(done.stderr)}")
    return done.stdout


def _reason(errors: str) -> str:
    """The most telling line of Java's standard error."""
    lines = [line.strip() for line in errors.splitlines() if line.strip()]
    said = [line for line in lines if "Exception" in line or "Error" in line]
    return (said or lines or ["it said nothing"])[0]


def meteor_score(references: Sentences, candidates: Sentences) -> float:
    """METEOR of one candidate a picture.

    Raises:
        JavaError: there is no Java, or it failed.
    """
    # METEOR's protocol has ||| between sentences; pycocoevalcap takes it out of the candidates only.
    clean = {key: [sentence.replace("|||", "") for sentence in group] for key, group in references.items()}
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as errors:
        program = _Meteor(errors)
        try:
            return float(program.compute_score(clean, candidates)[0])
        except (OSError, ValueError) as error:  # what comes of a process that has ended
            with suppress(subprocess.TimeoutExpired):  # its last words may be on their way
                program.meteor_p.wait(timeout=5)
            errors.seek(0)
            raise JavaError(f"Java failed: {_reason(errors.read())}") from error
        finally:
            program.meteor_p.kill()
            program.meteor_p.communicate()  # closes the pipes


class _Meteor(meteor.Meteor):  # type: ignore[misc]
    """pycocoevalcap's METEOR, but whoever starts it ends its process and pipes."""

    def __init__(self, errors: IO[str]) -> None:
        jar = str(Path(meteor.__file__).with_name(meteor.METEOR_JAR))
        command, pipe = ["java", "-Xmx2G", "-jar", jar, "-", "-", "-stdio", "-l", "en", "-norm"], subprocess.PIPE
        self.lock = threading.Lock()  # the base class's methods want it
        try:
            self.meteor_p = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=errors)
        except OSError as error:
            raise JavaError(f"there is no Java: {_GET_JAVA}") from error

    def __del__(self) -> None:
        """Does nothing: the base class would close the pipes a second time."""


def spice_score(references: Sentences, candidates: Sentences) -> float:
    """SPICE of one candidate a picture.

    Raises:
        JavaError: there is no Java, it failed, or Stanford's models are missing.
    """
    folder = Path(spice.__file__).parent
    jars = (f"{get_stanford_models.JAR}.jar", f"{get_stanford_models.JAR}-models.jar")
    if lacking := [jar for jar in jars if not (folder / get_stanford_models.SPICELIB / jar).is_file()]:
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
