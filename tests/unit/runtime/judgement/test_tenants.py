"""Acts on models: what each needs, what it changes, what is refused and with which reason; every change of state is an entry."""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256
from typing import Any

import pytest

from ledger_client.event_bodies import FindingBody, ModelBody
from ledger_client.vendor_signature import sign_as_vendor
from models.input_plan import InputPlan
from models.manifest import Agreement, Coverage
from runtime.faces.feed import RequestRefusedError
from runtime.judgement.book import MODELS_MAX, ModelBook
from runtime.judgement.desk import JudgementDesk
from runtime.judgement.plans import plan_of
from runtime.judgement.tenants import ModelActs
from runtime.messages.catalogue import word
from runtime.messages.judged import coverage_text, judge_fault, next_step
from tests.rigs.judged import FOLDER, model_bytes
from tests.rigs.model_acts import Bench, devices_of, models_of, run_acts
from tests.rigs.small_log import key_of


def test_a_model_goes_up_through_shadow_and_down_again() -> None:
    async def scenario(bench: Bench) -> None:
        page = bench.line.desk.book.page("line")
        assert (await bench.act("model.arm")) == ("model_state", {"model": "line", "state": "checking", "wanted": "armed"})
        seen = []
        for action in ("model.shadow", "model.arm", "model.disarm", "model.disarm", "model.disarm", "model.shadow"):
            code, _ = await bench.act(action)
            seen.append((code, page.state))
        assert seen == [
            ("done", "shadow"), ("done", "armed"), ("done", "shadow"), ("done", "off"), ("model_does_not_score", "off"), ("done", "shadow"),
        ]  # fmt: skip
        assert page.since_seq == bench.line.log.size - 1, "what was off while it was off is not scored later"

    run_acts(scenario)


@pytest.mark.parametrize("why", ["coverage", "int8", "differing", "checked", "blind"])
def test_arming_is_refused_while_the_model_must_not_alarm(why: str) -> None:
    async def scenario(bench: Bench) -> None:
        desk, kept = bench.line.desk, bench.line.kept
        changed = {
            "coverage": {"coverage": Coverage(covered=False, alarmed_share=0.25, rows_wanted=1_800)},
            "int8": {"int8_float": Agreement(rms=0.2, differing_share=0.0)},
            "differing": {"int8_float": Agreement(rms=0.0, differing_share=0.2)},
            "checked": {},
            "blind": {"decision": replace(kept.manifest.decision, threshold=1e12)},
        }[why]
        desk.rows.take_manifest(kept.manifest_hash, replace(kept.manifest, **changed))
        if why == "checked":
            bench.judge.answer = {"rows": 900, "alarmed_share": 0.5, "covered": False, "rows_wanted": 900}
            assert (await bench.act("model.check"))[0] == "done"
        assert (await bench.act("model.shadow"))[0] == "done"
        code, params = await bench.act("model.arm")
        assert code == {"int8": "model_int8_disagrees", "differing": "model_int8_disagrees", "blind": "model_blind"}.get(
            why, "model_not_covered"
        )
        assert params["model"] == "line"
        if why == "blind":  # calm in service as well: that tells nothing
            bench.judge.answer = {"rows": 2_000, "alarmed_share": 0.0, "covered": True, "rows_wanted": 17}
            code, told = await bench.act("model.check")
            assert (code, told["blind"]) == ("done", True)
            assert (await bench.act("model.arm"))[0] == "model_blind"
            assert desk.model_rows()[0]["coverage"]["rows_wanted"] == kept.manifest.coverage.rows_wanted == 0, "those to learn from"
            assert (desk.model_rows()[0]["coverage"]["covered"], desk.model_rows()[0]["coverage"]["blind"]) == (False, True)
        if why == "coverage":
            assert (params["alarmed_share"], params["rows_wanted"]) == (0.25, 1_800)
            bench.judge.answer = {"rows": 2_000, "alarmed_share": 0.001, "covered": True, "rows_wanted": 0}
            assert (await bench.act("model.check"))[0] == "done"
            assert (await bench.act("model.arm"))[0] == "done"

    run_acts(scenario)


