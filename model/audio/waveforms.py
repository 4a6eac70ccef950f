"""Untrusted bytes to a waveform: the one reader, of serving, training and scoring.

The format is decided by the bytes. The header is read before any sample, and samples a second at a time, so that a file
costs no more than what is allowed of it, whatever its header promises.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from io import BytesIO

import numpy as np
import soundfile
import soxr

from model.audio import RATE, Samples, WaveformError
from model.audio.containers import Opened, container, damaged, opened

MAX_SECONDS = 600.0
MAX_CHANNELS = 8
RATES = (4_000, 192_000)
"""Least and greatest rates that are read."""
FORMATS = "WAV, FLAC, Ogg (Vorbis or Opus) and MP3"
"""Names of the formats that are read everywhere."""
_KNOWN = {"WAV", "WAVEX", "RF64", "FLAC", "OGG", "MP3"}
"""libsndfile's names of them; it reads many more, which are refused by their first bytes already."""


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
    with _opened(data) as recording:
        _check(recording, max_seconds)
        resampler = soxr.ResampleStream(recording.rate, RATE, 1, dtype="float32")
        parts = [resampler.resample_chunk(part) for part in _mixed(recording, max_seconds)]
        if not parts:
            raise WaveformError("empty_audio", "the recording has a header, and no samples")
        parts.append(resampler.resample_chunk(np.zeros(0, np.float32), last=True))
    whole: Samples = np.concatenate(parts).clip(-1, 1)
    return whole if len(whole) else np.zeros(1, np.float32)


@contextmanager
def _opened(data: bytes) -> Iterator[Opened]:
    """A recording whose header could be read, by whichever library reads its format."""
    kind = container(data)
    if kind and find_spec("av"):
        with opened(data, kind) as recording:
            yield recording
        return
    if not _known(data):
        raise WaveformError(
            "unsupported_audio", f"this is no recording that is read{' here' if kind else ''}; {FORMATS} are"
        )
    try:
        with soundfile.SoundFile(BytesIO(data)) as file:
            if file.format not in _KNOWN:
                raise WaveformError(
                    "unsupported_audio", f"recordings in {file.format_info} are not read; {FORMATS} are"
                )
            yield Opened(file.samplerate, file.channels, file.frames / file.samplerate, _seconds(file))
    except soundfile.LibsndfileError as error:
        raise damaged(error.error_string) from error


def _known(data: bytes) -> bool:
    head = data[:12]
    riff = head[:4] in (b"RIFF", b"RIFX", b"RF64") and head[8:] == b"WAVE"
    mp3 = head[:3] == b"ID3" or (len(head) > 1 and head[0] == 0xFF and head[1] & 0xE6 == 0xE2)  # layer III
    return riff or mp3 or head[:4] in (b"fLaC", b"OggS")


def _check(recording: Opened, max_seconds: float) -> None:
    """Refuses by the header alone."""
    if recording.channels > MAX_CHANNELS:
        found = f"the recording has {recording.channels} channels"
        raise WaveformError("audio_too_large", f"{found}; at most {MAX_CHANNELS} are read")
    least, most = RATES
    if not least <= recording.rate <= most:
        found = f"the recording has {recording.rate:,} samples a second"
        raise WaveformError("unsupported_audio", f"{found}; {least:,} to {most:,} are read")
    if recording.seconds > max_seconds:
        raise _too_long(recording.seconds, max_seconds)


def _too_long(seconds: float, most: float) -> WaveformError:
    return WaveformError("audio_too_large", f"the recording has {seconds:,.0f} s; at most {most:,.0f} s are read")


def _seconds(file: soundfile.SoundFile) -> Iterator[Samples]:
    """The samples (S, C), a second at a time."""
    while len(block := file.read(file.samplerate, dtype="float32", always_2d=True)):
        yield block


def _mixed(recording: Opened, max_seconds: float) -> Iterator[Samples]:
    """The samples (S,), channels averaged, and never more than are allowed."""
    done = 0
    for block in recording.blocks:  # (S, C)
        done += len(block)
        if done > max_seconds * recording.rate:
            raise _too_long(done / recording.rate, max_seconds)
        if not np.isfinite(block).all():
            raise WaveformError("damaged_audio", "the recording has samples that are no numbers")
        yield np.ascontiguousarray(block.clip(-1, 1).mean(1))
