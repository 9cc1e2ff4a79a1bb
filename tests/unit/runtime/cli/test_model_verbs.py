"""`witnessmark model …` against a real feed: what it asks for, what it says, and how it ends."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from runtime.cli.app import make_app
from tests.rigs.feed_plant import serving
from tests.rigs.judged_plant import JudgedPlant, contributions, finding, model

Said = tuple[int, str]
GOING = {"seq": 5040, "rule": "dropout", "tag": "meter/voltage_l1", "at_ms": 1, "evidence": {}, "band": None}


def say(tmp_path: Path, plant: JudgedPlant, *commands: tuple[str, ...], between: Callable[[], None] = lambda: None) -> list[Said]:
    """Run commands one after the other beside a feed."""

    async def run() -> list[Said]:
        async with serving(tmp_path / "run" / "feed.sock", plant):
            found = []
            for command in commands:
                arguments = ["model", *command, "--state", str(tmp_path)]
                result = await asyncio.to_thread(CliRunner().invoke, make_app(), arguments, env={"COLUMNS": "220"})
                found.append((result.exit_code, result.output))
                between()
            return found

    return asyncio.run(run())


def plant_of(*models: dict[str, Any]) -> JudgedPlant:
    plant = JudgedPlant()
    now_ms = plant.clock_ms()
    plant.models = [row | {"cell_ms": now_ms - 4_000 if row["cell_ms"] != 5_000 else 5_000} for row in models]
    plant.findings = [finding(5033, now_ms - 300_000, evidence={"count": 41}), finding(9, 5, model="other")]
    plant.points = [[now_ms - 3_000, 1.25, True], [now_ms - 2_000, None, True], [now_ms - 1_000, 3.5, False]]
    return plant


def test_each_act_is_one_request_at_the_door(tmp_path: Path) -> None:
    plant = plant_of(model())
    (tmp_path / "m").write_bytes(b"model")
    (tmp_path / "c").write_bytes(b"manifest")
    why = ("--reason", "test")
    said = say(
        tmp_path, plant,
        ("learn", "line", "--no-wait", "--from", "1000", "--to", "2026-11-25T10:00:00Z", "--recipe", "still", *why),
        ("shadow", "line", *why), ("arm", "line", *why), ("disarm", "line", *why),
        ("label", "line", "--finding", "5033", "--as", "not_normal", "--by", "Ana"),
        ("label", "line", "--from", "1", "--to", "2", "--as", "unsure", "--by", "Ana"),
        ("import", "line", str(tmp_path / "m"), str(tmp_path / "c"), *why),
    )  # fmt: skip
    assert said == [(0, "Done; recorded as entry 77.\n")] * 7
    asked = [(act["action"], act["params"]) for act in plant.acts]
    assert asked == [
        ("model.learn", {"from_ms": 1_000, "to_ms": 1_795_600_800_000, "recipe": "still"}),
        ("model.shadow", {}), ("model.arm", {}), ("model.disarm", {}),
        ("model.label", {"label": "not_normal", "by": "Ana", "seq": 5033}),
        ("model.label", {"label": "unsure", "by": "Ana", "from_ms": 1, "to_ms": 2}),
        ("model.import", {"model": b"model", "manifest": b"manifest"}),
    ]  # fmt: skip
    assert {(act["target"], act["reason"]) for act in plant.acts} == {("line", "test"), ("line", "")}


def test_a_trial_of_what_is_not_covered_is_said_to_be_that(tmp_path: Path) -> None:
    plant = plant_of(model())
    plant.outcome = {"code": "done", "seq": 5, "params": {"model": "line", "state": "shadow", "covered": False}}
    (code, text), *_ = say(tmp_path, plant, ("shadow", "line", "--reason", "t"))
    assert (code, "But it is not covered" in text) == (0, True), text


def test_a_check_says_what_it_found(tmp_path: Path) -> None:
    plant = plant_of(model())
    plant.outcome = {"code": "done", "seq": 5, "params": {"rows": 900, "alarmed_share": 0.05, "covered": False, "rows_wanted": 300}}
    (code, text), (_, as_json) = say(tmp_path, plant, ("check", "line", "--reason", "t"), ("check", "line", "--reason", "t", "--json"))
    assert (code, "5.0 % were over the threshold. About 300 rows more" in text) == (0, True), text
    assert json.loads(as_json)["params"]["rows"] == 900


def test_what_makes_no_sense_is_said_and_not_asked(tmp_path: Path) -> None:
    plant = plant_of(model())
    (tmp_path / "big").write_bytes(bytes(1_200_000))
    (tmp_path / "half").write_bytes(bytes(500_000))
    by = ("--by", "Ana", "--json")
    said = say(
        tmp_path, plant,
        ("label", "line", "--finding", "1", "--as", "odd", *by), ("label", "line", "--as", "normal", *by),
        ("label", "line", "--finding", "1", "--from", "1", "--to", "2", "--as", "normal", *by),
        ("learn", "line", "--from", "soon", "--reason", "", "--json"),
        ("import", "line", str(tmp_path / "half"), str(tmp_path / "none"), "--reason", "", "--json"),
        ("import", "line", str(tmp_path / "big"), str(tmp_path / "none"), "--reason", "", "--json"),
        ("import", "line", str(tmp_path / "half"), str(tmp_path / "half"), "--reason", "", "--json"),
    )  # fmt: skip
    codes = ["label_unknown", "label_needs_what", "label_needs_what", "time_invalid", "file_missing", "file_too_long", "file_too_long"]
    assert [(code, json.loads(text)["error"]) for code, text in said] == [(2, each) for each in codes]
    assert [json.loads(text)["params"]["size"] for _, text in said[-2:]] == [1_200_000, 1_000_000]
    assert plant.acts == []


def test_an_act_that_is_refused_ends_with_1_and_its_reason(tmp_path: Path) -> None:
    plant = plant_of(model())
    plant.outcome = {"code": "model_unknown", "params": {"model": "line"}, "seq": 5}
    (code, text), *_ = say(tmp_path, plant, ("arm", "line", "--reason", "test", "--json"))
    assert (code, json.loads(text)["error"]) == (1, "model_unknown")


def test_list_says_state_and_what_to_do_next(tmp_path: Path) -> None:
    poor = {"covered": False, "alarmed_share": 0.31, "rows_wanted": 2_400}
    plant = plant_of(model(), model("capper", "checking", coverage=poor), model("pump", "off"))
    plant.models.append(model("mixer", "shadow", coverage=poor | {"rows_wanted": 822}))
    (code, text), (_, as_json) = say(tmp_path, plant, ("list",), ("list", "--json"))
    assert code == 0
    for words in (
        "Normal: the score is 55 % of the threshold.",
        "About 2,400 rows more are needed (40 min).",
        "witnessmark model learn capper",
        "About 822 rows more are needed",
    ):
        assert words in text, text
    assert [row["name"] for row in json.loads(as_json)["models"]] == ["line", "capper", "pump", "mixer"]
    (code, text), *_ = say(tmp_path, plant_of(), ("list",))
    assert (code, "[[models.define]]" in text) == (0, True)


@pytest.mark.parametrize(
    ("more", "code", "words"),
    [
        ({}, 0, "Score 1.31, threshold 2.4, "),
        ({"score": 3.6, "alarming": True}, 1, "NOT NORMAL"),
        (
            {"score": None, "abstained": "gate"},
            2,
            "No score: the machine is not in the state that it was learned in, or is so only since a moment ago.",
        ),
        ({"state": "off"}, 2, "switched off"),
        ({"score": None, "abstained": "missing", "open": [GOING]}, 1, "NOT NORMAL"),
        ({"score": None, "abstained": "gate", "alarming": True, "open": [GOING | {"rule": "model"}]}, 2, "No score: the machine is not in"),
        ({"state": "off", "open": [GOING]}, 2, "switched off"),
        ({"score": None, "abstained": "missing", "open": [GOING], "cell_ms": 5_000}, 2, ""),
    ],
)
def test_score_ends_as_its_verdict(tmp_path: Path, more: dict[str, Any], code: int, words: str) -> None:
    (found, text), *_ = say(tmp_path, plant_of(model(**more)), ("score", "line"))
    assert (found, words in text) == (code, True), text


def test_a_score_of_a_dead_judge_cannot_be_told(tmp_path: Path) -> None:
    plant = plant_of(model())
    plant.heard_ms = plant.clock_ms() - 60_000
    (code, text), (also, as_json) = say(tmp_path, plant, ("score", "line"), ("score", "line", "--json"))
    assert (code, also, json.loads(as_json)["of_now"]) == (2, 2, False)
    assert "What you see is old" in text
    assert "Normal:" not in text


def test_scores_of_a_span_are_listed_with_what_was_not_scored(tmp_path: Path) -> None:
    (code, text), (nothing, said), (unknown, _) = say(
        tmp_path,
        plant_of(model()),
        ("score", "line", "--from", "0"),
        ("score", "line", "--from", "0", "--to", "1"),
        ("score", "pump", "--from", "0"),
    )
    assert (code, nothing, unknown) == (0, 0, 1)
    assert [line.split("  ", 1)[1] for line in text.splitlines()] == ["1.25", "no score", "3.5  over the threshold"]
    assert "no scores" in said
    cut = plant_of(model())
    cut.cut_ms = cut.points[0][0]
    (code, text), *_ = say(tmp_path, cut, ("score", "line", "--from", "0"))
    assert code == 0
    assert "are not listed: the span has more than are read at once" in " ".join(text.split())
    again = plant_of(model())
    again.points, again.earlier = [], [[0, 1]]
    (code, text), *_ = say(tmp_path, again, ("score", "line", "--from", "0"))
    assert "Scores of an earlier model are not shown" in " ".join(text.split())


def test_explain_says_first_what_a_rule_found_and_what_it_is_now(tmp_path: Path) -> None:
    evidence = {"value": 6.4, "high": 6.0}
    going = {"seq": 5040, "rule": "range", "tag": "filler/torque_mean", "at_ms": 1, "evidence": evidence, "band": [1.8, 2.2]}
    plant = plant_of(model(score=0.12, alarming=True, open=[going], contributions=contributions(24.0)[:2]))
    plant.values = {"filler/torque_mean": 8.5}
    plant.findings.append(finding(5040, 1_000, rule="range", tag="filler/torque_mean", evidence=evidence, band=[1.8, 2.2]))
    (_, text), (_, one), (_, as_json) = say(
        tmp_path, plant, ("explain", "line"), ("explain", "line", "--finding", "5040"), ("explain", "line", "--json")
    )
    lines = text.splitlines()
    assert lines[0].startswith("NOT NORMAL: filler/torque_mean is outside its limits (now 8.5, upper limit 6), and it goes on.")
    assert [line.split()[0] for line in lines[2:]] == ["tag", "filler/torque_mean", "filler/product_temperature", "capper/torque_last"]
    assert [each in lines[3] for each in ("-", "8.5", "1.8 to 2.2", "above its normal band")] == [True] * 4
    assert "There is no score" not in one
    assert tuple(each for each in ("6.4", "1.8 to 2.2") if each in one.splitlines()[-1]) == ("6.4", "1.8 to 2.2")
    assert json.loads(as_json)["contributions"][0] == {"tag": "filler/torque_mean", "share": None, "value": 8.5, "low": 1.8, "high": 2.2}


def test_explain_names_tags_with_their_bands(tmp_path: Path) -> None:
    plant = plant_of(model(alarming=True))
    (code, text), (one, found), (gone, refused) = say(
        tmp_path, plant, ("explain", "line"), ("explain", "line", "--finding", "5033"), ("explain", "line", "--finding", "9", "--json")
    )
    assert (code, one, gone) == (0, 0, 1)
    line = next(each for each in text.splitlines() if "meter/power_l2" in each)
    assert [each in line for each in ("5 %", "655", "700 to 860", "below its normal band")] == [True] * 4
    assert "filler/fill_level is stuck (count 41)" in found
    assert (json.loads(refused)["error"], json.loads(refused)["params"]) == ("finding_unknown", {"seq": 9})


@pytest.mark.parametrize(
    ("ended", "exit_code", "words"),
    [
        ("learned", 0, "3,412 rows with a score. Left out: 96 that were not normal, 62 right after a start of the gateway. ✓ Covered"),
        ("core_away", 1, "does not answer"),
    ],
)
def test_learn_waits_until_it_has_ended(tmp_path: Path, ended: str, exit_code: int, words: str) -> None:
    class Learning(JudgedPlant):
        looks = 0

        async def answer(self, session: Any, method: str, params: Any) -> Any:
            if method == "models":
                self.looks += 1
                on_the_way = {"stage": "folds", "share": 0.5} if self.looks == 2 else None
                end = {"code": "old" if self.looks < 3 else ended, "params": {}, "seq": min(self.looks, 3)}
                self.models = [model(state="checking", progress=on_the_way, ended={**end, "seq": 1 if self.looks < 3 else 9})]
            return await super().answer(session, method, params)

    plant = Learning()
    (code, text), *_ = say(tmp_path, plant, ("learn", "line", "--reason", "test"))
    assert (code, words in text, plant.looks) == (exit_code, True, 3), text


def test_without_a_gateway_nothing_can_be_told(tmp_path: Path) -> None:
    result = CliRunner().invoke(make_app(), ["model", "list", "--state", str(tmp_path), "--json"])
    assert (result.exit_code, json.loads(result.output)["error"]) == (2, "core_away")


def test_without_a_gateway_a_person_is_told_which_folder_was_asked(tmp_path: Path) -> None:
    result = CliRunner().invoke(make_app(), ["model", "list", "--state", str(tmp_path)])
    text = "".join(result.output.split())
    assert result.exit_code == 2
    assert str(tmp_path) in text
    assert "--state" in text
