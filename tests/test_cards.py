"""Model cards as the Hugging Face Hub reads them."""

from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import ModelCard

from app.routes.models import FRONT_MATTER
from model.checkpoint import CARD, Checkpoint
from model.figures import Figure, figures_of
from tests.conftest import ROOT
from training.front_matter import front_matter

CHECKPOINTS = sorted(path for path in (ROOT / "checkpoints").iterdir() if path.is_dir())


@pytest.mark.parametrize("path", CHECKPOINTS, ids=lambda path: path.name)
def test_cards_of_checkpoints_are_read_with_their_figures(path: Path) -> None:
    checkpoint = Checkpoint.open(path)
    data: Any = ModelCard.load(path / CARD).data
    assert (data.library_name, data.pipeline_tag) == ("recap", checkpoint.task.pipeline)
    assert (data.license, data.model_name) == ("other", checkpoint.name)
    assert "## Data" in checkpoint.card  # where the licence's link leads
    found = {(result.metric_type, result.dataset_split): result.metric_value for result in data.eval_results or []}
    expected = {(figure.name, figure.split): figure.value for figure in figures_of(checkpoint.metrics)}
    assert found == pytest.approx(expected, abs=1e-6)


def test_people_see_the_card_alone() -> None:
    front = front_matter("x", "image-to-text", "photos", [], language="en")
    assert FRONT_MATTER.sub("", f"{front}\n# x\n\n---\n\nend\n") == "# x\n\n---\n\nend\n"
    assert FRONT_MATTER.sub("", "# x\n---\na\n---\n") == "# x\n---\na\n---\n"


def test_new_cards_are_read() -> None:
    figures = [
        Figure(name="CIDEr", label="CIDEr", value=0.5, split="dev", higher_is_better=True),
        Figure(name="CIDEr", label="CIDEr", value=0.4, split="test", higher_is_better=True),
    ]
    card: Any = ModelCard(f"{front_matter('mine: 1', 'image-to-text', 'photos', figures, language='de')}\n# mine\n")
    assert (card.data.model_name, card.data.language) == ("mine: 1", "de")
    assert [result.metric_value for result in card.data.eval_results or []] == [0.5, 0.4]
    assert card.text.strip() == "# mine"
