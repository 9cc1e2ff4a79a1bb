"""What a running core reads for `read`: what would be recorded, through the device's own driver, and no poll of it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from drivers.driver import DriverError
from drivers.reading import Scan, Status, TagGroup
from runtime.cli.read_once import ASK_S
from runtime.faces import feed
from runtime.faces.feed import RequestRefusedError
from runtime.reading_asked import rows_of
from tests.rigs.core import ADMIN, Plant, config_text, prepare, running
from tests.rigs.field import ScriptedDriver, after, device_toml, points_of
from tests.simulation.disk import ShimDisk
from tests.simulation.loop import VirtualClock, run

CHECKED = device_toml("a", {"fast": (200, 3), "slow": (1000, 2)}, more="range = { high = 0 }\n")
OVERDUE = '[devices.o]\ntype = "modbus"\nhost = "127.0.0.1"\n[[devices.o.groups]]\nname = "g"\nperiod_ms = 200\n'
OVERDUE += 'tags = [{ name = "p", address = "holding:0" }, { name = "x", address = "holding:7", instrument = { due = 2020-01-01 } }]\n'


def asking(*devices: str, asked: dict[str, Any], fault: DriverError | None = None) -> tuple[dict[str, Any], list[tuple[int, bool]]]:
    """Return a core's answer, and what there is afterwards of each polled group: how often it was polled and read."""
    found: list[Any] = []

    async def program(clock: VirtualClock) -> None:
        disk, plant = ShimDisk(), Plant(clock)
        prepare(disk, config_text(*devices))
        async with running(disk, clock, plant) as now:
            await after(clock, 0.5)
            driver = plant.drivers[asked["device"]]
            driver.fault = fault
            polls, reads = now.core.field.counts()[asked["device"]].polls, len(driver.reads)
            found.append(await now.core.answer(ADMIN, "reading", asked))
            found.append((now.core.field.counts()[asked["device"]].polls - polls, len(driver.reads) - reads))

    run(program, seed=1)
    return found[0], found[1]


def test_a_value_has_the_quality_that_would_be_recorded() -> None:
    answer, (polls, reads) = asking(CHECKED, asked={"device": "a", "at": 1})
    rows = rows_of(answer)
    assert (answer["groups"], [row["tag"] for row in rows]) == (2, ["a/slow0", "a/slow1"])
    assert {(row["quality"], row["status"]) for row in rows} == {("uncertain", int(Status.UNCERTAIN_ENGINEERING_UNITS_EXCEEDED))}
    assert (polls, reads) == (0, 1), "it is no poll: nothing of it is counted or recorded"
    answer, _ = asking(OVERDUE, asked={"device": "o", "tag": "x"})
    assert [(row["tag"], row["status"]) for row in rows_of(answer)] == [("o/x", int(Status.UNCERTAIN_SENSOR_CALIBRATION))]
    answer, _ = asking(OVERDUE, asked={"device": "o", "tag": "p"})
    assert [(row["tag"], row["quality"]) for row in rows_of(answer)] == [("o/p", "good")]


def test_a_device_that_cannot_be_read_says_why() -> None:
    fault = DriverError("no_answer", Status.BAD_TIMEOUT, timeout_ms=50)
    answer, _ = asking(CHECKED, asked={"device": "a"}, fault=fault)
    assert (answer["cause"], answer["params"], {row["quality"] for row in rows_of(answer)}) == ("no_answer", {"timeout_ms": 50}, {"bad"})


def test_while_it_rests_it_says_why_it_could_not_be_reached() -> None:
    found: list[Any] = []

    async def program(clock: VirtualClock) -> None:
        disk, plant = ShimDisk(), Plant(clock)
        prepare(disk, config_text(CHECKED))
        async with running(disk, clock, plant) as now:
            driver = plant.drivers["a"]
            driver.fault = DriverError("connect_failed", Status.BAD_NOT_CONNECTED, host="127.0.0.1", port=502)
            await after(clock, 1)
            driver.fault = DriverError("connect_waiting", Status.BAD_NOT_CONNECTED, retry_ms=10)
            found.append(await now.core.answer(ADMIN, "reading", {"device": "a"}))

    run(program, seed=1)
    assert (found[0]["cause"], found[0]["params"]) == ("connect_failed", {"host": "127.0.0.1", "port": 502})


def test_tags_that_an_edit_takes_away_meanwhile_are_answered_as_they_were() -> None:
    found: list[Any] = []

    async def program(clock: VirtualClock) -> None:
        disk, plant = ShimDisk(), Plant(clock)
        prepare(disk, config_text(CHECKED))
        async with running(disk, clock, plant) as now, asyncio.TaskGroup() as tasks:
            await after(clock, 0.5)
            plant.drivers["a"].takes_s = 0.8
            asked = tasks.create_task(now.core.answer(ADMIN, "reading", {"device": "a", "at": 1}))
            await after(clock, 0.1)
            less = config_text(device_toml("a", {"fast": (200, 1)}))
            assert (await now.act("config.edit", params={"text": less}, expected_revision=1))["code"] == "done"
            found.append(await asked)

    run(program, seed=1)
    assert [(row["tag"], row["quality"]) for row in rows_of(found[0])] == [("a/slow0", "uncertain"), ("a/slow1", "uncertain")]


