"""What reads or writes the disk runs beside the loop, so that a slow disk cannot delay the field; the index's memory is bounded."""

from __future__ import annotations

import asyncio
import threading
from hashlib import sha256
from pathlib import Path
from typing import Any

from ledger_client.chain import Chain
from ledger_client.disk import RealDisk
from ledger_client.kinds import Kind
from ledger_client.merkle import range_root
from ledger_client.outbox import Outbox
from ledger_client.reader import index_folder, ledger_folder
from ledger_client.recovery import first_seqs
from ledger_client.signing import SignerCore
from runtime.clock import SystemClock
from tests.rigs.memory_ledger import LocalWitness, MemoryLedger
from tests.rigs.shim_ledger import ORIGIN, STATE, TINY, create, opened, prepared
from tests.rigs.small_log import key_of
from tests.simulation.disk import ShimDisk
from tests.simulation.loop import VirtualClock, run


def event(number: int, size: int = 32) -> tuple[int, tuple[Any, ...], bytes]:
    body = sha256(str(number).encode()).digest() * (size // 32)
    return Kind.EVENT, ("witnessmark.example/test", 1, sha256(body).digest(), len(body)), body


def test_a_rebuilt_index_is_in_its_files_not_in_memory() -> None:
    async def story(disk: ShimDisk, clock: VirtualClock) -> None:
        async with opened(disk, clock) as chain:
            for number in range(600):
                await chain.append(*event(number))
            root = chain.root()
        again = ShimDisk.from_image({p: d for p, d in disk.image().items() if "index" not in p.parts})
        async with opened(again, clock) as chain:
            await chain.append(*event(601))
            async with asyncio.timeout(60):
                while not chain.tree_ready:
                    await asyncio.sleep(0.01)
            assert range_root(chain.subtree, 0, 601) != root
            assert range_root(chain.subtree, 0, chain.size) == chain.root()
        newest = max(first_seqs(again.names(ledger_folder(STATE, 1))))
        held = len(again.image()[index_folder(STATE, 1) / "tree.0"] or b"") // 32
        assert 500 < held <= newest

    async def program(clock: VirtualClock) -> None:
        disk = prepared(ShimDisk())
        await create(disk, clock)
        await story(disk, clock)

    run(program, seed=1, for_s=3600)


class _OffLoopDisk(RealDisk):
    """Notes which thread reads, writes and flushes."""

    def __init__(self) -> None:
        self.threads: set[int] = set()

    def pread(self, handle: int, size: int, offset: int) -> bytes:
        self.threads.add(threading.get_ident())
        return super().pread(handle, size, offset)

    def pwrite(self, handle: int, data: bytes, offset: int) -> None:
        self.threads.add(threading.get_ident())
        super().pwrite(handle, data, offset)

    def fdatasync(self, handle: int) -> None:
        self.threads.add(threading.get_ident())


def test_no_append_touches_the_disk_on_the_loop(tmp_path: Path) -> None:
    disk = _OffLoopDisk()
    signing, clock = SignerCore(key_of(1), disk, tmp_path), SystemClock()

    async def story() -> None:
        await Chain.create(disk, tmp_path, signing, clock, origin=ORIGIN, shape=TINY)
        disk.threads.clear()
        async with Chain.open(disk, tmp_path, signing, clock, version="1", board="sim", shape=TINY) as chain:
            for number in range(270):  # a subtree of 256 leaves is read from the index's files on the way
                await chain.append(*event(number))
        assert disk.threads
        assert threading.get_ident() not in disk.threads

    asyncio.run(story())


def test_no_proof_is_made_on_the_loop(tmp_path: Path) -> None:
    """The tree is on the disk, and a disk can take its time."""
    ledger = MemoryLedger().grow(3)
    threads: list[int] = []
    subtree = ledger.subtree

    def watched(start: int, size: int) -> bytes:
        threads.append(threading.get_ident())
        return subtree(start, size)

    ledger.subtree = watched

    async def story(witness: LocalWitness) -> None:
        clock = SystemClock()
        for size in (0, 2):
            ledger.grow(size)
            async with Outbox(ledger, [witness.anchor(clock)], RealDisk(), tmp_path, clock) as outbox:
                assert await outbox.flush(20)

    witness = LocalWitness(tmp_path, 1, [ledger])
    try:
        asyncio.run(story(witness))
    finally:
        witness.close()
    assert threads
    assert threading.get_ident() not in threads
