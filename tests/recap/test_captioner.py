"""The Python API for captions, over a real, small captioner."""

import os
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from model.checkpoint import Checkpoint, CheckpointError, save
from model.tasks.captioning import CAPTIONING
from model.tasks.captioning.captioner import Captioner as Network
from recap import Caption, Captioner, PictureError, Tag
from tests.conftest import SENTENCES


@pytest.fixture
def captioner(tiny_checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> Captioner:
    monkeypatch.setenv("RECAP_CHECKPOINTS", str(tiny_checkpoint.parent))
    monkeypatch.setenv("RECAP_THREADS", "1")
    return Captioner.load()


def encoded(picture: Image.Image, **options: object) -> bytes:
    file = BytesIO()
    picture.save(file, "PNG", **options)
    return file.getvalue()


def test_a_picture_may_be_a_path_bytes_or_pillows(
    captioner: Captioner, picture: Image.Image, tiny_checkpoint: Path, tmp_path: Path
) -> None:
    path = tmp_path / "picture.png"
    path.write_bytes(encoded(picture))
    ((expected,),) = Checkpoint.open(tiny_checkpoint).load().caption([picture])
    for given in (path, str(path), path.read_bytes(), picture):
        caption = captioner(given)
        assert isinstance(caption, Caption)
        assert caption.text == str(caption) == expected.text
        assert caption.logprob == pytest.approx(expected.logprob, abs=1e-4)


def test_pictures_have_their_captions_in_order(captioner: Captioner, pictures: list[Image.Image]) -> None:
    alone = [captioner(picture) for picture in pictures]
    assert len({caption.text for caption in alone}) == len(SENTENCES)
    assert [caption.text for caption in captioner(pictures * 4)] == [caption.text for caption in alone] * 4
    assert [caption.text for caption in captioner(iter(pictures))] == [caption.text for caption in alone]
    assert captioner([]) == []


def test_a_picture_that_pillow_has_opened_is_set_upright(captioner: Captioner, pictures: list[Image.Image]) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter: to be turned back
    turned = encoded(pictures[1].transpose(Image.Transpose.ROTATE_90), exif=exif)
    with Image.open(BytesIO(turned)) as opened:
        assert captioner(opened) == captioner(pictures[1]) == captioner(turned)


def test_parameters_reach_the_search(captioner: Captioner, picture: Image.Image) -> None:
    assert len(captioner(picture, max_length=3).tokens) == 3
    assert captioner(picture, prefix="two children").text.startswith("two children")
    sampled = {captioner(picture, method="sample", temperature=5, seed=seed).text for seed in range(4)}
    assert len(sampled) > 1
    assert captioner(picture, method="sample", seed=1) == captioner(picture, method="sample", seed=1)
    (attention,) = {len(token.attention or ()) for token in captioner(picture, attention=True).tokens}
    assert attention == 2  # rows of the grid
    assert captioner(picture).tokens[0].attention is None


def test_tags_are_of_one_picture_or_of_each(
    tagged_captioner: Network, tmp_path: Path, pictures: list[Image.Image], captioner: Captioner
) -> None:
    save(tmp_path / "tagged", CAPTIONING, tagged_captioner, name="tagged", metrics={}, card="")
    tagged = Captioner.load(tmp_path / "tagged")
    many = tagged.tags(pictures * 4)
    assert [tags[0].name for tags in many] == ["grass", "water", "man", "bicycle", "fence"] * 4
    alone = tagged.tags(pictures[2])
    assert all(isinstance(tag, Tag) and tag.confidence >= 0.1 for tag in alone)
    assert [tag.name for tag in alone] == [tag.name for tag in many[2]]
    assert "man" not in [tag.name for tag in tagged.tags(pictures[2], neutral=True)]
    assert tagged(pictures[0], min_confidence=0.9).text == "grass, dog"
    with pytest.raises(ValueError, match="tiny has no tagger"):
        captioner.tags(pictures[0])


def test_captions_are_told_as_asked(
    captioner: Captioner, picture: Image.Image, monkeypatch: pytest.MonkeyPatch, tiny_checkpoint: Path
) -> None:
    plain = captioner(picture)
    assert (plain.original, plain.needs_review) == (None, False)
    alt = captioner(picture, format="alt", max_length=3)
    assert (alt.text, alt.original, alt.needs_review) == ("A brown dog", "a brown dog", False)
    withheld = captioner(picture, min_confidence=0.9)
    assert (withheld.text, withheld.original, withheld.needs_review) == ("", plain.text, True)
    monkeypatch.setenv("RECAP_MIN_CONFIDENCE", "0.9")
    assert Captioner.load(tiny_checkpoint)(picture).needs_review
    assert not Captioner.load(tiny_checkpoint)(picture, min_confidence=0).needs_review
    with pytest.raises(ValueError, match=r"^min_confidence=2: input should be less than or equal to 1$"):
        captioner(picture, min_confidence=2)


def test_candidates_come_best_first(captioner: Captioner, picture: Image.Image) -> None:
    found = captioner.candidates(picture, 5)
    assert len({caption.text for caption in found}) == 5
    assert [caption.logprob for caption in found] == sorted((caption.logprob for caption in found), reverse=True)
    assert len(captioner.candidates(picture, 4, method="sample", seed=1)) == 4


def test_wrong_parameters_are_named(captioner: Captioner, picture: Image.Image) -> None:
    with pytest.raises(ValueError, match=r"^beam_size=99: input should be less than or equal to 10$"):
        captioner(picture, beam_size=99)
    with pytest.raises(ValueError, match=r"^min_length=30 is above max_length=20$"):
        captioner(picture, min_length=30)
    with pytest.raises(TypeError, match="beams: no such parameter; there are method, beam_size"):
        captioner(picture, beams=3)
    with pytest.raises(TypeError, match=r"call `candidates\(picture, number\)`"):
        captioner(picture, num_captions=3)
    with pytest.raises(ValueError, match="vocabulary lacks 'xylophone'"):
        captioner(picture, prefix="xylophone")


def test_a_picture_that_cannot_be_read_is_named(captioner: Captioner, picture: Image.Image, tmp_path: Path) -> None:
    path = tmp_path / "notes.jpg"
    path.write_text("no picture")
    with pytest.raises(PictureError, match=r"notes\.jpg: these 10 bytes are not a picture"):
        captioner(path)
    with pytest.raises(PictureError, match=r"^picture 1: this PNG is truncated or damaged$") as raised:
        captioner([picture, encoded(picture)[:200]])
    assert (raised.value.place, raised.value.code) == (1, "damaged_image")
    with pytest.raises(FileNotFoundError, match="nowhere"):
        captioner(tmp_path / "nowhere.jpg")
    with pytest.raises(TypeError, match="picture 0 is of type int"):
        captioner([3])  # type: ignore[list-item]


def test_models_are_found_by_name_and_folder(captioner: Captioner, tiny_checkpoint: Path) -> None:
    assert Captioner.load("tiny").name == Captioner.load(tiny_checkpoint).name == captioner.name == "tiny"
    with pytest.raises(LookupError, match="no model 'nobody'; there is tiny"):
        Captioner.load("nobody")
    with pytest.raises(CheckpointError, match="no such folder"):
        Captioner.load(checkpoints=tiny_checkpoint / "nowhere")


def test_a_language_model_is_no_captioner(tiny_language_checkpoint: Path) -> None:
    with pytest.raises(CheckpointError, match="is a language model, a captioner is needed"):
        Captioner.load(tiny_language_checkpoint)


def test_a_pipe_is_refused_rather_than_waited_for(captioner: Captioner, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="not a regular file"):
        captioner(tmp_path / "pipe")
