"""The average of checkpoints' weights."""

import copy
from pathlib import Path

import pytest
import torch

from model.captioner import Captioner
from model.checkpoint import CheckpointError, save
from model.config import DecodingConfig
from training.publish import publish_captioner
from training.recipe import SoupRecipe
from training.soup import average


@pytest.fixture
def further(tiny_captioner: Captioner, tmp_path: Path) -> Path:
    """A checkpoint as if trained from `tiny_checkpoint`: each weight of the decoder is larger by a half."""
    captioner = copy.deepcopy(tiny_captioner)
    with torch.no_grad():
        for parameter in captioner.decoder.parameters():
            parameter.add_(0.5)
    return save(tmp_path / "checkpoints" / "further", captioner, name="further", metrics={}, card="").path


def test_weights_lie_where_the_shares_say(tiny_checkpoint: Path, further: Path) -> None:
    one, two = average({tiny_checkpoint: 1.0}), average({further: 1.0})
    soup = average({tiny_checkpoint: 3.0, further: 1.0})
    for name, tensor in soup.state_dict().items():
        if tensor.is_floating_point():
            expected = 0.75 * one.state_dict()[name] + 0.25 * two.state_dict()[name]
            torch.testing.assert_close(tensor, expected)
        else:
            assert torch.equal(tensor, one.state_dict()[name])
    assert not torch.equal(soup.decoder.output.bias, one.decoder.output.bias)


def test_others_are_refused(tiny_checkpoint: Path, other_captioner: Captioner, tmp_path: Path) -> None:
    other = save(tmp_path / "checkpoints" / "other", other_captioner, name="other", metrics={}, card="").path
    with pytest.raises(CheckpointError, match=r"other: its encoder, decoder or words are not those of .*tiny"):
        average({tiny_checkpoint: 1.0, other: 1.0})


@pytest.mark.usefixtures("no_java")
def test_published_with_its_figures(tiny_checkpoint: Path, further: Path, tiny_data: Path, tmp_path: Path) -> None:
    recipe = SoupRecipe.model_validate(
        {
            "name": "soup",
            "output": tmp_path / "soup",
            "run": tmp_path / "run",
            "data": {"path": tiny_data},
            "shares": {tiny_checkpoint: 0.5, further: 0.5},
            "decoding": DecodingConfig(beam_size=2),
        }
    )
    checkpoint = publish_captioner(recipe, average(recipe.shares, recipe.decoding), seconds=1)
    assert checkpoint.metrics["beam_size"] == 2
    assert checkpoint.metrics["git_revision"] is None  # there is no git either, which must not cost the checkpoint
    assert checkpoint.metrics["recipe"]["shares"] == {str(tiny_checkpoint): 0.5, str(further): 0.5}
    assert f"the average of those of\n{tiny_checkpoint} and {further}" in (checkpoint.path / "README.md").read_text()
