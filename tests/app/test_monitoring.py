"""Prometheus, its alerts and Grafana's dashboard: that they load, and ask for what /metrics really tells."""

import json
import math
import re
import shutil
import socket
import subprocess
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx2
import pytest
import yaml
from PIL import Image
from prometheus_client.parser import text_string_to_metric_families as parse

from tests.conftest import ROOT

MONITORING = ROOT / "deploy" / "monitoring"
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
DASHBOARD = json.loads((MONITORING / "grafana" / "dashboards" / "recap.json").read_text(encoding="utf-8"))
ALERTS = [
    rule for group in yaml.safe_load((MONITORING / "alerts.yml").read_text())["groups"] for rule in group["rules"]
]

Encode = Callable[..., bytes]


def mounts(service: str) -> dict[str, Path]:
    """Path in the container -> file or folder of the repository."""
    pairs = (volume.split(":") for volume in COMPOSE["services"][service]["volumes"])
    return {pair[1]: ROOT / pair[0] for pair in pairs if pair[0].startswith("./")}


def queries() -> list[str]:
    panels = [target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]]
    return [*panels, *(rule["expr"] for rule in ALERTS)]


@pytest.mark.parametrize("service", ["prometheus", "grafana"])
def test_compose_confines_them_and_starts_them_only_when_asked(service: str) -> None:
    described = COMPOSE["services"][service]
    assert described["profiles"] == ["monitoring"]
    assert described["read_only"] is True
    assert described["cap_drop"] == ["ALL"]
    assert all(port.startswith("127.0.0.1:") for port in described["ports"])
    assert described["pids_limit"]
    assert described["logging"]["options"].keys() == {"max-size", "max-file"}
    assert re.fullmatch(r"[a-z]+/[a-z]+:v?\d+\.\d+\.\d+", described["image"])
    assert all(path.exists() for path in mounts(service).values())
    named = {volume.split(":")[0] for volume in described["volumes"] if not volume.startswith("./")}
    assert named == {service} <= COMPOSE["volumes"].keys()


def test_grafana_has_no_password_that_everyone_knows() -> None:
    environment = COMPOSE["services"]["grafana"]["environment"]
    assert "GF_SECURITY_ADMIN_PASSWORD" not in environment
    assert environment["GF_SECURITY_DISABLE_INITIAL_ADMIN_CREATION"] == "true"
    assert environment["GF_AUTH_ANONYMOUS_ENABLED"] == "true"
    assert environment.get("GF_AUTH_ANONYMOUS_ORG_ROLE", "Viewer") == "Viewer"


def test_each_finds_the_next() -> None:
    (job,) = yaml.safe_load((MONITORING / "prometheus.yml").read_text())["scrape_configs"]
    (target,) = job["static_configs"][0]["targets"]
    service, port = target.split(":")
    assert COMPOSE["services"][service]["ports"] == [f"127.0.0.1:{port}:{port}"]
    assert {"/etc/prometheus/prometheus.yml", "/etc/prometheus/alerts.yml"} == mounts("prometheus").keys()
    places = mounts("grafana")
    provisioning = places["/etc/grafana/provisioning"]
    (source,) = yaml.safe_load((provisioning / "datasources" / "prometheus.yml").read_text())["datasources"]
    host, port = source["url"].removeprefix("http://").split(":")
    assert COMPOSE["services"][host]["ports"] == [f"127.0.0.1:{port}:{port}"]
    (provider,) = yaml.safe_load((provisioning / "dashboards" / "recap.yml").read_text())["providers"]
    assert (places[provider["options"]["path"]] / "recap.json").is_file()
    uids = {target["datasource"]["uid"] for panel in DASHBOARD["panels"] for target in panel["targets"]}
    assert uids == {source["uid"]}


def test_panels_do_not_overlap() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        cells = {(place["x"] + right, place["y"] + down) for right in range(place["w"]) for down in range(place["h"])}
        assert max(x for x, _ in cells) < 24
        assert not cells & taken, panel["title"]
        taken |= cells
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])


def make_traffic(client: httpx2.Client, data: bytes) -> None:
    """Something of all that there is a metric for."""
    assert client.post("/v1/captions", content=data).status_code == 200
    assert client.post("/v1/completions", json={"prompt": "A man", "max_tokens": 5}).status_code == 200
    assert client.post("/v1/captions", content=b"x").status_code == 400


