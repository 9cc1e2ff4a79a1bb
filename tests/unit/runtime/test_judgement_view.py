"""The pages about models: what they show of rows of the feed, and what they refuse to show as of now."""

from __future__ import annotations

import asyncio
import json
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from starlette.requests import Request

from runtime.faces.feed import RequestRefusedError
from runtime.faces.feed_client import FeedClient
from runtime.faces.web.face import Face
from runtime.faces.web.judgement_pages import JudgementPages
from runtime.faces.web.judgement_view import chosen_model, finding_views, model_view, place, steps_of, tag_shares
from runtime.faces.web.stream import Fanout
from runtime.messages.catalogue import word
from tests.rigs.judged_plant import JudgedPlant, contributions, finding, model

NOW = 10_000_000


def face_of(tmp_path: Path, *models: dict[str, Any], findings: tuple[dict[str, Any], ...] = (), **judge: Any) -> Face:
    """A face that has heard of these models."""
    face = Face(FeedClient(tmp_path / "f", "t"), Fanout(), tmp_path / "h")
    plant = JudgedPlant(list(models), now_ms=NOW)
    face.feed.connected = True
    face.feed.tags = {row[0]: row for row in plant.tag_rows()}
    face.feed.health = {**plant.snapshot(), "judge": {"state": "ok", "cause": None, "params": {}, "heard_ms": NOW - 400} | judge}
    face.feed.models, face.feed.findings = list(models), list(findings)
    return face


def page(face: Face, name: str = "anomalies", query: str = "") -> str:
    request = Request({"type": "http", "query_string": f"lang=en&{query}".encode(), "headers": []})
    return bytes(asyncio.run(getattr(JudgementPages(face), name)(request)).body).decode()


FRESH = {"cell_ms": NOW - 4_000}


def test_the_page_names_the_tag_that_contributes_most_beside_its_band(tmp_path: Path) -> None:
    shown = unescape(page(face_of(tmp_path, model(score=3.6, alarming=True, contributions=contributions(31.2), **FRESH))))
    for words in (
        "NOT NORMAL: filler/product_temperature",
        "150 %",
        "31.2 <small>°C",
        "above its normal band",
        "normal 21.2 to 25.6 °C",
        "71 %",
    ):
        assert words in shown, words
    assert shown.index("filler/product_temperature</b>") < shown.index("capper/torque_last</b>")
    assert word("web.judged.not_of_now") not in shown


def test_before_anything_was_learned_nothing_is_said_to_be_old_or_not_found(tmp_path: Path) -> None:
    blank = model(
        state="off", manifest_hash=None, model_sha256=None, score=None, threshold=None, cell_ms=None, contributions=[], coverage=None
    )
    shown = unescape(page(face_of(tmp_path, blank)))
    assert "It has learned nothing yet, so nobody looks." in shown
    assert word("web.judged.how") in shown
    for wrong in ("web.judged.not_of_now", "web.judged.no_findings", "web.judged.no_tags"):
        assert word(wrong) not in shown, wrong
    assert 'id="chart"' not in shown
    assert unescape(page(face_of(tmp_path, blank), query="part=1")).count("data-live") == shown.count("data-live") > 0


def test_the_page_says_first_what_a_rule_found_beside_its_band_as_it_is_now(tmp_path: Path) -> None:
    going = {
        "seq": 9,
        "rule": "range",
        "tag": "filler/torque_mean",
        "at_ms": 1,
        "evidence": {"value": 6.4, "high": 6.0},
        "band": [1.8, 2.2],
    }
    face = face_of(tmp_path, model(score=0.12, alarming=True, open=[going], contributions=contributions(24.0)[:2], **FRESH))
    face.feed.values = {2: [2, 8.5, 0, NOW, None, "pending", None, None]}
    shown = unescape(page(face))
    assert "NOT NORMAL: filler/torque_mean is outside its limits (now 8.5, upper limit 6), and it goes on." in shown
    assert "has to stay there" not in shown
    for words in ("8.50 <small>N·m", "normal 1.80 to 2.20 N·m", "above its normal band", "found by a rule"):
        assert words in shown, words
    assert shown.index("filler/torque_mean</b>") < shown.index("filler/product_temperature</b>")
    assert '<dt>filler/torque_mean is outside its limits</dt><dd class="main">8.50 <small>N·m</small></dd>' in shown
    assert shown.count('<dd class="main"') == 1, "a score of 5 % does not stand largest beside NOT NORMAL"


@pytest.mark.parametrize(
    ("more", "judge", "connected"),
    [({}, {"heard_ms": NOW - 60_000}, True), ({}, {"state": "away"}, True), ({}, {}, False), ({"cell_ms": NOW - 3_600_000}, {}, True)],
)
def test_what_is_not_of_now_is_struck_and_said(tmp_path: Path, more: dict[str, Any], judge: dict[str, Any], connected: bool) -> None:
    face = face_of(tmp_path, model(**(FRESH | more)), model("other", **(FRESH | more)), **judge)
    face.feed.connected = connected
    shown = page(face)
    assert 'class="figures old"' in shown
    assert 'class="card tags old"' in shown
    assert word("web.judged.not_of_now") in shown
    assert "Normal:" not in shown


