"""A ledger in memory that keeps the outbox's protocol, and witnesses that are asked without a socket: for virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from anchor.cosigner import Cosigner
from anchor.mirror import Mirror
from anchor.store import Store
from ledger_client.anchors.anchor import Clock
from ledger_client.anchors.http import Reply
from ledger_client.anchors.mirror import MirrorClient
from ledger_client.anchors.package import Package, parse_package
from ledger_client.anchors.tlog import TlogAnchor, request_body
from ledger_client.errors import AnchorError, StoreError
from ledger_client.heads import Heads
from ledger_client.kinds import Kind
from ledger_client.outbox import Outbox
from ledger_client.receipt import Receipt, parse_receipts
from tests.rigs.small_log import SmallLog, key_of


@dataclass(frozen=True)
class Stored:
    seq: int


@asynccontextmanager
async def at_work(outbox: Outbox) -> AsyncIterator[Outbox]:
    """Run it; at the end it is cancelled, as by a stop."""
    async with outbox, asyncio.TaskGroup() as tasks:
        task = tasks.create_task(outbox.run())
        yield outbox
        task.cancel()


class MemoryLedger:
    """A SmallLog as the outbox sees a chain; `broken` makes it fail as a full disk would."""

    epoch = 1

    def __init__(self, log: SmallLog | None = None) -> None:
        self.log = log or SmallLog()
        self.broken = False
        self.flush_s = 0.005
        self.receipts: list[list[Receipt]] = []
        self.checkpoints = 0

    @property
    def origin(self) -> str:
        return self.log.origin

    @property
    def size(self) -> int:
        return self.log.size

    def grow(self, count: int, *, salt: str = "") -> MemoryLedger:
        self.log.grow(count, salt=salt)
        return self

    def fork_of(self, count: int, salt: str) -> MemoryLedger:
        """A cloned ledger that went its own way."""
        return MemoryLedger(self.log.copy().grow(count, salt=salt))

    def subtree(self, start: int, size: int) -> bytes:
        return self.log.subtree(start, size)

    def entry(self, seq: int) -> bytes:
        return self.log.entries[seq]

    def body(self, seq: int) -> bytes | None:
        return self.log.bodies[seq]

    def heads(self, at: int) -> Heads:
        return Heads(self.origin, 1, 1, 0, 0, None, None, (self.log.key.public.cose, 0), bytes(32), None)

    async def checkpoint(self) -> str:
        if self.broken:
            raise StoreError("store_failed")
        self.checkpoints += 1
        return self.log.note()

    async def append(self, kind: int, detail: tuple, body: bytes = b"") -> Stored:
        await asyncio.sleep(self.flush_s)
        if self.broken:
            raise StoreError("store_failed")
        self.log.add(kind, detail, body)
        if kind == Kind.RECEIPTS:
            self.receipts.append(parse_receipts(body, detail))
        return Stored(self.size - 1)


class LocalWitness:
    """A witness's memory; `anchor()` gives clients of it. Faults: `down`, `status`, `latency_s`, `lose_replies`."""

    def __init__(self, folder: Path, number: int = 1, logs: Sequence[MemoryLedger] = ()) -> None:
        self._stack = ExitStack()
        store = self._stack.enter_context(Store(folder / f"w{number}.sqlite"))
        self.number = number
        self.now_s = 1_750_000_000
        self.cosigner = Cosigner(store, f"witness.example/w{number}", key_of(100 + number), lambda: self.now_s)
        self.store = store
        self.mirror = Mirror(store)
        for log in logs:
            store.enroll(log.log.note_key, 1)
        self.asked: list[bytes] = []
        self.down = False
        self.lose_replies = False
        self.status: int | None = None
        self.latency_s = 0.05

    def anchor(self, clock: Clock, mirror: MirrorClient | None = None) -> LocalAnchor:
        return LocalAnchor(self, clock, mirror)

    def close(self) -> None:
        self._stack.close()


class LocalMirror(MirrorClient):
    """The real client of a witness's mirror, with the wire replaced by a call. Faults: `lie` answers in its place, `down`."""

    def __init__(self, witness: LocalWitness, *, bodies: bool = False) -> None:
        super().__init__(f"w{witness.number}", "http://witness.invalid", Path("/no/token"), bodies=bodies)
        self._witness = witness
        self.packages: list[Package] = []
        self.reads: list[int] = []
        self.down = False
        self.latency_s = 0.05
        self.lie: Callable[[str, Package | None], Reply | None] = lambda path, package: None
        self.under_way = 0

    def load_token(self) -> None:
        """There is none."""

    async def _ask(self, path: str, query: dict[str, str | int], body: bytes | None, size_max: int) -> Reply:
        assert self.under_way == 0, "one at a time"
        self.under_way += 1
        try:
            await asyncio.sleep(self.latency_s)
            if self.down:
                raise AnchorError("anchor_unreachable", reason="test")
            package = None if body is None else parse_package(body)
            if package is not None:
                self.packages.append(package)
            else:
                self.reads.append(int(query["start"]))
            return self.lie(path, package) or self._answer(str(query["origin"]), query, body)
        finally:
            self.under_way -= 1

    def _answer(self, origin: str, query: dict[str, str | int], body: bytes | None) -> Reply:
        mirror = self._witness.mirror
        answer = mirror.read(origin, int(query["start"]), int(query["count"])) if body is None else mirror.add_entries(origin, body)
        return Reply(answer.status, {"content-type": answer.content_type}, answer.body)


class LocalAnchor(TlogAnchor):
    """The real client, with the wire replaced by a call."""

    def __init__(self, witness: LocalWitness, clock: Clock, mirror: MirrorClient | None = None) -> None:
        super().__init__(f"w{witness.number}", "http://witness.invalid", [witness.cosigner.note_key], clock, mirror=mirror)
        self._witness = witness

    async def _ask(self, note: str, old: int, proof: Sequence[bytes]) -> Reply:
        witness, body = self._witness, request_body(note, old, proof)
        witness.asked.append(body)
        await asyncio.sleep(witness.latency_s)
        if witness.down:
            raise AnchorError("anchor_unreachable", reason="test")
        if witness.status is not None:
            return Reply(witness.status, {}, b"")
        answer = witness.cosigner.add_checkpoint(body)
        if witness.lose_replies:
            raise AnchorError("anchor_timeout", timeout_s=1)
        return Reply(answer.status, {"content-type": answer.content_type}, answer.body)
