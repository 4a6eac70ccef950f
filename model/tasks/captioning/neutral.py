"""Captions that leave people's gender, and the colour of their skin, unsaid."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from model.decoding.constraints import NEVER
from model.vocabulary import Vocabulary

INSTEAD = {
    "person": "man woman lady guy gentleman male female dude bride groom policeman fireman fisherman cameraman "
    "businessman cowboy cowgirl mans",
    "people": "men women ladies guys gentlemen males females policemen firemen fishermen businessmen cowboys groomsmen "
    "bridesmaids",
    "child": "boy girl",
    "children": "boys girls",
    "parent": "mother father mom dad",
    "parents": "mothers fathers moms dads",
    "sibling": "brother sister",
    "siblings": "brothers sisters",
    "their": "his her hers",
    "them": "him",
    "themselves": "himself herself",
}
"""Each neutral word, with the words that it replaces. If a vocabulary lacks the neutral word, they are only avoided."""

RELATIVES = "he she son sons daughter daughters husband wife grandmother grandfather"
"""Avoided, without a replacement."""

ORIGINS = (
    "dark-skinned light-skinned skinned african african-american american arab asian caucasian chinese hispanic indian "
    "japanese latino mexican oriental"
)
"""Avoided: where people are from, judged by their looks."""

COLOURS = "black white brown tan dark pale light"
"""Avoided before words for people: a dog may be black, and so may a shirt."""

PEOPLE = (
    "person people child children kid kids baby babies toddler toddlers adult adults teenager teenagers teen couple"
)


def neutralized(words: Sequence[str]) -> tuple[list[int], list[tuple[int, list[int]]]]:
    """The numbers of the words to avoid, and of each neutral word with those that it replaces.

    Of several words, as names of things have them, the last one counts.
    """
    heads: dict[str, list[int]] = {}
    for number, word in enumerate(words):
        heads.setdefault(word.rpartition(" ")[2], []).append(number)
    known = {word: number for number, word in enumerate(words)}
    avoided = [number for word in f"{RELATIVES} {ORIGINS}".split() for number in heads.get(word, ())]
    groups = []
    for word, others in INSTEAD.items():
        numbers = [number for other in others.split() for number in heads.get(other, ())]
        avoided += numbers
        if word in known and numbers:
            groups.append((known[word], numbers))
    return avoided, groups


class Neutral:
    """Constraint that avoids words for gender and skin colour, and writes neutral ones in their place.

    A neutral word takes over the probabilities of the words that it replaces, so that a person is as likely as a man
    and a woman together. The network reads the neutral word next.
    """

    def __init__(self, vocabulary: Vocabulary) -> None:
        known = {word: number for number, word in enumerate(vocabulary.words)}
        self.avoided, self.groups = neutralized(vocabulary.words)
        self.colours = torch.tensor([known[word] for word in COLOURS.split() if word in known], dtype=torch.long)
        self.people = [known[word] for word in PEOPLE.split() if word in known]

    def __call__(self, logprobs: Tensor, history: npt.NDArray[np.int64]) -> Tensor:
        """Moves the probabilities of avoided words to neutral ones, or drops them: (N, V) after `history` (N, T)."""
        logprobs = logprobs.clone()
        for word, others in self.groups:
            logprobs[:, word] = logprobs[:, [word, *others]].logsumexp(1)
        logprobs[:, self.avoided] = NEVER
        if history.shape[1]:
            coloured = torch.isin(torch.from_numpy(history[:, -1]), self.colours).to(logprobs.device)  # (N,)
            logprobs[:, self.people] = logprobs[:, self.people].masked_fill(coloured[:, None], NEVER)
        return logprobs
