"""What the service tells of itself: metrics, and a log that gives nobody away."""

import base64
import json
import logging
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import httpx2
import pytest
from PIL import Image
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse

from app.logs import configure_logs
from app.main import create_app
from app.settings import Settings

Encode = Callable[..., bytes]
Ready = Callable[[httpx2.Client], None]
Serve = Callable[..., AbstractContextManager[httpx2.Client]]
Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


@pytest.fixture
def fresh(serve: Serve, ready: Ready, both_checkpoints: Path) -> Iterator[httpx2.Client]:
    """A client of a server that has answered nothing yet, but /readyz."""
    with serve(create_app(Settings(checkpoints=both_checkpoints, threads=1, max_body_bytes=100_000))) as client:
        ready(client)
        yield client


def samples(client: httpx2.Client) -> Samples:
    """What /metrics tells now."""
    response = client.get("/metrics")
    assert response.headers["content-type"].startswith("text/plain; version=")
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in parse(response.text)
        for sample in family.samples
    }


def value(found: Samples, name: str, **labels: str) -> float:
    return found[name, frozenset(labels.items())]


def test_what_is_done_is_counted(fresh: httpx2.Client, encode: Encode, picture: Image.Image) -> None:
    data = encode(picture)
    for _ in range(2):
        assert fresh.post("/v1/captions?num_captions=3", content=data).status_code == 200
    assert fresh.post("/v1/completions", json={"prompt": "A man", "max_tokens": 30, "n": 2}).status_code == 200
    assert fresh.get("/v1/models/tiny").status_code == fresh.get("/v1/models/tiny-text").status_code == 200
    found = samples(fresh)
    assert value(found, "recap_requests_total", method="POST", route="/v1/captions", code="200") == 2
    assert value(found, "recap_requests_total", method="GET", route="/v1/models/{name:path}", code="200") == 2
    assert value(found, "recap_request_seconds_count", route="/v1/completions") == 1
    assert value(found, "recap_items_total", task="captioning", model="tiny") == 2
    assert value(found, "recap_items_total", task="text", model="tiny-text") == 2
    for of in ("count", "sum"):
        assert value(found, f"recap_batch_size_{of}", task="captioning") == 2
    for stage in ("decode", "encode", "generate"):
        assert value(found, "recap_stage_seconds_count", task="captioning", stage=stage) == 2
        assert 0 < value(found, "recap_stage_seconds_sum", task="captioning", stage=stage) < 10
    assert value(found, "recap_text_tokens_total", model="tiny-text") == 60
    assert value(found, "recap_text_characters_total", model="tiny-text") == 60
    assert value(found, "recap_prompt_tokens_total", model="tiny-text") == 10
    assert value(found, "recap_queue_seconds_count", task="captioning") == 2
    assert value(found, "recap_queue_seconds_count", task="text") == 2
    assert value(found, "recap_queue_depth", task="captioning") == value(found, "recap_queue_depth", task="text") == 0
    assert value(found, "recap_requests_in_flight") == 1  # this very one
    assert value(found, "recap_ready") == 1
    infos = {labels for name, labels in found if name == "recap_model_info"}
    assert {dict(labels)["model"]: dict(labels)["task"] for labels in infos} == {
        "tiny": "image-to-text",
        "tiny-text": "text-generation",
    }
    assert value(found, "process_resident_memory_bytes") > 1e7


def test_what_is_refused_is_counted_by_its_reason(fresh: httpx2.Client) -> None:
    for _ in range(2):
        fresh.post("/v1/captions", content=b"x")
    batch = fresh.post("/v1/captions/batch", files=[("image", b"x"), ("image", b""), ("image", b"y")])
    assert batch.status_code == 200
    fresh.post("/v1/captions", content=b"x" * 100_001)
    fresh.post("/v1/captions?beam_size=99", content=b"x")
    fresh.post("/v1/chat/completions", json={"model": "nobody", "messages": [{}]})
    fresh.request("PROPFIND", "/coffee")
    fresh.get("/nowhere/at/all")
    found = samples(fresh)
    reasons = {
        dict(labels)["reason"]: count for (name, labels), count in found.items() if name == "recap_rejections_total"
    }
    assert reasons.pop("loading", 0) < 100  # while the fixture waited
    assert reasons == {
        "not_an_image": 4,  # two of them in a batch
        "empty_image": 1,
        "body_too_large": 1,
        "invalid_parameter": 1,
        "unknown_model": 1,
        "not_found": 2,
    }
    assert value(found, "recap_requests_total", method="POST", route="/v1/captions", code="413") == 1
    assert value(found, "recap_requests_total", method="GET", route="unmatched", code="404") == 1
    assert value(found, "recap_requests_total", method="other", route="unmatched", code="404") == 1


@pytest.mark.usefixtures("soon_missed")
def test_a_client_that_left_is_counted_as_such(
    text_client: httpx2.Client, taken_in: Callable[[httpx2.Client, int], None]
) -> None:
    key = "recap_requests_total", frozenset({"method": "POST", "route": "/v1/captions", "code": "499"}.items())
    before = samples(text_client).get(key, 0)
    with socket.create_connection((text_client.base_url.host, text_client.base_url.port or 80), timeout=20) as sock:
        sock.sendall(b"POST /v1/captions HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\nabc")
        taken_in(text_client, 1)
    until = time.monotonic() + 10
    while (found := samples(text_client)).get(key, 0) == before:
        assert time.monotonic() < until, found
        time.sleep(0.02)
    assert found[key] == before + 1


