"""Times a translator, alone and when many ask, and beside a transformer.

    python benchmarks/translation.py CHECKPOINT SENTENCES

SENTENCES is a file with a sentence of the translator's language a line, such as data/multi30k/val.en. The transformer
has the sizes of Marian's models (OPUS-MT) and random weights, which cost what trained ones do; it is told to write as
many pieces as our translations have, with as wide a beam, by `generate` alone: transformers 5 has no pipeline for
translation. It needs the packages of `make bench`, and is left out where they are missing.
"""

import argparse
import asyncio
import itertools
import json
import tempfile
import time
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from statistics import median

import torch
from bench import best_of, ms, on_all_cores, row
from service import ask, serving

from app.serving.loading import Loader
from app.settings import Settings
from model.checkpoint import Checkpoint
from model.tasks.translation import TRANSLATION
from model.tasks.translation.translator import Translator

PATH = "/v1/translations"
CLIENTS = 32
SECONDS = 5.0
"""Length of a turn."""
TURNS = 5
SENTENCES = 200
"""Most sentences of the file that are taken."""
COMPARED = 5
"""Sentences that the transformer translates too."""


async def answers(port: int, bodies: Sequence[bytes], clients: int, seconds: float) -> list[float]:
    """Seconds of each answer to clients that ask for the next sentence as soon as they have one."""
    until = time.perf_counter() + seconds
    waiting = itertools.cycle(bodies)
    taken = []

    async def client() -> None:
        while time.perf_counter() < until:
            answer = await ask(port, next(waiting), path=PATH, content_type="application/json")
            if answer.status != 200:
                raise SystemExit(f"status {answer.status}: {answer.body.decode()}")
            taken.append(answer.seconds)

    await asyncio.gather(*(client() for _ in range(clients)))
    return taken


def over_http(checkpoint: Path, sentences: Sequence[str]) -> None:
    """One client and many, in turns."""
    bodies = [json.dumps({"text": sentence}).encode() for sentence in sentences]
    alone: list[float] = []
    one, many = [], []
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / checkpoint.resolve().name).symlink_to(checkpoint.resolve())
        with serving(Path(folder)) as service:
            asyncio.run(answers(service.port, bodies, CLIENTS, 1.0))  # warm
            for _ in range(TURNS):
                taken = asyncio.run(answers(service.port, bodies, 1, SECONDS))
                alone += taken
                one.append(len(taken) / sum(taken))
                started = time.perf_counter()
                taken = asyncio.run(answers(service.port, bodies, CLIENTS, SECONDS))
                many.append(len(taken) / (time.perf_counter() - started))
    row("a sentence over HTTP, one client, median", ms(median(alone)), "", "", "at most 40 ms")
    rates = f"{median(many):.0f} sentences/s", f"{median(one):.0f} sentences/s"
    row(f"{CLIENTS} clients, against one", *rates, f"{median(many) / median(one):.1f}x", "5x")


def against_marian(translator: Translator, sentences: Sequence[str]) -> None:
    """A sentence in process, by ours and by a transformer."""
    from transformers import MarianConfig, MarianMTModel

    torch.manual_seed(0)
    sizes = {"d_model": 512, "encoder_layers": 6, "decoder_layers": 6}
    heads = {"encoder_attention_heads": 8, "decoder_attention_heads": 8}
    wide = {"encoder_ffn_dim": 2048, "decoder_ffn_dim": 2048}
    config = MarianConfig(
        vocab_size=58_101, pad_token_id=58_100, decoder_start_token_id=58_100, **sizes, **heads, **wide
    )
    marian = MarianMTModel(config).eval()
    beams = translator.config.decoding.beam_size

    def ours(sentence: str) -> Callable[[], object]:
        return lambda: translator.translate([sentence])

    @torch.inference_mode()
    def write(pieces: torch.Tensor, length: int) -> object:
        return marian.generate(pieces, num_beams=beams, min_new_tokens=length, max_new_tokens=length)

    def theirs(sentence: str) -> Callable[[], object]:
        pieces = torch.randint(58_000, (1, len(translator.encode(sentence))))  # (1, P)
        length = len(translator.translate([sentence])[0][0].tokens) + 1  # and the end
        return on_all_cores(lambda: write(pieces, length))

    taken = [best_of([ours(sentence), theirs(sentence)], 3) for sentence in sentences]
    own, other = (sum(times) / len(taken) for times in zip(*taken, strict=True))
    what = f"a sentence in process, beam {beams}, against a transformer of Marian's size"
    row(what, ms(own), ms(other), f"{other / own:.1f}x", "5x")


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=Path, help="a translator")
    parser.add_argument("sentences", type=Path, help="a sentence a line")
    given = parser.parse_args()
    sentences = given.sentences.read_text(encoding="utf-8").splitlines()[:SENTENCES]
    translator = Loader(Settings()).load(Checkpoint.open(given.checkpoint).expect(TRANSLATION))
    print("| what | Recap | the other | ratio | bar |\n|---|--:|--:|--:|--:|")
    over_http(given.checkpoint, sentences)
    if find_spec("transformers") is None:
        print("transformers is missing; run this with the Python of `make bench`, .venv/bench/bin/python")
        return
    against_marian(translator, sentences[:COMPARED])


if __name__ == "__main__":
    main()
