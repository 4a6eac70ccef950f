"""Recurrent networks that read a grid of features and write words: one class a paper, one interface.

`encode_source` computes what depends on the picture alone, once. `cell_step` goes one word further; `step` adds the
logits, for a search, and `forward` runs over whole sentences, for training. Every state tensor has its rows first,
(N, ...), so that a search reorders hypotheses by indexing.
"""

from abc import ABC, abstractmethod
from typing import ClassVar, Generic, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import linear
from torch.nn.utils.rnn import pad_sequence

from model.attention import AdditiveAttention
from model.cells import State, build_cell
from model.decoding.search import M, Step
from model.recurrent import Recurrent
from model.tasks.captioning.config import DecoderConfig
from model.vocabulary import PAD


class GridMemory(NamedTuple):
    """The projected grids of the pictures."""

    values: Tensor  # (B, P, H)
    mean: Tensor  # (B, H), of the values, or what the decoder makes of it
    keys: Tensor  # (B, P, A); (B, 0) without attention

    def take(self, sources: Tensor) -> "GridMemory":
        """The memory of some of the pictures, by their numbers."""
        return GridMemory(*(part.index_select(0, sources) for part in self))


class Hidden(NamedTuple):
    """The state after a word, and what the output layer reads of it."""

    vector: Tensor  # (N, H)
    state: State
    attention: Tensor | None  # (N, P)


class Decoder(nn.Module, ABC, Generic[M]):
    """The interface that a search needs, of decoders in torch and of compiled ones."""

    @abstractmethod
    def encode_source(self, grid: Tensor) -> M:
        """Grids (B, P, E) to what the steps read of them."""

    @abstractmethod
    def initial_state(self, memory: M, rows_per_source: int = 1) -> State:
        """The state before the first word, for N = B * rows_per_source rows."""

    @abstractmethod
    def step(self, tokens: Tensor, state: State, memory: M) -> Step:
        """The last tokens (N,) to logits (N, V) of the next ones."""


class RecurrentDecoder(Decoder[GridMemory]):
    """The parts that all decoders in torch share: the word embedding, the projected grid and the output layer."""

    reads: ClassVar[tuple[str, ...]] = GridMemory._fields  # the parts of the memory that a step reads

    def __init__(self, config: DecoderConfig, *, num_features: int, vocabulary_size: int) -> None:
        super().__init__()
        self.config = config
        self.embedding = nn.Embedding(vocabulary_size, config.embedding_size)
        self.project = nn.Linear(num_features, config.hidden_size)
        self.output = nn.Linear(config.hidden_size, vocabulary_size)
        self.dropout = nn.Dropout(config.dropout)
        nn.init.uniform_(self.embedding.weight, -0.1, 0.1)
        nn.init.uniform_(self.output.weight, -0.1, 0.1)
        nn.init.zeros_(self.output.bias)

    def encode_source(self, grid: Tensor) -> GridMemory:
        values = self.dropout(torch.relu(self.project(grid)))  # (B, P, H)
        return GridMemory(values, self._mean(values), self._keys(values))

    def _mean(self, values: Tensor) -> Tensor:
        return values.mean(1)

    def _keys(self, values: Tensor) -> Tensor:
        return values.new_empty(len(values), 0)

    def embed(self, tokens: Tensor) -> Tensor:
        """Tokens (...) to all that `cell_step` reads of them (..., W): embeddings, or a product with these."""
        return self.dropout(self.embedding(tokens))  # type: ignore[no-any-return]

    @abstractmethod
    def cell_step(self, embedded: Tensor, state: State, memory: GridMemory) -> Hidden:
        """The last words (N, W), as `embed` returns them, to the hidden vectors that the output layer reads."""

    def logits(self, hidden: Tensor) -> Tensor:
        """Hidden vectors (..., H) to logits (..., V)."""
        return self.output(self.dropout(hidden))  # type: ignore[no-any-return]

    def step(self, tokens: Tensor, state: State, memory: GridMemory) -> Step:
        hidden, state, attention = self.cell_step(self.embed(tokens), state, memory)
        return Step(self.logits(hidden), state, attention)

    def forward(self, grid: Tensor, tokens: Tensor) -> tuple[Tensor, Tensor | None]:
        """Teacher forcing with one caption of each of the grids (B, P, E): see `teacher_forcing`."""
        return self.teacher_forcing(self.encode_source(grid), tokens)

    def teacher_forcing(self, memory: GridMemory, tokens: Tensor) -> tuple[Tensor, Tensor | None]:
        """Runs over whole captions, with the memory of the picture of each, see `GridMemory.take`.

        The tokens (B, T) have `<bos>` first; with the longest captions first, little is computed for padding.

        Returns:
            logits (B, T, V) for the token after each, and attention weights (B, T, P) from decoders that have
            attention. Both are undefined after a caption's last token.
        """
        embedded = self.embed(tokens)  # (B, T, W)
        state = self.initial_state(memory)
        outputs, attentions = [], []
        for time, active in enumerate(active_rows(tokens)):
            state, memory = tuple(part[:active] for part in state), GridMemory(*(part[:active] for part in memory))
            output, state, attention = self.cell_step(embedded[:active, time], state, memory)
            outputs.append(output)
            attentions.append(attention)
        logits = self.logits(pad_sequence(outputs, batch_first=True).transpose(0, 1))  # (B, T, V)
        seen = [attention for attention in attentions if attention is not None]
        return logits, pad_sequence(seen, batch_first=True).transpose(0, 1) if seen else None


