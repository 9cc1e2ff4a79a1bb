"""The headers of every answer, and which names of hosts are answered at all. Plain ASGI, so that streams are not buffered.

Room: hall, face. `app` wraps the application with both. A browser that takes nothing for STALL_S is cut off here.
"""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import ipaddress
from collections.abc import Callable, Collection
from typing import Final

from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from runtime.faces.web.stream import STALL_S

POLICY: Final = (
    b"default-src 'self'; object-src 'none'; base-uri 'none'; frame-ancestors 'none'; form-action 'self'; img-src 'self' data: blob:"
)
HEADERS: Final = {
    b"content-security-policy": POLICY,
    b"x-content-type-options": b"nosniff",
    b"x-frame-options": b"DENY",
    b"referrer-policy": b"same-origin",  # with none at all a browser sends `Origin: null` with our own forms
    b"cross-origin-opener-policy": b"same-origin",
    b"cross-origin-resource-policy": b"same-origin",
    b"permissions-policy": b"camera=(), microphone=(), geolocation=(), usb=(), serial=(), payment=(), interest-cohort=()",
}
PACKED_MIN: Final = 500
PACKED_TYPES: Final = (b"text/html", b"application/json", b"application/problem+json")
LOCAL_NAMES: Final = frozenset({"localhost", "127.0.0.1", "::1"})


class Headers:
    """Adds HEADERS to every answer, and compresses pages and JSON that come in one piece."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        accepts = b"gzip" in dict(scope["headers"]).get(b"accept-encoding", b"")
        held: Message | None = None

        async def with_headers(message: Message) -> None:
            nonlocal held
            if message["type"] == "http.response.start":
                message["headers"] = [
                    *message.get("headers", ()),
                    *((k, v) for k, v in HEADERS.items() if k not in dict(message["headers"])),
                ]
                if accepts and _is_packable(dict(message["headers"])):
                    held = message
                    return
            elif held is not None:
                start, held = held, None
                if not message.get("more_body") and len(message.get("body", b"")) >= PACKED_MIN:
                    message = {**message, "body": gzip.compress(message["body"], 6, mtime=0)}
                    start["headers"] = _packed(start["headers"], len(message["body"]))
                async with asyncio.timeout(STALL_S):
                    await send(start)
            async with asyncio.timeout(STALL_S):
                await send(message)

        with contextlib.suppress(TimeoutError):  # the server then closes the connection of a browser that takes nothing
            await self._app(scope, receive, with_headers)


def _is_packable(headers: dict[bytes, bytes]) -> bool:
    return headers.get(b"content-type", b"").split(b";")[0] in PACKED_TYPES and b"content-encoding" not in headers


def _packed(headers: list[tuple[bytes, bytes]], size: int) -> list[tuple[bytes, bytes]]:
    kept = [(name, value) for name, value in headers if name != b"content-length"]
    return [*kept, (b"content-length", b"%d" % size), (b"content-encoding", b"gzip")]


class Hosts:
    """Answers only requests that name this machine: another site's name that DNS points here reaches nothing."""

    def __init__(self, app: ASGIApp, known: Callable[[], Collection[str]]) -> None:
        self._app, self._known = app, known

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] == "http":
            named = [value for name, value in scope["headers"] if name == b"host"]
            reached_at = str((scope.get("server") or ("", 0))[0])
            if len(named) != 1 or not is_known(named[0].decode("latin-1"), self._known(), reached_at):
                await PlainTextResponse("unknown host", 421 if len(named) == 1 else 400)(scope, receive, send)
                return
        await self._app(scope, receive, send)


def is_known(host: str, known: Collection[str], reached_at: str = "") -> bool:
    """Tell whether a Host header names one of `known` (lower case, addresses without brackets), with or without a port.

    `reached_at`: the address of ours at which the connection came in. It may be younger than `known`, and no site's name leads to a number.
    """
    name, _, port = host.rpartition(":") if not host.endswith("]") and ":" in host else (host, "", "")
    if port and not port.isdecimal():
        return False
    name = name.lower()
    if name.startswith("[") and name.endswith("]"):
        try:
            name = str(ipaddress.ip_address(name[1:-1]))
        except ValueError:
            return False
    return name in LOCAL_NAMES or name in known or (bool(name) and name == reached_at.partition("%")[0])