def test_a_page_without_models_says_how_to_begin_and_claims_nothing(tmp_path: Path) -> None:
    face = face_of(tmp_path)
    assert word("web.judged.no_model") in page(face)
    assert 'id="chart"' not in page(face)
    assert "witnessmark model learn" in unescape(page(face, "learn"))
    never = Face(FeedClient(tmp_path / "f", "t"), Fanout(), tmp_path / "h")
    for name in ("anomalies", "learn"):
        assert word("web.sentence.starting") in page(never, name)


def test_names_from_outside_are_text_and_never_markup(tmp_path: Path) -> None:
    evil = '<img src=x onerror="alert(1)">'
    row = model(evil, contributions=[[evil, 1.0, 1.0, 0.0, 2.0]], drift=evil, refused={"code": evil, "params": {evil: evil}}, **FRESH)
    face = face_of(tmp_path, row, findings=(finding(1, 2, model=evil, tag=evil, rule=evil, evidence={evil: evil}),))
    for shown in (page(face), page(face, "learn"), page(face, query="part=1")):
        assert "<img src=x" not in shown
        assert "&lt;img" in shown


def test_the_live_part_is_the_page_without_its_frame(tmp_path: Path) -> None:
    face = face_of(tmp_path, model(**FRESH), findings=(finding(5033, NOW - 1_000),))
    part = page(face, query="part=1")
    assert "<html" not in part
    assert [part.count(f'data-live="{name}"') for name in ("state", "tags", "findings")] == [1, 1, 1]
    assert page(face, "learn", "part=1").count('data-live="learn"') == 1
    assert "5033" in part


def test_a_finding_is_one_row_from_its_onset_to_its_end_and_open_ones_are_first(tmp_path: Path) -> None:
    end = {"phase": 1, "lasted_ms": 5_000}
    rows = [
        finding(1, 1_000, rule="model", tag="a/b"), finding(2, 91_000, rule="model", tag="c/d", evidence=end),
        finding(3, 5_000, tag="a/b"), finding(4, 6_000, tag="c/d"), finding(5, 9_000, tag="c/d", evidence=end),
        finding(6, 9_500, rule="step", evidence=end), finding(7, 9_900, tag="c/d"),
    ]  # fmt: skip
    shown = finding_views(rows[::-1], "en")
    assert [(each.seq, each.is_open, each.lasted) for each in shown] == [
        (7, True, ""), (3, True, ""), (6, False, ""), (4, False, "3 s"), (1, False, "90 s"),
    ]  # fmt: skip
    text = unescape(page(face_of(tmp_path, model(**FRESH), findings=tuple(rows))))
    assert text.count("over after") == 2
    assert text.count("filler/fill_level jumped") == 1


def test_a_finding_whose_end_nobody_looks_for_is_interrupted_and_not_open(tmp_path: Path) -> None:
    cut = {"phase": 1, "interrupted": True}
    rows = [
        finding(3, 5_000, tag="a/b"), finding(4, 6_000, tag="c/d", open=False), finding(5, 7_000, tag="e/f", open=False),
        finding(6, 259_207_000, tag="e/f", evidence=cut), finding(7, 8_000, tag="g/h"),
    ]  # fmt: skip
    del rows[0]["open"]  # as a core of a release before tells it
    assert [(each.seq, each.is_open, each.is_left, each.lasted) for each in finding_views(rows, "en")] == [
        (7, True, False, ""), (3, True, False, ""), (5, False, True, ""), (4, False, True, ""),
    ]  # fmt: skip
    text = unescape(page(face_of(tmp_path, model(**FRESH), findings=tuple(rows))))
    assert (text.count("</span> open<"), text.count("</span> interrupted<")) == (2, 2)


def test_a_finding_says_what_it_was_labelled_by_whom_and_when(tmp_path: Path) -> None:
    labelled = [[5, "not_normal", "web Tess (session 5f0c)", 60_000], [4, "unsure", "", 0]]
    rows = (finding(4, 1_000, tag="a/b"), finding(5, 5_000, tag="c/d"), finding(6, 9_000, tag="e/f"))
    shown = {each.seq: (each.label, each.label_ms) for each in finding_views(rows, "en", labelled=labelled)}
    assert shown == {4: ("labelled: Unsure", 0), 5: ("labelled: Not normal, by Tess", 60_000), 6: ("", 0)}
    text = unescape(page(face_of(tmp_path, model(**FRESH, labelled=labelled), findings=rows)))
    assert text.count('class="labelled"') == 2
    assert 'labelled: Not normal, by Tess, <time data-ms="60000">' in text


def test_learning_shows_where_it_is_and_how_much_is_missing(tmp_path: Path) -> None:
    poor = {"covered": False, "alarmed_share": 0.31, "rows_wanted": 2_400}
    learning = model("a", "learning", progress={"stage": "folds", "share": 0.42}, coverage=None)
    refused = model("c", "refused", refused={"code": "core_away", "params": {}})
    shown = unescape(page(face_of(tmp_path, learning, model("b", "checking", coverage=poor), refused), "learn"))
    for words in (
        "choosing by held-out parts, 42 %",
        'value="42"',
        "About 2,400 rows more are needed (40 min)",
        word("core_away"),
        'aria-current="step"',
    ):
        assert words in shown, words


