"""What happens to three Modbus devices in a day: lines are cut, programs are loaded, maps change while connected, the clock steps.

Room: tests. `FieldDay` plays one seed on a gateway whose drivers are production's own (`network.py` is the wire). After each happening it
waits until every tag is good again, or bad because its register is gone: within `RECOVERS_S`, and nobody restarts anything.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from random import Random
from typing import Final

from drivers.driver import Driver
from drivers.memory import MemoryOf
from drivers.reading import Quality
from drivers.registry import make_driver
from drivers.shared import Shared
from runtime.app import Core
from runtime.points import DevicePoints
from tests.rigs.gateway import ALONE
from tests.simulation.busy import OFFSET_MS_MAX
from tests.simulation.gateway import Gateway, act
from tests.simulation.loop import VirtualClock
from tests.simulation.modbus_map import IDENTITY, MapUnit, ModbusSpeaker
from tests.simulation.network import Host, Network
from tests.simulation.witness import MemoryWitness

RECOVERS_S: Final = 130.0
"""Four reads of the slowest group: a unit that answered before may refuse three times as a whole before its map is doubted."""
LEARNED_S: Final = 180.0
AGAIN_MAX: Final = 12
"""Of three registers that a unit gave before its firmware changed, in 22 minutes."""
DOWNLOAD_S: Final = 40.0
REGISTERS: Final = tuple(range(100, 220, 5))
"""Where tags lie: three free registers and more between two, so that a plan reads over holes."""
GROUPS: Final = {"plc": {"fast": 15_000, "slow": 30_000}, "meter": {"all": 20_000}, "drive": {"all": 4_000}}
"""Periods in ms; the drive's is shorter than the rest that a failing device is given, so that dues pass while nobody asks."""
TAGS: Final = 6
NAMES: Final = frozenset(f"{device}/{group}" for device, groups in GROUPS.items() for group in groups)


def config_text() -> str:
    """Return a config of the three devices and one witness; every scan is collected."""
    vkey = MemoryWitness(lambda: 0).note_key.vkey
    text = f"""
[gateway]
name = "g"
device_writes = true
[evidence]
seal_every_s = 30.0
anchor_every_s = 300.0
{ALONE}[[anchors]]
name = "w1"
url = "http://witness.invalid"
vkeys = ["{vkey}"]
operator = "auditor"
"""
    for number, (device, groups) in enumerate(GROUPS.items(), 1):
        firmware = f'firmware = "holding:{IDENTITY.start}+{len(IDENTITY)}"\n' if device == "plc" else ""
        text += f'[devices.{device}]\ntype = "modbus"\nhost = "10.0.0.{number}"\ntimeout_s = 2\nrequest_timeout_s = 0.4\n{firmware}'
        for at, (group, period_ms) in enumerate(groups.items()):
            text += f'[[devices.{device}.groups]]\nname = "{group}"\nperiod_ms = {period_ms}\nreport = {{ on_change = false }}\n'
            for n, address in enumerate(REGISTERS[at * TAGS : (at + 1) * TAGS]):
                text += f'[[devices.{device}.groups.tags]]\nname = "{group}{n}"\naddress = "holding:{address}"\n'
    return text


class FieldPlant:
    """Gives the core production's drivers; what they connect to is on the loop's network."""

    def __init__(self, clock: VirtualClock, seed: int) -> None:
        self.network = Network(seed)
        asyncio.get_running_loop().network = self.network  # type: ignore[attr-defined]
        self._clock, self._shared = clock, Shared()
        self.units: dict[str, MapUnit] = {}
        self.devices: dict[str, Host] = {}
        for number, device in enumerate(GROUPS, 1):
            unit = self.units[device] = MapUnit(frozenset())
            unit.load(0, 1, frozenset(REGISTERS[1::7]) if device == "plc" else frozenset())
            self.devices[device] = self.network.host(f"10.0.0.{number}", 502, lambda unit=unit: ModbusSpeaker(unit))  # type: ignore[misc]

    def driver(self, points: DevicePoints, memory: MemoryOf) -> Driver:
        """Return a driver as `app.machine` makes it."""
        self._shared.memory = memory
        return make_driver(points.config.type, points.name, points.config.options, self._clock, self._shared)


