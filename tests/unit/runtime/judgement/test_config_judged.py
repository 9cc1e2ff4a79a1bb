"""[models] in the config file: every fault at once, each at its place."""

from __future__ import annotations

import pytest

from runtime.config import parse_config
from runtime.config_faults import ConfigError
from tests.rigs.field import device_toml
from tests.rigs.small_log import key_of

KEY = key_of(50).public.cose.hex()


def faults_of(models: str) -> list[tuple[str, str]]:
    text = '[gateway]\nname = "g"\n' + models + device_toml("a", {"fast": (200, 3)}) + TEXT_TAG
    try:
        parse_config(text)
    except ConfigError as error:
        return sorted((fault.where, fault.code) for fault in error.faults)
    return []


TEXT_TAG = """
[[devices.a.groups]]
name = "words"
period_ms = 1000
[[devices.a.groups.tags]]
name = "serial"
address = "holding:70"
data = "string"
length = 4
"""
GOOD = f"""
[models]
enabled = true
trusted_keys = ["{KEY}"]
[[models.define]]
name = "line"
tags = ["a/fast0", {{ tag = "a/fast1", role = "counter", low = 0, high = 5 }}, {{ tag = "a/fast2", role = "counter" }}]
gates = [{{ tag = "a/fast0", values = [1] }}]
ratios = [{{ name = "energy per unit", over = "a/fast1", under = "a/fast2" }}]
"""


def test_a_whole_section_is_accepted() -> None:
    assert faults_of(GOOD) == []


def test_models_are_off_and_nothing_is_trusted_where_nothing_is_said() -> None:
    models = parse_config('[gateway]\nname = "g"\n').models
    assert (models.enabled, models.trusted_keys, models.unsigned_imports, models.define) == (False, [], False, [])


@pytest.mark.parametrize(
    ("before", "after", "where", "code"),
    [
        ('"a/fast0", {', '"a/none", {', "models.define.line", "config_model_tag_unknown"),
        ('"a/fast0", {', '"a/fast0", "a/serial", {', "models.define.line", "config_model_tag_text"),
        ('"a/fast0", {', '"a/fast0", "a/fast0", {', "models.define.line", "config_name_twice"),
        ('gates = [{ tag = "a/fast0"', 'gates = [{ tag = "a/other"', "models.define.line", "config_model_tag_not_in"),
        ('under = "a/fast2"', 'under = "a/x"', "models.define.line", "config_model_tag_not_in"),
        ("low = 0, high = 5", "low = 5, high = 5", "models.define.line", "config_range_order"),
        (KEY, KEY[:-2] + "0", "models.trusted_keys.0", "config_model_key_shape"),
        (KEY, "00" * 42, "models.trusted_keys.0", "cbor_invalid"),
    ],
    ids=["unknown", "text", "twice", "gate", "ratio", "range", "key", "key_content"],
)
def test_each_fault_is_named(before: str, after: str, where: str, code: str) -> None:
    assert before in GOOD
    found = faults_of(GOOD.replace(before, after, 1))
    assert (where, code) in found, found


def test_a_fault_of_a_device_makes_none_of_the_models_that_look_at_it() -> None:
    broken = GOOD + "\n" + device_toml("b", {"slow": (200, 2)}).replace("holding:1", "inptu:1") + "\n[[models.define]]\n"
    named = broken + 'name = "two"\ntags = ["b/slow0", "b/slow1"]\n'
    assert [code for _, code in faults_of(named)] == ["config_modbus_address"]
    empty = GOOD.replace('"a/fast0", {', '"c/x", "a/fast0", {', 1) + '[devices.c]\ntype = "modbus"\nhost = "h"\ngroups = []\n'
    assert "config_model_tag_unknown" not in [code for _, code in faults_of(empty)]
    assert faults_of(empty)
    assert sorted(code for _, code in faults_of(named.replace('"b/slow1"', '"b/none"'))) == [
        "config_modbus_address",
        "config_model_tag_unknown",
    ]


def test_two_models_of_one_name_and_faults_of_both_are_said_at_once() -> None:
    second = '\n[[models.define]]\nname = "line"\ntags = ["b/x"]\n'
    assert [code for _, code in faults_of(GOOD + second)] == ["config_model_tag_unknown", "config_name_twice", "config_name_twice"]
