"""Compiled networks: torch's numbers, and a cache that can be lost, damaged or out of date without harm."""

import logging
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import Barrier

import pytest
import torch
from PIL import Image
from torch import nn

from model.checkpoint import Checkpoint, save
from model.openvino.lanes import CoreLock, can_share
from model.openvino.program import Network
from model.openvino.runtime import KEPT_DAYS, Runtime, code_digests
from model.tasks.captioning import CAPTIONING, build
from model.tasks.captioning.captioner import Caption, Captioner
from model.tasks.captioning.config import CaptionerConfig, DecoderConfig, DecodingConfig
from model.tasks.captioning.decoder import DECODERS
from model.tasks.captioning.networks import captioner_networks
from model.tasks.captioning.tagger import Tags
from model.vision.config import EncoderConfig, PreprocessingConfig
from model.vocabulary import Vocabulary
from tests.conftest import ROOT

pytestmark = pytest.mark.skipif(not Runtime.available(), reason="OpenVINO is not installed")


@pytest.fixture(scope="module")
def compiled(tiny_captioner: Captioner, runtime: Runtime) -> Captioner:
    programs = runtime.programs("tiny", lambda: captioner_networks(tiny_captioner))
    return build(tiny_captioner.config, tiny_captioner.vocabulary, programs=programs)


def opened(path: Path) -> Checkpoint[CaptionerConfig, Captioner]:
    checkpoint = Checkpoint.open(path)
    assert checkpoint.task is CAPTIONING
    return checkpoint


@pytest.mark.parametrize(
    ("kind", "cell"), [*((kind, "lstm") for kind in DECODERS), ("show-and-tell", "gru"), ("top-down", "lstm-peephole")]
)
def test_logits_are_those_of_torch(kind: str, cell: str, runtime: Runtime) -> None:
    torch.manual_seed(0)
    config = CaptionerConfig(
        encoder=EncoderConfig(name="tf_efficientnet_lite0", preprocessing=PreprocessingConfig(size=64)),
        decoder=DecoderConfig.model_validate(
            {
                "kind": kind,
                "cell": cell,
                "embedding_size": 12,
                "hidden_size": 20,
                "attention_size": 8,
                "num_layers": 2 if kind == "show-and-tell" else 1,
            }
        ),
    )
    words = [f"w{number}" for number in range(40)]
    tags = Tags(words[::3], [[]] * 14) if DECODERS[kind].reads_tags else None
    original = Captioner(config, Vocabulary.build([words], min_count=1), tags=tags).eval()
    encoder = {"encoder": Network(nn.Flatten(), (torch.zeros(2, 3),))}  # tested elsewhere, and slow to compile
    programs = runtime.programs("fresh", lambda: captioner_networks(original) | encoder)
    compiled = build(config, original.vocabulary, tags, programs=programs).decoder
    for pictures, hypotheses in ((1, 1), (1, 5), (4, 3)):
        grid = torch.rand(pictures, 4, 1280)
        with torch.inference_mode():
            seen = original.seen(grid)
            if seen is not None:
                seen.logits[:, 0] = 9.2  # surer than half precision can tell from certain
            memory, fast_memory = (decoder.encode_source(grid, seen) for decoder in (original.decoder, compiled))
            state = original.decoder.initial_state(memory, hypotheses)
            fast_state = compiled.initial_state(fast_memory, hypotheses)
            for _ in range(3):
                tokens = torch.randint(len(original.vocabulary), (pictures * hypotheses,))
                logits, state, attention = original.decoder.step(tokens, state, memory)
                fast_logits, fast_state, fast_attention = compiled.step(tokens, fast_state, fast_memory)
                torch.testing.assert_close(fast_logits, logits, atol=1e-4, rtol=0)
                assert (attention is None) == (fast_attention is None) == (kind == "show-and-tell")
                if attention is not None:
                    torch.testing.assert_close(fast_attention, attention, atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    "decoding",
    [
        DecodingConfig(),
        DecodingConfig(method="greedy"),
        DecodingConfig(beam_size=5, num_captions=3, length_penalty=1.0, block_ngram=2),
        DecodingConfig(beam_size=4, num_captions=2, diversity=0.5),
        DecodingConfig(method="sample", num_captions=3, seed=1, temperature=0.7),
        DecodingConfig(prefix="a man"),
    ],
    ids=lambda decoding: decoding.method,
)
def test_captions_are_those_of_torch(
    decoding: DecodingConfig, tiny_captioner: Captioner, compiled: Captioner, pictures: list[Image.Image]
) -> None:
    expected = tiny_captioner.caption(pictures, decoding, attention=True)
    found = compiled.caption(pictures, decoding, attention=True)
    for captions, originals in zip(found, expected, strict=True):
        assert [caption.text for caption in captions] == [caption.text for caption in originals]
        for caption, original in zip(captions, originals, strict=True):
            assert caption.logprob == pytest.approx(original.logprob, abs=1e-3)
            assert caption.tokens[0].attention is not None
            assert original.tokens[0].attention is not None
            torch.testing.assert_close(
                torch.tensor(caption.tokens[0].attention), torch.tensor(original.tokens[0].attention), atol=1e-3, rtol=0
            )


