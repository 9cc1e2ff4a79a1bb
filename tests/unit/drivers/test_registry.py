"""The registry: literal types, plug-ins, and what it says when something is missing."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Final

import pytest
from pydantic import BaseModel, ValidationError

from drivers import registry
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


ASK: Final[dict[str, Callable[[BaseModel], object]]] = {
    "origin": lambda options: registry.origin_of(load_factory("oven"), options),
    "claims": lambda options: registry.claims_of("oven", options),
    "shares": lambda options: registry.shares_of("oven", options),
    "alike": lambda options: registry.alike_of("oven", options),
    "reaches": lambda options: registry.reached_by("oven", options),
    "unwritable": lambda _: registry.unwritable_for("oven", object()),
    "one_group": lambda options: registry.one_group_of("oven", options),
    "advice": lambda options: registry.advice_on("oven", options),
    "line_load": lambda options: registry.line_load("oven", options, []),
    "inputs": lambda _: registry.inputs_of("oven", object()),
}


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The module of a driver of another package, to be written."""
    (tmp_path / "oven-1.dist-info").mkdir()
    (tmp_path / "oven-1.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: oven\nVersion: 1\n")
    (tmp_path / "oven-1.dist-info" / "entry_points.txt").write_text(f"[{entry_point_group}]\noven = oven\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    registry._installed.cache_clear()
    yield tmp_path / "oven.py"
    registry._installed.cache_clear()
    sys.modules.pop("oven", None)


@pytest.mark.parametrize(
    ("name", "told", "said"),
    [
        ("origin", "{'host': 'h'}", "dict, not str"),
        ("claims", "['/dev/ttyUSB0']", "list[str], not list[tuple[str, str]]"),
        ("claims", "{'port': '/dev/ttyUSB0'}", "dict, not list[tuple[str, str]]"),
        ("claims", "[('port', 5)]", "list[tuple[str, int]], not list[tuple[str, str]]"),
        ("shares", "[('serial_port', '/dev/ttyUSB0', 1)]", "list[tuple[str, str, int]], not list[tuple[str, str]]"),
        ("alike", "[('baud', '/dev/ttyUSB0', 9600)]", "list[tuple[str, str, int]], not list[tuple[str, str, str]]"),
        ("reaches", "{'unit_id': 3}", "dict, not list[tuple[str, str]]"),
        ("unwritable", "['address']", "list[str], not list[tuple[str, str, dict]]"),
        ("one_group", "True", "bool, not str | None"),
        ("one_group", "0", "int, not str | None"),
        ("advice", "[('host', 'slow')]", "list[tuple[str, str]], not list[tuple[str, str, dict]]"),
        ("advice", "[('host', 'slow', 'x')]", "list[tuple[str, str, str]], not list[tuple[str, str, dict]]"),
        ("line_load", "{'g': 3}", "dict, not LineLoad"),
        ("inputs", "['a/b']", "list, not tuple[str, ...]"),
        ("inputs", "(1, 2, 3, 4, 5, 6)", "tuple[int, int, int, int, int, …], not tuple[str, ...]"),
    ],
)
def test_what_a_package_tells_wrongly_is_said_with_the_function_s_name(installed: Path, name: str, told: str, said: str) -> None:
    installed.write_text(f"def {name}(*given):\n    return {told}\n")
    with pytest.raises(DriverError) as caught:
        ASK[name](load_config("modbus", "filler", {"host": "h"}))
    returned, wanted = said.split(", not ")
    assert caught.value.cause == "driver_told_wrongly"
    assert caught.value.params == {"function": f"oven.{name}()", "returned": returned, "wanted": wanted}


def test_a_type_that_does_not_say_that_it_cannot_push_may_be_subscribed_to(installed: Path) -> None:
    installed.write_text("")
    assert {each: registry.can_push(each) for each in ("modbus", "virtual", "opcua", "mqtt", "gpio", "manual", "replay", "oven")} == {
        "modbus": False, "virtual": False, "opcua": True, "mqtt": True, "gpio": True, "manual": True, "replay": True, "oven": True,
    }  # fmt: skip


def test_what_a_package_tells_rightly_is_taken(installed: Path) -> None:
    installed.write_text("def one_group(options):\n    return None\ndef claims(options):\n    return [('port', 'x')]\n")
    options = load_config("modbus", "filler", {"host": "h"})
    assert ASK["one_group"](options) is None
    assert ASK["claims"](options) == [("port", "x")]


def test_no_text_is_no_option_that_allows_one_group(installed: Path) -> None:
    installed.write_text("def one_group(options):\n    return ''\n")
    assert ASK["one_group"](load_config("modbus", "filler", {"host": "h"})) is None
