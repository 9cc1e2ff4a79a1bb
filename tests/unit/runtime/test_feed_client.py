"""A face whose core falls in the middle of what it says."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path

from runtime.faces import feed
from runtime.faces.feed_client import FeedClient
from tests.rigs.feed_plant import Plant, until


def test_half_a_set_of_tags_ends_with_its_connection(tmp_path: Path) -> None:
    """The core falls while it tells its tags, and has others when it is back: none of the first stands among them."""

    def told(uids: range, *, more: bool) -> bytes:
        return feed.encode_frame(["tags", 1, more, [row for row in Plant(9).tag_rows() if row[0] in uids]])

    calls = iter(((range(3), True), (range(3, 5), False)))
    ended: list[range] = []

    async def core(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        uids, is_half = next(calls)
        with contextlib.suppress(OSError):
            writer.write(feed.encode_frame(["hello", feed.VERSION, ["values"]]) + told(uids, more=is_half))
            if is_half:
                writer.write_eof()
            await reader.read()
        writer.transport.abort()
        ended.append(uids)

    async def run() -> None:
        async with await asyncio.start_unix_server(core, tmp_path / "f.sock"):
            async with FeedClient(tmp_path / "f.sock", "test") as client, asyncio.TaskGroup() as group:
                task = group.create_task(client.run())
                await until(lambda: client.tags)
                task.cancel()
            assert sorted(client.tags) == [3, 4]
            await until(lambda: len(ended) == 2)

    asyncio.run(run())
