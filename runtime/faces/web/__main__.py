"""`python -I -m runtime.faces.web`: serve the pages from the feed of a state folder. One process, its own memory limit.

Room: hall, face. The supervisor starts it; it ends when told or when its parent dies. It binds loopback only: anything
else is refused until accounts exist.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import ipaddress
import json
import signal
import socket
import sys
from pathlib import Path

import uvicorn

from runtime.faces.feed import JUDGEMENT_PARTS
from runtime.faces.feed_client import FeedClient
from runtime.faces.web.app import make_app
from runtime.faces.web.face import FaceOptions
from runtime.faces.web.stream import Fanout
from runtime.messages.catalogue import word


def main() -> int:
    """Parse, bind, print the address, serve."""
    parser = argparse.ArgumentParser(prog="runtime.faces.web")
    parser.add_argument("--state", type=Path, required=True)
    parser.add_argument("--run", type=Path, help="The folder of the sockets; default: STATE/run.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8480)
    parser.add_argument("--verifier", default="", help="Where the site's own verifier page is; default: this page's /verify.")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    host = "127.0.0.1" if options.host == "localhost" else options.host
    if not _is_loopback(host):
        sys.stderr.write(word("web_not_loopback", {"host": host}) + "\n")
        return 1
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, options.port))
        listener.listen(128)
    except OSError as error:
        sys.stderr.write(word("web_port_taken", {"host": host, "port": options.port, "reason": error.strerror}) + "\n")
        return 1
    shown = f"[{host}]" if ":" in host else host
    url = f"http://{shown}:{listener.getsockname()[1]}/"
    sys.stdout.write((json.dumps({"url": url}) if options.json else url) + "\n")
    sys.stdout.flush()
    asyncio.run(serve(options.run or options.state / "run", listener, FaceOptions(options.verifier, options.state / "policy.txt")))
    return 0


class Server(uvicorn.Server):
    """Ends the browsers' streams before it waits for connections to close: an open page would keep it until they are cut off, loudly."""

    def __init__(self, config: uvicorn.Config, fanout: Fanout) -> None:
        super().__init__(config)
        self._fanout = fanout

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """See uvicorn."""
        self._fanout.end()
        await super().shutdown(sockets)


async def serve(run: Path, listener: socket.socket, options: FaceOptions) -> None:
    """Run the feed client, on the sockets in `run`, and the HTTP server until SIGTERM or SIGINT."""
    fanout = Fanout()
    feed = FeedClient(run / "feed.sock", "web", fanout.take, parts=JUDGEMENT_PARTS)
    app = make_app(feed, fanout, run / "history.sock", options=options)
    config = uvicorn.Config(
        app, http="h11", ws="none", lifespan="off", access_log=False, log_level="warning", server_header=False, limit_concurrency=256,
        timeout_keep_alive=10, timeout_graceful_shutdown=1, h11_max_incomplete_event_size=16_384,
    )  # fmt: skip
    server = Server(config, fanout)
    async with feed, asyncio.TaskGroup() as group:
        client = group.create_task(feed.run(), name="feed")
        loop = asyncio.get_running_loop()
        for name in (signal.SIGTERM, signal.SIGINT):
            with contextlib.suppress(ValueError):
                loop.add_signal_handler(name, lambda: setattr(server, "should_exit", True))
        await server.serve(sockets=[listener])
        client.cancel()


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


if __name__ == "__main__":
    sys.exit(main())
