"""Every template against its recordings, and what a device becomes that uses one."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

from drivers.option_error import OptionError
from drivers.templates import Library, Template, built_in_names, expanded, parse_template, try_template
from drivers.templates.trial import registers_of
from runtime.commissioning.drafts import toml_of
from runtime.config import parse_config
from runtime.config_faults import ConfigError
from runtime.messages.catalogue import word

HEAD = '[gateway]\nname = "g"\n'


@pytest.mark.parametrize("name", built_in_names())
def test_what_is_recorded_reads_as_it_must(name: str) -> None:
    template = Library().find(name).template
    for trial in try_template(template):
        assert trial.faults == ()
        assert trial.tags >= 4


def test_the_devices_that_were_promised_are_there() -> None:
    wanted = {
        "sunspec-inverter",
        "sunspec-meter",
        "sdm120",
        "sdm630",
        "iem3155",
        "pac2200",
        "em24",
        "atv312",
        "fc51",
        "plc-mixed",
        "packml",
    }
    assert wanted <= set(built_in_names())


@pytest.mark.parametrize("name", [name for name in built_in_names() if name != "packml"])
def test_a_recording_that_differs_is_told(name: str) -> None:
    """Each byte of the answers matters to some tag, or the trial shows too little."""
    template = Library().find(name).template
    recorded = template.recorded[0]
    told = whole = 0
    for at, (asked, answered) in enumerate(recorded.frames):
        for place in range(4, len(answered), 8):
            other = answered[:place] + f"{int(answered[place], 16) ^ 8:x}" + answered[place + 1 :]
            frames = [*recorded.frames[:at], [asked, other], *recorded.frames[at + 1 :]]
            changed = template.model_copy(update={"recorded": [recorded.model_copy(update={"frames": frames})]})
            told += bool(try_template(changed)[0].faults)
            whole += 1
    assert told > whole * 0.3


@pytest.mark.parametrize(
    ("frames", "why"),
    [
        ([["0300000001", "03020001"]], None),
        ([["0300000002", "03020001"]], "belong"),
        ([["0300000001", "04020001"]], "belong"),
        ([["0600000001", "0600000001"]], "6"),
        ([["zz", "03"]], "hex"),
    ],
)
def test_frames_are_taken_apart_strictly(frames: list[list[str]], why: str | None) -> None:
    if why is None:
        assert registers_of(frames) == {("holding", 0): 1}
    else:
        with pytest.raises((ValueError, KeyError), match=why):
            registers_of(frames)


def small(**more: Any) -> Template:
    tags = [{"name": "a", "address": "holding:+1", "unit": "V"}, {"name": "b", "address": "{table}:7"}]
    recorded = [{"name": "r", "made": "made up", "values": {}}]
    raw = {
        "title": "t",
        "source": ["s"],
        "type": "modbus",
        "parameters": {"base": 10, "table": "input"},
        "device": {"word_order": "little"},
    }
    return parse_template({**raw, "groups": [{"name": "g", "period_ms": 1000, "tags": tags}], "recorded": recorded, **more})


def test_what_the_device_says_stands_above_its_template() -> None:
    group = {"name": "g", "period_ms": 500, "tags": [{"name": "m1_a", "unit": "kV"}, {"name": "c", "address": "holding:1"}]}
    own = {"template": "x", "host": "h", "prefix": "m1_", "parameters": {"base": 100}, "without": ["b"], "word_order": "big"}
    tags = [{"name": "m1_a", "address": "holding:101", "unit": "kV"}, {"name": "c", "address": "holding:1"}]
    assert expanded({**own, "groups": [group, {"name": "h"}]}, small()) == {
        "type": "modbus", "word_order": "big", "host": "h", "groups": [{"name": "g", "period_ms": 500, "tags": tags}, {"name": "h"}],
    }  # fmt: skip


def test_one_template_serves_two_devices_without_a_trace_of_the_other() -> None:
    template = small()
    first = expanded({"groups": [{"name": "g", "tags": [{"name": "a", "unit": "kV"}]}]}, template)
    assert first["groups"][0]["tags"][0]["unit"] == "kV"
    assert expanded({}, template)["groups"][0]["tags"][0] == {"name": "a", "address": "holding:11", "unit": "V"}


@pytest.mark.parametrize(
    ("own", "code"),
    [
        ({"parameters": {"base": "1"}}, "template_parameter"),
        ({"parameters": {"other": 1}}, "template_parameter"),
        ({"parameters": 1}, "template_keys"),
        ({"without": ["z"]}, "template_without"),
        ({"without": "a"}, "template_keys"),
        ({"groups": [1]}, "template_keys"),
        ({"groups": [{"name": "g", "tags": 1}]}, "template_keys"),
        ({"prefix": 1}, "template_keys"),
    ],
)
def test_a_use_that_cannot_be_is_refused(own: dict[str, Any], code: str) -> None:
    with pytest.raises(OptionError) as refused:
        expanded(own, small())
    assert refused.value.code == code


def test_a_config_that_names_a_template_is_the_config_that_spells_it_out() -> None:
    text = HEAD + '[devices.m]\ntemplate = "sdm630"\nhost = "10.0.0.9"\nprefix = "main_"\nwithout = ["total_energy"]\n'
    text += '[[devices.m.groups]]\nname = "fast"\nperiod_ms = 500\n'
    short = parse_config(text).devices[0]
    assert short.groups[0].period_ms == 500
    assert "main_voltage_l1" in [tag.name for tag in short.groups[0].tags]
    assert "main_total_energy" not in [tag.name for group in short.groups for tag in group.tags]
    raw = expanded(tomllib.loads(text)["devices"]["m"], Library().find("sdm630").template)
    assert parse_config(HEAD + toml_of("m", raw, ["a comment"])).devices[0] == short


@pytest.mark.parametrize("name", built_in_names())
def test_a_template_that_is_shown_is_a_configuration(name: str) -> None:
    template = Library().find(name).template
    where = {"endpoint": "opc.tcp://h:4840"} if template.type == "opcua" else {"host": "h"}
    device = parse_config(HEAD + toml_of("a b", expanded(where, template), []).replace('"a b"', "ab")).devices[0]
    assert device.type == template.type


@pytest.mark.parametrize(
    ("lines", "where", "code"),
    [
        ('template = "sdm99"', "devices.m.template", "template_unknown"),
        ('template = "../sdm630"', "devices.m.template", "config_name_shape"),
        ('template = "sdm630"\ntype = "opcua"', "devices.m.template", "template_type"),
        ('template = "sdm630"\nwithout = ["z"]', "devices.m.template", "template_without"),
        ('template = "sdm630"\nhost = 5', "devices.m.host", "config_not_text"),
        ('prefix = "x_"\ntype = "modbus"\nhost = "h"\ngroups = []', "devices.m.prefix", "config_key_unknown"),
    ],
)
def test_faults_of_a_use_are_named(lines: str, where: str, code: str) -> None:
    with pytest.raises(ConfigError) as found:
        parse_config(HEAD + "[devices.m]\n" + lines + "\n")
    assert (where, code) in [(fault.where, fault.code) for fault in found.value.faults]


@pytest.mark.parametrize(("name", "meant"), [("sdm-120", "sdm120"), ("SDM630", "sdm630"), ("mine1", "mine"), ("quite_another", "")])
def test_a_name_that_is_nearly_right_is_asked_about(tmp_path: Path, name: str, meant: str) -> None:
    (tmp_path / "mine.toml").write_text("")
    with pytest.raises(OptionError) as unknown:
        Library(tmp_path).find(name)
    said = word(unknown.value.code, unknown.value.params)
    assert (f"There is no template {name} (did you mean {meant}?): " if meant else f"There is no template {name}: ") in said


@pytest.mark.parametrize(
    "data", [b"", b"\xff", b"title = 1", b'title = "t"\nsource = ["s"]\ntype = "modbus"\ngroups = [{}]\nrecorded = []', b"[" * 5000]
)
def test_a_damaged_template_of_ones_own_is_told(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "mine.toml").write_bytes(data)
    library = Library(tmp_path)
    assert library.names()[-1] == "mine"
    with pytest.raises(OptionError) as damaged:
        library.find("mine")
    assert damaged.value.code == "template_damaged"
    for outside in ("../mine", "Mine", "", "/etc/passwd"):
        with pytest.raises(OptionError):
            library.find(outside)


def test_a_template_without_parameters_says_so() -> None:
    with pytest.raises(OptionError) as refused:
        expanded({"parameters": {"base": 1}}, small().model_copy(update={"parameters": {}}))
    assert (refused.value.code, refused.value.params) == ("template_no_parameters", {"name": "base"})
