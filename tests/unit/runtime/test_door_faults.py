"""A fault of ours, or of a driver, while an act is judged: refused, logged, and no reason for the door to be started again."""

from __future__ import annotations

from typing import Any

import pytest
from structlog.testing import capture_logs

from drivers.manual.driver import ManualDriver
from drivers.memory import MemoryOf
from drivers.reading import Tag, Value
from runtime.points import DevicePoints
from tests.rigs.core import Plant, Running, config_text, prepare, running, two_devices, verified
from tests.rigs.field import after
from tests.simulation.disk import ShimDisk
from tests.simulation.loop import VirtualClock, run

LAB = '[devices.lab]\ntype = "manual"\n[[devices.lab.groups]]\nname = "g"\ntags = [{ name = "brix" }, { name = "ph" }]\n'


class Faulty(ManualDriver):
    """A driver of somebody's, with a fault in it."""

    def judge(self, tag: Tag, value: Value, by: str, taken_ms: int | None) -> Value:
        if tag.name == "ph":
            raise ZeroDivisionError("division by zero")
        return super().judge(tag, value, by, taken_ms)


class Lab(Plant):
    def __call__(self, points: DevicePoints, memory: MemoryOf) -> Any:
        if points.config.type == "manual":
            return Faulty(points.config.options, self.clock, memory("manual", points.name))  # type: ignore[arg-type]
        return super().__call__(points, memory)


def starts_of_door(now: Running) -> int:
    return int(now.health()["parts"]["door"][0])


def test_a_driver_that_fails_while_it_judges_refuses_one_act_and_the_next_one_is_done() -> None:
    async def program(clock: VirtualClock) -> ShimDisk:
        disk = ShimDisk()
        prepare(disk, config_text(LAB))
        async with running(disk, clock, Lab(clock)) as now:
            await after(clock, 1)
            with capture_logs() as logs:
                refused = await now.act("manual.enter", "lab/ph", params={"value": "7", "by": "Ana"})
            assert refused == {"refused": "act_failed", "detail": "ZeroDivisionError: division by zero"}
            (told,) = [each for each in logs if each["event"] == "call_failed"]
            assert (told["call"], told["log_level"], told["exc_info"]) == ("check of manual.enter", "error", True)
            assert (await now.act("manual.enter", "lab/brix", params={"value": "7", "by": "Ana"}))["code"] == "done"
            assert starts_of_door(now) == 1
        return disk

    assert verified(run(program, seed=1)).verdict != "fails"


@pytest.mark.parametrize("number", ["9" * 5_000, "0x" + "f" * 5_000, "1_" * 3_000 + "1", "0b" + "1" * 65])
def test_an_edit_with_a_number_that_is_too_long_is_refused_with_its_line(number: str) -> None:
    async def program(clock: VirtualClock) -> None:
        disk, text = ShimDisk(), two_devices()
        prepare(disk, text)
        async with running(disk, clock) as now:
            await after(clock, 1)
            answer = await now.act("config.edit", expected_revision=1, params={"text": f"{text}\n[feed]\nbatch_bytes = {number}\n"})
            assert (answer["refused"], answer["count"]) == ("config_invalid", 1)
            assert f"line {len(text.splitlines()) + 3}: " in answer["first"]
            assert "64 bits" in answer["first"]
            assert starts_of_door(now) == 1

    run(program, seed=1)
