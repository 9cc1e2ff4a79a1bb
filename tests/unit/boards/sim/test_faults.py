"""The faults by name: what they change, what they leave alone, and how a wrong one is refused."""

from __future__ import annotations

import math

import pytest

from boards.sim.faults import KINDS, FaultError, Faults
from boards.sim.plant import Plant
from boards.sim.view import DeviceView


def _view(device: str = "filler") -> DeviceView:
    return DeviceView(device, Plant(1), 1, lambda: 1_700_000_000.0)


def test_a_stuck_tag_stays_while_the_plant_goes_on() -> None:
    view = _view()
    view.faults.switch("stuck_tag", True, 0.0, {"tag": "bottles_total"})
    held = view.shown()["bottles_total"]
    view.plant.step(60)
    assert view.shown()["bottles_total"] == held < view.plant.filler.bottles_total
    view.faults.switch("stuck_tag", False, 60.0)
    assert view.shown()["bottles_total"] == view.plant.filler.bottles_total


def test_drift_grows_with_plant_time() -> None:
    view = _view()
    view.plant.step(30)
    view.faults.switch("drift", True, view.plant.elapsed_s, {"per_min": 2.0})
    view.plant.step(90)
    off = view.shown()["product_temperature"] - view.plant.filler.measured_c
    assert off == pytest.approx(3.0)


def test_clock_step_moves_the_devices_clock_only() -> None:
    view = _view()
    view.faults.switch("clock_step", True, 0.0, {"by_s": -86400})
    assert view.shown()["clock_seconds"] == 1_700_000_000 - 86400
    with pytest.raises(FaultError, match="meter has no fault 'clock_step'; it has: stuck_tag"):
        _view("meter").faults.switch("clock_step", True, 0.0)


def test_dropout_loses_the_share_it_says_and_the_same_ones_each_time() -> None:
    def losses() -> list[bool]:
        faults = Faults("meter", frozenset({"power_l2"}), 5)
        faults.switch("dropout", True, 0.0, {"share": 0.25})
        return [faults.loses() for _ in range(4000)]

    assert losses() == losses()
    assert sum(losses()) / 4000 == pytest.approx(0.25, abs=0.03)


def test_links_say_what_is_in_force() -> None:
    faults = _view().faults
    assert not faults.link().dead
    faults.switch("slow_device", True, 0.0)
    assert faults.link().delay_s == 3.0
    for name in ("dead_device", "reboot"):
        faults.switch(name, True, 0.0)
        assert faults.link().dead
        faults.switch(name, False, 0.0)
    assert not faults.link().dead


@pytest.mark.parametrize(
    ("name", "parameters", "words"),
    [
        ("earthquake", {}, "it has: stuck_tag, drift"),
        ("slow_device", {"delay": 1}, "it has: .'delay_s'"),
        ("slow_device", {"delay_s": -1}, "cannot be negative"),
        ("slow_device", {"delay_s": "1"}, "is a number"),
        ("drift", {"per_min": math.nan}, "is a number"),
        ("drift", {"per_min": True}, "is a number"),
        ("stuck_tag", {"tag": "colour"}, "no signal 'colour'; it has: air_ok"),
    ],
)
def test_a_wrong_fault_changes_nothing_and_says_what_is_right(name, parameters, words) -> None:
    faults = _view().faults
    with pytest.raises(FaultError, match=words):
        faults.switch(name, True, 0.0, parameters)
    assert not faults.active


def test_every_fault_can_be_switched_on_with_its_usual_values() -> None:
    for name, kind in KINDS.items():
        for device in kind.devices:
            view = _view(device)
            view.faults.switch(name, True, 0.0)
            view.plant.step(1)
            assert view.shown().keys() == view.plant.signals(device).keys() | {"clock_seconds"}
