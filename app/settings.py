"""Settings of an operator, each an environment variable RECAP_NAME."""

import os
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, IPvAnyNetwork, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from model.vision.formats import MAX_PIXELS, MAX_SIDE
from recap.installation import checkpoints_folder

Device = Literal["auto", "cpu", "cuda"]
NetworkRuntime = Literal["auto", "openvino", "torch"]
Precision = Literal["auto", "float32"]
LogFormat = Literal["auto", "json", "console"]
LogLevel = Literal["debug", "info", "warning", "error"]


def _split(value: object) -> object:
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


def _pairs(value: object) -> object:
    if not isinstance(value, str):
        return value
    pairs = [part.partition("=") for part in value.split(",") if part.strip()]
    if not all(equals for _, equals, _ in pairs):
        raise ValueError("write TASK=MODEL, with commas between several")
    return {task.strip(): model.strip() for task, _, model in pairs}


def _pattern(pattern: str) -> object:
    return Field(pattern=f"^{pattern}$")


COMMAS = (NoDecode, BeforeValidator(_split))
"""A list that a variable holds with commas between the values."""


PREFIX = "RECAP_"
LIKENESS = 0.6
"""Least similarity, by `difflib`, at which a variable's name is taken for a misspelt setting."""


class Settings(BaseSettings):
    """Settings of the service: an option of the `recap` command goes before a variable, a variable before a default."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, use_attribute_docstrings=True)

    host: str = "127.0.0.1"
    """Address to listen on. 0.0.0.0 is every address of the machine: do that behind a proxy, or in a container."""
    port: Annotated[int, Field(ge=0, le=65535)] = 8000
    """Port to listen on; 0 takes any that is free."""
    checkpoints: Path | None = None
    """Folder whose sub-folders are the checkpoints to serve; unset: `checkpoints` in the working directory, if it
    exists, else the checkpoints that the package carries."""
    defaults: Annotated[dict[str, str] | None, NoDecode, BeforeValidator(_pairs)] = None
    """Model of each task that answers when a request names none: `captioning=flickr8k-coco,text=shakespeare`, which is
    also the default; a task whose default is missing takes its first model by name."""
    log_format: LogFormat = "auto"
    """Form of the log: `json`, a line an event; `console`, for people; `auto`, which is `console` on a terminal."""
    log_level: LogLevel = "info"
    """Least level that is logged: `debug`, `info`, `warning` or `error`. A request is an `info`."""
    device: Device = "auto"
    """Where the networks run: `cpu`, `cuda`, or `auto`, which is `cuda` where there is one."""
    runtime: NetworkRuntime = "auto"
    """Library that runs networks on a CPU: `openvino`, two to five times as fast; `torch`; or `auto`:
    OpenVINO if installed."""
    precision: Precision = "auto"
    """Precision of OpenVINO's products: `auto` is bfloat16, and 8 bits in decoders and language models, on a CPU that
    has instructions for them; `float32` gives the captions and texts of CPUs that have none, more slowly."""
    cache: Path | None = None
    """Folder where compiled networks are kept, for 60 days after a start; unset: `recap` among the user's caches."""
    threads: Annotated[int, Field(ge=1, le=256)] | None = None
    """CPU threads of the networks; unset takes one a core."""
    min_confidence: Annotated[float, Field(ge=0, le=1)] = 0.0
    """Least confidence of a caption that is told, unless a request names another: below it, tags or nothing take its
    place, and it is marked for review. 0 is off."""
    api_keys: Annotated[tuple[Annotated[str, _pattern("[0-9a-f]{64}")], ...], *COMMAS] = ()
    """SHA-256 digests, in hexadecimal, of the keys that open the API; with none of them, it is open to all."""
    rate_per_minute: Annotated[float, Field(gt=0)] | None = None
    """Requests that a client, known by its key or else by its address, may make a minute; more are answered 429."""
    rate_burst: Annotated[int, Field(ge=1)] = 20
    """Requests that a client which has been quiet may make at once."""
    trusted_proxies: Annotated[tuple[IPvAnyNetwork, ...], *COMMAS] = ()
    """Addresses or networks of proxies whose `X-Forwarded-For` and `X-Forwarded-Proto` are believed."""
    cors_origins: Annotated[tuple[Annotated[str, _pattern(r"(\*|https?://[^/\s]+)")], ...], *COMMAS] = ()
    """Origins whose pages may use the API from a browser, such as `https://example.com`; `*` is all of them."""
    url_hosts: Annotated[tuple[Annotated[str, _pattern(r"(\*|(\*\.)?[a-z0-9.-]+(:\d+)?)")], ...], *COMMAS] = ()
    """Hosts from which pictures are fetched when a request has their URL: `example.com`, `*.example.com` (those below
    it), `*` (all that are public). An address that is not public is never asked."""
    url_seconds: Annotated[float, Field(gt=0)] = 10
    """Seconds that fetching a picture may take."""
    decode_threads: Annotated[int, Field(ge=1, le=64)] = 2
    """Pictures decoded at the same time; those that take more than 100 MB are decoded one after another."""
    batch_size: Annotated[int, Field(ge=1, le=256)] = 16
    """Largest batch of pictures; with lanes, a batch outside them takes at most half of it."""
    batch_pause_ms: Annotated[float, Field(ge=0, le=100)] = 3
    """Milliseconds that a batch waits for another picture, while one is being decoded or if the last batch had
    several."""
    picture_queue: Annotated[int, Field(ge=0)] = 64
    """Pictures that may wait besides a full batch, for each captioner; more are answered 429."""
    max_batch_images: Annotated[int, Field(ge=1, le=1000)] = 32
    """Most pictures in a request to `/v1/captions/batch`."""
    deadline_seconds: Annotated[float, Field(gt=0)] = 30
    """Seconds after which a picture that has no captions yet, or a request for texts of which none has begun, is given
    up and answered 504."""
    text_slots: Annotated[int, Field(ge=1, le=1024)] = 32
    """Texts that each language model writes at the same time; requests take turns at them."""
    text_queue: Annotated[int, Field(ge=0)] = 256
    """Texts that may wait for their turn, for each language model, and half as many of one client; more are answered
    429."""
    max_tokens: Annotated[int, Field(ge=1)] = 100_000
    """Most tokens that a request may ask for in one text."""
    max_prompt_chars: Annotated[int, Field(ge=1)] = 1_000_000
    """Most characters in the prompts of one request; a model of 3 x 512 reads some thousands a second."""
    drain_seconds: Annotated[int, Field(ge=0)] = 20
    """Seconds that what is in flight has when the server is stopped; then it ends with an error."""
    receive_seconds: Annotated[float, Field(gt=0)] = 20
    """Seconds that a request's head may take to arrive, and so may its body, besides what its size takes; in as many, a
    client must take what its answer's size allows."""
    receive_rate: Annotated[float, Field(gt=0)] = 5_000
    """Bytes a second that a body's size takes; slower ones are answered 408, and who takes an answer more slowly is cut
    off."""
    max_body_bytes: Annotated[int, Field(ge=1)] = 20_000_000
    """Most bytes in a request's body; more is answered 413 while it is still being sent."""
    max_batch_bytes: Annotated[int, Field(ge=1)] = 100_000_000
    """Most bytes in the body of a request to `/v1/captions/batch`."""
    max_held_bytes: Annotated[int, Field(ge=1)] = 500_000_000
    """Most bytes that the bodies of all requests hold in memory, until they are answered; beyond, 429."""
    max_pixels: Annotated[int, Field(ge=1, le=170_000_000)] = MAX_PIXELS
    """Most pixels that are decoded of a picture; more is answered 422, from the header, before any is. A JPEG counts at
    the fraction at which it is decoded. A decoder may take 6 bytes for each that is allowed, so formats that need more
    a pixel, WebP and AVIF, have less."""
    max_dimension: Annotated[int, Field(ge=1)] = MAX_SIDE
    """Most pixels along one side of a picture: scaling a very long one down takes memory that its pixels don't show."""

    def checkpoint_folder(self) -> Path:
        """The folder of checkpoints, by the setting, in the working directory or in the package `recap`.

        Raises:
            ValueError: there is none; the message says where it was looked for.
        """
        if self.checkpoints is not None:
            return self.checkpoints
        local = Path("checkpoints")
        for folder in (local, checkpoints_folder()):
            if folder.is_dir():
                return folder
        raise ValueError(
            f"no checkpoints: neither {local.absolute()} nor the installed package has any; name a folder with "
            f"--checkpoints or {PREFIX}CHECKPOINTS"
        )

    @model_validator(mode="before")
    @classmethod
    def _no_mistaken_names(cls, given: object) -> object:
        """A variable that was meant for one of these must not be passed over: it may be the one that locks the API."""
        names = [name.upper() for name in cls.model_fields]
        for variable in os.environ:
            prefix, name = variable[: len(PREFIX)].upper(), variable[len(PREFIX) :].upper()
            if prefix == PREFIX and name not in names and (near := get_close_matches(name, names, 1, LIKENESS)):
                raise ValueError(f"{variable}: no such setting; did you mean {PREFIX}{near[0]}?")
        return given
