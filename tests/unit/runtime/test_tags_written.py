"""Tags that the configuration lets be written and that cannot be: refused before anybody tries."""

from __future__ import annotations

import pytest

from runtime.bus_budget import accept_config
from runtime.config import parse_config
from runtime.config_faults import ConfigError
from tests.rigs.field import HEAD, device_toml

PLACES = {
    "modbus": 'host = "10.0.0.9"',
    "mqtt": 'host = "10.0.0.8"',
    "opcua": 'endpoint = "opc.tcp://10.0.0.7:4840"',
    "virtual": "",
}
WRITTEN = "writable = true, write = {}"


def text(kind: str, *tags: str) -> str:
    rows = "\n".join(f'  {{ name = "t{n}", {tag} }},' for n, tag in enumerate(tags))
    group = f'[[devices.d.groups]]\nname = "g"\nperiod_ms = 1000\ntags = [\n{rows}\n]\n'
    return f'{HEAD}[devices.d]\ntype = "{kind}"\n{PLACES[kind]}\n{group}{device_toml("plc", {"fast": (100, 1)})}'


@pytest.mark.parametrize("written", [WRITTEN, "writable = true"])
@pytest.mark.parametrize(
    ("kind", "tag", "option", "said"),
    [
        ("modbus", 'address = "input:3"', "address", "input can only be read"),
        ("modbus", 'address = "discrete:3"', "address", "discrete can only be read"),
        ("modbus", 'address = "holding:3", data = "bits32", bit = 17', "data", 'data = "bits32" cannot be written'),
        ("modbus", 'address = "holding:3", scale_factor = "holding:9"', "scale_factor", "scale_factor cannot be written"),
        ("mqtt", 'topic = "a"', "topic", "command_topic"),
        ("opcua", 'node = "ns=2;i=5", part = "[3]"', "part", "part cannot be written"),
        ("virtual", 'formula = "[plc/fast0] + 1"', "formula", "formula cannot be written"),
    ],
)
def test_what_can_only_be_read_is_no_writable_tag(kind: str, tag: str, option: str, said: str, written: str) -> None:
    whole = text(kind, tag, f"{tag}, {written}")
    with pytest.raises(ConfigError) as caught:
        accept_config(whole)
    (fault,) = caught.value.faults
    assert fault.where == f"devices.d.groups.g.tags.t1.{option}"
    assert '"t1"' in whole.splitlines()[(fault.line or 0) - 1]
    assert said in fault.text()
    assert parse_config(whole).devices, "what is recorded already starts with it"


@pytest.mark.parametrize(
    ("kind", "tag"),
    [
        ("modbus", 'address = "coil:3"'),
        ("modbus", 'address = "holding:3", data = "bits", bit = 3'),
        ("modbus", 'address = "holding:3", data = "int8"'),
        ("modbus", 'address = "40103", scale = 0.1'),
        ("mqtt", 'topic = "a", command_topic = "a/set"'),
        ("opcua", 'node = "ns=2;i=5"'),
    ],
)
def test_what_can_be_written_is_taken_and_without_write_advised_of_once(kind: str, tag: str) -> None:
    assert accept_config(text(kind, f"{tag}, {WRITTEN}")).advice == ()
    (advice,) = accept_config(text(kind, tag, *[f"{tag}, writable = true"] * 7)).advice
    assert (advice.where, advice.code) == ("devices.d", "config_writable_idle")
    assert advice.params == {"tags": "t1, t2, t3, t4, t5, …", "count": 7}
    assert "writable = true does nothing without write" in advice.text()
    assert "write = {}" in advice.text()


@pytest.mark.parametrize("tag", ['address = "input:3", writable = true, write = {}', 'address = "holding:3", writable = true'])
def test_a_device_that_is_not_enabled_is_not_judged(tag: str) -> None:
    assert accept_config(text("modbus", tag).replace('type = "modbus"\n', 'type = "modbus"\nenabled = false\n', 1)).advice == ()
