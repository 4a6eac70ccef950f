"""Labels of pictures: what is there, what is not, and what nobody knows."""

from pathlib import Path

import pytest
import torch

from training.data.base import DataError
from training.tasks.captioning.nouns import Noun, Nouns
from training.tasks.captioning.tag_labels import (
    WEIGHT,
    caption_labels,
    caption_targets,
    object_labels,
    read_objects,
    with_objects,
)

NOUNS = Nouns(
    [Noun("animal", (), ()), Noun("dog", (), ("animal",)), Noun("beagle", (), ("dog", "animal")), Noun("tv", (), ())]
)
ANIMAL, DOG, BEAGLE, TV = range(4)


def test_nouns_of_captions_with_what_they_are_kinds_of() -> None:
    targets = caption_targets(NOUNS, [["Two dogs", "A tv"], ["Nothing at all"]])
    assert targets.tolist() == [[1, 1, 0, 1], [0, 0, 0, 0]]


def test_what_may_be_there_is_unknown() -> None:
    targets = caption_targets(NOUNS, [["a dog"], ["grass"]])
    shown = torch.tensor([[0, 0, 0, 0.0], [0, 0, 0, 0.3]])
    labels = caption_labels(NOUNS, targets, shown, 0.1)
    assert labels.weights.tolist() == [[1, 1, 0, 1], [1, 1, 1, 0]]  # the dog's breed; what the classifier sees


def test_objects_tell_of_their_own_nouns_alone(tmp_path: Path) -> None:
    (tmp_path / "objects.csv").write_text("image,tags\na.jpg,dog:0.9\nb.jpg,tvmonitor:0.5 dog:0.4\nc.jpg,\n")
    objects = read_objects(tmp_path / "objects.csv")
    assert objects == {"a.jpg": {"dog": 0.9}, "b.jpg": {"tvmonitor": 0.5, "dog": 0.4}, "c.jpg": {}}
    labels = object_labels(NOUNS, list(objects.values()))
    assert labels.targets.tolist() == [[1, 1, 0, 0], [1, 1, 0, 1], [0, 0, 0, 0]]
    assert labels.weights.tolist() == [[WEIGHT, WEIGHT, 0, WEIGHT]] * 2 + [[0, WEIGHT, 0, WEIGHT]]


def test_objects_add_to_captions() -> None:
    targets = caption_targets(NOUNS, [["a dog"]])
    labels = with_objects(caption_labels(NOUNS, targets, torch.zeros(1, 4), 0.1), object_labels(NOUNS, [{"tv": 0.9}]))
    assert labels.targets.tolist() == [[1, 1, 0, 1]]
    assert labels.weights.tolist() == [[1, 1, 0, WEIGHT]]


def test_object_that_is_no_noun_is_an_error() -> None:
    with pytest.raises(DataError, match="no noun for the object 'gizmo'"):
        object_labels(NOUNS, [{"gizmo": 1.0}])


@pytest.mark.parametrize("text", ["image,objects\na,dog:1\n", "image,tags\na,dog:much\n", "image,tags\na,dog\n"])
def test_table_of_objects_that_is_malformed_is_an_error(tmp_path: Path, text: str) -> None:
    (tmp_path / "objects.csv").write_text(text)
    with pytest.raises(DataError, match="not a table of image,tags"):
        read_objects(tmp_path / "objects.csv")
