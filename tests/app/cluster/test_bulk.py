"""Shards on a cluster of two nodes on this machine: exactly once, though actors and nodes are lost."""

import os
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

ray = pytest.importorskip("ray", reason="Ray is not installed (the extra `ray`)")

from ray.cluster_utils import Cluster  # noqa: E402

from app.cluster.bulk import caption_on_cluster  # noqa: E402
from app.settings import Settings  # noqa: E402
from app.tasks.captioning.bulk import plan as plans  # noqa: E402
from app.tasks.captioning.bulk.plan import Plan  # noqa: E402
from app.tasks.captioning.bulk.run import caption_here  # noqa: E402
from model.checkpoint import Checkpoint  # noqa: E402
from tests.conftest import draw_pictures  # noqa: E402

pytestmark = [
    pytest.mark.ray,
    pytest.mark.slow,
    pytest.mark.timeout(600),
    pytest.mark.filterwarnings("default"),  # Ray's own are not ours to mend
]
NUMBER, SIZE, BROKEN = 300, 10, (3, 77, 201, 299)


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """A head without CPUs, and two nodes of one."""
    patch = pytest.MonkeyPatch()
    patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    patch.setenv("TEST_CLUSTER", str(os.getpid()))  # by which its processes are found
    head = {"num_cpus": 0, "include_dashboard": False, "object_store_memory": 100_000_000}
    cluster = Cluster(initialize_head=True, connect=True, head_node_args=head)
    for _ in range(2):
        cluster.add_node(num_cpus=1, object_store_memory=100_000_000)
    yield cluster
    ray.shutdown()
    cluster.shutdown()
    patch.undo()


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three hundred pictures, four of which are broken."""
    folder, pictures = tmp_path_factory.mktemp("photos"), draw_pictures()
    for number, picture in enumerate(pictures):
        picture.resize((400, 400)).save(folder / f"{number:03}.png")
    for number in range(len(pictures), NUMBER):
        os.link(folder / f"{number % len(pictures):03}.png", folder / f"{number:03}.png")
    for number in BROKEN:
        (folder / f"{number:03}.png").unlink()
        (folder / f"{number:03}.png").write_bytes(b"no picture")
    return folder


@pytest.fixture
def checkpoint(checkpoints: Path) -> Path:
    return checkpoints / "tiny"


@pytest.fixture
def settings(checkpoints: Path) -> Settings:
    return Settings(checkpoints=checkpoints, threads=1, batch_size=5, runtime="torch")


def plan(out: Path, photos: Path, checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> Plan:
    monkeypatch.setattr(plans, "SIZE", SIZE)
    about = {"name": "tiny", "sha256": Checkpoint.open(checkpoint).sha256}
    return Plan.make(str(out), str(photos), "image", about, {})


def captions(out: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in sorted(out.glob("captions-*"))}


def test_lost_actors_and_nodes_cost_no_picture(
    cluster: Any, photos: Path, checkpoint: Path, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = plan(tmp_path / "alone", photos, checkpoint, monkeypatch)
    assert sum(done.errors for done in caption_here(alone, checkpoint, settings)) == len(BROKEN)
    expected = captions(tmp_path / "alone")
    assert len(expected) == NUMBER // SIZE

    out = tmp_path / "out"
    shared = plan(out, photos, checkpoint, monkeypatch)
    written: dict[str, int] = {}

    def disturb() -> None:
        """Kills an actor once a few shards are there, then a node; another takes its place."""
        wait_for(out, 4)
        os.kill(actors()[0], signal.SIGKILL)
        wait_for(out, 8)
        written.update({file.name: file.stat().st_mtime_ns for file in out.glob("captions-*")})
        cluster.remove_node(cluster.worker_nodes.copy().pop(), allow_graceful=False)
        cluster.add_node(num_cpus=1, object_store_memory=100_000_000)

    with ThreadPoolExecutor(1) as pool:
        captioned = pool.submit(lambda: list(caption_on_cluster(shared, checkpoint, settings, (1, 2), 1)))
        disturb()  # here, since Ray starts nodes on the main thread alone
        done = captioned.result()
    assert captions(out) == expected  # each picture once, in the same bytes
    assert {name: (out / name).stat().st_mtime_ns for name in written} == written  # what was there is not done again
    assert (sum(one.pictures for one in done), sum(one.errors for one in done)) == (NUMBER, len(BROKEN))
    assert list(caption_on_cluster(shared, checkpoint, settings, (1, 2), 1)) == []


def actors() -> list[int]:
    """Process ids of the actors of this test's cluster."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            ours = f"TEST_CLUSTER={os.getpid()}\0".encode() in (folder / "environ").read_bytes()
            if ours and b"ShardActor" in (folder / "cmdline").read_bytes():
                found.append(int(folder.name))
    return found


def wait_for(out: Path, number: int) -> None:
    until = time.monotonic() + 120
    while len(list(out.glob("captions-*"))) < number:
        assert time.monotonic() < until
        time.sleep(0.02)
