"""Recordings in every format that is read, and files that are not what they say."""

import io
import struct
import time
import tracemalloc
from importlib.util import find_spec
from typing import Any

import numpy as np
import pytest
import soundfile

from model.audio import RATE, Samples, WaveformError
from model.audio.waveforms import read_waveform


def tone(rate: int, seconds: float = 1.0, hertz: float = 440.0) -> Samples:
    return (0.5 * np.sin(2 * np.pi * hertz * np.arange(int(rate * seconds)) / rate)).astype(np.float32)


def encoded(samples: Any, rate: int, format_: str = "WAV", subtype: str | None = None) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, samples, rate, format=format_, subtype=subtype)
    return file.getvalue()


def wav(samples: bytes, *, rate: int = RATE, channels: int = 1, bits: int = 16, tag: int = 1, size: int = -1) -> bytes:
    """A WAV file with any header."""
    size = len(samples) if size < 0 else size
    frame = channels * bits // 8
    head = struct.pack("<4sI4s4sIHHIIHH", b"RIFF", min(36 + size, 2**32 - 1), b"WAVE", b"fmt ", 16, tag, channels, rate,
                       min(rate * frame, 2**32 - 1), frame, bits)  # fmt: skip
    return head + struct.pack("<4sI", b"data", size) + samples


