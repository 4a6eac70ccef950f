"""Recurrent networks that read a grid of features and write words: one class a paper, one interface.

What depends on the picture alone is computed once, by `read`. `advance` goes one word further; `step` adds the logits,
for decoding, and `forward` runs over whole sentences, for training. Every state tensor has its rows first, (N, ...), so
that a search reorders hypotheses by indexing.
"""

from abc import ABC, abstractmethod
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import linear
from torch.nn.utils.rnn import pad_sequence

from model.attention import AdditiveAttention
from model.cells import State, build_cell
from model.recurrent import Recurrent
from model.tasks.captioning.config import DecoderConfig
from model.vocabulary import PAD


class Memory(NamedTuple):
    """What a decoder knows of the pictures."""

    values: Tensor  # (B, P, H)
    mean: Tensor  # (B, H), of the values, or what the decoder makes of it
    keys: Tensor  # (B, P, A); (B, 0) without attention

    def take(self, pictures: Tensor) -> "Memory":
        """Of some of the pictures, by their numbers."""
        return Memory(*(part.index_select(0, pictures) for part in self))


class Step(NamedTuple):
    """One word further."""

    output: Tensor  # (N, H) from `advance`; logits (N, V) from `step`
    state: State
    attention: Tensor | None  # (N, P)


class Decoder(nn.Module, ABC):
    """What all decoders share: the word embedding, the projected grid and the output layer."""

    remembers: ClassVar[tuple[str, ...]] = Memory._fields
    """What of the memory a step reads."""

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

    def read(self, grid: Tensor) -> Memory:
        """(B, P, E) -> what the steps need of the pictures."""
        values = self.dropout(torch.relu(self.project(grid)))  # (B, P, H)
        return Memory(values, self._mean(values), self._keys(values))

    def _mean(self, values: Tensor) -> Tensor:
        return values.mean(1)

    def _keys(self, values: Tensor) -> Tensor:
        return values.new_empty(len(values), 0)

    @abstractmethod
    def start(self, memory: Memory, hypotheses: int = 1) -> State:
        """The state before the first word, for N = B * hypotheses rows."""

    def words(self, tokens: Tensor) -> Tensor:
        """Tokens (...) to all that `advance` takes of them (..., W): embeddings, or what the decoder makes of these."""
        return self.dropout(self.embedding(tokens))  # type: ignore[no-any-return]

    @abstractmethod
    def advance(self, words: Tensor, state: State, memory: Memory) -> Step:
        """From the last words (N, W) to the hidden vectors (N, H) that the output layer reads."""

    def step(self, tokens: Tensor, state: State, memory: Memory) -> Step:
        """From the last tokens (N,) to logits (N, V) for the next ones."""
        return self.speak(self.words(tokens), state, memory)

    def speak(self, words: Tensor, state: State, memory: Memory) -> Step:
        """`advance`, and the output layer: to logits (N, V)."""
        output, state, attention = self.advance(words, state, memory)
        return Step(self.output(self.dropout(output)), state, attention)

    def forward(self, grid: Tensor, tokens: Tensor) -> tuple[Tensor, Tensor | None]:
        """Teacher forcing: `write` with one caption of each of the grids (B, P, E)."""
        return self.write(self.read(grid), tokens)

    def write(self, memory: Memory, tokens: Tensor) -> tuple[Tensor, Tensor | None]:
        """Teacher forcing.

        Args:
            memory: of the picture of each caption, see `Memory.take`.
            tokens: (B, T), `<bos>` first. Where the longest captions come first, little is done for padding.

        Returns:
            logits (B, T, V) for the token after each, and attention weights (B, T, P) where there is attention; what
            they are after a caption's last token is left open.
        """
        words = self.words(tokens)  # (B, T, W)
        state = self.start(memory)
        outputs, attentions = [], []
        for time, going in enumerate(rows_going_on(tokens)):
            state, memory = tuple(part[:going] for part in state), Memory(*(part[:going] for part in memory))
            output, state, attention = self.advance(words[:going, time], state, memory)
            outputs.append(output)
            attentions.append(attention)
        logits = self.output(self.dropout(pad_sequence(outputs, batch_first=True).transpose(0, 1)))  # (B, T, V)
        seen = [attention for attention in attentions if attention is not None]
        return logits, pad_sequence(seen, batch_first=True).transpose(0, 1) if seen else None


class ShowAndTell(Decoder):
    """Vinyals et al., "Show and Tell" (2015): the picture is the first input of N layers, and not seen again."""

    remembers = ()

    def __init__(self, config: DecoderConfig, *, num_features: int, vocabulary_size: int) -> None:
        super().__init__(config, num_features=num_features, vocabulary_size=vocabulary_size)
        self.picture = nn.Linear(config.hidden_size, config.embedding_size)
        self.network = Recurrent(
            config.cell, config.embedding_size, config.hidden_size, config.num_layers, config.dropout
        )

    def _run(self, inputs: Tensor, state: State | None) -> tuple[Tensor, State]:
        """(N, T, D) through all layers; the state's tensors are (N, L, H), those of the network (L, N, H)."""
        turned = state and tuple(part.transpose(0, 1).contiguous() for part in state)
        outputs, last = self.network(inputs, turned)
        return outputs, tuple(part.transpose(0, 1) for part in last)

    def start(self, memory: Memory, hypotheses: int = 1) -> State:
        _, state = self._run(self.picture(memory.mean)[:, None], None)
        return tuple(part.repeat_interleave(hypotheses, 0) for part in state)

    def advance(self, words: Tensor, state: State, memory: Memory) -> Step:
        outputs, state = self._run(words[:, None], state)
        return Step(outputs[:, 0], state, None)

    def write(self, memory: Memory, tokens: Tensor) -> tuple[Tensor, None]:
        """As `Decoder.write`, with all steps in one call."""
        outputs, _ = self._run(self.words(tokens), self.start(memory))  # (B, T, H)
        return self.output(self.dropout(outputs)), None


