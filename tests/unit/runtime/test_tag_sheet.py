"""Tags as a table and back: nothing lost, nothing guessed, nothing that a spreadsheet would run, every fault at its cell."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import re
import tomllib
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from drivers.modbus.tag_options import TagOptions
from runtime.cli.app import make_app
from runtime.commissioning.tag_tables import judged
from runtime.tag_sheet.cells import needed_options, option_kinds
from runtime.tag_sheet.into_config import Change, edited
from runtime.tag_sheet.rows import NAME, columns_of, table_of
from runtime.tag_sheet.sheet import FORMULA_BEGINS, SheetError, read_sheet, sheet_bytes
from runtime.tags_in_text import with_groups

KINDS = option_kinds(TagOptions)
KNOWN = columns_of(KINDS)
CONFIG = """# the plant
[gateway]
name = "g"

[devices.m]
type = "modbus"  # the meter
host = "h"

[[devices.m.groups]]
name = "fast"
period_ms = 1000
tags = [
  # mains
  { name = "L1.U", address = "holding:0", unit = "V", scale = 0.1 },  # phase 1
  { name = "b", address = "holding:1", report = { deadband = 0.5 }, missing = [65535, 32768] },
]

[[devices.m.groups]]
name = "slow"
period_ms = 60000
tags = [{ name = "c", address = "holding:2", data = "bool", unit = "°C" }, { name = "d", address = "400005" }]

