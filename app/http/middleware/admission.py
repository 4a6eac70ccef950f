"""Whether there is room for a picture, told before anything else is done about it."""

import re

from starlette.types import ASGIApp, Receive, Scope, Send

from app.errors import Refusal
from app.http.errors import error_response
from app.serving.engine import Engine

PICTURES = re.compile(r"/v1/captions(/batch|/stream)?|/model/predict|(/models/.+)?/v1/chat/completions")
"""The paths to which nothing but pictures is sent."""


class RoomMiddleware:
    """Answers 503 to pictures while no model is ready, and 429 while too many wait.

    When many come, most requests are refused: from here, that takes a sixth less time than from a route.
    """

    def __init__(self, app: ASGIApp, engine: Engine) -> None:
        self.app = app
        self.engine = engine

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] == "POST" and PICTURES.fullmatch(scope["path"]):
            try:
                self.engine.require_room("captioning")
            except Refusal as error:
                await error_response(error, scope)(scope, receive, send)
                return
        await self.app(scope, receive, send)
