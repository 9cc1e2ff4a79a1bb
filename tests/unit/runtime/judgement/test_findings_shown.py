"""Findings as faces are shown them: the newest, in one frame, and whatever goes on, however old."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from ledger_client.event_bodies import ModelBody
from runtime.faces.feed import encode_frame
from runtime.judgement.model_rows import FINDINGS_MAX
from tests.rigs.judged import Judged, finding, judged, refused, run


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
