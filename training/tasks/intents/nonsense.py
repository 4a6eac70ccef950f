"""Texts that mean nothing, as further examples of what is out of scope.

The data have no text in another script, none of letters at random, and none without a word.
"""

from string import ascii_lowercase

import numpy as np

STRANGE = "\u4e00"
"""A character that no query has; to a classifier, all such are the same."""


def nonsense(count: int, seed: int) -> list[str]:
    """So many texts: one of ten without a word, and then words of strange characters and of random letters by turns."""
    chance = np.random.default_rng((seed, 1))
    texts = []
    for number in range(count):
        words = chance.integers(1, 9, size=chance.integers(1, 7))  # their lengths
        letters = list(STRANGE if number % 2 else ascii_lowercase)
        texts.append(" ".join("".join(chance.choice(letters, size)) for size in words) if number % 10 else "?!")
    return texts
