"""The fast lane with a real thread, a real disk and a real signer process: who is told when, and what a dead signer leaves."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

from ledger_client.chain import Chain
from ledger_client.disk import RealDisk
from ledger_client.entry import ZERO_HASH, parse
from ledger_client.errors import SignerError, StoreError
from ledger_client.keys import create_private
from ledger_client.kinds import Kind
from ledger_client.reader import LedgerReader
from ledger_client.segments import SegmentShape
from ledger_client.signer_client import SignerProcess
from tests.rigs.clock import RunningClock

SHAPE = SegmentShape(size_bytes=256 << 10, reserve_bytes=8 << 10, entries_max=300, reserve_entries=4, chunk_bytes=128 << 10)


class WallClock(RunningClock):
    def state(self) -> int:
        return 2


class GatedDisk(RealDisk):
    """A disk whose flushes wait at a gate, one at a time; `fail` makes the next one that comes through fail."""

    def __init__(self) -> None:
        self.gate: threading.Semaphore | None = None
        self.fail = False
        self.arrived = 0
        self.under_way = 0

    def fdatasync(self, handle: int) -> None:
        self.arrived += 1
        self.under_way += 1
        assert self.under_way == 1
        if self.gate is not None:
            assert self.gate.acquire(timeout=20)
        self.under_way -= 1
        if self.fail:
            raise OSError(5, "gone")
        super().fdatasync(handle)


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
