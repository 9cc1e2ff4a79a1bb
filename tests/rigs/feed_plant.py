"""A value, health and event source of plain data, and a feed server on it: for tests of the feed and of faces."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any

from runtime.faces.feed import RequestRefusedError, Session
from runtime.faces.feed_server import FeedServer

ROLES = ("viewer", "technician", "engineer", "admin")


class Plant:
    """A value source, health source and event source of `count` tags."""

    def __init__(self, count: int) -> None:
        self.generation, self.tags_revision, self.count = 0, 0, count
        self.rows = {uid: [uid, 0.0, 0, 0, None, "pending", None, None] for uid in range(count)}
        self.changed = dict.fromkeys(range(count), 0)
        self.events: list[list[Any]] = []
        self.names = {uid: f"t{uid}" for uid in range(count)}
        self.tag_texts = ("", "a")
        """Unit and asset of every tag."""
        self.models: list[dict[str, Any]] = []
        self.findings: list[dict[str, Any]] = []
        self.answers: dict[str, Any] = {}
        """Method -> what is answered, besides; the token of a session is the role of whoever has it."""

    def set(self, uid: int, value: float) -> None:
        self.generation += 1
        self.rows[uid] = [uid, value, 0, self.generation, None, "pending", None, None]
        self.changed[uid] = self.generation

    def rename(self, names: Mapping[int, str]) -> None:
        """Have these tags from now on, as an edit of the configuration does; new ones begin with 0."""
        self.names = dict(names)
        for uid in self.names.keys() - self.rows.keys():
            self.set(uid, 0.0)
        self.generation += 1
        self.tags_revision += 1

    def tag_rows(self) -> list[list[Any]]:
        return [
            [uid, f"d/{name}", "d", self.tag_texts[0], "float64", None, "g", 1000, False, self.tag_texts[1]]
            for uid, name in self.names.items()
        ]

    def changed_since(self, generation: int) -> list[list[Any]]:
        return [self.rows[uid] for uid, at in self.changed.items() if at > generation and uid in self.names]

    def model_rows(self) -> list[dict[str, Any]]:
        return self.models

    def finding_rows(self) -> list[dict[str, Any]]:
        return self.findings

    async def answer(self, session: Session, method: str, params: Mapping[str, Any]) -> Any:
        if method in self.answers:
            return self.answers[method]
        if method == "account.who" and params.get("token") in ROLES:
            return who_of(params["token"])
        return await handler(session, method, params)

    def snapshot(self) -> Mapping[str, Any]:
        return {"ledger": {"size": 3}, "now_ms": self.generation, "devices": [{"name": "d", "state": "ok", "cause": None, "params": {}}]}

    @property
    def newest(self) -> int:
        return self.events[-1][0] if self.events else -1

    async def beyond(self, cursor: int) -> None:
        await until(lambda: self.newest > cursor, for_s=None)

    async def since(self, cursor: int, limit: int) -> list[list[Any]]:
        return [row for row in self.events if row[0] > cursor][:limit]


def who_of(role: str) -> dict[str, Any]:
    """Return somebody with one role, as the core tells a face of them."""
    return {
        "name": role.title(), "roles": [role], "session": "0a1b2c3d", "kind": "person", "csrf": "0" * 32, "fresh_until_ms": None,
        "idle_s": 1800, "lang": "en", "zone": "UTC", "key": None, "must_change": False, "directory": "",
    }  # fmt: skip


async def handler(session: Session, method: str, params: Mapping[str, Any]) -> Any:
    if method == "add":
        return params["a"] + params["b"]
    raise RequestRefusedError("method_unknown", method=method)


async def until(condition: Callable[[], object], for_s: float | None = 10) -> None:
    async with asyncio.timeout(for_s):
        while not condition():
            await asyncio.sleep(0.01)


@contextlib.asynccontextmanager
async def serving(path: Path, plant: Plant, **more: Any) -> AsyncIterator[FeedServer]:
    made = FeedServer(path, plant, plant, plant, plant.answer, judgement=plant, tick_s=0.01, **more)
    async with made as server, asyncio.TaskGroup() as group:
        task = group.create_task(server.run())
        yield server
        task.cancel()


@contextlib.asynccontextmanager
async def serving_apart(path: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    """Serve a `Confirming` from a process of its own once it listens: stopped (SIGSTOP) it hangs, killed it is gone."""
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", "tests.rigs.feed_plant", str(path))
    try:
        await until(path.exists, 30)
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGCONT)
            process.kill()
        await process.wait()


class Confirmed(Plant):
    """Three tags read at the start, on the wall clock, one witness that confirmed then, and two alarms, none of which is there."""

    def __init__(self) -> None:
        super().__init__(3)
        self.began_ms = self._now_ms()
        quiet = ("unacked", "acked", "returned", "latched", "shelved", "suppressed", "out_of_service")
        summary = {
            "defined": 2, "waiting": {"high": 0, "medium": 0, "low": 0}, "states": dict.fromkeys(quiet, 0), "advisories": 0, "newest": None,
            "unrecorded": 0, "cause": None, "params": {}, "notify": [],
        }  # fmt: skip
        self.answers.update(alarms={"summary": summary, "rows": [], "total": 0}, alarm_history={"rows": []})
        for uid, row in self.rows.items():
            self.generation += 1
            row[3], self.changed[uid] = self.began_ms, self.generation

    def snapshot(self) -> Mapping[str, Any]:
        witness = {
            "name": "witness-1", "state": "ok", "cause": None, "params": {}, "url": "https://witness.example", "cosigned_size": 3,
            "cosigned_ms": self.began_ms, "retry_ms": None, "mirror": None,
        }  # fmt: skip
        more = {"now_ms": self._now_ms(), "anchors": [witness], "gaps": {}}
        evidence = {"state": "recording", "readings": 7, "sealed_ms": self.began_ms}
        return {**super().snapshot(), **more, "evidence": evidence, "ledger": {"size": 3, "disk_full": False}}

    @staticmethod
    def _now_ms() -> int:
        return time.time_ns() // 1_000_000


class Confirming(Confirmed):
    """Its tags are read and its witness confirms each time it tells its health: once it hangs, they are as old as its silence."""

    def snapshot(self) -> Mapping[str, Any]:
        told = super().snapshot()
        for uid, row in self.rows.items():
            self.generation += 1
            row[3], self.changed[uid] = told["now_ms"], self.generation
        return {**told, "anchors": [{**told["anchors"][0], "cosigned_ms": told["now_ms"]}]}


async def _serve(path: Path) -> None:
    async with serving(path, Confirming()):
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_serve(Path(sys.argv[1])))
