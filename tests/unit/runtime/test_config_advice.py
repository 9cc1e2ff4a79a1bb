"""What a configuration with a slip of the pen is told: what is wrong, and what was most likely meant."""

from __future__ import annotations

from typing import cast

import pytest

from drivers.modbus.address import Address, byte_places
from runtime.config import parse_config
from runtime.config_faults import ConfigError, Fault
from runtime.tag_sheet.sheet import SheetError, read_sheet

HEAD = '[gateway]\nname = "g"\n'


def faults_of(text: str) -> tuple[Fault, ...]:
    with pytest.raises(ConfigError) as refused:
        parse_config(text)
    return refused.value.faults


def test_a_key_of_a_witness_that_is_none_is_named_and_the_first_fault_has_no_second_full_stop() -> None:
    anchor = HEAD + '[[anchors]]\nname = "w1"\ntype = "tlog"\nurl = "https://x"\nvkeys = ["%s"]\n'
    (fault,) = faults_of(anchor % "field.example/w1+abc")
    assert (fault.where, fault.line) == ("anchors.w1.vkeys", 7)
    assert "field.example/w1+abc is no verifier key" in fault.text()
    assert "NAME+HASH+KEY" in fault.text()
    labelled = ConfigError(faults_of(anchor % "vkey: field.example/w1+0123abcd+AQ=="))
    assert 'leave out "vkey: "' in labelled.first
    assert not labelled.first.endswith(".")


DEVICE = (
    HEAD + '[devices.d]\ntype = "modbus"\nhost = "h"\n%s\n[[devices.d.groups]]\nname = "g"\nperiod_ms = 1000\ntags = [{ name = "t", %s }]\n'
)


@pytest.mark.parametrize(
    ("device", "tag", "code", "meant"),
    [
        ("", 'address = "holding:0", unti = "V"', "config_key_unknown", "unit"),
        ("", 'address = "holding:0", wordorder = "big"', "config_key_unknown", "word_order"),
        ("", 'address = "holding:0", Data = "int16"', "config_key_unknown", "data"),
        ("", 'address = "holding:0", write = { mni = 1 }', "config_key_unknown", "min"),
        ("enabeld = true", 'address = "holding:0"', "config_key_unknown", "enabled"),
        ("untid = 1", 'address = "holding:0"', "config_key_unknown", "unit_id"),
        ("colour = 1", 'address = "holding:0"', "config_key_unknown", None),
        ("", 'address = "holding:0", data = "INT32"', "config_not_one_of", '"int32"'),
        ("", 'address = "holding:0", data = "real"', "config_not_one_of", '"float32"'),
        ("", 'address = "holding:0", data = "zebra"', "config_not_one_of", None),
        ("", 'address = "holding:0", data = "float32", word_order = "CDAB"', "config_not_one_of", 'order = "CDAB"'),
        ('word_order = "cdab"', 'address = "holding:0"', "config_not_one_of", 'word_order = "little", byte_order = "big"'),
        ('parity = "Even"', 'address = "holding:0"', "config_not_one_of", '"even"'),
    ],
)
def test_what_is_no_option_is_told_what_was_most_likely_meant(device: str, tag: str, code: str, meant: str | None) -> None:
    (fault,) = faults_of(DEVICE % (device, tag))
    assert (fault.code, fault.params.get("meant")) == (code, meant)
    assert ("did you mean" in fault.text()) == (meant is not None)
    assert "{" not in fault.text()


@pytest.mark.parametrize("order", ["ABCD", "CDAB", "BADC", "DCBA"])
def test_orders_that_are_proposed_are_the_order_that_was_written(order: str) -> None:
    (fault,) = faults_of(DEVICE % (f'word_order = "{order}"', 'address = "holding:0"'))
    tag = 'address = "holding:0", data = "uint32", '
    proposed = parse_config(DEVICE % ("", tag + str(fault.params["meant"])))
    written = parse_config(DEVICE % ("", tag + f'order = "{order}"'))
    places = [byte_places(0, cast("Address", config.devices[0].groups[0].tags[0].address)) for config in (proposed, written)]
    assert places[0] == places[1]


