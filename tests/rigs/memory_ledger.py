"""A ledger in memory that keeps the outbox's protocol, and witnesses that are asked without a socket: for virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from anchor.cosigner import Cosigner
from anchor.store import Store
from ledger_client.anchors.anchor import Clock
from ledger_client.anchors.http import Reply
from ledger_client.anchors.tlog import TlogAnchor, request_body
from ledger_client.errors import AnchorError, StoreError
from ledger_client.kinds import Kind
from ledger_client.receipt import Receipt, parse_receipts
from tests.rigs.small_log import SmallLog, key_of


@dataclass(frozen=True)
class Stored:
    seq: int


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
        for log in logs:
            store.enroll(log.log.note_key, 1)
        self.asked: list[bytes] = []
        self.down = False
        self.lose_replies = False
        self.status: int | None = None
        self.latency_s = 0.05

    def anchor(self, clock: Clock) -> LocalAnchor:
        return LocalAnchor(self, clock)

    def close(self) -> None:
        self._stack.close()


class LocalAnchor(TlogAnchor):
    """The real client, with the wire replaced by a call."""

    def __init__(self, witness: LocalWitness, clock: Clock) -> None:
        super().__init__(f"w{witness.number}", "http://witness.invalid", [witness.cosigner.note_key], clock)
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
