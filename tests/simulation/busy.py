"""A busy hour in a minute: devices die and dawdle, the witness comes and goes, the clock steps, people edit and write.

Room: tests. `busy` plays one seed, with a restart in between, and returns the disk with what was told; test_gateway_crash.py cuts the power
at any moment of it.
"""

from __future__ import annotations

import asyncio
from hashlib import sha256
from random import Random
from typing import Any

from drivers.driver import DriverError
from runtime.app import Core
from runtime.faces.feed import RequestRefusedError
from tests.rigs.gateway import ALONE
from tests.simulation.gateway import Gateway, act, new_disk
from tests.simulation.loop import VirtualClock, run
from tests.simulation.told import Told
from tests.simulation.witness import MemoryWitness

FLUSH_S = 0.004
OFFSET_MS_MAX = 3_000
"""How wrong the gateway's clock may get: within what a verifier tolerates."""


def config_text(*, seal_s: float = 1.0, anchor_s: float = 2.0, memory_mb: int = 32, scale: int = 1) -> str:
    """Return a config of three devices and the witness w1: polled fast, polled slowly, subscribed; periods are `scale` times longer."""
    vkey = MemoryWitness(lambda: 0).note_key.vkey
    head = f"""
[gateway]
name = "g"
device_writes = true
[evidence]
seal_every_s = {seal_s}
anchor_every_s = {anchor_s}
memory_max_mb = {memory_mb}
{ALONE}[[anchors]]
name = "w1"
url = "http://witness.invalid"
vkeys = ["{vkey}"]
operator = "auditor"
"""
    return (
        head
        + device("filler", {"fast": (200 * scale, 3), "slow": (1000 * scale, 2)})
        + device("meter", {"all": (500 * scale, 2)})
        + device("capper", {"push": (250 * scale, 2)})
    )


def device(name: str, groups: dict[str, tuple[int, int]]) -> str:
    """Return a device with groups name -> (period in ms, tags); a group `push` is subscribed, every scan of `fast` is collected."""
    is_pushed = "push" in groups
    place = 'type = "opcua"\nendpoint = "opc.tcp://127.0.0.1:4840"' if is_pushed else 'type = "modbus"\nhost = "127.0.0.1"'
    text = f"[devices.{name}]\n{place}\ntimeout_s = 0.4\n"
    for group, (period_ms, tags) in groups.items():
        mode, report = ("subscribe" if group == "push" else "poll"), ("report = { on_change = false }\n" if group == "fast" else "")
        text += f'[[devices.{name}.groups]]\nname = "{group}"\nperiod_ms = {period_ms}\nmode = "{mode}"\n'
        for n in range(tags):
            kind = 'data = "float64"' if n % 2 else "writable = true\nwrite = { min = 0, max = 1000, read_back = false }"
            whole = 'data = "int"\n' if is_pushed and not n % 2 else ""
            address = f'node = "ns=2;i={10 * n}"\n{whole}' if is_pushed else f'address = "holding:{10 * n}"'
            text += f'[[devices.{name}.groups.tags]]\nname = "{group}{n}"\n{address}\n{kind}\n{report}'
    return text


