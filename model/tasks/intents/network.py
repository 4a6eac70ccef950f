"""Words and their characters, recurrent layers in both directions, pooling, and a perceptron."""

import torch
from torch import Tensor, nn
from torch.nn.functional import dropout

from model.attention import AdditiveAttention
from model.recurrent import Recurrent, reversal
from model.tasks.intents.classifier import Batch, IntentClassifier
from model.tasks.intents.config import IntentConfig
from model.tasks.intents.intents import Intents
from model.vocabulary import PAD, Vocabulary


class RecurrentClassifier(IntentClassifier):
    """A classifier in torch.

    A word's vector stands beside features of its spelling (Kim et al., "Character-aware neural language models", 2016,
    section 2.2), so that a word never seen is more than unknown. The hidden states are pooled by attention, whose query
    is their mean, by their maximum and by the mean itself. The last class of the softmax is out of scope.

    Raises:
        ValueError: there is no cell of that kind.
    """

    def __init__(self, config: IntentConfig, vocabulary: Vocabulary, characters: Vocabulary, intents: Intents) -> None:
        super().__init__(config, vocabulary, characters, intents)
        size, hidden = config.embedding_size + config.character_filters, config.hidden_size
        self.embedding = nn.Embedding(len(vocabulary), config.embedding_size, padding_idx=PAD)
        self.character_embedding = nn.Embedding(len(characters), config.character_size, padding_idx=PAD)
        self.filters = nn.Conv1d(config.character_size, config.character_filters, 3)
        self.ahead = Recurrent(config.cell, size, hidden, config.num_layers, config.dropout)
        self.back = Recurrent(config.cell, size, hidden, config.num_layers, config.dropout)
        self.attention = AdditiveAttention(2 * hidden, 2 * hidden, config.attention_size)
        self.hidden = nn.Linear(6 * hidden, config.perceptron_size)
        self.output = nn.Linear(config.perceptron_size, len(intents) + 1)

    def initialize(self) -> None:
        """Sets the weights that training starts from; with torch's own, little reaches the softmax at first.

        Recurrent weights are orthogonal, block by block (Saxe et al., "Exact solutions to the nonlinear dynamics of
        learning", 2014); others give every sum the variance of its inputs; forget gates begin open.
        """
        nn.init.normal_(self.embedding.weight, std=0.4)  # as that of GloVe's vectors
        with torch.no_grad():
            self.embedding.weight[PAD] = 0
        for layers in (self.ahead, self.back):
            for cell in layers.cells():
                for block in cell.weight_hh.split(cell.hidden_size):
                    nn.init.orthogonal_(block)
                nn.init.normal_(cell.weight_ih, std=cell.input_size**-0.5)
                nn.init.zeros_(cell.bias_ih)
                nn.init.zeros_(cell.bias_hh)
                if "f" in cell.blocks:
                    nn.init.ones_(cell.bias_ih.chunk(cell.num_gates)[cell.blocks.index("f")])
        for linear in (self.hidden, self.output):
            nn.init.normal_(linear.weight, std=(2 / linear.in_features) ** 0.5)
            nn.init.zeros_(linear.bias)

    @property
    def device(self) -> torch.device:
        return self.output.weight.device

    def represent(self, batch: Batch) -> Tensor:
        """The pooled hidden states of sentences, (N, 6 H)."""
        share, learns = self.config.dropout, self.training
        mask = batch.words != PAD  # (N, T)
        inputs = dropout(torch.cat([self.embedding(batch.words), self.spelled(batch.spellings)], -1), share, learns)
        turned = reversal(mask)[..., None]  # (N, T, 1)
        ahead, _ = self.ahead(inputs)  # (N, T, H)
        back, _ = self.back(inputs.gather(1, turned.expand_as(inputs)))  # (N, T, H)
        states = torch.cat([ahead, back.gather(1, turned.expand_as(back))], -1)  # (N, T, 2 H)
        states = dropout(states, share, learns)
        mean = (states * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)  # (N, 2 H)
        greatest = states.masked_fill(~mask[..., None], -torch.inf).amax(1)  # (N, 2 H)
        attended, _ = self.attention(mean, self.attention.keys(states), states, mask)  # (N, 2 H)
        return torch.cat([attended, greatest, mean], -1)

    def spelled(self, spellings: Tensor) -> Tensor:
        """Features (N, T, F) of spellings (N, T, C): the greatest value of each filter over the word."""
        vectors = self.character_embedding(spellings.flatten(0, 1)).transpose(1, 2)  # (N T, D, C)
        return self.filters(vectors).amax(-1).relu().unflatten(0, spellings.shape[:2])  # type: ignore[no-any-return]

    def classify(self, representation: Tensor) -> Tensor:
        """Representations (N, 6 H) to logits of the intents and of out of scope (N, V)."""
        share, learns = self.config.dropout, self.training
        hidden = self.hidden(dropout(representation, share, learns)).relu()  # (N, perceptron)
        return self.output(dropout(hidden, share, learns))  # type: ignore[no-any-return]

    def forward(self, batch: Batch) -> Tensor:
        """Sentences to logits of the intents and, last, of out of scope (N, V)."""
        return self.classify(self.represent(batch))