class ShowAndTell(RecurrentDecoder):
    """Vinyals et al., "Show and Tell" (2015): the picture is the first input of N layers, and not seen again."""

    reads = ()

    def __init__(self, config: DecoderConfig, *, num_features: int, vocabulary_size: int) -> None:
        super().__init__(config, num_features=num_features, vocabulary_size=vocabulary_size)
        self.picture = nn.Linear(config.hidden_size, config.embedding_size)
        sizes = config.embedding_size, config.hidden_size, config.num_layers
        self.network = Recurrent(config.cell, *sizes, config.dropout)

    def _run(self, inputs: Tensor, state: State | None) -> tuple[Tensor, State]:
        """(N, T, D) through all layers; the state's tensors are (N, L, H), those of the network (L, N, H)."""
        turned = state and tuple(part.transpose(0, 1).contiguous() for part in state)
        outputs, last = self.network(inputs, turned)
        return outputs, tuple(part.transpose(0, 1) for part in last)

    def initial_state(self, memory: GridMemory, rows_per_source: int = 1) -> State:
        _, state = self._run(self.picture(memory.mean)[:, None], None)
        return tuple(part.repeat_interleave(rows_per_source, 0) for part in state)

    def cell_step(self, embedded: Tensor, state: State, memory: GridMemory) -> Hidden:
        outputs, state = self._run(embedded[:, None], state)
        return Hidden(outputs[:, 0], state, None)

    def teacher_forcing(self, memory: GridMemory, tokens: Tensor) -> tuple[Tensor, None]:
        outputs, _ = self._run(self.embed(tokens), self.initial_state(memory))  # (B, T, H), all steps in one call
        return self.logits(outputs), None


class SoftAttention(RecurrentDecoder):
    """Xu et al., "Show, Attend and Tell" (2015), soft attention: gated context (section 4.2.1), deep output (eq. 7)."""

    reads = ("values", "keys")

    def __init__(self, config: DecoderConfig, *, num_features: int, vocabulary_size: int) -> None:
        super().__init__(config, num_features=num_features, vocabulary_size=vocabulary_size)
        hidden = config.hidden_size
        self.attention = AdditiveAttention(hidden, hidden, config.attention_size)
        self.gate = nn.Linear(hidden, 1)
        self.cell = build_cell(config.cell, config.embedding_size + hidden, hidden)
        self.initial = nn.Linear(hidden, hidden * self.cell.num_states)
        self.deep_output = nn.Linear(config.embedding_size + 2 * hidden, hidden)

    def _keys(self, values: Tensor) -> Tensor:
        return self.attention.keys(values)

    def initial_state(self, memory: GridMemory, rows_per_source: int = 1) -> State:
        initial = torch.tanh(self.initial(memory.mean)).repeat_interleave(rows_per_source, 0)
        return initial.chunk(self.cell.num_states, 1)  # (N, H) each

    def cell_step(self, embedded: Tensor, state: State, memory: GridMemory) -> Hidden:
        context, alpha = self.attention(state[0], memory.keys, memory.values)  # (N, H), (N, P)
        context = torch.sigmoid(self.gate(state[0])) * context
        state = self.cell(torch.cat([embedded, context], 1), state)
        output = torch.tanh(self.deep_output(torch.cat([embedded, state[0], context], 1)))  # (N, H)
        return Hidden(output, state, alpha)


