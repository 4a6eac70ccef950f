"""A self-critical step of 64 pictures with 5 captions each, against drawing first and teacher forcing afterwards.

Also: the parts of the step, and its CIDEr-D against pycocoevalcap's.

python benchmarks/selfcritical.py DATA CHECKPOINT
"""

import os
import platform
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import torch
import torch.nn.functional as F
from pycocoevalcap.cider.cider import Cider
from torch import Tensor

from model.checkpoint import Checkpoint
from model.openvino.precision import autocast
from model.tasks.captioning import CAPTIONING
from model.tasks.captioning.captioner import Captioner
from model.vocabulary import BOS, EOS, PAD, UNK
from training.data.pictures import open_picture
from training.tasks.captioning.readers import open_dataset
from training.tasks.captioning.reward import Reward
from training.tasks.captioning.sampled_captions import Policy
from training.tasks.captioning.self_critical import leave_one_out, words_said

PICTURES, SAMPLES, LENGTH = 64, 5, 20
T = TypeVar("T")


def timed(work: Callable[[], T], repeats: int = 3) -> tuple[float, T]:
    """Seconds of the fastest run, and what it gave."""
    fastest = float("inf")
    for _ in range(repeats):
        start = time.perf_counter()
        found = work()
        fastest = min(fastest, time.perf_counter() - start)
    return fastest, found


def teacher_forced(captioner: Captioner, grid: Tensor, tokens: Tensor, advantage: Tensor) -> Tensor:
    """The loss of captions (B, K, T) that were drawn before, all words in one product with the output layer."""
    decoder, said = captioner.decoder, tokens.flatten(0, 1)  # (N, T)
    begun = torch.cat([torch.full((len(said), 1), BOS), said[:, :-1]], 1)
    embedded = decoder.embed(begun)  # (N, T, W)
    memory = decoder.encode_source(grid)
    state = decoder.initial_state(memory, tokens.shape[1])
    outputs = []
    for place in range(int((said != PAD).sum(1).max())):
        output, state, _ = decoder.cell_step(embedded[:, place], state, memory)
        outputs.append(output)
    targets = said[:, : len(outputs)]
    spoken = targets != PAD
    logits = decoder.output(torch.stack(outputs, 1)[spoken]).float()  # (M, V)
    logits = logits.index_fill(1, torch.tensor([PAD, BOS, UNK]), float("-inf"))
    weights = advantage.flatten()[:, None].expand_as(targets)[spoken]
    return (F.cross_entropy(logits, targets[spoken], reduction="none") * weights).sum()


def main() -> None:
    """Prints seconds, shares and ratios."""
    train = open_dataset(Path(sys.argv[1])).split("train")
    checkpoint = Checkpoint.open(Path(sys.argv[2]))
    assert checkpoint.task is CAPTIONING
    captioner = checkpoint.load()
    vocabulary = captioner.vocabulary
    pixels = [captioner.preprocess(open_picture(image.path)) for image in train[:PICTURES]]
    grid = captioner.encode(torch.stack(pixels)).clone()  # no longer an inference tensor
    policy = Policy(captioner.decoder)
    uniform = torch.rand(PICTURES, SAMPLES, LENGTH, generator=torch.Generator().manual_seed(1))
    counting, reward = timed(lambda: Reward(train, vocabulary, bleu_weight=0.0, end_token=True), 1)

    def score(tokens: Tensor) -> Tensor:
        said = words_said(tokens)
        rewards = torch.tensor([reward(picture, said[picture]) for picture in range(PICTURES)])
        return rewards - leave_one_out(rewards)

    def draw() -> tuple[Tensor, Tensor]:
        with autocast(captioner.device):
            drawn: tuple[Tensor, Tensor] = policy(grid, uniform)
        return drawn

    def ours() -> Tensor:
        captioner.zero_grad()
        tokens, logprobs = draw()
        (-(score(tokens) * logprobs).sum()).backward()
        return tokens

    def theirs() -> None:
        captioner.zero_grad()
        with torch.no_grad():
            tokens, _ = draw()
        advantage = score(tokens)
        with autocast(captioner.device):
            loss = teacher_forced(captioner, grid, tokens, advantage)
        loss.backward()

    step, tokens = timed(ours)
    slow, _ = timed(theirs)
    drawing, _ = timed(draw)
    scoring, _ = timed(lambda: score(tokens))
    print(f"{platform.machine()}, {os.cpu_count()} cores, {torch.get_num_threads()} threads, torch {torch.__version__}")
    print(f"step                            {step:7.3f} s   {len(train) / PICTURES * step / 60:.1f} min an epoch")
    for name, seconds in (("drawing", drawing), ("reward", scoring), ("gradient", step - drawing - scoring)):
        print(f"  {name:10}                    {seconds:7.3f} s   {seconds / step:.1%}")
    print(f"drawing, then teacher forcing   {slow:7.3f} s   {slow / step:.2f} x")

    words = {
        place: [" ".join(vocabulary.decode(caption)) + " end" * (EOS in caption)]
        for place, caption in enumerate(caption for group in words_said(tokens) for caption in group)
    }
    references = {place: [f"{text} end" for text in train[place // SAMPLES].captions] for place in words}
    published, _ = timed(lambda: Cider().compute_score(references, words))
    print(f"reward of {len(words)} captions          {scoring:7.3f} s   after {counting:.1f} s of counting")
    print(f"pycocoevalcap's CIDEr           {published:7.3f} s   {published / scoring:.1f} x, and of a smaller corpus")


if __name__ == "__main__":
    main()
