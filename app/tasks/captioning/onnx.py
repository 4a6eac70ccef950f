"""A captioner's networks as ONNX, for runtimes of other languages and devices, and the check that they are the same.

`encoder` takes pictures to grids, `seen` grids to the words of the tags that a tag reader reads, `source` both to the
state before the first word and what each step reads, and `step` goes a word further. The search over `step` is the
caller's: `captioner.json` has the vocabulary and whatever else it needs.
"""

import json
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from model.files import replacing
from model.openvino.program import Network
from model.tasks.captioning.captioner import Captioner
from model.tasks.captioning.networks import captioner_networks
from model.vocabulary import BOS, EOS, PAD, UNK

NAMES = ("encoder", "seen", "source", "step")
TOLERANCE = 1e-3
"""Largest difference between torch's outputs and ONNX Runtime's, relative to the largest output."""
OPSET = 18


class ExportError(Exception):
    """An export that can't be made or is not the same as the captioner; the message says why."""


@dataclass(frozen=True)
class Check:
    """A network that has been compared."""

    name: str
    difference: float
    """Largest difference from torch, relative to the largest output."""
    megabytes: float


def export(captioner: Captioner, folder: Path, about: dict[str, Any]) -> list[Check]:
    """Writes the networks and `captioner.json` into a folder, and compares each with torch in ONNX Runtime.

    Args:
        captioner: in torch, in evaluation mode.
        folder: made if it is not there.
        about: name and digest, for `captioner.json`.

    Raises:
        ExportError: a library is missing, or a network is not the same.
        OSError: the folder can't be written.
    """
    try:
        import onnxruntime
        import onnxscript  # noqa: F401 (torch's exporter needs it)
    except ModuleNotFoundError as error:
        raise ExportError(f"{error.name} is not installed: pip install 'recap-captioner[onnx]'") from None
    folder.mkdir(parents=True, exist_ok=True)
    size = captioner.config.encoder.preprocessing.size
    pixels = torch.rand(2, 3, size, size, generator=torch.Generator().manual_seed(0))
    networks = captioner_networks(captioner) | {"encoder": Network(captioner.encoder, (pixels,))}
    checks, shapes = [], {}
    if captioner.decoder.reads_tags:
        networks["seen"] = Network(_Seen(captioner), networks["source"].example[:1])
    for name in filter(networks.__contains__, NAMES):
        network, file = networks[name], folder / f"{name}.onnx"
        with replacing(file) as partial:
            _write(network.module, network.example, partial)
        session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
        checks.append(Check(name, _difference(session, network), file.stat().st_size / 1e6))
        if checks[-1].difference > TOLERANCE:
            raise ExportError(f"{file} differs from torch by {checks[-1].difference:.1e}: it is not to be used")
        shapes[name] = [{"name": node.name, "shape": node.shape} for node in session.get_inputs()]
    document = about | {
        "preprocessing": captioner.config.encoder.preprocessing.model_dump(mode="json"),
        "decoding": captioner.config.decoding.model_dump(mode="json"),
        "calibration": captioner.config.calibration and captioner.config.calibration.model_dump(),
        "inputs": shapes,
        "special": {"pad": PAD, "bos": BOS, "eos": EOS, "unk": UNK},
        "vocabulary": list(captioner.vocabulary.words),
    }
    with replacing(folder / "captioner.json") as partial:
        partial.write_text(json.dumps(document, ensure_ascii=False) + "\n", encoding="utf-8")
    return checks


class _Seen(nn.Module):
    """The words of the likeliest tags (B, K), and their logits (B, K)."""

    def __init__(self, captioner: Captioner) -> None:
        super().__init__()
        self.captioner = captioner

    def forward(self, grid: Tensor) -> tuple[Tensor, ...]:
        tagger, features = self.captioner.tagger, grid.mean(1)  # (B, E)
        assert tagger is not None
        # All pictures together, where serving takes one at a time: in single precision their company does not matter.
        tags = tagger.probabilities(tagger.logits(features), tagger.shown(features), tagger.config)  # (B, V')
        seen = self.captioner.seen(grid, tags)
        assert seen is not None
        return tuple(seen)


class _Flat(nn.Module):
    """A module all of whose inputs stand in one list, as the exporter wants them to be told."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, *inputs: Tensor) -> Any:
        return self.module(*inputs)


def _write(module: nn.Module, example: tuple[Tensor, ...], file: Path) -> None:
    """Writes a module, whose inputs may have any number of rows."""
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's own
        torch.onnx.export(
            _Flat(module).eval(),
            example,
            str(file),
            input_names=[f"input_{number}" for number in range(len(example))],
            dynamic_shapes=(tuple({0: torch.export.Dim.DYNAMIC} for _ in example),),
            opset_version=OPSET,
            dynamo=True,
            external_data=False,
            verbose=False,
        )


def _difference(session: Any, network: Network) -> float:
    """The largest difference from torch, with another number of rows than the network was traced with."""
    example = tuple(part[: len(part) // 2] for part in network.example)  # half of the pictures
    with torch.inference_mode():
        expected = network.module(*example)
    expected = expected if isinstance(expected, tuple) else (expected,)
    names = [node.name for node in session.get_inputs()]
    given = dict(zip(network_inputs(session, network), [part.numpy() for part in example], strict=True))
    found = session.run(None, {name: given[name] for name in names})
    return max(
        float((torch.from_numpy(ours) - theirs).abs().max() / theirs.abs().max().clamp(min=1e-6))
        for ours, theirs in zip(found, expected, strict=True)
    )


def network_inputs(session: Any, network: Network) -> list[str]:
    """Names of a network's inputs, in their order."""
    return [f"input_{number}" for number in range(len(network.example))]
