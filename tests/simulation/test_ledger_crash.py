"""A busy ledger loses power at random moments: what was acknowledged is there, nothing is forked, and it goes on.

Two oracles: a small one that shares no code with the product's verifier (prev, seq and root of every entry, against what the run
noted as acknowledged), and `verify_ledger`. A failure prints the seed of its state.
"""

from __future__ import annotations

import asyncio
import random
from contextlib import suppress
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

import pytest

from ledger_client.archive import drop_bodies, split_closed
from ledger_client.body import BatchBuilder
from ledger_client.chain import Chain
from ledger_client.checkpoint import parse_checkpoint
from ledger_client.details import EMPTY_BODY_HASH, body_commitment
from ledger_client.entry import ZERO_HASH, parse
from ledger_client.errors import LedgerError, StoreError
from ledger_client.kinds import Kind
from ledger_client.merkle import consistency_path, consistent, leaf_hash, root_of
from ledger_client.note import device_note_key, parse_note
from ledger_client.policy import parse_policy
from ledger_client.reader import LedgerReader, ledger_folder
from ledger_client.receipt import AKIND_TLOG, Receipt, receipts_entry
from ledger_client.recovery import read_newest
from ledger_client.schema import Descriptor, GroupRow, SchemaState
from ledger_client.verify_ledger import verify_ledger
from tests.rigs.shim_ledger import ORIGIN, STATE, create, opened, prepared
from tests.rigs.small_log import key_of
from tests.simulation.disk import Crash, ShimDisk
from tests.simulation.loop import VirtualClock, run


@dataclass
class Acknowledged:
    """What the run was told, each with the disk's position at that moment."""

    entries: list[tuple[int, int, bytes]] = field(default_factory=list)
    checkpoints: list[tuple[int, int, bytes]] = field(default_factory=list)
    dropped: set[int] = field(default_factory=set)

    def check(self, crash_position: int, raws: list[bytes]) -> None:
        for position, seq, entry_hash in self.entries:
            if position <= crash_position:
                assert seq < len(raws), f"acknowledged entry {seq} is lost"
                assert sha256(raws[seq]).digest() == entry_hash, f"acknowledged entry {seq} is another"
        leaves = [leaf_hash(raw) for raw in raws]
        for position, size, root in self.checkpoints:
            if position <= crash_position:
                assert size <= len(raws)
                assert root_of(leaves[:size]) == root, f"checkpoint {size} is contradicted"


class BusyRun:
    """Batches, gaps, receipts, config edits, acts, schema changes, checkpoints, splits: all of it, in an order of the seed."""

    def __init__(self, disk: ShimDisk, rng: random.Random, clock: VirtualClock) -> None:
        self.disk = disk
        self.clock = clock
        self.rng = rng
        self.told = Acknowledged()
        self.revision = 0
        self.tags = 2

    async def play(self, chain: Chain, steps: int) -> None:
        await self.schema(chain)
        for _step in range(steps):
            act = self.rng.choices(
                (self.batch, self.burst, self.gap, self.receipts, self.config, self.act, self.schema, self.checkpoint, self.split),
                (40, 8, 8, 8, 5, 8, 5, 12, 4),
            )[0]
            await act(chain)
        await self.add(chain, Kind.CLOSE, ("stop",), reserve=True)

    async def add(self, chain: Chain, kind: int, detail: tuple[Any, ...], body: bytes = b"", *, reserve: bool = False) -> None:
        done = await chain.append(kind, detail, body, reserve=reserve)
        self.told.entries.append((self.disk.position, done.seq, done.hash))

    async def batch(self, chain: Chain) -> None:
        batch = BatchBuilder(self.rng.randbytes(32), self.clock.wall_ms() - self.clock.mono_ms(), 16, chain.schema)
        tags = len(chain.schema.descriptors)
        for _scan in range(self.rng.choice((1, 10, 40, 80))):
            batch.add(1, self.clock.wall_ms(), None, [self.rng.random() for _tag in range(tags)], None, None)
        sealed = batch.seal()
        await self.add(chain, Kind.BATCH, sealed.detail, sealed.body)

    async def burst(self, chain: Chain) -> None:
        """Several at once: the next is signed while one is being flushed."""
        async with asyncio.TaskGroup() as tasks:
            for _lane in range(6):
                tasks.create_task(self.batch(chain))
            tasks.create_task(self.checkpoint(chain))

    async def gap(self, chain: Chain) -> None:
        await self.add(chain, Kind.GAP, ((7, 1, 2, "device_timeout", 3),), reserve=True)

    async def receipts(self, chain: Chain) -> None:
        note = await chain.checkpoint()
        checkpoint = parse_checkpoint(parse_note(note).text)
        receipt = Receipt(AKIND_TLOG, "witness", checkpoint.size, checkpoint.root, note.encode(), self.clock.wall_ms())
        await self.add(chain, Kind.RECEIPTS, *receipts_entry([receipt]))

    async def config(self, chain: Chain) -> None:
        self.revision += 1
        await self.add(chain, Kind.CONFIG, (self.revision, self.revision - 1, self.rng.randbytes(32), "ana", "try"))

    async def act(self, chain: Chain) -> None:
        act_id = self.rng.randbytes(16)
        for phase, code in ((0, "write"), (1, "done")):
            await self.add(chain, Kind.COMMAND, (act_id, phase, code, 0, EMPTY_BODY_HASH), reserve=phase == 1)

    async def schema(self, chain: Chain) -> None:
        self.tags += 1
        uids = tuple(range(1, self.tags + 1))
        rows = {u: Descriptor(u, "plant/line/machine", f"filler/t{u}", "bar", "float64", None, f"holding:{u}", "") for u in uids}
        done = await chain.append_schema(SchemaState({1: GroupRow(1, "filler", "fast", 100, "poll", uids)}, rows))
        assert done is not None
        self.told.entries.append((self.disk.position, done.seq, done.hash))

    async def checkpoint(self, chain: Chain) -> None:
        noted = parse_checkpoint(parse_note(await chain.checkpoint()).text)
        self.told.checkpoints.append((self.disk.position, noted.size, noted.root))

    async def split(self, chain: Chain) -> None:
        folder = ledger_folder(STATE, 1)
        for first in split_closed(self.disk, folder, keep=self.rng.choice((1, 2))):
            if self.rng.random() < 0.3:
                drop_bodies(self.disk, folder, first)


