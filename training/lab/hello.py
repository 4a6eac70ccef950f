"""The character-level example of the CS231n lecture on recurrent networks (Karpathy, "The unreasonable effectiveness of
recurrent neural networks", 2015): four letters, three hidden neurons, "hell" in and "ello" out.
"""

from collections.abc import Iterator
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, one_hot

from model.cells import RNN

LETTERS = "helo"
WORD = "hello"


class Network(nn.Module):
    """h = tanh(W_ih x + W_hh h' + b), y = W_hy h + b_y, with x (N, 4) one-hot, h (N, 3) and y (N, 4)."""

    def __init__(self) -> None:
        super().__init__()
        self.cell = RNN(len(LETTERS), 3)
        self.output = nn.Linear(3, len(LETTERS))

    def step(self, letter: str, hidden: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """A letter and h' (1, 3) to its x, h and y."""
        x = one_hot(torch.tensor([LETTERS.index(letter)]), len(LETTERS)).float()  # (1, 4)
        (hidden,) = self.cell(x, (hidden,))
        return x, hidden, self.output(hidden)


def train(steps: int = 200, seed: int = 1) -> tuple[Network, float]:
    """A network that has seen the word so many times, and its last loss in nats per letter."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = Network()
    parameters = list(network.parameters())
    targets = torch.tensor([LETTERS.index(letter) for letter in WORD[1:]])  # (T,)
    for _ in range(steps):
        hidden, outputs = torch.zeros(1, 3), []
        for letter in WORD[:-1]:
            _, hidden, scores = network.step(letter, hidden)
            outputs.append(scores)
        loss = cross_entropy(torch.cat(outputs), targets)
        with torch.no_grad():  # plain gradient descent; importing torch.optim would take longer than all of this
            for parameter, gradient in zip(parameters, torch.autograd.grad(loss, parameters), strict=True):
                parameter.sub_(0.5 * gradient)
    return network, loss.item()


@torch.no_grad()
def spell(network: Network, first: str = WORD[0], length: int = len(WORD)) -> str:
    """A word of that length: each letter is the one that scored highest after the letters before it."""
    word, hidden = first, torch.zeros(1, 3)
    while len(word) < length:
        _, hidden, scores = network.step(word[-1], hidden)
        word += LETTERS[int(scores.argmax())]
    return word


@torch.no_grad()
def figure(network: Network) -> Iterator[str]:
    """The lecture's figure, a line for each layer and step."""

    def vector(values: Tensor) -> str:
        return "[" + " ".join(f"{value:5.1f}" for value in values[0].tolist()) + "]"

    yield f"vocabulary [{' '.join(f'{letter:>5}' for letter in LETTERS)}]"
    hidden = torch.zeros(1, 3)
    for time, (letter, target) in enumerate(pairwise(WORD), start=1):
        x, hidden, scores = network.step(letter, hidden)
        best = LETTERS[int(scores.argmax())]
        yield ""
        yield f"step {time}     input {letter!r}, target {target!r}"
        yield f"  input    {vector(x)}"
        yield f"  hidden   {vector(hidden)}"
        yield f"  output   {vector(scores)}   highest: {best!r}, {scores.softmax(1).max().item():.0%} sure"
