"""What a scan is told to ask, and what it is kept from: units, hosts, settings, too many, a port that is in use."""

from __future__ import annotations

from pathlib import Path

import pytest

from drivers.option_error import OptionError
from runtime.commissioning.line_places import hosts_at, serial_at
from runtime.commissioning.scan_bounds import hosts_of, longest_s, port_of, units_of
from runtime.config import parse_config

CONFIG = """[gateway]
name = "g"
[devices.a]
type = "modbus"
host = "10.0.0.5"
request_timeout_s = 2.0
[[devices.a.groups]]
name = "g"
period_ms = 1000
tags = [{ name = "x", address = "holding:0" }]
[devices.s]
type = "modbus"
transport = "rtu"
serial_port = "PORT"
[[devices.s.groups]]
name = "g"
period_ms = 1000
tags = [{ name = "x", address = "holding:0" }]
"""


def test_units_and_hosts_are_what_was_written() -> None:
    assert units_of("1-3, 20,2") == [1, 2, 3, 20]
    assert hosts_of(["10.0.0.5-7", "10.0.0.7", "plc"]) == ["10.0.0.5", "10.0.0.6", "10.0.0.7", "plc"]
    assert hosts_of(["10.0.0.0/30"]) == ["10.0.0.1", "10.0.0.2"]


@pytest.mark.parametrize("text", ["", "a", "1-", "3-1", "256", "1,,2", "-1", "1-9999"])
def test_units_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(OptionError):
        units_of(text)


def test_a_range_that_runs_backwards_and_a_host_with_a_port_are_told_what_is_wrong() -> None:
    with pytest.raises(OptionError) as backwards:
        units_of("1,5-2")
    assert (backwards.value.code, backwards.value.params) == ("scan_units_order", {"value": "5-2"})
    with pytest.raises(OptionError) as with_port:
        hosts_of(["plc:502"])
    assert (with_port.value.code, with_port.value.params) == ("scan_host_port", {"value": "plc:502", "port": 502})
    named = ["fe80::1", "3com.plant", "10-0-0-5.plant", "1.2.3.plant.local", "10.0.0.5.nip.io"]
    assert hosts_of(named) == named


@pytest.mark.parametrize("given", ["", "0", "65536", 99999, -1, "5.5", "x", "５", "1_0", None, True, 502.0, 10**30])
def test_a_port_that_is_none_is_told_what_ports_there_are(given: object) -> None:
    assert (port_of(502), port_of(" 65535 ")) == (502, 65535)
    with pytest.raises(OptionError) as refused:
        port_of(given)
    assert (refused.value.code, refused.value.params) == ("scan_port_range", {"value": str(given)[:20] or "—", "most": 65535})


@pytest.mark.parametrize(
    "text",
    ["", "10.0.0.9-5", "10.0.0.1-300", "10.0.0.0/8", "300.0.0.1-2", "a b", "::/0", "10.0.0.0/x", "10.0.0.5x", "10.0.0.256", "1.2.3.4.5"],
)
def test_hosts_that_are_none_or_too_many_are_refused(text: str) -> None:
    with pytest.raises(OptionError):
        hosts_of([text])


def test_a_scan_has_a_length_that_is_known_before() -> None:
    assert longest_s([0.5, 1.0], 10, 0.1) == pytest.approx(17.0 + 1.0 + 2.0)
    with pytest.raises(OptionError):
        longest_s([0.5] * 256, 17, 0.1)


def test_what_a_running_gateway_has_open_is_not_opened_again(tmp_path: Path) -> None:
    port, alias = tmp_path / "ttyUSB0", tmp_path / "by-id"
    port.touch()
    alias.symlink_to(port)
    config = parse_config(CONFIG.replace("PORT", str(port)))
    for name in (port, alias):
        with pytest.raises(OptionError) as refused:
            serial_at(config, name, [(9600, "none")], running=True, wait_s=0.5)
        assert refused.value.params["device"] == "s"
    with pytest.raises(OptionError):
        serial_at(config, tmp_path / "ttyUSB7", [(9600, "none")], running=False, wait_s=0.5)
    assert serial_at(config, port, [(9600, "none")], running=False, wait_s=0.5)[0].options["baud"] == 9600
    assert [(each.device, each.wait_s) for each in hosts_at(config, ["10.0.0.5", "10.0.0.6"], 502, "tcp", running=True, wait_s=0.5)] == [
        ("a", 2.0),
        ("", 0.5),
    ]
    assert hosts_at(config, ["10.0.0.5"], 502, "tcp", running=False, wait_s=0.5)[0].device == ""
