"""Small random networks for searches, and what they say."""

import torch
from hypothesis import strategies as st
from torch import Tensor

from model.cells import State
from model.decoding.config import DecodingConfig
from model.decoding.decode import decode
from model.decoding.hypotheses import Hypotheses, Observer, PictureMemory, rows_per_picture
from model.tasks.captioning.decoder import Step
from model.vocabulary import BOS, EOS, PAD, UNK

WORDS = 7
LENGTH = 5
SEEDS = st.integers(0, 10_000)


class Network:
    """A recurrent network with random weights; each picture starts it in a state of its own."""

    def __init__(self, seed: int, pictures: int, *, vocabulary: int = WORDS, sharpness: float = 2.0) -> None:
        generator = torch.Generator().manual_seed(seed)
        self.recur = torch.randn(6, 6, generator=generator)
        self.embed = torch.randn(vocabulary, 6, generator=generator)
        self.speak = torch.randn(6, vocabulary, generator=generator) * sharpness
        self.pictures = torch.randn(pictures, 6, generator=generator)
        self.rows: list[int] = []
        """Of each step."""

    def step(self, tokens: Tensor, state: State, memory: PictureMemory) -> Step:
        self.rows.append(len(tokens))
        seen = memory[0].repeat_interleave(len(tokens) // len(memory[0]), 0)
        # One row at a time, so that batching does not change a bit of it.
        hidden = torch.stack(
            [
                torch.tanh(row @ self.recur + self.embed[token] + picture)
                for row, token, picture in zip(state[0], tokens, seen, strict=True)
            ]
        )
        return Step(torch.stack([row @ self.speak for row in hidden]), (hidden,), hidden.softmax(1))

    def decode(
        self,
        pictures: Tensor | None = None,
        attention: bool = False,
        prefix: tuple[int, ...] = (),
        observer: Observer | None = None,
        **options: object,
    ) -> Hypotheses:
        pictures = self.pictures if pictures is None else pictures
        decoding = DecodingConfig.model_validate({"max_length": LENGTH, **options})
        start = pictures.repeat_interleave(rows_per_picture(decoding), 0)
        return decode(
            self.step,
            (start,),
            (pictures,),
            len(pictures),
            decoding,
            prefix=prefix,
            attention=attention,
            observer=observer,
        )

    def logprob(self, picture: int, tokens: list[int]) -> float:
        """Of a whole sentence, walked through a word at a time."""
        memory = (self.pictures[picture : picture + 1],)
        state: State = memory
        total, last = 0.0, BOS
        for token in tokens:
            logits, state, _ = self.step(torch.tensor([last]), state, memory)
            total += float(logits.log_softmax(1)[0, token])
            last = token
        return total

    def greedy(self, picture: int) -> list[int]:
        memory = (self.pictures[picture : picture + 1],)
        state: State = memory
        tokens: list[int] = []
        while len(tokens) < LENGTH and EOS not in tokens:
            logits, state, _ = self.step(torch.tensor([tokens[-1] if tokens else BOS]), state, memory)
            logits[:, [PAD, BOS, UNK]] = -torch.inf
            tokens.append(int(logits.argmax()))
        return tokens


def sentence(found: Hypotheses, picture: int, place: int = 0) -> list[int]:
    return [token for token in found.tokens[picture, place].tolist() if token != PAD]
