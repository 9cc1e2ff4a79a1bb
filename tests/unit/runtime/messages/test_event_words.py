"""Events of judgement in words: name, what and who; a body that is damaged or of a later version leaves the general words."""

from __future__ import annotations

import pytest

from ledger_client.alarm_bodies import ALARMS, AlarmRow, AlarmsBody
from ledger_client.event_bodies import FINDING, LABEL, MODEL, SCORES, EventBody, FindingBody, LabelBody, ModelBody, ScoreReceipt
from ledger_client.kinds import Kind
from runtime.messages.entries import describe
from runtime.messages.event_words import event_text, plain_of, told_of

HASH = bytes(32)
RECEIPT = ScoreReceipt("line", HASH, HASH, 3, 4, 1_000, ((7, 3),), (1.5, None, 0.5), bytes((0, 1, 0)), HASH)
FOUND = FindingBody("line", HASH, "stuck", "filler/level", 5, 0, True, None, None, (), {"limit": 4_000})
CASES = [
    (SCORES, RECEIPT, "line: 2 scores, the highest 1.5; 1 cells without one"),
    (FINDING, FOUND, "line: filler/level is stuck (natural up to 4 s)"),
    (FINDING, FindingBody("line", HASH, "model", "a/b", 5, 1, False, 2.5, 2.0), "line: On trial: Over: The score went over the threshold"),
    (MODEL, ModelBody("line", "refused", "core_away"), "line is refused: The gateway's core does not answer. Is the service running?"),
    (MODEL, ModelBody("line", "checking", "learned", HASH, HASH, {"rows": 9}), "line is checking: Learned from recorded readings"),
    (
        MODEL,
        ModelBody("line", "checking", "learned", HASH, HASH, {"rows": 3412, "covered": True, "left_out": 96, "settling": 62}),
        "is checking: Learned from what was recorded: 3,412 rows with a score. Left out: 96 that were not normal, 62 right after a start",
    ),
    (LABEL, LabelBody("line", None, 88, 5, 5, "not_normal", "Ana"), 'line: Ana says "not normal" of the finding in entry 88'),
    (LABEL, LabelBody("line", None, None, 0, 60_000, "unsure", "Ana"), 'says "unsure" of 1970-01-01 00:00:00Z – 1970-01-01 00:01:00Z'),
]


@pytest.mark.parametrize(("type_uri", "body", "text"), CASES, ids=[type(body).__name__ + str(n) for n, (_, body, _) in enumerate(CASES)])
def test_an_event_says_who_and_what(type_uri: str, body: EventBody, text: str) -> None:
    encoded = body.encode()
    detail = (type_uri, 1, HASH, len(encoded))
    assert text in describe(Kind.EVENT, detail, told=encoded)
    assert "{" not in describe(Kind.EVENT, detail, "zh", told=encoded)
    found = told_of(type_uri, 1, encoded)
    assert found is not None
    assert plain_of(found)["name"] == "line"


def test_what_cannot_be_read_keeps_the_general_words() -> None:
    general = describe(Kind.EVENT, (FINDING, 1, HASH, 3))
    assert (
        general
        == describe(Kind.EVENT, (FINDING, 1, HASH, 3), told=b"xyz")
        == describe(Kind.EVENT, (FINDING, 2, HASH, 3), told=FOUND.encode())
    )
    assert describe(Kind.EVENT, ("urn:x", 1, HASH, 3), told=FOUND.encode()) == "Event urn:x, version 1"


def test_alarms_are_told_one_by_one_and_of_many_the_first() -> None:
    row = AlarmRow("high", "raised", "normal", "unacked", 0, 0, "high", 81.5, 80)
    acked = AlarmRow("high", "acked", "unacked", "acked", 0, 0, "high", 81.5, 80, "web alice", "seen")
    said = event_text(ALARMS, 1, AlarmsBody((row, acked)).encode())
    assert said == "alarm high raised at 81.5 (limit 80); alarm high acknowledged, by web alice (seen)"
    many = event_text(ALARMS, 1, AlarmsBody((row,) * 12, lost=3).encode(), "zh")
    assert many is not None
    assert many.startswith("此前有 3 次报警变化未能保留; 12 次报警变化：报警 high 触发")
    assert event_text(ALARMS, 1, b"\x80") is None
