"""Tags: what a tagger says of a grid, and how it travels with a captioner."""

from pathlib import Path

import pytest
import torch

from model.checkpoint import Checkpoint, save
from model.tasks.captioning import CAPTIONING
from model.tasks.captioning.captioner import Captioner
from model.tasks.captioning.config import TaggingConfig
from model.tasks.captioning.tagger import Tagger, Tags

TAGS = Tags(["animal", "dog", "beagle", "ball"], [[], [0], [1, 0], []], [[2, 1, 0], [3]])


def tagger(said: list[float], shown: list[float], config: TaggingConfig | None = None, tags: Tags = TAGS) -> Tagger:
    """A tagger that says the same of every picture: logits of nouns and of classes."""
    made = Tagger(tags, 6, config or TaggingConfig()).requires_grad_(False)
    assert made.classifier is not None
    for linear, bias in ((made.head, said), (made.classifier, shown)):
        linear.weight.zero_()
        linear.bias.copy_(torch.tensor(bias))
    return made


def test_thing_is_there_if_either_sees_it() -> None:
    found = tagger([-30, -30, -30, 0], [30, 0])(torch.rand(2, 4, 6))
    assert found.shape == (2, 4)
    torch.testing.assert_close(found[0], torch.tensor([1.0, 1.0, 1.0, 0.5]))


def test_picture_has_the_same_tags_alone_and_in_a_batch() -> None:
    """To the bit: what is compiled in bfloat16 would make more of a difference."""
    names = [f"thing {number}" for number in range(500)]
    made = Tagger(Tags(names, [[]] * 500, [[number] for number in range(500)]), 1280, TaggingConfig())
    grid = torch.rand(8, 49, 1280)
    with torch.inference_mode():
        assert torch.equal(made(grid), torch.cat([made(one) for one in grid.split(1)]))


def test_calibration_is_of_the_head_alone() -> None:
    found = tagger([-30, 1, -30, 2], [0, 0], TaggingConfig(intercept=-1.0, slope=0.5))(torch.rand(1, 4, 6))[0]
    head = torch.tensor([-1.0 - 15, -0.5, -1.0 - 15, 0.0]).sigmoid()
    torch.testing.assert_close(found, 1 - (1 - head) * 0.5)


def test_noun_that_was_never_learnt_is_left_to_the_classifier() -> None:
    tags = Tags(TAGS.names, TAGS.broader, TAGS.classes, [1, 0])
    made = tagger([5, 0], [30, 0], tags=tags)
    torch.testing.assert_close(made(torch.rand(1, 4, 6))[0], torch.tensor([1.0, 1.0, 1.0, 0.0]))
    made = tagger([5, 0], [-30, 30], tags=tags)
    torch.testing.assert_close(
        made(torch.rand(1, 4, 6))[0], torch.tensor([0.5, 0.0, 0.0, 1.0]) + torch.tensor([0, 0.993307, 0, 0])
    )


def test_broader_tags_are_left_out_beside_their_kind() -> None:
    (found,) = tagger([-30, -30, -30, -1], [9, 0]).tags_of(torch.rand(1, 4, 6))
    assert [tag.name for tag in found] == ["beagle", "ball"]
    (found,) = tagger([3, 0, -3, -30], [-9, 9]).tags_of(torch.rand(1, 4, 6), 2)
    assert [tag.name for tag in found] == ["ball", "dog"]


def test_unsure_tags_are_left_out_where_they_are() -> None:
    made = tagger([-30, -30, -30, -1], [0, -30])
    assert [tag.name for tag in made.tags_of(torch.rand(1, 4, 6), least=0.3)[0]] == ["beagle"]
    assert made.tags_of(torch.rand(2, 4, 6), 0) == [[], []]


def test_neutral_tags_name_no_gender() -> None:
    names = ["person", "man", "woman", "wife", "military man", "mantis", "child", "boy"]
    made = Tagger(Tags(names, [[], [0], [0], [0], [1, 0], [], [0], [6, 0]]), 6, TaggingConfig()).requires_grad_(False)
    made.head.weight.zero_()
    made.head.bias.copy_(torch.tensor([-3.0, 1.0, -1.0, 0.0, -2.0, 0.5, -3.0, -1.5]))
    (plain,), (neutral,) = made.tags_of(torch.rand(1, 4, 6)), made.tags_of(torch.rand(1, 4, 6), neutral=True)
    assert [tag.name for tag in plain] == ["man", "mantis", "wife", "woman", "boy"]
    assert [tag.name for tag in neutral] == ["person", "mantis", "child"]
    assert neutral[0].confidence == plain[0].confidence  # as likely as the likeliest of those it stands for
    assert neutral[2].confidence == plain[4].confidence


@pytest.mark.parametrize(
    ("names", "broader", "message"),
    [(["a", "a"], [[], []], "twice"), (["a"], [[], []], "2 rows"), (["a", "b"], [[2], []], "none of the 2 tags")],
)
def test_tags_that_make_no_sense_are_refused(names: list[str], broader: list[list[int]], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Tags(names, broader)


@pytest.mark.parametrize("text", ["[]", '{"names": ["a"]}', "no JSON", '{"names": ["a"], "broader": [["a"]]}'])
def test_file_that_is_no_tags_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "tags.json").write_text(text)
    with pytest.raises(ValueError, match="tags are names, broader, classes and learnt"):
        Tags.read(tmp_path / "tags.json")


def test_tagger_travels_in_a_checkpoint(tiny_captioner: Captioner, tmp_path: Path) -> None:
    config = tiny_captioner.config.model_copy(update={"tagging": TaggingConfig(slope=0.5)})
    tagged = Captioner(config, tiny_captioner.vocabulary, tags=TAGS).eval()
    tagged.load_state_dict(tiny_captioner.state_dict(), strict=False)
    save(tmp_path / "tagged", CAPTIONING, tagged, name="tagged", metrics={}, card="")
    loaded = Checkpoint.open(tmp_path / "tagged").expect(CAPTIONING).load()
    assert loaded.tags is not None
    assert loaded.tags.names == TAGS.names
    assert loaded.tagger is not None
    assert tagged.tagger is not None
    grid = torch.rand(2, 4, tagged.tagger.head.in_features)
    torch.testing.assert_close(loaded.tagger(grid), tagged.tagger(grid), atol=2e-3, rtol=0)


def test_captioner_without_tags_writes_none(tiny_captioner: Captioner, tmp_path: Path) -> None:
    save(tmp_path / "plain", CAPTIONING, tiny_captioner, name="plain", metrics={}, card="")
    assert not (tmp_path / "plain" / "tags.json").exists()
    assert Checkpoint.open(tmp_path / "plain").expect(CAPTIONING).load().tagger is None
