"""A subscription with nothing new is still on record, for as long as it is known to be alive."""

from __future__ import annotations

from drivers.driver import DriverError
from drivers.reading import Scan, nothing_new
from ledger_client.kinds import Kind
from tests.rigs.core import Plant, config_text, payloads, prepare, running, verified
from tests.rigs.field import after, pushing_toml
from tests.simulation.disk import ShimDisk
from tests.simulation.loop import VirtualClock, run


def readings_of(disk: ShimDisk) -> int:
    return sum(p.detail[2] + p.detail[3] for p in payloads(disk) if p.kind == Kind.BATCH)


def test_a_quiet_subscription_has_its_heartbeats_while_it_is_known_to_be_alive() -> None:
    async def program(clock: VirtualClock) -> tuple[ShimDisk, int]:
        disk, plant = ShimDisk(), Plant(clock)
        prepare(disk, config_text(pushing_toml("a", "fast", 3)))
        async with running(disk, clock, plant) as now:
            group, pushed = now.core._field.pollers["a"].points.groups[0], plant.drivers["a"].pushed
            await pushed.put(Scan(group, [1, 2, 3], clock.wall_ms()))
            for n in range(60):  # ten minutes: one tag changes now and then, the others never
                await after(clock, 10)
                one = Scan(group, [n, None, None], clock.wall_ms(), present=[True, False, False])
                await pushed.put(one if n % 2 else nothing_new(group, clock.wall_ms()))
            await after(clock, 3)
            assert [value.value for value in now.core.live.values()] == [59, 2, 3]
            assert clock.wall_ms() - min(value.read_ms for value in now.core.live.values()) <= 70_000
            alive = readings_of(disk)
            await pushed.put(DriverError("connection_lost"))
            await after(clock, 100)
            for _ in range(60):
                await pushed.put(nothing_new(group, clock.wall_ms()))
                await after(clock, 10)
        return disk, alive

    disk, alive = run(program, seed=1)
    assert 3 + 30 + 2 * 8 <= alive <= 3 + 30 + 2 * 10, "a reading of each quiet tag every 60 to 70 s"
    assert readings_of(disk) == alive + 3, "bad once, and no heartbeat of what is not known to hold"
    assert verified(disk).verdict != "fails"


def test_heartbeats_come_in_time_while_the_wall_clock_is_set_back_a_little_again_and_again() -> None:
    async def program(clock: VirtualClock) -> ShimDisk:
        disk, plant = ShimDisk(), Plant(clock)
        prepare(disk, config_text(pushing_toml("a", "fast", 1)))
        async with running(disk, clock, plant) as now:
            group, pushed = now.core._field.pollers["a"].points.groups[0], plant.drivers["a"].pushed
            await pushed.put(Scan(group, [1], clock.wall_ms()))
            for _ in range(121):  # ten minutes
                await after(clock, 5)
                clock.step(-4_800)
                await pushed.put(nothing_new(group, clock.wall_ms()))
            await after(clock, 3)
        return disk

    disk = run(program, seed=1)
    assert readings_of(disk) == 1 + 10, "one each 60 s"
    assert verified(disk).verdict != "fails"
