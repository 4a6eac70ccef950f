"""Recurrent networks that read a grid of features and write words: one class a paper, one interface.

`encode_source` computes what depends on the picture alone, once. `cell_step` goes one word further; `step` adds the
logits, for a search, and `forward` runs over whole sentences, for training. Every state tensor has its rows first,
(N, ...), so that a search reorders hypotheses by indexing.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
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


class Seen(NamedTuple):
    """The words of the things that a tagger sees in pictures, likeliest first; `<pad>` where there are fewer."""

    words: Tensor  # (B, K)
    logits: Tensor  # (B, K), of how likely each is: half precision has no numbers between 0.998 and 1

    def take(self, pictures: Sequence[int]) -> "Seen":
        """The words seen in some of the pictures, by their numbers."""
        return Seen(*(part[list(pictures)] for part in self))

    def to(self, device: torch.device) -> "Seen":
        """The words on a device."""
        return Seen(*(part.to(device) for part in self))


class GridMemory(NamedTuple):
    """The projected grids of the pictures, and the words seen in them where a decoder reads these."""

    values: Tensor  # (B, P, H)
    mean: Tensor  # (B, H), of the values, or what the decoder makes of it
    keys: Tensor  # (B, P, A); (B, 0) without attention
    tags: Tensor  # (B, K, A); this and what follows is (B, 0) without tags
    tag_keys: Tensor  # (B, K, A)
    copy_keys: Tensor  # (B, K, A)
    words: Tensor  # (B, K)

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

    reads_tags = False
    """True if `encode_source` needs the words that a tagger sees."""

    @abstractmethod
    def encode_source(self, grid: Tensor, seen: Seen | None = None) -> M:
        """Grids (B, P, E), and the words seen in them, to what the steps read of them."""

    @abstractmethod
    def initial_state(self, memory: M, rows_per_source: int = 1) -> State:
        """The state before the first word, for N = B * rows_per_source rows."""

    @abstractmethod
    def step(self, tokens: Tensor, state: State, memory: M) -> Step:
        """The last tokens (N,) to logits (N, V) of the next ones."""


class RecurrentDecoder(Decoder[GridMemory]):
    """The parts that all decoders in torch share: the word embedding, the projected grid and the output layer."""

    reads: ClassVar[tuple[str, ...]] = ("values", "mean", "keys")  # the parts of the memory that a step reads

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

    def encode_source(self, grid: Tensor, seen: Seen | None = None) -> GridMemory:
        values = self.dropout(torch.relu(self.project(grid)))  # (B, P, H)
        return GridMemory(values, self._mean(values), self._keys(values), *(values.new_empty(len(values), 0),) * 4)

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

    def logits(self, hidden: Tensor, memory: GridMemory) -> Tensor:
        """Hidden vectors (B, R, H) of R rows a picture to logits (B, R, V)."""
        return self.output(self.dropout(hidden))  # type: ignore[no-any-return]

    def step(self, tokens: Tensor, state: State, memory: GridMemory) -> Step:
        hidden, state, attention = self.cell_step(self.embed(tokens), state, memory)
        logits = self.logits(hidden.unflatten(0, (memory.mean.shape[0], -1)), memory)  # (B, K, V)
        return Step(logits.flatten(0, 1), state, attention)

    def forward(self, grid: Tensor, tokens: Tensor, seen: Seen | None = None) -> tuple[Tensor, Tensor | None]:
        """Teacher forcing with one caption of each of the grids (B, P, E): see `teacher_forcing`."""
        return self.teacher_forcing(self.encode_source(grid, seen), tokens)

    def teacher_forcing(self, memory: GridMemory, tokens: Tensor) -> tuple[Tensor, Tensor | None]:
        """Runs over whole captions, with the memory of the picture of each, see `GridMemory.take`.

        The tokens (B, T) have `<bos>` first; with the longest captions first, little is computed for padding.

        Returns:
            logits (B, T, V) for the token after each, and attention weights (B, T, P) from decoders that have
            attention. Both are undefined after a caption's last token.
        """
        embedded, whole = self.embed(tokens), memory  # (B, T, W)
        state = self.initial_state(memory)
        outputs, attentions = [], []
        for time, active in enumerate(active_rows(tokens)):
            state, memory = tuple(part[:active] for part in state), GridMemory(*(part[:active] for part in memory))
            output, state, attention = self.cell_step(embedded[:active, time], state, memory)
            outputs.append(output)
            attentions.append(attention)
        logits = self.logits(pad_sequence(outputs, batch_first=True).transpose(0, 1), whole)  # (B, T, V)
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
        return self.logits(outputs, memory), None


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
        self.language_cell = build_cell(config.cell, hidden + self._read_size(), hidden)

    def _read_size(self) -> int:
        """Width of what `_read` returns."""
        return self.config.hidden_size

    def _read(self, query: Tensor, memory: GridMemory) -> tuple[Tensor, Tensor]:
        """The attention LSTM's output (N, H) to what the language LSTM is told (N, C), and the weights (N, P)."""
        return self.attention(query, memory.keys, memory.values)  # type: ignore[no-any-return]

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
        context, alpha = self._read(looking[0], memory)  # (N, C), (N, P)
        writing = self.language_cell(torch.cat([context, looking[0]], 1), writing)
        return Hidden(writing[0], (*looking, *writing), alpha)


