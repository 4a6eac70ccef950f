"""The networks of a translator that OpenVINO compiles, and the network around the programs."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from model.cells import State
from model.decoding.search import Step
from model.openvino.program import Network, Program
from model.recurrent import FUSED
from model.tasks.translation.network import Seq2Seq, SourceMemory, TranslationNetwork
from model.tasks.translation.translator import Translator


def translator_networks(translator: Translator) -> dict[str, Network]:
    """The networks of a translator in torch, over sentences of any length.

    `source`: sentences (B, P) to the memory that a step reads; `step`: tokens (N,), states (N, S) and the memory,
    without its start, to log-probabilities (N, V), states (N, S), and attention weights (N, P).

    Raises:
        ValueError: torch has no kernel for the cell. Tracing would unroll the loop over a sentence of one length.
    """
    network, cell = translator.network, translator.config.cell
    assert isinstance(network, Seq2Seq)
    if cell not in FUSED:
        raise ValueError(f"{cell} has no kernel that takes sentences of any length; there are {', '.join(FUSED)}")
    sources = torch.tensor([[4, 5, 6, 7, 8], [9, 10, 4, 0, 0]])  # (B, P)
    with torch.inference_mode():
        memory = network.encode_source(sources)
    rows_per_source = 3  # rows and sources must differ in number, or tracing could take one for the other
    tokens = torch.zeros(len(sources) * rows_per_source, dtype=torch.long)
    state = memory.start.repeat_interleave(rows_per_source, 0)
    inputs = (tokens, state, memory.values, memory.keys, memory.tokens)
    return {
        "source": Network(_Source(network), (sources,), free=(2,)),
        "step": Network(_Step(network), inputs, "int8", free=(1, 1, 2, 2, 2)),
    }


class CompiledMemory(tuple[Tensor, ...]):
    """The outputs of the compiled `source`, in the order of `SourceMemory`."""

    def take(self, sources: Tensor) -> "CompiledMemory":
        """The memory of some of the sentences, by their numbers."""
        return CompiledMemory(part.index_select(0, sources) for part in self)


class CompiledNetwork(TranslationNetwork[CompiledMemory]):
    """A network of compiled programs. Its state is a single tensor (N, S), which is quick to reorder."""

    def __init__(self, programs: Mapping[str, Program]) -> None:
        super().__init__()
        self._source, self._step = programs["source"], programs["step"]

    def encode_source(self, tokens: Tensor) -> CompiledMemory:
        return CompiledMemory(self._source(tokens))

    def initial_state(self, memory: CompiledMemory, rows_per_source: int = 1) -> State:
        return (memory[-1].repeat_interleave(rows_per_source, 0),)

    def step(self, tokens: Tensor, state: State, memory: CompiledMemory) -> Step:
        logits, after, attention = self._step(tokens, *state, *memory[:-1])
        return Step(logits, (after,), attention)


class _Source(nn.Module):
    """A network before its first piece."""

    def __init__(self, network: Seq2Seq) -> None:
        super().__init__()
        self.network = network

    def forward(self, tokens: Tensor) -> tuple[Tensor, ...]:
        return tuple(self.network.encode_source(tokens))


class _Step(nn.Module):
    """A network one piece further, its state packed."""

    def __init__(self, network: Seq2Seq) -> None:
        super().__init__()
        self.network = network

    def forward(
        self, tokens: Tensor, state: Tensor, values: Tensor, keys: Tensor, sources: Tensor
    ) -> tuple[Tensor, ...]:
        parts = state.chunk(self.network.reading.num_states, 1)
        logits, after, attention = self.network.step(tokens, parts, SourceMemory(values, keys, sources, state))
        assert attention is not None
        return logits, torch.cat(after, 1), attention
