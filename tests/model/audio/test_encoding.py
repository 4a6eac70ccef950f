"""Files of speech, whole and in pieces, read back by the house's own reader and by libsndfile."""

import io
import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import soundfile

from model.audio import RATE, Samples
from model.audio.encoding import FORMATS, SENT_RATE, Encoder, Format, encode
from model.audio.waveforms import read_waveform

SECONDS = 2.5
TONE = (0.4 * np.sin(2 * np.pi * 440 * np.arange(int(SECONDS * RATE)) / RATE)).astype(np.float32)


def in_pieces(format_: Format) -> bytes:
    """The tone, of which some is taken before the rest is written."""
    encoder, taken = Encoder(format_, len(TONE)), []
    for part in np.array_split(TONE, 5):
        encoder.write(part)
        taken.append(encoder.take())
    assert any(taken[:3])
    return b"".join([*taken, encoder.close()])


def samples_of(data: bytes, format_: Format) -> Samples:
    if format_ == "pcm":
        return np.frombuffer(data, "<i2").astype(np.float32) / np.float32(32768)
    samples, rate = soundfile.read(io.BytesIO(data), dtype="float32")
    assert (rate, samples.ndim) == (SENT_RATE, 1)
    return samples  # type: ignore[no-any-return]


@pytest.mark.parametrize("format_", FORMATS)
@pytest.mark.parametrize("whole", [True, False])
def test_files_have_the_tone(format_: Format, whole: bool) -> None:
    samples = samples_of(encode(TONE, format_) if whole else in_pieces(format_), format_)
    slack = 0 if format_ != "mp3" or whole else SENT_RATE // 10  # frames at both ends that its header would cut
    assert len(samples) == pytest.approx(SECONDS * SENT_RATE, abs=slack)
    middle = samples[len(samples) // 4 : len(samples) // 2]
    spectrum = np.abs(np.fft.rfft(middle * np.hanning(len(middle))))
    assert spectrum.argmax() * SENT_RATE / len(middle) == pytest.approx(440, abs=2)
    assert np.abs(middle).max() == pytest.approx(0.4, abs=0.02)


def test_our_reader_reads_them() -> None:
    for format_ in FORMATS[:4]:
        assert len(read_waveform(encode(TONE, format_))) == pytest.approx(len(TONE), abs=2)


def test_lengths_in_headers_are_right_from_the_first_byte() -> None:
    for format_ in ("wav", "flac"):
        encoder = Encoder(format_, len(TONE))
        encoder.write(TONE[: RATE // 2])
        assert soundfile.info(io.BytesIO(encoder.take() + bytes(200_000))).frames == SECONDS * SENT_RATE


def test_whatever_is_missing_is_silence() -> None:
    encoder = Encoder("pcm", RATE)
    encoder.write(TONE[: RATE // 2])
    data = encoder.close()
    assert len(data) == 2 * SENT_RATE
    assert not any(data[-1000:])


def test_samples_that_are_too_loud_are_cut() -> None:
    loudest = np.frombuffer(encode(TONE * 10, "pcm"), "<i2")
    assert (loudest.max(), loudest.min()) == (32767, -32767)


@pytest.mark.skipif(not shutil.which("ffprobe"), reason="ffprobe is not installed")
@pytest.mark.parametrize("format_", FORMATS[:4])
def test_ffprobe_agrees(format_: Format, tmp_path: Path) -> None:
    file = tmp_path / f"speech.{format_}"
    file.write_bytes(encode(TONE, format_))
    command = ["ffprobe", "-v", "error", "-show_format", "-show_streams", "-of", "json", str(file)]
    told = json.loads(subprocess.run(command, capture_output=True, check=True, text=True).stdout)
    assert float(told["format"]["duration"]) == pytest.approx(SECONDS, abs=0.1)
    assert told["streams"][0]["codec_name"] == {"wav": "pcm_s16le"}.get(format_, format_)
