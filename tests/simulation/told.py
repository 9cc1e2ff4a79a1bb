"""What a gateway told the world, each with the disk's position at that moment; and whether a ledger still says the same.

Room: tests. `Told.follow` listens to a running core; after a power cut at a position, `Told.check` holds everything that was told before it
against what the disk gave back: entries, checkpoints that left, values shown as recorded, outcomes of acts, revisions in force.
It believes no stored hash, and uses the product's own readers only to find bytes.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from random import Random
from typing import Any

from anchor.witness import Remembered
from drivers.reading import Value
from ledger_client.body import read_body
from ledger_client.entry import Payload, parse
from ledger_client.kinds import INTENT, OUTCOME, Kind
from ledger_client.merkle import Frontier, leaf_hash
from ledger_client.reader import LedgerReader
from ledger_client.schema import SchemaState
from runtime.acquisition.live import RECORDED
from runtime.app import Core
from tests.simulation.disk import ShimDisk
from tests.simulation.loop import VirtualClock
from tests.simulation.witness import Sent


@dataclass
class Ledger:
    """A ledger as it lies on a disk, decoded once. `newest[seq]` is the last reading of each tag in a batch."""

    raws: list[bytes]
    payloads: list[Payload]
    roots: list[bytes]
    newest: dict[int, dict[int, Value]]
    schemas: list[SchemaState]

    @property
    def boot(self) -> int:
        """The seq of the newest boot entry: what is before it was recovered."""
        return max(p.seq for p in self.payloads if p.kind == Kind.BOOT)


@dataclass
class Told:
    """Lists of (position, what was told)."""

    disk: ShimDisk
    begun_ms: int
    entries: list[tuple[int, int, bytes]] = field(default_factory=list)
    times: list[tuple[int, int]] = field(default_factory=list)
    sent: list[tuple[int, Sent]] = field(default_factory=list)
    shown: list[tuple[int, int, int, Value]] = field(default_factory=list)
    outcomes: list[tuple[int, Mapping[str, Any], Mapping[str, Any]]] = field(default_factory=list)
    revisions: list[tuple[int, int, bytes]] = field(default_factory=list)
    _decoded: dict[bytes, dict[int, Value]] = field(default_factory=dict)

    # ------------------------------------------------------------------------------------------------ listening

    @asynccontextmanager
    async def following(self, core: Core, clock: VirtualClock, *, every_s: float = 0.1) -> AsyncIterator[None]:
        """Listen to a core, looking at its page `every_s`."""
        async with asyncio.TaskGroup() as group:
            listening = group.create_task(self._follow(core, clock, every_s))
            yield
            listening.cancel()

    async def _follow(self, core: Core, clock: VirtualClock, every_s: float) -> None:
        chain = core._chain

        def durable(size: int) -> None:
            self.entries.append((self.disk.position, size - 1, chain.head_hash))
            self.times.append((self.disk.position, clock.wall_ms()))

        chain.subscribe(durable)
        known: set[tuple[int, int]] = set()
        while True:
            for value in core.live.values():
                if value.state == RECORDED and value.seq is not None and (value.uid, value.seq) not in known:
                    known.add((value.uid, value.seq))
                    self.shown.append((self.disk.position, value.uid, value.seq, value.value))
            await asyncio.sleep(every_s)

    def witness(self, sent: Sent) -> None:
        """Take what reached a witness: a checkpoint has left the gateway."""
        self.sent.append((self.disk.position, sent))

    def outcome(self, request: Mapping[str, Any], outcome: Mapping[str, Any]) -> None:
        """Take the answer to an act, if it says that it is recorded."""
        if outcome["seq"] is not None:
            self.outcomes.append((self.disk.position, request, outcome))

    # ------------------------------------------------------------------------------------------------ judging

    def wall_ms(self, position: int) -> int:
        """Return the gateway's wall time when the power went."""
        return next((wall for at, wall in reversed(self.times) if at <= position), self.begun_ms)

    def remembered(self, position: int, rng: Random) -> dict[str, Remembered]:
        """Return what the witness knows after a power cut: what it had cosigned, or also what was on its way."""
        accepted = {sent.checkpoint for _, sent in self.sent if sent.cosigned}
        on_its_way = rng.random() < 0.5
        found = [s.checkpoint for at, s in self.sent if at <= position and s.checkpoint in accepted and (s.cosigned or on_its_way)]
        newest = max(found, key=lambda checkpoint: checkpoint.size, default=None)
        return {} if newest is None else {newest.origin: Remembered(newest.size, newest.root)}

    def check(self, position: int, ledger: Ledger, *, recovered: int | None = None) -> None:
        """Assert that what was told up to a position is there and the same, among the first `recovered` entries (before the boot)."""
        recovered = ledger.boot if recovered is None else recovered
        for at, seq, entry_hash in self.entries:
            if at <= position:
                assert seq < recovered, f"acknowledged entry {seq} is lost"
                assert sha256(ledger.raws[seq]).digest() == entry_hash, f"acknowledged entry {seq} is another"
        for at, sent in self.sent:
            if at <= position:
                size = sent.checkpoint.size
                assert size <= recovered, f"the checkpoint of {size} entries left, {recovered} are there"
                assert ledger.roots[size] == sent.checkpoint.root, f"the checkpoint of {size} entries is contradicted"
        for at, uid, seq, value in self.shown:
            if at <= position:
                assert ledger.newest.get(seq, {}).get(uid, "absent") == value, f"tag {uid} was shown as recorded in entry {seq}"
        for at, request, outcome in self.outcomes:
            if at <= position:
                detail = ledger.payloads[outcome["seq"]].detail
                assert detail[:3] == (request["id"], OUTCOME, outcome["code"]), f"the outcome {outcome} was told"
        for at, number, text_hash in self.revisions:
            if at <= position:
                said = [p.detail[2] for p in ledger.payloads[:recovered] if p.kind == Kind.CONFIG and p.detail[0] == number]
                assert text_hash in said, f"revision {number} was in force"

    def read(self, reader: LedgerReader) -> Ledger:
        """Decode a ledger; bodies that were decoded before (other states of the same run) are not decoded again."""
        raws = list(reader.entries(0, reader.size()))
        tree, roots = Frontier(), [Frontier().root()]
        for raw in raws:
            tree.append(leaf_hash(raw))
            roots.append(tree.root())
        payloads = [parse(raw).payload for raw in raws]
        newest, schemas = self._newest(reader, raws, payloads)
        return Ledger(raws, payloads, roots, newest, schemas)

    def _newest(
        self, reader: LedgerReader, raws: Sequence[bytes], payloads: Sequence[Payload]
    ) -> tuple[dict[int, dict[int, Value]], list[SchemaState]]:
        found: dict[int, dict[int, Value]] = {}
        schema, schemas = SchemaState(), []
        for seq, payload in enumerate(payloads):
            if payload.kind == Kind.SCHEMA:
                schema = schema.apply(reader.body(seq) or b"", full=bool(payload.detail[3]))
                schemas.append(schema)
            elif payload.kind == Kind.BATCH:
                key = sha256(raws[seq]).digest()
                if key not in self._decoded:
                    body = read_body(reader.body(seq) or b"", payload.detail, schema)
                    rows = sorted(body.readings(), key=lambda reading: reading.time_ms)
                    self._decoded[key] = {reading.descriptor.uid: reading.value for reading in rows}
                found[seq] = self._decoded[key]
        return found, schemas


def interrupted(ledger: Ledger) -> list[bytes]:
    """Return the acts that the newest start found without an outcome."""
    phases = [p.detail[:2] for p in ledger.payloads[: ledger.boot] if p.kind == Kind.COMMAND]
    done = {act_id for act_id, phase in phases if phase == OUTCOME}
    return [act_id for act_id, phase in phases if phase == INTENT and act_id not in done]
