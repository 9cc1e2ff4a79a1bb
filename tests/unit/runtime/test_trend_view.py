"""A trend on the page: nulls where there is no good number, gaps and marks in words, an act once."""

from __future__ import annotations

import json
import math
from array import array
from hashlib import sha256
from typing import Any

import msgspec
import pytest

from ledger_client.alarm_bodies import ALARMS, AlarmRow, AlarmsBody
from ledger_client.event_bodies import FINDING
from ledger_client.kinds import Kind
from runtime.faces.web.trend_view import trend_of

TAGS: dict[int, list[Any]] = {5: [5, "press/level", "press", "mm", "float64", -1, "fast", 1000, False, "line"]}


def answer(**more: Any) -> dict[str, Any]:
    numbers = array("d", [1.5, math.nan, 3.0]).tobytes()
    pen = {"uid": 5, "t": array("q", [10, 20, 30]).tobytes(), "last": numbers, "bad": array("I", [0, 2, 0]).tobytes()}
    return {
        "t0": 0,
        "t1": 99,
        "width_ms": 0,
        "pens": [pen],
        "gaps": [[]],
        "marks": [],
        "marks_left_out": 0,
        "outcomes": [],
        "outcomes_read": True,
        "gaps_until": None,
        "marks_until": None,
    } | more


def test_a_bad_reading_is_a_null_and_no_number() -> None:
    shown = json.loads(msgspec.json.encode(trend_of(answer(), TAGS, "en")))
    assert shown["pens"][0]["last"] == [1.5, None, 3.0]
    assert (shown["pens"][0]["bad"], shown["pens"][0]["low"]) == ([0, 2, 0], [])
    assert (shown["pens"][0]["name"], shown["pens"][0]["unit"]) == ("press/level", "mm")


def test_a_tag_that_is_gone_is_shown_by_its_number() -> None:
    assert trend_of(answer(), {}, "en").pens[0].name == "5"


def test_a_pen_says_the_type_of_its_values() -> None:
    assert trend_of(answer(), TAGS, "en").pens[0].type == "float64"
    assert trend_of(answer(), {}, "en").pens[0].type == ""


@pytest.mark.parametrize("lang", ["en", "zh"])
@pytest.mark.parametrize("cause", ["no_answer", "gateway_cut_off", "gateway_stopped", "evidence_behind"])
def test_gaps_say_their_cause_in_words(lang: str, cause: str) -> None:
    (gap,) = trend_of(answer(gaps=[[[10, 20, cause, 3]]]), TAGS, lang).pens[0].gaps
    assert (gap.from_ms, gap.to_ms, gap.scans) == (10, 20, 3)
    assert gap.cause != cause
    assert "{" not in gap.cause


def test_marks_have_a_sort_and_an_act_is_one_mark() -> None:
    act, nothing = bytes(16), sha256(b"").digest()
    rows = [
        [1, 10, Kind.BOOT, ["0.1.0", "sim", 1, 0], None],
        [2, 11, Kind.COMMAND, [act, 0, "setpoint.write", 0, nothing], None],
        [3, 12, Kind.COMMAND, [act, 1, "done", 0, nothing], None],
        [4, 13, Kind.EVENT, [FINDING, 1, nothing, 0], b"not a body"],
        [5, 14, Kind.EVENT, [ALARMS, 1, nothing, 0], None],
        [6, 15, Kind.EVENT, ["https://elsewhere.example/x", 9, nothing, 0], None],
        [7, 16, Kind.CONFIG, [2, 1, bytes(32), "alice", "new tag"], None],
        [8, 17, Kind.CLOCK, [1, 2, 2, 2], None],
    ]
    marks = trend_of(answer(marks=rows), TAGS, "en").marks
    assert [(mark.seq, mark.sort) for mark in marks] == [
        (1, "boot"), (2, "command"), (4, "anomaly"), (5, "alarm"), (6, "event"), (7, "config"), (8, "clock"),
    ]  # fmt: skip
    assert all(mark.text and "{" not in mark.text for mark in marks)


def test_only_what_is_raised_is_an_alarms_mark() -> None:
    def row(seq: int, *happened: tuple[str, int]) -> list[Any]:
        rows = [AlarmRow(f"a{i}", what, "normal", "unacked", 10, hidden, "high") for i, (what, hidden) in enumerate(happened)]
        body = AlarmsBody(tuple(rows)).encode()
        return [seq, 10, Kind.EVENT, [ALARMS, 1, sha256(body).digest(), len(body)], body]

    marks = trend_of(answer(marks=[
        row(1, ("raised", 0)), row(2, ("acked", 0)), row(3, ("cleared", 0), ("raised", 0), ("raised", 0)), row(4, ("raised", 1)),
    ]), TAGS, "en").marks  # fmt: skip
    assert [(mark.sort, mark.count) for mark in marks] == [("alarm", 1), ("event", 1), ("alarm", 2), ("event", 1)]
