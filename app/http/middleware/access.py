"""Access: keys, and limits to how often a client may ask."""

import hashlib
import hmac
import ipaddress
import math
import time

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from app.errors import Refusal
from app.settings import Settings

MOST_CLIENTS = 10_000
"""Most clients that are counted; beyond, those that have not asked for the longest time are forgotten."""


class AccessMiddleware:
    """Refuses requests without an API key, where there are any, and clients that ask too often."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self.app = app
        self.keys = settings.api_keys
        self.rates = Rates(settings.rate_per_minute, settings.rate_burst) if settings.rate_per_minute else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and not scope["state"]["match"].contract.open:
            self._admit(scope)
        await self.app(scope, receive, send)

    def _admit(self, scope: Scope) -> None:
        owner, refusal = "", None
        if self.keys:
            try:
                owner = self._owner(Headers(scope=scope))
            except Refusal as error:
                refusal = error  # counted by its address, as a guess
        client = scope["state"]["client"] = owner or _address(scope)
        if self.rates and (seconds := self.rates.count(client, time.monotonic())):
            message = f"this client may ask {self.rates.per_minute:g} times a minute; try again in {seconds} s"
            raise Refusal("rate_limit_exceeded", message, retry_after=seconds)
        if refusal:
            raise refusal

    def _owner(self, headers: Headers) -> str:
        """The digest of the request's key; a request without one that is known here is refused."""
        scheme, _, token = headers.get("authorization", "").partition(" ")
        key = token.strip() if scheme.lower() == "bearer" else headers.get("x-api-key", "")
        if not key:
            raise Refusal("missing_api_key", "an API key is needed, as Authorization: Bearer KEY or X-API-Key: KEY")
        digest = hashlib.sha256(key.encode("latin-1")).hexdigest()
        # Every known digest is compared in constant time, so the time taken reveals nothing.
        if not sum(hmac.compare_digest(digest, known) for known in self.keys):
            raise Refusal("invalid_api_key", "this API key is not known here")
        return digest


class Rates:
    """Limits the requests of each client: so many a minute, and `burst` at once after a quiet time.

    The algorithm is the "generic cell rate algorithm" (ITU-T I.371): a client is one number, the time at which it will
    have made up for its requests.
    """

    def __init__(self, per_minute: float, burst: int) -> None:
        self.per_minute = per_minute
        self._gap = 60 / per_minute
        self._burst = burst
        self._even: dict[str, float] = {}
        """Client -> the time at which it is even, in the order in which they last asked."""

    def count(self, client: str, now: float) -> int:
        """Count a request and return 0, or return the seconds after which it may be made, uncounted."""
        even = max(self._even.pop(client, now), now)
        wait = even - now - (self._burst - 1) * self._gap
        self._even[client] = even if wait > 0 else even + self._gap
        if len(self._even) > MOST_CLIENTS:
            del self._even[next(iter(self._even))]
        return math.ceil(wait) if wait > 0 else 0


def _address(scope: Scope) -> str:
    """A client by its address; of IPv6 the part that a subscriber can't choose."""
    host = scope["client"][0] if scope.get("client") else ""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return str(host)
    if isinstance(address, ipaddress.IPv6Address):
        return str(address.ipv4_mapped or ipaddress.ip_network((address, 64), strict=False))
    return str(address)
