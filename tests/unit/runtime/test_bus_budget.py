"""Lines that have not the time for their plans: refused before they are in force, advised when busy, never refused at a restart."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from drivers import registry
from drivers.modbus.config import DeviceOptions
from drivers.modbus.cost import line_cost
from drivers.registry import entry_point_group
from ledger_client.disk import RealDisk
from runtime.bus_budget import accept_config, line_budgets
from runtime.cli.app import make_app
from runtime.config import parse_config
from runtime.config_faults import ConfigError, Faults
from runtime.faces.feed import CONFIG_TEXT_MAX
from runtime.layout import Layout
from runtime.revisions import Revision, Revisions
from tests.rigs.core import Plant, prepare, running
from tests.rigs.field import HEAD, device_toml, pushing_toml
from tests.simulation.disk import ShimDisk
from tests.simulation.loop import VirtualClock, run


def meter(name: str, *, unit: int, period_ms: int, registers: int, baud: int = 9600, port: str = "/dev/ttyS1", groups: int = 1) -> str:
    rows = [f'[devices.{name}]\ntype = "modbus"\ntransport = "rtu"\nserial_port = "{port}"\nbaud = {baud}\nunit_id = {unit}\n']
    for n in range(groups):
        tags = ", ".join(f'{{ name = "g{n}t{i}", address = "holding:{n * 1000 + i}" }}' for i in range(registers))
        rows.append(f'[[devices.{name}.groups]]\nname = "g{n}"\nperiod_ms = {period_ms}\ntags = [{tags}]\n')
    return "".join(rows)


def test_a_line_is_reckoned_from_its_characters_and_all_devices_on_it() -> None:
    text = HEAD + meter("a", unit=1, period_ms=1000, registers=10) + meter("b", unit=2, period_ms=500, registers=20)
    (line,) = accept_config(text).lines
    cost = line_cost(DeviceOptions(transport="rtu", serial_port="/dev/ttyS1", baud=9600))
    assert line.line == "/dev/ttyS1"
    assert line.period_ms == 1000
    expected_us = cost.of("holding", 10) + 2 * cost.of("holding", 20)
    assert line.needed_s(usual=True) == pytest.approx(expected_us / 1e6, abs=2e-6)
    assert [(each.device, each.group, each.requests) for each in line.shares] == [("a", "g0", 1), ("b", "g0", 1)]
    assert accept_config(text).advice == ()


def test_a_line_that_cannot_carry_its_plan_is_a_fault_that_says_who_needs_what() -> None:
    text = HEAD + meter("a", unit=1, period_ms=1000, registers=100, groups=4) + meter("b", unit=2, period_ms=500, registers=60)
    with pytest.raises(ConfigError) as caught:
        accept_config(text)
    (fault,) = caught.value.faults
    assert (fault.where, fault.code) == ("devices.b.groups.g0", "config_line_full")
    said = fault.text("f.toml")
    assert "this plan needs 1.3 s of a 1 s period on /dev/ttyS1" in said
    assert said.index("b/g0") < said.index("a/g0")
    assert fault.line is not None
    assert "b" in text.splitlines()[fault.line - 1] or "groups" in text.splitlines()[fault.line - 1]
    assert parse_config(text).devices, "what is recorded is judged without the budget"
    faster = text.replace("baud = 9600", "baud = 115200")
    assert accept_config(faster).advice == ()


def test_a_plant_left_open_to_scans_is_reminded_of_it() -> None:
    text = HEAD + meter("a", unit=1, period_ms=1000, registers=1)
    assert accept_config(text).advice == ()
    (advice,) = accept_config(text.replace("[gateway]\n", "[gateway]\ncommissioning = true\n", 1)).advice
    assert (advice.where, advice.code) == ("gateway.commissioning", "config_commissioning")


def test_a_text_that_the_feed_will_not_carry_is_advice() -> None:
    text = HEAD + meter("a", unit=1, period_ms=1000, registers=1)
    at_most = text + "#" * (CONFIG_TEXT_MAX - len(text))
    assert accept_config(at_most).advice == ()
    (advice,) = accept_config(at_most + "#").advice
    assert (advice.where, advice.code, advice.params["size"]) == ("gateway", "config_text_long", CONFIG_TEXT_MAX + 1)


def test_a_busy_line_is_advice_and_a_network_never_a_fault() -> None:
    busy = HEAD + meter("a", unit=1, period_ms=1000, registers=100, groups=3)
    (advice,) = accept_config(busy).advice
    assert advice.code == "config_line_busy"
    assert 70 < advice.params["percent"] < 100  # type: ignore[operator]
    crowd = HEAD + "".join(
        device_toml(f"d{n}", {"fast": (20, 1)}).replace("port = 502", f"port = 502\nunit_id = {n + 1}") for n in range(15)
    )
    (line,) = accept_config(crowd).lines
    assert line.share(usual=True) > 1
    (advice,) = accept_config(crowd).advice
    assert "…" in advice.text()
    assert "dues will be missed" in advice.text()


def test_what_is_not_polled_over_a_line_takes_none_of_its_time() -> None:
    off = meter("a", unit=1, period_ms=20, registers=100).replace('type = "modbus"', 'type = "modbus"\nenabled = false')
    assert accept_config(HEAD + off).lines == ()
    pushed = parse_config(HEAD + device_toml("d", {"g": (100, 3)}, mode="subscribe"))
    assert list(line_budgets(pushed, Faults(""))) == []


def test_a_group_of_a_type_that_does_not_push_is_not_subscribed_to() -> None:
    """A revision that was recorded before that was judged still starts."""
    text = HEAD + device_toml("d", {"g": (100, 1)}, mode="subscribe") + pushing_toml("p", "g", 1)
    with pytest.raises(ConfigError) as caught:
        accept_config(text)
    (fault,) = caught.value.faults
    assert (fault.where, fault.code) == ("devices.d.groups.g.mode", "config_mode_polled")
    assert text.splitlines()[(fault.line or 0) - 1] == 'mode = "subscribe"'
    assert parse_config(text).devices


OVEN = """
from drivers.modbus.factory import *
from drivers.modbus import factory
_tag, make_tag_address = factory._tag, factory.make_tag_address
def inputs(address):
    return {inputs}
