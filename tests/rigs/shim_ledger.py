"""A chain on the shim disk and on virtual time, with tiny segments: for tests of the store and of what stands on it."""

from __future__ import annotations

from pathlib import Path

from ledger_client.chain import Chain
from ledger_client.segments import SegmentShape
from ledger_client.signing import SignerCore
from tests.rigs.small_log import key_of
from tests.simulation.disk import ShimDisk
from tests.simulation.loop import VirtualClock

STATE = Path("/state")
ORIGIN = "witnessmark.example/line-4/1"
TINY = SegmentShape(size_bytes=12 << 10, reserve_bytes=2 << 10, entries_max=24, reserve_entries=4, chunk_bytes=2 << 10, spare_bytes=1 << 10)


def signer(disk: ShimDisk) -> SignerCore:
    return SignerCore(key_of(1), disk, STATE)


def prepared(disk: ShimDisk) -> ShimDisk:
    """Return the disk with the state folder that an installation makes."""
    disk.mkdir(STATE)
    disk.sync_folder(STATE.parent)
    return disk


async def create(disk: ShimDisk, clock: VirtualClock, shape: SegmentShape = TINY) -> None:
    await Chain.create(disk, STATE, signer(disk), clock, origin=ORIGIN, shape=shape)


def opened(disk: ShimDisk, clock: VirtualClock, shape: SegmentShape = TINY) -> Chain:
    return Chain.open(disk, STATE, signer(disk), clock, version="1.0", board="sim", shape=shape)