def entries_of(disk: ShimDisk) -> list[bytes]:
    """Read all entries, and check what binds them."""
    reader = LedgerReader(disk, STATE, 1)
    raws = list(reader.entries(0, reader.size()))
    prev = ZERO_HASH
    for seq, raw in enumerate(raws):
        entry = parse(raw)
        assert (entry.seq, entry.payload.prev) == (seq, prev)
        prev = entry.hash
        committed = body_commitment(entry.payload.kind, entry.payload.detail)
        body = reader.body(seq)
        if committed is not None and body is not None:
            assert committed == (len(body), sha256(body).digest())
    return raws


def verified(disk: ShimDisk) -> None:
    """Let the product's verifier judge; with no witnesses in this world, only what anchoring would add may be unknown."""
    key = device_note_key(ORIGIN, key_of(1).public)
    report = verify_ledger(LedgerReader(disk, STATE, 1), parse_policy(f"log {key.vkey}\nquorum none\n".encode()))
    for name in ("altered", "reordered", "back_dated", "content", "equivocated"):
        claim = report.claims[name]
        assert claim.status != "fails", (name, claim)
    assert report.claims["altered"].status == "holds"
    assert report.claims["dropped"].status != "fails"


async def reopen(crash: Crash, told: Acknowledged, clock: VirtualClock) -> ShimDisk:
    """Start on what the power cut left, and judge."""
    disk = ShimDisk.from_image(crash.image)
    key = key_of(1).public
    async with opened(disk, clock) as chain:
        assert (chain.state, chain.fault) == ("ok", None)
        raws = entries_of(disk)
        told.check(crash.position, raws)
        assert chain.size == len(raws)
        assert read_newest(disk, ledger_folder(STATE, 1)).torn_bytes == 0, "what follows the last record is not zero"
        assert chain.root() == root_of([leaf_hash(raw) for raw in raws])
        kinds = [parse(raw).payload.kind for raw in raws[-2:]]
        assert kinds[-1] == Kind.BOOT or kinds == [Kind.BOOT, Kind.SCHEMA], "no boot entry, or not where a new boot begins"
        assert all(parse(raw).verify_signature(key) for raw in random.Random(crash.seed).sample(raws, min(5, len(raws))))
        await chain.append(Kind.GAP, ((None, 1, 2, "power", 1),), reserve=True)
        await chain.checkpoint()
        while not chain.tree_ready:
            await asyncio.sleep(0)
        old = crash.seed % chain.size
        path = consistency_path(chain.subtree, old, chain.size)
        raws = entries_of(disk)
        assert consistent(old, chain.size, root_of([leaf_hash(r) for r in raws[:old]]), chain.root(), path)
    if crash.seed % 10 == 0:
        verified(disk)
    return disk


