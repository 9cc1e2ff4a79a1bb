"""What was missed as it is said: how long a subscription was silent while its group is configured anew, and why dues were missed lately."""

from __future__ import annotations

import asyncio
from collections import Counter

from drivers.driver import DriverError
from drivers.reading import Scan
from runtime.acquisition.poller import DevicePoller
from runtime.health import device_row
from tests.rigs.field import KeptScans, ScriptedDriver, after, device_toml, fresh_ids, points_of
from tests.simulation.loop import VirtualClock, run


def test_what_was_polled_meanwhile_is_no_silence_of_the_subscription_before_and_after() -> None:
    async def program(clock: VirtualClock) -> KeptScans:
        driver, sink, ids = ScriptedDriver(clock), KeptScans(), fresh_ids()
        pushed, read = (points_of(device_toml("d", {"a": (500, 1)}, mode=mode), ids=ids)["d"] for mode in ("subscribe", "poll"))
        assert pushed.groups[0].uid == read.groups[0].uid
        poller = DevicePoller(pushed, driver, sink, clock)
        async with asyncio.TaskGroup() as group:
            task = group.create_task(poller.run())
            for points in (read, pushed, read):
                driver.pushed.put_nowait(Scan(pushed.groups[0], [1], clock.wall_ms()))
                await after(clock, 60)
                poller.replace(points)
                await after(clock, 60)
            driver.pushed.put_nowait(DriverError("connection_lost"))
            poller.replace(pushed)
            await after(clock, 10.2)
            poller.replace(read)  # the 10 s of the broken subscription are counted, and the end of the device adds none
            await after(clock, 30)
            assert device_row(poller)["missed_cause"] == "connection_lost"
            await after(clock, 30)
            task.cancel()
        return sink

    sink = run(program, seed=1, for_s=1e6)
    counts = Counter[str]()
    for _, cause, count, *_ in sink.misses:
        counts[cause] += count
    assert counts.pop("connection_lost") == 1 + 20
    assert sum(counts.values()) <= 3, "what ends a poll"


def test_history_ends_neither_a_failure_nor_its_silence() -> None:
    async def program(clock: VirtualClock) -> None:
        driver, sink = ScriptedDriver(clock), KeptScans()
        points = points_of(device_toml("d", {"a": (500, 1)}, mode="subscribe"))["d"]
        poller, pushed = DevicePoller(points, driver, sink, clock), points.groups[0]
        async with asyncio.TaskGroup() as group:
            task = group.create_task(poller.run())
            driver.pushed.put_nowait(Scan(pushed, [1], clock.wall_ms()))
            await after(clock, 1)
            good_ms = poller.counts.last_good_ms
            driver.pushed.put_nowait(DriverError("overflow"))
            await after(clock, 1)
            for _ in range(2):
                driver.pushed.put_nowait(Scan(pushed, [7], clock.wall_ms(), past=True))
                await after(clock, 10)
                row = device_row(poller)
                assert (row["state"], row["cause"], row["last_good_ms"]) == ("down", "overflow", good_ms)
            driver.pushed.put_nowait(Scan(pushed, [2], clock.wall_ms()))
            await after(clock, 1)
            assert device_row(poller)["state"] == "ok"
            task.cancel()
        assert [scan.values[0] for scan in sink.scans] == [1, None, 7, 7, 2], "it is recorded all the same"
        assert 40 <= sum(count for _, cause, count, *_ in sink.misses if cause == "overflow") <= 43, "the periods without a value of now"

    run(program, seed=1, for_s=1e6)


def test_why_dues_were_missed_is_said_for_a_minute() -> None:
    async def program(clock: VirtualClock) -> list[str | None]:
        driver = ScriptedDriver(clock)
        poller = DevicePoller(points_of(device_toml("d", {"a": (100, 1)}))["d"], driver, KeptScans(), clock)
        said = []
        async with asyncio.TaskGroup() as group:
            task = group.create_task(poller.run())
            for takes_s, for_s in ((0.0, 10), (0.35, 10), (0.0, 50), (0.0, 20)):
                driver.takes_s = takes_s
                await after(clock, for_s)
                said.append(device_row(poller)["missed_cause"])
            task.cancel()
        return said

    assert run(program, seed=1, for_s=1e6) == [None, "device_busy", "device_busy", None]
