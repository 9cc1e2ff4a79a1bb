"""Devices that share a line or a connection: other settings are refused before they are in force, and two that are one are told so."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from drivers.modbus.config import DeviceOptions as ModbusOptions
from drivers.modbus.end_point import line_of, settings_of
from drivers.mqtt.config import DeviceOptions as MqttOptions
from drivers.registry import alike_of
from ledger_client.disk import RealDisk
from runtime.bus_budget import accept_config
from runtime.config_faults import ConfigError, Fault
from runtime.layout import Layout
from runtime.revisions import Revisions
from tests.rigs.core import Plant, prepare, running
from tests.rigs.field import HEAD
from tests.simulation.disk import ShimDisk
from tests.simulation.loop import VirtualClock, run


def modbus(name: str, options: str) -> str:
    group = f'[[devices.{name}.groups]]\nname = "g"\nperiod_ms = 1000\ntags = [{{ name = "x", address = "holding:1" }}]\n'
    return f'[devices.{name}]\ntype = "modbus"\n{options}\n{group}'


def meter(name: str, unit: int, options: str = "baud = 9600") -> str:
    return modbus(name, f'transport = "rtu"\nserial_port = "/dev/ttyS1"\nunit_id = {unit}\n{options}')


def plc(name: str, options: str = "") -> str:
    return modbus(name, f'host = "10.0.0.9"\n{options}')


def publisher(name: str, options: str = "") -> str:
    group = f'[[devices.{name}.groups]]\nname = "g"\nperiod_ms = 1000\ntags = [{{ name = "x", topic = "{name}" }}]\n'
    return f'[devices.{name}]\ntype = "mqtt"\nhost = "10.0.0.8"\n{options}\n{group}'


def faults_of(text: str) -> list[Fault]:
    with pytest.raises(ConfigError) as caught:
        accept_config(HEAD + text)
    return list(caught.value.faults)


def test_a_new_device_above_takes_no_line_from_those_that_work() -> None:
    text = meter("aa_new", 6, "baud = 19200") + meter("meter", 1) + meter("meter_b", 2)
    first, second = faults_of(text)
    assert (first.where, second.where) == ("devices.meter.baud", "devices.meter_b.baud")
    assert first.code == "config_settings_differ"
    assert first.params == {"what": "/dev/ttyS1", "device": "aa_new", "here": "baud 9600", "there": "baud 19200"}
    assert (HEAD + text).splitlines()[(first.line or 0) - 1] == "baud = 9600"
    assert accept_config(HEAD + text.replace("19200", "9600")).advice == ()


def test_all_settings_that_differ_are_in_one_fault_with_their_defaults() -> None:
    (fault,) = faults_of(meter("a", 1, "") + meter("b", 2, 'baud = 9600\nparity = "none"\nstop_bits = 2'))
    assert fault.params["here"] == "baud 9600, parity none, stop_bits 2"
    assert fault.params["there"] == "baud 19200, parity even, stop_bits 1"


@pytest.mark.parametrize(
    ("first", "second", "where"),
    [
        (plc("a"), plc("b", "unit_id = 2\nin_flight = 4"), "devices.b.in_flight"),
        (plc("a"), plc("b", 'unit_id = 2\nbackup_hosts = ["10.0.0.10"]'), "devices.b.backup_hosts"),
        (plc("a", "port = 802"), plc("b", f'unit_id = 2\ntransport = "tls"\nserver_sha256 = "{"ab" * 32}"'), "devices.b.transport"),
        (publisher("e"), publisher("h", "keep_alive_s = 20"), "devices.h.keep_alive_s"),
        (publisher("e", 'client_id = "gw"'), publisher("h", 'client_id = "gw"\nqos = 0'), "devices.h.qos"),
        (publisher("e", 'client_id = "gw"'), publisher("h", 'client_id = "gw"\nusername = "u"'), "devices.h.username"),
    ],
)
def test_what_differs_is_named_at_the_later_device(first: str, second: str, where: str) -> None:
    (fault,) = faults_of(first + second)
    assert fault.where == where
    is_of_a_broker = "10.0.0.8" in first
    assert fault.code == ("config_settings_differ_apart" if is_of_a_broker else "config_settings_differ")
    assert ("or this one a client_id of its own" in fault.text()) is is_of_a_broker


@pytest.mark.parametrize(
    "text",
    [
        plc("a") + plc("b", "port = 503\nin_flight = 4"),
        plc("a") + plc("b", "unit_id = 2\nbaud = 9600\nreturn_after_s = 5"),  # of no account without a serial port, or a backup
        plc("a") + plc("b", "unit_id = 2\nin_flight = 4\nenabled = false"),
        publisher("e") + publisher("h", 'client_id = "gw"\nkeep_alive_s = 20'),
        publisher("e") + publisher("h", 'username = "u"\nkeep_alive_s = 20'),
        publisher("e", "max_age_s = 5") + publisher("h", "max_age_s = 9"),
    ],
)
def test_what_is_of_another_line_or_of_no_account_may_differ(text: str) -> None:
    assert accept_config(HEAD + text).advice == ()


def test_check_and_the_driver_tell_alike_whether_devices_suit_one_line() -> None:
    choose = random.Random(7)
    choices = {
        "baud": [9600, 19200], "parity": ["none", "even"], "stop_bits": [1, 2], "data_bits": [None, 8], "in_flight": [1, 2],
        "backup_hosts": [[], ["h2"], ["h2:502"]], "return_after_s": [5.0, 300.0], "single_connection": [False, True],
        "turnaround_ms": [0.0, 2.0], "unit_id": [1, 2], "max_gap": [None, 3], "port": [502],
    }  # fmt: skip
    places = [
        [{"transport": "rtu", "serial_port": "/dev/ttyS1"}, {"transport": "ascii", "serial_port": "/dev/ttyS1"}],
        [{"host": "h"}, {"host": "h", "transport": "rtu_over_tcp"}, {"host": "h", "transport": "tls", "ca_file": "a"}],
    ]
    alike = 0
    for _ in range(4000):
        kinds, varied = choose.choice(places), choose.sample(sorted(choices), 2)
        pair = []
        for _ in range(2):
            keys = choose.choice(kinds) | {key: choose.choice(choices[key]) for key in varied} | {"port": 502}
            if keys.get("transport", "tcp") not in ("tcp", "tls"):
                keys["in_flight"] = 1
            pair.append(ModbusOptions(**keys))
        assert (settings_of(pair[0]) == settings_of(pair[1])) == (line_of(pair[0]) == line_of(pair[1])), pair
        alike += line_of(pair[0]) == line_of(pair[1])
    assert 500 < alike < 3500


def test_every_setting_of_a_broker_s_connection_is_told() -> None:
    told = {option for option, _, _ in alike_of("mqtt", MqttOptions(host="h"))}
    assert told == set(MqttOptions(host="h").broker().__dataclass_fields__) - {"host", "port", "client_id", "username"}


def test_two_devices_that_are_one_unit_are_advised_of() -> None:
    (advice,) = accept_config(HEAD + meter("a", 1) + meter("b", 1)).advice
    assert (advice.where, advice.code) == ("devices.b.unit_id", "config_same_device")
    assert advice.params == {"what": "/dev/ttyS1 unit_id 1", "device": "a"}
    (advice,) = accept_config(HEAD + plc("a") + plc("b")).advice  # both have the number that nobody wrote
    assert advice.params == {"what": "10.0.0.9:502 unit_id 1", "device": "a"}
    assert accept_config(HEAD + meter("a", 1) + meter("b", 1, "baud = 9600\nenabled = false")).advice == ()


def test_a_file_edited_by_hand_and_an_edit_through_the_door_are_refused_alike(tmp_path: Path) -> None:
    good, wrong = HEAD + meter("meter", 1), HEAD + meter("aa_new", 6, "baud = 19200") + meter("meter", 1)
    layout = Layout(tmp_path / "state")
    layout.prepare(RealDisk())
    layout.config.write_text(good)
    revisions = Revisions(RealDisk(), layout, layout.config)
    first = revisions.choose(None).revision
    revisions.store(first)
    revisions.settle(first)
    layout.config.write_text(wrong)
    choice = revisions.choose((1, 7, first.hash))
    assert (choice.revision.number, [fault.code for fault in choice.faults]) == (1, ["config_settings_differ"])

    async def program(clock: VirtualClock) -> None:
        disk = ShimDisk()
        prepare(disk, good)
        async with running(disk, clock, Plant(clock)) as now:
            refused = await now.act("config.edit", params={"text": wrong}, expected_revision=1)
            assert refused["refused"] == "config_invalid"
            assert "device aa_new uses /dev/ttyS1 too" in refused["first"]

    run(program, seed=1)