def test_tags_are_those_of_torch(
    tagged_captioner: Captioner, tmp_path: Path, runtime: Runtime, pictures: list[Image.Image]
) -> None:
    path = save(tmp_path / "tagged", CAPTIONING, tagged_captioner, name="tagged", metrics={}, card="").path
    original, compiled = opened(path).load(), runtime.load(opened(path))
    pixels = torch.stack([original.preprocess(picture) for picture in pictures])  # (B, 3, S, S)
    grid = original.encode(pixels)  # (B, P, E)
    assert compiled.tag(grid) == original.tag(grid)
    assert [len(tags) for tags in compiled.tag(grid)] == [3, 3, 4, 3, 3]
    assert compiled.tag(compiled.encode(pixels[:1]))[0][0].name == "grass"
    assert compiled.state_dict().keys() == {name for name in original.state_dict() if name.startswith("tagger.")}
    assert can_share(compiled.decoder)
    assert not can_share(original.decoder)


def test_lanes_say_the_same_at_the_same_time(tiny_checkpoint: Path, pictures: list[Image.Image]) -> None:
    checkpoint = opened(tiny_checkpoint)
    expected = [captions[0] for captions in checkpoint.load().caption(pictures)]
    captioner = Runtime(threads=2, precision="float32").load(checkpoint)
    cores, together = CoreLock(2), Barrier(2)

    def caption(_: int) -> list[list[Caption]]:
        with cores.shared():
            together.wait(20)
            return [captions for _ in range(5) for captions in captioner.caption(pictures)]

    with ThreadPoolExecutor(2) as threads:
        for found in threads.map(caption, range(2)):
            for (first, *_), original in zip(found, 5 * expected, strict=True):
                assert first.text == original.text
                assert first.logprob == pytest.approx(original.logprob, abs=1e-3)