PLACES = [
    (5.0, 0.0, 10.0, ("within", 50)), (-1.0, 0.0, 10.0, ("below", 26)), (1e9, 0.0, 10.0, ("above", 100)), (-1e9, 0.0, 10.0, ("below", 0)),
    (1.0, 1.0, 1.0, ("within", 50)), (2.0, 1.0, 1.0, ("above", 100)), (None, 0.0, 1.0, ("unknown", None)),
    (1.0, None, 1.0, ("unknown", None)),
]  # fmt: skip


@pytest.mark.parametrize(("value", "low", "high", "found"), PLACES)
def test_a_value_stands_beside_its_band(value: float | None, low: float | None, high: float | None, found: tuple[str, int | None]) -> None:
    assert place(value, low, high) == found


def test_tags_have_their_units_and_decimals() -> None:
    tags = {row[0]: row for row in JudgedPlant().tag_rows()}
    shown = tag_shares([["filler/torque_mean", 1.7, 2.0, 1.8, 2.25], ["gone/tag", 0.2, 1.23456, None, 2]], tags)
    assert [(each.name, each.percent, each.value, each.unit, each.has_band) for each in shown] == [
        ("filler/torque_mean", 100, "2.00", "N·m", True), ("gone/tag", 20, "1.235", "", False),
    ]  # fmt: skip


def test_the_tag_that_an_alarm_names_is_first_on_the_page_also_where_another_weighs_more() -> None:
    row = model(
        score=3.6, alarming=True, contributions=[["meter/power_l2", 0.1, 655.0, 700.0, 860.0], ["meter/current_l2", 0.9, 3.0, 2.0, 3.5]]
    )
    view = model_view(row, {}, {"state": "ok", "heard_ms": row["cell_ms"]}, row["cell_ms"], "en")
    assert "meter/power_l2" in view.sentence
    assert [each.name for each in view.shares] == ["meter/power_l2", "meter/current_l2"]


def test_the_way_to_armed() -> None:
    assert steps_of("shadow") == (("learning", "done"), ("checking", "done"), ("shadow", "now"), ("armed", "next"))
    assert {when for _, when in steps_of("refused")} == {"next"}


def test_a_check_that_was_not_passed_is_not_ticked_behind_a_model_on_trial(tmp_path: Path) -> None:
    poor = {"covered": False, "alarmed_share": 0.31, "rows_wanted": 2_400}
    row = model(state="shadow", coverage=poor)
    assert dict(model_view(row, {}, None, None, "en").steps) == {
        "learning": "done", "checking": "unpassed", "shadow": "now", "armed": "next",
    }  # fmt: skip
    shown = unescape(page(face_of(tmp_path, row), "learn"))
    assert ('<li class="unpassed">' in shown, shown.count("✓"), "not passed</span>" in shown) == (True, 1, True)
    assert "unpassed" not in page(face_of(tmp_path, model(state="shadow")), "learn")


def test_the_score_of_now_is_told_to_the_chart_only_while_it_is_of_now(tmp_path: Path) -> None:
    assert 'data-score="3.6"' in page(face_of(tmp_path, model(score=3.6, **FRESH)))
    assert "data-score" not in page(face_of(tmp_path, model(score=3.6, cell_ms=1)))


def test_the_model_that_is_not_normal_is_chosen_unless_one_is_named() -> None:
    rows = [model("a"), model("b", alarming=True)]
    assert [(chosen_model(rows, name) or {}).get("name") for name in (None, "a", "c")] == ["b", "a", None]
    assert chosen_model([], None) is None


def test_scores_are_asked_for_and_cut_into_runs(tmp_path: Path) -> None:
    gone = finding(10, NOW - 2, evidence={"phase": 1})
    face = face_of(tmp_path, model(**FRESH), findings=(finding(7, NOW - 5_000), finding(8, 0), finding(9, NOW - 1, model="other"), gone))
    asked: list[Any] = []

    async def request(method: str, params: Any, timeout_s: float) -> Any:
        asked.append((method, params))
        return {"points": [[NOW - 2_000, 1.0, False], [NOW - 1_000, 3.0, True]], "threshold": 2.4, "cell_ms": 1_000}

    face.feed.request = request  # type: ignore[method-assign]
    found = json.loads(page(face, "scores", "span=3600&model=line"))
    assert asked == [("scores", {"model": "line", "from_ms": NOW - 3_600_000, "to_ms": NOW, "points_max": 1_200})]
    assert found["runs"] == [[[NOW - 2_000, 1.0, False], [NOW - 1_000, 3.0, True]]]
    assert (found["findings"], found["threshold"]) == ([[NOW - 5_000, 7]], 2.4)
    for query, code in (("span=5", "span_unknown"), ("model=none", "page_missing"), ("span=x", "number_invalid")):
        with pytest.raises(RequestRefusedError, match=code):
            page(face, "scores", query)
