"""A captioner as ONNX: the same numbers in ONNX Runtime, and all that a search needs beside them."""

import json
from pathlib import Path
from typing import Any

import numpy
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

from app.cli import cli
from model.tasks.captioning.captioner import Captioner
from model.tasks.captioning.config import DecodingConfig

onnxruntime = pytest.importorskip("onnxruntime", reason="ONNX Runtime is not installed (the extra `onnx`)")
pytest.importorskip("onnxscript", reason="onnxscript is not installed (the extra `onnx`)")

pytestmark = pytest.mark.slow


def test_exported_networks_write_the_captions(
    checkpoints: Path, served: Captioner, pictures: list[Image.Image], tmp_path: Path
) -> None:
    """Greedy search over the exported step, in numpy alone, finds what the captioner's own does."""
    options = ["export", "--onnx", str(tmp_path / "out"), "--checkpoints", str(checkpoints)]
    told = CliRunner().invoke(cli, options, catch_exceptions=False)
    assert told.exit_code == 0
    assert [line.partition(":")[0] for line in told.stdout.splitlines()] == ["encoder", "source", "step"]
    about = json.loads((tmp_path / "out" / "captioner.json").read_text())
    assert about["name"] == "tiny"

    def run(name: str, *inputs: Any) -> list[Any]:
        session = onnxruntime.InferenceSession(str(tmp_path / "out" / f"{name}.onnx"))
        return list(session.run(None, {f"input_{number}": given for number, given in enumerate(inputs)}))

    pixels = torch.stack([served.preprocess(picture) for picture in pictures]).numpy()
    (grid,) = run("encoder", pixels)
    state, *memory = run("source", grid)
    tokens = numpy.full(len(pictures), about["special"]["bos"])
    written: list[list[str]] = [[] for _ in pictures]
    open_ = numpy.ones(len(pictures), bool)
    for _ in range(about["decoding"]["max_length"]):
        logits, state, *_ = run("step", tokens, state, *memory)
        logits[:, [about["special"][name] for name in ("pad", "bos", "unk")]] = -numpy.inf
        tokens = logits.argmax(1)
        open_ &= tokens != about["special"]["eos"]
        for place in numpy.flatnonzero(open_):
            written[place].append(about["vocabulary"][tokens[place]])
    expected = served.caption(pictures, DecodingConfig(method="greedy"))
    assert [" ".join(words) for words in written] == [captions[0].text for captions in expected]
