"""Pictures from the web: from hosts that the operator allows, and never from an address that is not public."""

import asyncio
import ipaddress
import socket
from typing import Any, Protocol
from urllib.parse import quote, urljoin, urlsplit

import httpcore2

from app.errors import Refusal
from app.settings import Settings

REDIRECTS = 5
CONNECTIONS = 16
"""Most connections at the same time; other fetches wait for them."""

_PORTS = {"http": 80, "https": 443}
_HEADERS = (("accept", "image/*"), ("accept-encoding", "identity"), ("user-agent", "recap"))
_SAFE = "/?%:@!$&'()*+,;=~[]"
"""Characters that may stand in a URL's path and query unescaped."""
MAX_URL_CHARS = 8_000
"""Longest URL; browsers and servers agree on about as many."""
_PUBLIC6 = ipaddress.ip_network("2000::/3")
"""All of IPv6 that has been given out (IANA); within it, `ipaddress` knows what is not public."""
_SPECIAL = [
    ipaddress.ip_network(network)
    for network in ("192.0.0.0/24", "192.88.99.0/24", "2001::/23", "2001:db8::/32", "3fff::/20")
]
"""Protocols, relays and examples (RFC 6890, RFC 9637), which not every version of Python takes for special."""
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
"""The one wrapping of IPv4 that is beside it."""


class Room(Protocol):
    """Counts bytes that are held in memory; `hold` may refuse."""

    def hold(self, size: int) -> None: ...

    def release(self, size: int) -> None: ...


class Fetcher:
    """Fetches pictures by their URL.

    A connection goes to the very address that was looked up and found public, so that a name which means something else
    a moment later ("DNS rebinding") leads nowhere new. Redirects are held to the same rules.
    """

    def __init__(self, settings: Settings) -> None:
        self._hosts = settings.url_hosts
        self._seconds = settings.url_seconds
        self._max_bytes = settings.max_body_bytes
        self._pool = httpcore2.AsyncConnectionPool(
            network_backend=_PublicBackend(),
            max_connections=CONNECTIONS,
            max_keepalive_connections=0,  # every connection is looked at anew
        )

    async def fetch(self, url: str, room: Room | None = None) -> bytes:
        """The contents of an http or https URL, which `room` counts from the first byte on.

        Raises:
            Refusal: URLs are not fetched, or not from there, or it can't be had; too large.
        """
        try:
            async with asyncio.timeout(self._seconds):
                return await self._follow(url, room)
        except TimeoutError:
            raise _failed(f"it took more than {self._seconds:g} s") from None
        except (httpcore2.NetworkError, httpcore2.ProtocolError) as error:
            raise _failed("there is no connection, or it broke") from error

    async def _follow(self, url: str, room: Room | None) -> bytes:
        for _ in range(1 + REDIRECTS):
            async with self._pool.stream("GET", self._allowed(url), headers=_HEADERS) as response:
                headers = {name.lower(): value.decode("latin-1") for name, value in response.headers}
                if response.status == 200:
                    return await self._read(response, headers, room)
                if response.status not in (301, 302, 303, 307, 308) or b"location" not in headers:
                    raise _failed(f"the answer there is {response.status}")
                url = urljoin(url, headers[b"location"])
        raise _failed(f"there are more than {REDIRECTS} redirects")

    async def _read(self, response: httpcore2.Response, headers: dict[bytes, str], room: Room | None) -> bytes:
        if headers.get(b"content-encoding", "identity") != "identity":
            raise _failed("the answer there is compressed, which was not asked for")
        declared = headers.get(b"content-length", "")
        data = bytearray()
        too_large = Refusal("body_too_large", f"the picture there is larger than {self._max_bytes:,} bytes")
        if declared.isdecimal() and int(declared) > self._max_bytes:
            raise too_large
        try:
            async for chunk in response.aiter_stream():
                data += chunk
                if room:
                    room.hold(len(chunk))
                if len(data) > self._max_bytes:
                    raise too_large
        except BaseException:
            if room:
                room.release(len(data))
            raise
        return bytes(data)

    def _allowed(self, url: str) -> httpcore2.URL:
        """The URL in parts that can be read in one way only."""
        if not self._hosts:
            raise Refusal("url_not_fetched", "URLs are not fetched; send the picture's bytes, or base64 of them")
        if len(url) > MAX_URL_CHARS:
            raise _failed(f"its URL has {len(url):,} characters; at most {MAX_URL_CHARS:,} are read")
        try:
            parts = urlsplit(url.strip())
            scheme = parts.scheme.lower()
            host = (parts.hostname or "").encode("idna").decode("ascii").rstrip(".")
            usual = _PORTS[scheme]
            port = parts.port or usual
        except (ValueError, KeyError) as error:
            raise _failed("it is not an http or https URL") from error
        if not host or ":" in host or "@" in parts.netloc:
            raise _failed("it has no host name, or a user's name before it")
        place = host if port == usual else f"{host}:{port}"
        if not any(_matches(place, pattern) for pattern in self._hosts):
            raise Refusal("url_not_allowed", f"pictures are not fetched from {place[:200]}")
        target = quote(f"{parts.path or '/'}?{parts.query}".removesuffix("?"), safe=_SAFE)
        return httpcore2.URL(scheme=scheme.encode(), host=host.encode(), port=port, target=target.encode())


def _matches(place: str, pattern: str) -> bool:
    """Test `host` or `host:port` against an entry of the list: that host, `*.domain` for those below, `*` for any."""
    if pattern == "*":
        return ":" not in place
    return place.endswith(pattern[1:]) if pattern.startswith("*.") else place == pattern


def _failed(reason: str) -> Refusal:
    return Refusal("url_failed", f"the picture can't be fetched: {reason}")


class _PublicBackend(httpcore2.AnyIOBackend):
    """Connects to public addresses alone."""

    async def connect_tcp(self, host: str, port: int, *arguments: Any, **options: Any) -> httpcore2.AsyncNetworkStream:
        failure: Exception | None = None
        for address in await _look_up(host, port):
            try:
                return await super().connect_tcp(address, port, *arguments, **options)
            except httpcore2.ConnectError as error:
                failure = error
        assert failure
        raise failure


async def _look_up(host: str, port: int) -> list[str]:
    """The addresses of a host; one with no address, or with one that is not public, is refused."""
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise _failed(f"{host[:200]} has no address") from error
    addresses = list(dict.fromkeys(str(place[4][0]) for place in found))
    if not all(is_public(address) for address in addresses):
        raise Refusal("url_not_allowed", f"{host[:200]} is not on the public internet")
    return addresses


def is_public(address: str) -> bool:
    """Test whether an IP address, and the one that it may wrap, belongs to the public internet."""
    outer = ipaddress.ip_address(address)
    if isinstance(outer, ipaddress.IPv6Address):
        if outer in _NAT64:
            return is_public(str(ipaddress.IPv4Address(int(outer) & 0xFFFFFFFF)))
        if outer not in _PUBLIC6 or (outer.sixtofour and not is_public(str(outer.sixtofour))):
            return False
    return outer.is_global and not outer.is_multicast and not any(outer in network for network in _SPECIAL)