class TagReader(TopDown):
    """Top-down attention that reads and copies the words of a tagger, and so can name what no caption has named.

    The words, with their probabilities, are a second memory to attend to (You et al., "Image Captioning with Semantic
    Attention", 2016). Each may be copied: the next word is drawn from one softmax over the vocabulary and these words,
    where the probabilities of the same word add up (Gu et al., "Incorporating Copying Mechanism in
    Sequence-to-Sequence Learning", 2016, section 3.3). Words in and out share their embeddings (Press and Wolf, "Using
    the Output Embedding to Improve Language Models", 2017), so that a rare one stands beside its like.
    """

    reads = GridMemory._fields
    reads_tags = True

    def __init__(self, config: DecoderConfig, *, num_features: int, vocabulary_size: int) -> None:
        super().__init__(config, num_features=num_features, vocabulary_size=vocabulary_size)
        word, hidden, attention = config.embedding_size, config.hidden_size, config.attention_size
        self.output = nn.Linear(hidden, word)  # then the words' embeddings
        self.bias = nn.Parameter(torch.zeros(vocabulary_size))
        self.tag = nn.Linear(word + 2, attention)  # a word, its probability and the logit of that
        self.tag_attention = AdditiveAttention(attention, hidden, attention)
        self.copy_key, self.copy_query = nn.Linear(attention, attention), nn.Linear(hidden, attention)

    def _read_size(self) -> int:
        return self.config.hidden_size + self.config.attention_size

    def encode_source(self, grid: Tensor, seen: Seen | None = None) -> GridMemory:
        assert seen is not None
        words, logits = seen.words, seen.logits[:, :, None]  # (B, K), (B, K, 1)
        tags = torch.cat([self.embedding(words), logits.sigmoid(), logits], 2)  # (B, K, D + 2)
        tags = self.dropout(torch.relu(self.tag(tags)))  # (B, K, A)
        keys = {"tags": tags, "tag_keys": self.tag_attention.keys(tags), "copy_keys": self.copy_key(tags)}
        return super().encode_source(grid)._replace(**keys, words=words)

    def _read(self, query: Tensor, memory: GridMemory) -> tuple[Tensor, Tensor]:
        context, alpha = self.attention(query, memory.keys, memory.values)  # (N, H), (N, P)
        told, _ = self.tag_attention(query, memory.tag_keys, memory.tags)  # (N, A)
        return torch.cat([context, told], 1), alpha

    def logits(self, hidden: Tensor, memory: GridMemory) -> Tensor:
        hidden = self.dropout(hidden)
        written = linear(self.output(hidden), self.embedding.weight, self.bias)  # (B, R, V)
        copied = self.copy_query(hidden) @ memory.copy_keys.transpose(1, 2) / self.config.attention_size**0.5
        words = memory.words[:, None].expand_as(copied)  # (B, R, K)
        copied = copied.masked_fill(words == PAD, -1e4)
        return written.scatter(2, words, torch.logaddexp(written.gather(2, words), copied))


DECODERS: dict[str, type[RecurrentDecoder]] = {
    "show-and-tell": ShowAndTell,
    "soft-attention": SoftAttention,
    "top-down": TopDown,
    "tag-reader": TagReader,
}


def active_rows(tokens: Tensor) -> list[int]:
    """For each time, the number of rows of tokens (B, T) up to the last that has not ended, at least one."""
    rows, times = (torch.arange(1, size + 1, device=tokens.device) for size in tokens.shape)
    lengths = ((tokens != PAD) * times).amax(1)  # (B,)
    return ((lengths[:, None] >= times) * rows[:, None]).amax(0).clamp(min=1).tolist()


def build_decoder(config: DecoderConfig, *, num_features: int, vocabulary_size: int) -> RecurrentDecoder:
    """The decoder that `config.kind` names, with fresh weights."""
    return DECODERS[config.kind](config, num_features=num_features, vocabulary_size=vocabulary_size)
