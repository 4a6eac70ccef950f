"""Counts how often captions are wrong, and in what, from captions that a person has looked at beside their pictures.

    python benchmarks/errors.py docs/samples/flickr8k-errors.csv

A line a caption: the picture's file, the caption, and the kinds of its mistakes, with spaces between them.
"""

import csv
import sys
from collections import Counter
from pathlib import Path


def errors(path: Path) -> tuple[int, int, Counter[str]]:
    """Counts captions, how many of them without a mistake, and how many have each kind."""
    with path.open(newline="", encoding="utf-8") as file:
        found = [line["errors"].split() for line in csv.DictReader(file)]
    return len(found), sum(not kinds for kinds in found), Counter(kind for kinds in found for kind in kinds)


def main() -> None:
    """Prints them, most frequent first."""
    captions, right, kinds = errors(Path(sys.argv[1]))
    print(f"captions   {captions:4}\nright      {right:4}")
    for kind, count in kinds.most_common():
        print(f"{kind:10} {count:4}")


if __name__ == "__main__":
    main()
