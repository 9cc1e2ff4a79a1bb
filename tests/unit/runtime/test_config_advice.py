"""What a configuration with a slip of the pen is told: what is wrong, and what was most likely meant."""

from __future__ import annotations

import time
from typing import cast

import pytest

from drivers.modbus.address import Address, byte_places
from runtime.bus_budget import accept_config
from runtime.config import parse_config
from runtime.config_faults import BEGINS, ConfigError, Fault, Faults, line_index
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
        (DEVICE % ("request_timeout_s = 1,000", 'address = "holding:0"'), "config_comma_of_three", "write 1000, or 1.000"),
        (DEVICE % ("", 'address = "holding:0", scale = 0,001'), "config_decimal_comma", "0.001"),
        (DEVICE % ("", 'address = "holding:0", scale = 1234,567'), "config_decimal_comma", "1234.567"),
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
        (DEVICE % ("parity = " + "= 1," * 100_000, 'address = "holding:0"'), "config_not_toml", "Invalid value"),
        (DEVICE % ("parity = a" + " " * 500_000 + '"', 'address = "holding:0"'), "config_not_toml_bare", '"a"'),
        (DEVICE % ("enabled = True", 'address = "holding:0"'), "config_not_toml_bool", "true, not True"),
        (DEVICE % ("enabled = OFF  # for now", 'address = "holding:0"'), "config_not_toml_bool", "false, not OFF"),
        (DEVICE % ("", 'address = "holding:0", writable = yes'), "config_not_toml_bool", "true, not yes"),
        (DEVICE % ("backup_hosts = [10.0.0.5]", 'address = "holding:0"'), "config_not_toml_bare", '"10.0.0.5"'),
        (DEVICE % ("backup_hosts = ['a', spare-1, 'b']", 'address = "holding:0"'), "config_not_toml_bare", '"spare-1"'),
        (DEVICE % ("backup_hosts = ['a' 'b']", 'address = "holding:0"'), "config_not_toml_list", "comma is missing"),
        (DEVICE % ("port =", 'address = "holding:0"'), "config_not_toml_empty", "a value is missing"),
        (DEVICE % ("port =  # 502", 'address = "holding:0"'), "config_not_toml_empty", "a value is missing"),
        (DEVICE % ("", 'address = , unit = "V"'), "config_not_toml_empty", "a value is missing"),
        (DEVICE % ("port = 502;", 'address = "holding:0"'), "config_not_toml_behind", "; has no place here"),
        (DEVICE % ("port = 502 // plain", 'address = "holding:0"'), "config_not_toml_behind", "// has no place here"),
        (DEVICE % ("parity = 'even',  # plain", 'address = "holding:0"'), "config_not_toml_behind", ", has no place here"),
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
        ("[x]\nhost = '10.0.0.5\nname = 'x'\n", 2, "config_not_toml_open", "closing quotation mark"),
        ("[x]\nhost = '10.0.0.5\nport = 502\n", 2, "config_not_toml_open", "closing quotation mark"),
        ('[x]\nport = 502\nhost = "10.0.0.5', 3, "config_not_toml_open", "closing quotation mark"),
        ('[x]\nnote = "\\""\nhost = """10.0.0.5\nport = 502\n', 3, "config_not_toml_open", "closing quotation mark"),
        ("[x]\nhost = '''10.0.0.5\nport = 502\n", 2, "config_not_toml_open", "closing quotation mark"),
        ('[x]\nnote = "["  # [\ntags = [\n{ name = "a" },\n', 3, "config_not_toml_list_end", "line 3 has no ]"),
        ('[x]\ntags = [\n{ name = "a" }\n\n', 2, "config_not_toml_list_end", "line 2 has no ]"),
        ("[x]\nrange = { low = 1,", 2, "config_not_toml_inline", "comma"),
        ("[x]\nport =", 2, "config_not_toml_empty", "a value is missing"),
        ('[x]\ntags = [\n{ name = "a" },\n\n[[x.y]]\nz = [\n]\n', 5, "config_not_toml_list_end", "line 2 has no ]"),
        ('[x]\ntags = [\n{ name = "a" }\n[y]\n', 4, "config_not_toml_list_end", "line 2 has no ]"),
        ('[x]\ntags = [\n{ name = "a" },\nport = 5\n', 4, "config_not_toml_list_end", "line 2 has no ]"),
        ('[x]\ntags = [\nname = "a"\n]\n', 3, "config_not_toml", "Invalid value"),
        ('\ufeff[gateway]\nname = "g"\n', 1, "config_not_toml_bom", "byte order mark"),
        ("[x]\nc = 1  # c\n\nc = 2  # = 3\n", 4, "config_not_toml_twice", "c stands twice (first on line 2)"),
        ("[x]\nc = [{ a = 1 }]\nc = [\n{ b = 1 } ]\n", 3, "config_not_toml_twice", "c stands twice (first on line 2)"),
        ('[x]\nc = ""\nc = """\nb = 1"""\n', 3, "config_not_toml_twice", "c stands twice (first on line 2)"),
        ("[x]\na = 1\n[y]\na = 1\na = 2\n", 5, "config_not_toml_twice", "a stands twice (first on line 4)"),
        ("[x]\nc = { a = 1, a = 2 }\n", 2, "config_not_toml_twice", "a stands twice. Keep"),
        ("[x]\na.b = 1\na.b = 2\n", 3, "config_not_toml", "Cannot overwrite a value"),
        ("[x]\nc = { a = 1, a.b = 2 }\n", 2, "config_not_toml", "Cannot overwrite a value"),
        ("x = { a = 1 }\n[[x]]\n", 2, "config_not_toml", "Cannot mutate immutable namespace"),
        ('[x."a, b"]\n[y]\n[x."a, b"]\n', 3, "config_not_toml_twice", '[x."a, b"] stands twice (first on line 1)'),
        ("[[x.y]]\na = 1\n[[x.y]]\na = 1\n[x.y]\na = 1\n", 5, "config_not_toml_brackets", "[[x.y]]: here and on line 1"),
        ("[x.y]\na = 1\n[z]\n[[x.y]]\na = 1\n", 4, "config_not_toml_brackets", "[[x.y]]: here and on line 1"),
        ('[x]\na = """\n[[x.y]]"""\ny = 1\n[[x.y]]\n', 5, "config_not_toml", "Cannot overwrite a value"),
        ("[" + "x" * 70 + "]\n[" + "x" * 70 + "]\n", 2, "config_not_toml_twice", "x] stands twice"),
        ("x = " + "[\n" * 100 + '"""' + '\\"' * 300_000, 101, "config_not_toml_open", "closing quotation mark"),
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


