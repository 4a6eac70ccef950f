"""Captions in metadata: read back by Exiv2 and Pillow, pixels untouched, and a person's text never replaced."""

from pathlib import Path
from typing import Any

import pyexiv2
import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from app.cli import cli
from app.tasks.captioning.metadata import MetadataError, PersonsTextError, embed, write_sidecar
from model.tasks.captioning.captioner import Captioner

TEXTS = ("Xmp.dc.description", "Xmp.iptc.AltTextAccessibility")
pyexiv2.set_log_level(4)


def xmp(file: Path) -> dict[str, Any]:
    """The XMP of a picture or a sidecar, as Exiv2 reads it."""
    with pyexiv2.Image(str(file)) as found:
        return dict(found.read_xmp())


def texts(file: Path) -> set[str]:
    found = xmp(file)
    return {next(iter(found[name].values())) for name in TEXTS if name in found}


@pytest.fixture(params=["JPEG", "PNG"])
def photo(request: pytest.FixtureRequest, picture: Image.Image, tmp_path: Path) -> Path:
    file = tmp_path / f"photo.{request.param.lower()}"
    picture.save(file)
    return file


def packets(picture: Image.Image) -> list[bytes | str]:
    """The XMP of a picture, as Pillow finds it."""
    return [picture.info[name] for name in ("xmp", "XML:com.adobe.xmp") if name in picture.info]


def pixels(file: Path) -> bytes:
    with Image.open(file) as picture:
        return picture.tobytes()


def test_embedded_caption_is_read_by_others_and_nothing_else_changes(photo: Path) -> None:
    with pyexiv2.Image(str(photo)) as file:
        file.modify_exif({"Exif.Image.Artist": "Ann", "Exif.Photo.DateTimeOriginal": "2026:01:02 03:04:05"})
        file.modify_xmp(
            {"Xmp.xmp.Rating": "4", "Xmp.dc.subject": ["dog", "beach"], "Xmp.lr.hierarchicalSubject": ["a|b"]}
        )
    before = pixels(photo)
    embed(photo, "A dog runs & jumps <on> sand", "tiny 0123")
    assert texts(photo) == {"A dog runs & jumps <on> sand"}
    found = xmp(photo)
    assert (found["Xmp.xmp.Rating"], found["Xmp.dc.subject"]) == ("4", ["dog", "beach"])
    assert found["Xmp.lr.hierarchicalSubject"] == ["a|b"]
    assert pixels(photo) == before
    with pyexiv2.Image(str(photo)) as file:
        assert file.read_exif()["Exif.Image.Artist"] == "Ann"
    with Image.open(photo) as picture:
        assert b"tiny 0123" in b"".join(part if isinstance(part, bytes) else part.encode() for part in packets(picture))


def test_own_text_is_replaced_and_a_persons_is_not(photo: Path) -> None:
    embed(photo, "a cat", "tiny 1")
    embed(photo, "a dog", "tiny 2")
    assert texts(photo) == {"a dog"}
    with pyexiv2.Image(str(photo)) as file:
        file.modify_xmp({"Xmp.dc.description": {'lang="x-default"': "Rex at home"}})
    before = photo.read_bytes()
    for write in (embed, write_sidecar):
        with pytest.raises(PersonsTextError):
            write(photo, "a dog", "tiny 2")
    assert photo.read_bytes() == before
    assert not photo.with_name(f"{photo.name}.xmp").exists()


@pytest.mark.parametrize("name", TEXTS)
def test_either_property_is_a_persons_text(photo: Path, name: str) -> None:
    with pyexiv2.Image(str(photo)) as file:
        file.modify_xmp({name: {'lang="de"': "Rex daheim"}})
    with pytest.raises(PersonsTextError):
        embed(photo, "a dog", "tiny")


def test_captions_in_iptcs_older_form_are_a_persons(picture: Image.Image, tmp_path: Path) -> None:
    picture.save(photo := tmp_path / "a.jpg")
    with pyexiv2.Image(str(photo)) as file:
        file.modify_iptc({"Iptc.Application2.Caption": "Rex at home"})
    with pytest.raises(PersonsTextError):
        embed(photo, "a dog", "tiny")


def test_sidecar_keeps_what_it_has(photo: Path) -> None:
    sidecar = photo.with_name(f"{photo.name}.xmp")
    before = photo.read_bytes()
    write_sidecar(photo, "a dog", "tiny")
    with pyexiv2.Image(str(sidecar)) as file:
        file.modify_xmp({"Xmp.xmp.Rating": "3"})
    write_sidecar(photo, "a brown dog", "tiny")
    assert (texts(sidecar), xmp(sidecar)["Xmp.xmp.Rating"]) == ({"a brown dog"}, "3")
    assert photo.read_bytes() == before
    other = photo.with_suffix(".xmp")
    sidecar.rename(other)
    other.write_text(other.read_text().replace("a brown dog", "Rex"))
    for write in (embed, write_sidecar):
        with pytest.raises(PersonsTextError):
            write(photo, "a dog", "tiny")


def test_what_is_no_xmp_stays_as_it_is(photo: Path) -> None:
    sidecar = photo.with_name(f"{photo.name}.xmp")
    for text in ("hello", "<a/>", '<!DOCTYPE x [<!ENTITY a "b">]><x>&a;</x>'):
        sidecar.write_text(text)
        with pytest.raises(MetadataError, match="its XMP"):
            write_sidecar(photo, "a dog", "tiny")
        assert sidecar.read_text() == text


def test_other_formats_have_sidecars_alone(picture: Image.Image, tmp_path: Path) -> None:
    picture.save(photo := tmp_path / "a.webp")
    with pytest.raises(MetadataError, match="--write sidecar takes all formats"):
        embed(photo, "a dog", "tiny")
    write_sidecar(photo, "a dog", "tiny")
    assert texts(tmp_path / "a.webp.xmp") == {"a dog"}


@pytest.mark.parametrize("where", ["sidecar", "embed"])
def test_command_writes_captions_but_over_no_persons_text(
    pictures: list[Image.Image],
    tmp_path: Path,
    checkpoints: Path,
    served: Captioner,
    monkeypatch: pytest.MonkeyPatch,
    where: str,
) -> None:
    monkeypatch.setenv("RECAP_CHECKPOINTS", str(checkpoints))
    monkeypatch.setenv("RECAP_THREADS", "1")
    folder = tmp_path / "photos"
    folder.mkdir()
    for number, picture in enumerate(pictures[:3]):
        picture.save(folder / f"{number}.png")
    with pyexiv2.Image(str(folder / "1.png")) as file:
        file.modify_xmp({"Xmp.dc.description": "Rex"})

    def recap() -> Result:
        return CliRunner().invoke(cli, ["caption", str(folder), "--write", where], catch_exceptions=False)

    result = recap()
    assert result.exit_code == 0
    assert "captions written: 2; left alone, with a person's text: 1" in result.stderr
    for number in (0, 2):
        ((caption,),) = served.caption([pictures[number]])
        assert texts(folder / f"{number}.png{'.xmp' if where == 'sidecar' else ''}") == {caption.text}
    assert next(iter(xmp(folder / "1.png")["Xmp.dc.description"].values())) == "Rex"
    assert "captions written: 2" in recap().stderr
