"""The commands' parts, put together: the switch, the guard, the desk, and the door's tenants.

Room: hall, commands. `app` calls it once. It holds no rule of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor
from pathlib import Path
from random import Random
from typing import Protocol

from ledger_client.disk import Disk
from runtime.clock import Clock
from runtime.commands import acts
from runtime.commands.desk import CommandDesk
from runtime.commands.evaluation import KnownOf
from runtime.commands.guard import Guard
from runtime.commands.history import CommandHistory, Entries
from runtime.commands.listed import Devices
from runtime.commands.moves import Moves
from runtime.commands.read_only import ReadOnly, TurnReadOnly
from runtime.device_write import DeviceWrite, Writer
from runtime.door import Tenant
from runtime.door_calls import DeviceCall, MethodCaller
from runtime.permissions import Actor
from runtime.revisions import Revision


class Field(Writer, MethodCaller, Protocol):
    """What the devices give: write, read, call."""


def open_desk(
    field: Field, known: KnownOf, revision: Callable[[], Revision], devices: Callable[[], Devices], clock: Clock, disk: Disk,
    private: Path, random: Random, work: Executor, self_approval: Callable[[], bool], is_gone: Callable[[Actor], bool],
    entries: Entries,
) -> tuple[CommandDesk, dict[str, Tenant]]:  # fmt: skip
    """Return the desk and the tenants of everything that reaches a device. Blocking: reads two small files.

    `entries` is a reader of the ledger that nobody else uses.
    """
    switch = ReadOnly(disk, private)
    switch.load()
    moves = Moves(disk, private, clock, work)
    moves.load()
    guard = Guard(lambda: revision().config, switch, clock)
    history = CommandHistory(entries)
    desk = CommandDesk(
        field, known, lambda: (revision().number, revision().config), devices, clock, guard, random, self_approval, is_gone, history, moves
    )
    return desk, {
        "device.write": DeviceWrite(field, known, devices, clock, guard),
        "device.call": DeviceCall(field, devices, guard),
        "gateway.read_only": TurnReadOnly(switch, devices, clock, work),
        **acts.tenants(desk, field),
    }
