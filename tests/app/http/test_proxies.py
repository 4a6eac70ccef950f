"""The proxies of the operations page, configured as it says, in front of a server; each skips where it is missing."""

import json
import re
import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager, suppress
from ipaddress import ip_network
from pathlib import Path

import httpx2
import pytest
from fastapi import FastAPI
from PIL import Image

from app.main import create_app
from app.settings import Settings
from tests.conftest import ROOT

PAGE = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
Encode = Callable[..., bytes]
Serve = Callable[[FastAPI], AbstractContextManager[httpx2.Client]]


@pytest.fixture(scope="module")
def upstream(checkpoints: Path, serve: Serve, ready: Callable[[httpx2.Client], None]) -> Iterator[httpx2.Client]:
    """A server that believes the proxy, and lets a client ask four times in a row."""
    proxies = (ip_network("127.0.0.1"),)
    settings = Settings(checkpoints=checkpoints, threads=1, trusted_proxies=proxies, rate_per_minute=1, rate_burst=4)
    with serve(create_app(settings)) as client:
        ready(client)
        yield client


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Of localhost, signed by itself, and its key."""
    if shutil.which("openssl") is None:
        pytest.skip("no openssl on the PATH")
    folder = tmp_path_factory.mktemp("certificate")
    pair = folder / "cert.pem", folder / "key.pem"
    command = (
        "openssl req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=localhost -addext subjectAltName=DNS:localhost"
    )
    subprocess.run([*command.split(), "-out", pair[0], "-keyout", pair[1]], check=True, capture_output=True)
    return pair


def block(language: str) -> str:
    """The page's configuration in this language."""
    (found,) = re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)
    return str(found)


def nginx(server: str, port: int, certificate: tuple[Path, Path], folder: Path) -> list[str]:
    """Writes its configuration; the command that runs it."""
    config = block("nginx").replace("127.0.0.1:8000", server).replace("listen 443 ssl", f"listen 127.0.0.1:{port} ssl")
    config = re.sub(r"(ssl_certificate(_key)?) .*;", lambda m: f"{m[1]} {certificate[bool(m[2])]};", config)
    paths = "".join(
        f"{kind}_temp_path {folder}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (folder / "nginx.conf").write_text(
        f"daemon off; pid {folder}/pid; events {{}} http {{ access_log off; {paths}\n{config} }}"
    )
    return ["nginx", "-e", f"{folder}/error.log", "-c", f"{folder}/nginx.conf"]


def caddy(server: str, port: int, certificate: tuple[Path, Path], folder: Path) -> list[str]:
    """Writes its configuration; the command that runs it."""
    config = block("caddy").replace("127.0.0.1:8000", server)
    site = f"https://localhost:{port} {{\n    bind 127.0.0.1\n    tls {certificate[0]} {certificate[1]}"
    config = config.replace("captions.example.com {", site)
    (folder / "Caddyfile").write_text(f"{{\n    admin off\n    auto_https disable_redirects\n}}\n{config}")
    return ["caddy", "run", "--adapter", "caddyfile", "--config", f"{folder}/Caddyfile"]


@contextmanager
def running(command: list[str], port: int, folder: Path) -> Iterator[None]:
    if shutil.which(command[0]) is None:
        pytest.skip(f"no {command[0]} on the PATH (Debian: {command[0]})")
    log = folder / "log"
    environment = {"HOME": str(folder), "PATH": "/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/bin"}
    with log.open("wb") as file, subprocess.Popen(command, stdout=file, stderr=file, env=environment) as process:
        try:
            until = time.monotonic() + 20
            while True:
                with suppress(OSError), closing(socket.create_connection(("127.0.0.1", port), timeout=1)):
                    break
                assert process.poll() is None, log.read_text()
                assert time.monotonic() < until, log.read_text()
                time.sleep(0.05)
            yield
        finally:
            process.terminate()
            process.wait(20)


@pytest.mark.parametrize(("configure", "number"), [(nginx, 2), (caddy, 3)], ids=["nginx", "caddy"])
def test_a_proxy_in_front(
    configure: Callable[[str, int, tuple[Path, Path], Path], list[str]],
    number: int,
    upstream: httpx2.Client,
    certificate: tuple[Path, Path],
    encode: Encode,
    picture: Image.Image,
    tmp_path: Path,
) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as free:
        port = free.getsockname()[1]
    command = configure(f"{upstream.base_url.host}:{upstream.base_url.port}", port, certificate, tmp_path)
    trusting = ssl.create_default_context(cafile=certificate[0])

    def client(last: int) -> httpx2.Client:
        """A client on an address of its own."""
        transport = httpx2.HTTPTransport(verify=trusting, local_address=f"127.0.{number}.{last}")
        return httpx2.Client(transport=transport, base_url=f"https://localhost:{port}", timeout=30)

    with running(command, port, tmp_path), client(1) as one, client(2) as other:
        assert one.get("/metrics").status_code == 404
        caption = one.post("/v1/captions", files={"image": encode(picture)})
        assert caption.status_code == 200, caption.text
        assert len(caption.headers["x-request-id"]) >= 32
        with one.stream("POST", "/v1/captions/stream", content=encode(picture)) as stream:
            events = [line.partition(": ")[2] for line in stream.iter_lines() if line.startswith("event")]
        assert (events[0], events[-1]) == ("image", "caption")
        # A proxy's word is taken for who asks and how; a client's is not.
        assert one.get("/model/metadata").json()["source"] == f"https://localhost:{port}/v1/models/tiny"
        for address in ("203.0.113.7", "127.0.0.1"):
            answers = [one.get("/v1/models", headers={"x-forwarded-for": address}) for _ in range(2)]
        assert answers[-1].status_code == 429
        assert json.loads(answers[-1].content)["error"]["code"] == "rate_limit_exceeded"
        assert other.get("/v1/models").status_code == 200