[devices.other]
type = "modbus"
host = "h"
[[devices.other.groups]]
name = "g"
period_ms = 1000
tags = [{ name = "x", address = "holding:0" }]
"""

texts = st.text(max_size=12) | st.text(alphabet="=+-@'\";,\t\r\n ﻿＝0 a功", max_size=8)
options = st.fixed_dictionaries(
    {"address": texts.filter(bool)},
    optional={
        "data": texts.filter(bool),
        "unit": texts,
        "scale": st.floats(allow_nan=False, allow_infinity=False) | st.integers(-5, 5),
        "decimals": st.integers(-3, 3),
        "writable": st.booleans(),
        "was": texts.filter(bool),
        "missing": st.lists(st.integers() | texts, min_size=1, max_size=3) | st.just("nan"),
        "report": st.fixed_dictionaries({}, optional={"on_change": st.booleans(), "deadband": st.floats(0, 1e9)}).filter(bool),
        "instrument": st.fixed_dictionaries({}, optional={"serial": texts.filter(bool), "due": st.dates()}).filter(bool),
        "write": st.fixed_dictionaries({}, optional={"max": st.floats(0, 1e9), "interlock": st.just([{"tag": "m/=b"}])}).filter(bool),
    },
)
names = st.text(max_size=10).map(str.strip).filter(bool) | st.sampled_from(["=1+1", "-a", "'a", "L1;U", 'a"b', "功率", "+1,-2"])


@st.composite
def devices(draw: st.DrawFn) -> dict[str, Any]:
    tags = draw(st.lists(st.tuples(names, options), min_size=1, max_size=5, unique_by=lambda each: each[0]))
    groups: dict[str, list[dict[str, Any]]] = {}
    for name, more in tags:
        groups.setdefault(draw(st.sampled_from(["fast", "=slow"])), []).append({"name": name, **more})
    return {"groups": [{"name": name, "period_ms": 1000, "tags": rows} for name, rows in groups.items()]}


def exported(device: dict[str, Any], uids: dict[str, int] | None = None, **more: bool) -> bytes:
    columns, rows = table_of(device, KINDS, needed_options(TagOptions), uids or {}, every=more.pop("every", False))
    return sheet_bytes(columns, rows, **more)


def taken(device: dict[str, Any], data: bytes, uids: dict[str, int] | None = None, **more: Any) -> Change:
    sheet = read_sheet(data, KNOWN, NAME, more.pop("encoding", None))
    return edited("m", device, sheet, KINDS, uids or {}, **more)


def outcome(change: Change) -> tuple[Any, ...]:
    return change.added, change.changed, change.renamed, change.removed, [fault.text() for fault in change.faults]


def sheet_of(*lines: str) -> bytes:
    return "\r\n".join(lines).encode()


@given(devices(), st.booleans(), st.booleans(), st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "gb18030"]))
def test_what_was_exported_comes_back_as_it_was(device: dict[str, Any], semicolons: bool, every: bool, encoding: str) -> None:
    text = exported(device, semicolons=semicolons, every=every).decode("utf-8-sig")
    try:
        data = text.encode(encoding)
    except UnicodeEncodeError:
        return
    named = "gbk" if encoding == "gb18030" and not text.isascii() else None
    change = taken(device, data, encoding=named)
    assert outcome(change) == ([], [], {}, [], [])
    assert change.groups == device["groups"]


@given(devices())
def test_an_empty_configuration_with_the_rows_becomes_the_same(device: dict[str, Any]) -> None:
    found = taken({"groups": []}, exported(device)).groups
    meant = [{**group, "tags": [plain(tag) for tag in group["tags"]]} for group in device["groups"]]
    assert sorted(found, key=lambda group: group["name"]) == sorted(meant, key=lambda group: group["name"])


def plain(tag: dict[str, Any]) -> dict[str, Any]:
    """Return a tag without what says nothing: an empty text is no cell."""
    return {key: value for key, value in tag.items() if value != ""}


@given(devices(), st.booleans())
def test_no_cell_begins_as_a_formula_whatever_separates_them(device: dict[str, Any], semicolons: bool) -> None:
    text = exported(device, semicolons=semicolons).decode("utf-8-sig")
    for separator in (",", ";", "\t"):
        for row in csv.reader(io.StringIO(text, newline=""), delimiter=separator):
            for cell in row:
                bare = cell.strip(" ")
                number = re.fullmatch(r"-?[0-9.,]+(e[+-]?[0-9]+)?", bare)
                assert number or bare[:1] not in FORMULA_BEGINS or not bare, cell


@given(st.binary(max_size=300) | st.text(max_size=200).map(lambda text: ("name;unit\r\n" + text).encode()))
def test_any_bytes_are_a_table_or_one_kind_of_error(data: bytes) -> None:
    device = tomllib.loads(CONFIG)["devices"]["m"]
    with contextlib.suppress(SheetError):
        change = taken(device, data)
        assert change.faults or change.groups


@pytest.mark.parametrize(
    ("column", "cell"),
    [
        ("scale", "9" * 5000),
        ("scale", "1e999"),
        ("decimals", "9" * 5000),
        ("missing", "[null]"),
        ("missing", "[NaN]"),
        ("missing", "[1e999]"),
        ("missing", '[{"a": [null]}]'),
        ("missing", '["\\ud800"]'),
        ("missing", "[" * 3000),
        ("write.interlock", '[{"tag": null}]'),
        ("name", '"\\ud800"'),
    ],
)
def test_what_a_configuration_cannot_say_is_a_fault_of_its_cell(column: str, cell: str) -> None:
    out = io.StringIO()
    names = {"group": "fast", "name": "b", "address": "holding:1"} | {column: cell}
    csv.writer(out).writerows([list(names), list(names.values())])
    with pytest.raises(SheetError) as caught:
        judged(CONFIG, "m", out.getvalue().encode(), {}, remove=True)
    assert [(fault.row, fault.column) for fault in caught.value.faults] == [(2, column)]
    caught.value.faults[0].text().encode()


@settings(max_examples=settings().max_examples // 3)
@given(devices(), devices())
def test_a_text_says_what_a_table_says_and_nothing_else_of_it_changes(before: dict[str, Any], after: dict[str, Any]) -> None:
    written = with_groups(CONFIG, "m", before["groups"], {})
    assert by_name(tomllib.loads(written)["devices"]["m"]) == by_name(before)
    again = with_groups(written, "m", after["groups"], {})
    assert by_name(tomllib.loads(again)["devices"]["m"]) == by_name(after)
    rest = re.sub(r"\[\[devices\.m\.groups\]\].*?(?=\[devices\.other\])", "", again, flags=re.DOTALL)
    assert rest.startswith(CONFIG[: CONFIG.index("[[")])
    assert rest.endswith(CONFIG[CONFIG.index("[devices.other]") :])


def by_name(device: dict[str, Any]) -> dict[str, Any]:
    return {group["name"]: {tag["name"]: tag for tag in group["tags"]} for group in device["groups"]}


def test_one_cell_changes_one_word_of_the_text() -> None:
    data = sheet_of("name,unit", "L1.U,kV", "b,", "c,°C", "d,")
    text, done = judged(CONFIG, "m", data, {})
    assert text == CONFIG.replace('unit = "V"', 'unit = "kV"')
    assert done["changed"] == ["L1.U"]


def test_new_moved_and_removed_tags_leave_the_others_as_they_are_written() -> None:
    data = sheet_of("group,name,address", "fast,L1.U,holding:0", "new,n,holding:9", "slow,d,400005", "slow,b,holding:1", "fast,e,holding:7")
    with pytest.raises(SheetError) as refused:
        judged(CONFIG, "m", data, {})
    assert [(fault.row, fault.code) for fault in refused.value.faults] == [(0, "sheet_tags_missing"), (3, "config_key_missing")]
    data = data.replace(b"name,address", b"name,address,period_ms").replace(b"holding:9", b"holding:9,500")
    text, done = judged(CONFIG, "m", data, {}, remove=True)
    assert (done["added"], done["changed"], done["removed"]) == (["n", "e"], ["b"], ["c"])
    assert '  # mains\n  { name = "L1.U", address = "holding:0", unit = "V", scale = 0.1 },  # phase 1\n  { name = "e", ' in text
    assert tomllib.loads(text)["devices"]["m"]["groups"][2] == {
        "name": "new", "period_ms": 500, "tags": [{"name": "n", "address": "holding:9"}],
    }  # fmt: skip


def test_every_fault_is_said_at_once_by_row_and_column() -> None:
    data = sheet_of(
        "group;name;address;scale;data;writable;tag_uid;colour;period_ms;group",
        "fast;L1.U;holding:0;0,1;float99;vielleicht;;;1000;",
        "fast;b;100;1.000;;;;;2000",
        ";b;holding:1",
        "slow;;holding:1",
        "slow;c d!;holding:70000;x;;;9;;;;more",
        "slow;d;holding:4;;;;1,5;rot",
    )
    with pytest.raises(SheetError) as refused:
        judged(CONFIG, "m", data, {})
    assert [(fault.row, fault.column, fault.code) for fault in refused.value.faults] == [
        (0, "", "sheet_tags_missing"),
        (1, "colour", "sheet_column_unknown"),
        (1, "group", "sheet_column_twice"),
        (2, "data", "config_not_one_of"),
        (2, "writable", "sheet_not_truth"),
        (3, "address", "config_modbus_ambiguous"),
        (3, "period_ms", "sheet_group_differs"),
        (3, "scale", "sheet_number_unclear"),
        (4, "name", "sheet_name_twice"),
        (5, "name", "sheet_name_missing"),
        (6, "", "sheet_cell_beyond"),
        (6, "address", "config_address_beyond"),
        (6, "name", "config_tag_name_shape"),
        (6, "scale", "sheet_not_number"),
        (6, "tag_uid", "sheet_uid_unknown"),
        (7, "tag_uid", "sheet_not_whole"),
    ]


@pytest.mark.parametrize(
    ("data", "unit", "scale"),
    [
        (b"name,unit,scale\nL1.U,kV,0.5\n", "kV", 0.5),
        (b"\xef\xbb\xbfname,unit,scale\r\nL1.U,kV,0.5", "kV", 0.5),
        (b"name;unit;scale\rL1.U;kV;0,5\r", "kV", 0.5),
        (b"sep=;\r\nName;Unit;SCALE\r\n'L1.U;kV;,5\r\n\r\n;;\r\n", "'kV", 0.5),
        ("name\tunit\tscale\r\nL1.U\t功率\t-1,5E+03\r\n".encode("utf-16"), "功率", -1500.0),
        ("name\tunit\tscale\r\nL1.U\tkW\t12.5\r\n".encode("utf-16-le"), "kW", 12.5),
        ("name,unit,scale\r\nL1.U,千瓦,2\r\n".encode("gbk"), "千瓦", 2),
        ("name,unit,scale\r\nL1.U,℃,1e-3\r\n".encode("gbk"), "℃", 1e-3),
        ("name,unit,scale\r\nL1.U,°C,2.0\r\n".encode("cp1252"), "°C", 2.0),
        (b'name,unit,scale,# note\r\nL1.U,"=kV",1.25,"a\nb"\r\n', "=kV", 1.25),
        (b"name,unit,scale\r\nL1.U,'=kV, 2 \r\n", "=kV", 2),
    ],
)
def test_what_spreadsheets_write_is_read(data: bytes, unit: str, scale: float) -> None:
    device = tomllib.loads(CONFIG)["devices"]["m"]
    data = data.replace(b"'L1.U", b"L1.U").replace(b"kV;,5", b"'kV;,5")
    change = taken(device, data, remove=True)
    assert not change.faults
    assert (change.groups[0]["tags"][0]["unit"], change.groups[0]["tags"][0]["scale"]) == (unit, scale)


@pytest.mark.parametrize(
    ("cell", "separator", "code"),
    [
        ("1,234", ",", "sheet_number_unclear"),
        ("0,5", ",", "sheet_number_comma"),
        ("1.234", ";", "sheet_number_unclear"),
        ("1.234,5", ";", "sheet_not_number"),
        ("1.234", "\t", "sheet_number_unclear"),
        ("1 000", ";", "sheet_not_number"),
        ("nan", ";", "sheet_not_number"),
        ("1e5e", ";", "sheet_not_number"),
    ],
)
def test_a_number_that_may_be_another_is_refused(cell: str, separator: str, code: str) -> None:
    data = f'name{separator}scale\nL1.U{separator}"{cell}"\n'.encode()
    change = taken(tomllib.loads(CONFIG)["devices"]["m"], data, remove=True)
    assert [(fault.row, fault.column, fault.code) for fault in change.faults] == [(2, "scale", code)]


@pytest.mark.parametrize(
    ("cell", "day"),
    [("2027-03-01", "2027-03-01"), ("2027/3/1", "2027-03-01"), ("1.3.2027", "2027-03-01"), ("1/3/2027", ""), ("31.2.2027", "")],
)
def test_days_are_read_where_they_can_only_be_one(cell: str, day: str) -> None:
    change = taken(tomllib.loads(CONFIG)["devices"]["m"], sheet_of("name,instrument.due", f"L1.U,{cell}"), remove=True)
    if not day:
        assert [(fault.row, fault.column, fault.code) for fault in change.faults] == [(2, "instrument.due", "sheet_not_day")]
        return
    assert change.groups[0]["tags"][0]["instrument"] == {"due": date.fromisoformat(day)}
    text = with_groups(CONFIG, "m", change.groups, {})
    assert f"due = {day}" in text


def test_bytes_that_may_be_two_encodings_are_not_guessed() -> None:
    both = "name,unit\nL1.U,Größe\n".encode("cp1252")
    with pytest.raises(SheetError, match="more than one other encoding"):
        read_sheet(both, KNOWN, NAME)
    assert read_sheet(both, KNOWN, NAME, "windows-1252").rows[0][1]["unit"] == "Größe"
    with pytest.raises(SheetError, match="is not utf-8"):
        read_sheet(both, KNOWN, NAME, "utf-8")


UIDS = {"m/L1.U": 1, "m/b": 2, "m/c": 3, "m/d": 4, "m/gone": 5, "other/x": 6}


def numbered(*rows: str, remove: bool = False) -> tuple[Change, list[str]]:
    change = taken(tomllib.loads(CONFIG)["devices"]["m"], sheet_of("tag_uid,name,address", *rows), UIDS, remove=remove)
    return change, [fault.code for fault in change.faults]


def test_a_number_with_another_name_is_a_rename() -> None:
    change, faults = numbered("1,U1,holding:0", "2,b,holding:1", "3,c,holding:2", "4,d,400005")
    assert (change.renamed, faults) == ({"U1": "L1.U"}, [])
    assert change.groups[0]["tags"][0] == {"name": "U1", "address": "holding:0", "unit": "V", "scale": 0.1, "was": "m/L1.U"}


@pytest.mark.parametrize(
    ("rows", "faults"),
    [
        (("1,b,holding:0", "2,L1.U,holding:1"), ["sheet_uid_other", "sheet_uid_other"]),  # two that swap names
        (("1,L1.U,holding:0", "1,U2,holding:5"), ["sheet_group_missing", "sheet_uid_unknown"]),  # a copied row
        (("1,U1,holding:0", "1,U2,holding:5"), ["sheet_group_missing", "sheet_uid_twice"]),
        (("6,x,holding:0",), ["sheet_group_missing", "sheet_uid_unknown"]),  # another device's
        (("1,gone,holding:0",), ["sheet_group_missing", "sheet_uid_other"]),  # a name that has a number of its own
        (("99,U9,holding:0",), ["sheet_group_missing", "sheet_uid_unknown"]),
    ],
)
def test_numbers_that_contradict_names_are_refused(rows: tuple[str, ...], faults: list[str]) -> None:
    assert sorted(numbered(*rows, remove=True)[1]) == faults


def run(folder: Path, *arguments: str) -> tuple[int, Any]:
    place = ("--config", str(folder / "c.toml"), "--state", str(folder / "none"), "--json")
    done = CliRunner().invoke(make_app(), ["tags", *arguments, *place])
    return done.exit_code, json.loads(done.stdout)


def test_the_verb_writes_a_file_and_only_when_all_is_right(tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text(CONFIG, encoding="utf-8")
    table = tmp_path / "t.csv"
    assert run(tmp_path, "export", "m", str(table))[1]["tags"] == 4
    assert run(tmp_path, "export", "m", str(table))[1]["error"] == "tags_file_exists"
    assert run(tmp_path, "import", "m", str(table)) == (0, {
        "added": [], "changed": [], "renamed": {}, "removed": [], "advice": [], "code": "tags_same",
    })  # fmt: skip
    good = table.read_bytes()
    table.write_bytes(good.replace(b"holding:0", b"holding:8").replace(b"holding:1", b"holding:x"))
    code, said = run(tmp_path, "import", "m", str(table))
    assert (code, [(fault["row"], fault["column"]) for fault in said["faults"]]) == (1, [(3, "address")])
    table.write_bytes(good.replace(b"holding:0", b"holding:8"))
    assert run(tmp_path, "import", "m", str(table), "--dry-run")[1]["changed"] == ["L1.U"]
    assert (tmp_path / "c.toml").read_text(encoding="utf-8") == CONFIG
    assert run(tmp_path, "import", "m", str(table))[1]["code"] == "tags_written"
    assert (tmp_path / "c.toml").read_text(encoding="utf-8") == CONFIG.replace(
        '"L1.U", address = "holding:0"', '"L1.U", address = "holding:8"'
    )
    assert run(tmp_path, "import", "nobody", str(table))[1]["error"] == "device_unknown"
    assert run(tmp_path, "import", "m", str(tmp_path / "no"))[1]["error"] == "tags_file_unreadable"
    assert run(tmp_path, "import", "m", str(table), "--encoding", "latin")[1]["error"] == "sheet_encoding_unknown"


def test_tags_of_a_template_are_exported_and_not_taken_in(tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text('[gateway]\nname = "g"\n[devices.m]\ntemplate = "sdm120"\nhost = "h"\n', encoding="utf-8")
    assert run(tmp_path, "export", "m", str(tmp_path / "t.csv"))[1]["tags"] == 9
    assert run(tmp_path, "import", "m", str(tmp_path / "t.csv"))[1]["error"] == "tags_of_template"


def test_a_group_of_too_many_tags_is_said_at_the_first_row_beyond_and_nothing_is_written_for_it() -> None:
    rows = [f"fast,n{n},holding:x{n}" for n in range(20_000)]  # each address wrong besides: to write and to place that took an hour
    with pytest.raises(SheetError) as caught:
        judged(CONFIG, "m", sheet_of("group,name,address", *rows), {}, remove=True)
    assert [(fault.row, fault.column, fault.code, fault.params) for fault in caught.value.faults] == [
        (1026, "group", "config_too_many", {"limit": 1024})
    ]


def test_a_fault_is_placed_at_the_innermost_tag_that_its_place_names() -> None:
    rows = ["fast,L1,holding:5", "fast,L1.U,holding:y", "slow,c,holding:2"]
    with pytest.raises(SheetError) as caught:
        judged(CONFIG, "m", sheet_of("group,name,address", *rows), {}, remove=True)
    assert (3, "address", "config_modbus_address") in [(fault.row, fault.column, fault.code) for fault in caught.value.faults]