class BusyRun:
    """What happens to one gateway, by its seed."""

    def __init__(self, gateway: Gateway, told: Told, rng: Random, *, scale: int = 1) -> None:
        self.gateway, self.told, self.rng, self.scale = gateway, told, rng, scale
        self.offset_ms = 0
        self._edits = 0

    async def life(self, seconds: float, *, pace_s: tuple[float, float] = (0.1, 1.6)) -> None:
        """Run the gateway for a while, something happening every `pace_s`; then let everything heal and stop in order."""
        clock = self.gateway.clock
        async with self.gateway.running() as core, self.told.following(core, clock, every_s=0.1 * self.scale), asyncio.TaskGroup() as group:
            ends = clock.mono_ms() + seconds * 1000
            while clock.mono_ms() < ends:
                happening = self.rng.choice(
                    (self.fault, self.fault, self.heal, self.slow, self.witness, self.step, self.edit, self.edit, self.write)
                )
                group.create_task(happening(core))
                await asyncio.sleep(self.rng.uniform(*pace_s))
            for each in self.gateway.plant.devices.values():
                each.fault, each.takes_s = None, 0.002
            self.gateway.witness.down = self.gateway.witness.lose_replies = False
            await asyncio.sleep(0.5)

    async def fault(self, core: Core) -> None:
        one = self.rng.choice(list(self.gateway.plant.devices.values()))
        one.fault = self.rng.choice((DriverError("no_answer"), DriverError("connect_failed"), DriverError("connection_lost")))

    async def heal(self, core: Core) -> None:
        for each in self.gateway.plant.devices.values():
            each.fault, each.takes_s = None, 0.002

    async def slow(self, core: Core) -> None:
        self.rng.choice(list(self.gateway.plant.devices.values())).takes_s = self.rng.choice((0.05, 0.35, 0.6))

    async def witness(self, core: Core) -> None:
        witness = self.gateway.witness
        witness.down, witness.lose_replies = self.rng.choice(((False, False), (False, False), (True, False), (False, True)))

    async def step(self, core: Core) -> None:
        by = self.rng.choice((-1, 1)) * self.rng.randint(300, 2_500)
        if abs(self.offset_ms + by) <= OFFSET_MS_MAX:
            self.offset_ms += by
            self.gateway.clock.step(by)

    async def edit(self, core: Core) -> None:
        self._edits += 1
        if await self._act(core, "config.edit", "", self._change(core), core._revision.number) == "done":
            number, text = core._revision.number, core._revision.text
            self.told.revisions.append((self.told.disk.position, number, sha256(text.encode()).digest()))

    def _change(self, core: Core) -> dict[str, Any]:
        """Return the parameters of an edit: a period, a unit, a device away or back, a tag with a new name, one device more."""
        match self.rng.randint(0, 4):
            case 0:
                return {"devices.filler.groups.slow.period_ms": self.scale * self.rng.choice((400, 700, 1000))}
            case 1:
                return {"devices.filler.groups.slow.tags.slow1.unit": f"u{self._edits}"}
            case 2:
                return {"devices.capper.enabled": self.rng.random() < 0.5}
            case 3:
                name = next(d.groups[0].tags[0].name for d in core._revision.config.devices if d.name == "meter")
                place = f"devices.meter.groups.all.tags.{name}"
                return {f"{place}.was": f"meter/{name}", f"{place}.name": f"renamed{self._edits}"}
            case _:
                return {"text": core._revision.text + device(f"more{self._edits}", {"all": (1000 * self.scale, 1)})}

    async def write(self, core: Core) -> None:
        await self._act(core, "device.write", self.rng.choice(("filler/slow0", "filler/fast2")), {"value": self.rng.randint(0, 900)}, None)

    async def _act(self, core: Core, action: str, target: str, params: dict, revision: int | None) -> str:
        request = self.gateway.request(action, target, params, revision=revision)
        try:
            outcome = await act(core, request)
        except RequestRefusedError as refusal:
            return refusal.code
        self.told.outcome(request, outcome)
        return str(outcome["code"])


def busy(seed: int, *, lives: int = 2, seconds: float = 25) -> Told:
    """Play one seed on a new disk."""

    async def program(clock: VirtualClock) -> Told:
        disk = new_disk(config_text())
        told = Told(disk, clock.wall_ms())
        truth_ms = clock.wall_ms() - clock.mono_ms()
        witness = MemoryWitness(lambda: (truth_ms + clock.mono_ms()) // 1000, told.witness)
        gateway = Gateway(clock, disk, seed=seed, witness=witness)
        disk.faults.flush_s = FLUSH_S
        playing = BusyRun(gateway, told, Random(seed))
        for _life in range(lives):
            await playing.life(seconds)
        return told

    return run(program, seed=seed)


__all__ = ["BusyRun", "busy", "config_text", "device"]