def test_a_slow_device_has_the_time_that_its_polls_have() -> None:
    found: list[Any] = []

    async def program(clock: VirtualClock) -> None:
        disk, plant = ShimDisk(), Plant(clock)
        prepare(disk, config_text(CHECKED.replace("port = 502\n", "port = 502\ntimeout_s = 60\n")))
        async with running(disk, clock, plant) as now:
            await after(clock, 0.5)
            plant.drivers["a"].takes_s = 59
            found.append(await now.core.answer(ADMIN, "reading", {"device": "a", "at": 1}))

    run(program, seed=1)
    assert (found[0]["cause"], [row["value"] is not None for row in rows_of(found[0])]) == (None, [True, True])
    assert ASK_S > 60 + 5, "who asks waits for that"


class Odd(ScriptedDriver):
    """Reads by a look what it is told to; cannot be read before it was entered."""

    looks: Any = None

    async def read(self, group: TagGroup, deadline_s: float) -> Scan:
        if not self.entered:
            raise RuntimeError("the driver has not been entered")
        if group.uid >= 0 or self.looks is None:
            return await super().read(group, deadline_s)
        if isinstance(self.looks, Exception):
            raise self.looks
        return Scan(group, [self.looks] * len(group.tags), self._clock.wall_ms())


def odd(tags: int, looks: Any, *, fault: DriverError | None = None, enter_fault: DriverError | None = None) -> Any:
    """Return the answer of a device whose polls fail with `fault`, or its refusal."""

    async def program(clock: VirtualClock) -> Any:
        disk, plant = ShimDisk(), Plant(clock)
        plant.drivers["a"] = driver = Odd(clock)
        driver.looks, driver.fault, driver.enter_fault = looks, fault, enter_fault
        prepare(disk, config_text(device_toml("a", {"slow": (1000, tags)})))
        async with running(disk, clock, plant) as now:
            await after(clock, 1.5)
            try:
                return await now.core.answer(ADMIN, "reading", {"device": "a"})
            except RequestRefusedError as refused:
                return refused.code

    return run(program, seed=1)


def test_a_fault_of_a_driver_is_not_the_device_that_could_not_be_opened() -> None:
    fault = DriverError("connect_failed", Status.BAD_NOT_CONNECTED, host="h", port=502)
    assert odd(2, None, enter_fault=fault)["cause"] == "connect_failed"
    assert odd(2, RuntimeError("dictionary changed size during iteration"), fault=fault) == "answer_failed"


@pytest.mark.parametrize(("tags", "text"), [(17, "x" * 65_536), (1024, "ü" * 2_000), (1024, "€" * 65_536)])
def test_texts_that_are_too_long_for_one_answer_are_cut_and_say_so(tags: int, text: str) -> None:
    answer = odd(tags, text)
    feed.encode_frame(["response", 1, True, answer])
    values = {row["value"] for row in rows_of(answer)}
    assert len(values) == 1
    shown, _, more = values.pop().partition("… (+")
    assert text.startswith(shown)
    assert len(shown) >= 150
    assert f"{len(text) - len(shown)})" == more


def test_texts_that_fit_an_answer_stay_whole() -> None:
    assert {row["value"] for row in rows_of(odd(7, "x" * 65_536))} == {"x" * 65_536}


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"device": "none"}, "device_unknown"),
    ({"device": "a", "tag": "none"}, "tag_unknown"),
    *((asked, "act_shape") for asked in ({}, {"device": 7})),
    *(({"device": "a", **more}, "act_shape") for more in ({"at": -1}, {"at": True}, {"tag": 7})),
]


@pytest.mark.parametrize(("asked", "code"), WRONG)
def test_what_cannot_be_read_is_refused(asked: dict[str, Any], code: str) -> None:
    async def program(clock: VirtualClock) -> None:
        disk = ShimDisk()
        prepare(disk, config_text(CHECKED))
        async with running(disk, clock) as now:
            with pytest.raises(RequestRefusedError, match=code):
                await now.core.answer(ADMIN, "reading", asked)

    run(program, seed=1)


def test_a_look_has_a_number_of_its_own_beside_polls_and_read_backs() -> None:
    """Drivers tell groups apart by it."""
    points, looks = points_of(CHECKED)["a"], list[tuple[int, int]]()

    async def program(clock: VirtualClock) -> None:
        disk, plant = ShimDisk(), Plant(clock)
        prepare(disk, config_text(CHECKED))
        async with running(disk, clock, plant) as now:
            await after(clock, 0.1)
            for asked in ({"at": 0}, {"at": 1}, {"tag": "fast1"}):
                await now.core.answer(ADMIN, "reading", {"device": "a", **asked})
            looks.extend((group.uid, len(group.tags)) for group in plant.drivers["a"].groups if group.uid < 0)

    run(program, seed=1)
    fast, slow = (group.uid for group in points.groups)
    assert looks == [(-(1 << 40) - fast, 3), (-(1 << 40) - slow, 2), (-1 - points.groups[0].tags[1].uid, 1)]