def busy(seed: int, steps: int) -> tuple[ShimDisk, Acknowledged, int]:
    async def program(clock: VirtualClock) -> tuple[ShimDisk, Acknowledged, int]:
        disk = prepared(ShimDisk())
        await create(disk, clock)
        begun = disk.position
        run_ = BusyRun(disk, random.Random(seed), clock)
        for _life in range(2):
            async with opened(disk.restart(), clock) as chain:
                await run_.play(chain, steps)
        return disk, run_.told, begun

    return run(program, seed=seed)


def test_every_crash_state_of_a_busy_run_recovers(seed: int, count) -> None:
    states = count(50, 1000, 10_000)
    per_run = 100
    for busy_seed in range(seed, seed + max(1, states // per_run)):
        disk, told, begun = busy(busy_seed, 60)
        assert len(LedgerReader(disk, STATE, 1).segments()) >= 4
        for crash in disk.crash_states(seed=busy_seed * per_run, count=min(states, per_run), first=begun):
            try:
                run(lambda clock, c=crash, t=told: reopen(c, t, clock), seed=crash.seed)
            except (AssertionError, LedgerError, OSError) as error:
                pytest.fail(f"busy run {busy_seed}, crash state {crash.seed} at {crash.position}: {type(error).__name__} {error}")


def test_a_crash_while_recovering_recovers(seed: int, count) -> None:
    disk, told, begun = busy(seed, 40)
    for first in disk.crash_states(seed=seed, count=count(15, 200, 2000), first=begun):

        async def twice(clock: VirtualClock, first: Crash = first) -> None:
            again = await reopen(first, told, clock)
            for second in again.crash_states(seed=first.seed, count=3):
                # What was acknowledged before the first cut was durable then.
                await reopen(Crash(second.seed, first.position, second.image), told, clock)

        try:
            run(twice, seed=first.seed)
        except (AssertionError, LedgerError, OSError) as error:
            pytest.fail(f"busy run {seed}, crash state {first.seed} at {first.position}: {type(error).__name__} {error}")


def test_a_failed_flush_then_a_restart_then_a_crash(seed: int, count) -> None:
    """The page cache still shows what the failed flush lost: nothing may be built on it before it is written again."""

    async def program(clock: VirtualClock, run_seed: int) -> tuple[ShimDisk, Acknowledged, int]:
        disk = prepared(ShimDisk())
        await create(disk, clock)
        begun = disk.position
        busy_run = BusyRun(disk, random.Random(run_seed), clock)
        for _life in range(4):
            disk.faults.fail_sync_at = None
            async with opened(disk.restart(), clock) as chain:
                assert chain.state == "ok"
                disk.faults.fail_sync_at = busy_run.rng.randint(1, 30)
                try:
                    await busy_run.play(chain, 30)
                except* (LedgerError, OSError):
                    pass
        return disk, busy_run.told, begun

    for run_seed in range(seed, seed + count(5, 20, 100)):
        disk, told, begun = run(lambda clock, s=run_seed: program(clock, s), seed=run_seed)
        for crash in disk.crash_states(seed=run_seed * 100, count=10, first=begun):
            try:
                run(lambda clock, c=crash, t=told: reopen(c, t, clock), seed=crash.seed)
            except (AssertionError, LedgerError, OSError) as error:
                pytest.fail(f"run {run_seed}, crash state {crash.seed} at {crash.position}: {type(error).__name__} {error}")


def test_a_crash_while_creating_can_be_created_again(seed: int, count) -> None:
    async def fresh(clock: VirtualClock) -> ShimDisk:
        disk = prepared(ShimDisk())
        await create(disk, clock)
        return disk

    async def again(crash: Crash, clock: VirtualClock) -> None:
        disk = prepared(ShimDisk.from_image(crash.image))
        with suppress(StoreError):
            # Refused when the first attempt had got as far as the genesis entry.
            await create(disk, clock)
        async with opened(disk, clock) as chain:
            assert (chain.state, chain.size) == ("ok", 2)

    disk = run(fresh, seed=seed)
    for crash in disk.crash_states(seed=seed, count=count(50, 300, 1000), first=2):
        run(lambda clock, c=crash: again(c, clock), seed=crash.seed)
