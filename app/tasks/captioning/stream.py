"""POST /v1/captions/stream: a picture in, its captions out a word at a time, as server-sent events."""

import asyncio
import secrets
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import ExitStack, suppress
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import StreamingResponse

from app.http.contract import Contract
from app.http.errors import tell
from app.http.events import EventStream, event
from app.http.openapi import FILE, TEXT, event_stream
from app.http.requests import read_upload, while_connected
from app.http.schema import ModelInfo, Schema
from app.serving.engine import Engine
from app.tasks.captioning.parameters import CaptionerCheckpoint, CaptionParameters, documented, picture_job
from app.tasks.captioning.routes import ERRORS
from app.tasks.captioning.schemas import CaptionResponse, ImageInfo, Token, new_id
from app.tasks.captioning.service import PictureJob, PictureWorker
from model.tasks.captioning import CAPTIONING
from model.tasks.captioning.captioner import Word
from model.vision.pictures import Picture

router = APIRouter(tags=["captions"])

_EVENTS = """event: image
data: {"id": "caption-4b9c4f1e", "model": {"name": "flickr8k-coco", "sha256": "3f0c..."}, "image": {"width": 640, ...}}

event: token
data: {"index": 0, "token": {"text": "a", "logprob": -0.21}}

event: caption
data: {"id": "caption-4b9c4f1e", "captions": [...], ...}
"""


@router.post(
    "/v1/captions/stream",
    response_class=StreamingResponse,
    responses={200: {"content": event_stream(("image", "token", "caption", "error"), _EVENTS)}, **ERRORS},
    openapi_extra=documented(FILE, TEXT),
)
@Contract(task="captioning")
async def stream_captions(request: Request) -> EventStream:
    """Describes a picture a word at a time, as server-sent events; it takes what `/v1/captions` takes.

    - `image`, when the picture is decoded: the answer's `id`, `model` and `image`.
    - `token`, for each word: `index`, the number of its caption, and `token`. Greedy decoding and sampling give a word
      as soon as it is chosen; beam search when all that can still win agree on it, and the rest at the end. Nothing is
      taken back. Several samples are numbered as they are drawn. Where captions may be withheld, by `min_confidence`,
      there are none.
    - `caption`, at the end: all that `/v1/captions` answers, captions best first.
    - `error`, in place of the rest: an error's body. What goes wrong before `image` is answered by a status, as
      elsewhere.
    """
    engine: Engine = request.app.state.engine
    data, parameters, received = await read_upload(request, CaptionParameters)
    checkpoint = engine.find(CAPTIONING, parameters.model)
    job = picture_job(checkpoint, parameters, data)
    if job.decoding.method == "sample" and job.decoding.seed is None:
        # Should the search start again, it finds the same words.
        job.decoding = job.decoding.model_copy(update={"seed": secrets.randbits(63)})
    stream = _CaptionStream(request, checkpoint, received, engine.worker(checkpoint), job)
    with ExitStack() as work:
        work.callback(stream.task.cancel)
        first = await while_connected(request, stream.first())
        return EventStream(stream.events(first), work.pop_all())


class _CaptionStream:
    """Events about a picture, on their way from the worker's threads to the event loop."""

    def __init__(
        self, request: Request, checkpoint: CaptionerCheckpoint, received: float, worker: PictureWorker, job: PictureJob
    ) -> None:
        self._request = request
        self._checkpoint = checkpoint
        self._received = received
        self._id = new_id()
        self._words: Counter[int] = Counter()
        self._loop = asyncio.get_running_loop()
        self._told: asyncio.Queue[bytes] = asyncio.Queue()
        """Events; an empty one is the end."""
        job.listener = self
        (self.task,) = worker.submit([job])
        self.task.add_done_callback(lambda _: self._told.put_nowait(b""))

    def decoded(self, picture: Picture) -> None:
        model, image = ModelInfo.model_validate(self._checkpoint), ImageInfo.model_validate(picture)
        self._tell("image", {"id": self._id, "model": _plain(model), "image": _plain(image)})

    def word(self, caption: int, place: int, token: Word) -> None:
        if place == self._words[caption]:
            self._words[caption] += 1
            self._tell("token", {"index": caption, "token": _plain(Token.model_validate(token))})

    def _tell(self, name: str, data: Any) -> None:
        with suppress(RuntimeError):  # the loop is closed: nobody listens any more
            self._loop.call_soon_threadsafe(self._told.put_nowait, event(data, name))

    async def first(self) -> bytes:
        """The event `image`, or the refusal of the picture."""
        told = await self._told.get()
        if self.task.done():
            self.task.result()  # raises what it failed with
        return told

    async def events(self, first: bytes) -> AsyncIterator[bytes]:
        """All events."""
        yield first
        while told := await self._told.get():
            yield told
        try:
            answer = CaptionResponse.of(self.task.result(), self._checkpoint, self._received, self._id)
            yield event(_plain(answer), "caption")
        except Exception as error:
            yield event(tell(error, self._request.scope)[1], "error")


def _plain(schema: Schema) -> Any:
    return schema.model_dump(mode="json")
