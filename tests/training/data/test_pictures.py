"""Pictures as training sees them: those that serving sees, and all that are broken named at once."""

from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image, ImageCms

from model.tasks.captioning.captioner import Captioner
from model.vision.preprocessing import useful_side
from training.data.base import DataError
from training.data.pictures import check_pictures, open_picture

Encode = Callable[..., bytes]

KINDS = {
    "1": ["PNG", "TIFF", "BMP"],
    "L": ["PNG", "JPEG", "TIFF", "BMP"],
    "LA": ["PNG", "TIFF"],
    "P": ["PNG", "GIF", "TIFF", "BMP"],
    "RGB": ["PNG", "JPEG", "WEBP", "AVIF", "TIFF", "BMP"],
    "RGBA": ["PNG", "WEBP", "AVIF", "TIFF"],
    "CMYK": ["JPEG", "TIFF"],
    "LAB": ["TIFF"],
    "I;16": ["PNG", "TIFF"],
    "I": ["TIFF"],
    "F": ["TIFF"],
}
"""Mode -> formats that have it."""


def rotated_profile() -> bytes:
    """SRGB with the colours of its three primaries moved on by one place, as bytes of a profile."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    entries = {profile[at : at + 4]: at for at in range(132, 132 + 12 * 24, 12)}
    places = {name: profile[entries[name] + 4 : entries[name] + 12] for name in (b"rXYZ", b"gXYZ", b"bXYZ")}
    moved = bytearray(profile)
    for name, source in zip(places, (b"gXYZ", b"bXYZ", b"rXYZ"), strict=True):
        moved[entries[name] + 4 : entries[name] + 12] = places[source]
    return bytes(moved)


@st.composite
def files(draw: st.DrawFn) -> bytes:
    """A picture's file of any mode, depth, transparency, orientation and profile."""
    mode = draw(st.sampled_from(list(KINDS)))
    size = draw(st.tuples(st.integers(1, 40), st.integers(1, 40)))
    if mode in ("I;16", "I", "F"):
        dtype = {"I;16": np.uint16, "I": np.int32, "F": np.float32}[mode]
        image = Image.fromarray(draw(arrays(dtype, size)))
    else:
        image = Image.frombytes(
            "RGB", size, draw(st.binary(min_size=3 * size[0] * size[1], max_size=3 * size[0] * size[1]))
        )
        image = image.convert("RGBA" if mode == "LA" else mode) if mode != "LAB" else Image.merge("LAB", image.split())
        if mode in ("RGBA", "LA"):
            image.putalpha(image.getchannel(draw(st.sampled_from("RGB"))))
            image = image.convert(mode)
    options: dict[str, Any] = {}
    if draw(st.booleans()):
        options["icc_profile"] = rotated_profile()
    if draw(st.booleans()):
        options["exif"] = Image.Exif()
        options["exif"][0x0112] = draw(st.integers(1, 8))
    if mode == "P" and draw(st.booleans()):
        options["transparency"] = draw(st.integers(0, 255))
    file = BytesIO()
    image.save(file, draw(st.sampled_from(KINDS[mode])), **options)
    return file.getvalue()


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(data=files())
def test_training_sees_the_pictures_that_serving_sees(data: bytes, tiny_captioner: Captioner, tmp_path: Path) -> None:
    file = tmp_path / "picture"
    file.write_bytes(data)
    served = tiny_captioner.open(data).read().rgb
    trained = open_picture(file, useful_side(tiny_captioner.config.encoder.preprocessing))
    assert trained.mode == served.mode == "RGB"
    assert trained.size == served.size
    assert trained.tobytes() == served.tobytes()


def test_every_kind_of_a_picture_looks_the_same(encode: Encode, picture: Image.Image, tmp_path: Path) -> None:
    """16 bits are no brighter than 8, and what is cut out lies on white."""
    grey = picture.convert("L")
    wide = Image.fromarray(np.asarray(grey).astype(np.uint16) * 257)
    share = Image.fromarray(np.asarray(grey).astype(np.float32) / 255)
    for image, format in ((wide, "PNG"), (wide, "TIFF"), (share, "TIFF")):
        (tmp_path / "picture").write_bytes(encode(image, format))
        assert open_picture(tmp_path / "picture").tobytes() == grey.convert("RGB").tobytes()
    cut = Image.new("RGBA", picture.size)
    cut.paste(picture.crop((10, 10, 50, 50)), (10, 10))
    page = Image.new("RGB", picture.size, "white")
    page.paste(picture.crop((10, 10, 50, 50)), (10, 10))
    (tmp_path / "picture").write_bytes(encode(cut))
    assert open_picture(tmp_path / "picture").tobytes() == page.tobytes()


def test_colours_are_those_of_the_profile(encode: Encode, picture: Image.Image, tmp_path: Path) -> None:
    """A picture whose channels were moved on, with a profile that moves the primaries on, looks as it did."""
    red, green, blue = picture.convert("RGB").split()
    moved = Image.merge("RGB", (blue, red, green))
    for format, most in (("PNG", 2), ("TIFF", 2), ("WEBP", 2)):
        options = {"lossless": True} if format == "WEBP" else {}
        (tmp_path / "picture").write_bytes(encode(moved, format, icc_profile=rotated_profile(), **options))
        found = np.asarray(open_picture(tmp_path / "picture")).astype(int)
        right, wrong = (np.abs(found - np.asarray(image)).mean() for image in (picture.convert("RGB"), moved))
        assert min(right, np.abs(found - np.asarray(Image.merge("RGB", (green, blue, red)))).mean()) < most < wrong
    (tmp_path / "picture").write_bytes(encode(picture, icc_profile=b"no profile at all" * 20))
    assert open_picture(tmp_path / "picture").tobytes() == picture.convert("RGB").tobytes()


def test_all_broken_pictures_are_named_at_once(encode: Encode, picture: Image.Image, tmp_path: Path) -> None:
    paths = [tmp_path / f"{number}.png" for number in range(9)]
    for number, path in enumerate(paths):
        path.write_bytes(encode(picture)[: 200 if number in (2, 3, 5, 8) else None])
    with pytest.raises(DataError, match=r"^4 of 9 pictures can't be read") as caught:
        check_pictures(paths)
    assert all(f"{number}.png" in str(caught.value) for number in (2, 3, 5, 8))
    check_pictures([paths[0]])
