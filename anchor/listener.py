"""Uvicorn with what it lacks for a public place: a deadline for a request's head, a quiet log, a clean exit.

Room: upstream. `__main__` calls `serve`. It knows sockets and signals, no checkpoints.
"""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import FrameType

import uvicorn
from starlette.applications import Starlette
from uvicorn.protocols.http.h11_impl import H11Protocol

from anchor.server import Limits

HEAD_SIZE_MAX = 16_384


def listen(host: str, port: int) -> socket.socket:
    """Return a bound, listening TCP socket (port 0: any free one). Raises OSError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family, backlog=128)


def serve(app: Starlette, sock: socket.socket, limits: Limits, tls: tuple[Path, Path] | None, ready: Callable[[], None]) -> None:
    """Serve until SIGTERM or SIGINT, then finish open requests and return.

    Args:
        app: the routes.
        sock: listening.
        limits: see `server.Limits`.
        tls: files of the certificate chain and its key; None for plain HTTP.
        ready: called once requests are answered.
    """
    config = uvicorn.Config(
        app,
        loop="asyncio",
        http=partial(_TimedProtocol, limits.head_timeout_s),  # type: ignore[arg-type]
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        limit_concurrency=limits.connections_max,
        timeout_keep_alive=int(limits.head_timeout_s),
        timeout_graceful_shutdown=5,
        h11_max_incomplete_event_size=HEAD_SIZE_MAX,
        ssl_certfile=tls[0] if tls else None,
        ssl_keyfile=tls[1] if tls else None,
    )
    # uvicorn raises the signals that it caught again when it has shut down; ours then end the process as a success.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _end_quietly)
    asyncio.run(_Server(config, ready).serve([sock]))


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._ready()


class _TimedProtocol(H11Protocol):
    """Closes a connection on which no whole request head arrived in time, the first one included."""

    def __init__(self, head_timeout_s: float, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        self._head_timeout_s = head_timeout_s
        self._head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._watch_head()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._watch_head()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._watch_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_timer()
        super().connection_lost(exc)

    def _watch_head(self) -> None:
        waiting = self.cycle is None or self.cycle.response_complete  # type: ignore[redundant-expr]  # None before the first request
        if not waiting:
            self._stop_timer()
        elif self._head_timer is None:
            self._head_timer = self.loop.call_later(self._head_timeout_s, self.transport.abort)

    def _stop_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None


def _end_quietly(number: int, frame: FrameType | None) -> None:
    """Do nothing: the server has ended by then."""
