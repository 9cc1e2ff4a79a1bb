"""Which groups a field reads together: those that nothing else waits for. What was decided of a group, an edit does not change."""

from __future__ import annotations

import asyncio

import pytest

from drivers.driver import DriverError
from runtime.acquisition.field import Field
from runtime.acquisition.grid import WAKE_MS, phase_ms
from runtime.points import DevicePoints
from runtime.supervisor import Supervisor
from tests.rigs.field import KeptScans, ScriptedDriver, after, device_toml, fresh_ids, points_of
from tests.simulation.loop import VirtualClock, run

NO_LINE = 99


class OnOneLine(ScriptedDriver):
    """Answers as its like do, on the line that its port names; without a line at one port."""

    def __init__(self, clock: VirtualClock, port: int) -> None:
        super().__init__(clock)
        if port != NO_LINE:
            self.line_key = ("tcp", port)


def device(name: str, port: int, *periods_ms: int) -> str:
    return device_toml(name, {f"g{n}": (period_ms, 1) for n, period_ms in enumerate(periods_ms)}, port=port)


def phases_of(*revisions: tuple[str, ...], each_s: float = 10) -> list[dict[str, set[int]]]:
    """Apply revisions one after another; return, of each, where in their periods the devices' groups were read."""
    ids = fresh_ids()

    async def program(clock: VirtualClock) -> list[dict[str, set[int]]]:
        drivers: dict[str, OnOneLine] = {}
        shared: list[dict[str, set[int]]] = []
        periods: dict[str, int] = {}

        def make(points: DevicePoints) -> OnOneLine:
            drivers[points.name] = OnOneLine(clock, points.config.options.model_dump()["port"])
            return drivers[points.name]

        field = Field(KeptScans(), clock, make, Supervisor())
        async with asyncio.TaskGroup() as group:
            task = group.create_task(field.run())
            for texts in revisions:
                devices = points_of(*texts, ids=ids)
                field.apply(devices, field.prepare(devices))
                periods |= {f"{name}/{g.name}": g.period_ms for name, points in devices.items() for g in points.groups}
                for each in drivers.values():
                    each.reads.clear()
                await after(clock, each_s)
                found = {f"{name}/{read}": set[int]() for name in devices for _, read in drivers[name].reads}
                for name in devices:
                    for at, read in drivers[name].reads:
                        found[f"{name}/{read}"].add(at % periods[f"{name}/{read}"])
                shared.append(found)
            field.stop()
            await task
        return shared

    return run(program, seed=1, for_s=1e6)


def spread(name: str, period_ms: int) -> set[int]:
    return {phase_ms(*name.split("/"), period_ms)}


def test_groups_that_nothing_waits_for_are_read_together_and_others_spread() -> None:
    (found,) = phases_of((
        device("a", 1, 1000), device("b", 2, 2000), device("c", 3, 1000), device("d", 3, 1000),
        device("e", 4, 1000, 2000), device("g", 6, 1100), device("no_line", NO_LINE, 1000),
    ))  # fmt: skip
    for name in ("a/g0", "b/g0"):
        assert {phase % WAKE_MS for phase in found[name]} == {0}
    for name, period_ms in {"c/g0": 1000, "d/g0": 1000, "e/g0": 1000, "e/g1": 2000, "g/g0": 1100, "no_line/g0": 1000}.items():
        assert found[name] == spread(name, period_ms)


def test_no_edit_moves_a_due() -> None:
    """Not company on the line, not a new connection at the same time, not a second group."""
    before, company, moved, second, alone = phases_of(
        (device("a", 1, 1000), device("b", 2, 1000)),
        (device("a", 1, 1000), device("b", 2, 1000), device("c", 1, 1000)),
        (device("a", 2, 1000), device("b", 2, 1000), device("c", 1, 1000)),
        (device("a", 2, 1000, 5000), device("b", 2, 1000), device("c", 1, 1000)),
        (device("a", 2, 1000), device("c", 1, 1000)),
    )
    assert {phase % WAKE_MS for phase in before["a/g0"]} == {0}
    assert before["a/g0"] == company["a/g0"] == moved["a/g0"] == second["a/g0"] == alone["a/g0"]
    assert before["b/g0"] == company["b/g0"] == moved["b/g0"]
    assert company["c/g0"] == moved["c/g0"] == alone["c/g0"] == spread("c/g0", 1000)


@pytest.mark.parametrize(("timeout_s", "is_read"), [(1.0, False), (4.0, True)])
def test_a_slow_device_is_read_back_in_the_time_that_its_scans_have(timeout_s: float, is_read: bool) -> None:
    async def program(clock: VirtualClock) -> None:
        driver = OnOneLine(clock, 502)
        driver.takes_s = 3.0
        field = Field(KeptScans(), clock, lambda _: driver, Supervisor())
        devices = points_of(device("slow", 502, 60_000).replace("[[", f"timeout_s = {timeout_s}\n[[", 1))
        field.apply(devices, field.prepare(devices))
        tag = devices["slow"].groups[0].tags[0]
        if is_read:
            assert (await field.read("slow", tag, 2.0)).values == [1]
        else:
            with pytest.raises(DriverError, match="no_answer"):
                await field.read("slow", tag, 2.0)

    run(program, seed=1)
