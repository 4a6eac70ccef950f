"""Characters a second out of a character model: one text and many, against a plain loop over `nn.LSTM`.

python benchmarks/generation.py [CHARACTERS [HIDDEN [LAYERS [TEXTS]]]]

Weights are random, which costs what trained ones do. The loop has the same ones; it is what one writes first: one-hot,
`nn.LSTM`, `nn.Linear`, temperature, softmax and multinomial, a character at a time, in inference mode. Runs take turns.
"""

import platform
import sys
import time
from collections.abc import Iterable

import torch
from torch.nn.functional import one_hot

from model.tasks.text.batch import TextBatch
from model.tasks.text.config import GenerationConfig, LanguageModelConfig
from model.tasks.text.language import LanguageModel
from model.vocabulary import Vocabulary

REPEATS = 3
PROMPT = "ROMEO:\n"
ALPHABET = [chr(code) for code in range(ord(" "), ord("`"))] + ["\n"]
TEMPERATURE = 0.8


@torch.inference_mode()
def plain_loop(model: LanguageModel, characters: int) -> str:
    """The text that a loop over the model's own `nn.LSTM` and `nn.Linear` draws."""
    lstm, output, size = model.recurrent.network, model.output, len(model.vocabulary)
    state = None
    for token in model.encode(PROMPT):
        outputs, state = lstm(one_hot(torch.tensor([[token]]), size).float(), state)
    written = []
    for _ in range(characters):
        probabilities = (output(outputs[:, -1]) / TEMPERATURE).softmax(-1)
        token = int(torch.multinomial(probabilities, 1).item())
        written.append(token)
        outputs, state = lstm(one_hot(torch.tensor([[token]]), size).float(), state)
    return model.decode(written)


def write_texts(batch: TextBatch, characters: int, seeds: Iterable[int]) -> list[str]:
    """Texts side by side."""
    written = {}
    for seed in seeds:
        generation = GenerationConfig(max_tokens=characters, temperature=TEMPERATURE, seed=seed)
        written[batch.join(PROMPT, generation)] = ""
    while batch.free < batch.capacity:
        for stream, delta in batch.step():
            written[stream] += delta.text
    return list(written.values())


def main() -> None:
    """Prints the rates."""
    characters, hidden, layers, texts = (*map(int, sys.argv[1:]), *(400, 512, 3, 32)[len(sys.argv) - 1 :])
    torch.manual_seed(0)
    config = LanguageModelConfig(hidden_size=hidden, num_layers=layers)
    model = LanguageModel(config, Vocabulary.build([ALPHABET])).eval()
    print(f"{platform.machine()}, {torch.get_num_threads()} threads, torch {torch.__version__}")
    print(f"{layers} x {hidden} LSTM, {len(model.vocabulary)} tokens, {characters} characters a text\n")
    batch = TextBatch(model, capacity=texts)
    plain, alone, together = [], [], []
    for _ in range(REPEATS):
        start = time.perf_counter()
        plain_loop(model, characters)
        plain.append(time.perf_counter() - start)
        start = time.perf_counter()
        write_texts(batch, characters, [0])
        alone.append(time.perf_counter() - start)
        start = time.perf_counter()
        side_by_side = write_texts(batch, characters, range(texts))
        together.append(time.perf_counter() - start)
    loop, one, many = (characters * n / min(taken) for n, taken in ((1, plain), (1, alone), (texts, together)))
    print(f"plain loop over nn.LSTM  {loop:9.0f} characters/s")
    print(f"one text                 {one:9.0f} characters/s   {one / loop:.1f} times the loop")
    print(f"{texts} texts                 {many:9.0f} characters/s   {many / one:.1f} times one text", flush=True)
    batch = TextBatch(model, capacity=1)
    prompt = PROMPT * 3000
    start = time.perf_counter()
    batch.join(prompt, GenerationConfig(max_tokens=1))
    while batch.free == 0:
        batch.step()
    print(f"a long prompt is read at {len(prompt) / (time.perf_counter() - start):.0f} characters/s", flush=True)
    same = sum(write_texts(batch, characters, [seed]) == [text] for seed, text in enumerate(side_by_side))
    print(f"{same} of {texts} texts are what they are alone")


if __name__ == "__main__":
    main()
