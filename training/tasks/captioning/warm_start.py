"""The checkpoint that training goes on from."""

from pathlib import Path

from model.checkpoint import Checkpoint
from model.tasks.captioning import CAPTIONING
from model.tasks.captioning.captioner import Captioner
from model.tasks.captioning.config import CaptionerConfig, DecodingConfig


def open_captioner(path: Path) -> Captioner:
    """The captioner of a checkpoint.

    Raises:
        CheckpointError: it is missing or damaged, or no captioner.
    """
    return Checkpoint.open(path).expect(CAPTIONING).load()


def start_from(path: Path, *, dropout: float, decoding: DecodingConfig | None, size: int | None = None) -> Captioner:
    """The captioner of a checkpoint, set up to be trained further.

    Dropout replaces the checkpoint's; so do decoding and the side S of the pictures, `size`, unless they are None.

    Raises:
        CheckpointError: it is missing or damaged, or no captioner.
    """
    loaded = open_captioner(path)
    encoder = loaded.config.encoder
    if size is not None:
        encoder = encoder.model_copy(update={"preprocessing": encoder.preprocessing.model_copy(update={"size": size})})
    decoder = loaded.config.decoder.model_copy(update={"dropout": dropout})
    config = CaptionerConfig(
        encoder=encoder, decoder=decoder, decoding=decoding or loaded.config.decoding, tagging=loaded.config.tagging
    )
    captioner = Captioner(config, loaded.vocabulary, tags=loaded.tags)
    captioner.load_state_dict(loaded.state_dict())
    captioner.encoder.eval()
    return captioner
