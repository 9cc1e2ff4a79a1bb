"""The config file: every fault at once, named by device and tag and found on its line; numbers that are never reused."""

from __future__ import annotations

import contextlib
import re
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from drivers.registry import load_factory
from ledger_client.disk import RealDisk
from ledger_client.errors import FormatError
from runtime import config_model as model
from runtime.config import parse_config
from runtime.config_faults import ConfigError, Fault, line_index
from runtime.tag_ids import load_tag_ids, rebuilt
from tests.rigs.field import HEAD, device_toml, fresh_ids, points_of

EXAMPLE = (Path(__file__).parents[3] / "witnessmark.example.toml").read_text()
TOKENS = ("0", "-1", "1e400", "nan", "true", '""', '"x"', "[]", "[1]", "{}", "{ name = 1 }", '[{ name = "a" }]', "[[]]", "1979-05-27")

FAULTY = """\
[gateway]
name = "line 4"
colour = "red"

[evidence]
seal_every_s = 90
origin = "example.org/{gateway}"

[web]
host = "gateway.example"

[[anchors]]
name = "w"
url = "ftp://x"

[devices.filler]
type = "modbus"
hots = "10.0.0.1"
[[devices.filler.groups]]
name = "fast"
period_ms = 5
tags = [
  { name = "level", address = "holding:1", data = "flot32" },
  { name = "level", address = "holding:2" },
  { name = "speed", adress = "holding:3" },
  { name = "set", address = "holding:4", write = { min = 1, max = 2 } },
]
[[devices.filler.groups]]
name = "slow"
period_ms = 1000
[[devices.filler.groups.tags]]
name = "level"
address = "coil:4"
data = "float32"

[devices.press]
type = "profinet"
groups = [{ name = "a", period_ms = 100, tags = [{ name = "t" }] }]

[devices."no spaces"]
type = "modbus"
host = "h"
groups = []
"""


def faults_of(text: str) -> dict[str, tuple[str, int | None]]:
    with pytest.raises(ConfigError) as caught:
        parse_config(text)
    return {fault.where: (fault.code, fault.line) for fault in caught.value.faults}


def test_a_groups_report_rule_is_its_tags_where_they_say_nothing_else() -> None:
    text = (
        '[gateway]\nname = "g"\n[devices.d]\ntype = "modbus"\nhost = "h"\n[[devices.d.groups]]\nname = "a"\nperiod_ms = 1000\n'
        "report = { deadband_percent = 2, heartbeat_s = 5 }\ntags = [\n"
        '  { name = "t", address = "holding:1", range = { low = -50, high = 150 } },\n'
        '  { name = "u", address = "holding:2", report = { heartbeat_s = 7, deadband = 9, percent_of = "value" } },\n'
        '  { name = "v", address = "coil:3" },\n]\n'
    )
    rules = [tag.report for tag in parse_config(text).devices[0].groups[0].tags]
    assert [(r.deadband, r.deadband_share, r.heartbeat_ms) for r in rules] == [(4.0, 0.0, 5_000), (9.0, 0.02, 7_000), (0.0, 0.0, 5_000)]
    assert faults_of(text.replace(", range = { low = -50, high = 150 }", "")) == {
        "devices.d.groups.a.tags.t.report": ("config_percent_without_range", 11)
    }


def test_an_order_of_the_device_stands_in_what_is_signed_of_each_of_its_tags() -> None:
    """Without it nobody could tell the value from the bytes; what is usual is not said, so that a descriptor stays as it was."""
    tags = 'tags = [{name = "a", address = "holding:0", data = "float32"}]\n'
    text = """[gateway]\nname = "g"\n[devices.d]\ntype = "modbus"\nhost = "h"\n%s\n[[devices.d.groups]]\nname = "g"\nperiod_ms = 1000\n"""

    def source(options: str) -> str:
        return parse_config(text % options + tags).devices[0].groups[0].tags[0].source

    plain = "modbus address=holding:0 data=float32"
    assert source("") == source('word_order = "big"') == plain
    assert source('word_order = "little"') == plain.replace("modbus ", "modbus device.word_order=little ")
    both = source('word_order = "little"\nbyte_order = "little"')
    assert both == plain.replace("modbus ", "modbus device.byte_order=little device.word_order=little ")


