"""The service on Ray Serve: two replicas, one of which is killed, and clients that try again."""

import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx2
import pytest
from PIL import Image

ray = pytest.importorskip("ray", reason="Ray is not installed (the extra `ray`)")

from app.settings import Settings  # noqa: E402
from model.tasks.captioning.captioner import Captioner  # noqa: E402

pytestmark = [
    pytest.mark.ray,
    pytest.mark.slow,
    pytest.mark.timeout(300),
    pytest.mark.filterwarnings("default"),  # Ray's own are not ours to mend
]
REQUESTS, CLIENTS = 500, 16
LATER = (429, 503)


@pytest.fixture(scope="module")
def address(checkpoints: Path) -> Iterator[str]:
    """The address of two replicas."""
    from ray import serve  # here, where its own warnings are let pass

    from app.cluster.serve import run

    patch = pytest.MonkeyPatch()
    patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    patch.setenv("TEST_CLUSTER", str(os.getpid()))  # by which its processes are found
    ray.init(address="local", num_cpus=3, include_dashboard=False, object_store_memory=100_000_000, log_to_driver=False)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    settings = Settings(checkpoints=checkpoints, host="127.0.0.1", port=port, runtime="torch")
    run(settings, (2, 2), 1, blocking=False)
    yield f"http://127.0.0.1:{port}"
    serve.shutdown()
    ray.shutdown()
    patch.undo()


def replicas() -> list[int]:
    """Process ids of the replicas of this test."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            ours = f"TEST_CLUSTER={os.getpid()}\0".encode() in (folder / "environ").read_bytes()
            if ours and b"ServeReplica" in (folder / "cmdline").read_bytes():
                found.append(int(folder.name))
    return found


def test_each_request_gets_one_caption_though_a_replica_is_killed(
    address: str, served: Captioner, picture: Image.Image, encode: Callable[..., bytes]
) -> None:
    body = encode(picture)
    ((caption,),) = served.caption([picture])
    assert len(replicas()) == 2
    done = 0

    def ask(_: int) -> tuple[str, int]:
        """The caption, and how often it was asked for before."""
        nonlocal done
        tries = 0
        with httpx2.Client(base_url=address, timeout=60) as client:
            while True:
                response: Any = None
                with suppress(httpx2.TransportError):
                    response = client.post("/v1/captions", content=body)
                if response is not None and response.status_code == 200:
                    done += 1
                    return response.json()["captions"][0]["text"], tries
                assert response is None or response.status_code in (*LATER, 500), response.text
                tries += 1
                assert tries < 200
                time.sleep(0.1)

    with ThreadPoolExecutor(CLIENTS + 1) as pool:

        def kill() -> None:
            while done < REQUESTS // 2:
                time.sleep(0.01)
            os.kill(replicas()[0], signal.SIGKILL)

        killed = pool.submit(kill)
        answers = list(pool.map(ask, range(REQUESTS)))
        killed.result()
    assert [text for text, _ in answers] == [caption.text] * REQUESTS


def test_other_contracts_and_errors_pass_through(address: str) -> None:
    with httpx2.Client(base_url=address, timeout=60) as client:
        assert client.get("/readyz").status_code == 200
        assert [model["id"] for model in client.get("/v1/models").json()["data"]] == ["tiny"]
        response = client.post("/v1/captions", content=b"no picture", headers={"x-request-id": "me"})
        assert (response.status_code, response.json()["error"]["code"]) == (400, "not_an_image")
        assert response.json()["error"]["request_id"] == "me"
