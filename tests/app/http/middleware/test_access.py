"""Keys, rates, proxies, and what browsers are told, over a socket."""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from copy import deepcopy
from pathlib import Path
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st
from PIL import Image
from pydantic import ValidationError

from app.http.middleware.access import MOST_CLIENTS, Rates
from app.http.middleware.headers import HEADERS
from app.main import create_app
from app.settings import Settings

Encode = Callable[..., bytes]
Serve = Callable[[FastAPI], AbstractContextManager[httpx2.Client]]
URL = "/v1/captions"
KEYS = ("correct-horse", "battery-staple")


@pytest.fixture
def start(
    checkpoints: Path, serve: Serve, ready: Callable[[httpx2.Client], None]
) -> Iterator[Callable[..., httpx2.Client]]:
    """Starts a server with settings of the test's own."""
    with ExitStack() as stack:

        def start(**options: Any) -> httpx2.Client:
            client = stack.enter_context(serve(create_app(Settings(checkpoints=checkpoints, threads=1, **options))))
            ready(client)
            return client

        yield start


Start = Callable[..., httpx2.Client]


DIGESTS = tuple(hashlib.sha256(key.encode()).hexdigest() for key in KEYS)


def test_a_key_opens_the_api_and_its_lack_is_told_in_the_callers_dialect(
    start: Start, encode: Encode, picture: Image.Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RECAP_API_KEYS", ", ".join(DIGESTS))
    client, body = start(), encode(picture)
    for key in KEYS:
        for headers in ({"authorization": f"Bearer {key}"}, {"authorization": f"bearer  {key}"}, {"x-api-key": key}):
            assert client.post(URL, content=body, headers=headers).status_code == 200, headers
    cases: list[tuple[dict[str, str], str]] = [
        ({}, "missing_api_key"),
        ({"authorization": "Basic Zm9vOmJhcg=="}, "missing_api_key"),
        ({"authorization": "Bearer wrong"}, "invalid_api_key"),
        ({"x-api-key": "correct-hors"}, "invalid_api_key"),
        ({"x-api-key": DIGESTS[0]}, "invalid_api_key"),
        ({"x-api-key": "\u00e9\u00df"}, "invalid_api_key"),
    ]
    for headers, code in cases:
        raw = {name.encode(): value.encode("latin-1") for name, value in headers.items()}
        refused = client.post(URL, content=body, headers=raw)
        assert (refused.status_code, refused.json()["error"]["code"]) == (401, code), headers
        assert refused.headers["www-authenticate"] == "Bearer"
    for path in ("/healthz", "/readyz", "/docs", "/openapi.json", "/"):
        assert client.get(path).status_code in (200, 307), path
    document = client.get("/openapi.json").json()
    scheme = document["components"]["securitySchemes"]["HTTPBearer"]
    assert (scheme["type"], scheme["scheme"]) == ("http", "bearer")
    assert document["paths"][URL]["post"]["security"] == [{"HTTPBearer": []}]
    assert "security" not in document["paths"]["/healthz"]["get"]
    assert client.get("/v1/models").status_code == 401
    assert client.get("/nowhere").status_code == 401
    assert client.post("/v1/completions", json={}).json()["error"]["type"] == "authentication_error"


def test_a_key_in_the_settings_must_be_a_digest() -> None:
    with pytest.raises(ValidationError, match="api_keys"):
        Settings(api_keys=("correct-horse",))


def test_a_client_may_not_ask_too_often(start: Start) -> None:
    client = start(rate_per_minute=0.5, rate_burst=3)
    assert [client.get("/v1/models").status_code for _ in range(5)] == [200, 200, 200, 429, 429]
    refused = client.get("/v1/models")
    assert refused.json()["error"]["code"] == "rate_limit_exceeded"
    assert 1 <= int(refused.headers["retry-after"]) <= 120
    assert client.post(URL).json()["error"]["code"] == "rate_limit_exceeded"
    assert [client.get("/healthz").status_code for _ in range(5)] == [200] * 5
    # Nobody is believed who says that he speaks for others.
    assert client.get("/v1/models", headers={"x-forwarded-for": "203.0.113.9"}).status_code == 429


def test_rates_go_by_key_and_guesses_by_address(start: Start) -> None:
    client = start(api_keys=DIGESTS, rate_per_minute=1, rate_burst=2)

    def ask(key: str) -> list[int]:
        return [client.get("/v1/models", headers={"x-api-key": key}).status_code for _ in range(3)]

    assert ask(KEYS[0]) == [200, 200, 429]
    assert ask("a guess") == [401, 401, 429]
    assert ask("another") == [429, 429, 429]
    assert ask(KEYS[1]) == [200, 200, 429]


def test_a_proxy_that_is_trusted_speaks_for_its_clients(start: Start) -> None:
    client = start(rate_per_minute=1, rate_burst=1, trusted_proxies=("10.0.0.0/8", "127.0.0.1"))

    def ask(forwarded: str) -> int:
        return client.get("/v1/models", headers={"x-forwarded-for": forwarded}).status_code

    assert [ask("203.0.113.1"), ask("203.0.113.1"), ask("203.0.113.2")] == [200, 429, 200]
    # What stands before the last one that is no proxy of ours, the client has made up itself.
    assert [ask("198.51.100.1, 203.0.113.3, 10.0.0.7"), ask("198.51.100.2, 203.0.113.3")] == [200, 429]
    assert [ask("2001:db8::1"), ask("2001:db8::2"), ask("2001:db8:0:1::1")] == [200, 429, 200]
    assert [ask("::ffff:203.0.113.1"), ask("nonsense"), ask("nonsense")] == [429, 200, 429]


@given(
    st.lists(st.floats(0, 30), min_size=1, max_size=40),
    st.sampled_from([1.0, 7.0, 60.0, 600.0]),
    st.integers(1, 5),
)
@examples(max_examples=50)
def test_no_more_are_let_through_than_the_rate_and_the_burst(gaps: list[float], rate: float, burst: int) -> None:
    rates, now, passed = Rates(rate, burst), 1000.0, []
    for gap in gaps:
        now += gap
        wait = rates.count("client", now)
        if not wait:
            passed.append(now)
        else:
            assert deepcopy(rates).count("client", now + wait) == 0
    for first in range(len(passed)):
        for last in range(first, len(passed)):
            assert last - first + 1 <= burst + (passed[last] - passed[first]) * rate / 60 + 1e-6


def test_clients_who_are_long_quiet_are_forgotten() -> None:
    rates = Rates(1, 1)
    assert rates.count("first", 0) == 0
    for number in range(MOST_CLIENTS):
        assert rates.count(f"{number}", 1) == 0
    assert rates.count("5", 2) > 0
    assert rates.count("first", 2) == 0


def test_no_page_of_others_may_use_the_api_unless_it_is_allowed(start: Start) -> None:
    preflight = {
        "origin": "https://friend.example",
        "access-control-request-method": "POST",
        "access-control-request-headers": "x-api-key",
    }
    closed = start()
    assert not [name for name in closed.options(URL, headers=preflight).headers if "access-control" in name]
    answer = closed.get("/v1/models", headers={"origin": "https://friend.example"})
    assert not [name for name in answer.headers if "access-control" in name]
    client = start(cors_origins=("https://friend.example", "http://localhost:3000"), api_keys=DIGESTS)
    allowed = client.options(URL, headers=preflight)
    assert allowed.status_code == 200
    assert allowed.headers["access-control-allow-origin"] == "https://friend.example"
    assert "x-api-key" in allowed.headers["access-control-allow-headers"]
    refused = client.post(URL, headers={"origin": "https://friend.example"})
    assert refused.status_code == 401
    assert refused.headers["access-control-allow-origin"] == "https://friend.example"  # so that the page can read it
    assert "x-request-id" in refused.headers["access-control-expose-headers"].lower()
    assert client.options(URL, headers={**preflight, "origin": "https://foe.example"}).status_code == 400
    with pytest.raises(ValidationError, match="cors_origins"):
        Settings(cors_origins=("friend.example",))


def test_every_answer_tells_browsers_to_be_careful(client: httpx2.Client) -> None:
    answers = [client.get(path) for path in ("/healthz", "/nowhere", "/v1/models", "/openapi.json")]
    answers.append(client.post(URL, content=b"\xff" * 20_000_001))
    assert answers[-1].status_code == 413
    for answer in answers:
        assert {name: answer.headers[name] for name in HEADERS} == HEADERS
    assert "frame-ancestors 'none'" in HEADERS["content-security-policy"]
    assert "unsafe" not in HEADERS["content-security-policy"]


def test_the_documentation_is_as_careful_as_the_page(client: httpx2.Client) -> None:
    page = client.get("/docs")
    assert page.headers["content-security-policy"] == HEADERS["content-security-policy"]
    assert page.headers["x-content-type-options"] == "nosniff"
    assert "//" not in page.text.replace("http://www.w3.org", "")  # nothing comes from elsewhere
    assert "<code>POST /v1/captions</code>" in page.text  # for those without scripts
