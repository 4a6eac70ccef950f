"""Counters and histograms for Prometheus."""

from collections.abc import Sequence

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
)

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)

disable_created_metrics()  # type: ignore[no-untyped-call]  # one more line for each counter, with its age


class Metrics:
    """The metrics of one application, for any thread."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        GCCollector(registry=self.registry)

        def counter(name: str, help: str, *labels: str) -> Counter:
            return Counter(f"recap_{name}", help, labels, registry=self.registry)

        def gauge(name: str, help: str, *labels: str) -> Gauge:
            return Gauge(f"recap_{name}", help, labels, registry=self.registry)

        def histogram(name: str, help: str, *labels: str, buckets: Sequence[float] = _SECONDS) -> Histogram:
            return Histogram(f"recap_{name}", help, labels, buckets=buckets, registry=self.registry)

        self.requests = counter("requests", "Requests answered.", "method", "route", "code")
        self.request_seconds = histogram("request_seconds", "From a request's head to the end of its answer.", "route")
        self.in_flight = gauge("requests_in_flight", "Requests that are being answered.")
        self.rejections = counter(
            "rejections", "Errors returned, by code. In a batch request each failed picture counts.", "reason"
        )
        self.ready = gauge("ready", "Whether the models are loaded and the server is not shutting down.")
        self.model_info = gauge("model_info", "1 for each model that is served.", "model", "task", "sha256")
        self.items = counter("items", "Items done: pictures captioned, texts written.", "task", "model")
        self.captions_withheld = counter(
            "captions_withheld", "Pictures whose best caption was less sure than min_confidence.", "model"
        )
        self.queue_depth = gauge("queue_depth", "Items that wait or are being worked on.", "task")
        self.queue_seconds = histogram("queue_seconds", "Time that an item waited.", "task")
        self.batch_size = histogram(
            "batch_size",
            "Items that went through the network together.",
            "task",
            buckets=(1, 2, 3, 4, 6, 8, 12, 16, 32, 64),
        )
        self.stage_seconds = histogram(
            "stage_seconds",
            "Time of a stage: to decode a picture, to encode a batch, to generate its captions.",
            "task",
            "stage",
        )
        self.text_tokens = counter("text_tokens", "Tokens of text written.", "model")
        self.text_characters = counter("text_characters", "Characters of text written.", "model")
        self.prompt_tokens = counter("prompt_tokens", "Tokens of prompts read.", "model")