def test_every_fault_at_once_with_names_and_lines() -> None:
    found = faults_of(FAULTY)
    lines = FAULTY.splitlines()
    for where, code, on_line in (
        ("gateway.name", "config_name_shape", 'name = "line 4"'),
        ("gateway.colour", "config_key_unknown", 'colour = "red"'),
        ("evidence.seal_every_s", "config_above_max", "seal_every_s = 90"),
        ("evidence.origin", "config_origin_epoch", 'origin = "example.org/{gateway}"'),
        ("web.host", "config_web_host", 'host = "gateway.example"'),
        ("devices.filler.hots", "config_key_unknown", 'hots = "10.0.0.1"'),
        ("devices.filler.groups.fast.period_ms", "config_below_min", "period_ms = 5"),
        ("devices.filler.groups.fast.tags.level.data", "config_not_one_of", lines[22]),
        ("devices.filler.groups.fast.tags.speed.adress", "config_key_unknown", lines[24]),
        ("devices.filler.groups.fast.tags.speed.address", "config_key_missing", lines[24]),
        ("devices.filler.groups.fast.tags.set", "config_limits_need_writable", lines[25]),
        ("devices.filler", "config_needs", "[devices.filler]"),
        ("devices.press.type", "driver_unknown", 'type = "profinet"'),
    ):
        assert found[where][0] == code, where
        line = found[where][1]
        assert line is not None
        assert lines[line - 1] == on_line, where
    assert "anchors.w.vkeys" in found
    assert "devices.no spaces.name" in found
    assert any(where.startswith("devices.filler.groups.slow.tags.level") for where in found)


WRONG_DEVICE = """\
[gateway]
name = "g"
[[anchors]]
name = "w"
type = "tlg"
[devices.d]
type = "modbus"
timeout_s = -1
[[devices.d.groups]]
name = "a"
period_ms = 5
tags = [
  { name = "x", address = "holdng:3" },
  { name = "y", address = "holding:1", data = "int17" },
  { name = "z", address = "holding:2", writable = true, write = { min = 5, max = 1 } },
  { name = "z", address = "holding:3", unit = 7 },
]
[devices.e]
type = "profinet"
[[devices.e.groups]]
name = "a"
period_ms = "fast"
tags = [{ name = "t", decimals = 99 }]
"""


def test_a_fault_of_a_device_hides_none_below_it() -> None:
    found = faults_of(WRONG_DEVICE)
    group = "devices.d.groups.a"
    assert {where: code for where, (code, _) in found.items()} == {
        "anchors.w.type": "anchor_type_unknown",
        "devices.d": "config_needs",
        "devices.d.timeout_s": "config_below_min",
        f"{group}.period_ms": "config_below_min",
        f"{group}.tags.x.address": "config_modbus_address",
        f"{group}.tags.y.data": "config_not_one_of",
        f"{group}.tags.z": "config_name_twice",
        f"{group}.tags.z.write": "config_min_above_max",
        f"{group}.tags.z.unit": "config_not_text",
        "devices.e.type": "driver_unknown",
        "devices.e.groups.a.period_ms": "config_not_int",
        "devices.e.groups.a.tags.t.decimals": "config_above_max",
    }
    assert WRONG_DEVICE.splitlines()[(found["anchors.w.type"][1] or 0) - 1] == 'type = "tlg"'


def test_a_fault_without_its_file_says_the_line_in_words() -> None:
    fault = Fault("gateway.name", "config_key_missing", {}, 4)
    assert fault.text("a.toml") == "a.toml:4: gateway.name: is missing"
    assert fault.text() == "line 4: gateway.name: is missing"
    assert replace(fault, line=None).text() == "gateway.name: is missing"
    assert replace(fault, line=None).text("a.toml") == "a.toml: gateway.name: is missing"


def test_no_english_of_a_library_in_another_language() -> None:
    for text in (FAULTY, WRONG_DEVICE):
        with pytest.raises(ConfigError) as caught:
            parse_config(text)
        for fault in caught.value.faults:
            assert fault.code != "config_value", fault
            assert not set(re.findall(r"{(\w+)}", fault.text())) - {"epoch"}, fault
            assert re.search(r"[\u4e00-\u9fff]", fault.text(lang="zh")), fault


