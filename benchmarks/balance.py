"""LaTeX environments, and braces of paragraphs and of C functions, that a language model closes after it opened them.

python benchmarks/balance.py [latex|linux-c [TEXTS [CHARACTERS]]]

Texts are drawn with the checkpoint's own temperature and the seeds 1, 2, 3, ...
"""

import re
import sys
from pathlib import Path

from model.checkpoint import Checkpoint
from model.tasks.text import TEXT
from model.tasks.text.batch import TextBatch

CHECKPOINTS = Path(__file__).resolve().parent.parent / "checkpoints"
PROMPTS = {"latex": "\\begin{lemma}\n", "linux-c": "static int "}


def write(name: str, texts: int, characters: int) -> list[str]:
    """Texts by a default checkpoint, their prompt included."""
    checkpoint = Checkpoint.open(CHECKPOINTS / name)
    assert checkpoint.task is TEXT
    asked = checkpoint.config.generation.model_copy(update={"max_tokens": characters})
    batch = TextBatch(checkpoint.load(), capacity=texts)
    written = {}
    for seed in range(1, texts + 1):
        stream = batch.join(PROMPTS[name], asked.model_copy(update={"seed": seed}))
        written[stream] = PROMPTS[name]
    while batch.free < texts:
        for stream, delta in batch.step():
            written[stream] += delta.text
    return list(written.values())


def environments(text: str) -> tuple[int, int]:
    """Counts the ends of environments, and those that end the one that was begun last."""
    opened: list[str] = []
    ended = right = 0
    for what, name in re.findall(r"\\(begin|end)\{([^}]*)\}", text):
        if what == "begin":
            opened.append(name)
            continue
        ended += 1
        right += bool(opened) and opened[-1] == name
        while name in opened and opened.pop() != name:
            pass
    return ended, right


def paragraphs(text: str) -> tuple[int, int]:
    """Counts paragraphs, the last one left out, and those that have as many { as }."""
    bare = [part.replace("\\{", "").replace("\\}", "") for part in text.split("\n\n")[:-1]]
    return len(bare), sum(part.count("{") == part.count("}") for part in bare)


def functions(text: str) -> tuple[int, int]:
    """Counts bodies that end with a brace at the beginning of a line, and those that have as many { as }."""
    bodies = [body for body in text.split("\n}\n")[:-1] if "{" in body]
    return len(bodies), sum(body.count("{") == body.count("}") + 1 for body in bodies)


def main() -> None:
    """Prints the shares."""
    name, texts, characters = (*sys.argv[1:], *("latex", "16", "4000")[len(sys.argv) - 1 :])
    measures = (environments, paragraphs) if name == "latex" else (functions,)
    drawn = write(name, int(texts), int(characters))
    for measure in measures:
        total, right = map(sum, zip(*map(measure, drawn), strict=True))
        print(f"{measure.__name__:12} {right} of {total} close what they open, {right / max(1, total):.0%}")


if __name__ == "__main__":
    main()