def test_each_call_on_a_lane_holds_a_share_while_it_computes(tiny_checkpoint: Path, picture: Image.Image) -> None:
    turns: list[str] = []

    class Noted(CoreLock):
        @contextmanager
        def share(self) -> Iterator[None]:
            with super().share():
                turns.append("begins")
                yield
                turns.append("ends")

    captioner = Runtime(threads=2, precision="float32").load(opened(tiny_checkpoint))
    cores = Noted(2)
    with cores.shared():
        ((caption,),) = captioner.caption([picture], DecodingConfig(method="greedy"))
    assert turns == ["begins", "ends"] * (len(turns) // 2)
    assert len(turns) // 2 >= 2 + len(caption.tokens)  # encoder, start, and a step a word
    captioner.caption([picture])
    assert len(turns) // 2 < 20  # whatever runs outside holds none


def test_lanes_are_of_compiled_models(tiny_checkpoint: Path) -> None:
    checkpoint = opened(tiny_checkpoint)
    assert can_share(Runtime(threads=1).load(checkpoint))
    assert not can_share(checkpoint.load())


@pytest.mark.skipif(not Path("/proc/self/smaps").exists(), reason="there is no /proc")
def test_the_files_of_the_cache_take_no_memory(tmp_path: Path) -> None:
    big = nn.Linear(1000, 1000)
    inputs = torch.rand(2, 1000)
    for _ in range(2):  # made, and found
        runtime = Runtime(tmp_path, threads=1, precision="float32")
        program = runtime.programs("big", lambda: {"big": Network(big, (inputs,))})["big"]
        torch.testing.assert_close(program(inputs)[0], big(inputs).detach())
        resident, mapped = 0, False
        for line in Path("/proc/self/smaps").read_text().splitlines():
            if " " in line and not line.split(" ")[0].endswith(":"):
                mapped = line.endswith("big.bin")
            elif mapped and line.startswith("Rss:"):
                resident += int(line.split()[1])
        assert resident < 200  # KB, of 4,000


def test_what_is_to_be_precise_is_in_single_precision_on_every_cpu(tmp_path: Path) -> None:
    linear, inputs = nn.Linear(100, 50), torch.rand(2, 100)
    networks = {"linear": Network(linear, (inputs,), precision="float32")}
    for _ in range(2):  # made, and found
        runtime = Runtime(tmp_path, threads=1)
        program = runtime.programs("precise", lambda: networks)["linear"]
        torch.testing.assert_close(program(inputs)[0], linear(inputs).detach(), atol=1e-5, rtol=0)


def test_what_a_program_returns_stays(runtime: Runtime) -> None:
    program = runtime.programs("square", lambda: {"square": Network(nn.ReLU(), (torch.ones(2, 3),))})["square"]
    (first,) = program(torch.full((2, 3), 1.0))
    program(torch.full((2, 3), 2.0))
    assert first.unique().tolist() == [1.0]
    assert program(torch.ones(3, 4)[:, 1:])[0].shape == (3, 3)


def test_openvino_sends_no_telemetry(runtime: Runtime) -> None:
    assert sys.modules["openvino_telemetry"] is None


def must_not_be_asked() -> dict[str, Network]:
    raise AssertionError("the cache has it")


def relu() -> dict[str, Network]:
    return {"relu": Network(nn.ReLU(), (torch.ones(2, 3),)), "linear": Network(nn.Linear(3, 4), (torch.ones(2, 3),))}


def test_a_second_start_takes_networks_from_the_cache(tmp_path: Path) -> None:
    cache = tmp_path / "new" / "cache"
    first = Runtime(cache, threads=1).programs("relu", relu)
    again = Runtime(cache, threads=1).programs("relu", must_not_be_asked)
    inputs = torch.randn(5, 3)
    assert first.keys() == again.keys()
    for name in first:
        assert torch.equal(first[name](inputs)[0], again[name](inputs)[0])
    with pytest.raises(AssertionError, match="the cache has it"):
        Runtime(cache, threads=1).programs("another", must_not_be_asked)
    assert len(list(cache.iterdir())) == 1  # nothing half-written stands beside it


@pytest.mark.parametrize("quantizes", [False, True])
def test_of_networks_that_there_are_twice_one_is_read(
    quantizes: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("model.openvino.quantization.available", lambda: quantizes)
    linear = Network(nn.Linear(256, 4), (torch.ones(2, 256),), precision="int8")
    Runtime(tmp_path, threads=1).programs("linear", lambda: {"linear": linear})
    (folder,) = tmp_path.iterdir()
    (folder / ("linear.bin" if quantizes else "linear-quantized.bin")).unlink()
    Runtime(tmp_path, threads=1).programs("linear", must_not_be_asked)


def test_cache_is_of_the_code_of_every_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "model"
    shutil.copytree(ROOT / "model", package, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr("model.openvino.runtime.PACKAGE", package)
    before = code_digests(package)
    modules = sorted(package.rglob("*.py"))
    assert package / "tasks" / "captioning" / "decoder.py" in modules
    for module in modules:
        text = module.read_text(encoding="utf-8")
        module.write_text(text + "#", encoding="utf-8")
        changed = code_digests(package)
        assert [name for name in before if changed[name] != before[name]] == [str(module.relative_to(package))]
        module.write_text(text, encoding="utf-8")
    cache = tmp_path / "cache"
    Runtime(cache, threads=1).programs("relu", relu)
    Runtime(cache, threads=1).programs("relu", must_not_be_asked)
    with (package / "tasks" / "captioning" / "decoder.py").open("a") as decoder:
        decoder.write("#")
    with pytest.raises(AssertionError, match="the cache has it"):
        Runtime(cache, threads=1).programs("relu", must_not_be_asked)


def test_what_has_not_been_taken_from_the_cache_for_long_is_deleted(tmp_path: Path) -> None:
    runtime = Runtime(tmp_path, threads=1)
    long_ago = time.time() - (KEPT_DAYS + 1) * 86_400
    (tmp_path / "mine").mkdir()
    for description in ("forgotten", "wanted"):
        runtime.programs(description, relu)
    for folder in tmp_path.iterdir():
        os.utime(folder, (long_ago, long_ago))
    runtime.programs("wanted", must_not_be_asked)
    runtime.programs("new", relu)
    assert len(list(tmp_path.glob("*/digests.json"))) == 2
    assert (tmp_path / "mine").is_dir()
    for description in ("wanted", "new"):
        runtime.programs(description, must_not_be_asked)


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-1])


def garble(file: Path) -> None:
    data = file.read_bytes()
    file.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))