@dataclass
class FieldDay:
    """What happens, by the seed. `done` counts each kind."""

    gateway: Gateway
    plant: FieldPlant
    rng: Random

    def __post_init__(self) -> None:
        self.done: dict[str, int] = {}
        self._offset_ms = 0
        self._moved = 0

    async def play(self, core: Core, hours: float, pace_s: tuple[float, float] = (120, 1_500)) -> None:
        """Let things happen for some hours, each at its time; look after each."""
        clock = self.gateway.clock
        ends = clock.mono_ms() + hours * 3_600_000
        await self.recovered(core, "the start")
        kinds = (self.download, self.new_map, self.cut, self.cut, self.silence, self.away, self.slow, self.step, self.move_a_tag)
        while clock.mono_ms() < ends:
            await self._quiet(self.rng.uniform(*pace_s))
            kind = self.rng.choice(kinds)
            self.done[kind.__name__] = self.done.get(kind.__name__, 0) + 1
            await kind(core)
            await self.recovered(core, kind.__name__)

    async def download(self, core: Core) -> None:
        """A program is loaded into the PLC: its connections are reset, it is away for a while, and then has another map."""
        await self._refuse("plc", DOWNLOAD_S)
        self._load("plc", frozenset(self.rng.sample(REGISTERS, self.rng.randint(0, 5))))
        self.plant.devices["plc"].refuses = False

    async def new_map(self, core: Core) -> None:
        """The meter's firmware changes while it is connected: registers go; once many are gone, the next has all, and a person is told."""
        gone = self.plant.units["meter"].missing
        more = self.rng.sample(REGISTERS[:TAGS], 1)
        self._load("meter", gone | frozenset(more) if len(gone) < 3 else frozenset())
        if len(gone) >= 3:
            outcome = await act(core, self.gateway.request("learned.forget", "meter", {}))
            assert outcome["code"] == "done"

    async def cut(self, core: Core) -> None:
        """A connection is reset."""
        self.plant.devices[self.rng.choice(list(GROUPS))].drop()

    async def silence(self, core: Core) -> None:
        """A device keeps its connections and says nothing."""
        device = self.plant.devices[self.rng.choice(list(GROUPS))]
        device.hangs = True
        await asyncio.sleep(self.rng.uniform(1, 200))
        device.hangs = False

    async def away(self, core: Core) -> None:
        """A device is off."""
        name = self.rng.choice(list(GROUPS))
        await self._refuse(name, self.rng.uniform(1, 900))
        self.plant.devices[name].refuses = False

    async def slow(self, core: Core) -> None:
        """A device takes its time, some of it more than there is."""
        device = self.plant.devices[self.rng.choice(list(GROUPS))]
        device.latency_s = self.rng.choice((0.05, 0.15, 0.25))
        await asyncio.sleep(self.rng.uniform(30, 300))
        device.latency_s = 0.002

    async def step(self, core: Core) -> None:
        """The wall clock is set."""
        by_ms = self.rng.choice((-1, 1)) * self.rng.randint(300, 2_500)
        if abs(self._offset_ms + by_ms) <= OFFSET_MS_MAX:
            self._offset_ms += by_ms
            self.gateway.clock.step(by_ms)

    async def move_a_tag(self, core: Core) -> None:
        """Somebody gives a tag of the PLC another register, while it runs."""
        self._moved += 1
        place = f"devices.plc.groups.fast.tags.fast{self._moved % TAGS}.address"
        params = {place: f"holding:{self.rng.choice(REGISTERS)}"}
        outcome = await act(core, self.gateway.request("config.edit", "", params, revision=core._revision.number))
        assert outcome["code"] == "done"

    async def recovered(self, core: Core, after: str) -> None:
        """Wait until every tag is what its register makes it. Raises AssertionError when that takes too long."""
        clock = self.gateway.clock
        until_ms = clock.mono_ms() + RECOVERS_S * 1000
        while wrong := self._wrong(core):
            assert clock.mono_ms() < until_ms, f"{RECOVERS_S} s after {after}: {wrong}"
            await asyncio.sleep(1)

    def _wrong(self, core: Core) -> list[str]:
        addresses = {
            f"{device.name}/{tag.name}": (device.name, tag.address.start)  # type: ignore[attr-defined]
            for device in core.config.devices for group in device.groups for tag in group.tags
        }  # fmt: skip
        found = []
        for live in core.live.values():
            device, address = addresses[live.name]
            if (live.quality is Quality.GOOD) is (address in self.plant.units[device].missing):
                found.append(f"{live.name} at {address}: status {live.status:#x}")
        return found

    async def _quiet(self, seconds: float) -> None:
        """Let nothing happen. Once a map is learned, what it lacks is not asked again; what a unit gave before, ever more seldom."""
        await asyncio.sleep(min(seconds, LEARNED_S))
        before = {name: unit.refused for name, unit in self.plant.units.items()}
        await asyncio.sleep(max(0.0, seconds - LEARNED_S))
        again = {name: unit.refused - before[name] for name, unit in self.plant.units.items()}
        assert again["plc"] == again["drive"] == 0, again
        assert again["meter"] <= AGAIN_MAX, again

    async def _refuse(self, name: str, seconds: float) -> None:
        self.plant.devices[name].refuses = True
        self.plant.devices[name].drop()
        await asyncio.sleep(seconds)

    def _load(self, name: str, missing: frozenset[int]) -> None:
        unit = self.plant.units[name]
        unit.load(self.gateway.clock.mono_ms(), unit.version + 1, missing)


def address_of(source: str) -> int:
    """Return the register that a descriptor's source names."""
    return int(source.rpartition("address=holding:")[2].split()[0])