def test_a_template_is_told_from_a_broken_file() -> None:
    text = (Path(__file__).parents[3] / "boards" / "sim" / "config.toml").read_text()
    with pytest.raises(ConfigError) as caught:
        parse_config(text)
    (fault,) = caught.value.faults
    assert (fault.code, fault.params["blank"]) == ("config_template", "{filler_port}")
    assert "{filler_port}" in text.splitlines()[(fault.line or 0) - 1]


@pytest.mark.parametrize(
    "address", ['coil:1", data = "float32', 'holding:1", data = "string', 'holding:1", bit = 3, unit = "', 'holding:65535", data = "int32']
)
def test_what_does_not_go_together_has_a_code(address: str) -> None:
    text = HEAD + '[devices.d]\ntype = "modbus"\nhost = "h"\n[[devices.d.groups]]\nname = "g"\nperiod_ms = 100\n'
    text += 'tags = [{ name = "t", address = "' + address + ('" }]\n' if address.count('"') % 2 else " }]\n")
    assert all(code != "config_value" for code, _ in faults_of(text).values())


def test_names_are_unique_and_former_names_are_gone() -> None:
    twice = HEAD + device_toml("d", {"a": (100, 1)}) + '[[devices.d.groups]]\nname = "b"\nperiod_ms = 100\n'
    twice += '[[devices.d.groups.tags]]\nname = "a0"\naddress = "holding:9"\n'
    assert faults_of(twice)["devices.d.groups.b.tags.a0"][0] == "config_name_twice"
    taken = HEAD + device_toml("d", {"a": (100, 2)}, more='was = "d/a1"\n')
    assert {code for code, _ in faults_of(taken).values()} == {"config_was_taken"}


def test_not_toml_is_one_fault_with_its_line() -> None:
    with pytest.raises(ConfigError) as caught:
        parse_config('[gateway]\nname = "x"\nname\n')
    assert [(f.code, f.line) for f in caught.value.faults] == [("config_not_toml", 3)]


def test_rows_with_tables_or_braces_inside_keep_their_lines() -> None:
    text = """[[g]]
tags = [
  { name = "a", report = { deadband = 1 }, pattern = "[0-9]{6}" },
  { name = 'b{' },  # no { row
  { name = "c" }, { name = "d" },
]
"""
    lines = line_index(text)
    assert [lines["g", 0, "tags", at] for at in range(4)] == [3, 4, 5, 5]
    assert ("g", 0, "tags", 4) not in lines


@pytest.mark.parametrize(
    "rows", ['[{ name = "a" }]', '[ # ]\n  { name = "a", names = ["]", \'[\'] },\n  # { [\n  { name = "b" }]', "[]", "[\n]"]
)
def test_a_table_after_a_list_is_no_row_of_it(rows: str) -> None:
    lines = line_index(f"[[g]]\ntags = {rows}\nreport = {{ deadband = 1 }}\n")
    assert lines["g", 0, "report"] == 3 + rows.count("\n")
    assert ("g", 0, "tags", rows.count("name = ")) not in lines


def test_the_example_is_valid_and_shows_every_option() -> None:
    text = EXAMPLE
    config = parse_config(text)
    assert {device.type for device in config.devices} == {"gpio", "manual", "modbus", "mqtt", "opcua", "replay", "virtual"}
    models: list[type[BaseModel]] = [model.Gateway, model.Evidence, model.Anchor, model.Web, model.History, model.Feed]
    models += [model.Device, model.Group, model.Tag, model.Report, model.Write]
    for factory in map(load_factory, ("gpio", "manual", "modbus", "mqtt", "opcua", "replay")):
        models += [factory.DEVICE_OPTIONS, factory.TAG_OPTIONS]
    missing = [f"{each.__name__}.{key}" for each in models for key in each.model_fields if not re.search(rf"\b{key}\b", text)]
    assert not missing


@given(st.text(max_size=300))
def test_any_text_is_a_config_or_a_config_error(text: str) -> None:
    line_index(text)
    with contextlib.suppress(ConfigError):
        parse_config(text)