class TopDown(RecurrentDecoder):
    """Anderson et al., "Bottom-Up and Top-Down Attention" (2018), section 3.2, over the grid instead of regions.

    The attention LSTM reads the language LSTM's last hidden vector, the mean feature and the last word; its own hidden
    vector chooses where to look, and the language LSTM writes from the features there. Each of the three has its own
    block of the attention LSTM's weight. The mean's product is the same for all words of a picture, and a word's for
    all pictures, so `encode_source` and `embed` compute them.
    """

    def __init__(self, config: DecoderConfig, *, num_features: int, vocabulary_size: int) -> None:
        super().__init__(config, num_features=num_features, vocabulary_size=vocabulary_size)
        hidden = config.hidden_size
        self.attention = AdditiveAttention(hidden, hidden, config.attention_size)
        self.attention_cell = build_cell(config.cell, hidden + hidden + config.embedding_size, hidden)
        self.language_cell = build_cell(config.cell, hidden + hidden, hidden)

    def _weights(self) -> tuple[Tensor, ...]:
        """The attention LSTM's blocks for the language LSTM's h (4 H, H), the mean (4 H, H) and a word (4 H, D)."""
        hidden, word = self.config.hidden_size, self.config.embedding_size
        return self.attention_cell.weight_ih.split([hidden, hidden, word], 1)  # type: ignore[no-any-return]

    def _mean(self, values: Tensor) -> Tensor:
        return linear(values.mean(1), self._weights()[1], self.attention_cell.bias_ih)  # (B, 4 H)

    def _keys(self, values: Tensor) -> Tensor:
        return self.attention.keys(values)

    def embed(self, tokens: Tensor) -> Tensor:
        return linear(super().embed(tokens), self._weights()[2])  # (..., 4 H)

    def initial_state(self, memory: GridMemory, rows_per_source: int = 1) -> State:
        zeros = memory.mean.new_zeros(memory.mean.shape[0] * rows_per_source, self.config.hidden_size)
        return (zeros,) * (2 * self.language_cell.num_states)

    def cell_step(self, embedded: Tensor, state: State, memory: GridMemory) -> Hidden:
        looking, writing = state[: len(state) // 2], state[len(state) // 2 :]
        rows_per_source = embedded.shape[0] // memory.mean.shape[0]
        mean = memory.mean[:, None].expand(-1, rows_per_source, -1).flatten(0, 1)  # (N, 4 H)
        looking = self.attention_cell.step(linear(writing[0], self._weights()[0]) + mean + embedded, looking)
        context, alpha = self.attention(looking[0], memory.keys, memory.values)  # (N, H), (N, P)
        writing = self.language_cell(torch.cat([context, looking[0]], 1), writing)
        return Hidden(writing[0], (*looking, *writing), alpha)


DECODERS: dict[str, type[RecurrentDecoder]] = {
    "show-and-tell": ShowAndTell,
    "soft-attention": SoftAttention,
    "top-down": TopDown,
}


def active_rows(tokens: Tensor) -> list[int]:
    """For each time, the number of rows of tokens (B, T) up to the last that has not ended, at least one."""
    rows, times = (torch.arange(1, size + 1, device=tokens.device) for size in tokens.shape)
    lengths = ((tokens != PAD) * times).amax(1)  # (B,)
    return ((lengths[:, None] >= times) * rows[:, None]).amax(0).clamp(min=1).tolist()


def build_decoder(config: DecoderConfig, *, num_features: int, vocabulary_size: int) -> RecurrentDecoder:
    """The decoder that `config.kind` names, with fresh weights."""
    return DECODERS[config.kind](config, num_features=num_features, vocabulary_size=vocabulary_size)
