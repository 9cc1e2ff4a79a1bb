"""A device to command, and a whole core around it: its value moves only when it is written, and it can misbehave in every way."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from drivers.driver import DriverError
from drivers.reading import Scan, Tag, TagGroup, Value
from ledger_client.kinds import INTENT, Kind
from ledger_client.reader import LedgerReader
from runtime.acts import read_command
from runtime.faces.feed import RequestRefusedError
from tests.rigs.core import ADMIN, STATE, Plant, Running, config_text, payloads, prepare, running
from tests.rigs.field import ScriptedDriver, after, device_toml
from tests.simulation.disk import ShimDisk
from tests.simulation.loop import VirtualClock, run

LIMITS = 'writable = true\nwrite = { min = 0, max = 100, max_step = 30, interlock = [{ tag = "a/fast0", equals = 0 }] }\n'
METHOD = '[[devices.b.methods]]\nname = "Reset"\nobject = "i=85"\nmethod = "ns=2;s=Reset"\narguments = ["int16"]\n'


class Machine(ScriptedDriver):
    """One value. `mute`: confirms nothing; `lost`: takes nothing; `slips`: keeps 99; `blind`: reads no tag alone; `dead`: reads nothing."""

    def __init__(self, clock: VirtualClock, value: Value = 10) -> None:
        super().__init__(clock)
        self.value = value
        self.mute = self.lost = self.slips = self.blind = self.dead = False
        self.called: list[list[str]] = []
        self.before_write: Callable[[], Awaitable[None]] | None = None
        self.before_look: Callable[[], Awaitable[None]] | None = None
        """Called once, before a read that is not a poll."""

    async def read(self, group: TagGroup, deadline_s: float) -> Scan:
        if self.dead or (self.blind and group.uid < 0):
            raise DriverError("no_answer")
        if group.uid < 0 and self.before_look is not None:
            before, self.before_look = self.before_look, None
            await before()
        return Scan(group, [self.value] * len(group.tags), self._clock.wall_ms())

    async def write(self, tag: Tag, value: Value, deadline_s: float) -> None:
        self.written.append((tag.name, value))
        if self.before_write is not None:
            await self.before_write()
        if not self.lost:
            self.value = 99 if self.slips else value
        if self.mute:
            raise DriverError("write_unknown", reason="no_answer")

    async def call(self, owner: str, method: str, arguments: Sequence[str], deadline_s: float) -> list[Value]:
        self.called.append(list(arguments))
        return [42]


class Scene:
    """A running core with the interlock's machine `a` (value 0) and the commanded one `b` (value 10)."""

    def __init__(self, disk: ShimDisk, now: Running, clock: VirtualClock, a: Machine, b: Machine) -> None:
        self.disk, self.now, self.clock, self.a, self.b = disk, now, clock, a, b

    async def prepare(self, value: Any = 20, target: str = "b/slow0") -> dict[str, Any]:
        """Ask what would be done. A refusal is {"refused": code}."""
        try:
            seen: dict[str, Any] = await self.now.core.answer(ADMIN, "command.prepare", {"target": target, "value": value})
        except RequestRefusedError as refused:
            return {"refused": refused.code, **refused.params}
        return seen

    async def confirm(self, seen: dict[str, Any], **other: Any) -> dict[str, Any]:
        """Confirm what was seen, or with `other` values for it."""
        params = {key: other.get(key, seen[key]) for key in ("nonce", "value", "old")}
        return await self.now.act("command.confirm", other.get("target", seen["target"]), params=params)


def play(
    scene: Callable[[Scene], Awaitable[None]],
    *,
    limits: str = LIMITS,
    disk: ShimDisk | None = None,
    methods: str = "",
    more: str = "",
    kind: type[Machine] = Machine,
) -> ShimDisk:
    """Run a scene on a core of its own, with a machine `b` of some kind; return the disk that it leaves."""

    async def program(clock: VirtualClock) -> ShimDisk:
        here, plant = disk or ShimDisk(), Plant(clock)
        if disk is None:
            one = device_toml("a", {"fast": (200, 1)})
            prepare(here, config_text(one, device_toml("b", {"slow": (400, 1)}, more=limits) + methods) + more)
        machines = Machine(clock, 0), kind(clock)
        plant.drivers.update(zip("ab", machines, strict=True))
        async with running(here, clock, plant, first_act=1 if disk is None else 1000) as now:
            await after(clock, 1)
            await asyncio.wait_for(scene(Scene(here, now, clock, *machines)), 600)
        return here

    return run(program, seed=1)


def story(disk: ShimDisk) -> list[str]:
    """Return what the ledger tells of acts: `action` of each intent, `-> code` of each outcome."""
    told = [payload.detail for payload in payloads(disk) if payload.kind == Kind.COMMAND]
    return [code if phase == INTENT else f"-> {code}" for _, phase, code, *_ in told]


def bodies(disk: ShimDisk) -> list[dict[str, Any]]:
    """Return the bodies of the entries of acts, oldest first."""
    reader = LedgerReader(disk, STATE, 1)
    return [read_command(p.detail[1], reader.body(p.seq) or b"") for p in payloads(disk) if p.kind == Kind.COMMAND]