def claims(options):
    return {claims}
def line_load(options, groups):
    return {load}
"""


@pytest.mark.parametrize(
    ("inputs", "claims", "load", "told"),
    [
        ("()", "[('port', 5)]", "factory.line_load(options, groups)", {"claims": "list[tuple[str, int]]"}),
        ("['a/b']", "[]", "factory.line_load(options, groups)", {"inputs": "list"}),
        ("()", "[('a', 'b')]", "3", {"line_load": "int"}),
    ],
)
def test_what_a_package_tells_wrongly_is_a_fault_at_its_device_and_hides_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, inputs: str, claims: str, load: str, told: dict[str, str]
) -> None:
    (tmp_path / "oven-1.dist-info").mkdir()
    (tmp_path / "oven-1.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: oven\nVersion: 1\n")
    (tmp_path / "oven-1.dist-info" / "entry_points.txt").write_text(f"[{entry_point_group}]\noven = oven_told\n")
    (tmp_path / "oven_told.py").write_text(OVEN.format(inputs=inputs, claims=claims, load=load))
    monkeypatch.syspath_prepend(str(tmp_path))
    registry._installed.cache_clear()
    try:
        oven = device_toml("o", {"g": (1000, 2)}).replace('type = "modbus"', 'type = "oven"')
        text = HEAD + oven + device_toml("d", {"g": (100, 1)}, mode="subscribe" if claims != "[]" else "pull")
        with pytest.raises(ConfigError) as caught:
            accept_config(text)
    finally:
        registry._installed.cache_clear()
        sys.modules.pop("oven_told", None)
    first, other = sorted(caught.value.faults, key=lambda fault: fault.line or 0)
    ((function, returned),) = told.items()
    assert (first.where, first.code) == ("devices.o.type", "driver_told_wrongly")
    assert (first.params["function"], first.params["returned"]) == (f"oven_told.{function}()", returned)
    assert text.splitlines()[(first.line or 0) - 1] == 'type = "oven"'
    assert other.where == "devices.d.groups.g.mode"


def test_a_file_edited_by_hand_is_refused_and_a_recorded_one_starts(tmp_path: Path) -> None:
    layout = Layout(tmp_path / "state")
    layout.prepare(RealDisk())
    good, full = (HEAD + meter("a", unit=1, period_ms=period_ms, registers=100) for period_ms in (1000, 100))
    layout.config.write_text(good)
    revisions = Revisions(RealDisk(), layout, layout.config)
    first = revisions.choose(None).revision
    revisions.store(first)
    revisions.settle(first)
    layout.config.write_text(full)
    choice = revisions.choose((1, 7, first.hash))
    assert (choice.revision.number, [fault.code for fault in choice.faults]) == (1, ["config_line_full"])
    # Recorded by an earlier release, which had no budgets: the gateway starts with it all the same.
    old = Revision(2, 1, full, parse_config(full))
    revisions.store(old)
    revisions.settle(old)
    assert revisions.choose((2, 9, old.hash)).revision.number == 2


def test_the_door_refuses_a_full_line_and_advises_of_a_busy_one() -> None:
    async def program(clock: VirtualClock) -> None:
        disk = ShimDisk()
        prepare(disk, HEAD + meter("a", unit=1, period_ms=1000, registers=10))
        async with running(disk, clock, Plant(clock)) as now:
            full = HEAD + meter("a", unit=1, period_ms=100, registers=100)
            refused = await now.act("config.edit", params={"text": full}, expected_revision=1)
            assert refused["refused"] == "config_invalid"
            assert "of a 0.1 s period on /dev/ttyS1" in refused["first"]
            busy = HEAD + meter("a", unit=1, period_ms=1000, registers=100, groups=3)
            done = await now.act("config.edit", params={"text": busy}, expected_revision=1)
            assert done["code"] == "done"
            assert "on /dev/ttyS1" in done["params"]["advice"]

    run(program, seed=1)


def test_check_shows_each_line(tmp_path: Path) -> None:
    file = tmp_path / "c.toml"
    file.write_text(HEAD + meter("a", unit=1, period_ms=1000, registers=100, groups=3) + device_toml("d", {"g": (1000, 5)}))
    shown = CliRunner().invoke(make_app(), ["check", str(file)])
    assert shown.exit_code == 0
    assert "/dev/ttyS1: 0." in shown.output
    assert "127.0.0.1:502: 0.002 s of each 1 s (0 %)" in shown.output
    told = json.loads(CliRunner().invoke(make_app(), ["check", str(file), "--json"]).output)
    assert [line["line"] for line in told["lines"]] == ["/dev/ttyS1", "127.0.0.1:502"]
    assert [each["code"] for each in told["advice"]] == ["config_line_busy"]
    assert told["faults"] == []


def test_a_port_that_may_move_is_advice() -> None:
    def text(port: str) -> str:
        device = (
            f'[devices.m]\ntype = "modbus"\ntransport = "rtu"\nserial_port = "{port}"\n[[devices.m.groups]]\nname = "g"\nperiod_ms = 1000\n'
        )
        return HEAD + device + 'tags = [{ name = "a", address = "holding:0" }]\n'

    (advice,) = accept_config(text("/dev/ttyUSB0")).advice
    assert (advice.code, advice.where, advice.params) == ("config_port_may_move", "devices.m.serial_port", {"port": "/dev/ttyUSB0"})
    assert advice.line is not None
    for port in ("/dev/serial/by-id/usb-FTDI_A9007bNe-if00-port0", "/dev/ttyS0", "/dev/ttyUSB-meter"):
        assert accept_config(text(port)).advice == ()
