"""Setpoints: limits, steps, interlocks and read-back, as rules and through the door of a whole core."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.driver import DriverError
from drivers.reading import Scan, Tag, TagGroup, Value
from runtime.commands.evaluation import allowed_now
from runtime.config import parse_config
from runtime.config_faults import ConfigError
from runtime.faces.feed import RequestRefusedError
from runtime.setpoint import Interlock, Known, SetpointRules, fitting, is_kept
from tests.rigs.core import Plant, Running, config_text, prepare, running
from tests.rigs.field import ScriptedDriver, after, device_toml
from tests.simulation.disk import ShimDisk
from tests.simulation.loop import VirtualClock, run


def tag_of(kind: str = "float64", exponent: int | None = None) -> Tag:
    return Tag(1, "t", "d", kind, "", None, exponent, writable=True)


def code_of(*arguments: Any) -> str:
    try:
        allowed_now(*arguments)
    except RequestRefusedError as refused:
        return refused.code
    return "allowed"


@pytest.mark.parametrize(
    ("lock", "value", "holds"),
    [
        (Interlock("d/x", False), False, True),
        (Interlock("d/x", False), 0, False),
        (Interlock("d/x", 3), 3, True),
        (Interlock("d/x", 3), 3.0, True),
        (Interlock("d/x", "idle"), "idle", True),
        (Interlock("d/x", "idle"), "run", False),
        (Interlock("d/x", None, 0.0, 5.0), 5.0, True),
        (Interlock("d/x", None, 0.0, 5.0), 5.1, False),
        (Interlock("d/x", None, None, 5.0), -1e9, True),
        (Interlock("d/x", None, 1.0), math.nan, False),
        (Interlock("d/x", None, 0.0), True, False),
        (Interlock("d/x", None, 0.0), None, False),
        (Interlock("d/x", None, 0.0), "5", False),
    ],
)
def test_an_interlock_holds_for_what_it_says_and_nothing_else(lock: Interlock, value: Value, holds: bool) -> None:
    assert lock.holds(value) is holds


@pytest.mark.parametrize("text", ["21,5", " -0,5", "1,021.5".replace(".", ","), "1.021,5", "1,000"])
def test_a_decimal_comma_is_called_one(text: str) -> None:
    with pytest.raises(RequestRefusedError, match="value_decimal_comma"):
        fitting(text, tag_of(), SetpointRules())
    assert fitting(text, tag_of("text"), SetpointRules()) == text


@pytest.mark.parametrize("text", ["warm", "", ",", "21,", "a,5"])
def test_what_is_no_number_at_all_is_of_the_wrong_type(text: str) -> None:
    with pytest.raises(RequestRefusedError, match="value_type"):
        fitting(text, tag_of(), SetpointRules())


def test_what_decides_must_be_known_good_and_fresh() -> None:
    rules = SetpointRules(interlocks=(Interlock("d/x", 1),), known_for_ms=1000, max_step=5.0)
    good = {"d/x": Known(1, True, 10_000), "d/t": Known(20.0, True, 10_000)}
    assert code_of(24.0, "d/t", rules, good.get, 10_500) == "allowed"
    assert code_of(26.0, "d/t", rules, good.get, 10_500) == "step_too_big"
    assert code_of(24.0, "d/t", rules, good.get, 11_001) == "interlock_not_known"
    assert code_of(24.0, "d/t", rules, good.get, 9_000) == "interlock_not_known"  # the clock went back: nobody knows how old it is
    assert code_of(24.0, "d/t", rules, (good | {"d/x": Known(1, True, None)}).get, 10_500) == "allowed"
    for bad in (Known(1, False, 10_000), None):
        assert code_of(24.0, "d/t", rules, (good | {"d/x": bad}).get, 10_500) == "interlock_not_known"
    assert code_of(24.0, "d/t", rules, (good | {"d/x": Known(2, True, 10_000)}).get, 10_500) == "interlocked"
    assert code_of(24.0, "d/t", rules, (good | {"d/t": Known(math.nan, True, 10_000)}).get, 10_500) == "step_too_big"


@given(st.floats(allow_nan=True, allow_infinity=True) | st.integers(-(10**20), 10**20), st.floats(-100, 100), st.floats(-100, 100))
def test_nothing_outside_the_limits_passes(value: float, a: float, b: float) -> None:
    low, high = min(a, b), max(a, b)
    rules = SetpointRules(low, high)
    if low <= value <= high:
        assert fitting(value, tag_of(), rules) == value
        return
    with pytest.raises(RequestRefusedError, match="value_out_of_limits"):
        fitting(value, tag_of(), rules)


@pytest.mark.parametrize(
    ("wrote", "read", "tag", "tolerance", "kept"),
    [
        (21.56, 21.6, tag_of(exponent=-1), 0.0, True),
        (21.56, 21.7, tag_of(exponent=-1), 0.0, False),
        (0.1, 0.10000000149011612, tag_of("float32"), 0.0, True),
        (100.0, 101.0, tag_of(), 0.0, False),
        (100.0, 101.0, tag_of(), 1.0, True),
        (7, 7, tag_of("int", 0), 0.0, True),
        (7, 8, tag_of("int", 0), 0.0, False),
        (True, True, tag_of("bool"), 0.0, True),
        (True, 1, tag_of("bool"), 0.0, False),
        ("a", "a", tag_of("text"), 0.0, True),
        ("a", "b", tag_of("text"), 0.0, False),
        (1.0, None, tag_of(), 0.0, False),
        (math.nan, math.nan, tag_of(), 0.0, True),
    ],
)
def test_what_counts_as_kept(wrote: Value, read: Value, tag: Tag, tolerance: float, kept: bool) -> None:
    assert is_kept(wrote, read, tag, tolerance) is kept


@pytest.mark.parametrize(
    ("write", "code"),
    [
        ('interlock = [{ tag = "b/none", equals = 1 }]', "config_interlock_unknown"),
        ('interlock = [{ tag = "b/slow0" }]', "config_interlock_condition"),
        ('interlock = [{ tag = "b/slow0", equals = 1, max = 2.0 }]', "config_interlock_condition"),
        ("min = 2, max = 1", "config_min_above_max"),
    ],
)
def test_rules_that_cannot_be_are_faults(write: str, code: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_config(config_text(device_toml("b", {"slow": (100, 1)}, more=f"writable = true\nwrite = {{ {write} }}\n")))
    assert [fault.code for fault in caught.value.faults] == [code]


class Memory(ScriptedDriver):
    """A device with one value. `slips`: it keeps another; `mute`: confirms nothing; `lost`: took nothing; `blind`: reads no tag alone."""

    def __init__(self, clock: VirtualClock) -> None:
        super().__init__(clock)
        self.value: Value = 10
        self.slips = self.mute = self.blind = False
        self.lost = False
        self.step = 0

    def sent(self, tag: Tag, value: Value) -> Value:
        return round(value / self.step) * self.step if self.step and isinstance(value, int) else value

    async def read(self, group: TagGroup, deadline_s: float) -> Scan:
        self.reads.append((self._clock.mono_ms(), group.name))
        if self.blind and group.uid < 0:
            raise DriverError("no_answer")
        return Scan(group, [self.value if tag.name == "slow0" else 0 for tag in group.tags], self._clock.wall_ms())

    async def write(self, tag: Tag, value: Value, deadline_s: float) -> None:
        self.written.append((tag.name, value))
        if not self.lost:
            self.value = 99 if self.slips else value
        if self.mute:
            raise DriverError("write_unknown", reason="no_answer")


RULES = 'writable = true\nwrite = { min = 0, max = 100, max_step = 30, interlock = [{ tag = "a/fast0", equals = 0 }], read_back = true }\n'


def through_the_door(vice: str = "", value: int = 20, running_a: int = 0, step: int = 0) -> tuple[dict[str, Any], Memory]:
    """Ask a core for a setpoint; return what came of it and the device."""
    found: list[Any] = []

    async def program(clock: VirtualClock) -> None:
        disk, plant = ShimDisk(), Plant(clock)
        prepare(disk, config_text(device_toml("a", {"fast": (200, 1)}), device_toml("b", {"slow": (400, 2)}, more=RULES)))
        device = Memory(clock)
        other = Memory(clock)

        async def read(group: TagGroup, deadline_s: float) -> Scan:
            return Scan(group, [running_a], clock.wall_ms())

        other.read = read  # type: ignore[method-assign]
        plant.drivers.update({"a": other, "b": device})
        async with running(disk, clock, plant) as now:
            await after(clock, 1)
            device.step = step
            for each in vice.split():
                setattr(device, each, True)
            found.extend([await ask(now), device])

    async def ask(now: Running) -> dict[str, Any]:
        return await now.act("device.write", "b/slow0", params={"value": value})

    run(program, seed=1)
    return found[0], found[1]


def test_a_setpoint_that_is_kept_is_done_and_says_what_was_read() -> None:
    outcome, device = through_the_door()
    assert (outcome["code"], outcome["params"]) == ("done", {"value": 20, "read_back": 20})
    assert device.written == [("slow0", 20)]


@pytest.mark.parametrize(
    ("vice", "code"),
    [
        ("slips", "write_not_kept"),
        ("blind", "write_not_verified"),
        ("mute", "done"),
        ("mute lost", "write_unknown"),
        ("mute blind", "write_unknown"),
    ],
)
def test_what_became_of_it_is_told_as_it_is(vice: str, code: str) -> None:
    outcome, device = through_the_door(vice)
    assert outcome["code"] == code
    assert len(device.written) == 1, "never written twice"
    assert outcome["seq"] is not None


def test_the_state_of_the_plant_refuses_before_anything_is_recorded_or_written() -> None:
    for outcome, device in (through_the_door(running_a=1), through_the_door(value=80), through_the_door(value=101)):
        assert outcome["refused"] in ("interlocked", "step_too_big", "value_out_of_limits")
        assert device.written == []


def test_limits_and_steps_are_those_of_what_is_really_sent() -> None:
    outcome, device = through_the_door(value=23, step=5)
    assert (outcome["code"], outcome["params"]) == ("done", {"value": 25, "read_back": 25})
    assert device.written == [("slow0", 25)]
    outcome, device = through_the_door(value=38, step=45)
    assert outcome["refused"] == "step_too_big", "45 is 35 from 10, though 38 is 28"
    outcome, device = through_the_door(value=99, step=60)
    assert (outcome["refused"], outcome["value"], outcome["sent"]) == ("value_rounds_out_of_limits", 99, 120)
    assert device.written == []
