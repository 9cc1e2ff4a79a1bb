"""The whole core on virtual time: production's own opening, parts and order, on a disk, devices and a witness that are simulated.

Room: tests, also for authors of plug-ins. Nothing of `runtime` is replaced: `open_core` gets another `Outside` than the machine's, and the
children (web, history), the feed's socket and the loop's stall meter, which need a real process, are left out.

    async def program(clock):
        gateway = Gateway(clock, new_disk(CONFIG), seed=7)
        async with gateway.running() as core:
            await after(clock, 10)
            print(core.health.snapshot())

    run(program, seed=7)
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, nullcontext
from pathlib import Path
from random import Random
from typing import Any, TypeVar

from ledger_client.policy import parse_policy
from ledger_client.reader import LedgerReader, epochs
from ledger_client.segments import SegmentShape
from ledger_client.signing import SignerCore
from ledger_client.verify import Report, verify_ledger
from runtime.app import Core, open_core
from runtime.faces.feed import Session
from runtime.layout import Layout
from runtime.outside import Outside
from tests.rigs.small_log import key_of
from tests.simulation.disk import ShimDisk
from tests.simulation.loop import VirtualClock, VirtualLoop
from tests.simulation.plant import Plant
from tests.simulation.witness import MemoryWitness

Result = TypeVar("Result")
STATE = Path("/state")
LAYOUT = Layout(STATE)
SMALL = SegmentShape(
    size_bytes=32 << 10, reserve_bytes=12 << 10, entries_max=40, reserve_entries=6, chunk_bytes=8 << 10, spare_bytes=4 << 10
)
"""Segments that roll every half minute; the reserve still holds the outcome of an act."""


def stall() -> Any:
    """Return what slow flushes of a ShimDisk call: the running virtual loop's `block`, if one runs."""

    def block(seconds: float) -> None:
        loop = asyncio.get_running_loop()
        if isinstance(loop, VirtualLoop):
            loop.block(seconds)

    return block


def new_disk(config: str) -> ShimDisk:
    """Return a disk that holds a config file and nothing else."""
    return ShimDisk.from_image({STATE: None, LAYOUT.config.parent: None, LAYOUT.config: config.encode()}, stall())


class Gateway:
    """One gateway through all its lives on one disk. `true_ms` is the time that witnesses live by."""

    def __init__(
        self, clock: VirtualClock, disk: ShimDisk, *, seed: int, plant: Plant | None = None, witness: MemoryWitness | None = None,
        shape: SegmentShape = SMALL,
    ) -> None:  # fmt: skip
        self.clock, self.disk, self.shape = clock, disk, shape
        self.plant = plant or Plant(clock)
        self.witness = witness or MemoryWitness(lambda: clock.wall_ms() // 1000)
        self._random = Random(seed)
        self._acts = 0

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Core]:
        """Start the core as production does, and stop it in order at the end; an error in the block is as good as a kill."""
        async with AsyncExitStack() as stack:
            core = await open_core(stack, self.outside(), STATE)
            stop = asyncio.Event()
            async with asyncio.TaskGroup() as group:
                group.create_task(core.run({}, stop, lambda: None), name="core")
                yield core
                stop.set()
        self.disk.restart()

    def outside(self) -> Outside:
        """Return what this gateway stands on."""
        return Outside(
            self.disk, self.clock, lambda layout: nullcontext(SignerCore(key_of(1), self.disk, layout.state)), self.plant.driver,
            lambda _: self.witness.anchor(self.clock), self.shape, self._random,
        )  # fmt: skip

    def request(self, action: str, target: str, params: Mapping[str, Any], *, revision: int | None = None) -> dict[str, Any]:
        """Return an act's request with an id of its own."""
        self._acts += 1
        act_id = self._random.randbytes(16)
        return {"id": act_id, "action": action, "target": target, "params": dict(params), "reason": "test", "expected_revision": revision}


async def act(core: Core, request: Mapping[str, Any]) -> dict[str, Any]:
    """Ask the door as the command line does; return the outcome. Raises RequestRefusedError."""
    outcome: dict[str, Any] = await core.answer(Session("cli", os.getuid()), "act", request)
    return outcome


def reader_of(disk: ShimDisk) -> LedgerReader:
    """Return a reader of the newest epoch."""
    return LedgerReader(disk, STATE, max(epochs(disk, STATE)))


def verify(disk: ShimDisk, *, quick: bool = False) -> Report:
    """Judge the ledger under the policy that lies beside it."""
    handle = disk.open(LAYOUT.policy, write=False)
    try:
        policy = parse_policy(disk.pread(handle, 1 << 16, 0))
    finally:
        disk.close(handle)
    return verify_ledger(reader_of(disk), policy, quick=quick)


def verdict(report: Report) -> str:
    """Return `holds`, or what does not, in one line."""
    wrong = [f"{name} {c.status} {c.code} {c.params} {c.findings[:2]}" for name, c in report.claims.items() if c.status != "holds"]
    return "; ".join(wrong) or "holds"