def test_a_heading_has_its_own_line_and_what_has_none_the_first_line_within_it() -> None:
    text = HEAD + '[[devices.y.groups]]\nname = "g"\n[devices.x.a]\n[devices.y]\n[nothing.at]\n'
    assert {fault.where: fault.line for fault in faults_of(text)} == {
        "devices.y.type": 6,
        "devices.y.groups.g.period_ms": 3,
        "devices.y.groups.g.tags": 3,
        "devices.x.type": 5,
        "devices.x.groups": 5,
        "nothing": 7,
    }
    (fault,) = faults_of(HEAD + "[devices]\n[devices.x]\ntemplate = 'sdm630'\n[web]\n[notify.a]\n[devices.y.z]\n")[-1:]
    assert (fault.where, fault.line) == ("devices.y.type", 8)
    faults = Faults("[devices.x]\n")
    faults.add(("devices", "y"), "devices.y", "config_key_missing")
    assert faults.found[0].line is None


def test_a_line_is_what_ends_with_a_line_feed() -> None:
    (fault,) = faults_of('# a\u2028b\x85c\r\n[gateway]\r\nname = "g"\r\nnom = 1\r\n')
    assert (fault.where, fault.line) == ("gateway.nom", 4)


@pytest.mark.parametrize(
    "text",
    [
        "[" + ".".join("a" * 100_000) + "]\nb = 1\n",
        ".".join("a" * 100_000) + " = 1\n",
        "[" + ".".join("a" * 10_000) + "]\n" + "b = 1\n" * 10_000,
        "a = [\n[" + " " * 200_000 + "1,\n2]]\n",
        'a = [ # "' + '\\"' * 200_000 + "\n]\n",
        "a = [ # " + "'" * 200_001 + "\n]\n",
        'a = ["""\n' + '\\"' * 200_000 + '\n"""]\n',
    ],
    ids=["heading", "key", "keys", "spaces", "comment", "quotes", "text"],
)
def test_lines_are_found_in_a_time_that_grows_with_the_text(text: str) -> None:
    assert line_index(text)["a", BEGINS] == 1 if text.startswith(("[a", "a.")) else line_index(text)["a",] == 1


GROUP = "[[devices.d.groups]]\nname = 'g'\nperiod_ms = 1000\n"
IN_ROW = "tags = [{ name = 't', address = 'coil:1'%s }]\n"
BY_HEADING = "[[devices.d.groups.tags]]\nname = 't'\naddress = 'coil:1'\n"


