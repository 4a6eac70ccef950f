"""Where a synthesiser looks while it speaks: the symbols of a text against the frames of its sound, as a picture.

A decoder with attention draws its weights; one with durations the symbol that each frame is given, which is the
diagonal that attention has to find by itself.
"""

from pathlib import Path

import torch
from matplotlib.figure import Figure
from torch import Tensor

from model.files import replacing
from model.tasks.speech.pronunciations import BREAK, SYMBOLS, Script
from model.tasks.speech.synthesiser import SECONDS, Synthesiser


def weights_of(model: Synthesiser, script: Script, voice: int) -> Tensor:
    """The weights (T, L) of the symbols of a script at each frame, or at each step of a decoder with attention."""
    if model.durations is None:
        return model.attend(script, voice).weights[0].repeat_interleave(model.config.frames_per_step, 0)
    (piece,) = model.plan([script], voice)
    durations = torch.tensor(piece.ends).diff(prepend=torch.zeros(1, dtype=torch.long))  # (L,)
    return torch.eye(len(durations)).repeat_interleave(durations, 0)


def plot(weights: Tensor, script: Script) -> Figure:
    """The picture of weights (T, L): time to the right, symbols upwards."""
    figure = Figure(figsize=(8, 0.12 * len(script.symbols) + 2), layout="constrained")
    axes = figure.add_subplot()
    seconds = SECONDS * len(weights)
    extent = (0.0, seconds, -0.5, len(script.symbols) - 0.5)
    axes.imshow(weights.t().numpy(), aspect="auto", origin="lower", interpolation="none", cmap="magma", extent=extent)
    names = [SYMBOLS[symbol].replace(BREAK, "·") for symbol in script.symbols]
    axes.set_yticks(range(len(names)), names, fontsize=6)
    axes.set_xlabel("seconds")
    return figure


def draw(model: Synthesiser, text: str, voice: int, path: Path) -> float:
    """Draws the first piece of a text to a PNG file.

    Returns:
        The mean of the largest weight at each frame: 1 if it is always sure where it is.
    """
    script = model.scripts(text)[0]
    weights = weights_of(model, script, voice)
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as partial:
        plot(weights, script).savefig(partial, format="png", dpi=130)
    return float(weights.max(-1).values.mean())
