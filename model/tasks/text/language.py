"""Character and word language models: a token to the distribution of the next one, with a state carried along."""

from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.functional import dropout

from model.cells import State
from model.recurrent import Recurrent
from model.tasks.text.config import LanguageModelConfig
from model.tasks.text.readable import ReadableCells
from model.vocabulary import SPECIALS, Vocabulary, pieces

if TYPE_CHECKING:
    from model.tasks.text.step import Stepper


class LanguageModel(nn.Module):
    """One-hot or embedded tokens, L layers of a recurrent cell, and a softmax over the vocabulary.

    Graves, "Generating sequences with recurrent neural networks" (2013), section 2; dropout as in Zaremba et al.,
    "Recurrent neural network regularization" (2014): between layers and before the softmax, not over time.

    Args:
        readable: the cells that are known to mean something, if anybody has looked for them.
        stepper: writes in place of these weights, which then only read prompts; None writes in torch.

    Raises:
        ValueError: an unknown cell; a readable one that the layers don't have.
    """

    def __init__(
        self,
        config: LanguageModelConfig,
        vocabulary: Vocabulary,
        readable: ReadableCells | None = None,
        stepper: "Stepper | None" = None,
    ) -> None:
        super().__init__()
        self.config, self.vocabulary, self.readable, self.stepper = config, vocabulary, readable, stepper
        if readable:
            readable.require(config.num_layers, config.hidden_size)
        size = config.embedding_size or len(vocabulary)
        self.embedding = nn.Embedding(len(vocabulary), size) if config.embedding_size else None
        self.recurrent = Recurrent(config.cell, size, config.hidden_size, config.num_layers, config.dropout)
        self.output = nn.Linear(config.hidden_size, len(vocabulary))

    def initialize(self) -> None:
        """Sets the weights that training starts from; torch's own keep a stack of layers silent for hundreds of steps.

        Recurrent weights are orthogonal, block by block (Saxe et al., "Exact solutions to the nonlinear dynamics of
        learning", 2014); the others give every sum a variance of 1; forget gates begin open, with a bias of 1 (Gers et
        al., 2000; Jozefowicz et al., 2015).
        """
        for layer, cell in enumerate(self.recurrent.cells()):
            for block in cell.weight_hh.split(cell.hidden_size):
                nn.init.orthogonal_(block)
            one_hot = layer == 0 and self.embedding is None
            nn.init.normal_(cell.weight_ih, std=1.0 if one_hot else cell.input_size**-0.5)
            nn.init.zeros_(cell.bias_ih)
            nn.init.zeros_(cell.bias_hh)
            if "f" in cell.blocks:
                nn.init.ones_(cell.bias_ih.chunk(cell.num_gates)[cell.blocks.index("f")])

    @property
    def device(self) -> torch.device:
        return self.output.weight.device

    def inputs(self, tokens: Tensor) -> Tensor:
        """Tokens (...) to the first layer's inputs (..., D)."""
        if self.embedding is None:
            return F.one_hot(tokens, len(self.vocabulary)).to(self.output.weight.dtype)
        vectors: Tensor = self.embedding(tokens)
        return dropout(vectors, self.config.dropout, self.training)

    def forward(self, tokens: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """Tokens (N, T) to logits of the token after each (N, T, V), and the last state; see `Recurrent.forward`."""
        hidden, state = self.recurrent(self.inputs(tokens), state)  # (N, T, H)
        return self.output(dropout(hidden, self.config.dropout, self.training)), state

    def encode(self, text: str) -> list[int]:
        """Numbers of a text's tokens, `UNK` for those that the vocabulary lacks: the model knows it from rare ones."""
        return self.vocabulary.encode(pieces(text, self.config.unit))

    def decode(self, tokens: list[int]) -> str:
        """The text of the tokens, without specials."""
        return "".join(self.vocabulary.words[number] for number in tokens if number >= len(SPECIALS))