@pytest.mark.parametrize(
    ("text", "heading"),
    [
        (GROUP + "timeout_s = 3\n" + IN_ROW % "", "[devices.d]"),
        (GROUP + "unit_id = 3\n" + IN_ROW % "", "[devices.d]"),
        (GROUP + BY_HEADING + "asset = 'a'\n", "[devices.d]"),
        (GROUP + BY_HEADING + "mode = 'poll'\n", "[[devices.d.groups]]"),
        (GROUP + "host = 'i'\n" + IN_ROW % "", None),  # the device has one
        (GROUP + IN_ROW % ", asset = 'a'", None),  # no heading parts it from its tag
    ],
)
def test_an_option_below_a_heading_too_many_is_told_where_it_belongs(text: str, heading: str | None) -> None:
    (fault,) = faults_of(HEAD + "[devices.d]\ntype = 'modbus'\nhost = 'h'\n" + text)
    assert (fault.code, fault.params.get("heading")) == ("config_key_above" if heading else "config_key_unknown", heading)
    assert heading is None or f"it is an option of {heading}" in fault.text()


def test_a_file_without_its_first_section_is_told_to_write_it() -> None:
    (fault,) = faults_of("")
    assert (fault.where, fault.code) == ("gateway", "config_gateway_missing")
    assert "write [gateway]" in fault.text()
    faults = {each.where: each for each in faults_of('name = "g"\n')}
    assert (faults["name"].code, faults["name"].params["heading"], faults["name"].line) == ("config_key_above", "[gateway]", 1)


def test_a_group_of_too_many_tags_is_told_how_many_and_what_to_do() -> None:
    tags = "".join(f'{{ name = "t{at}", address = "coil:{at}" }},\n' for at in range(1025))
    (fault,) = faults_of(
        HEAD + f"[devices.d]\ntype = 'modbus'\nhost = 'h'\n[[devices.d.groups]]\nname = 'g'\nperiod_ms = 20\ntags = [{tags}]\n"
    )
    assert (fault.code, dict(fault.params)) == ("config_tags_too_many", {"count": 1025, "limit": 1024})


@pytest.mark.parametrize(
    ("tag", "where", "code"),
    [
        ('address = "holding:0", data = "string", length = 200', "length", "config_above_max"),
        ('address = "holding:0", data = "datetime_bytes", parts = 3', "parts", "config_not_text"),
        ('address = "holding:0", writable = "true", write = { min = 1 }', "writable", "config_not_bool"),
    ],
)
def test_what_was_given_and_is_wrong_is_not_said_to_be_missing(tag: str, where: str, code: str) -> None:
    (fault,) = faults_of(DEVICE % ("", tag))
    assert (fault.where.rpartition(".")[2], fault.code) == (where, code)


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


@pytest.mark.parametrize(
    ("tag", "where"),
    [
        ('address = "holding:0", data = "uint64", missing = [1, 18446744073709551616]', "devices.d.groups.g.tags.t.missing.1"),
        ('address = "holding:0", scale = ' + "9" * 400, "devices.d.groups.g.tags.t.scale"),
        ('address = "holding:0", scale = -9223372036854775809', "devices.d.groups.g.tags.t.scale"),
        ('address = "holding:0", colour = 0x' + "f" * 100_000, "devices.d.groups.g.tags.t.colour"),
    ],
)
def test_a_whole_number_of_more_than_64_bits_is_said_with_its_place_and_line(tag: str, where: str) -> None:
    with pytest.raises(ConfigError) as refused:
        accept_config(DEVICE % ("", tag))
    (fault,) = refused.value.faults
    assert (fault.where, fault.code, fault.line) == (where, "config_number_long", 10)
    accept_config(DEVICE % ("", 'address = "holding:0", data = "uint64", missing = [0, 18446744073709551615]'))


def test_a_number_that_python_does_not_read_is_found_behind_a_text_and_a_comment_of_digits() -> None:
    digits = "1" * 5_000
    text = DEVICE % (f'# {digits}\nasset = "{digits}"\nport = {digits[:-1]}_1', 'address = "holding:0"')
    assert [(fault.code, fault.line) for fault in faults_of(text)] == [("config_number_long", 8)]


def test_a_number_that_python_does_not_read_is_found_in_a_time_that_grows_with_the_line() -> None:
    text = DEVICE % (f"colour = [{'1,' * 400_000}{'1' * 5_000}]", 'address = "holding:0"')
    began = time.process_time()
    assert [(fault.code, fault.line) for fault in faults_of(text)] == [("config_number_long", 6)]
    assert time.process_time() - began < 2


@pytest.mark.parametrize("data", ["float32", "int16"])
def test_a_mark_that_no_float_holds_is_refused_where_it_is_not_put_in_force_either(data: str) -> None:
    (fault,) = faults_of(DEVICE % ("", f'address = "holding:0", data = "{data}", missing = [{"9" * 400}]'))
    assert fault.code == "config_missing_value"
