"""A whole core on virtual time, a shim disk and scripted devices: everything but sockets and processes is the production code."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from drivers.driver import Driver
from drivers.memory import Memory, MemoryOf
from drivers.registry import make_driver
from drivers.shared import Shared
from ledger_client.anchors.anchor import Anchor
from ledger_client.entry import parse
from ledger_client.keys import FileKey
from ledger_client.reader import LedgerReader
from ledger_client.segments import SegmentShape
from ledger_client.signing import SignerCore
from ledger_client.verify import Report, parse_policy, verify_ledger
from runtime.accounts.store import MEMORY
from runtime.app import Core, open_core
from runtime.config import AnchorConfig
from runtime.faces.feed import RequestRefusedError, Session
from runtime.layout import Layout
from runtime.outside import Outside
from runtime.points import DevicePoints
from tests.rigs.field import ScriptedDriver, device_toml
from tests.rigs.small_log import key_of
from tests.simulation.disk import ShimDisk
from tests.simulation.loop import VirtualClock

STATE = Path("/state")
SMALL = SegmentShape(
    size_bytes=64 << 10, reserve_bytes=8 << 10, entries_max=64, reserve_entries=8, chunk_bytes=4 << 10, spare_bytes=8 << 10
)  # fmt: skip
"""Segments small enough that a test sees several; reserve for acts."""
ADMIN = Session("cli", 0)


def config_text(*devices: str, seal_every_s: int = 1) -> str:
    """Return a config that lets setpoints through."""
    return f'[gateway]\nname = "g"\ndevice_writes = true\n[evidence]\nseal_every_s = {seal_every_s}\n' + "".join(devices)


def two_devices(*, period_ms: int = 200, tags: int = 3) -> str:
    """Return devices `a` and `b`; the tags of `b` are writable between 0 and 100."""
    writable = "writable = true\nwrite = { min = 0, max = 100, read_back = false }\n"
    one = device_toml("a", {"fast": (period_ms, tags)})
    return config_text(one, device_toml("b", {"slow": (2 * period_ms, tags)}, more=writable))


@dataclass
class Plant:
    """Scripted devices by name, surviving a change of configuration as real ones do."""

    clock: VirtualClock
    drivers: dict[str, ScriptedDriver] = field(default_factory=dict)
    memories: dict[str, Memory] = field(default_factory=dict)
    shared: Shared = field(default_factory=Shared)

    def __call__(self, points: DevicePoints, memory: MemoryOf) -> Driver:
        if points.config.type == "virtual":  # nothing outside to script
            return make_driver("virtual", points.name, points.config.options, self.clock, self.shared)
        self.memories[points.name] = memory("scripted", points.name)
        return self.drivers.setdefault(points.name, ScriptedDriver(self.clock))


def prepare(disk: ShimDisk, text: str) -> None:
    """Make the state folder with a config file in it, as an installation does."""
    disk.mkdir(STATE)
    disk.sync_folder(STATE.parent)
    layout = Layout(STATE)
    layout.prepare(disk)
    handle = disk.open(layout.config, create=True)
    disk.pwrite(handle, text.encode(), 0)
    disk.fdatasync(handle)
    disk.close(handle)
    disk.sync_folder(layout.config.parent)


@dataclass
class Running:
    """A core that runs; `acts` makes request ids that never repeat."""

    core: Core
    plant: Plant
    clock: VirtualClock
    numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    async def act(
        self, action: str, target: str = "", *, act_id: bytes | None = None, session: Session = ADMIN, **more: Any
    ) -> dict[str, Any]:
        """Ask the door. A refusal is {"refused": code}."""
        request = {
            "id": act_id or next(self.numbers).to_bytes(16, "big"), "action": action, "target": target, "params": more.pop("params", {}),
            "reason": "test", **more,
        }  # fmt: skip
        try:
            return await self.core.door.ask(session, request)
        except RequestRefusedError as refused:
            return {"refused": refused.code, **refused.params}

    def health(self) -> dict[str, Any]:
        return dict(self.core.health.snapshot())


@contextlib.asynccontextmanager
async def running(
    disk: ShimDisk,
    clock: VirtualClock,
    plant: Plant | None = None,
    key: FileKey | None = None,
    first_act: int = 1,
    signer: SignerCore | None = None,
    accounts: Path = MEMORY,
) -> AsyncIterator[Running]:
    """Run a core on a prepared disk; leaving ends it in order. `accounts`: a file that stands for one on that disk, see `sqlite_disk`."""
    plant = plant or Plant(clock)
    signing = contextlib.nullcontext(signer or SignerCore(key or key_of(1), disk, STATE))
    outside = Outside(disk, clock, lambda _: signing, plant, _no_anchor, SMALL, Random(first_act), plant.shared, lambda _: accounts)
    stop = asyncio.Event()
    async with contextlib.AsyncExitStack() as stack, asyncio.TaskGroup() as group:
        core = await open_core(stack, outside, STATE)
        group.create_task(core.run({}, stop, lambda: None))
        try:
            yield Running(core, plant, clock, itertools.count(first_act))
        finally:
            stop.set()


def _no_anchor(config: AnchorConfig) -> Anchor:
    raise AssertionError(f"{config.name}: this core has no anchors")


def payloads(disk: ShimDisk) -> list[Any]:
    """Return the payload of every entry."""
    reader = LedgerReader(disk, STATE, 1)
    return [parse(raw).payload for raw in reader.entries(0, reader.size())]


def verified(disk: ShimDisk) -> Report:
    """Judge the ledger under the state folder's own policy."""
    policy = disk.image()[Layout(STATE).policy]
    assert policy is not None
    return verify_ledger(LedgerReader(disk, STATE, 1), parse_policy(policy))
