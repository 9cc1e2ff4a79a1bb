"""`python -I -m runtime.faces.web`: serve the pages from the feed of a state folder. One process, its own memory limit.

Room: hall, face. The supervisor starts it; it ends when told or when its parent dies. On loopback it speaks plain HTTP; where others can
reach it, TLS only, and only once the gateway has an owner: until then it stays on loopback, whatever the configuration says.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import ipaddress
import json
import signal
import socket
import ssl
import sys
import time
from pathlib import Path
from typing import Final

from ledger_client.errors import LedgerError
from runtime.faces.feed import PARTS, RequestRefusedError
from runtime.faces.feed_client import HEARD_WITHIN_S, FeedClient, ask_once
from runtime.faces.web.app import make_app
from runtime.faces.web.face import FaceOptions
from runtime.faces.web.listener import CONNECTIONS_MAX, HEAD_SIZE_MAX, Listener, follow_certificate, tls_context
from runtime.faces.web.stream import Fanout
from runtime.faces.web.uvicorn_alone import Config
from runtime.faces.web.uvicorn_alone import Server as HttpServer
from runtime.messages.catalogue import word
from runtime.web_names import COMMON_NAME, own_names, reached_at

LOOPBACK: Final = "127.0.0.1"
OWNED_LOOK_S: Final = 3.0
CORE_WAIT_S: Final = 20.0


def main() -> int:
    """Parse, decide where to listen, say the address, serve."""
    parser = argparse.ArgumentParser(prog="runtime.faces.web")
    parser.add_argument("--state", type=Path, required=True)
    parser.add_argument("--run", type=Path, help="The folder of the sockets; default: STATE/run.")
    parser.add_argument("--host", default=LOOPBACK)
    parser.add_argument("--port", type=int, default=8480)
    parser.add_argument("--tls", action="store_true", help="TLS on loopback too.")
    parser.add_argument("--name", action="append", default=[], help="A further name by which browsers reach it.")
    parser.add_argument("--verifier", default="", help="Where the site's own verifier page is; default: this page's /verify.")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    run = options.run or options.state / "run"
    host = LOOPBACK if options.host == "localhost" else options.host
    waits = not _is_loopback(host) and not asyncio.run(is_owned(run / "feed.sock"))
    if waits:
        sys.stderr.write(word("web_waits_for_owner", {"host": host}) + "\n")
        host = LOOPBACK
    is_tls = options.tls or not _is_loopback(host)
    folder = options.state / "private" / "web"
    try:
        fingerprint = _own_certificate(folder, options.name) if is_tls or waits else None
        context = tls_context(folder) if is_tls else None
    except (LedgerError, OSError) as error:
        sys.stderr.write(word("web_certificate_unusable", {"reason": str(error)}) + "\n")
        return 1
    if waits:  # whoever stands before the console can compare it once the page listens for others
        sys.stderr.write(word("web_fingerprint", {"fingerprint": str(fingerprint)}) + "\n")
    bound = _bound(host, options.port)
    if isinstance(bound, OSError):
        sys.stderr.write(word("web_port_taken", {"host": host, "port": options.port, "reason": bound.strerror}) + "\n")
        return 1
    shown = reached_at(bound) if ipaddress.ip_address(host).is_unspecified else host
    url = f"http{'s' if is_tls else ''}://{f'[{shown}]' if ':' in shown else shown}:{bound.getsockname()[1]}/"
    if options.json:
        sys.stdout.write(json.dumps({"url": url, "fingerprint": fingerprint if is_tls else None}) + "\n")
        sys.stdout.flush()
    else:  # not on stdout, which the core gives to nobody: an event of the core's log
        sys.stderr.write(json.dumps({"event": "page_listens", "level": "info", "url": url}) + "\n")
    face = FaceOptions(options.verifier, options.state / "policy.txt", folder)
    asyncio.run(_serve(run, bound, context, folder, face, options.name, waits=waits))
    return 0


def _own_certificate(folder: Path, names: list[str]) -> str:
    """Make what is missing of key and certificate, and return its fingerprint. Raises LedgerError, OSError."""
    from ledger_client.disk import RealDisk  # what only TLS needs is not kept in memory without it
    from runtime.web_certificate import WebCertificate

    return WebCertificate(RealDisk(), folder).ensure(COMMON_NAME, names, time.time_ns() // 1_000_000).fingerprint


async def is_owned(feed: Path) -> bool:
    """Ask the core whether the gateway was claimed; without an answer nobody owns it, and the page stays on loopback."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(CORE_WAIT_S):
            while True:
                try:
                    return bool((await ask_once(feed, "web", "account.state", {}, 5.0))["claimed"])
                except RequestRefusedError as refused:
                    if refused.code not in {"core_away", "request_timeout"}:
                        return False
                await asyncio.sleep(0.2)
    return False


class Server(HttpServer):
    """Ends the browsers' streams before it waits for connections to close: an open page would keep it until they are cut off, loudly."""

    def __init__(self, config: Config, fanout: Fanout) -> None:
        super().__init__(config)
        self._fanout = fanout

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """See uvicorn."""
        self._fanout.end()
        await super().shutdown(sockets)


async def _serve(
    run: Path, bound: socket.socket, context: ssl.SSLContext | None, folder: Path, options: FaceOptions, names: list[str], *, waits: bool
) -> None:
    """Run the feed client, on the sockets in `run`, and the HTTP server, until told to end or until there is somewhere else to listen."""
    fanout = Fanout()
    feed = FeedClient(run / "feed.sock", "web", fanout.take, parts=PARTS, silent_s=HEARD_WITHIN_S)
    known = {each.lower() for each in own_names(names)}
    app = make_app(feed, fanout, run / "history.sock", lambda: known, options)
    config = Config(
        app, http="h11", ws="none", lifespan="off", access_log=False, log_level="warning", server_header=False,
        proxy_headers=False, limit_concurrency=CONNECTIONS_MAX, timeout_keep_alive=10, timeout_graceful_shutdown=1,
        h11_max_incomplete_event_size=HEAD_SIZE_MAX,
    )  # fmt: skip
    server = Server(config, fanout)
    async with feed, asyncio.TaskGroup() as group:
        beside = [group.create_task(feed.run(), name="feed")]
        loop = asyncio.get_running_loop()
        for name in (signal.SIGTERM, signal.SIGINT):
            with contextlib.suppress(ValueError):
                loop.add_signal_handler(name, lambda: setattr(server, "should_exit", True))
        config.load()
        beside.append(group.create_task(Listener(server, bound, context, lambda: known).run(), name="listener"))
        if context is not None:
            beside.append(group.create_task(follow_certificate(context, folder), name="certificate"))
        if waits:
            beside.append(group.create_task(_until_owned(feed, server), name="owner"))
        await server.serve(sockets=[])
        for task in beside:
            task.cancel()
    bound.close()


async def _until_owned(feed: FeedClient, server: Server) -> None:
    """End once somebody owns the gateway: the supervisor starts this anew, and then it listens where the configuration says."""
    while True:
        await asyncio.sleep(OWNED_LOOK_S)
        with contextlib.suppress(RequestRefusedError):
            if (await feed.request("account.state", {}, 5.0))["claimed"]:
                server.should_exit = True
                return


def _bound(host: str, port: int) -> socket.socket | OSError:
    """Return a listening socket, or why there is none."""
    bound = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((host, port))
        bound.listen(128)
    except OSError as error:
        bound.close()
        return error
    return bound


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


if __name__ == "__main__":
    sys.exit(main())
