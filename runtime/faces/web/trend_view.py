"""A trend as the API gives it: columns unpacked, gaps and marks in words. Pure.

Room: hall, face. `trend_pages` gives it the history process's answer. It joins nothing and leaves nothing out: where a pen has no
reading there is a null, and every gap stands beside it with its cause.
"""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from ledger_client.alarm_bodies import ALARMS, read_alarms
from ledger_client.errors import FormatError
from ledger_client.event_bodies import FINDING, LABEL, MODEL
from ledger_client.kinds import INTENT, Kind
from runtime.faces.web.acts_told import asked_of, outcomes
from runtime.messages.act_words import UNTOLD, Ended
from runtime.messages.catalogue import sort_of
from runtime.messages.entries import describe
from runtime.messages.page_reader import PageReader

SORTS: Final[Mapping[int, str]] = {
    Kind.BOOT: "boot", Kind.CLOCK: "clock", Kind.COMMAND: "command", Kind.CONFIG: "config", Kind.PLAN: "plan",
}  # fmt: skip
EVENT_SORTS: Final[Mapping[str, str]] = {ALARMS: "alarm", FINDING: "anomaly", MODEL: "model", LABEL: "model"}


class GapOf(msgspec.Struct, frozen=True):
    """A time in which the tag was not read: ms, the cause in words, how many scans did not come (0: nobody counted)."""

    from_ms: int
    to_ms: int
    cause: str
    scans: int


class Pen(msgspec.Struct, frozen=True):
    """One tag in parallel columns: `t` in ms; null where there is no good number. As recorded, `low`, `high` and `count` are empty.

    `type` is that of its values, such as float64; bool: 1 is yes, 0 no. Empty where the tag is not known any more.
    """

    uid: int
    name: str
    unit: str
    t: list[int]
    low: list[float | None]
    high: list[float | None]
    last: list[float | None]
    count: list[int]
    bad: list[int]
    gaps: list[GapOf]
    type: str = ""


class Mark(msgspec.Struct, frozen=True):
    """Something that happened: `sort` is alarm, anomaly, model, command, config, plan, boot, clock or event; `seq` its entry.

    An alarm is only what was raised, `count` how many at once; that one was acknowledged or is back to normal is an event.
    """

    seq: int
    at_ms: int
    sort: str
    text: str
    count: int = 1


class Trend(msgspec.Struct, frozen=True):
    """`width_ms` is that of a bucket, 0 where the readings are as recorded; `marks_left_out` counts older marks that are not here.

    `gaps_until`, `marks_until`: until then (ms) not all gaps, marks are in the index any more, only in the ledger. null: all are.
    """

    t0: int
    t1: int
    width_ms: int
    pens: list[Pen]
    marks: list[Mark]
    marks_left_out: int
    gaps_until: int | None
    marks_until: int | None


def trend_of(answer: Mapping[str, Any], tags: Mapping[int, Sequence[Any]], lang: str, reader: PageReader | None = None) -> Trend:
    """Return the history's answer to `trends` for a page or a program; what happened in the terms of the page's `reader`."""
    pens = [_pen(pen, gaps, tags.get(pen["uid"]), lang) for pen, gaps in zip(answer["pens"], answer["gaps"], strict=True)]
    reader = reader or PageReader()
    ended = outcomes([*(row[3:5] for row in answer["marks"] if row[2] == Kind.COMMAND), *answer["outcomes"]])
    end = None if answer["outcomes_read"] else UNTOLD
    marks = [mark for row in answer["marks"] if (mark := _mark(row, lang, reader, ended, end)) is not None]
    return Trend(
        answer["t0"], answer["t1"], answer["width_ms"], pens, marks, answer["marks_left_out"], answer["gaps_until"], answer["marks_until"]
    )


def _pen(pen: Mapping[str, Any], gaps: Sequence[Sequence[Any]], tag: Sequence[Any] | None, lang: str) -> Pen:
    said = [GapOf(from_ms, to_ms, sort_of(cause, lang), scans) for from_ms, to_ms, cause, scans in gaps]
    name, unit, data = (str(tag[1]), str(tag[3]), str(tag[4])) if tag is not None else (str(pen["uid"]), "", "")
    low, high, last = (_numbers(pen.get(column, b"")) for column in ("low", "high", "last"))
    count, bad = (array("I", pen.get(column, b"")).tolist() for column in ("count", "bad"))
    return Pen(pen["uid"], name, unit, array("q", pen["t"]).tolist(), low, high, last, count, bad, said, data)


def _numbers(packed: bytes) -> list[float | None]:
    return [value if value == value else None for value in array("d", packed)]  # noqa: PLR0124  NaN differs from itself


def _mark(row: Sequence[Any], lang: str, reader: PageReader, ended: Mapping[bytes, Ended], end: Ended | None) -> Mark | None:
    """An act is one mark: of its intent and its outcome, the intent. `end` is what is said of one whose outcome is not among `ended`."""
    seq, at_ms, kind, detail, told = row
    if kind == Kind.COMMAND and detail[1] != INTENT:
        return None
    sort = EVENT_SORTS.get(str(detail[0]), "event") if kind == Kind.EVENT else SORTS.get(kind, "event")
    raised = _raised(int(detail[1]), told) if sort == "alarm" else 1
    if kind == Kind.COMMAND:
        text = describe(kind, detail, lang, asked=asked_of(told), reader=reader, ended=ended.get(bytes(detail[0]), end))
    else:
        text = describe(kind, detail, lang, told=told, reader=reader)
    return Mark(seq, at_ms, sort if raised else "event", text, raised or 1)


def _raised(version: int, told: bytes | None) -> int:
    """Return how many alarms an entry raises; of one that cannot be read here, one: it may be the flood of a bad hour."""
    try:
        body = None if told is None else read_alarms(version, told)
    except FormatError:
        body = None
    return 1 if body is None else sum(row.what == "raised" and not row.hidden for row in body.rows)
