"""Captions that leave people's gender, and the colour of their skin, unsaid."""

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

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
"""What is said, and for which words. Where a vocabulary lacks what would be said, nothing is."""

RELATIVES = "he she son sons daughter daughters husband wife grandmother grandfather"
"""Not said, with nothing in their stead."""

ORIGINS = (
    "dark-skinned light-skinned skinned african african-american american arab asian caucasian chinese hispanic indian "
    "japanese latino mexican oriental"
)
"""Not said: where people are from by their looks."""

COLOURS = "black white brown tan dark pale light"
"""Not said of people: a dog may be black, and so may be a shirt."""

PEOPLE = (
    "person people child children kid kids baby babies toddler toddlers adult adults teenager teenagers teen couple"
)


class Neutral:
    """The words of a vocabulary that `neutral=true` does not say, and what is said instead.

    A word that is said for others takes over their probabilities, so that a person is as likely as a man and a woman
    together; what the network reads next is the word that was said.
    """

    def __init__(self, vocabulary: Vocabulary) -> None:
        known = {word: number for number, word in enumerate(vocabulary.words)}
        self.unsaid = [known[word] for word in f"{RELATIVES} {ORIGINS}".split() if word in known]
        self.groups: list[tuple[int, list[int]]] = []
        """A word, and those for which it is said."""
        for word, others in INSTEAD.items():
            numbers = [known[other] for other in others.split() if other in known]
            self.unsaid += numbers
            if word in known and numbers:
                self.groups.append((known[word], numbers))
        self.colours = torch.tensor([known[word] for word in COLOURS.split() if word in known], dtype=torch.long)
        self.people = [known[word] for word in PEOPLE.split() if word in known]

    def logprobs(self, logprobs: Tensor, history: npt.NDArray[np.int64]) -> Tensor:
        """Log-probabilities (N, V) of the word after `history` (N, T), those of what is not said moved or lost."""
        logprobs = logprobs.clone()
        for word, others in self.groups:
            logprobs[:, word] = logprobs[:, [word, *others]].logsumexp(1)
        logprobs[:, self.unsaid] = float("-inf")
        if history.shape[1]:
            coloured = torch.isin(torch.from_numpy(history[:, -1]), self.colours).to(logprobs.device)  # (N,)
            logprobs[:, self.people] = logprobs[:, self.people].masked_fill(coloured[:, None], float("-inf"))
        return logprobs
