"""The history process of a real gateway, started on an index that is not of this ledger: it builds its own, and says so."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import Callable
from pathlib import Path

from runtime.faces.feed import RequestRefusedError
from runtime.faces.feed_client import ask_once
from tests.rigs.gateway import Gateway
from tests.rigs.load_device import LoadDevice, device_config

HEAD = """
[gateway]
name = "remembers"
[evidence]
seal_every_s = 1
[web]
enabled = false
"""


def ahead(path: Path) -> None:
    """As after a restore of the ledger alone: the index knows of entries that are not there any more."""
    with contextlib.closing(sqlite3.connect(path)) as db, db:
        db.execute("UPDATE meta SET value = '1000000000' WHERE name = 'next_seq'")


def foreign(path: Path) -> None:
    """Another program's database in its place."""
    path.unlink()
    with contextlib.closing(sqlite3.connect(path)) as db, db:
        db.execute("CREATE TABLE meta (of_others TEXT)")


def torn(path: Path) -> None:
    """A flash that lost everything but the first page."""
    with path.open("r+b") as file:
        file.truncate(4096)


def test_it_answers_whatever_it_finds(tmp_path: Path) -> None:
    async def next_seq(gateway: Gateway) -> int:
        """The first entry that is not in the index yet, once there is an answer that is one."""
        async with asyncio.timeout(40):
            while True:
                with contextlib.suppress(RequestRefusedError):
                    found = (await ask_once(gateway.state / "run" / "history.sock", "test", "status", {}, 5))["next_seq"]
                    if 3 < found < 1_000_000:
                        await ask_once(gateway.state / "run" / "history.sock", "test", "entries", {"before": None, "limit": 50}, 5)
                        return int(found)
                await asyncio.sleep(0.1)

    async def run() -> None:
        async with LoadDevice() as device:
            config = tmp_path / "gateway.toml"
            config.write_text(HEAD + device_config("press", device.port, tags=10, period_ms=200, groups=1))
            gateway = Gateway(tmp_path / "state", config)
            spoil: Callable[[Path], None] | None
            for spoil in (None, ahead, foreign, torn):
                if spoil is not None:
                    spoil(gateway.state / "index" / "history.db")
                await gateway.start()
                try:
                    assert await next_seq(gateway) > 3, spoil
                finally:
                    assert await gateway.stop() == 0
            assert gateway.log.read_text().count("history_index_set_aside") == 2

    asyncio.run(run())
