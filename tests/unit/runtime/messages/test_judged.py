"""What a model says in words: the most important thing first, and nothing old as if it were of now."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.messages import judged
from runtime.messages.catalogue import word
from runtime.messages.finding_words import finding_text
from tests.rigs.judged_plant import contributions, finding, model

NOW = 10_000_000
JUDGE = {"state": "ok", "cause": None, "params": {}, "heard_ms": NOW - 500}
OPEN = [{"seq": 8, "rule": "stuck", "tag": "a/c", "at_ms": 1}, {"seq": 9, "rule": "range", "tag": "a/b", "at_ms": 2}]
RANGE = {"seq": 9, "rule": "range", "tag": "a/b", "at_ms": 2, "evidence": {"value": 6.4, "low": 0.0, "high": 6.0}, "band": [1.7, 2.2]}
GROWING = [{"seq": 8, "rule": "model", "tag": "a/b", "at_ms": 1}, RANGE | {"now": 8.5}]
FRESH = {"cell_ms": NOW - 4_000}
UNCOVERED = {"covered": False, "alarmed_share": 0.0, "rows_wanted": 822}


@pytest.mark.parametrize(
    ("row", "judge", "level", "said"),
    [
        (model(**FRESH), JUDGE, "ok", "Normal: the score is 55 % of the threshold."),
        (model(score=3.6, alarming=True, **FRESH), JUDGE, "alarm", "NOT NORMAL: filler/product_temperature contributes most"),
        (model(score=0.3, alarming=True, **FRESH), JUDGE, "alarm", "NOT NORMAL still: the score is down to 12 % of the threshold"),
        (
            model(open=OPEN, **FRESH),
            JUDGE,
            "alarm",
            "NOT NORMAL: a/b is outside its limits (and 1 more), and it goes on. The score alone is 55 % of",
        ),
        (model(open=OPEN, score=3.6, alarming=True, **FRESH), JUDGE, "alarm", "NOT NORMAL: filler/product_temperature contributes most"),
        (
            model(open=GROWING, score=0.12, alarming=True, **FRESH),
            JUDGE,
            "alarm",
            "NOT NORMAL: a/b is outside its limits (now 8.5, upper limit 6) (and 1 more), and it goes on. The score alone is 5 %",
        ),
        (
            model(open=GROWING, score=3.6, alarming=True, **FRESH),
            JUDGE,
            "alarm",
            "150 % of the threshold. Besides: a/b is outside its limits (now 8.5, upper limit 6), and it goes on.",
        ),
        (
            model(open=[GROWING[1] | {"now": 5.1}], **FRESH),
            JUDGE,
            "alarm",
            "a/b is outside its limits (6.4 when it was found, now 5.1, upper limit 6), and",
        ),
        (model(open=GROWING[:1], score=0.3, alarming=True, **FRESH), JUDGE, "alarm", "NOT NORMAL still: the score is down to 12 %"),
        (
            model(open=OPEN[1:], score=None, abstained="missing", **FRESH),
            JUDGE,
            "alarm",
            "NOT NORMAL: a/b is outside its limits, and it goes on. No",
        ),
        (model(state="shadow", open=OPEN[1:], **FRESH), JUDGE, "warn", "On trial, it alarms nobody. It says: NOT NORMAL: a/b is outside"),
        (model(state="shadow", score=3.6, alarming=True, **FRESH), JUDGE, "warn", "On trial, it alarms nobody. It says: NOT NORMAL"),
        (model(state="checking", **FRESH), JUDGE, "ok", "Being checked, it alarms nobody. It says: Normal"),
        (model(state="shadow", coverage=UNCOVERED, **FRESH), JUDGE, "warn", "It says: Normal as far as it knows: the score is 55 % of"),
        (
            model(coverage=UNCOVERED, score=3.6, alarming=True, **FRESH),
            JUDGE,
            "alarm",
            "NOT NORMAL: filler/product_temperature contributes",
        ),
        (model(score=None, abstained="missing", **FRESH), JUDGE, "warn", "No score: too many of its tags have no good value."),
        (model(score=None, abstained="gate", gates=[], **FRESH), JUDGE, "warn", "No score: the machine is not in the state"),
        (
            model(score=None, abstained="gate", gates=[["filler/recipe", [1.0, 2.0]]], **FRESH),
            JUDGE,
            "warn",
            "No score: it was learned while filler/recipe = 1 | 2; that is not so now",
        ),
        (model(score=None, cell_ms=None), JUDGE, "warn", "There is no score yet."),
        (model(cell_ms=NOW - 600_000), JUDGE, "warn", "The newest score is 10 min old."),
        (model(cell_ms=NOW + 600_000), JUDGE, "warn", "The clock was set back: the newest score is of a time 10 min ahead"),
        (model(refused={"code": "core_away", "params": {}}, **FRESH), JUDGE, "alarm", "This model is refused: The gateway's core"),
        (model(state="learning", progress={"stage": "folds", "share": 0.421}), JUDGE, "ok", "choosing by held-out parts, 42 %"),
        (model(state="learning", progress={"stage": "new one", "share": 7}), JUDGE, "ok", "new one, 100 %"),
        (model(state="off"), JUDGE, "ok", "switched off"),
        (model(state="off", manifest_hash=None), JUDGE, "ok", "It has learned nothing yet, so nobody looks."),
        (model(**FRESH), JUDGE | {"state": "starting"}, "warn", "The judge is starting."),
        (model(**FRESH), JUDGE | {"heard_ms": NOW - 95_000}, "alarm", "The judge has said nothing for 95 s. What you see is old."),
        (model(**FRESH), JUDGE | {"state": "away", "cause": "core_away", "heard_ms": None}, "alarm", "does not answer (The gateway's core"),
        (model(**FRESH), None, "ok", "Nothing is judged here"),
        (model(**FRESH), JUDGE | {"state": "off", "cause": "models_not_installed"}, "warn", "numpy"),
    ],
)
def test_the_sentence_says_the_most_important_thing(row: dict[str, Any], judge: dict[str, Any] | None, level: str, said: str) -> None:
    found = judged.state_sentence(row, judge, NOW)
    assert (found[0], said in found[1]) == (level, True), found
    assert judged.state_sentence(row, judge, NOW, "zh")[1] != found[1]


def test_one_that_is_being_checked_points_to_no_findings() -> None:
    texts = [judged.state_sentence(model(state=each, score=0.3, alarming=True, **FRESH), JUDGE, NOW)[1] for each in ("armed", "checking")]
    assert ["The findings say" in text for text in texts] == [True, False]
    assert all("has to stay there for a while." in text for text in texts)


def test_what_a_rule_found_is_the_first_tag_to_look_at_while_the_score_is_low() -> None:
    low = model(open=GROWING, score=0.12, alarming=True, contributions=contributions(24.0))
    assert judged.tag_rows(low)[0] == ["a/b", None, 8.5, 1.7, 2.2], "as it is now, beside its band; it has no share"
    assert len(judged.tag_rows(low)) == 6
    assert judged.tag_rows(model(open=[RANGE], contributions=[]))[0][2] == 6.4, "as it was found, where nobody knows what it is now"
    own = [*contributions(24.0), ["a/b", 0.2, 2.0, 1.7, 2.2]]
    assert judged.tag_rows(low | {"contributions": own})[0] == ["a/b", 0.2, 8.5, 1.7, 2.2]
    assert judged.tag_rows(low | {"score": 3.6})[-1] == ["a/b", None, 8.5, 1.7, 2.2], "over the threshold the score speaks first"
    assert judged.tag_rows(model(open=GROWING[:1])) == contributions(24.0)
    told = judged.with_values(model(open=[RANGE]), {"a/b": 7.0, "a/c": 1})
    assert told["open"][0]["now"] == 7.0
    assert judged.with_values(model(open=[RANGE]), {"a/b": True})["open"][0]["now"] is None


def test_what_to_do_next_is_a_sentence_of_its_own() -> None:
    for state in ("off", "learning", "checking", "shadow", "armed", "refused"):
        for lang in ("en", "zh"):
            todo, _ = judged.next_step(model(state=state), lang)
            assert todo.endswith((".", "。")), "it stands behind 'Next:', and a command may follow or not"


@given(
    st.sampled_from(["ok", "behind", "away", "starting", "off"]), st.integers(0, 200_000), st.integers(-400_000, 400_000), st.booleans(),
    st.sampled_from(["armed", "shadow", "checking", "learning", "off", "refused"]),
)  # fmt: skip
def test_what_is_old_is_never_said_to_be_of_now(state: str, silent_ms: int, age_ms: int, alarming: bool, of: str) -> None:
    row = model(state=of, alarming=alarming, cell_ms=NOW - age_ms)
    judge = {"state": state, "cause": None, "params": {}, "heard_ms": NOW - silent_ms}
    fresh = state in ("ok", "behind") and silent_ms <= judged.HEARD_MS_MAX and -judged.SCORE_AHEAD_MS <= age_ms <= judged.SCORE_OLD_MS
    assert judged.is_of_now(row, judge, NOW) == (fresh and of in judged.SCORING)
    _, text = judged.state_sentence(row, judge, NOW)
    if not judged.is_of_now(row, judge, NOW):
        assert "NOT NORMAL" not in text
        assert "Normal:" not in text


@pytest.mark.parametrize(
    ("score", "threshold", "text"),
    [
        (1.2, 2.4, "50 %"),
        (None, 2.4, "—"),
        (1.0, None, "—"),
        (1.0, 0.0, "—"),
        (9e9, 1.0, "> 9,999 %"),
        (63.71, 1.0, "6,371 %"),
        (99.996, 1.0, "> 9,999 %"),
    ],
)
def test_a_score_is_a_share_of_its_threshold(score: float | None, threshold: float | None, text: str) -> None:
    assert judged.share_text(model(score=score, threshold=threshold)) == text


def test_coverage_says_how_much_is_missing() -> None:
    poor = {"covered": False, "alarmed_share": 0.31, "rows_wanted": 2_400}
    assert judged.coverage_text(model(coverage=poor)).endswith("About 2,400 rows more are needed (40 min).")
    few = judged.coverage_text(model(coverage=poor | {"alarmed_share": 0.0}))
    assert "over the threshold" not in few, "what is missing are rows, and no share of them puzzles"
    assert few.endswith("About 2,400 rows more are needed (40 min).")
    assert "2,400" in judged.coverage_text(model(coverage=poor, grid_ms=None))
    assert "More data" in judged.coverage_text(model(coverage=poor | {"rows_wanted": None}))
    assert "0.4 %" in judged.coverage_text(model())
    untried = judged.coverage_text(model(coverage=poor | {"alarmed_share": None}))
    assert "too little to be tried" in untried
    assert ("2,400 rows more" in untried, "%" in untried) == (True, False)
    assert judged.coverage_text(model(coverage=None)) == word("judged.coverage.unknown")


def test_coverage_says_of_when_it_is_and_that_what_came_since_is_not_in_it() -> None:
    poor = {"covered": False, "alarmed_share": 1.0, "rows_wanted": 926, "by": "learned", "at_ms": 1_795_634_908_031}
    found = judged.coverage_text(model(state="checking", coverage=poor))
    assert found.endswith("Found by learning, as of 2026-11-25 19:28:28Z. A check counts the rows that are recorded since.")
    good = judged.coverage_text(model(coverage=poor | {"covered": True, "alarmed_share": 0.0, "by": "check"}))
    assert good.endswith("0.0 % were over the threshold. Found by a check, as of 2026-11-25 19:28:28Z.")
    assert "as of" not in judged.coverage_text(model(coverage=poor | {"at_ms": None}))


def test_the_coverage_of_an_import_is_its_makers_word_until_a_check() -> None:
    said = {"covered": True, "alarmed_share": 0.004, "rows_wanted": 0, "by": "maker", "at_ms": 1_795_634_908_031}
    text = judged.coverage_text(model(state="checking", coverage=said))
    assert text.startswith("The manifest of its maker says, of ")
    assert "Nothing on this gateway has checked that" in text
    assert "Found by learning" not in text


@pytest.mark.parametrize("by", ["maker", "check"])
def test_nobody_is_told_to_learn_an_import_again_here(by: str) -> None:
    poor = {"covered": False, "alarmed_share": 0.3, "rows_wanted": 100, "by": by, "at_ms": 1_795_634_908_031}
    todo, command = judged.next_step(model(state="shadow", coverage=poor, imported=True))
    assert "learn again" not in todo
    assert (command or "").startswith("witnessmark model check line ")
    assert (judged.next_step(model(state="off", imported=True))[1] or "").startswith("witnessmark model shadow line ")
    for drift in ("alarms_often", "near_threshold"):
        assert "learn normal again" in judged.drift_text(model(drift=drift))
        assert "ask its maker" in judged.drift_text(model(drift=drift, imported=True))
    assert judged.drift_text(model(drift="new one", imported=True)) == "new one"
    assert judged.drift_text(model(imported=True)) == ""


def test_a_number_in_a_finding_is_the_one_that_was_found_and_not_of_now() -> None:
    for phase in (0, 1):
        text = finding_text(finding(9, 2, rule="range", tag="a/b", evidence={"value": 6.007, "high": 6.0, "phase": phase}))
        assert "6.007 when it was found" in text
        assert "now" not in text


def test_a_model_that_would_find_hardly_anything_is_not_called_covered() -> None:
    blind = {"covered": False, "alarmed_share": 0.0, "rows_wanted": 0, "blind": True, "by": "check", "at_ms": 1_795_634_908_031}
    row = model(state="checking", coverage=blind)
    assert judged.coverage_text(row).startswith("✗ Not covered: its threshold is so high that it would find hardly anything.")
    assert "recorded since" not in judged.coverage_text(row)
    assert judged.next_step(row)[0] == word("judged.next.blind")
    told = {"unlike_from_ms": 1_795_634_908_031, "unlike_to_ms": 1_795_634_968_031}
    named = judged.coverage_text(row | {"learned": told})
    assert "Most unlike the rest is what was recorded from 2026-11-25 19:28:28Z to 2026-11-25 19:29:28Z." in named
    assert "unlike the rest is" not in judged.coverage_text(row | {"learned": told, "coverage": blind | {"blind": False}})
    young = judged.coverage_text(model(state="checking", coverage=blind | {"rows_wanted": 862}))
    assert "about 862 rows more are needed" in young, "it may be that only"
    assert judged.next_step(model(state="checking", coverage=blind | {"rows_wanted": 862}))[0] == word("judged.next.blind.few")
    checked = model(state="checking", coverage=blind | {"by": "check", "rows_wanted": 862}, imported=True)
    assert "862" not in judged.coverage_text(checked), "only its maker can mend it"
    of_maker = model(state="checking", coverage=blind | {"by": "maker", "rows_wanted": 862}, imported=True)
    assert "862" not in judged.coverage_text(of_maker)
    assert "manifest of its maker" not in judged.coverage_text(of_maker), "it was reckoned here"
    assert judged.next_step(of_maker) == (word("judged.next.blind.maker"), None)
    assert "learn" not in judged.state_sentence(model(cell_ms=NOW + 600_000, imported=True), JUDGE, NOW)[1]
    assert judged.next_step(model(refused={"code": "model_hash_differs", "params": {}}, imported=True))[1] is None


def test_what_was_learned_from_and_left_out_is_said_where_it_is_known() -> None:
    learned = {"rows": 3_412, "left_out": 0, "settling": 0}
    assert judged.learned_text(learned) == "3,412 rows with a score; none of them was left out."
    assert judged.learned_text(learned | {"settling": 1_062}).endswith(
        "Left out: 0 that were not normal, 1,062 right after a start of the gateway."
    )
    for unknown in (None, {}, {"rows": 5}, learned | {"rows": None}):
        assert judged.learned_text(unknown) == ""


def test_a_learning_that_failed_is_said_until_the_next_one() -> None:
    few = {"code": "model_rows_few", "params": {"rows_have": 5, "rows_want": 240}, "seq": 1}
    assert "There are 5 usable rows" in judged.failure_text(model(ended=few))
    under_way = model(ended=few, progress={"stage": "folds", "share": 0})
    for row in (model(), model(ended=None), model(ended={"code": "learned", "params": {}, "seq": 1}), under_way):
        assert judged.failure_text(row) == ""


def test_findings_of_rules_that_are_not_known_here_are_still_said() -> None:
    assert finding_text(finding(1, 2, evidence={"value": 41, "limit": 2.50001, "brand_new": 1, "none": None})) == (
        "filler/fill_level is stuck (41 when it was found, natural up to 2.5, brand_new 1)"
    )
    late = finding(1, 2, rule="late", evidence={"size": 45_000.0, "limit": 4_000})
    assert finding_text(late).endswith("(for 45 s, natural up to 4 s)")
    gone = finding(1, 2, rule="dropout", evidence={"tags": 1, "times": 1, "since_ms": 1_795_634_908_031, "size": 7.0})
    assert finding_text(gone).endswith("(since 2026-11-25 19:28:28Z, size 7)")
    over = {"lasted_ms": 90_000, "times": 3, "phase": 1, "armed": False}
    assert finding_text(finding(1, 2, evidence=over)) == "On trial: Over: filler/fill_level is stuck (lasted 90 s, seen 3 times)"
    assert finding_text(finding(1, 2, rule="brand_new", tag=None, contributions=[["a/b", 1.0, 1, 0, 2]])) == "brand_new: a/b"
    assert finding_text(finding(1, 2, rule="model", tag=None)) == "The score went over the threshold; ? contributes most"


@pytest.mark.parametrize(
    ("value", "text"),
    [(25_526.8, "25527"), (0.0001234567, "0.0001235"), (1.0, "1"), (-4_321.9, "-4322"), (3e12, "3e+12"), (None, "—"), ("x", "—")],
)
def test_numbers_have_the_digits_that_say_something(value: object, text: str) -> None:
    assert judged.short_number(value) == text


def test_labels_and_what_follows_from_them() -> None:
    assert "Precision 80 %, recall 100 %" in judged.labels_text(model())
    nothing = {"normal": 0, "not_normal": 0, "unsure": 0, "precision": None, "recall": None}
    assert judged.labels_text(model(labels=nothing)) == judged.labels_text(model(labels=None)) == word("judged.labels.none")
    assert "recall" not in judged.labels_text(model(labels=nothing | {"unsure": 1})).lower().replace("precision and recall are said", "")
    one = judged.labels_text(model(labels=nothing | {"not_normal": 1, "judged": 1, "precision": 1.0, "recall": 1.0}))
    assert one.startswith("Labelled: 1 not normal, 0 normal, 0 unsure.")
    assert "%" not in one, "one label is no rate"
    false = judged.labels_text(model(labels=nothing | {"normal": 5, "judged": 5, "precision": 0.0}))
    assert "Precision 0 %, recall —" in false


@pytest.mark.parametrize(
    ("state", "covered", "verb"),
    [
        ("checking", True, "shadow"),
        ("checking", False, "learn"),
        ("shadow", True, "arm"),
        ("shadow", False, "learn"),
        ("armed", True, "disarm"),
        ("off", True, "learn"),
    ],
)
def test_the_next_step_has_its_command(state: str, covered: bool, verb: str) -> None:
    row = model(state=state, coverage={"covered": covered, "alarmed_share": 0.1, "rows_wanted": 10})
    assert (judged.next_step(row)[1] or "").startswith(f"witnessmark model {verb} line ")
