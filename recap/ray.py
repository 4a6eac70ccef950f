"""Captions in a pipeline of Ray Data's, or of anything else that hands columns of a batch to a callable.

    import ray
    from recap.ray import CaptionBatch

    pictures = ray.data.read_binary_files("s3://shop/pictures")
    captions = pictures.map_batches(
        CaptionBatch, fn_constructor_kwargs={"column": "bytes"}, batch_size=64, num_cpus=2,
        compute=ray.data.ActorPoolStrategy(size=4),
    )

It imports no ray itself.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy

from recap.captioner import Caption, Captioner, PictureError


class CaptionBatch:
    """A captioner of batches: adds the columns `caption`, `confidence` and `error`.

    A picture that can't be read has an empty caption, a confidence of 0, and the reason in `error`, which is empty
    otherwise.

    Args:
        model: name or folder of a model; by default the default captioner.
        column: the column that has the pictures: bytes, or paths.
        options: how the words are chosen, as in a call of `Captioner`.
    """

    def __init__(self, model: str | Path | None = None, column: str = "bytes", **options: Any) -> None:
        self._captioner = Captioner.load() if model is None else Captioner.load(model)
        self._column, self._options = column, options

    def __call__(self, batch: Mapping[str, Any]) -> dict[str, Any]:
        if self._column not in batch:
            raise KeyError(f"there is no column {self._column!r} but {', '.join(batch)}; name one with column=")
        pictures, errors = [], []
        for value in batch[self._column]:
            given = value if isinstance(value, bytes) else str(value)
            try:
                pictures.append(self._captioner.read(given))
                errors.append("")
            except (PictureError, OSError) as error:
                errors.append(str(error))
        found = iter(self._captioner(pictures, **self._options))
        captions: list[Caption | None] = [None if error else next(found) for error in errors]
        return {
            **batch,
            "caption": numpy.array([caption.text if caption else "" for caption in captions]),
            "confidence": numpy.array([caption.confidence if caption else 0.0 for caption in captions]),
            "error": numpy.array(errors),
        }
