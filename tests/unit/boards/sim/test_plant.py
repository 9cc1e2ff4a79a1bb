"""The plant's physics: what must hold whatever the seed, the steps and the operator do."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from boards.sim.packml import State
from boards.sim.plant import DEVICES, Plant

RISING = {
    "filler": ("bottles_total", "rejects_total", "product_ml_total", "run_seconds"),
    "capper": ("caps_total", "caps_bad_total", "alarms_total"),
    "meter": ("import_kwh", "import_kvarh", "total_kwh"),
}


def test_the_same_seed_and_steps_give_the_same_plant() -> None:
    def run(seed: int) -> list[dict]:
        plant = Plant(seed)
        for n in range(600):
            plant.step(0.1 if n % 3 else 0.25)
        return [plant.signals(device) for device in DEVICES]

    assert run(7) == run(7)
    assert run(7) != run(8)


ACTS = st.sampled_from(
    [
        ("filler", "speed_setpoint", 150.0),
        ("filler", "speed_setpoint", 20.0),
        ("filler", "temperature_setpoint", 32.0),
        ("filler", "temperature_setpoint", 15.0),
        ("capper", "speed_setpoint", 20.0),
        ("capper", "program_wanted", 2),
        ("capper", "command", 3),
        ("capper", "command", 8),
        ("capper", "command", 9),
        ("filler", "reboot", 0),
        ("capper", "reboot", 0),
        ("meter", "reboot", 0),
    ]
)


@given(seed=st.integers(0, 2**32), script=st.lists(st.tuples(ACTS, st.floats(0.001, 90)), min_size=1, max_size=8))
@settings(max_examples=25)
def test_whatever_is_done_counters_rise_and_values_are_numbers_in_bounds(seed, script) -> None:
    plant = Plant(seed)
    seen = {device: plant.signals(device) for device in DEVICES}
    for (device, signal, value), dt_s in script:
        plant.reboot(device) if signal == "reboot" else plant.write(device, signal, value)
        plant.step(dt_s)
        for name in DEVICES:
            now = plant.signals(name)
            assert all(now[counter] >= seen[name][counter] for counter in RISING[name])
            assert all(math.isfinite(v) for v in now.values() if isinstance(v, int | float))
            seen[name] = now
        assert 0 <= plant.waiting <= 60
        assert 0 <= seen["filler"]["tank_level"] <= 100
        assert 5 < seen["filler"]["product_temperature"] < 60
        assert seen["filler"]["rejects_total"] <= seen["filler"]["bottles_total"]


def test_no_bottle_appears_or_vanishes() -> None:
    plant = Plant(3)
    start = {d: plant.signals(d) for d in DEVICES}
    plant.step(1800)
    end = {d: plant.signals(d) for d in DEVICES}

    def grown(device: str, signal: str) -> int:
        return end[device][signal] - start[device][signal]

    good = grown("filler", "bottles_total") - grown("filler", "rejects_total")
    assert good == grown("capper", "caps_total") + end["filler"]["conveyor"] - start["filler"]["conveyor"]
    assert grown("capper", "caps_total") > 2000
    litres = grown("filler", "product_ml_total") / 1000
    assert litres == pytest.approx(grown("filler", "bottles_total") * 0.5, rel=0.02)


def test_energy_is_the_integral_of_power() -> None:
    plant = Plant(11)
    before = plant.signals("meter")["import_kwh"]
    shown_kwh = 0.0
    for n in range(6000):
        if n == 2000:
            plant.write("filler", "temperature_setpoint", 32.0)
        plant.step(0.1)
        shown_kwh += plant.signals("meter")["power_total"] * 0.1 / 3_600_000
    assert plant.signals("meter")["import_kwh"] - before == pytest.approx(shown_kwh, rel=0.01)


def test_the_phases_agree_with_each_other() -> None:
    plant = Plant(5)
    plant.step(200)
    meter = plant.signals("meter")
    for phase in (1, 2, 3):
        p, q, s = (meter[f"{quantity}_l{phase}"] for quantity in ("power", "reactive", "apparent"))
        assert s == pytest.approx(meter[f"voltage_l{phase}"] * meter[f"current_l{phase}"])
        assert s == pytest.approx(math.hypot(p, q))
        assert meter[f"power_factor_l{phase}"] == pytest.approx(p / s)
    assert meter["power_total"] == pytest.approx(sum(meter[f"power_l{n}"] for n in (1, 2, 3)))


def test_power_follows_the_load() -> None:
    plant = Plant(5)
    plant.step(600)
    running_w = plant.signals("meter")["power_total"]
    plant.write("filler", "speed_setpoint", 20.0)
    plant.step(400)
    assert plant.signals("meter")["power_total"] < 0.6 * running_w


def test_the_temperature_lags_behind_its_setpoint_and_arrives() -> None:
    plant = Plant(2)
    plant.step(600)
    plant.write("filler", "temperature_setpoint", 30.0)
    course = []
    for _ in range(600):
        plant.step(1)
        course.append(plant.signals("filler")["product_temperature"])
    assert course[3] < 24.5, "no jump"
    assert max(abs(b - a) for a, b in pairwise(course)) < 0.6
    assert course[-1] == pytest.approx(30.0, abs=0.5)
    assert max(course) < 33


def test_speed_follows_its_setpoint_through_the_drive() -> None:
    plant = Plant(2)
    plant.step(60)
    assert plant.write("filler", "speed_setpoint", 60.0)
    plant.step(30)
    assert plant.signals("filler")["fill_speed"] == pytest.approx(60.0)


@pytest.mark.parametrize("value", [19.9, 160.1, math.nan, math.inf, "90", True])
def test_a_setpoint_outside_its_limits_is_refused(value) -> None:
    plant = Plant(1)
    assert not plant.write("filler", "speed_setpoint", value)
    assert plant.signals("filler")["speed_setpoint"] == 90.0


def test_nothing_else_can_be_written() -> None:
    plant = Plant(1)
    assert not plant.write("filler", "bottles_total", 0)
    assert not plant.write("meter", "import_kwh", 0)
    assert not plant.write("capper", "program_wanted", 9)


def test_a_program_change_goes_through_the_states_and_takes_time() -> None:
    plant = Plant(1)
    plant.step(20)
    assert plant.capper.state is State.EXECUTE
    plant.write("capper", "program_wanted", 2)
    states = []
    for n in range(400):
        plant.step(0.1)
        if not states or states[-1] != plant.capper.state:
            states.append(plant.capper.state)
        if plant.capper.program == 2:
            assert n > 100 or plant.capper.state is not State.EXECUTE
    assert states[:6] == [State.STOPPING, State.STOPPED, State.RESETTING, State.IDLE, State.STARTING, State.EXECUTE]
    assert plant.signals("capper")["program"] == 2
    plant.step(60)
    assert plant.signals("capper")["torque_mean"] == pytest.approx(2.4, abs=0.1)


def test_a_stopped_capper_waits_for_reset_and_backs_the_filler_up() -> None:
    plant = Plant(1)
    plant.step(20)
    assert plant.write("capper", "command", 3)
    plant.step(120)
    assert plant.capper.state is State.STOPPED
    assert plant.waiting == 60
    assert plant.signals("filler")["outfeed_blocked"]
    assert not plant.write("capper", "command", 2), "START does nothing in STOPPED"
    assert plant.write("capper", "command", 1)
    plant.step(30)
    assert plant.capper.state is State.EXECUTE


def test_a_reboot_keeps_totals_and_loses_the_rest() -> None:
    plant = Plant(1)
    plant.write("filler", "speed_setpoint", 120.0)
    plant.step(300)
    before = plant.signals("filler")
    plant.reboot("filler")
    after = plant.signals("filler")
    assert before["bottles_batch"] > 400
    assert (after["bottles_batch"], after["uptime_seconds"], after["speed_setpoint"]) == (0, 0, 90.0)
    assert after["bottles_total"] == before["bottles_total"]


@pytest.mark.parametrize("dt_s", [0, -1, math.nan, math.inf, 3601])
def test_a_step_that_makes_no_sense_is_refused(dt_s) -> None:
    with pytest.raises(ValueError):
        Plant(1).step(dt_s)
