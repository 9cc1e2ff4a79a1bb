"""A finding is recorded once, and so is its end, whatever a judge remembers when it begins again."""

from __future__ import annotations

from ledger_client.event_bodies import FindingBody
from runtime.judgement.findings import MOST, Findings

HASH = bytes(32)


def body(rule: str, at_ms: int, phase: int, tag: str = "t") -> FindingBody:
    return FindingBody("line", HASH, rule, tag, at_ms, phase, True, None, None)


def told(findings: Findings, *bodies: FindingBody, tell: bool = True) -> list[tuple[str, str, int, int]]:
    found = [findings.new(each, tell=tell) for each in bodies]
    return [(each.rule, each.tag, each.at_ms, each.phase) for each in found if each is not None]


def test_onset_and_end_are_told_once() -> None:
    findings = Findings(())
    assert told(findings, body("stuck", 5, 0), body("stuck", 7, 0), body("stuck", 9, 1), body("stuck", 9, 1)) == [
        ("stuck", "t", 5, 0), ("stuck", "t", 9, 1),
    ]  # fmt: skip


def test_an_end_of_what_was_not_told_is_not_told() -> None:
    findings = Findings(())
    assert told(findings, body("stuck", 5, 0), tell=False) == []
    assert told(findings, body("stuck", 9, 1)) == []
    assert told(findings, body("stuck", 20, 0), body("stuck", 30, 1)) == [("stuck", "t", 20, 0), ("stuck", "t", 30, 1)]


def test_what_the_ledger_has_is_not_told_again_whenever_it_is_found_again() -> None:
    before = (("stuck", "t", 5, 0), ("stuck", "t", 9, 1), ("step", "u", 11, 0))
    findings = Findings(before)
    assert told(findings, body("stuck", 5, 0), body("stuck", 9, 1), body("step", 12, 0, "u")) == []
    assert told(findings, body("spike", 8, 0, "v"), body("spike", 10, 1, "v")) == [], "an earlier judge was past that"
    assert told(findings, body("step", 15, 1, "u")) == [("step", "u", 15, 1)]
    assert Findings(before).open_since() == [11]


def test_an_end_from_before_ends_nothing_that_began_later() -> None:
    findings = Findings((("late", "t", 5, 0), ("late", "t", 9, 1), ("late", "t", 20, 0)))
    assert told(findings, body("late", 9, 1), body("late", 21, 0)) == [], "found again a moment later than it was told"
    assert told(findings, body("late", 30, 1)) == [("late", "t", 30, 1)]


def test_what_a_device_does_is_one_finding_whichever_of_its_tags_is_named() -> None:
    findings = Findings((("dropout", "d/a", 5, 0),))
    assert told(findings, body("dropout", 7, 0, "d/b")) == []
    assert told(findings, body("dropout", 7, 0, "e/b")) == [("dropout", "e/b", 7, 0)]
    assert told(findings, body("dropout", 9, 1, "d/b"), body("dropout", 11, 1, "d/a")) == [("dropout", "d/a", 9, 1)]
    assert told(findings, body("dropout", 20, 0, "d/b"), body("dropout", 21, 0, "d/a")) == [
        ("dropout", "d/b", 20, 0), ("dropout", "d/a", 21, 0),
    ], "two of one run are two"  # fmt: skip


def test_the_models_alarm_names_one_tag_from_onset_to_end() -> None:
    findings = Findings(())
    assert told(findings, body("model", 5, 0, "a"), body("model", 9, 1, "b")) == [("model", "a", 5, 0), ("model", "a", 9, 1)]
    again = Findings((("model", "a", 5, 0), ("model", "a", 9, 1), ("model", "b", 20, 0)), until_ms=4)
    assert told(again, body("model", 5, 0, "a"), body("model", 9, 1, "x"), body("model", 20, 0, "b")) == []
    assert told(again, body("model", 30, 1, "y")) == [("model", "b", 30, 1)]
    later = Findings((("model", "a", 5, 0),), until_ms=6)
    assert told(later, body("model", 9, 1, "z")) == [("model", "a", 9, 1)]


def test_a_drift_that_went_on_ends_where_its_watch_begins_anew() -> None:
    findings = Findings((("drift", "t", 5, 0), ("stuck", "t", 6, 0)))
    assert findings.interrupted() == [("t", 5)]
    assert findings.open_since() == [6]
    assert told(findings, body("drift", 50, 0)) == [("drift", "t", 50, 0)]


def test_a_flood_is_held_back_counted_and_told_with_the_next() -> None:
    findings = Findings(())
    flood = [body("step", 1, 0, f"t{n}") for n in range(3 * MOST)]
    assert len(told(findings, *flood)) == MOST
    assert told(findings, body("step", 2, 1, f"t{2 * MOST}")) == [], "its onset was held back"
    after = findings.new(body("step", 600_000, 0, "late"), tell=True)
    assert after is not None
    assert after.evidence == {"held_back": 2 * MOST}
