"""Write the tags of pictures, a line of JSON each.

    python benchmarks/tags.py --checkpoint DIR FOLDER > tags.jsonl

A line has the picture's `file`, its `tags` with their confidence, and as `caption` their names, likeliest first.
"""

import json
from pathlib import Path
from typing import Annotated

import torch
import typer

from model.checkpoint import Checkpoint
from model.tasks.captioning import CAPTIONING
from model.vision.pictures import read_picture


def main(
    folder: Annotated[Path, typer.Argument(help="Folder of JPEG pictures.")],
    checkpoint: Annotated[Path, typer.Option(help="Checkpoint of a captioner with a tagger.")],
    number: Annotated[int, typer.Option(min=1, help="Tags of a picture.")] = 5,
) -> None:
    """Write the tags of pictures."""
    captioner = Checkpoint.open(checkpoint).expect(CAPTIONING).load()
    if captioner.tagger is None:
        raise typer.BadParameter(f"{checkpoint} has no tagger")
    for file in sorted(folder.glob("*.jpg")):
        pixels = captioner.preprocess(read_picture(file.read_bytes()).rgb)  # (3, S, S)
        (tags,) = captioner.tagger.tags_of(captioner.encode(pixels[None]), number)
        named = [{"name": tag.name, "confidence": round(tag.confidence, 4)} for tag in tags]
        typer.echo(json.dumps({"file": file.name, "caption": ", ".join(tag.name for tag in tags), "tags": named}))


if __name__ == "__main__":
    torch.set_num_threads(1)
    typer.run(main)
