"""The anchor on the wire: routes, limits and deadlines around the cosigner and the mirror.

Room: upstream. `__main__` wires it, `listener` runs it. Who may use it is decided by signatures, not by accounts: a
checkpoint counts only under an enrolled key, an upload only against a cosigned root. Held entries are for holders of the
token, to bring and to read. All work on the store runs in one thread; every request has a size, a deadline and a place
among a bounded number.

    POST /add-checkpoint              C2SP tlog-witness
    GET  /checkpoint?origin=          the newest cosigned note
    GET  /vkey                        this witness's key
    POST /add-entries?origin=         a package for the mirror, from holders of the token (off unless there is one)
    GET  /entries?origin=&start=&count=   held entries, for holders of the token
"""

from __future__ import annotations

import asyncio
import hmac
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from anchor.cosigner import Cosigner
from anchor.mirror import Mirror
from anchor.store import Store
from anchor.witness import REQUEST_SIZE_MAX, Answer
from ledger_client.anchors.package import PACKAGE_SIZE_MAX

Work = Callable[[], Answer]
_FORBIDDEN = Answer(403, b"held entries are for holders of the token\n")


@dataclass(frozen=True, slots=True)
class Limits:
    """What one client, and all together, may take."""

    body_timeout_s: float = 10.0
    head_timeout_s: float = 10.0
    connections_max: int = 256
    waiting_max: int = 64
    uploads_max: int = 8
    upload_timeout_s: float = 60.0
    """A package takes its time on a slow line; only holders of the token may."""


class Service:
    """The routes' shared parts: cosigner, mirror (None = off), the token for held entries, and the store's thread."""

    def __init__(self, store: Store, cosigner: Cosigner, mirror: Mirror | None, token: str | None, limits: Limits) -> None:
        self._store = store
        self._cosigner = cosigner
        self._mirror = mirror
        self._token = token
        self._limits = limits
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="anchor-store")
        self._waiting = 0
        self._uploads = 0

    def app(self) -> Starlette:
        """Return the ASGI application."""
        routes = [
            Route("/add-checkpoint", self._add_checkpoint, methods=["POST"]),
            Route("/checkpoint", self._checkpoint, methods=["GET"]),
            Route("/vkey", self._vkey, methods=["GET"]),
        ]
        if self._mirror is not None and self._token is not None:
            routes.append(Route("/add-entries", self._add_entries, methods=["POST"]))
            routes.append(Route("/entries", self._entries, methods=["GET"]))
        return Starlette(routes=routes)

    def close(self) -> None:
        """Let the store's thread finish what it has and end."""
        self._thread.shutdown(wait=True, cancel_futures=True)

    async def _add_checkpoint(self, request: Request) -> Response:
        body = await self._read(request, REQUEST_SIZE_MAX, self._limits.body_timeout_s)
        if isinstance(body, Answer):
            return _response(body)
        return await self._work(lambda: self._cosigner.add_checkpoint(body))

    async def _checkpoint(self, request: Request) -> Response:
        origin = request.query_params.get("origin", "")

        def find() -> Answer:
            note = self._store.latest_note(origin)
            return Answer(404, b"nothing is cosigned for this origin\n") if note is None else Answer(200, note.encode())

        return await self._work(find)

    async def _vkey(self, request: Request) -> Response:
        return _response(Answer(200, f"{self._cosigner.note_key.vkey}\n".encode()))

    async def _add_entries(self, request: Request) -> Response:
        mirror, origin = self._mirror, request.query_params.get("origin", "")
        if mirror is None or not self._has_token(request):
            return _response(_FORBIDDEN)
        if self._uploads >= self._limits.uploads_max:
            return _response(Answer(503, b"busy\n"))
        self._uploads += 1
        try:
            body = await self._read(request, PACKAGE_SIZE_MAX, self._limits.upload_timeout_s)
            if isinstance(body, Answer):
                return _response(body)
            return await self._work(lambda: mirror.add_entries(origin, body))
        finally:
            self._uploads -= 1

    async def _entries(self, request: Request) -> Response:
        mirror, query = self._mirror, request.query_params
        if mirror is None or not self._has_token(request):
            return _response(_FORBIDDEN)
        start, count = query.get("start", "0"), query.get("count", "256")
        if not all(text.isascii() and text.isdigit() and len(text) <= 18 for text in (start, count)):
            return _response(Answer(400, b"start and count are numbers\n"))
        return await self._work(lambda: mirror.read(query.get("origin", ""), int(start), int(count)))

    def _has_token(self, request: Request) -> bool:
        given = request.headers.get("authorization", "").removeprefix("Bearer ")
        return self._token is not None and hmac.compare_digest(given.encode(), self._token.encode())

    async def _read(self, request: Request, size_max: int, timeout_s: float) -> bytes | Answer:
        """Return the request's body, or the answer to one that is too long, too slow or gone."""
        declared = request.headers.get("content-length", "0")
        too_long = Answer(413, b"too long\n")
        if not declared.isdigit() or int(declared) > size_max:
            return too_long
        body = bytearray()
        try:
            async with asyncio.timeout(timeout_s):
                async for piece in request.stream():
                    body += piece
                    if len(body) > size_max:
                        return too_long
        except TimeoutError:
            return Answer(408, b"too slow\n")
        except ClientDisconnect:
            return Answer(400, b"cut off\n")
        return bytes(body)

    async def _work(self, work: Work) -> Response:
        """Run work on the store in its thread, unless too much is waiting already."""
        if self._waiting >= self._limits.waiting_max:
            return _response(Answer(503, b"busy\n"))
        self._waiting += 1
        try:
            return _response(await asyncio.get_running_loop().run_in_executor(self._thread, work))
        except sqlite3.Error:
            # Nothing was cosigned: the transaction is undone. Asking again can help.
            return _response(Answer(503, b"the store failed\n"))
        finally:
            self._waiting -= 1


def _response(answer: Answer) -> Response:
    headers = {"connection": "close"} if answer.status in {408, 413} else None
    return Response(answer.body, answer.status, headers=headers, media_type=answer.content_type)