def test_list_and_refusal_say_the_same_of_a_model_that_learned_from_little() -> None:
    """Blind, and tried on nothing: the reason and the advice are one, and no share of 1.0 is made up for it."""

    async def scenario(bench: Bench) -> None:
        desk, kept = bench.line.desk, bench.line.kept
        little = {"rows": 40, "coverage": Coverage(covered=False, alarmed_share=1.0, rows_wanted=1_160)}
        for threshold, code, said in (
            (1e12, "model_blind_few", "find hardly anything"),
            (60.0, "model_learned_little", "too little to be"),
        ):
            decision = replace(kept.manifest.decision, threshold=threshold)
            desk.rows.take_manifest(kept.manifest_hash, replace(kept.manifest, decision=decision, **little))
            done, told = await bench.act("model.shadow")
            assert (done, told["covered"]) == ("done", False)
            refused = await bench.act("model.arm")
            assert (refused[0], refused[1]["rows_wanted"]) == (code, 1_160)
            row = desk.model_rows()[0]
            assert row["coverage"]["alarmed_share"] is None
            for text in (word(*refused), coverage_text(row)):
                assert said in text
                assert "1.0 " not in text
                assert "100.0" not in text
            assert "learn again" in word(*refused)
            assert (next_step(row)[1] or "").startswith("witnessmark model learn line ")
            assert (await bench.act("model.disarm"))[0] == "done"

    run_acts(scenario)


def test_a_check_of_too_few_quiet_rows_is_no_check() -> None:
    async def scenario(bench: Bench) -> None:
        size = bench.line.log.size
        bench.judge.answer = {"rows": 3, "alarmed_share": 0.0, "covered": False, "rows_wanted": 597}
        assert await bench.act("model.check") == ("check_too_early", {"model": "line", "rows": 3, "rows_wanted": 597})
        assert bench.line.log.size == size, "nothing is recorded: what learning found stands"
        assert [(await bench.act(action))[0] for action in ("model.shadow", "model.arm")] == ["done", "done"]

    run_acts(scenario)


def test_learning_is_ordered_with_the_plan_of_the_definition() -> None:
    async def scenario(bench: Bench) -> None:
        assert (await bench.act("model.learn", from_ms=1_000, to_ms=2_000))[0] == "done"
        ((method, order),) = bench.judge.asked
        assert (method, order["from_ms"], order["to_ms"], order["name"]) == ("learn", 1_000, 2_000, "line")
        plan = InputPlan.from_plain(order["plan"])
        assert plan == plan_of(bench.models.define[0], devices_of())
        assert [tag.role for tag in plan.tags] == ["level", "counter", "state"]
        assert (plan.tags[1].hold_ms, plan.tags[0].hold_ms) == (5_000, 150_000)
        assert plan.tags[2].running == (6.0,)
        assert plan.gates[0].settle_ms == 30_000
        assert bench.line.desk.book.page("line").state == "checking", "what is there goes on while another is learned"
        assert bench.line.desk.model_rows()[0]["progress"] == {"stage": "reading", "share": 0.0}
        bench.line.clock.now_ms += 1
        bench.line.desk._heard_ms, bench.line.desk._heard_mono_ms = 1, bench.line.clock.now_ms
        assert (await bench.act("model.learn"))[0] == "model_is_learning"
        assert (await bench.act("model.shadow"))[0] == "done"
        assert (await bench.act("model.arm"))[0] == "model_arm_learning", "it would be replaced by one that is not armed"
        bench.line.desk.forget_learning("line")
        assert (await bench.act("model.arm"))[0] == "done"

    run_acts(scenario)


@pytest.mark.parametrize(
    ("params", "code"),
    [
        ({"from_ms": 5, "to_ms": 5}, "learn_span"),
        ({"from_ms": True, "to_ms": 5}, "act_shape"),
        ({"other": 1}, "act_shape"),
        ({"window": "x"}, "act_shape"),
        ({"grid_ms": 0}, "act_shape"),
        ({"tags": "a/fast0"}, "act_shape"),
        ({"tags": "a/fast2,a/none"}, "tag_unknown"),
    ],
)
def test_an_order_to_learn_that_makes_no_sense_is_refused_before_anything_is_recorded(params: dict[str, Any], code: str) -> None:
    async def scenario(bench: Bench) -> None:
        size = bench.line.log.size
        assert (await bench.act("model.learn", **params))[0] == code
        assert (bench.line.log.size, bench.judge.asked) == (size, [])

    run_acts(scenario)


def test_a_judge_that_is_away_is_said_and_leaves_nothing_behind() -> None:
    async def scenario(bench: Bench) -> None:
        bench.judge.answer = RequestRefusedError("judge_away")
        for action in ("model.learn", "model.check"):
            assert (await bench.act(action))[0] == "judge_away"
        assert bench.line.desk.pending == {}
        bench.judge.answer = {"rows": "many"}
        assert (await bench.act("model.check"))[0] == "judge_word_invalid"

    run_acts(scenario)