def test_queries_ask_for_metrics_and_labels_that_there_are(
    text_client: httpx2.Client, encode: Encode, picture: Image.Image
) -> None:
    make_traffic(text_client, encode(picture))
    labels: dict[str, set[str]] = defaultdict(set)
    for family in parse(text_client.get("/metrics").text):
        for sample in family.samples:
            labels[sample.name] |= sample.labels.keys()
    asked = queries()
    assert len(asked) > 20
    for query in asked:
        selectors = re.findall(r"\b((?:recap|process|python)_\w+)(?:\{([^}]*)\})?", query)
        assert selectors, query
        there: set[str] = set()
        for name, matchers in selectors:
            assert name in labels, f"{name} of {query}"
            there |= labels[name]
            assert set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", matchers)) <= labels[name], query
        for grouping in re.findall(r"\bby \(([^)]*)\)", query):
            assert set(grouping.replace(" ", "").split(",")) <= there, query
    shown = {re.sub(r"_(bucket|sum|count)$", "", name) for name in re.findall(r"\brecap_\w+", " ".join(asked))}
    told = {re.sub(r"_(bucket|sum|count)$", "", name) for name in labels if name.startswith("recap_")}
    assert told - shown == {"recap_text_tokens_total"}  # characters are


def test_the_operations_page_has_every_metric(text_client: httpx2.Client, encode: Encode, picture: Image.Image) -> None:
    make_traffic(text_client, encode(picture))
    told = {}
    for family in parse(text_client.get("/metrics").text):
        if family.name.startswith("recap_"):
            name = f"{family.name}_total" if family.type == "counter" else family.name
            labels = {label: None for sample in family.samples for label in sample.labels if label != "le"}
            told[name] = (family.type, ", ".join(f"`{label}`" for label in labels), family.documentation)
    page = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(recap_\w+)` \| (\w+) \| (?:(.+?) )?\| (.+) \|$", page, re.MULTILINE)
    assert {name: rest for name, *rest in rows} == {name: list(rest) for name, rest in told.items()}


def program(name: str) -> str:
    """Path of a program of Debian's package `prometheus`."""
    path = shutil.which(name)
    if path is None:
        pytest.skip(f"no {name} on the PATH (Debian: prometheus)")
    return path


def test_promtool_finds_nothing_wrong() -> None:
    command = [program("promtool"), "check", "config", str(MONITORING / "prometheus.yml")]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert "4 rules found" in result.stdout


@contextmanager
def prometheus(client: httpx2.Client, folder: Path) -> Iterator[httpx2.Client]:
    """Our configuration, but for its pace, of a Prometheus that watches the client's server."""
    config = yaml.safe_load((MONITORING / "prometheus.yml").read_text())
    config["global"] = {"scrape_interval": "500ms", "evaluation_interval": "500ms"}
    config["rule_files"] = [str(MONITORING / "alerts.yml")]
    config["scrape_configs"][0]["static_configs"][0]["targets"] = [f"{client.base_url.host}:{client.base_url.port}"]
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    command = [
        program("prometheus"),
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address={address}",
    ]
    with (
        subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process,
        httpx2.Client(base_url=f"http://{address}", timeout=10) as asker,
    ):
        try:
            until = time.monotonic() + 30
            while True:
                with suppress(httpx2.TransportError):
                    if asker.get("/-/ready").status_code == 200:
                        break
                assert time.monotonic() < until, "Prometheus did not start"
                time.sleep(0.1)
            yield asker
        finally:
            process.terminate()
            process.wait(20)


def test_prometheus_has_an_answer_to_every_query(
    text_client: httpx2.Client, encode: Encode, picture: Image.Image, tmp_path: Path
) -> None:
    data = encode(picture)
    enough = threading.Event()

    def keep_busy() -> None:
        with httpx2.Client(base_url=text_client.base_url, timeout=30) as client:
            while not enough.wait(0.1):
                make_traffic(client, data)

    busy = threading.Thread(target=keep_busy)
    with prometheus(text_client, tmp_path) as asker:
        busy.start()
        try:
            missing = [target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]]
            until = time.monotonic() + 40
            while missing:
                assert time.monotonic() < until, f"no answer to {missing}"
                time.sleep(0.5)
                missing = [query for query in missing if not _answers(asker, query)]
            rules: list[dict[str, Any]] = asker.get("/api/v1/rules").json()["data"]["groups"][0]["rules"]
            assert {rule["name"] for rule in rules} == {rule["alert"] for rule in ALERTS}
            assert {(rule["health"], rule["state"]) for rule in rules} == {("ok", "inactive")}
        finally:
            enough.set()
            busy.join(20)


def _answers(asker: httpx2.Client, query: str) -> bool:
    answer = asker.get("/api/v1/query", params={"query": query.replace("$__rate_interval", "10s")}).json()
    assert answer["status"] == "success", (query, answer)
    # Of routes that are not asked for now but were by other tests, a quantile is no number.
    return any(math.isfinite(float(result["value"][1])) for result in answer["data"]["result"])
