"""[[alarms]] in the config file: every fault at once, each at its place."""

from __future__ import annotations

import pytest

from runtime.config import parse_config
from runtime.config_faults import ConfigError
from tests.rigs.field import HEAD, device_toml

DEVICE = device_toml("a", {"fast": (100, 2)})
GOOD = '[[alarms]]\nname = "high"\ncondition = "above"\ntag = "a/fast0"\nlimit = 80\naction = "close it"\n'


def faults_of(text: str) -> list[tuple[str, str]]:
    with pytest.raises(ConfigError) as raised:
        parse_config(HEAD + DEVICE + text)
    assert all(fault.text(lang="zh") and fault.line is not None for fault in raised.value.faults)
    return [(fault.where, fault.code) for fault in raised.value.faults]


def test_a_good_alarm_and_its_defaults() -> None:
    (alarm,) = parse_config(HEAD + DEVICE + GOOD).alarms
    assert (alarm.priority, alarm.rules.on_delay_ms, alarm.shelve_max_ms, alarm.seconds) == ("low", 0, 28_800_000, 80.0)
    assert alarm.on_tag is not None
    assert alarm.on_tag.holds(81, 0, False)


@pytest.mark.parametrize(
    ("change", "where", "code"),
    [
        ('action = "close it"\n', "alarms.high", "config_alarm_no_action"),
        ("limit = 80\n", "alarms.high.limit", "config_alarm_limit_number"),
        ('tag = "a/fast0"\n', "alarms.high", "config_alarm_needs"),
        ('name = "high"\n', "alarms.0.name", "config_key_missing"),
    ],
)
def test_what_is_left_out_is_named(change: str, where: str, code: str) -> None:
    assert faults_of(GOOD.replace(change, "")) == [(where, code)]


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ('device = "a"', "config_alarm_not_for"),
        ("latching = true\nadvisory = true", "config_alarm_advisory_latches"),
        ('suppress = { tag = "a/gone", values = [1] }', "config_alarm_tag_unknown"),
        ("shelve_max_h = 25", "config_above_max"),
        ('priority = "urgent"', "config_not_one_of"),
        ("limt = 5", "config_key_unknown"),
    ],
)
def test_what_is_wrong_is_named(more: str, code: str) -> None:
    assert [found for _, found in faults_of(GOOD + more + "\n")] == [code]


@pytest.mark.parametrize(
    ("condition", "code"),
    [
        ('"device_down"\ndevice = "b"', "config_alarm_device_unknown"),
        ('"finding"\nmodel = "m"', "config_alarm_model_unknown"),
        ('"above"\nlimit = 1\ntag = "a/fast9"', "config_alarm_tag_unknown"),
        ('"stale"\nlimit = 0\ntag = "a/fast0"', "config_not_above"),
        ('"clock_untrusted"\nlimit = 3', "config_alarm_not_for"),
        ('"equals"\ntag = "a/fast0"\nlimit = 1\ndeadband = 1', "config_alarm_not_for"),
    ],
)
def test_conditions_want_what_they_are_about(condition: str, code: str) -> None:
    assert [found for _, found in faults_of(f'[[alarms]]\nname = "x"\naction = "look"\ncondition = {condition}\n')] == [code]


def test_every_fault_at_once_and_names_only_once() -> None:
    twice = GOOD + GOOD + GOOD.replace('"high"', '"low"').replace("fast0", "fast7")
    assert faults_of(twice) == [("alarms.high", "config_name_twice"), ("alarms.low.tag", "config_alarm_tag_unknown")]


def test_a_limit_of_a_text_or_bool_is_refused() -> None:
    device = DEVICE + '[[devices.a.groups.tags]]\nname = "on"\naddress = "coil:1"\n'
    with pytest.raises(ConfigError) as raised:
        parse_config(HEAD + device + GOOD.replace("fast0", "on"))
    assert [fault.code for fault in raised.value.faults] == ["config_alarm_no_number"]


def test_what_a_model_finds_is_an_advisory_until_an_action_is_named() -> None:
    models = '[[models.define]]\nname = "m"\ntags = ["a/fast0"]\n'
    finding = '[[alarms]]\nname = "odd"\ncondition = "finding"\nmodel = "m"\n'
    (alarm,) = parse_config(HEAD + DEVICE + models + finding).alarms
    assert (alarm.priority, alarm.rules.advisory) == ("advisory", True)
    (alarm,) = parse_config(HEAD + DEVICE + models + finding + 'action = "look"\npriority = "high"\n').alarms
    assert (alarm.priority, alarm.rules.advisory) == ("high", False)
