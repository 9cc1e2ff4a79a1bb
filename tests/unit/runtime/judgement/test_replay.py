"""A judge killed at any moment loses and doubles nothing; what it recorded is reckoned again to the bit; what was altered is found."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from random import Random
from typing import Any

import pytest

from ledger_client.event_bodies import FINDING, SCORES, FindingBody, ScoreReceipt, read_event
from ledger_client.kinds import Kind
from models.drift import DriftMonitor
from runtime.judgement import score_query
from runtime.judgement.core_link import StaleError
from runtime.judgement.model_task import ModelTask
from runtime.judgement.replay import Replay, Replayed
from runtime.judgement.score_query import checked, curve
from tests.rigs.judged import Judged, LostError, judged


def run(scenario: Callable[[ThreadPoolExecutor], Awaitable[Any]]) -> Any:
    with ThreadPoolExecutor(1) as work:
        return asyncio.run(scenario(work))


def events(line: Judged, type_uri: str) -> list[tuple[int, Any]]:
    from ledger_client.entry import parse

    found = []
    for seq, raw in enumerate(line.log.entries(0, line.log.size)):
        payload = parse(raw).payload
        if payload.kind == Kind.EVENT and payload.detail[0] == type_uri:
            found.append((seq, read_event(type_uri, 1, line.log.log.bodies[seq])))
    return found


async def followed(line: Judged, batches: int, task: ModelTask | None = None, *, away: float = 0.0) -> ModelTask:
    """Have a judge follow the plant, batch by batch as they come; return it: a new one, unless one is given."""
    task = task or await line.begin()
    for _ in range(batches):
        line.plant.batch(away=away)
        await line.follow(task)
    return task


async def replayed(line: Judged, start: int = 0, end: int | None = None) -> Replayed:
    replay = Replay(line.log, line.kept.manifest, line.kept.manifest_hash, line.outputs, "line")
    return await replay.run(start, line.log.size if end is None else end)


async def replays(line: Judged) -> None:
    """Reckon everything again: nothing differs, and nothing is missing."""
    found = await replayed(line)
    assert (found.differences, found.not_recorded, found.verdict) == ([], 0, "holds")


def plant_for_a_while(line: Judged, rng: Random) -> None:
    line.plant.batch(rng.choice((1, 5, 5, 5, 9)), away=rng.choice((0, 0, 0, 30.0)))
    if rng.random() < 0.05:
        line.plant.silence(rng.choice((20, 300)))


@pytest.mark.parametrize("shift", range(3))
def test_kills_lose_and_double_nothing(seed: int, shift: int) -> None:
    seed += shift

    async def scenario(work: ThreadPoolExecutor) -> None:
        line, rng = await judged(seed, work=work), Random(seed)
        task = await line.begin()
        kills = 0
        for _ in range(120):
            plant_for_a_while(line, rng)
            if rng.random() < 0.2:  # killed between entries, with cells that no receipt holds yet
                kills += 1
                task = await line.begin()
            line.link.lose = lambda: rng.random() < 0.05  # killed after the core recorded, before the judge heard of it
            while task.is_behind:
                try:
                    await task.step()
                except (LostError, StaleError):
                    kills += 1
                    task = await line.begin()
        found = await replayed(line)
        assert kills > 8  # 24 are meant; so few happen once in 50,000 seeds
        assert found.differences == [], seed
        assert (found.verdict, found.not_recorded, found.skipped) == ("holds", 0, 0), seed
        assert found.equal == found.cells > 300
        told = [(body.rule, body.tag, body.at_ms, body.phase) for _, body in events(line, FINDING)]
        assert len(told) == len(set(told))
        for key in {"model", *((rule, tag) for rule, tag, _, _ in told if rule != "model")}:
            phases = [phase for rule, tag, _, phase in told if key in {rule, (rule, tag)}]
            assert phases == [i % 2 for i in range(len(phases))], (seed, key)
        assert "model" in {rule for rule, *_ in told}

    run(scenario)


def test_what_is_too_long_ago_is_said_to_be_skipped() -> None:
    async def scenario(work: ThreadPoolExecutor) -> None:
        line = await judged(3, work=work)
        task = await line.begin()
        for _ in range(12):
            line.plant.batch()
        await line.follow(task)
        for _ in range(30):  # the judge is away for thirty hours
            line.plant.silence(3_600)
            for _ in range(6):
                line.plant.batch()
        await line.follow(await line.begin())
        for _ in range(4):
            line.plant.batch()
        await line.follow(await line.begin())
        skipped = [(*each, receipt) for _, receipt in events(line, SCORES) for each in receipt.skipped]
        ((first, count, why, receipt),) = skipped
        assert why == "judge_behind"
        before = [each.last_cell for _, each in events(line, SCORES) if each.last_cell < first]
        assert first == max(before) + 1
        assert 5 * 3_600 < count < 7 * 3_600
        assert receipt.numbers()[0] > first + count - 1
        found = await replayed(line)
        assert (found.verdict, found.differences, found.not_recorded, found.skipped) == ("holds", [], 0, count)

    run(scenario)


def test_every_range_of_entries_replays_by_itself() -> None:
    async def scenario(work: ThreadPoolExecutor) -> None:
        line, rng = await judged(9, work=work), Random(9)
        task = await line.begin()
        for _ in range(60):
            plant_for_a_while(line, rng)
            await line.follow(task)
        whole = await replayed(line)
        assert (whole.verdict, whole.receipts > 20) == ("holds", True)
        for _ in range(6):
            start = rng.randrange(line.log.size)
            part = await replayed(line, start, rng.randrange(start, line.log.size) + 1)
            assert part.differences == []

    run(scenario)


@pytest.mark.parametrize("what", ["score", "flags", "windows", "decision", "twice", "missing"])
def test_an_altered_receipt_is_found(what: str) -> None:
    async def scenario(work: ThreadPoolExecutor) -> None:
        line = await judged(2, work=work)
        await followed(line, 20)
        receipts: list[tuple[int, ScoreReceipt]] = events(line, SCORES)
        seq, receipt = receipts[len(receipts) // 2]
        place = next(i for i, score in enumerate(receipt.scores) if score is not None)
        scores = list(receipt.scores)
        scores[place] = float(scores[place] or 0) * (1 + 2**-52)
        altered = {
            "score": replace(receipt, scores=tuple(scores)),
            "flags": replace(receipt, cells=bytes(cell ^ 0x80 for cell in receipt.cells)),
            "windows": replace(receipt, windows=bytes(32)),
            "decision": replace(receipt, decision=(1 - receipt.decision[0], *receipt.decision[1:])),
            "twice": receipts[len(receipts) // 2 - 1][1],
            "missing": replace(receipt, runs=((receipt.runs[0][0] - 5000, receipt.runs[0][1]), *receipt.runs[1:])),
        }[what]
        line.log.log.bodies[seq] = altered.encode()
        found = await replayed(line)
        assert found.verdict == "fails"
        assert what in {each.what for each in found.differences}
        assert {each.seq for each in found.differences} <= {
            seq,
            *(later for later, _ in receipts[len(receipts) // 2 : len(receipts) // 2 + 2]),
        }

    run(scenario)


def test_withheld_readings_make_scores_unanswerable_and_not_wrong() -> None:
    async def scenario(work: ThreadPoolExecutor) -> None:
        line = await judged(5, work=work)
        await followed(line, 60)
        batches = [seq for seq, raw in enumerate(line.log.entries(0, line.log.size)) if _kind(raw) == Kind.BATCH]
        line.log.withheld.update(batches[20:25])
        found = await replayed(line)
        assert found.differences == []
        assert found.verdict == "unknown"
        assert 0 < found.not_here < found.cells
        assert found.equal > 0

    run(scenario)


@pytest.mark.parametrize(("bound", "most"), [("ENTRIES_MAX", 30), ("RECEIPTS_MAX", 3), ("PIECE", 7)])
def test_of_a_span_that_is_too_long_the_newest_scores_are_told(bound: str, most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario(work: ThreadPoolExecutor) -> None:
        line = await judged(6, work=work)
        await followed(line, 40)
        span = {"model": "line", "from_ms": line.plant.at_ms - 3_600_000, "to_ms": line.plant.at_ms + 10_000, "points_max": 2000}
        all_of_it = curve(line.log, line.log.size, span)
        whole = all_of_it["points"]
        assert all_of_it["cut_ms"] is None
        monkeypatch.setattr(score_query, bound, most)
        told = curve(line.log, line.log.size, span)
        points = told["points"]
        assert told["cut_ms"] == (None if bound == "PIECE" else points[0][0]), "that it is cut short is said"
        assert points == whole[-len(points) :]
        assert (0 < len(points) < len(whole)) == (bound != "PIECE")

    run(scenario)


def test_the_curve_and_the_check_read_receipts() -> None:
    async def scenario(work: ThreadPoolExecutor) -> None:
        line = await judged(6, work=work)
        await followed(line, 40)
        scored = [s for _, r in events(line, SCORES) for s in r.scores]
        span = {"model": "line", "from_ms": line.plant.at_ms - 3_600_000, "to_ms": line.plant.at_ms + 10_000}
        points = curve(line.log, line.log.size, {**span, "points_max": 2000})["points"]
        assert [score for _, score, _ in points] == scored
        own = {**span, "points_max": 2000, "manifest": line.kept.manifest_hash}
        assert curve(line.log, line.log.size, own)["points"] == points
        assert curve(line.log, line.log.size, {**own, "manifest": bytes(32)})["points"] == [], "another model's scores are not drawn"
        assert curve(line.log, line.log.size, own)["earlier"] == []
        (first, last), *more = curve(line.log, line.log.size, {**own, "manifest": bytes(32)})["earlier"]
        assert (first < points[0][0], last, more) == (True, points[-1][0], []), "but that there are some is told"
        told = [receipt for _, receipt in events(line, SCORES)]
        assert len(told) > 3
        holed = score_query.others([told[0], *told[3:]], bytes(32), span["from_ms"], span["to_ms"])
        assert holed == [[first, told[0].last_cell * 1_000], [(told[3].first_cell - 1) * 1_000, last]], "a hole is none"
        thin = curve(line.log, line.log.size, {**span, "points_max": 10})["points"]
        assert len(thin) <= 10
        assert max(s for _, s, _ in thin if s is not None) == max(s for s in scored if s is not None)
        order = {"manifest": line.kept.manifest_hash, "since_seq": 0, "rows": 30}
        told = checked(line.log, line.log.size, order, 0.0)
        known = [s for s in scored if s is not None]
        assert told["rows"] == len(known)
        assert told["alarmed_share"] == sum(s > 0 for s in known) / len(known)
        assert not told["covered"]
        assert told["rows_wanted"] > 0
        again, fed = (await line.begin())._run.monitor, DriftMonitor(line.kept.manifest.threshold)
        for score in scored:
            fed.take(score)
        assert vars(again) == vars(fed), "advice rests on hours of scores, which a restart must not forget"

    run(scenario)


def _kind(raw: bytes) -> int:
    from ledger_client.entry import parse

    return parse(raw).payload.kind


def test_a_finding_body_is_what_the_ledger_holds() -> None:
    async def scenario(work: ThreadPoolExecutor) -> None:
        line = await judged(7, work=work, state="shadow")
        task = await line.begin()
        for i in range(40):
            line.plant.batch(away=30.0 if 20 < i < 25 else 0.0)
            await line.follow(task)
        (_, onset), *_ = events(line, FINDING)
        assert isinstance(onset, FindingBody)
        assert (onset.rule, onset.phase, onset.armed, onset.tag) == ("model", 0, False, "device1/t2")
        assert onset.score is not None
        assert onset.score > (onset.threshold or 0)

    run(scenario)


@pytest.mark.parametrize("back_s", [20])
def test_a_clock_that_is_set_back_doubles_no_cell_and_replays(back_s: int) -> None:
    async def scenario(work: ThreadPoolExecutor) -> None:
        line = await judged(5, work=work)
        task = await line.begin()
        for round_ in range(3):
            await followed(line, 16 + round_, task, away=30.0 * (round_ == 1))
            at_ms = line.plant.at_ms
            line.plant.at_ms -= back_s * 1000
            line.log.add(Kind.CLOCK, (at_ms, line.plant.at_ms, 2, 4))
        await followed(line, 30, task)
        named = [number for _, receipt in events(line, SCORES) for number in receipt.numbers()]
        assert named == sorted(set(named))
        await replays(line)

    run(scenario)


def test_after_a_restart_of_the_gateway_a_model_is_silent_until_its_window_is_of_what_it_saw_since() -> None:
    async def scenario(work: ThreadPoolExecutor) -> None:
        line = await judged(5, work=work)
        task = await followed(line, 8)
        assert task.live is not None
        assert task.live.score is not None
        line.plant.silence(3)  # shorter than values are held: without the boot entry nothing would be missing
        line.log.wall_ms = line.plant.at_ms
        line.log.add(Kind.BOOT, ("0.1.0", "sim", 1, 0))
        said = []
        for _ in range(4):
            line.plant.batch()
            await line.follow(task)
            said.append(task.live.abstained)
        assert said[0] in {"filling", "missing"}
        assert said[-1] is None
        await replays(line)

    run(scenario)
