"""The contract that a route declares: its errors, its bodies, its task, and whether it needs a key."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

from fastapi.routing import iter_route_contexts
from starlette.routing import BaseRoute
from starlette.types import Scope

from app.http.dialects import OWN, Dialect

E = TypeVar("E")

TEXT_BYTES = 8_000_000
"""Largest body without a picture: eight times the longest prompt, since JSON may escape its characters."""
UNMATCHED = "unmatched"
"""Stands for the path of a request that no route takes."""


@dataclass(frozen=True)
class Contract:
    """Everything that middlewares must know of a route. Calling it with an endpoint declares the endpoint's contract.

    @router.post("/v1/completions")
    @Contract(errors=OPENAI, task="text", body="text")
    async def create_completion(...): ...
    """

    errors: Dialect = OWN
    """The shape of errors, including those that the route never sees."""
    task: str | None = None
    """The task whose workers must be ready and have room: a name in `model.tasks`."""
    task_of_model: bool = False
    """The task is that of the model which the path names, as `name`."""
    body: Literal["upload", "batch", "text"] = "upload"
    """The limit of a body: that of a picture, of several pictures, or of text."""
    open: bool = False
    """Needs no key and is not counted: health, and pages that a browser asks for without a key."""

    def __call__(self, endpoint: E) -> E:
        setattr(endpoint, "contract", self)  # noqa: B010 (of a function, or of an application)
        return endpoint


@dataclass(frozen=True)
class Match:
    """The route of a request."""

    path: str
    """The route's template, `/v1/models/{name:path}`, or `UNMATCHED`."""
    contract: Contract
    parameters: Mapping[str, str]
    """The parameters in the path."""
    takes_method: bool
    """False if the route is not for the request's method: the answer will be a 405. HEAD goes wherever GET does."""


class RouteTable:
    """All routes of an application, those of included routers too, in the order in which they are tried."""

    def __init__(self, routes: Sequence[BaseRoute]) -> None:
        endpoints = ((route, route.endpoint or route.app) for route in iter_route_contexts(routes))
        self._routes = [(route, getattr(endpoint, "contract", Contract())) for route, endpoint in endpoints]
        self._dialects: dict[str, Dialect] = {}
        """Folder of paths -> the dialect of the routes below it, where they all have the same."""
        for folder in {folder for route, _ in self._routes for folder in _folders(route.path or "")}:
            dialects = {contract.errors for route, contract in self._routes if f"{route.path}".startswith(folder)}
            self._dialects[folder] = dialects.pop() if len(dialects) == 1 else OWN

    def match(self, scope: Scope) -> Match:
        """The route of a request.

        Where no route takes the path, errors are reported as by the routes beside it, if these agree.
        """
        other, method = None, "GET" if scope["method"] == "HEAD" else scope["method"]
        for route, contract in self._routes:
            if found := route.path_regex.match(scope["path"]):
                methods = route.methods
                match = Match(f"{route.path}", contract, found.groupdict(), not methods or method in methods)
                if match.takes_method:
                    return match
                other = other or match
        if other:
            return other
        folder = next((folder for folder in _folders(scope["path"]) if folder in self._dialects), "/")
        return Match(UNMATCHED, Contract(self._dialects.get(folder, OWN)), {}, takes_method=False)


def _folders(path: str) -> Iterator[str]:
    """The folders that a path lies in, from the innermost: `/v1/chat/` and `/v1/` for `/v1/chat/completions`."""
    end = path.rfind("/")
    while end > 0:
        yield path[: end + 1]
        end = path.rfind("/", 0, end)
