"""The weights of several checkpoints, averaged into one model that costs as much as any of them.

Wortsman et al., "Model soups: averaging weights of multiple fine-tuned models improves accuracy without increasing
inference time" (2022); between a start and what was trained from it, "Robust fine-tuning of zero-shot models" (2022).
"""

from collections.abc import Mapping
from pathlib import Path

from model.captioner import Captioner
from model.checkpoint import CheckpointError
from model.config import CaptionerConfig, DecoderConfig, DecodingConfig
from training.start import open_captioner


def average(shares: Mapping[Path, float], decoding: DecodingConfig | None = None) -> Captioner:
    """One captioner from those of several checkpoints, which should have been trained one from the other.

    Args:
        shares: of each checkpoint in the average; they are divided by their sum.
        decoding: in place of the first's, unless None.

    Raises:
        CheckpointError: one is missing or damaged, no captioner, or not built as the first.
    """
    first, *others = shares
    soup = open_captioner(first)
    whole = sum(shares.values())
    weights = {
        name: tensor * (shares[first] / whole) if tensor.is_floating_point() else tensor
        for name, tensor in soup.state_dict().items()
    }
    for path in others:
        captioner = open_captioner(path)
        if _built(captioner) != _built(soup):
            raise CheckpointError(f"{path}: its encoder, decoder or words are not those of {first}")
        for name, tensor in captioner.state_dict().items():
            if tensor.is_floating_point():
                weights[name] = weights[name] + tensor * (shares[path] / whole)
    soup.load_state_dict(weights)
    soup.config = CaptionerConfig(
        encoder=soup.config.encoder, decoder=soup.config.decoder, decoding=decoding or soup.config.decoding
    )
    return soup


def _built(captioner: Captioner) -> tuple[object, ...]:
    """What two captioners must share for their weights to mean the same."""
    decoder: DecoderConfig = captioner.config.decoder.model_copy(update={"dropout": 0.0})
    return captioner.config.encoder, decoder, captioner.vocabulary