def test_labels_are_entries_and_make_precision_and_recall() -> None:
    async def scenario(bench: Bench) -> None:
        line = bench.line
        found = FindingBody("line", line.kept.manifest_hash, "stuck", "t", 0, 0, False, None, None)
        seqs = [await line.desk.record(replace(found, at_ms=at_ms)) for at_ms in (1_000, 2_000, 3_000)]
        for seq, label in zip(seqs, ("not_normal", "normal", "unsure"), strict=True):
            assert (await bench.act("model.label", seq=seq, label=label, by="anna"))[0] == "done"
        assert (await bench.act("model.label", from_ms=8_000, to_ms=9_000, label="not_normal"))[0] == "done"
        labels = line.desk.model_rows()[0]["labels"]
        assert labels == {"normal": 1, "not_normal": 2, "unsure": 1, "judged": 2, "precision": 0.5, "recall": 0.5}
        assert (await bench.act("model.label", seq=seqs[1], label="not_normal"))[0] == "done"
        assert line.desk.model_rows()[0]["labels"]["precision"] == 1.0
        told = {seq: (label, by) for seq, label, by, at_ms in line.desk.model_rows()[0]["labelled"] if at_ms > 0}
        assert told.keys() == set(seqs)
        assert told[seqs[0]] == ("not_normal", "anna")
        assert told[seqs[1]][0] == "not_normal", "the newest counts"
        await line.desk.save()
        again = ModelBook(line.desk.store._disk, FOLDER, 1)
        again.load()
        assert again.page("line").labels.labelled() == line.desk.model_rows()[0]["labelled"], "a start keeps by whom and when"
        for params in (
            {"label": "good", "seq": seqs[0]}, {"label": "normal"}, {"label": "normal", "seq": seqs[0], "from_ms": 1, "to_ms": 2},
            {"label": "normal", "from_ms": 5, "to_ms": 1}, {"label": "normal", "seq": seqs[0], "by": 5},
            {"label": "normal", "seq": seqs[0], "by": "x" * 5_000},
        ):  # fmt: skip
            assert (await bench.act("model.label", **params))[0] == "act_shape"
        for seq in (0, 10_000):
            assert (await bench.act("model.label", label="normal", seq=seq))[0] == "finding_unknown"

    run_acts(scenario)


def test_a_model_is_imported_with_a_vendors_key_or_where_it_is_allowed_without() -> None:
    async def scenario(bench: Bench) -> None:
        model = model_bytes(8)
        other = replace(bench.line.kept.manifest, model_sha256=sha256(model).digest())
        files = {"model": model, "manifest": other.encoded()}
        signature = sign_as_vendor(key_of(50), other.hash, other.model_sha256)
        assert (await bench.act("model.import", **files))[0] == "model_unsigned"
        assert (await bench.act("model.import", **files, signature=signature))[0] == "model_key_untrusted"
        bench.models = models_of(trusted_keys=[key_of(50).public.cose.hex()])
        bench.judge.answer = RequestRefusedError("model_operator")
        assert (await bench.act("model.import", **files, signature=signature))[0] == "model_operator"
        assert bench.line.desk.book.page("line").manifest != other.hash
        bench.judge.answer = {}
        assert (await bench.act("model.import", **files, signature=signature))[0] == "done"
        page = bench.line.desk.book.page("line")
        assert (page.manifest, page.state, page.last_cell) == (other.hash, "checking", None)
        assert bench.line.desk.model_rows()[0]["coverage"]["by"] == "maker"
        bench.judge.answer = {"rows": 900, "alarmed_share": 0.001, "covered": True, "rows_wanted": 0}
        assert (await bench.act("model.check"))[0] == "done"
        row = bench.line.desk.model_rows()[0]
        assert (row["coverage"]["by"], row["imported"]) == ("check", True)
        assert (await bench.act("model.import", "other", **files, signature=signature))[0] == "model_name_differs"
        assert (await bench.act("model.import", model=b"", manifest=""))[0] == "act_shape"

    run_acts(scenario, unsigned_imports=False)


@pytest.mark.parametrize(
    ("why", "changed"),
    [
        ("model_not_covered_maker", {"coverage": Coverage(covered=False, alarmed_share=0.25, rows_wanted=1_800)}),
        ("model_blind_maker", {"threshold": 1e300}),
    ],
)
def test_an_import_that_may_not_be_armed_is_not_to_be_learned_again_here(why: str, changed: dict[str, Any]) -> None:
    async def scenario(bench: Bench) -> None:
        model, kept = model_bytes(8), bench.line.kept.manifest
        fields = {"decision": replace(kept.decision, threshold=changed["threshold"])} if "threshold" in changed else changed
        other = replace(kept, model_sha256=sha256(model).digest(), **fields)
        assert (await bench.act("model.import", model=model, manifest=other.encoded()))[0] == "done"
        assert (await bench.act("model.shadow"))[0] == "done"
        code, params = await bench.act("model.arm")
        assert code == why
        assert "learn again" not in word(code, params)
        todo, command = next_step(bench.line.desk.model_rows()[0])
        assert "learn again" not in todo.lower()
        assert "model learn" not in (command or "")

    run_acts(scenario)