def test_openmetrics_comes_where_it_is_asked_for(text_client: httpx2.Client) -> None:
    response = text_client.get("/metrics", headers={"accept": "application/openmetrics-text; version=1.0.0"})
    assert response.headers["content-type"].startswith("application/openmetrics-text")
    assert "recap_requests" in {family.name for family in parse_openmetrics(response.text)}  # type: ignore[no-untyped-call]


@pytest.fixture
def own_root() -> Iterator[None]:
    """The root logger as it was, afterwards."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


SECRET = "zanzibar"


@pytest.mark.usefixtures("own_root")
def test_the_log_is_json_and_has_nothing_of_what_clients_send(
    serve: Serve,
    ready: Ready,
    both_checkpoints: Path,
    encode: Encode,
    picture: Image.Image,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.WARNING, "httpx2")  # the client's own lines
    app = create_app(Settings(checkpoints=both_checkpoints, threads=1))
    data = encode(picture)
    text = base64.b64encode(data).decode()
    configure_logs("auto", "info")  # this is no terminal
    with serve(app) as client:
        ready(client)
        answers = [
            client.post(f"/v1/captions?prefix=a&seed=1&model={SECRET}", content=data),
            client.post("/v1/captions", params={"prefix": SECRET}, content=data),
            client.post("/v1/captions", json={"image": text, "prefix": "a dog"}),
            client.post("/v1/captions", files={"image": (f"{SECRET}.png", data)}, data={SECRET: "1"}),
            client.post("/v1/captions", content=SECRET.encode()),
            client.post("/v1/completions", json={"prompt": SECRET, "max_tokens": 5}),
            client.post("/v1/completions", json={"prompt": "x", "stop": [SECRET], "n": 0}),
            client.post("/v1/completions", json={"prompt": SECRET, "max_tokens": 5, "stream": True}),
            client.post("/models/tiny-text", json={"inputs": SECRET, "parameters": {"max_new_tokens": 5}}),
            client.get(f"/nowhere?{SECRET}", headers={"authorization": SECRET, "x-request-id": "trace-1"}),
            client.get("/a%0Ab\u20ac"),
        ]
    lines = capfd.readouterr().err.splitlines()
    assert sorted({answer.status_code for answer in answers}) == [200, 400, 404, 422]
    log = [json.loads(line) for line in lines]
    assert all({"event", "level", "logger", "timestamp"} <= entry.keys() for entry in log)
    requests = [entry for entry in log if entry["logger"] == "recap.access" and entry["path"] != "/readyz"]
    assert [entry["request_id"] for entry in requests] == [answer.headers["x-request-id"] for answer in answers]
    assert [entry["status"] for entry in requests] == [answer.status_code for answer in answers]
    assert [entry["bytes"] for entry in requests] == [len(answer.content) for answer in answers]
    assert requests[0] | {"timestamp": "", "ms": 0} == {
        "event": "request",
        "level": "info",
        "logger": "recap.access",
        "request_id": answers[0].headers["x-request-id"],
        "method": "POST",
        "route": "/v1/captions",
        "path": "/v1/captions",
        "status": 404,
        "error": "unknown_model",
        "bytes": len(answers[0].content),
        "whole": True,
        "client": "127.0.0.1",
        "ms": 0,
        "timestamp": "",
    }
    assert requests[-2]["request_id"] == "trace-1"
    assert (requests[-1]["route"], requests[-1]["path"]) == ("unmatched", "/a%0Ab%E2%82%AC")
    everything = "\n".join(lines)
    for hidden in (SECRET, text[:40], "a dog", "prefix=", "seed="):
        assert hidden not in everything


@pytest.mark.usefixtures("own_root")
def test_an_unexpected_failure_is_logged_under_its_request(
    serve: Serve, both_checkpoints: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    app = create_app(Settings(checkpoints=both_checkpoints))

    @app.get("/fails")
    def fails(query: str) -> None:
        raise RuntimeError("out of memory")

    configure_logs("json", "warning")
    with serve(app) as client:
        client.get("/fails", params={"query": SECRET}, headers={"x-request-id": "trace-9"})
        client.get("/nowhere")
    printed = capfd.readouterr().err
    (entry,) = [json.loads(line) for line in printed.splitlines()]
    assert (entry["level"], entry["request_id"]) == ("error", "trace-9")
    (exception,) = entry["exception"]
    assert (exception["exc_type"], exception["exc_value"]) == ("RuntimeError", "out of memory")
    assert exception["frames"][-1]["name"] == "fails"
    assert SECRET not in printed


def printed_line(capfd: pytest.CaptureFixture[str], part: str) -> str:
    """The line of standard error that has this part; a request's comes shortly after its answer."""
    printed, until = "", time.monotonic() + 10
    while part not in printed:
        assert time.monotonic() < until, printed
        time.sleep(0.01)
        printed += capfd.readouterr().err
    return next(line for line in printed.splitlines() if part in line)


@pytest.mark.usefixtures("own_root")
def test_people_get_columns(text_client: httpx2.Client, capfd: pytest.CaptureFixture[str]) -> None:
    configure_logs("console", "info")
    text_client.get("/healthz", headers={"x-request-id": "trace-7"})
    line = printed_line(capfd, "route=/healthz")
    assert "status=200" in line
    assert "request_id=trace-7" in line
    try:
        raise ValueError("for people")
    except ValueError:
        logging.getLogger("here").exception("it went wrong")
    assert printed_line(capfd, "ValueError: for") == "ValueError: for people"
    configure_logs("auto", "info")  # this is no terminal
    text_client.get("/healthz")
    assert json.loads(printed_line(capfd, '"route": "/healthz"'))["status"] == 200
