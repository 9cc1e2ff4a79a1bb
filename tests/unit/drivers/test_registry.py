"""The registry: literal types, plug-ins, and what it says when something is missing."""

from __future__ import annotations

from importlib.metadata import EntryPoint

import pytest
from pydantic import ValidationError

from drivers.driver import Driver, DriverError
from drivers.registry import driver_types, entry_point_group, load_config, load_factory, make_driver
from drivers.shared import Shared
from tests.rigs.clock import StillClock


def test_built_in_types_load_without_their_library_being_asked() -> None:
    assert {"modbus", "opcua", "replay"} <= set(driver_types())


def test_a_plug_in_is_found_and_a_second_owner_of_a_name_stops_the_start() -> None:
    point = EntryPoint("profinet", "drivers.modbus.factory", entry_point_group)
    assert "profinet" in driver_types([point])
    assert load_factory("profinet", [point]).EXTRA == "gateway"
    with pytest.raises(DriverError, match="driver_duplicate"):
        driver_types([point, point])
    with pytest.raises(DriverError, match="driver_duplicate"):
        driver_types([EntryPoint("modbus", "elsewhere", entry_point_group)])


def test_unknown_type_and_missing_library_say_so() -> None:
    with pytest.raises(DriverError, match="driver_unknown") as unknown:
        load_factory("nosuch", [])
    assert unknown.value.params == {"type": "nosuch", "known": "gpio, manual, modbus, mqtt, opcua, replay, virtual"}
    with pytest.raises(DriverError, match="library_missing") as caught:
        load_factory("far", [EntryPoint("far", "no_such_package_anywhere.factory", entry_point_group)])
    assert caught.value.params == {"library": "no_such_package_anywhere", "extra": "far"}


def test_options_are_strict_and_every_fault_is_told_at_once() -> None:
    with pytest.raises(ValidationError) as caught:
        load_config("modbus", "filler", {"host": "plc", "port": "502", "unit_id": 300, "colour": "red"})
    assert {fault["loc"][0] for fault in caught.value.errors()} == {"port", "unit_id", "colour"}


def test_make_driver_gives_a_driver() -> None:
    config = load_config("modbus", "filler", {"host": "127.0.0.1"})
    assert isinstance(make_driver("modbus", "filler", config, StillClock()), Driver)


def test_shared_keeps_one_object_per_key_and_refuses_another_kind() -> None:
    shared = Shared()
    first = shared.obtain(("a",), list, list)
    assert shared.obtain(("a",), list, list) is first
    with pytest.raises(TypeError):
        shared.obtain(("a",), dict, dict)
    shared.forget(("a",))
    assert shared.obtain(("a",), list, list) is not first
