"""Sound in WebM and MP4, in which browsers and telephones record: read by PyAV, where it is installed."""

from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from typing import NamedTuple

import numpy as np

from model.audio import Samples, WaveformError


class Opened(NamedTuple):
    """A recording whose header has been read, and no sample yet."""

    rate: int
    channels: int
    seconds: float
    """By the header, which need not be right; 0 if it does not say."""
    blocks: Iterator[Samples]
    """Samples (S, C), a second of them at most."""


def container(data: bytes) -> str | None:
    """PyAV's name of the format by the first bytes, if it is one of the two."""
    if data[:4] == b"\x1a\x45\xdf\xa3":
        return "matroska"
    return "mp4" if data[4:8] == b"ftyp" else None


@contextmanager
def opened(data: bytes, kind: str) -> Iterator[Opened]:
    """The first track of sound of a file.

    Raises:
        WaveformError: there is no such track, or it is damaged; also while it is read.
    """
    import av

    try:
        with av.open(BytesIO(data), "r", format=kind, metadata_errors="ignore") as file:
            track = next(iter(file.streams.audio), None)
            if track is None:
                raise WaveformError("unsupported_audio", "there is no sound in the file")
            length = track.duration * track.time_base if track.duration and track.time_base else None
            seconds = float(length if length is not None else (file.duration or 0) / av.time_base)
            same = av.AudioResampler("fltp", track.layout, track.rate)  # the samples in a form of their own

            def blocks() -> Iterator[Samples]:
                for frame in file.decode(track):
                    for part in same.resample(frame):
                        yield part.to_ndarray().T.astype(np.float32, copy=False)

            yield Opened(track.rate, track.channels, seconds, blocks())
    except av.FFmpegError as error:
        raise damaged(str(error.strerror)) from error


def damaged(reason: str) -> WaveformError:
    """The error of a recording that its library can't read to the end."""
    return WaveformError("damaged_audio", f"the recording is truncated or damaged: {reason}")
