"""The core's desk: what a judge may say, what it may not, how much of it; and what is known again after any restart."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger_client.errors import FormatError, StoreError
from ledger_client.event_bodies import LabelBody, ModelBody, ScoreReceipt
from runtime.config_model import Models
from runtime.faces.feed import Session
from runtime.judgement.book import ModelBook
from runtime.judgement.desk import BURST, JudgementDesk
from runtime.judgement.judge_words import LiveRow, read_word
from runtime.judgement.spans import OpenReceipt
from tests.rigs.judged import FOLDER, JUDGE, Judged, finding, judged, refused, run
from tests.tidy.source import ROOT

plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.binary(max_size=40),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)
words = st.sampled_from(["sync", "live", "scores", "finding", "refused", "accepted", "progress", "learned", "not_learned"])
keys = ["rows", "behind_ms", "body", "name", "code", "params", "act", "stage", "share", "manifest", "fresh", "left_out", "settling"]


def receipt(line: Judged, first: int, count: int = 1, **changed: Any) -> dict[str, Any]:
    found = ScoreReceipt(
        "line", line.kept.manifest.model_sha256, line.kept.manifest_hash, 1, 2, 1000, ((first, count),), (1.5,) * count, bytes(count),
        bytes(32), (0, -1),
    )  # fmt: skip
    return {"what": "scores", "body": replace(found, **changed).encode()}


@settings(max_examples=200)
@given(words, st.dictionaries(st.sampled_from(keys), plain, max_size=6))
def test_no_word_of_another_shape_is_read(what: str, params: dict[str, Any]) -> None:
    word = read_word({"what": what, **params}, 1_000)
    if word is not None:  # what is read holds what was said, in bounds
        assert len(params) <= 5


def test_only_the_judge_of_our_own_user_is_heard() -> None:
    async def scenario(work: ThreadPoolExecutor) -> None:
        line = await judged(work=work)
        for session in (Session("web", 0), Session("cli", 0), Session("judge", 4711)):
            assert await refused(line.desk, {"what": "sync", "fresh": False}, session) == "permission_denied"
        assert await refused(line.desk, {"what": "sync", "fresh": False}) == ""

    run(scenario)


@pytest.mark.parametrize(
    "params",
    [
        {"what": "live", "rows": [["line", bytes(32), float("nan"), False, None, 1, [], None]], "behind_ms": 0},
        {"what": "live", "rows": [["line", bytes(32), 1.0, 1, None, 1, [], None]], "behind_ms": 0},
        {"what": "live", "rows": [["line", bytes(32), 1.0, True, None, 1, [["t", 1.0, None, None, None]] * 6, None]], "behind_ms": 0},
        {"what": "live", "rows": [["x" * 201, bytes(32), 1.0, True, None, 1, [], None]], "behind_ms": 0},
        {"what": "live", "rows": [["line", bytes(32), 1.0, True, None, 1, [], None]] * 33, "behind_ms": 0},
        {"what": "live", "rows": [["line", bytes(31), 1.0, True, None, 1, [], None]], "behind_ms": 0},
        {"what": "live", "rows": [], "behind_ms": -1},
        {"what": "scores", "body": b"\x00" * 70_000},
        {"what": "scores", "body": b"\xff"},
        {"what": "scores", "body": b"", "more": 1},
        {"what": "refused", "name": "line", "code": "x", "params": {str(n): n for n in range(17)}},
        {"what": "refused", "name": "line", "code": "x", "params": {"a": "b" * 401}},
        {"what": "learned", "name": "line", "act": bytes(15), "manifest": bytes(32), "left_out": 0, "settling": 0},
        {"what": "learned", "name": "line", "act": bytes(16), "manifest": bytes(32), "left_out": 0, "settling": -1},
        {"what": "learned", "name": "line", "act": bytes(16), "manifest": bytes(32), "left_out": True, "settling": 0},
        {"what": "learned", "name": "line", "act": bytes(16), "manifest": bytes(32)},
        {"what": "progress", "name": "line", "act": bytes(16), "stage": "reading", "share": 1.5},
        {"what": "sync"},
        {},
    ],
    ids=lambda params: str(params.get("what")),
)
def test_hostile_words_are_refused_counted_and_change_nothing(params: dict[str, Any]) -> None:
    async def scenario(work: ThreadPoolExecutor) -> None:
        line = await judged(work=work)
        size, rows = line.log.size, line.desk.model_rows()
        assert await refused(line.desk, params) == "judge_word_invalid"
        assert (line.log.size, line.desk.model_rows(), line.desk.refused_words) == (size, rows, 1)

    run(scenario)


def test_scores_are_recorded_in_order_once_and_of_ordered_models_only() -> None:
    async def scenario(work: ThreadPoolExecutor) -> None:
        line = await judged(work=work)
        assert await refused(line.desk, receipt(line, 100, 5)) == ""
        for said, code in (
            (receipt(line, 104), "judge_said_before"),
            (receipt(line, 50), "judge_said_before"),
            (receipt(line, 105, name="other"), "judge_model_unknown"),
            (receipt(line, 105, manifest_hash=bytes(32)), "judge_model_unknown"),
            (receipt(line, 105, model_sha256=bytes(32)), "judge_model_unknown"),
            (receipt(line, 105, to_seq=line.log.size + 5), "judge_model_unknown"),
            (receipt(line, 105, grid_ms=999), "judge_model_unknown"),
        ):
            assert await refused(line.desk, said) == code
        assert await refused(line.desk, receipt(line, 105)) == ""
        assert line.desk.book.page("line").last_cell == 105

    run(scenario)


def test_a_finding_is_recorded_once_and_never_armed_by_the_judges_word() -> None:
    async def scenario(work: ThreadPoolExecutor) -> None:
        line = await judged(work=work, state="shadow")
        assert await refused(line.desk, finding(line)) == "judge_model_unknown"
        assert await refused(line.desk, finding(line, armed=False)) == ""
        assert await refused(line.desk, finding(line, armed=False)) == "judge_said_before"
        assert await refused(line.desk, finding(line, armed=False, phase=1, at_ms=9)) == ""
        assert [row["evidence"]["phase"] for row in line.desk.finding_rows()] == [1, 0]

    run(scenario)


def test_what_nobody_asked_for_is_not_learned() -> None:
    async def scenario(work: ThreadPoolExecutor) -> None:
        line = await judged(work=work)
        word = {"what": "learned", "name": "line", "act": bytes(16), "manifest": line.kept.manifest_hash, "left_out": 4, "settling": 2}
        assert await refused(line.desk, word) == "judge_model_unknown"
        line.desk.pending["line"] = (b"a" * 16, "anna")
        assert await refused(line.desk, word) == "judge_model_unknown"
        assert await refused(line.desk, {**word, "act": b"a" * 16, "manifest": bytes(32)}) == ""
        page = line.desk.book.page("line")
        assert (page.state, page.manifest) == ("armed", line.kept.manifest_hash), "a manifest that is not there changes nothing"
        assert line.desk.pending == {}

    run(scenario)


def test_what_a_model_was_learned_from_is_recorded_and_shown_until_it_is_another() -> None:
    async def scenario(work: ThreadPoolExecutor) -> None:
        line = await judged(work=work)
        line.desk.pending["line"] = (b"a" * 16, "anna")
        word = {"what": "learned", "name": "line", "act": b"a" * 16, "manifest": line.kept.manifest_hash, "left_out": 4, "settling": 2}
        assert await refused(line.desk, word) == ""
        told = {"rows": line.kept.manifest.rows, "left_out": 4, "settling": 2}
        (row,) = line.desk.model_rows()
        assert (row["state"], row["learned"]) == ("checking", told)
        assert row["ended"]["params"] == {**told, "covered": line.kept.manifest.coverage.covered}
        for unlike, code in (([1_000, 9_000], ""), ([], ""), ([1_000], "judge_word_invalid"), ([-1, 9_000], "judge_word_invalid")):
            line.desk.pending["line"] = (b"a" * 16, "anna")
            assert await refused(line.desk, {**word, "unlike_ms": unlike}) == code
            if not code:
                named = {"unlike_from_ms": 1_000, "unlike_to_ms": 9_000} if unlike else {}
                assert line.desk.model_rows()[0]["learned"] == {**told, **named}
        await line.desk.record(ModelBody("line", "checking", "imported", bytes(32), bytes(32)))
        assert line.desk.model_rows()[0]["learned"] is None, "nobody has said of an imported one"

    run(scenario)


def test_a_judge_that_floods_is_held_to_its_pace() -> None:
    async def scenario(work: ThreadPoolExecutor) -> None:
        line = await judged(work=work)
        line.clock.mono_ms = lambda: 1_000_000  # type: ignore[method-assign]
        codes = [await refused(line.desk, {"what": "live", "rows": [], "behind_ms": 0}) for _ in range(3 * BURST)]
        assert codes.count("") <= BURST
        assert set(codes) == {"", "judge_too_many"}

    run(scenario)


def test_a_ledger_that_takes_nothing_is_said_to_the_judge_and_nothing_is_believed_recorded() -> None:
    async def scenario(work: ThreadPoolExecutor) -> None:
        line = await judged(work=work)

        def full() -> None:
            raise StoreError("disk_full")

        line.log.refuse = full
        assert await refused(line.desk, receipt(line, 100)) == "disk_full"
        assert line.desk.book.page("line").last_cell is None
        line.log.refuse = lambda: None
        assert await refused(line.desk, receipt(line, 100)) == ""

    run(scenario)


@pytest.mark.parametrize("lost", ["nothing", "book", "newest", "damaged"])
def test_after_a_restart_the_ledger_says_where_everything_stands(lost: str) -> None:
    async def scenario(work: ThreadPoolExecutor) -> None:
        line = await judged(work=work)
        disk = line.desk.store._disk
        if lost != "book":
            await line.desk.save()
        for word in (receipt(line, 100, 5), finding(line), finding(line, phase=1, at_ms=9), receipt(line, 105, 2)):
            assert await refused(line.desk, word) == ""
        await line.desk.record(LabelBody("line", line.kept.manifest_hash, line.log.size - 3, 5, 5, "not_normal", "anna"))
        if lost == "nothing":
            await line.desk.save()
        if lost == "damaged":
            handle = disk.open(FOLDER / "book.cbor")
            disk.pwrite(handle, b"\x9f\x9f", 0)
            disk.close(handle)
        models = Models(enabled=True)
        later = JudgementDesk(line.log, line.log, disk, FOLDER, line.clock, work, lambda: models)
        await later.open()
        assert later.book.pages == line.desk.book.pages
        assert later.book.page("line").labels.plain()["precision"] == 1.0
        assert later.finding_rows() == line.desk.finding_rows() != []
        assert later.model_rows()[0]["threshold"] == line.kept.manifest.threshold
        assert later.model_rows()[0]["learned"] == line.desk.model_rows()[0]["learned"] == {"rows": 3_412, "left_out": 96, "settling": 62}
        assert await refused(later, receipt(line, 106)) == "judge_said_before"
        assert await refused(later, finding(line)) == "judge_said_before"

    run(scenario)


def test_a_refusal_is_recorded_once_shown_and_ends_with_the_next_use() -> None:
    async def scenario(work: ThreadPoolExecutor) -> None:
        line = await judged(work=work)
        size = line.log.size
        for _ in range(3):
            assert await refused(line.desk, {"what": "refused", "name": "line", "code": "model_changed", "params": {"model": "x"}}) == ""
        (row,) = line.desk.model_rows()
        assert (row["state"], row["refused"]) == ("refused", {"code": "model_changed", "params": {"model": "x"}})
        assert line.desk.health()["models"] == {"line": "refused"}
        for _ in range(2):
            assert await refused(line.desk, {"what": "accepted", "name": "line"}) == ""
        assert line.desk.model_rows()[0]["state"] == "armed"
        assert line.log.size == size + 2
        assert await refused(line.desk, {"what": "refused", "name": "other", "code": "x", "params": {}}) == ""
        assert line.log.size == size + 2

    run(scenario)


def test_learning_that_a_judge_took_with_it_is_said_to_be_interrupted() -> None:
    async def scenario(work: ThreadPoolExecutor) -> None:
        line = await judged(work=work)
        line.desk.pending["line"] = (b"a" * 16, "anna")
        await line.desk.answer(JUDGE, {"what": "sync", "fresh": False})
        assert line.desk.pending
        await line.desk.answer(JUDGE, {"what": "sync", "fresh": True})
        assert not line.desk.pending
        assert line.desk.book.page("line").state == "armed"

    run(scenario)


def test_live_rows_reach_faces_and_say_how_old_they_are() -> None:
    async def scenario(work: ThreadPoolExecutor) -> None:
        line = await judged(work=work)
        before = line.desk.generation
        row = LiveRow("line", line.kept.manifest_hash, 3.5, True, None, 7_000, (("device1/t2", 0.75, 21.0, 18.0, 22.0),), None)
        assert await line.desk.answer(JUDGE, {"what": "live", "rows": [row.row()], "behind_ms": 40_000}) == {"book": line.desk.book_number}
        (shown,) = line.desk.model_rows()
        assert (shown["score"], shown["alarming"], shown["contributions"]) == (3.5, True, [["device1/t2", 0.75, 21.0, 18.0, 22.0]])
        assert line.desk.generation > before
        assert line.desk.health()["state"] == "behind"
        line.clock.now_ms += 60_000
        assert (line.desk.health()["state"], line.desk.health()["cause"]) == ("away", "judge_away")

    run(scenario)


def test_what_the_model_of_before_said_is_no_score_of_the_one_that_was_learned_again() -> None:
    async def scenario(work: ThreadPoolExecutor) -> None:
        line = await judged(work=work)
        before, after = bytes(32), line.kept.manifest_hash
        for manifest, said in ((before, (None, False, None, [])), (after, (3.5, True, 7_000, [["t", 0.75, 21.0, 18.0, 22.0]]))):
            row = LiveRow("line", manifest, 3.5, True, None, 7_000, (("t", 0.75, 21.0, 18.0, 22.0),), None)
            await line.desk.answer(JUDGE, {"what": "live", "rows": [row.row()], "behind_ms": 0})
            (shown,) = line.desk.model_rows()
            assert shown["threshold"] == line.kept.manifest.threshold
            assert (shown["score"], shown["alarming"], shown["cell_ms"], shown["contributions"]) == said

    run(scenario)


def test_a_receipt_of_skipped_cells_says_which() -> None:
    async def scenario(work: ThreadPoolExecutor) -> None:
        line = await judged(work=work)
        open_receipt = OpenReceipt(line.kept.manifest, line.kept.manifest_hash, 5)
        assert open_receipt.is_empty
        open_receipt.skip(10, 5, "judge_behind")
        body = open_receipt.receipt()
        assert (body.first_cell, body.last_cell, body.from_seq, body.to_seq) == (10, 14, 5, 4)

    run(scenario)


def test_the_core_never_loads_numpy() -> None:
    code = "import sys, runtime.app, runtime.core_process; sys.exit('numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


def test_a_book_of_another_epoch_keeps_states_and_forgets_places() -> None:
    async def scenario(work: ThreadPoolExecutor) -> None:
        line = await judged(work=work)
        assert await refused(line.desk, receipt(line, 100)) == ""
        await line.desk.save()
        book = ModelBook(line.desk.store._disk, FOLDER, 2)
        book.load()
        page = book.page("line")
        assert (page.state, page.trust is not None, page.receipt_seq, page.since_seq) == ("armed", True, None, 0)
        assert book.next_seq is None
        book.apply(3, ModelBody("line", "off", "model_off", line.kept.manifest_hash, line.kept.manifest.model_sha256))
        assert not page.scores

    run(scenario)


def test_a_refusal_stands_until_the_model_has_scored_or_is_put_out_of_use() -> None:
    async def scenario(work: ThreadPoolExecutor) -> None:
        line = await judged(work=work)
        page, kept = line.desk.book.page("line"), line.kept
        said = {"what": "refused", "name": "line", "code": "model_quarantined", "params": {}}
        assert await refused(line.desk, said) == ""
        for body in (
            ModelBody("line", "learning", "learn_started"), ModelBody("line", "armed", "learn_failed"),
            ModelBody("line", "shadow", "model_shadow", kept.manifest_hash, kept.manifest.model_sha256),
        ):  # fmt: skip
            await line.desk.record(body)
            assert page.refusal == ("model_quarantined", {})
        await line.desk.record(ModelBody("line", "off", "model_off", kept.manifest_hash, kept.manifest.model_sha256))
        assert page.refusal is None
        assert await refused(line.desk, said) == ""  # of a judge that has not heard yet
        assert page.refusal is None

    run(scenario)


def test_nothing_is_recorded_that_no_verifier_would_read() -> None:
    async def scenario(work: ThreadPoolExecutor) -> None:
        line = await judged(work=work)
        size = line.log.size
        for body in (
            ModelBody("line", "armed", "checked", params={"rows": (1 << 64) - 1}), ModelBody("", "checking", "imported"),
            ModelBody("line", "armed", "checked", params={"alarmed_share": float("inf")}),
            LabelBody("line", None, None, 0, 1, "normal", "x" * 5_000),
        ):  # fmt: skip
            with pytest.raises(FormatError):
                await line.desk.record(body)
        assert line.log.size == size

    run(scenario)


def test_what_was_to_be_learned_by_a_judge_that_died_at_once_can_be_ordered_again() -> None:
    async def scenario(work: ThreadPoolExecutor) -> None:
        line = await judged(work=work)
        line.desk.pending["new"] = (b"a" * 16, "anna")  # its beginning could not be recorded
        await line.desk.answer(JUDGE, {"what": "sync", "fresh": True})
        assert not line.desk.pending

    run(scenario)


def test_a_cell_of_no_time_is_not_received_and_does_not_spoil_the_book() -> None:
    async def scenario(work: ThreadPoolExecutor) -> None:
        line = await judged(work=work)
        ahead = receipt(line, 100, skipped=(((1 << 63) - 2, 1 << 39, "judge_behind"),))
        assert await refused(line.desk, ahead) == "judge_model_unknown"
        assert await refused(line.desk, receipt(line, 100)) == ""
        await line.desk.save()
        book = ModelBook(line.desk.store._disk, FOLDER, 1)
        book.load()
        assert book.pages == line.desk.book.pages != {}

    run(scenario)
