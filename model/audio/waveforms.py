"""Untrusted bytes to a waveform: the one reader, of serving, training and scoring.

The format is decided by the bytes. The header is read before any sample, and samples a second at a time, so that a file
costs no more than what is allowed of it, whatever its header promises.
"""

from collections.abc import Iterator
from io import BytesIO

import numpy as np
import soundfile
import soxr

from model.audio import RATE, Samples

MAX_SECONDS = 600.0
MAX_CHANNELS = 8
RATES = (4_000, 192_000)
"""Least and greatest rates that are read."""
FORMATS = "WAV, FLAC, Ogg (Vorbis or Opus) and MP3"
_KNOWN = {"WAV", "WAVEX", "RF64", "FLAC", "OGG", "MP3"}
"""libsndfile's names of them; it reads many more, which are refused by their first bytes already."""


class WaveformError(ValueError):
    """A recording that is not read; the message says what is wrong with it, and what would be right.

    Args:
        code: short, stable name for programs: `empty_audio`, `unsupported_audio`, `audio_too_large`, `damaged_audio`.
        message: for people.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def read_waveform(data: bytes, *, max_seconds: float = MAX_SECONDS) -> Samples:
    """A recording as one channel at `RATE`, (S,) with S at least 1, in -1 to 1.

    Channels are averaged. A file that ends early is as long as its samples are, however many its header promises.

    Args:
        data: the whole file.
        max_seconds: most that is read.

    Raises:
        WaveformError: empty, of no format that is read, too long, with too many channels, damaged.
    """
    if not data:
        raise WaveformError("empty_audio", "the recording is empty: 0 bytes")
    if not _known(data):
        raise WaveformError("unsupported_audio", f"this is no recording that is read; {FORMATS} are")
    try:
        with soundfile.SoundFile(BytesIO(data)) as file:
            _check(file, max_seconds)
            resampler = soxr.ResampleStream(file.samplerate, RATE, 1, dtype="float32")
            parts = [resampler.resample_chunk(part) for part in _seconds(file, max_seconds)]
            if not parts:
                raise WaveformError("empty_audio", "the recording has a header, and no samples")
            parts.append(resampler.resample_chunk(np.zeros(0, np.float32), last=True))
    except soundfile.LibsndfileError as error:
        raise WaveformError("damaged_audio", f"the recording is truncated or damaged: {error.error_string}") from error
    whole: Samples = np.concatenate(parts).clip(-1, 1)
    return whole if len(whole) else np.zeros(1, np.float32)


def _known(data: bytes) -> bool:
    head = data[:12]
    riff = head[:4] in (b"RIFF", b"RIFX", b"RF64") and head[8:] == b"WAVE"
    mp3 = head[:3] == b"ID3" or (len(head) > 1 and head[0] == 0xFF and head[1] & 0xE6 == 0xE2)  # layer III
    return riff or mp3 or head[:4] in (b"fLaC", b"OggS")


def _check(file: soundfile.SoundFile, max_seconds: float) -> None:
    """Refuses by the header alone."""
    if file.format not in _KNOWN:
        raise WaveformError("unsupported_audio", f"recordings in {file.format_info} are not read; {FORMATS} are")
    if file.channels > MAX_CHANNELS:
        found = f"the recording has {file.channels} channels"
        raise WaveformError("audio_too_large", f"{found}; at most {MAX_CHANNELS} are read")
    least, most = RATES
    if not least <= file.samplerate <= most:
        found = f"the recording has {file.samplerate:,} samples a second"
        raise WaveformError("unsupported_audio", f"{found}; {least:,} to {most:,} are read")
    if file.frames > max_seconds * file.samplerate:
        raise _too_long(file.frames / file.samplerate, max_seconds)


def _too_long(seconds: float, most: float) -> WaveformError:
    return WaveformError("audio_too_large", f"the recording has {seconds:,.0f} s; at most {most:,.0f} s are read")


def _seconds(file: soundfile.SoundFile, max_seconds: float) -> Iterator[Samples]:
    """The samples, channels averaged, a second at a time, and never more than are allowed."""
    done = 0
    while len(block := file.read(file.samplerate, dtype="float32", always_2d=True)):  # (S, C)
        done += len(block)
        if done > max_seconds * file.samplerate:
            raise _too_long(done / file.samplerate, max_seconds)
        if not np.isfinite(block).all():
            raise WaveformError("damaged_audio", "the recording has samples that are no numbers")
        yield np.ascontiguousarray(block.clip(-1, 1).mean(1))
