"""Findings as faces are shown them: the newest, in one frame, and whatever goes on, however old."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from itertools import count

import pytest

from ledger_client.event_bodies import ModelBody
from runtime.config_model import Models
from runtime.faces.feed import encode_frame
from runtime.judgement.core_link import read_orders
from runtime.judgement.desk import JudgementDesk
from runtime.judgement.findings import Findings
from runtime.judgement.kept_findings import KEPT, OPEN_MAX, kept
from runtime.judgement.model_rows import FINDINGS_MAX
from tests.rigs.judged import FOLDER, JUDGE, Judged, finding, judged, refused, run


def test_findings_of_any_size_that_is_taken_reach_a_face_in_one_frame() -> None:
    async def scenario(work: ThreadPoolExecutor) -> None:
        line = await judged(work=work)
        for at_ms in range(FINDINGS_MAX):
            evidence = {f"e{n}": "x" * (4_000 if at_ms % 2 else 400) for n in range(15)}
            code = await refused(line.desk, finding(line, at_ms=at_ms, evidence=evidence))
            assert code == ("judge_word_invalid" if at_ms % 2 else "")
        assert len(line.desk.finding_rows()) == FINDINGS_MAX // 2
        encode_frame(["findings", 1, line.desk.finding_rows() * 2])

    run(scenario)


@pytest.mark.parametrize("saved", [True, False])
def test_what_goes_on_is_known_after_a_start_however_many_ended_since(saved: bool) -> None:
    async def scenario(work: ThreadPoolExecutor) -> None:
        line = await judged(work=work)
        line.clock.mono_ms = count(0, 1_000).__next__  # type: ignore[method-assign]  # at no pace that is too fast
        assert await refused(line.desk, finding(line, rule="range", at_ms=1)) == ""
        for at_ms in range(2, 300, 2):
            assert await refused(line.desk, finding(line, at_ms=at_ms)) == ""
            assert await refused(line.desk, finding(line, at_ms=at_ms + 1, phase=1)) == ""
        if saved:
            await line.desk.save()
        later = JudgementDesk(line.log, line.log, line.desk.store._disk, FOLDER, line.clock, work, lambda: Models(enabled=True))
        assert later.goes_on("line") is None, "nobody knows yet"
        await later.open()
        assert later.book.pages == line.desk.book.pages
        assert later.goes_on("line") is True
        assert [row["rule"] for row in later.model_rows()[0]["open"]] == ["range"]
        told = read_orders(await later.answer(JUDGE, {"what": "sync", "fresh": True})).models[0].told
        assert (len(told), told[0]) == (KEPT + 1, ("range", "device1/t1", 1, 0))
        assert Findings(told).going_on() == [("range", "device1/t1", 1)]

    run(scenario)


def test_what_a_judge_makes_up_is_bounded() -> None:
    told = [("range", f"t{n}", n, 0) for n in range(2 * OPEN_MAX)]
    stays, seqs = kept(told, range(1_000, 1_000 + len(told)))
    assert (stays, seqs) == (told[-OPEN_MAX:], list(range(1_000 + OPEN_MAX, 1_000 + 2 * OPEN_MAX)))
    assert kept(stays, seqs) == (stays, seqs)
    assert kept([], range(200)) == ([], list(range(200 - KEPT, 200)))
    assert kept([("a", "b", 1, 0), *[("c", "d", n, 1) for n in range(99)]], [7] * 5)[0][0] == ("a", "b", 1, 0)


def shown_open(line: Judged) -> list[bool]:
    return [row["open"] for row in line.desk.finding_rows()]


def test_of_a_refused_model_and_of_the_model_before_nothing_is_said_to_go_on() -> None:
    async def scenario(work: ThreadPoolExecutor) -> None:
        line = await judged(work=work)
        assert line.desk.goes_on("line") is False
        assert await refused(line.desk, finding(line)) == ""
        assert line.desk.goes_on("line") is True
        word = {"what": "refused", "name": "line", "code": "model_changed", "params": {}}
        assert await refused(line.desk, word) == ""
        assert (line.desk.goes_on("line"), line.desk.model_rows()[0]["open"]) == (None, [])
        assert shown_open(line) == [False]
        assert await refused(line.desk, {"what": "accepted", "name": "line"}) == ""
        assert shown_open(line) == [True]
        assert (line.desk.goes_on("line"), len(line.desk.model_rows()[0]["open"])) == (True, 1)
        own = line.kept.manifest_hash, line.kept.manifest.model_sha256
        for manifest, model in ((bytes(32), bytes(32)), own):
            await line.desk.record(ModelBody("line", "armed", "imported", manifest, model))
            assert (line.desk.goes_on("line"), line.desk.model_rows()[0]["open"]) == (False, [])
            assert line.desk.book.page("line").told == []
            assert shown_open(line) == [False]
        assert await refused(line.desk, finding(line, at_ms=50)) == "", "the next one is one of this model"
        assert line.desk.goes_on("line") is True
        assert shown_open(line) == [True, False]

    run(scenario)


def test_a_finding_goes_on_until_its_end_however_many_come_after_it() -> None:
    def told(line: Judged) -> list[tuple[str, str]]:
        (row,) = line.desk.model_rows()
        return [(each["rule"], each["tag"]) for each in row["open"]]

    async def scenario(work: ThreadPoolExecutor) -> None:
        line = await judged(work=work)
        assert await refused(line.desk, finding(line, rule="range", at_ms=1)) == ""
        for at_ms in range(2, 2 * FINDINGS_MAX, 2):
            assert await refused(line.desk, finding(line, at_ms=at_ms)) == ""
            assert told(line) == [("range", "device1/t1"), ("stuck", "device1/t1")]
            assert await refused(line.desk, finding(line, at_ms=at_ms + 1, phase=1)) == ""
        assert "range" not in {row["rule"] for row in line.desk.finding_rows()}, "no longer among the newest"
        assert told(line) == [("range", "device1/t1")]
        assert line.desk.goes_on("line")
        assert not line.desk.goes_on("other")
        kept = line.kept
        await line.desk.record(ModelBody("line", "off", "model_off", kept.manifest_hash, kept.manifest.model_sha256))
        assert (told(line), line.desk.goes_on("line")) == ([], False), "nobody looks for its end any more"
        await line.desk.record(ModelBody("line", "armed", "model_armed", kept.manifest_hash, kept.manifest.model_sha256))
        assert line.desk.goes_on("line")
        assert await refused(line.desk, finding(line, rule="range", at_ms=500, phase=1)) == ""
        assert (told(line), line.desk.goes_on("line")) == ([], False)

    run(scenario)
