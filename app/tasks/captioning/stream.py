"""POST /v1/captions/stream: a picture in, its captions out a word at a time, as server-sent events."""

import asyncio
import secrets
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import replace
from typing import Any, Self

from fastapi import APIRouter, Request
from fastapi.responses import StreamingResponse

from app.http.contract import Contract
from app.http.disconnect import while_connected
from app.http.errors import tell
from app.http.events import EventStream, event
from app.http.openapi import FILE, TEXT, event_stream
from app.http.requests import read_upload
from app.http.schema import Schema
from app.serving.engine import Engine
from app.tasks.captioning.parameters import CaptionParameters
from app.tasks.captioning.request import (
    ERRORS,
    CaptionerCheckpoint,
    model_info,
    new_id,
    picture_request,
    query,
    request_body,
    response,
)
from app.tasks.captioning.schemas import ImageInfo, Token
from app.tasks.captioning.service import PictureRequest, PictureWorker
from model.tasks.captioning import CAPTIONING
from model.tasks.captioning.captioner import Word
from model.vision.pictures import Picture

router = APIRouter(tags=["captions"])

_EVENTS = """event: image
data: {"id": "caption-4b9c4f1e", "model": {"name": "flickr8k", "sha256": "3f0c..."}, "image": {"width": 640, ...}}

event: token
data: {"index": 0, "token": {"text": "a", "logprob": -0.21}}

event: caption
data: {"id": "caption-4b9c4f1e", "captions": [...], ...}
"""


@router.post(
    "/v1/captions/stream",
    response_class=StreamingResponse,
    responses={200: {"content": event_stream(("image", "token", "caption", "error"), _EVENTS)}, **ERRORS},
    openapi_extra={"parameters": query(), "requestBody": request_body(FILE, TEXT)},
)
@Contract(task="captioning")
async def stream_captions(request: Request) -> EventStream:
    """Describes a picture a word at a time, as server-sent events; it takes what `/v1/captions` takes.

    - `image`, when the picture is decoded: the answer's `id`, `model` and `image`.
    - `token`, for each word: `index`, the number of its caption, and `token`. Greedy decoding and sampling give a word
      as soon as it is chosen; beam search when all that can still win agree on it, and the rest at the end. Nothing is
      taken back. Several samples are numbered as they are drawn.
    - `caption`, at the end: all that `/v1/captions` answers, captions best first.
    - `error`, in place of the rest: an error's body. What goes wrong before `image` is answered by a status, as
      elsewhere.
    """
    engine: Engine = request.app.state.engine
    data, parameters, received = await read_upload(request, CaptionParameters)
    checkpoint = engine.find(CAPTIONING, parameters.model)
    asked = picture_request(checkpoint, parameters)
    decoding = asked.decoding
    if decoding.method == "sample" and decoding.seed is None:  # should the search start again, it finds the same words
        decoding = decoding.model_copy(update={"seed": secrets.randbits(63)})
    stream = _CaptionStream(request, checkpoint, received)
    stream.submit(engine.worker(checkpoint), replace(asked, data=data, decoding=decoding, listener=stream))
    try:
        first = await while_connected(request, stream.first())
    except BaseException:
        stream.withdraw()
        raise
    return EventStream(stream.events(first), stream)


class _CaptionStream:
    """Events about a picture, on their way from the worker's threads to the event loop.

    Leaving its context withdraws the picture.

    Args:
        request: that is answered.
        checkpoint: of the captioner.
        received: when the request had arrived, by `time.perf_counter`.
    """

    def __init__(self, request: Request, checkpoint: CaptionerCheckpoint, received: float) -> None:
        self._request = request
        self._checkpoint = checkpoint
        self._received = received
        self._id = new_id()
        self._words: Counter[int] = Counter()
        self._loop = asyncio.get_running_loop()
        self._told: asyncio.Queue[bytes | None] = asyncio.Queue()

    def submit(self, worker: PictureWorker, picture: PictureRequest) -> None:
        """Hand the picture, whose listener this is, to the captioner's worker.

        Raises:
            Refusal: see `PictureWorker.submit`.
        """
        (self._task,) = worker.submit([picture])
        self._task.add_done_callback(lambda _: self._told.put_nowait(None))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.withdraw()

    def withdraw(self) -> None:
        """Withdraw the picture: nobody waits for it any more."""
        self._task.cancel()

    def decoded(self, picture: Picture) -> None:
        image = ImageInfo(width=picture.width, height=picture.height, format=picture.format)
        self._tell("image", {"id": self._id, "model": _plain(model_info(self._checkpoint)), "image": _plain(image)})

    def word(self, caption: int, place: int, token: Word) -> None:
        if place == self._words[caption]:
            self._words[caption] += 1
            self._tell("token", {"index": caption, "token": _plain(Token.model_validate(token))})

    def _tell(self, name: str, data: Any) -> None:
        with suppress(RuntimeError):  # the loop is closed: nobody listens any more
            self._loop.call_soon_threadsafe(self._told.put_nowait, event(data, name))

    async def first(self) -> bytes:
        """The event `image`.

        Raises:
            Refusal: the picture has no captions.
        """
        told = await self._told.get()
        if self._task.done():
            self._task.result()  # raises what it failed with
        assert told is not None
        return told

    async def events(self, first: bytes) -> AsyncIterator[bytes]:
        """All events."""
        yield first
        while (told := await self._told.get()) is not None:
            yield told
        try:
            answer = response(self._checkpoint, self._task.result(), self._received, self._id)
            yield event(_plain(answer), "caption")
        except Exception as error:
            yield event(tell(error, self._request.scope)[1], "error")


def _plain(schema: Schema) -> Any:
    return schema.model_dump(mode="json")
