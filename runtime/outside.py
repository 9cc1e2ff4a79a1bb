"""What a core stands on: disk, clock, signer, devices, anchors; and the machine that this process runs on.

Room: hall. `app` is given an `Outside`; the simulation makes one whose disk, time, devices and anchors are its own. It starts nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random, SystemRandom

from drivers.driver import Driver
from drivers.memory import MemoryOf
from drivers.registry import make_driver
from drivers.shared import Shared
from ledger_client.anchors.anchor import Anchor
from ledger_client.anchors.registry import make_anchor
from ledger_client.chain_seams import Signer
from ledger_client.disk import Disk, RealDisk
from ledger_client.segments import SegmentShape
from ledger_client.signer_client import SignerProcess
from runtime import first_start
from runtime.accounts.store import MEMORY
from runtime.clock import Clock, SystemClock
from runtime.config import AnchorConfig
from runtime.diagnostics.log_ring import LogRing
from runtime.layout import Layout
from runtime.points import DevicePoints


@dataclass(frozen=True, slots=True)
class Outside:
    """What the core stands on: the machine itself, or in the simulation one whose disk, time, devices and anchors are ours.

    `signer` is entered before the ledger is touched; it makes the key of a first start, which this process never sees.
    """

    disk: Disk
    clock: Clock
    signer: Callable[[Layout], AbstractAsyncContextManager[Signer]]
    make_driver: Callable[[DevicePoints, MemoryOf], Driver]
    """The second gives what a driver remembers of its device between starts."""
    make_anchor: Callable[[AnchorConfig], Anchor]
    shape: SegmentShape
    random: Random
    """Where the secrets of batches and the jitter of retries come from."""
    shared: Shared = field(default_factory=Shared)
    """What drivers have in common: what those of lines saw last, and the newest values, which this core tells them."""
    accounts: Callable[[Layout], Path] = lambda _: MEMORY
    """Where the accounts' file is: it is SQLite's, which knows no disk but the machine's."""
    log: LogRing = field(default_factory=lambda: LogRing(lambda: 0))
    """Where the newest lines of this process and its children are kept."""


def machine(log: LogRing | None = None) -> Outside:
    """Return the machine that this process runs on."""
    clock, shared = SystemClock(), Shared()
    log = log or LogRing(clock.wall_ms)

    def driver(points: DevicePoints, memory: MemoryOf) -> Driver:
        shared.memory = memory
        return make_driver(points.config.type, points.name, points.config.options, clock, shared)

    def signer(layout: Layout) -> SignerProcess:
        return SignerProcess(layout.state, lambda: not first_start.has_ledger(layout.state))

    return Outside(
        RealDisk(), clock, signer, driver,
        lambda anchor: make_anchor(anchor.type, anchor.name, anchor.options, clock),
        SegmentShape(), SystemRandom(), shared, lambda layout: layout.accounts, log,
    )  # fmt: skip
