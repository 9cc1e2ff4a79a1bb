"""Alarms as pages say them: the banner, conditions, figures, and what happened in a shift."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from ledger_client.kinds import INTENT, Kind
from runtime.acts import Act, Outcome, command_detail
from runtime.alarms.condition import CONDITIONS
from runtime.alarms.machine import Shown
from runtime.alarms.metrics import Raise, figures
from runtime.alarms.view import alarm_row
from runtime.faces.web import alarm_lines
from runtime.faces.web.handover_pages import PAGES_MAX, PER_PAGE, entries_since, sections_of
from runtime.faces.web.trend_view import trend_of
from runtime.messages.alarm_words import happening_text
from runtime.messages.page_reader import PageReader
from runtime.permissions import Actor, Role
from tests.unit.runtime.alarms.test_notify_plan import waiting

MANY = PAGES_MAX * PER_PAGE
STATES = dict.fromkeys((each.value for each in Shown), 0)


def told(waits: dict[str, int], **states: int) -> dict[str, Any]:
    summary = {"defined": 9, "waiting": {"high": 0, "medium": 0, "low": 0} | waits, "states": STATES | states, "newest": None}
    return {"summary": summary, "rows": []}


@pytest.mark.parametrize(
    ("alarms", "level", "text"),
    [
        (told({}), "quiet", "No alarm waits"), (told({}, shelved=2), "quiet", "No alarm waits · 2 shelved"),
        (told({}, acked=1), "known", "No alarm waits · 1 active, acknowledged"), (told({"low": 1}), "warn", "1 alarm waits"),
        (told({"high": 1, "low": 4}), "alarm", "5 alarms wait"),
    ],
)  # fmt: skip
def test_the_banner_says_how_many_wait_and_how_bad_it_is(alarms: dict[str, Any], level: str, text: str) -> None:
    found = alarm_lines.banner(alarms, "en")
    assert found is not None
    assert (found.level, found.text) == (level, text)


@pytest.mark.parametrize("alarms", [{"summary": {}, "rows": []}, {"summary": {"defined": 0}, "rows": []}])
def test_without_alarms_there_is_no_banner(alarms: dict[str, Any]) -> None:
    assert alarm_lines.banner(alarms, "en") is None


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_every_condition_state_and_priority_is_worded(lang: str) -> None:
    row = alarm_row(waiting())
    for condition in CONDITIONS:
        assert "alarm." not in alarm_lines.about_text(row | {"condition": condition, "tag": "a/b", "limit": 80.0}, lang)
    for state in Shown:
        assert "alarm." not in alarm_lines.state_text(row | {"state": state.value}, lang)
    line = alarm_lines.alarm_line(row | {"value": 81.23456789, "tag": "a/b", "unit": "V", "shelve_max_min": 60}, lang)
    assert (line.value, line.shelf, line.waits) == ("81.2346 V", (10, 30, 60), True)


@pytest.mark.parametrize(("lang", "yes", "no"), [("en", "yes", "no"), ("zh", "是", "否")])
def test_what_is_one_of_two_is_yes_or_no(lang: str, yes: str, no: str) -> None:
    row = alarm_row(waiting()) | {"condition": "equals", "tag": "door/open", "limit": True, "value": False}
    assert alarm_lines.alarm_line(row, lang).value == no
    assert yes in alarm_lines.about_text(row, lang)
    happened = {"name": "a", "what": "raised", "value": True, "limit": False, "by": "", "note": "", "hidden": 0}
    said = happening_text(happened, lang)
    assert yes in said
    assert no in said
    assert "rue" not in said + alarm_lines.about_text(row, lang)


def test_few_alarms_prove_nothing_and_many_do() -> None:
    few = alarm_lines.figures(figures([Raise("a", 5, "high")], [], 0, 86_400_000), "en")
    assert [each.verdict for each in few] == ["is_good", "is_good", "is_good", "few", "is_good", "is_good", "few"]
    many = alarm_lines.figures(figures([Raise("a", i * 1000, "high") for i in range(200)], [("a", -1)], 0, 86_400_000), "en")
    assert [each.verdict for each in many] == ["is_not", "is_not", "is_good", "is_not", "is_not", "is_good", "is_not"]


def test_a_shift_is_sorted_by_what_it_is_about() -> None:
    act = bytes(16)
    rows = [
        [9, 90, Kind.COMMAND, (act, INTENT, "device.write", 3, bytes(32)), [], None],
        [8, 80, Kind.COMMAND, (act, 1, "done", 3, bytes(32)), [], None],
        [7, 70, Kind.COMMAND, (act, INTENT, "alarm.ack", 3, bytes(32)), [], b"no such body"],
        [6, 60, Kind.EVENT, ("https://witnessmark.example/event/alarms", 1, bytes(32), 3), [], None],
        [5, 50, Kind.EVENT, ("https://witnessmark.example/event/model", 1, bytes(32), 3), [], None],
        [4, 40, Kind.CONFIG, (2, 1, bytes(32), "cli", "why"), [], None],
        [3, 30, Kind.CLOSE, ("stopped",), [], None],
    ]
    found = {section.code: [seq for _, seq, _ in section.lines] for section in sections_of(rows, "en")}
    assert found == {
        "handover.writes": [9], "handover.acts": [7], "handover.models": [5], "handover.config": [4], "handover.gaps": [3],
    }  # fmt: skip


def test_an_act_of_the_shift_is_one_line_with_its_end() -> None:
    nina = Actor("nina", frozenset({Role.TECHNICIAN}), "464360f1", fresh=True, kind="person")
    act = Act(bytes(16), "web", nina, "command.confirm", "filler/speed", {"nonce": "6965", "value": 80, "old": 90}, None, "new shift")
    ended = Outcome("done", {"read_back": 80})
    rows = [
        [8, 80, Kind.COMMAND, command_detail(act.id, 1, "done", ended.body()), [], ended.body()],
        [7, 70, Kind.COMMAND, command_detail(act.id, 0, act.action, act.intent_body()), [], act.intent_body()],
    ]
    reader = PageReader(units={"filler/speed": "%"})
    writes = sections_of(rows, "en", reader)[0]
    assert writes.lines == [(70, 7, "Set filler/speed from 90 % to 80 %. By nina: new shift. Done; read back: 80 %.")]
    marks = [[seq, at, kind, detail, told] for seq, at, kind, detail, _, told in reversed(rows)]
    nothing = {
        "t0": 0,
        "t1": 99,
        "width_ms": 0,
        "pens": [],
        "gaps": [],
        "marks_left_out": 0,
        "outcomes": [],
        "outcomes_read": True,
        "gaps_until": None,
        "marks_until": None,
    }
    (mark,) = trend_of({**nothing, "marks": marks}, {}, "en", reader).marks
    assert (mark.sort, mark.text) == ("command", writes.lines[0][2]), "the same words beside the trend"
    late = {**nothing, "marks": marks[:1], "outcomes": [marks[1][3:5]]}
    assert trend_of(late, {}, "en", reader).marks[0].text == mark.text, "it ended after the time that is shown"
    (unread,) = trend_of({**nothing, "marks": marks[:1], "outcomes_read": False}, {}, "en", reader).marks
    assert unread.text == "Set filler/speed from 90 % to 80 %. By nina: new shift.", "how it ended was not looked for to the end"
    (waits,) = trend_of({**nothing, "marks": marks[:1]}, {}, "en", reader).marks
    assert waits.text.endswith("Nobody knows yet.")


@pytest.mark.parametrize(
    ("count", "since_ms", "found", "cut_ms"), [(MANY + 1, 0, MANY, 1), (MANY + 1, 10, MANY - 9, None), (30, 0, 30, None)]
)
def test_a_shift_with_more_than_fits_says_from_when_on_it_is_told(count: int, since_ms: int, found: int, cut_ms: int | None) -> None:
    async def ask(asked: dict[str, Any]) -> list[tuple[int, int]]:
        end = count if asked["before"] is None else asked["before"]
        return [(seq, seq) for seq in range(end - 1, max(end - 1 - asked["limit"], -1), -1)]

    rows, cut = asyncio.run(entries_since(ask, since_ms))
    assert (len(rows), cut) == (found, cut_ms)
