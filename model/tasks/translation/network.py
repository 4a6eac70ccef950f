"""A bidirectional recurrent encoder, and a conditional recurrent decoder with attention that can copy.

Every sentence is padded on the right; the mask says where. Every state tensor has its rows first, (N, ...), so that a
search reorders hypotheses by indexing.
"""

from abc import ABC, abstractmethod
from typing import Generic, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from model.attention import AdditiveAttention
from model.cells import State, build_cell
from model.decoding.search import M, Step
from model.recurrent import Recurrent, reversal
from model.tasks.translation.config import TranslatorConfig
from model.vocabulary import PAD


class SourceMemory(NamedTuple):
    """The encoded sentences, and what a step reads of them."""

    values: Tensor  # (B, P, E)
    keys: Tensor  # (B, P, A)
    tokens: Tensor  # (B, P), padded
    start: Tensor  # (B, S H), the state before the first piece

    @property
    def mask(self) -> Tensor:
        """(B, P), False for padding."""
        return self.tokens != PAD

    def take(self, sources: Tensor) -> "SourceMemory":
        """The memory of some of the sentences, by their numbers."""
        return SourceMemory(*(part.index_select(0, sources) for part in self))


class Written(NamedTuple):
    """The decoder's word on the piece after each, whether it writes it or copies it."""

    logits: Tensor  # (..., V), of the pieces that are written
    copying: Tensor  # (..., 1), logit of the probability that the piece is copied from the source instead
    attention: Tensor  # (..., P), the place that it is copied from


class TranslationNetwork(nn.Module, ABC, Generic[M]):
    """The interface that a search needs, of a network in torch and of a compiled one."""

    @abstractmethod
    def encode_source(self, tokens: Tensor) -> M:
        """Sentences (B, P), padded, to what the steps read of them."""

    @abstractmethod
    def initial_state(self, memory: M, rows_per_source: int = 1) -> State:
        """The state before the first piece, for N = B * rows_per_source rows."""

    @abstractmethod
    def step(self, tokens: Tensor, state: State, memory: M) -> Step:
        """The last pieces (N,) to log-probabilities (N, V) of the next ones."""


class Bidirectional(nn.Module):
    """Layers of a cell that read a sentence in both directions; each layer sees both of the one below.

    Schuster and Paliwal, "Bidirectional recurrent neural networks" (1997). A sentence is turned round within its own
    length, so that padding comes last in both directions and changes nothing.
    """

    def __init__(self, config: TranslatorConfig) -> None:
        super().__init__()
        size = config.encoder_size
        sizes = [config.embedding_size, *[2 * size] * (config.encoder_layers - 1)]
        self.forwards = nn.ModuleList(Recurrent(config.cell, width, size) for width in sizes)
        self.backwards = nn.ModuleList(Recurrent(config.cell, width, size) for width in sizes)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, inputs: Tensor, mask: Tensor) -> Tensor:
        """(B, P, D), and the mask (B, P), to both directions' hidden vectors (B, P, E)."""
        turned = reversal(mask)[..., None]  # (B, P, 1)
        for layer, (onwards, back) in enumerate(zip(self.forwards, self.backwards, strict=True)):
            if layer:
                inputs = self.dropout(inputs)
            ahead, _ = onwards(inputs)  # (B, P, E / 2)
            behind, _ = back(inputs.gather(1, turned.expand_as(inputs)))  # (B, P, E / 2)
            inputs = torch.cat([ahead, behind.gather(1, turned.expand_as(behind))], 2)  # (B, P, E)
        return inputs


