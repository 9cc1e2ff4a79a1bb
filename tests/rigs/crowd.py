"""Many faces in a process of their own: fifty on the feed, fifty browsers, and one of each that takes nothing.

python -m tests.rigs.crowd FEED_SOCKET WEB_PORT      prints `ready`, goes on until killed
"""

from __future__ import annotations

import asyncio
import sys

from runtime.faces import feed

FACES = 50
BROWSERS = 50


async def take(reader: asyncio.StreamReader, stalled: bool) -> None:
    """Read all that is sent, or nothing at all."""
    if stalled:
        await asyncio.Event().wait()
    while await reader.read(1 << 16):
        pass


async def main(socket: str, port: int) -> None:
    """Connect everybody and stay."""
    writers = []
    async with asyncio.TaskGroup() as group:
        for number in range(FACES + 1):
            reader, writer = await asyncio.open_unix_connection(socket, limit=1 << 16)
            writer.write(feed.encode_frame(["hello", feed.VERSION, f"face {number}"]) + feed.encode_frame(["subscribe", True, None]))
            writers.append(writer)
            group.create_task(take(reader, number == 0))
        for number in range(BROWSERS + 1):
            reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 16)
            writer.write(b"GET /stream HTTP/1.1\r\nHost: localhost\r\n\r\n")
            writers.append(writer)
            if not (answer := await reader.readline()).startswith(b"HTTP/1.1 200"):
                raise SystemExit(f"browser {number} is not served: {answer!r}")
            group.create_task(take(reader, number == 0))
        print("ready", flush=True)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2])))