def test_a_manifest_of_tiny_residuals_stops_no_face() -> None:
    """Its reach is beyond what a float can hold, and is reckoned for every row that is shown."""

    async def scenario(bench: Bench) -> None:
        model, kept = model_bytes(8), bench.line.kept.manifest
        for residual in (1e-160, 5e-324):
            other = replace(kept, model_sha256=sha256(model).digest(), residual=(residual,) * len(kept.residual))
            assert (await bench.act("model.import", model=model, manifest=other.encoded()))[0] == "done"
            assert bench.line.desk.model_rows()[0]["coverage"]["blind"] is False

    run_acts(scenario)


def test_what_is_imported_is_never_to_be_learned_again_here_also_after_a_restart() -> None:
    async def scenario(bench: Bench) -> None:
        line, model = bench.line, model_bytes(8)
        other = replace(line.kept.manifest, model_sha256=sha256(model).digest(), int8_float=Agreement(rms=0.2, differing_share=0.0))
        assert (await bench.act("model.import", model=model, manifest=other.encoded()))[0] == "done"
        assert (await bench.act("model.shadow"))[0] == "done"
        assert (await bench.act("model.arm"))[0] == "model_int8_disagrees_maker"
        later = JudgementDesk(line.log, line.log, line.desk.store._disk, FOLDER, line.clock, line.desk.work, lambda: bench.models)
        await later.open()
        assert later.model_rows()[0]["coverage"]["by"] == "maker"

    run_acts(scenario)


def test_models_that_were_switched_on_since_the_start_ask_for_a_restart_and_not_to_try_again() -> None:
    async def scenario(bench: Bench) -> None:
        line = bench.line
        desk = JudgementDesk(line.log, line.log, line.desk.store._disk, FOLDER, line.clock, line.desk.work, lambda: bench.models)
        bench.models = models_of(enabled=False)
        await desk.run()
        assert (desk.health()["state"], desk.health()["cause"]) == ("off", None)
        bench.models = models_of()
        bench.line = replace(line, desk=desk)
        bench.acts = ModelActs(desk, bench.judge, line.log, line.clock, devices_of)  # type: ignore[arg-type]
        assert (await bench.act("model.learn"))[0] == "models_need_restart"
        health = desk.health()
        assert (health["state"], health["cause"]) == ("off", "models_need_restart")
        assert judge_fault(health, line.clock.wall_ms()) == ("warn", word("models_need_restart"))

    run_acts(scenario)


def test_a_model_that_the_book_has_no_page_for_is_refused_before_anything_is_recorded() -> None:
    async def scenario(bench: Bench) -> None:
        for number in range(MODELS_MAX - 1):
            await bench.line.desk.record(ModelBody(f"m{number}", "off", "model_off"))
        size = bench.line.log.size
        other = replace(bench.line.kept.manifest, name="other")
        files = {"model": model_bytes(), "manifest": other.encoded()}
        assert await bench.act("model.import", "other", **files) == ("models_too_many", {"most": MODELS_MAX})
        assert bench.line.log.size == size
        again = replace(bench.line.kept.manifest, rows=1)
        assert (await bench.act("model.import", model=model_bytes(), manifest=again.encoded()))[0] == "done"

    run_acts(scenario)


def test_a_span_to_learn_from_that_is_upside_down_or_to_come_says_so() -> None:
    async def scenario(bench: Bench) -> None:
        now = bench.line.clock.wall_ms()
        for span in ({"from_ms": now - 5, "to_ms": now - 5}, {"from_ms": now - 5, "to_ms": now - 9}, {"from_ms": now, "to_ms": now + 9}):
            assert await bench.act("model.learn", **span) == ("learn_span", {})
        assert not bench.judge.asked
        assert (await bench.act("model.learn", from_ms=now - 9, to_ms=now + 9))[0] == "done", "an hour that has begun"

    run_acts(scenario)


def test_with_models_off_or_unknown_or_refused_nothing_starts() -> None:
    async def scenario(bench: Bench) -> None:
        assert (await bench.act("model.learn", "nobody"))[0] == "model_unknown"
        assert (await bench.act("model.shadow", "nobody"))[0] == "model_unknown"
        define = bench.models.define[0]
        bench.models = bench.models.model_copy(update={"define": (define, define.model_copy(update={"name": "second"}))})
        for action in ("model.check", "model.shadow", "model.arm", "model.disarm"):
            assert await bench.act(action, "second") == ("model_not_learned", {"model": "second"})
        page = bench.line.desk.book.page("line")
        await bench.line.desk.record(ModelBody("line", "refused", "model_changed", page.manifest, page.model, {"model": "x"}))
        assert await bench.act("model.shadow") == ("model_changed", {"model": "x"})
        bench.models = models_of(enabled=False)
        for action in bench.acts.tenants():
            assert (await bench.act(action))[0] == "models_off"

    run_acts(scenario)
