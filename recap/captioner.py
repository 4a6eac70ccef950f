"""Captions of pictures."""

from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any, overload

import torch
from PIL import Image

from model.files import read_bytes
from model.tasks.captioning import CAPTIONING
from model.tasks.captioning.captioner import Caption
from model.tasks.captioning.captioner import Captioner as Network
from model.tasks.captioning.config import CaptionerConfig, DecodingConfig
from model.tasks.captioning.tagger import Tag
from model.tasks.captioning.wording import Wording, worded
from model.vision import formats
from model.vision.pictures import as_rgb
from recap.loading import Model, configured

__all__ = ["Caption", "Captioner", "Picture", "PictureError", "Tag"]

Picture = str | Path | bytes | Image.Image
"""A picture: the path of a file, a file's bytes, or a picture that Pillow has opened."""

BATCH = 16
"""Pictures that go through the network together."""


class PictureError(ValueError):
    """A picture that can't be read: damaged, too large, or no picture; the message says which one and why."""

    def __init__(self, place: int, name: str | None, fault: formats.PictureError) -> None:
        super().__init__(f"{name or f'picture {place}'}: {fault}")
        self.place = place
        """The picture's place among those that were given, from 0."""
        self.code = fault.code
        """Short, stable name of the reason, as in the HTTP API: `damaged_image`, `image_too_large`, ..."""


class Captioner(Model[CaptionerConfig, Network]):
    """A captioner, ready to use: `Captioner.load()("photo.jpg").text`.

    Calls take keyword arguments for how the words are chosen, those of `POST /v1/captions`: `beam_size`, `max_length`,
    `method="sample"`, `temperature`, `seed`, `neutral`, `prefix` and so on. The checkpoint has a default for each.
    `format="alt"` and `min_confidence` say how captions are told; see `model.tasks.captioning.wording`.
    """

    task = CAPTIONING

    @property
    def defaults(self) -> DecodingConfig:
        """The checkpoint's parameters, which hold where a call gives none."""
        return self.network.config.decoding

    @overload
    def __call__(self, picture: Picture, /, *, attention: bool = False, **decoding: Any) -> Caption: ...

    @overload
    def __call__(
        self, pictures: Iterable[Picture], /, *, attention: bool = False, **decoding: Any
    ) -> list[Caption]: ...

    def __call__(
        self, given: Picture | Iterable[Picture], /, *, attention: bool = False, **decoding: Any
    ) -> Caption | list[Caption]:
        """The best caption of a picture, or those of many pictures in their order.

        With `attention`, each word says where the network looked. Many pictures go through the network in batches.

        Raises:
            PictureError: a picture can't be read.
            OSError: there is no such file, or it is a pipe or a device.
            ValueError, TypeError: a parameter is wrong; the message names it.
        """
        if "num_captions" in decoding:
            raise TypeError("num_captions: call `candidates(picture, number)` for several captions of one picture")
        if isinstance(given, Picture):
            return self._caption([given], attention, {**decoding, "num_captions": 1})[0][0]
        return [caption for caption, *_ in self._caption(given, attention, {**decoding, "num_captions": 1})]

    def candidates(
        self, picture: Picture, number: int = 3, *, attention: bool = False, **decoding: Any
    ) -> list[Caption]:
        """Several captions of one picture, best first; raises what a call does.

        Beam search gets as many beams as captions, if it has fewer by default.
        """
        if decoding.get("method", self.defaults.method) == "beam":
            decoding.setdefault("beam_size", max(self.defaults.beam_size, number))
        return self._caption([picture], attention, {**decoding, "num_captions": number})[0]

    @overload
    def tags(self, picture: Picture, /, *, neutral: bool = False) -> list[Tag]: ...  # type: ignore[overload-overlap]

    @overload
    def tags(self, pictures: Iterable[Picture], /, *, neutral: bool = False) -> list[list[Tag]]: ...

    def tags(self, given: Picture | Iterable[Picture], /, *, neutral: bool = False) -> list[Tag] | list[list[Tag]]:
        """The things in a picture, or in each of many, likeliest first: at most five, of 0.1 confidence or more.

        Raises:
            ValueError: the checkpoint has no tagger.
            PictureError, OSError: as for a call.
        """
        if self.network.tagger is None:
            raise ValueError(f"{self.name} has no tagger")
        pictures = [given] if isinstance(given, Picture) else given
        found = [tags for grid in self._grids(pictures) for tags in self.network.tag(grid, neutral=neutral)]
        return found[0] if isinstance(given, Picture) else found

    def read(self, picture: Picture) -> Image.Image:
        """A picture as the network will see it, but for its size: in RGB, and upright; raises what a call does."""
        return next(self._read([picture]))

    def _caption(self, pictures: Iterable[Picture], attention: bool, given: dict[str, Any]) -> list[list[Caption]]:
        decoding = {name: value for name, value in given.items() if name not in Wording.model_fields}
        config = configured(self.defaults, decoding)
        told = {name: value for name, value in given.items() if name in Wording.model_fields}
        wording = configured(Wording(min_confidence=self._settings.min_confidence), told)
        captions: list[list[Caption]] = []
        for grid in self._grids(pictures):
            tags = self.network.tag(grid, neutral=config.neutral) if wording.min_confidence else [[]] * len(grid)
            for seen, found in zip(tags, self.network.generate(grid, config, attention=attention), strict=True):
                captions.append([worded(caption, seen, wording) for caption in found])
        return captions

    def _grids(self, pictures: Iterable[Picture]) -> Iterator[torch.Tensor]:
        """Pictures in batches, each a grid of features (B, P, E)."""
        images = self._read(pictures)
        while batch := list(islice(images, BATCH)):
            yield self.network.encode(torch.stack([self.network.preprocess(image) for image in batch]))

    def _read(self, pictures: Iterable[Picture]) -> Iterator[Image.Image]:
        """Each picture in RGB, upright."""
        for place, picture in enumerate(pictures):
            if isinstance(picture, Image.Image):
                yield as_rgb(picture)
                continue
            if not isinstance(picture, Picture):
                kind = type(picture).__name__
                raise TypeError(f"picture {place} is of type {kind}; paths, bytes and Pillow's pictures are read")
            data = picture if isinstance(picture, bytes) else read_bytes(Path(picture))
            try:
                yield (
                    self.network.open(data, max_pixels=self._settings.max_pixels, max_side=self._settings.max_dimension)
                    .read()
                    .rgb
                )
            except formats.PictureError as fault:
                raise PictureError(place, None if isinstance(picture, bytes) else str(picture), fault) from None