@pytest.mark.parametrize(
    ("text", "code", "said"),
    [
        (DEVICE % ("", 'address = "holding:0", scale = 0,01'), "config_decimal_comma", "0.01"),
        (DEVICE % ("", 'address = "holding:0", scale = 0,01, unit = "V"'), "config_decimal_comma", "0.01"),
        (DEVICE % ("request_timeout_s = -1,5  # s", 'address = "holding:0"'), "config_decimal_comma", "-1.5"),
        (DEVICE % ("", 'address = "holding:0" unit = "V"'), "config_not_toml_inline", "comma"),
        (DEVICE % ("", 'address = "holding:0, unit = "V"'), "config_not_toml_inline", "quotation marks"),
        (DEVICE % ("", 'address = "holding:0", unit = "V'), "config_not_toml_inline", "quotation marks"),
        (DEVICE % ("parity = even", 'address = "holding:0"'), "config_not_toml_bare", '"even"'),
        (DEVICE % ("backup = 10.0.0.5  # the other one", 'address = "holding:0"'), "config_not_toml_bare", '"10.0.0.5"'),
        (DEVICE % ("parity = “even”", 'address = "holding:0"'), "config_not_toml_bare", '"even"'),
        (DEVICE % ("", 'address = holding:0, unit = "V"'), "config_not_toml_bare", '"holding:0"'),
        (DEVICE % ("timeout_s = 500 ms", 'address = "holding:0"'), "config_not_toml", "Expected newline"),
        (DEVICE % ("timeout_s = 1.000.000", 'address = "holding:0"'), "config_not_toml", "Expected newline"),
        (DEVICE % ("parity = “even, odd”", 'address = "holding:0"'), "config_not_toml", "Invalid value"),
        (DEVICE % ("parity = a" + " " * 500_000 + '"', 'address = "holding:0"'), "config_not_toml_bare", '"a"'),
        (DEVICE % ("enabled = True", 'address = "holding:0"'), "config_not_toml", "Invalid value"),
        (DEVICE % ("host h", 'address = "holding:0"'), "config_not_toml", "Expected '='"),
    ],
)
def test_the_slips_in_toml_that_are_made_most_are_told_what_to_do(text: str, code: str, said: str) -> None:
    (fault,) = faults_of(text)
    assert (fault.code, fault.line) == (code, 6 if 'holding:0" }' in text else 10)
    assert said in fault.text()


@pytest.mark.parametrize(
    ("text", "line", "code", "said"),
    [
        ('[devices.x]\ntype = "modbus"\ntype = "modbus"\n', 3, "config_not_toml_twice", "type stands twice"),
        ("[devices.x]\na = 1\n[devices.y]\n[devices.x]\nb = 1\n", 4, "config_not_toml_twice", "[devices.x] stands twice"),
        ("[devices]\nx = {}\n[devices.x.y]\n", 3, "config_not_toml_twice", "[devices.x.y] stands twice"),
        ('[x]\ntags = [\n{ name = "a" }\n{ name = "b" }\n]\n', 4, "config_not_toml_list", "a comma is missing between two items"),
        ('[x]\nhost = "10.0.0.5\nport = 502\n', 2, "config_not_toml_open", "closing quotation mark"),
        ('[x]\n"' + " " * 500_000 + 'b" = 1\n"' + " " * 500_000 + 'b" = 1\n', 3, "config_not_toml_twice", "stands twice"),
    ],
)
def test_what_stands_twice_or_is_left_open_is_said(text: str, line: int, code: str, said: str) -> None:
    (fault,) = faults_of(text)
    assert (fault.code, fault.line) == (code, line)
    assert said in fault.text()


def test_a_heading_with_a_bracket_too_few_and_a_heading_with_a_wrong_word_are_found_and_told_what_to_do() -> None:
    faults = {fault.where: fault for fault in faults_of('[gateway]\nname = "x"\n[device.x]\n[devices.y.groups]\nname = "g"\n')}
    assert (faults["device"].line, faults["device"].params["meant"]) == (3, "devices")
    groups = faults["devices.y.groups"]
    assert (groups.line, groups.code) == (4, "config_not_list_table")
    assert "[[ … ]]" in groups.text()


@pytest.mark.parametrize(
    ("data", "code", "said"),
    [
        (b"PK\x03\x04\x14\0\x06\0", "sheet_workbook", "as CSV"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "sheet_workbook", "as CSV"),
        (b"group,nam,unit\r\ng,t,V\r\n", "sheet_column_unknown", "no column nam (did you mean name?)"),
        (b"group,name,Untis\r\ng,t,V\r\n", "sheet_column_unknown", "no column untis (did you mean unit?)"),
        (b"group,name,colour\r\ng,t,V\r\n", "sheet_column_unknown", "no column colour. "),
        (b"x,y\r\n", "sheet_no_header", "no column name"),
    ],
)
def test_a_table_that_is_none_is_told_what_to_do(data: bytes, code: str, said: str) -> None:
    try:
        faults = read_sheet(data, ("group", "name", "unit"), "name").faults
    except SheetError as error:
        faults = error.faults
    (fault,) = faults
    assert fault.code == code
    assert said in fault.text()