@given(
    st.lists(st.tuples(st.integers(0, 200), st.sampled_from(("drop", "twice", "value")), st.sampled_from(TOKENS)), min_size=1, max_size=4)
)
def test_a_mutated_config_is_a_config_or_a_list_of_faults(changes: list[tuple[int, str, str]]) -> None:
    lines = EXAMPLE.splitlines()
    for at, how, token in changes:
        i = at % len(lines)
        key, equals, _ = lines[i].partition("=")
        lines[i] = {"drop": "", "twice": lines[i] + "\n" + lines[i], "value": f"{key}= {token}" if equals else lines[i]}[how]
    with contextlib.suppress(ConfigError):
        parse_config("\n".join(lines))


def test_a_number_survives_rename_removal_and_a_lost_file(tmp_path: Path) -> None:
    disk, ids = RealDisk(), fresh_ids()
    first = points_of(device_toml("d", {"a": (100, 2)}), ids=ids)
    uids = {tag.name: tag.uid for group in first["d"].groups for tag in group.tags}
    renamed = device_toml("d", {"a": (100, 1)}) + '[[devices.d.groups.tags]]\nname = "torque"\nwas = "d/a1"\naddress = "holding:1"\n'
    second = points_of(renamed, ids=ids)
    assert [tag.uid for tag in second["d"].groups[0].tags] == [uids["a0"], uids["a1"]]
    third = points_of(device_toml("d", {"a": (100, 2)}), ids=ids)
    assert third["d"].groups[0].tags[1].uid not in uids.values(), "the old name is a new tag now"
    assert points_of(renamed, ids=ids)["d"].groups[0].tags[1].uid == uids["a1"], "applying it again changes nothing"

    kept = rebuilt(disk, tmp_path, [(row[0], row[1]) for row in ids.tags.rows()], [(row[0], row[1]) for row in ids.groups.rows()])
    kept.save()
    again = load_tag_ids(disk, tmp_path)
    assert again is not None
    assert again.tags.rows() == ids.tags.rows()
    assert again.tags.following == ids.tags.following
    data = (tmp_path / "tags.cbor").read_bytes()
    (tmp_path / "tags.cbor").write_bytes(data[:-1])
    with pytest.raises(FormatError):
        load_tag_ids(disk, tmp_path)


def test_a_fault_in_one_formula_hides_no_missing_tag_and_no_circle_of_the_others() -> None:
    text = """[gateway]
name = "g"
[devices.sums]
type = "virtual"
[[devices.sums.groups]]
name = "g"
period_ms = 1000
tags = [
  { name = "broken", formula = "1 +" },
  { name = "lost", formula = "[sums/none] + [odd/none]", unit = 5 },
  { name = "of_broken", formula = "[sums/broken] + [vague/any]" },
  { name = "a", formula = "[sums/b]" },
  { name = "b", formula = "[sums/a]" },
]
[devices.odd]
type = "modbus"
host = "h"
port = "x"
[[devices.odd.groups]]
name = "g"
period_ms = 1000
tags = [{ name = "t", address = "holding:1", writable = true, write = { interlock = [{ tag = "odd/gone", equals = 1 }] } }]
[devices.vague]
type = "modbus"
template = "no-such"
"""
    with pytest.raises(ConfigError) as caught:
        parse_config(text)
    tags = "devices.sums.groups.g.tags"
    assert {(fault.where, fault.code, fault.params.get("tag", "")) for fault in caught.value.faults} == {
        (f"{tags}.broken.formula", "config_formula_unexpected", ""),
        (f"{tags}.lost.unit", "config_not_text", ""),
        (f"{tags}.lost.formula", "config_formula_unknown", "sums/none"),
        (f"{tags}.lost.formula", "config_formula_unknown", "odd/none"),
        (f"{tags}.a.formula", "config_formula_circle", ""),
        ("devices.odd.port", "config_not_int", ""),
        ("devices.odd.groups.g.tags.t.write", "config_interlock_unknown", "odd/gone"),
        ("devices.vague.template", "template_unknown", ""),
    }


def test_a_text_of_the_wrong_shape_is_told_the_pattern() -> None:
    with pytest.raises(ConfigError) as caught:
        parse_config('[gateway]\nname = "g"\n[web]\nverifier = "gross"\n')
    assert [(fault.code, fault.params["pattern"]) for fault in caught.value.faults] == [("config_shape", "^(https://[!-~]+)?$")]
