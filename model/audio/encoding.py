"""Waveforms to bytes: the formats that speech is sent in, whole or in pieces while it is still being made."""

import struct
from io import BytesIO
from typing import Literal, get_args

import numpy as np
import soundfile
import soxr

from model.audio import RATE, Samples

SENT_RATE = 24_000
"""Samples a second of what is sent: OpenAI's, which players of its headerless samples expect."""
Format = Literal["mp3", "opus", "flac", "wav", "pcm"]
FORMATS: tuple[Format, ...] = get_args(Format)
MEDIA_TYPES: dict[Format, str] = {
    "mp3": "audio/mpeg",
    "opus": "audio/ogg",
    "flac": "audio/flac",
    "wav": "audio/wav",
    "pcm": "audio/pcm",
}
_FILES = {"mp3": ("MP3", "MPEG_LAYER_III"), "opus": ("OGG", "OPUS"), "flac": ("FLAC", "PCM_16")}
_OPTIONS = {"mp3": {"bitrate_mode": "CONSTANT", "compression_level": 0.5}}
"""A constant rate, since the header of a variable one holds the length, which a stream can't go back to write."""
_TOTAL = slice(21, 26)
"""Bytes of a FLAC file whose last 36 bits are its number of samples."""


class Encoder:
    """A file that is written from its beginning to its end, and can be sent while it is.

    Args:
        format: see `FORMATS`.
        samples: at `RATE`, of all that will be written; headers say it before it is there.
    """

    def __init__(self, format: Format, samples: int) -> None:
        self._format = format
        self._samples = sent_samples(samples)
        self._resampler = soxr.ResampleStream(RATE, SENT_RATE, 1, dtype="float32")
        self._file = BytesIO()
        self._taken = self._written = 0
        self._encoder: soundfile.SoundFile | None = None
        if format in _FILES:
            kind, subtype = _FILES[format]
            options = _OPTIONS.get(format, {})
            self._encoder = soundfile.SoundFile(self._file, "w", SENT_RATE, 1, subtype, format=kind, **options)
        elif format == "wav":
            self._file.write(_wav_header(self._samples))

    def write(self, waveform: Samples) -> None:
        """Adds a part (S,) at `RATE`."""
        self._add(self._resampler.resample_chunk(np.ascontiguousarray(waveform, np.float32)))

    def take(self) -> bytes:
        """The bytes that were not taken yet; there may be none."""
        data = bytes(self._file.getbuffer()[self._taken :])
        if self._format == "flac" and self._taken == 0 and len(data) >= _TOTAL.stop:
            total = int.from_bytes(data[_TOTAL]) & ~(2**36 - 1) | self._samples
            data = data[: _TOTAL.start] + total.to_bytes(5) + data[_TOTAL.stop :]
        self._taken += len(data)
        return data

    def close(self) -> bytes:
        """Ends the file, and takes the rest; all of it, if nothing was taken."""
        rest = self._resampler.resample_chunk(np.zeros(0, np.float32), last=True)
        missing = self._samples - self._written
        self._add(np.pad(rest, (0, max(0, missing - len(rest))))[:missing])
        if self._encoder:
            self._encoder.close()
        return self.take()

    def _add(self, samples: Samples) -> None:
        self._written += len(samples)
        if self._encoder:
            self._encoder.write(samples.clip(-1, 1))
        else:
            self._file.write((samples.clip(-1, 1) * 32767).round().astype("<i2").tobytes())


def encode(waveform: Samples, format: Format) -> bytes:
    """A waveform (S,) at `RATE` as a file."""
    encoder = Encoder(format, len(waveform))
    encoder.write(waveform)
    return encoder.close()


def sent_samples(samples: int) -> int:
    """Samples at `SENT_RATE` for so many at `RATE`."""
    return samples * SENT_RATE // RATE


def encoded_size(format: Format, samples: int) -> int | None:
    """Bytes of a file of so many samples at `RATE`, where that can be known before it is there."""
    return {"pcm": 2 * sent_samples(samples), "wav": _WAV_HEADER + 2 * sent_samples(samples)}.get(format)


_WAV_HEADER = 44


def _wav_header(samples: int) -> bytes:
    """The header of a file of so many 16-bit samples."""
    size = 2 * samples
    head = struct.pack("<4sI4s", b"RIFF", 36 + size, b"WAVE")
    kind = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, SENT_RATE, 2 * SENT_RATE, 2, 16)
    return head + kind + struct.pack("<4sI", b"data", size)