@pytest.mark.parametrize(
    ("format_", "subtype"),
    [
        ("WAV", "PCM_16"),
        ("WAV", "PCM_U8"),
        ("WAV", "PCM_24"),
        ("WAV", "FLOAT"),
        ("WAV", "ULAW"),
        ("RF64", "PCM_16"),
        ("FLAC", "PCM_16"),
        ("OGG", "VORBIS"),
        ("OGG", "OPUS"),
        ("MP3", "MPEG_LAYER_III"),
    ],
)
@pytest.mark.parametrize("rate", [8_000, 16_000, 48_000])
def test_every_format_is_the_same_waveform(format_: str, subtype: str, rate: int) -> None:
    found = read_waveform(encoded(tone(rate), rate, format_, subtype))
    assert found.dtype == np.float32
    assert abs(len(found) - RATE) < 0.15 * RATE  # MP3 adds some silence
    spectrum = np.abs(np.fft.rfft(found))
    assert np.argmax(spectrum) / len(found) * RATE == pytest.approx(440, abs=3)
    middle = found[RATE // 4 : RATE // 2]
    assert np.sqrt(np.square(middle).mean()) == pytest.approx(0.5 / np.sqrt(2), rel=0.1)


def contained(samples: Any, kind: str, codec: str, rate: int = 48_000) -> bytes:
    """A file of samples (S,) or (C, S) in one of the containers that PyAV writes."""
    av = pytest.importorskip("av")
    samples = np.atleast_2d(samples).astype(np.float32)
    layout = "mono" if len(samples) == 1 else "stereo"
    file = io.BytesIO()
    with av.open(file, "w", format=kind) as target:
        track = target.add_stream(codec, rate=rate, layout=layout)
        frame = av.AudioFrame.from_ndarray(samples, "fltp", layout)
        frame.sample_rate = rate
        pieces = av.AudioResampler(track.format, layout, rate, frame_size=track.codec_context.frame_size or None)
        for part in pieces.resample(frame) + pieces.resample(None):
            target.mux(track.encode(part))
        target.mux(track.encode(None))
    return file.getvalue()


@pytest.mark.parametrize(("kind", "codec"), [("webm", "libopus"), ("mp4", "aac"), ("mp4", "alac")])
def test_what_browsers_and_telephones_record_is_read(kind: str, codec: str) -> None:
    found = read_waveform(contained(tone(48_000, 2), kind, codec))
    assert len(found) == pytest.approx(2 * RATE, abs=0.05 * RATE)
    assert np.argmax(np.abs(np.fft.rfft(found))) / len(found) * RATE == pytest.approx(440, abs=2)
    middle = found[RATE // 2 : RATE]
    assert np.sqrt(np.square(middle).mean()) == pytest.approx(0.5 / np.sqrt(2), rel=0.05)
    both = read_waveform(contained(np.stack([tone(48_000), -0.5 * tone(48_000)]), kind, codec))
    middle = both[RATE // 4 : RATE // 2]
    assert np.sqrt(np.square(middle).mean()) == pytest.approx(0.125 / np.sqrt(2), rel=0.05)


def test_broken_containers_are_told() -> None:
    webm = contained(tone(48_000, 2), "webm", "libopus")
    assert 0.5 * RATE < len(read_waveform(webm[: len(webm) // 2])) < 1.5 * RATE
    mp4 = contained(tone(48_000, 2), "mp4", "aac")
    for data in (webm[:100], b"\x1a\x45\xdf\xa3" + bytes(500), bytes(4) + b"ftypM4A " + bytes(300), mp4[:1500]):
        with pytest.raises(WaveformError, match="truncated or damaged") as refused:
            read_waveform(data)
        assert refused.value.code == "damaged_audio"
    long = contained(np.zeros(16_000 * 610), "webm", "libopus", 16_000)
    with pytest.raises(WaveformError, match="610 s; at most 600 s"):
        read_waveform(long)
    with pytest.raises(WaveformError, match="at most 1 s"):  # whatever the header says
        read_waveform(webm.replace(b"\x44\x89", b"\x44\x8a"), max_seconds=1)


@pytest.mark.skipif(find_spec("av") is not None, reason="PyAV is installed")
def test_without_its_library_a_container_is_not_read() -> None:
    with pytest.raises(WaveformError, match="is read here; WAV, FLAC") as refused:
        read_waveform(b"\x1a\x45\xdf\xa3" + bytes(500))
    assert refused.value.code == "unsupported_audio"


def test_channels_are_averaged() -> None:
    both = np.stack([tone(RATE), -0.5 * tone(RATE)], 1)
    np.testing.assert_allclose(read_waveform(encoded(both, RATE, "WAV", "FLOAT")), 0.25 * tone(RATE), atol=1e-3)


def test_waveform_of_16_khz_is_left_as_it_is() -> None:
    samples = np.random.default_rng(1).uniform(-1, 1, 3 * RATE + 77).astype(np.float32)
    np.testing.assert_allclose(read_waveform(encoded(samples, RATE, "WAV", "FLOAT")), samples, atol=1e-6)


def test_file_that_is_cut_short_is_as_long_as_its_samples() -> None:
    data = encoded(tone(RATE, 4), RATE)
    assert len(read_waveform(data[: len(data) // 2])) == pytest.approx(2 * RATE, abs=40)


def test_streamed_wav_has_no_size_in_its_header() -> None:
    samples = (tone(RATE) * 32767).astype("<i2").tobytes()
    assert len(read_waveform(wav(samples, size=2**32 - 1))) == RATE


@pytest.mark.parametrize(
    ("data", "code", "message"),
    [
        (b"", "empty_audio", "0 bytes"),
        (b"hello, this is no recording", "unsupported_audio", "WAV, FLAC, Ogg"),
        (b"\x89PNG\r\n\x1a\n" + bytes(100), "unsupported_audio", "no recording that is read"),
        (encoded(tone(RATE), RATE, "AIFF"), "unsupported_audio", "WAV, FLAC, Ogg"),
        (wav(b""), "empty_audio", "no samples"),
        (wav(bytes(2 * 192 * 100), channels=192), "audio_too_large", "192 channels; at most 8"),
        (wav(bytes(2000), rate=100), "unsupported_audio", "100 samples a second; 4,000 to 192,000"),
        (wav(bytes(2000), rate=2**31 - 1), "unsupported_audio", "samples a second; 4,000 to 192,000"),
        (encoded(np.full(RATE, np.nan, np.float32), RATE, "WAV", "FLOAT"), "damaged_audio", "no numbers"),
        (encoded(np.full(RATE, -np.inf, np.float32), RATE, "WAV", "FLOAT"), "damaged_audio", "no numbers"),
        (encoded(np.zeros(8000 * 700, np.int16), 8000, "FLAC"), "audio_too_large", "700 s; at most 600 s"),
        (b"OggS" + bytes(200), "damaged_audio", "truncated or damaged"),
        (b"RIFF\xff\xff\xff\xffWAVE", "damaged_audio", "truncated or damaged"),
        (b"ID3" + bytes(500), "damaged_audio", "truncated or damaged"),
    ],
)
def test_what_is_not_read_is_told(data: bytes, code: str, message: str) -> None:
    with pytest.raises(WaveformError, match=message) as refused:
        read_waveform(data)
    assert refused.value.code == code


def test_a_bomb_costs_no_more_than_what_is_allowed() -> None:
    """Hours of silence in a small file: FLAC's header tells, and that of a stream without a length does not."""
    hours = encoded(np.zeros(8000 * 3600 * 2, np.int16), 8000, "FLAC")
    assert len(hours) < 1_000_000
    unknown = bytearray(hours)
    unknown[21] &= 0xF0
    unknown[22:26] = bytes(4)  # the number of samples in STREAMINFO: 0 is unknown
    tracemalloc.start()
    began = time.monotonic()
    for data in (hours, bytes(unknown)):
        with pytest.raises(WaveformError, match="at most 600 s"):
            read_waveform(data)
    assert time.monotonic() - began < 20
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 150_000_000
