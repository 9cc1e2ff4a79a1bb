"""A finding of a rule ends once, whatever stood still meanwhile: the judge, the model, gateway and machine together, or the clock."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from random import Random
from typing import Any

import pytest

from ledger_client.entry import parse
from ledger_client.event_bodies import FINDING, FindingBody, ModelBody, read_event
from ledger_client.kinds import Kind
from runtime.acquisition.poller import STOPPING
from runtime.judgement.model_task import ModelTask
from tests.rigs.judged import Judged, JudgedLog, Plant, judged, judged_log, manifest, model_bytes, run

AWAY = 30.0
TAG = "device1/t2"


async def line_with_a_range(work: ThreadPoolExecutor, receipt_every_s: float = 7.0) -> Judged:
    """A line whose second tag is beyond its limits when its plant is away; its model never alarms by its score."""
    log, model = JudgedLog(), model_bytes()
    plant = Plant(log, Random(4))
    for _ in range(12):
        plant.batch()
    made = manifest(model, threshold=1e9)
    tags = tuple(replace(tag, high=40.0) if tag.name == TAG else tag for tag in made.plan.tags)
    never = dict.fromkeys(("missing_ms", "missing_times"), (None,) * len(tags))  # the plant's bad readings are another matter
    made = replace(made, plan=replace(made.plan, tags=tags), limits=never)
    return await judged_log(log, plant, made, model, state="armed", receipt_every_s=receipt_every_s, work=work)


def ranges(line: Judged) -> list[tuple[int, bool]]:
    """The findings of the rule that the ledger has: phase, and whether it was interrupted."""
    found = []
    for seq, raw in enumerate(line.log.entries(0, line.log.size)):
        payload = parse(raw).payload
        if payload.kind == Kind.EVENT and payload.detail[0] == FINDING:
            body: Any = read_event(FINDING, 1, line.log.log.bodies[seq])
            assert isinstance(body, FindingBody)
            if body.rule == "range":
                assert body.tag == TAG
                found.append((body.phase, bool(body.evidence.get("interrupted"))))
    return found


async def lives(line: Judged, task: ModelTask, batches: int, away: float = 0.0) -> None:
    for _ in range(batches):
        line.plant.batch(away=away)
        await line.follow(task)


async def move(line: Judged, state: str) -> None:
    await line.desk.record(ModelBody("line", state, f"model_{state}", line.kept.manifest_hash, line.kept.manifest.model_sha256))


def stops(line: Judged, hours: float) -> None:
    """Gateway and machine are switched off together, and on again."""
    line.plant.silence(round(3_600 * hours))
    line.log.wall_ms = line.plant.at_ms
    line.log.add(Kind.BOOT, ("0.1.0", "sim", 1, 0))


@pytest.mark.parametrize(("hours", "interrupted"), [(60, True), (1, False)])
@pytest.mark.parametrize("again_at_once", [True, False])
def test_a_finding_from_before_the_weekend_ends_and_the_next_is_a_new_one(hours: int, interrupted: bool, again_at_once: bool) -> None:
    async def scenario(work: ThreadPoolExecutor) -> None:
        line = await line_with_a_range(work)
        await lives(line, await line.begin(), 6, AWAY)
        assert (ranges(line), line.desk.goes_on("line")) == ([(0, False)], True)
        stops(line, hours)
        task = await line.begin()
        if again_at_once and not interrupted:
            await lives(line, task, 4, AWAY)
            assert ranges(line) == [(0, False)], "it is there as it was: nothing says that it was gone"
            return
        if not again_at_once:
            await lives(line, task, 20)
            assert (ranges(line), line.desk.goes_on("line")) == ([(0, False), (1, interrupted)], False)
        await lives(line, task, 4, AWAY)
        assert (ranges(line), line.desk.goes_on("line")) == ([(0, False), (1, interrupted), (0, False)], True)
        await lives(line, task, 20)
        assert (ranges(line), line.desk.goes_on("line")) == ([(0, False), (1, interrupted), (0, False), (1, False)], False)

    run(scenario)


def test_an_end_that_comes_while_the_model_is_off_is_recorded_when_it_scores_again() -> None:
    async def scenario(work: ThreadPoolExecutor) -> None:
        line = await line_with_a_range(work)
        await lives(line, await line.begin(), 6, AWAY)
        await move(line, "shadow")
        assert line.desk.goes_on("line") is True
        await move(line, "off")
        assert line.desk.goes_on("line") is False
        for _ in range(30):
            line.plant.batch()
        await move(line, "shadow")
        assert line.desk.goes_on("line") is True, "by the ledger"
        task = await line.begin()
        await lives(line, task, 1)
        assert (ranges(line), line.desk.goes_on("line")) == ([(0, False), (1, False)], False)
        await lives(line, task, 4, AWAY)
        assert ranges(line) == [(0, False), (1, False), (0, False)]

    run(scenario)


@pytest.mark.parametrize("receipt_every_s", [7.0, 300.0])
@pytest.mark.parametrize("what", ["killed", "off for a moment"])
def test_what_goes_on_is_one_finding_however_often_a_judge_begins(receipt_every_s: float, what: str) -> None:
    """Also when the earlier judge told it after its last receipt: the next one reads its way to it again."""

    async def scenario(work: ThreadPoolExecutor) -> None:
        line = await line_with_a_range(work, receipt_every_s)
        await lives(line, await line.begin(), 10)
        for _ in range(5):
            await lives(line, await line.begin(), 3, AWAY)
            if what != "killed":
                await move(line, "off")
                line.plant.batch(away=AWAY)
                await move(line, "armed")
        assert (ranges(line), line.desk.goes_on("line")) == ([(0, False)], True)
        task = await line.begin()
        await lives(line, task, 20)
        assert (ranges(line), line.desk.goes_on("line")) == ([(0, False), (1, False)], False)
        await lives(line, await line.begin(), 20)
        assert ranges(line) == [(0, False), (1, False)]

    run(scenario)


@pytest.mark.parametrize("what", ["the judge begins again", "the clock is set back"])
def test_a_sensor_that_is_dead_for_days_stays_found(what: str) -> None:
    """It shows no value in all that is read again."""

    async def scenario(work: ThreadPoolExecutor) -> None:
        line = await judged(6, work=work)
        task = await line.begin()
        await lives(line, task, 4)
        line.plant.dead = frozenset({3})
        await lives(line, task, 4)
        for _ in range(30):
            line.plant.silence(3_600)
            await lives(line, task, 6)
        if what == "the clock is set back":
            line.log.add(Kind.CLOCK, (line.plant.at_ms, line.plant.at_ms - 60_000, 2, 4))
            line.plant.at_ms -= 60_000
        else:
            task = await line.begin()
        await lives(line, task, 12)
        told = [row["evidence"]["phase"] for row in line.desk.finding_rows() if (row["rule"], row["tag"]) == ("dropout", "device1/t4")]
        assert told[::-1] == ([0] if what == "the judge begins again" else [0, 1, 0])
        line.plant.dead = frozenset()
        await lives(line, await line.begin(), 20)
        assert not [row for row in line.desk.model_rows()[0]["open"] if row["tag"] == "device1/t4"]

    run(scenario)


def of_the_model(line: Judged) -> list[tuple[int, bool]]:
    return [(row["evidence"]["phase"], "interrupted" in row["evidence"]) for row in line.desk.finding_rows() if row["rule"] == "model"][
        ::-1
    ]


@pytest.mark.parametrize("receipt_every_s", [7.0, 300.0])
def test_an_alarm_of_the_model_goes_on_over_a_kill_and_not_over_a_time_without_it(receipt_every_s: float) -> None:
    async def scenario(work: ThreadPoolExecutor) -> None:
        line = await judged(6, receipt_every_s=receipt_every_s, work=work)
        await lives(line, await line.begin(), 4)
        for _ in range(4):
            await lives(line, await line.begin(), 3, AWAY)
        assert of_the_model(line) == [(0, False)]
        await move(line, "off")
        for _ in range(30):
            line.plant.batch()
        await move(line, "armed")
        task = await line.begin()
        await lives(line, task, 4)
        assert (of_the_model(line), [row["rule"] for row in line.desk.model_rows()[0]["open"] if row["rule"] == "model"]) == (
            [(0, False), (1, True)], [],
        )  # fmt: skip
        await lives(line, task, 4, AWAY)
        assert of_the_model(line) == [(0, False), (1, True), (0, False)], "the next one is told"

    run(scenario)


@pytest.mark.parametrize("stays", [True, False])
@pytest.mark.parametrize("begins_again", [True, False])
def test_a_clock_that_is_set_back_leaves_no_finding_open_for_ever(stays: bool, begins_again: bool) -> None:
    async def scenario(work: ThreadPoolExecutor) -> None:
        line = await line_with_a_range(work)
        task = await line.begin()
        await lives(line, task, 6, AWAY)
        task = await line.begin() if begins_again else task
        at_ms = line.plant.at_ms
        line.plant.at_ms -= 3_600_000
        line.log.wall_ms = line.plant.at_ms
        line.log.add(Kind.CLOCK, (at_ms, line.plant.at_ms, 2, 4))
        await lives(line, task, 20, AWAY if stays else 0.0)
        assert line.desk.goes_on("line") is stays
        assert [phase for phase, _ in ranges(line)] == ([0, 1, 0] if stays else [0, 1])
        assert ranges(line)[1] == (1, True)

    run(scenario)


async def line_that_learned_how_long_values_stand(work: ThreadPoolExecutor) -> Judged:
    """A line of which the rules know nothing but that its second tag never stands for ten seconds."""
    log, model = JudgedLog(), model_bytes()
    plant = Plant(log, Random(4))
    for _ in range(12):
        plant.batch()
    made = manifest(model, threshold=1e9)
    none = (None,) * len(made.plan.tags)
    made = replace(made, limits={"missing_ms": none, "missing_times": none, "constant_ms": (None, 10_000.0, *none[2:])})
    return await judged_log(log, plant, made, model, state="armed", receipt_every_s=7.0, work=work)


@pytest.mark.parametrize("cause", [None, STOPPING])
def test_a_value_that_stands_is_one_finding_over_a_stop_that_cuts_off_a_read(cause: str | None) -> None:
    """Whatever was due when polling stopped is in a gap, which is no word of the sensor's: it shows the same value behind it."""

    async def scenario(work: ThreadPoolExecutor) -> None:
        line = await line_that_learned_how_long_values_stand(work)
        task = await line.begin()
        await lives(line, task, 6)
        line.plant.stuck = frozenset({1})
        await lives(line, task, 6)
        if cause is not None:
            line.log.add(Kind.GAP, ((1, line.plant.at_ms + 400, line.plant.at_ms + 400, cause, 1),))
        await line.follow(task)
        line.plant.silence(10)
        line.log.wall_ms = line.plant.at_ms
        line.log.add(Kind.BOOT, ("0.1.0", "sim", 0, 0))
        await lives(line, await line.begin(), 6)
        found = [row["evidence"]["phase"] for row in line.desk.finding_rows() if (row["rule"], row["tag"]) == ("stuck", TAG)]
        assert found == [0]
        line.plant.stuck = frozenset()
        await lives(line, await line.begin(), 6)
        found = [row["evidence"]["phase"] for row in line.desk.finding_rows() if (row["rule"], row["tag"]) == ("stuck", TAG)]
        assert found == [1, 0], "newest first"

    run(scenario)
