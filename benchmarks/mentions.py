"""Captions that must say a confident tag: what that costs where people have said what is there, and what it names.

    python benchmarks/mentions.py --checkpoint DIR --out DIR data/flickr8k data/coco data/imagenet_samples

Of a data set, dev is captioned and scored; of a folder of pictures, captions are written for name-score, a line of JSON
each. The time of a caption is the processor's, on one thread, with and without in turn.
"""

import json
import statistics
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Annotated

import torch
import typer
from torch import Tensor

from model.checkpoint import Checkpoint
from model.tasks.captioning import CAPTIONING
from model.tasks.captioning.captioner import Captioner
from model.tasks.captioning.config import DecodingConfig
from training.data.pictures import open_picture
from training.tasks.captioning.metrics import CaptionScorer
from training.tasks.captioning.readers import CaptionedImage, open_dataset
from training.tasks.captioning.wording import WORDING

BATCH = 25
MENTIONS = [1.0, 0.5, 0.7, 0.3]
SCORES = ("CIDEr", "BLEU-4", "unique", *WORDING)


def main(
    data: Annotated[list[Path], typer.Argument(help="Data sets, and folders of JPEG pictures.")],
    checkpoint: Annotated[Path, typer.Option(help="Checkpoint of a captioner with a tagger.")],
    out: Annotated[Path, typer.Option(help="Folder for the captions.")],
    mention: Annotated[
        list[float], typer.Option(help="Confidence from which a tag must be said; 1 is off.")
    ] = MENTIONS,
    timed: Annotated[int, typer.Option(min=2, help="Pictures that are timed.")] = 60,
) -> None:
    """Caption pictures with and without mentions."""
    captioner = Checkpoint.open(checkpoint).expect(CAPTIONING).load()
    out.mkdir(parents=True, exist_ok=True)
    settings = [captioner.config.decoding.model_copy(update={"mention": value}) for value in mention]
    first: list[Tensor] = []
    for path in data:
        pictures = sorted(path.glob("*.jpg"))
        images = [] if pictures else open_dataset(path).split("dev")
        files = pictures or [image.path for image in images]
        grids = list(encoded(captioner, files))
        first = first or grids
        for decoding in settings:
            found = [best[0].text for grid in grids for best in captioner.generate(grid, decoding)]
            written = out / f"{path.name}-{decoding.mention:g}.jsonl"
            lines = ({"file": file.name, "caption": text} for file, text in zip(files, found, strict=True))
            written.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
            named = (captioner.to_mention(decoding, captioner.tagger(grid)) for grid in grids if captioner.tagger)
            asked = sum(int(mentions.asked.sum()) for mentions in named if mentions)
            typer.echo(
                f"{written.stem}: {len(found)} captions, {asked} with something to mention{scored(images, found)}"
            )
    times = paired(captioner, torch.cat(first)[:timed], settings)
    for decoding, milliseconds in zip(settings, times, strict=True):
        typer.echo(f"mention {decoding.mention:g}: {milliseconds:.1f} ms to generate")


def encoded(captioner: Captioner, files: list[Path]) -> Iterator[Tensor]:
    """Grids of pictures, in batches: (B, P, E) each."""
    for place in range(0, len(files), BATCH):
        pixels = [captioner.preprocess(open_picture(file)) for file in files[place : place + BATCH]]
        yield captioner.encode(torch.stack(pixels))


def scored(images: Sequence[CaptionedImage], captions: Iterable[str]) -> str:
    """The scores of captions, if the pictures have some by people."""
    if not images:
        return ""
    scorer = CaptionScorer({str(image.path): image.captions for image in images})
    pairs = zip(images, captions, strict=True)
    scores = scorer.score({str(image.path): text for image, text in pairs}, metrics=SCORES)
    return "".join(f", {name} {scores[name]:.3f}" for name in ("CIDEr", "BLEU-4", "unique", "bad_endings"))


def paired(captioner: Captioner, grids: Tensor, settings: list[DecodingConfig]) -> list[float]:
    """Mean processor's time of a caption by each of the settings, in milliseconds, which take turns at each picture."""
    times: list[list[float]] = [[] for _ in settings]
    for grid in grids.split(1):
        for decoding, own in zip(settings, times, strict=True):
            began = time.process_time()
            captioner.generate(grid, decoding)
            own.append(1000 * (time.process_time() - began))
    return [statistics.mean(own[1:]) for own in times]


if __name__ == "__main__":
    torch.set_num_threads(1)
    typer.run(main)
