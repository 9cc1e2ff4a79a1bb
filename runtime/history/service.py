"""The history process: follows the ledger, answers on its own socket. Low priority; dies and comes back alone.

Room: hall, history. `__main__` runs it. It learns the durable head from the feed and reads the ledger's files itself; it holds no key
and writes nothing but its index.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ledger_client.disk import Disk
from ledger_client.reader import LedgerReader
from runtime.faces.feed import Row, Session
from runtime.faces.feed_client import FeedClient
from runtime.faces.feed_server import FeedServer
from runtime.history.follow import Follower
from runtime.history.index import Index, Limits
from runtime.history.query import Prover, Query


class Nothing:
    """The value, health and event source of a server that only answers requests."""

    generation = -1
    tags_revision = -1
    newest = -1

    def tag_rows(self) -> list[Row]:
        """None."""
        return []

    def changed_since(self, generation: int) -> list[Row]:
        """None."""
        return []

    def snapshot(self) -> Mapping[str, Any]:
        """Nothing to say."""
        return {}

    async def beyond(self, cursor: int) -> None:
        """Never."""
        await asyncio.get_running_loop().create_future()

    async def since(self, cursor: int, limit: int) -> list[Row]:
        """None."""
        return []


class AnotherEpochError(Exception):
    """The core works on another epoch: this process ends and is started afresh."""


async def serve(disk: Disk, state: Path, sockets: Path, make_prover: Callable[[LedgerReader], Prover], limits: Limits) -> None:
    """Run until cancelled, on the sockets in that folder. Waits for the core's first word: only the core knows which epoch is in force.

    Raises:
        ExceptionGroup: of AnotherEpochError when the epoch changes, of SpoiledIndexError when the index turns out to be damaged.
    """
    heard = asyncio.Event()
    feed = FeedClient(sockets / "feed.sock", "history", lambda what, _data: heard.set() if what == "health" else None, values=False)
    async with feed, asyncio.TaskGroup() as group:
        group.create_task(feed.run(), name="feed")
        while not feed.health.get("ledger", {}).get("size"):
            await _next(heard)
        ledger = feed.health["ledger"]
        reader = LedgerReader(disk, state, ledger["epoch"])
        with Index(state / "index" / "history.db", ledger["origin"], limits, disk) as index:
            if index.catalogue.next_seq > ledger["size"]:  # of a later state of this ledger: one that was restored since
                index.begin_anew()
            follower = Follower(reader, index, lambda: int(feed.health["ledger"]["size"]))
            query = Query(reader, index, follower, make_prover(reader))

            async def answer(session: Session, method: str, params: Mapping[str, Any]) -> Any:  # noqa: ARG001  every session may read
                return query.ask(method, params)

            nothing = Nothing()
            async with (
                FeedServer(sockets / "history.sock", nothing, nothing, nothing, answer) as server,
                asyncio.TaskGroup() as inner_group,
            ):
                inner_group.create_task(server.run(), name="history server")
                inner_group.create_task(follower.run(), name="follower")
                inner_group.create_task(_watch_epoch(feed, heard, ledger["epoch"]), name="epoch")


async def _watch_epoch(feed: FeedClient, heard: asyncio.Event, epoch: int) -> None:
    while feed.health.get("ledger", {}).get("epoch", epoch) == epoch:
        await _next(heard)
    raise AnotherEpochError


async def _next(heard: asyncio.Event) -> None:
    heard.clear()
    await heard.wait()
