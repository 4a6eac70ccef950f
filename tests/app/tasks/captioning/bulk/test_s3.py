"""Pictures and captions in a bucket: moto's server of S3, behind a proxy that fails when it is told to."""

import os
import select
import shutil
import socket
import socketserver
import subprocess
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from app.cli import cli
from app.tasks.captioning.bulk import plan as plans
from app.tasks.captioning.bulk import storage as storages
from app.tasks.captioning.bulk.storage import Bucket, UnreadableError
from tests.conftest import draw_pictures

MOTO = shutil.which("moto_server")
pytestmark = pytest.mark.skipif(MOTO is None, reason="moto_server is not installed (uv tool install 'moto[server]')")


class Proxy(socketserver.ThreadingTCPServer):
    """Passes requests on to a server of S3, but for so many PUTs of captions, which it answers 503."""

    daemon_threads = allow_reuse_address = True

    def __init__(self, port: int) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.port, self.failures, self.failed = port, 0, 0


class Handler(socketserver.BaseRequestHandler):
    server: Proxy

    def handle(self) -> None:
        with socket.create_connection(("127.0.0.1", self.server.port)) as upstream:
            other = {self.request: upstream, upstream: self.request}
            while True:
                for ready in select.select(list(other), [], [])[0]:
                    data = ready.recv(65536)
                    if not data:
                        return
                    put = ready is self.request and data.startswith(b"PUT ") and b"captions-" in data
                    if put and self.server.failed < self.server.failures:
                        self.server.failed += 1
                        self.request.sendall(
                            b"HTTP/1.1 503 Slow Down\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
                        )
                        return
                    other[ready].sendall(data)


@pytest.fixture(scope="module")
def proxy() -> Iterator[Proxy]:
    """The address of an empty server of S3, with a bucket `shop`."""
    assert MOTO
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    server = subprocess.Popen([MOTO, "-p", str(port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        until = time.monotonic() + 60
        while True:
            try:
                urllib.request.urlopen(urllib.request.Request(f"http://127.0.0.1:{port}/shop", method="PUT")).close()
                break
            except OSError:
                assert time.monotonic() < until
                assert server.poll() is None
                time.sleep(0.1)
        with Proxy(port) as proxy:
            thread = threading.Thread(target=proxy.serve_forever)
            thread.start()
            yield proxy
            proxy.shutdown()
            thread.join()
    finally:
        server.terminate()
        server.wait()


@pytest.fixture(autouse=True)
def settings(monkeypatch: pytest.MonkeyPatch, checkpoints: Path, proxy: Proxy) -> None:
    monkeypatch.setenv("RECAP_CHECKPOINTS", str(checkpoints))
    monkeypatch.setenv("RECAP_THREADS", "1")
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{proxy.server_address[1]}")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setattr(plans, "SIZE", 4)
    monkeypatch.setattr(storages, "_FIRST_WAIT", 0.01)


def recap(*arguments: object) -> Result:
    return CliRunner().invoke(cli, [str(argument) for argument in arguments], catch_exceptions=False)


def test_captions_of_a_bucket_are_those_of_a_folder_though_puts_fail(proxy: Proxy, tmp_path: Path) -> None:
    pictures = Bucket("s3://shop/pictures")
    for number, picture in enumerate(draw_pictures()):
        file = tmp_path / "photos" / f"{number}.png"
        file.parent.mkdir(exist_ok=True)
        picture.save(file)
        pictures.write(file.name, file.read_bytes())
    (tmp_path / "photos" / "5.jpg").write_bytes(b"no picture")
    pictures.write("5.jpg", b"no picture")
    proxy.failures = 2
    assert recap("caption", "s3://shop/pictures/", "--out", "s3://shop/captions").exit_code == 1
    assert proxy.failed == 2
    assert recap("caption", tmp_path / "photos", "--out", tmp_path / "out").exit_code == 1
    there, here = Bucket("s3://shop/captions"), tmp_path / "out"
    found = [there.read(name) for name in there.names() if name.startswith("captions-")]
    assert found == [file.read_bytes() for file in sorted(here.glob("captions-*"))]
    again = recap("caption", "s3://shop/pictures/", "--out", "s3://shop/captions")
    assert (again.exit_code, "2 of 2 shards are there already" in again.stderr) == (0, True)
    (tmp_path / "todo.txt").write_text("s3://shop/pictures/0.png\nphotos/1.png\ns3://shop/pictures/9.png\n")
    assert recap("caption", tmp_path / "todo.txt", "--out", tmp_path / "listed").exit_code == 1
    (listed,) = (file.read_text() for file in (tmp_path / "listed").glob("captions-*"))
    assert [("error" in line) for line in listed.splitlines()] == [False, False, True]


def test_what_is_not_in_a_bucket_is_unreadable() -> None:
    with pytest.raises(UnreadableError):
        Bucket("s3://shop/nowhere").read("0.png")
    assert list(Bucket("s3://shop/nowhere").names(below=True)) == []
    assert not Bucket("s3://shop").has("nothing")


def test_bucket_that_cannot_be_reached_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    result = recap("caption", "s3://shop/pictures", "--out", tmp_path / "out")
    assert result.exit_code == 2
    assert os.linesep not in result.stderr.strip()
    assert "bucket 'shop'" in result.stderr