class SoftAttention(Decoder):
    """Xu et al., "Show, Attend and Tell" (2015), soft attention: gated context (section 4.2.1), deep output (eq. 7)."""

    remembers = ("values", "keys")

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

    def start(self, memory: Memory, hypotheses: int = 1) -> State:
        initial = torch.tanh(self.initial(memory.mean)).repeat_interleave(hypotheses, 0)
        return initial.chunk(self.cell.num_states, 1)  # (N, H) each

    def advance(self, words: Tensor, state: State, memory: Memory) -> Step:
        context, alpha = self.attention(state[0], memory.keys, memory.values)  # (N, H), (N, P)
        context = torch.sigmoid(self.gate(state[0])) * context
        state = self.cell(torch.cat([words, context], 1), state)
        output = torch.tanh(self.deep_output(torch.cat([words, state[0], context], 1)))  # (N, H)
        return Step(output, state, alpha)


class TopDown(Decoder):
    """Anderson et al., "Bottom-Up and Top-Down Attention" (2018), section 3.2, over the grid instead of regions.

    The attention LSTM sees what the language LSTM said, the mean feature and the last word; its hidden vector chooses
    where to look, and the language LSTM writes from what is seen there.

    Of the attention LSTM's product with these three, the mean's part is the same for all words, and a word's for all
    pictures: each is computed by itself.
    """

    def __init__(self, config: DecoderConfig, *, num_features: int, vocabulary_size: int) -> None:
        super().__init__(config, num_features=num_features, vocabulary_size=vocabulary_size)
        hidden = config.hidden_size
        self.attention = AdditiveAttention(hidden, hidden, config.attention_size)
        self.attention_cell = build_cell(config.cell, hidden + hidden + config.embedding_size, hidden)
        self.language_cell = build_cell(config.cell, hidden + hidden, hidden)

    def _weights(self) -> tuple[Tensor, ...]:
        """The attention LSTM's, for what was said (4 H, H), the mean (4 H, H) and the last word (4 H, D)."""
        hidden, words = self.config.hidden_size, self.config.embedding_size
        return self.attention_cell.weight_ih.split([hidden, hidden, words], 1)  # type: ignore[no-any-return]

    def _mean(self, values: Tensor) -> Tensor:
        return linear(values.mean(1), self._weights()[1], self.attention_cell.bias_ih)  # (B, 4 H)

    def _keys(self, values: Tensor) -> Tensor:
        return self.attention.keys(values)

    def words(self, tokens: Tensor) -> Tensor:
        return linear(super().words(tokens), self._weights()[2])  # (..., 4 H)

    def start(self, memory: Memory, hypotheses: int = 1) -> State:
        zeros = memory.mean.new_zeros(memory.mean.shape[0] * hypotheses, self.config.hidden_size)
        return (zeros,) * (2 * self.language_cell.num_states)

    def advance(self, words: Tensor, state: State, memory: Memory) -> Step:
        looking, saying = state[: len(state) // 2], state[len(state) // 2 :]
        hypotheses = words.shape[0] // memory.mean.shape[0]
        mean = memory.mean[:, None].expand(-1, hypotheses, -1).flatten(0, 1)  # (N, 4 H)
        looking = self.attention_cell.step(linear(saying[0], self._weights()[0]) + mean + words, looking)
        context, alpha = self.attention(looking[0], memory.keys, memory.values)  # (N, H), (N, P)
        saying = self.language_cell(torch.cat([context, looking[0]], 1), saying)
        return Step(saying[0], (*looking, *saying), alpha)


DECODERS: dict[str, type[Decoder]] = {
    "show-and-tell": ShowAndTell,
    "soft-attention": SoftAttention,
    "top-down": TopDown,
}


def rows_going_on(tokens: Tensor) -> list[int]:
    """For each time, how many rows of tokens (B, T) there are up to the last one that has not ended; one at least."""
    rows, times = (torch.arange(1, size + 1, device=tokens.device) for size in tokens.shape)
    lengths = ((tokens != PAD) * times).amax(1)  # (B,)
    return ((lengths[:, None] >= times) * rows[:, None]).amax(0).clamp(min=1).tolist()


def build_decoder(config: DecoderConfig, *, num_features: int, vocabulary_size: int) -> Decoder:
    """The decoder `config.kind` names, with fresh weights."""
    return DECODERS[config.kind](config, num_features=num_features, vocabulary_size=vocabulary_size)
