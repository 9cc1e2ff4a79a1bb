"""Whom alarms call, and when: priorities, escalation, repetition, quiet hours; and [notify] in the config file."""

from __future__ import annotations

import pytest

from runtime.alarms.alarm import Alarm
from runtime.alarms.definition import AlarmDefinition
from runtime.alarms.machine import Shown, State
from runtime.alarms.notify_plan import Calls, Target
from runtime.config import parse_config
from runtime.config_faults import ConfigError
from tests.rigs.field import HEAD, device_toml

ALL = frozenset({"low", "medium", "high"})
MAIL = """[[notify.targets]]
name = "shift"
type = "email"
host = "mail.example"
sender = "gateway@plant.example"
to = ["shift@plant.example"]
"""
HOOK = '[[notify.targets]]\nname = "desk"\ntype = "webhook"\nurl = "https://desk.example/hook"\n'
LIGHT = '[[notify.targets]]\nname = "lamp"\ntype = "light"\ntag = "b/slow0"\non = 1\noff = 0\n'
DEVICES = device_toml("a", {"fast": (100, 1)}) + device_toml("b", {"slow": (100, 1)}, more="writable = true\n")


def waiting(name: str = "x", priority: str = "low", raised_ms: int = 1, life: Shown = Shown.UNACKED) -> Alarm:
    return Alarm(AlarmDefinition(name, "above", priority=priority), State(life=life), raised_ms=raised_ms)


def names(alarms: list[Alarm]) -> list[str]:
    return [alarm.definition.name for alarm in alarms]


def test_what_was_delivered_is_told_once_and_what_failed_again() -> None:
    calls = Calls(Target("t", "email", ALL))
    assert names(calls.due([waiting()], 0, None)) == ["x"]
    assert names(calls.due([waiting()], 1_000, None)) == ["x"]
    calls.told(["x"], 1_000)
    assert calls.due([waiting()], 2_000, None) == []
    assert names(calls.due([waiting(raised_ms=2)], 3_000, None)) == ["x"], "raised again"
    assert calls.due([waiting(life=Shown.ACKED)], 4_000, None) == []
    assert calls.due([], 5_000, None) == []
    assert calls.known == {}


def test_escalation_is_for_what_waits_long_and_repeats() -> None:
    calls = Calls(Target("boss", "email", ALL, after_ms=600_000, repeat_ms=1_800_000))
    assert calls.due([waiting()], 0, None) == []
    assert calls.due([waiting(life=Shown.RETURNED)], 599_999, None) == []
    assert names(calls.due([waiting(life=Shown.RETURNED)], 600_000, None)) == ["x"]
    calls.told(["x"], 600_000)
    assert calls.due([waiting()], 2_399_999, None) == []
    assert names(calls.due([waiting()], 2_400_000, None)) == ["x"]


@pytest.mark.parametrize(
    ("quiet", "minute", "is_quiet"),
    [
        ((1320, 360), 1319, False), ((1320, 360), 1320, True), ((1320, 360), 0, True), ((1320, 360), 360, False),
        ((480, 1020), 480, True), ((480, 1020), 1020, False), ((480, 1020), None, False), (None, 5, False),
    ],
)  # fmt: skip
def test_quiet_hours_may_go_over_midnight(quiet: tuple[int, int] | None, minute: int | None, is_quiet: bool) -> None:
    assert Target("t", "email", ALL, quiet=quiet).is_quiet(minute) is is_quiet


def test_quiet_hours_hold_back_until_they_end_and_some_priorities_break_through() -> None:
    calls = Calls(Target("t", "email", frozenset({"low", "high"}), quiet=(1320, 360), quiet_breaks=frozenset({"high"})))
    alarms = [waiting("a"), waiting("b", "high"), waiting("c", "medium")]
    assert names(calls.due(alarms, 0, 1400)) == ["b"]
    calls.told(["b"], 0)
    assert names(calls.due(alarms, 1000, 361)) == ["a"]


def test_targets_of_a_good_file() -> None:
    night = 'quiet_from = "22:00"\nquiet_to = "06:00"\n'
    plan = parse_config(HEAD + DEVICES + '[notify]\nzone = "Europe/Berlin"\n' + MAIL + night + HOOK + LIGHT).notify
    assert [target.kind for target in plan.targets] == ["email", "webhook", "light"]
    assert (plan.zone, plan.targets[0].quiet, plan.targets[0].quiet_breaks) == ("Europe/Berlin", (1320, 360), {"high"})


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ('[notify]\nzone = "Mars"\n', "config_zone"),
        (MAIL + 'quiet_from = "22:00"\n', "config_alarm_quiet_half"),
        (MAIL + 'quiet_from = "25:00"\nquiet_to = "06:00"\n', "config_alarm_time"),
        (MAIL.replace("shift@", "Shift <shift@"), "config_alarm_address"),
        (MAIL.replace("gateway@plant", "gateway@plant\\nBcc: x@y"), "config_alarm_address"),
        (MAIL + 'user_file = "u"\n', "config_alarm_password_half"),
        (MAIL + 'user_file = "u"\npassword_file = "p"\nsecurity = "none"\n', "config_alarm_password_bare"),
        (MAIL + MAIL, "config_name_twice"),
        (MAIL + "prot = 25\n", "config_key_unknown"),
        (HOOK.replace("https", "http"), "config_alarm_url"),
        (HOOK.replace("https", "file"), "config_alarm_url"),
        (HOOK.replace("desk.example", "user:secret@desk.example"), "config_alarm_url"),
        (HOOK.replace("/hook", "/a b"), "config_alarm_url"),
        (HOOK.replace("/hook", ":port/"), "config_alarm_url"),
        (LIGHT.replace("b/slow0", "a/fast0"), "config_alarm_light_not_writable"),
        (LIGHT.replace("b/slow0", "b/none"), "config_alarm_tag_unknown"),
        (LIGHT.replace("light", "siren"), "config_not_one_of"),
    ],
)
def test_what_is_wrong_is_named(text: str, code: str) -> None:
    with pytest.raises(ConfigError) as raised:
        parse_config(HEAD + DEVICES + text)
    assert [fault.code for fault in raised.value.faults] == [code]
    assert all("secret" not in fault.text() for fault in raised.value.faults)
