"""The fast lane with a real thread, a real disk and a real signer process: who is told when, and what a dead signer leaves."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import time
from collections.abc import Callable, Sequence
from hashlib import sha256
from pathlib import Path

from ledger_client.append_lane import FAST_S
from ledger_client.chain import Chain
from ledger_client.disk import RealDisk
from ledger_client.entry import ZERO_HASH, NextEntry, parse
from ledger_client.errors import SignerError, StoreError
from ledger_client.keys import create_private
from ledger_client.kinds import Kind
from ledger_client.reader import LedgerReader
from ledger_client.segments import SegmentShape
from ledger_client.signer_client import SignerProcess
from tests.rigs.clock import RunningClock
from tests.rigs.evidence import schema_of

SHAPE = SegmentShape(size_bytes=256 << 10, reserve_bytes=8 << 10, entries_max=300, reserve_entries=4, chunk_bytes=128 << 10)


class WallClock(RunningClock):
    def state(self) -> int:
        return 2


class GatedDisk(RealDisk):
    """A slow disk whose flushes wait at a gate, one at a time; `fail` makes the next one that comes through fail."""

    def __init__(self) -> None:
        self.gate: threading.Semaphore | None = None
        self.fail = False
        self.arrived = 0
        self.under_way = 0

    def write_through(self, handle: int, data: bytes, offset: int) -> None:
        self.arrived += 1
        self.under_way += 1
        assert self.under_way == 1
        if self.gate is not None:
            time.sleep(2 * FAST_S)
            assert self.gate.acquire(timeout=20)
        self.under_way -= 1
        if self.fail:
            raise OSError(5, "gone")
        super().write_through(handle, data, offset)


class CountingSigner(SignerProcess):
    """Counts the entries that were asked for ahead."""

    asked = 0

    def ask_next(self, entries: Sequence[NextEntry]) -> None:
        self.asked += len(entries)
        super().ask_next(entries)


async def started(state: Path, signer: SignerProcess, disk: RealDisk) -> Chain:
    await Chain.create(disk, state, signer, WallClock(), origin="witnessmark.example/line-4/1", shape=SHAPE)
    return Chain.open(disk, state, signer, WallClock(), version="1", board="sim", shape=SHAPE)


def new_state(folder: Path) -> Path:
    (folder / "private").mkdir(mode=0o700)
    create_private(folder / "private" / "device.key")
    return folder


def event(number: int) -> tuple[int, tuple[object, ...], bytes]:
    body = str(number).encode()
    return Kind.EVENT, ("witnessmark.example/test", 1, sha256(body).digest(), len(body)), body


def stored(state: Path) -> list[bytes]:
    """Check what binds the entries, and return the bodies of the events."""
    reader = LedgerReader(RealDisk(), state, 1)
    prev, bodies = ZERO_HASH, []
    for seq in range(reader.size()):
        entry = parse(reader.entry(seq))
        assert (entry.seq, entry.payload.prev) == (seq, prev)
        prev = entry.hash
        if entry.payload.kind == Kind.EVENT:
            bodies.append(reader.body(seq) or b"")
    return bodies


async def until(condition: Callable[[], bool]) -> None:
    while not condition():
        await asyncio.sleep(0.001)


def test_an_entry_is_told_while_the_next_is_being_flushed_and_never_before(tmp_path: Path) -> None:
    async def story() -> None:
        state, disk = new_state(tmp_path), GatedDisk()
        async with SignerProcess(state) as signer, await started(state, signer, disk) as chain, asyncio.timeout(60):
            for number in range(5):
                await chain.append(*event(number))
            disk.gate, disk.arrived, size = threading.Semaphore(0), 0, chain.size
            async with asyncio.TaskGroup() as tasks:
                asked = [tasks.create_task(chain.append(*event(number))) for number in range(5, 13)]
                for number in range(8):
                    await until(lambda n=number: disk.arrived == n + 1 and chain.size == size + n)
                    await until(lambda n=number: [task.done() for task in asked] == [True] * n + [False] * (8 - n))
                    disk.gate.release()
            disk.gate = None
        assert stored(state) == [str(number).encode() for number in range(13)]

    asyncio.run(story())


def test_entries_that_queue_behind_slow_work_take_the_lane_after_it(tmp_path: Path) -> None:
    """Under a load that never lets up the line is never empty: entries would otherwise stay in it for good."""

    async def story() -> None:
        state, disk = new_state(tmp_path), GatedDisk()
        async with CountingSigner(state) as signer, await started(state, signer, disk) as chain, asyncio.timeout(60):
            for number in range(5):
                await chain.append(*event(number))
            disk.gate, disk.arrived, signer.asked = threading.Semaphore(0), 0, 0
            async with asyncio.TaskGroup() as tasks:
                slow = tasks.create_task(chain.append_schema(schema_of(2)))
                await until(lambda: disk.arrived == 1)
                queued = [tasks.create_task(chain.append(*event(number))) for number in range(5, 11)]
                disk.gate.release()
                await until(lambda: slow.done() and disk.arrived == 2)
                # One is at the gate, and the signatures of those behind it are asked for: only the lane asks ahead.
                await until(lambda: signer.asked == 6)
                assert not any(task.done() for task in queued)
                for _ in queued:
                    disk.gate.release()
            disk.gate = None
        assert stored(state) == [str(number).encode() for number in range(11)]

    asyncio.run(story())


def test_a_flush_that_fails_discards_what_was_signed_behind_it(tmp_path: Path) -> None:
    async def outcome(chain: Chain, number: int) -> str:
        try:
            await chain.append(*event(number))
        except StoreError as error:
            return error.code
        return "stored"

    async def story() -> None:
        state, disk = new_state(tmp_path), GatedDisk()
        async with SignerProcess(state) as signer:
            async with await started(state, signer, disk) as chain, asyncio.timeout(60):
                for number in range(5):
                    await chain.append(*event(number))
                disk.gate, disk.arrived = threading.Semaphore(0), 0
                async with asyncio.TaskGroup() as tasks:
                    asked = [tasks.create_task(outcome(chain, number)) for number in range(5, 11)]
                    for _ in range(2):
                        disk.gate.release()
                    await until(lambda: disk.arrived == 3)
                    disk.fail = True
                    disk.gate.release()
                assert [task.result() for task in asked] == ["stored"] * 2 + ["disk_error"] * 4
                assert chain.state == "failed"
            # The signer is ahead of the disk by what was never told, and reads the durable head anew.
            again = Chain.open(RealDisk(), state, signer, WallClock(), version="1", board="sim", shape=SHAPE)
            async with again as chain:
                await chain.append(*event(99))
                await chain.checkpoint()
        bodies = stored(state)
        assert bodies[:7] == [str(number).encode() for number in range(7)]
        assert bodies[7:] in ([b"99"], [b"7", b"99"])

    asyncio.run(story())


def test_a_signer_that_dies_in_a_burst_costs_no_acknowledged_entry(tmp_path: Path) -> None:
    told: list[bytes] = []

    async def lane(chain: Chain, first: int) -> None:
        for number in range(first, first + 60):
            while True:
                try:
                    await chain.append(*event(number))
                    break
                except SignerError:
                    await asyncio.sleep(0.02)
            told.append(str(number).encode())

    async def story() -> None:
        state = new_state(tmp_path)
        async with SignerProcess(state) as signer, await started(state, signer, RealDisk()) as chain, asyncio.timeout(60):
            async with asyncio.TaskGroup() as tasks:
                for first in range(0, 360, 60):
                    tasks.create_task(lane(chain, first))
                for reached in (50, 200):
                    await until(lambda n=reached: len(told) > n)
                    assert signer.pid is not None
                    os.kill(signer.pid, signal.SIGKILL)
            assert (chain.state, signer.starts) == ("ok", 3)
        assert sorted(stored(state)) == sorted(told)

    asyncio.run(story())


class CountingDisk(RealDisk):
    """Counts the records that are durable; `before` is called in the evidence thread as each is about to be written."""

    def __init__(self) -> None:
        self.durable = 0
        self.under_way = 0
        self.before: Callable[[int], None] = lambda number: None

    def write_through(self, handle: int, data: bytes, offset: int) -> None:
        self.under_way += 1
        assert self.under_way == 1
        self.before(self.durable)
        super().write_through(handle, data, offset)
        self.under_way -= 1
        self.durable += 1


async def outcomes(chain: Chain, numbers: range, at_a_time: int, told: list[bytes]) -> set[str]:
    """Append events, so many asked for at any time; note those that were told, and return what became of the others."""
    codes: set[str] = set()

    async def one_after_the_other(first: int) -> None:
        for number in numbers[first::at_a_time]:
            try:
                await chain.append(*event(number))
                told.append(str(number).encode())
            except (SignerError, StoreError) as error:
                codes.add(error.code)
                return

    async with asyncio.TaskGroup() as tasks:
        for first in range(at_a_time):
            tasks.create_task(one_after_the_other(first))
    return codes


def test_on_a_disk_as_fast_as_it_gets_nothing_is_told_before_its_flush(tmp_path: Path) -> None:
    async def story() -> None:
        state, disk, told, late = new_state(tmp_path), CountingDisk(), list[bytes](), list[int]()
        async with SignerProcess(state) as signer, await started(state, signer, disk) as chain, asyncio.timeout(60):
            chain.subscribe(lambda size: late.append(size - disk.durable))
            for at_a_time in (1, 2, 4, 16):
                assert not await outcomes(chain, range(100 * at_a_time, 100 * at_a_time + 80), at_a_time, told)
            assert max(late) <= 0
            assert chain.size == disk.durable
        assert sorted(stored(state)) == sorted(told)

    asyncio.run(story())


def test_a_signer_that_dies_while_an_entry_is_flushed_costs_those_behind_it_only(tmp_path: Path) -> None:
    """The one under way is told, whatever its flush does after the death; the lane closes, and the chain goes on with a new signer."""

    async def story() -> None:
        state, disk, told = new_state(tmp_path), CountingDisk(), list[bytes]()

        async with SignerProcess(state) as signer, await started(state, signer, disk) as chain, asyncio.timeout(60):
            assert not await outcomes(chain, range(5), 1, told)
            victim, last = signer.pid, disk.durable + 7

            def before(number: int) -> None:
                if number == last and victim is not None:
                    os.kill(victim, signal.SIGKILL)
                    time.sleep(0.05)

            disk.before = before
            codes = await outcomes(chain, range(5, 60), 4, told)
            assert codes == {"signer_gone"}
            assert disk.durable > last
            assert (chain.state, chain.size) == ("ok", disk.durable)
            while True:
                try:
                    await chain.append(*event(99))
                    break
                except SignerError:
                    await asyncio.sleep(0.02)
            assert signer.starts == 2
        assert sorted(stored(state)) == sorted([*told, b"99"])

    asyncio.run(story())


def test_callers_that_give_up_leave_whole_entries_in_order(tmp_path: Path) -> None:
    async def story() -> None:
        state, disk = new_state(tmp_path), GatedDisk()
        async with SignerProcess(state) as signer, await started(state, signer, disk) as chain, asyncio.timeout(60):
            for number in range(5):
                await chain.append(*event(number))
            disk.gate, disk.arrived = threading.Semaphore(0), 0
            async with asyncio.TaskGroup() as tasks:
                asked = [tasks.create_task(chain.append(*event(number))) for number in range(5, 13)]
                await until(lambda: disk.arrived == 1)
                for task in asked[:6]:
                    task.cancel()
                for _ in range(8):
                    disk.gate.release()
            assert [task.cancelled() for task in asked] == [True] * 6 + [False] * 2
            disk.gate = None
            await chain.checkpoint()
            size = chain.size
        bodies = stored(state)
        assert bodies == [str(number).encode() for number in range(13)]
        assert LedgerReader(RealDisk(), state, 1).size() == size

    asyncio.run(story())


class Lying(SignerProcess):
    """Says of one entry that it has signed another."""

    lie_at = -1

    def take_next(self, *, wait: bool) -> tuple[bytes, bytes] | None:
        signed = super().take_next(wait=wait)
        if signed is None:
            return None
        self.lie_at -= 1
        return (signed[0], bytes(32)) if self.lie_at == 0 else signed


def test_an_entry_that_is_not_what_was_signed_is_never_written(tmp_path: Path) -> None:
    async def story() -> None:
        state, disk, told = new_state(tmp_path), CountingDisk(), list[bytes]()
        async with Lying(state) as signer, await started(state, signer, disk) as chain, asyncio.timeout(60):
            assert not await outcomes(chain, range(5), 1, told)
            signer.lie_at = 9
            assert await outcomes(chain, range(5, 60), 4, told) == {"signer_answer_invalid"}
            assert (chain.state, chain.size) == ("ok", disk.durable)
        assert sorted(stored(state)) == sorted(told)
        reader = LedgerReader(RealDisk(), state, 1)
        for seq in range(reader.size()):
            assert parse(reader.entry(seq)).verify_signature(signer.public)

    asyncio.run(story())
