"""Share of captions that guess at people's gender or the colour of their skin, and how often people say otherwise.

recap-train evaluate --checkpoint checkpoints/flickr8k-coco --data data/flickr8k --captions runs/dev.jsonl
python benchmarks/gender.py runs/dev.jsonl
"""

import itertools
import json
import sys
from pathlib import Path

from model.tasks.captioning.neutral import COLOURS, INSTEAD, ORIGINS, PEOPLE
from model.vocabulary import tokenize

WORDS = {
    "female": "woman women girl girls lady ladies female females she her hers herself bride mother mothers mom cowgirl",
    "male": "man men boy boys guy guys gentleman gentlemen male males he his him himself groom father dad cowboy",
}
ANYBODY = {*PEOPLE.split(), *" ".join(INSTEAD[name] for name in ("person", "people", "child", "children")).split()}


def genders(text: str) -> set[str]:
    """The genders that a sentence names."""
    said = set(tokenize(text))
    return {gender for gender, words in WORDS.items() if said & set(words.split())}


def names_skin(text: str) -> bool:
    """Tells whether a sentence says where people seem to be from, or has a colour right before a word for people."""
    words = tokenize(text)
    coloured = any(one in COLOURS.split() and two in ANYBODY for one, two in itertools.pairwise(words))
    return coloured or bool(set(words) & set(ORIGINS.split()))


def main() -> None:
    """Counts over the captions of `recap-train evaluate --captions`."""
    lines = [json.loads(line) for line in Path(sys.argv[1]).read_text(encoding="utf-8").splitlines()]
    named = [(genders(line["caption"]), [genders(text) for text in line["references"]]) for line in lines]
    one = [(said, set().union(*people)) for said, people in named if len(said) == 1]
    counts = {
        "captions": len(lines),
        "name a gender": sum(bool(said) for said, _ in named),
        "  one alone": len(one),
        "    that a sentence of people names too": sum(said <= people for said, people in one),
        "    where people name the other alone": sum(bool(people) and not said <= people for said, people in one),
        "    where people name none": sum(not people for _, people in one),
        "name skin or origin": sum(names_skin(line["caption"]) for line in lines),
    }
    for name, count in counts.items():
        print(f"{name:40} {count:5}")


if __name__ == "__main__":
    main()