@pytest.mark.parametrize("damage", [cut, garble, Path.unlink])
@pytest.mark.parametrize("name", ["linear.bin", "relu.xml", "digests.json"])
def test_a_damaged_cache_is_made_again(
    damage: Callable[[Path], None], name: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    expected = Runtime(tmp_path, threads=1).programs("relu", relu)["relu"](torch.ones(2, 3))[0]
    (folder,) = tmp_path.iterdir()
    damage(folder / name)
    with caplog.at_level(logging.WARNING):
        assert torch.equal(Runtime(tmp_path, threads=1).programs("relu", relu)["relu"](torch.ones(2, 3))[0], expected)
    assert str(folder) in caplog.text
    Runtime(tmp_path, threads=1).programs("relu", must_not_be_asked)


def test_a_cache_that_cannot_be_written_does_no_harm(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").write_text("not a folder")
    cache = tmp_path / "file" / "cache"
    program = Runtime(cache, threads=1).programs("relu", relu)["relu"]
    assert program(-torch.ones(2, 3))[0].sum() == 0
    assert f"{cache}" in caplog.text


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_cache_does_no_harm(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    tmp_path.chmod(0o500)
    Runtime(tmp_path, threads=1).programs("relu", relu)
    assert f"{tmp_path}" in caplog.text


def test_two_processes_may_fill_the_cache_at_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    def late() -> dict[str, Network]:
        Runtime(tmp_path, threads=1).programs("relu", relu)  # another process was quicker
        return relu()

    Runtime(tmp_path, threads=1).programs("relu", late)
    assert caplog.text == ""
    assert len(list(tmp_path.iterdir())) == 1


def test_a_checkpoint_that_changed_is_compiled_anew(
    tiny_checkpoint: Path, tiny_captioner: Captioner, tmp_path: Path, picture: Image.Image
) -> None:
    runtime = Runtime(tmp_path / "cache", threads=1, precision="float32")
    before = runtime.load(opened(tiny_checkpoint)).caption([picture])[0][0]
    changed = Captioner(tiny_captioner.config, tiny_captioner.vocabulary).eval()
    save(tiny_checkpoint, CAPTIONING, changed, name="tiny", metrics={}, card="# tiny\n")
    after = runtime.load(opened(tiny_checkpoint)).caption([picture])[0][0]
    assert after.logprob == pytest.approx(opened(tiny_checkpoint).load().caption([picture])[0][0].logprob, abs=1e-2)
    assert after.logprob != before.logprob
    assert len(list((tmp_path / "cache").iterdir())) == 2


@pytest.mark.data
def test_real_captions_are_those_of_torch(flickr8k: Path, runtime: Runtime) -> None:
    checkpoint = opened(ROOT / "checkpoints" / "flickr8k-coco")
    files = sorted((flickr8k / "Flicker8k_Dataset").glob("*.jpg"))[:6]
    pictures = [Image.open(file).convert("RGB") for file in files]
    expected = checkpoint.load().caption(pictures)
    found = runtime.load(checkpoint).caption(pictures)
    assert [captions[0].text for captions in found] == [captions[0].text for captions in expected]


def test_signals_still_arrive_where_there_were_several_runtimes(tiny_checkpoint: Path) -> None:
    """In a process of its own, since it would end the tests: OpenVINO may free the stack that handlers run on."""
    script = f"""
import gc, os, signal
from pathlib import Path
from model.checkpoint import Checkpoint
from model.openvino.lanes import CoreLock, can_share
from model.openvino.runtime import Runtime
signal.signal(signal.SIGTERM, lambda *_: None)
first = Runtime()
second = Runtime().load(Checkpoint.open(Path({str(tiny_checkpoint)!r})))
del first
gc.collect()
third = Runtime()
del second
gc.collect()
del third
gc.collect()
os.kill(os.getpid(), signal.SIGTERM)
print("alive")
"""
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=100, check=False)
    assert (found.returncode, found.stdout) == (0, "alive\n"), found.stderr
