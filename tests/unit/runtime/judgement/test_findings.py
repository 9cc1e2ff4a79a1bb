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
    assert Findings(before).going_on() == [("step", "u", 11)]


def test_an_end_is_told_whenever_its_onset_was_though_nobody_scored_then_or_another_finding_came_later() -> None:
    findings = Findings((("range", "t", 5, 0), ("stuck", "u", 20, 0)))
    assert told(findings, body("range", 5, 0), body("range", 15, 1), tell=False) == [("range", "t", 15, 1)]
    assert told(findings, body("range", 30, 0)) == [("range", "t", 30, 0)], "the next one is a new one"


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


def test_what_is_found_again_by_its_own_name_is_not_ended_by_another_tag_of_its_device() -> None:
    findings = Findings((("dropout", "d/a", 5, 0),))
    assert told(findings, body("dropout", 7, 0, "d/b"), body("dropout", 8, 0, "d/a"), tell=False) == [], "not known yet which of them it is"
    assert told(findings, body("dropout", 9, 1, "d/b")) == []
    assert told(findings, body("dropout", 20, 0, "d/c"), body("dropout", 21, 1, "d/c")) == [
        ("dropout", "d/c", 20, 0),
        ("dropout", "d/c", 21, 1),
    ]
    assert told(findings, body("dropout", 30, 1, "d/a")) == [("dropout", "d/a", 30, 1)]


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
    assert findings.interrupted(0) == [("drift", "t", 5, 1)]
    assert findings.going_on() == [("stuck", "t", 6)]
    assert findings.interrupted(0) == []
    assert told(findings, body("drift", 50, 0)) == [("drift", "t", 50, 0)]


def test_what_its_rule_has_not_found_again_by_its_onset_is_interrupted_and_the_next_one_is_told() -> None:
    findings = Findings((("range", "t", 5, 0), ("stuck", "u", 6, 0), ("range", "w", 40, 0)))
    assert told(findings, body("stuck", 7, 0, "u"), tell=False) == []
    assert findings.interrupted(4) == [], "its rule has not read that far"
    assert findings.interrupted(6) == [("range", "t", 5, 1)]
    assert findings.interrupted(9) == [], "once"
    assert told(findings, body("range", 50, 0)) == [("range", "t", 50, 0)]
    assert told(findings, body("stuck", 60, 1, "u")) == [("stuck", "u", 60, 1)]
    assert told(findings, body("range", 61, 1)) == [("range", "t", 61, 1)]
    assert findings.interrupted(99) == [("range", "w", 40, 1)]


def test_what_rules_that_begin_anew_do_not_find_again_is_interrupted() -> None:
    findings = Findings(())
    assert told(findings, body("range", 5, 0), body("stuck", 6, 0), body("drift", 6, 0)) != []
    findings.rules_begin_anew()
    assert told(findings, body("stuck", 8, 0)) == []
    assert findings.interrupted(8) == [("range", "t", 5, 1)]


def test_what_was_told_before_the_clock_was_set_back_hides_nothing_behind_it() -> None:
    before = (("stuck", "t", 5, 0), ("stuck", "t", 9, 1), ("stuck", "t", 900, 0), ("stuck", "t", 950, 1))
    read_from_before = Findings(before)
    assert told(read_from_before, body("stuck", 20, 0)) == [], "seen again"
    read_from_before.rules_begin_anew()
    assert told(read_from_before, body("stuck", 30, 0)) == [("stuck", "t", 30, 0)]
    begun_behind = Findings(before)
    begun_behind.reading_begins(40)
    assert told(begun_behind, body("stuck", 8, 0)) == [], "told of an earlier time"
    assert told(begun_behind, body("stuck", 30, 0)) == [("stuck", "t", 30, 0)]


def test_a_models_alarm_goes_on_only_with_its_decision() -> None:
    before = (("model", "a", 5, 0), ("model", "a", 9, 1), ("model", "b", 20, 0))
    assert Findings(before).interrupted(99) == []
    findings = Findings(before, until_ms=20, decides_anew=True)
    assert findings.interrupted(0) == [("model", "b", 20, 1)]
    assert told(findings, body("model", 50, 0, "c"), body("model", 60, 1, "d")) == [("model", "c", 50, 0), ("model", "c", 60, 1)]
    again = Findings(before, until_ms=19, decides_anew=True)
    assert again.interrupted(0) == [], "told since then: it is decided again"
    assert told(again, body("model", 20, 0, "b"), body("model", 60, 1, "b")) == [("model", "b", 60, 1)]


def test_a_flood_is_held_back_counted_and_told_with_the_next() -> None:
    findings = Findings(())
    flood = [body("step", 1, 0, f"t{n}") for n in range(3 * MOST)]
    assert len(told(findings, *flood)) == MOST
    assert told(findings, body("step", 2, 1, f"t{2 * MOST}")) == [], "its onset was held back"
    after = findings.new(body("step", 600_000, 0, "late"), tell=True)
    assert after is not None
    assert after.evidence == {"held_back": 2 * MOST}