class Seq2Seq(TranslationNetwork[SourceMemory]):
    """Bahdanau, Cho and Bengio, "Neural machine translation by jointly learning to align and translate" (2015), with
    the conditional decoder of Sennrich et al., "Nematus" (2017), section 2: one cell reads the last piece, attention
    looks by its hidden vector, and a second cell, which goes on from the first one's state, reads what was found.

    Source, target and output layer share the subwords' vectors (Press and Wolf, 2017). A gate mixes the pieces that the
    network writes with those that attention points at (See, Liu and Manning, "Get to the point", 2017, eq. 8-9), so
    that names and numbers that it has never seen can be copied.
    """

    def __init__(self, config: TranslatorConfig, vocabulary_size: int) -> None:
        super().__init__()
        self.config = config
        word, hidden, encoded = config.embedding_size, config.hidden_size, 2 * config.encoder_size
        self.embedding = nn.Embedding(vocabulary_size, word, padding_idx=PAD)
        self.encoder = Bidirectional(config)
        self.reading = build_cell(config.cell, word, hidden)
        self.attention = AdditiveAttention(encoded, hidden, config.attention_size)
        self.writing = build_cell(config.cell, encoded, hidden)
        self.initial = nn.Linear(encoded, hidden * self.reading.num_states)
        self.deep_output = nn.Linear(word + hidden + encoded, word)
        self.bias = nn.Parameter(torch.zeros(vocabulary_size))
        self.copying = nn.Linear(word + hidden + encoded, 1)
        self.dropout = nn.Dropout(config.dropout)
        nn.init.normal_(self.embedding.weight, std=word**-0.5)
        nn.init.zeros_(self.embedding.weight[PAD])
        nn.init.constant_(self.copying.bias, -2.0)  # most pieces are written

    def embed(self, tokens: Tensor) -> Tensor:
        """Tokens (...) to vectors (..., D), which are about as large as hidden vectors may be."""
        scaled = self.embedding(tokens) * self.config.embedding_size**0.5
        return self.dropout(scaled)  # type: ignore[no-any-return]

    def encode_source(self, tokens: Tensor) -> SourceMemory:
        mask = tokens != PAD  # (B, P)
        values = self.dropout(self.encoder(self.embed(tokens), mask)) * mask[..., None]  # (B, P, E)
        mean = values.sum(1) / mask.sum(1, keepdim=True)  # (B, E)
        return SourceMemory(values, self.attention.keys(values), tokens, torch.tanh(self.initial(mean)))

    def initial_state(self, memory: SourceMemory, rows_per_source: int = 1) -> State:
        rows = memory.start.repeat_interleave(rows_per_source, 0)  # (N, S H)
        return rows.chunk(self.reading.num_states, 1)

    def cell_step(
        self, from_input: Tensor, state: State, memory: SourceMemory, mask: Tensor
    ) -> tuple[Tensor, State, Tensor]:
        """A product with the last pieces (N, G H) to the hidden and the context vector (N, H + E), the state, and
        attention weights (N, P).
        """
        looking = self.reading.step(from_input, state)
        context, alpha = self.attention(looking[0], memory.keys, memory.values, mask)  # (N, E), (N, P)
        after = self.writing(context, looking)
        return torch.cat([after[0], context], 1), after, alpha

    def written(self, embedded: Tensor, found: Tensor, attention: Tensor) -> Written:
        """The vectors of the last pieces (..., D), and what `cell_step` found by them (..., H + E)."""
        read = torch.cat([embedded, found], -1)  # (..., D + H + E)
        output = self.dropout(torch.tanh(self.deep_output(read)))  # (..., D)
        return Written(linear(output, self.embedding.weight, self.bias), self.copying(read), attention)

    def step(self, tokens: Tensor, state: State, memory: SourceMemory) -> Step:
        embedded = self.embed(tokens)  # (N, D)
        found, state, alpha = self.cell_step(self.reading.project(embedded), state, memory, memory.mask)
        rows_per_source = tokens.shape[0] // memory.tokens.shape[0]
        sources = memory.tokens[:, None].expand(-1, rows_per_source, -1).flatten(0, 1)  # (N, P)
        return Step(mixed(self.written(embedded, found, alpha), sources), state, alpha)

    def forward(self, sources: Tensor, tokens: Tensor) -> Written:
        """Teacher forcing: sentences (B, P), and their translations (B, T) with `<bos>` first, all padded.

        The answer is undefined after a translation's last piece.
        """
        memory = self.encode_source(sources)
        embedded = self.embed(tokens)  # (B, T, D)
        state, mask = self.initial_state(memory), memory.mask
        found, seen = [], []
        for from_input in self.reading.project(embedded).unbind(1):
            vectors, state, alpha = self.cell_step(from_input, state, memory, mask)
            found.append(vectors)
            seen.append(alpha)
        return self.written(embedded, torch.stack(found, 1), torch.stack(seen, 1))


def mixed(written: Written, sources: Tensor) -> Tensor:
    """Log-probabilities (N, V) of pieces, written or copied from the sources (N, P)."""
    copied = written.copying.float().sigmoid()  # (N, 1)
    probabilities = written.logits.float().softmax(1) * (1 - copied)  # (N, V)
    probabilities = probabilities.scatter_add(1, sources, written.attention.float() * copied)
    return probabilities.clamp(min=1e-30).log()
