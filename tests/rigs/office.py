"""A desk for several people, with a machine behind it: its tenants are asked as the door asks them."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from random import Random
from typing import Any

from drivers.reading import TagGroup
from runtime.acts import Act, Outcome
from runtime.commands.wiring import open_desk
from runtime.config import parse_config
from runtime.faces.feed import RequestRefusedError
from runtime.permissions import Actor, Role
from runtime.revisions import Revision
from runtime.setpoint import Known
from tests.rigs.commands import Machine
from tests.rigs.core import STATE, config_text
from tests.rigs.field import device_toml, points_of
from tests.simulation.disk import ShimDisk
from tests.simulation.loop import VirtualClock

HIGH = 'writable = true\nwrite = { min = 0, max = 100, risk = "high", interlock = [{ tag = "b/slow1", max = 50.0 }] }\n'


class NoEntries:
    """A ledger without any: what these tenants do is recorded by nobody."""

    def size(self) -> int:
        return 0

    def body(self, seq: int) -> bytes | None:
        return None

    def entries(self, start: int, end: int) -> Iterator[bytes]:
        return iter(())


class Office:
    """A desk with a machine behind it, asked by people by name."""

    def __init__(self, clock: VirtualClock, limits: str = HIGH, more: str = "") -> None:
        self.clock, self.machine, self.number, self.disk = clock, Machine(clock), 1, ShimDisk()
        self.interlock_holds, self.interlock_stale, self.read_only, self.self_approval = True, False, False, False
        self.gone: set[str] = set()
        self.step = 0.0
        """What the machine rounds to."""
        self.disk.mkdir(STATE)
        text = config_text(device_toml("b", {"slow": (400, 2)}, more=limits)) + more
        points = points_of(device_toml("b", {"slow": (400, 2)}, more=limits))
        self.config = parse_config(text)
        self.desk, self.tenants = open_desk(
            self, self._known, lambda: Revision(self.number, 0, text, self.config),
            lambda: points, clock, self.disk, STATE, Random(1), ThreadPoolExecutor(1), lambda: self.self_approval,
            lambda actor: actor.name in self.gone, NoEntries(),
        )  # fmt: skip

    def _known(self, name: str) -> Known:
        """What is polled: the setpoint itself, and the tag of its interlock."""
        if name == "b/slow0":
            return Known(self.machine.value, True, self.clock.wall_ms())
        return Known(50 if self.interlock_holds else 51, True, self.clock.wall_ms() - 60_000 * self.interlock_stale)

    async def write(self, device: str, tag: Any, value: Any, deadline_s: float) -> None:
        await self.machine.write(tag, value, deadline_s)

    def sent(self, device: str, tag: Any, value: Any) -> Any:
        return round(value / self.step) * self.step if self.step else value

    async def read(self, device: str, tag: Any, deadline_s: float) -> Any:
        return await self.machine.read(TagGroup(-1, device, "x", 1000, (tag,)), deadline_s)

    async def call(self, device: str, owner: str, method: str, arguments: Any, deadline_s: float) -> Any:
        raise AssertionError

    def actor(self, who: str, role: str = "engineer") -> Actor:
        """Return a person with one role, who has just given the password; each has one session."""
        return Actor(who, frozenset({Role(role)}), f"session of {who}", fresh=True, kind="person")

    def act(self, who: str, action: str, target: str, params: dict[str, Any], role: str = "engineer") -> Act:
        return Act(bytes(16), "web", self.actor(who, role), action, target, params, None, "because")

    async def seen(self, who: str, value: Any = 20, role: str = "engineer") -> dict[str, Any]:
        return await self.desk.prepare(self.actor(who, role), {"target": "b/slow0", "value": value})

    async def ask(self, act: Act) -> Outcome:
        tenant = self.tenants[act.action]
        try:
            await tenant.check(act)
        except RequestRefusedError as refused:
            return Outcome("refused", {"code": refused.code})
        try:
            return await tenant.perform(act)
        except RequestRefusedError as refused:
            return Outcome(refused.code, refused.params)

    async def confirm(self, who: str, seen: dict[str, Any]) -> Outcome:
        return await self.ask(self.act(who, "command.confirm", "b/slow0", {key: seen[key] for key in ("nonce", "value", "old")}))

    async def approve(self, who: str, proposal: Any, seen: dict[str, Any]) -> Outcome:
        params = {"proposal": proposal, "value": seen["value"], "old": seen["old"]}
        return await self.ask(self.act(who, "command.approve", "b/slow0", params))

    async def proposed(self) -> tuple[dict[str, Any], Any]:
        seen = await self.seen("alice")
        outcome = await self.confirm("alice", seen)
        assert outcome.code == "command_waits"
        assert self.machine.written == []
        return seen, outcome.params["proposal"]
