"""Who an alarm is about is asked of the model after the scores are there: whatever goes wrong then takes nothing from them."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from random import Random
from typing import Any

import numpy as np
import pytest

from ledger_client.entry import parse
from ledger_client.event_bodies import FINDING, FindingBody, read_event
from ledger_client.kinds import Kind
from models.model_fault import WorkerFault
from tests.rigs.judged import TAGS, InProcess, Judged, JudgedLog, Plant, judged, judged_log, manifest, model_bytes


class SpoiledLater(InProcess):
    """The runtime, as it is for the first rows of a step; what is asked besides ends as `how` says."""

    def __init__(self, model: bytes, how: str) -> None:
        super().__init__(model)
        self.how, self.asked, self.besides = how, 0, 0

    async def run(self, key: str, rows: Any) -> Any:
        self.asked += 1
        outputs = await super().run(key, rows)
        if self.asked == 1:
            return outputs
        self.besides += 1
        if self.how == "worker":
            raise WorkerFault("worker_died", {})
        return outputs[:, :-1] if self.how == "shape" else outputs


def onsets(line: Judged) -> list[FindingBody]:
    found = []
    for seq, raw in enumerate(line.log.entries(0, line.log.size)):
        payload = parse(raw).payload
        if payload.kind == Kind.EVENT and payload.detail[0] == FINDING:
            body = read_event(FINDING, 1, line.log.log.bodies[seq])
            if isinstance(body, FindingBody) and body.rule == "model" and body.phase == 0:
                found.append(body)
    return found


@pytest.mark.parametrize("how", ["right", "worker", "shape"])
def test_an_alarm_is_recorded_whatever_becomes_of_the_question_who_it_is_about(how: str) -> None:
    async def scenario(work: ThreadPoolExecutor) -> None:
        line = await judged(5, work=work)
        outputs = line.outputs = SpoiledLater(line.kept.model, how)
        task = await line.begin()
        for away in (0, 0, 0, 0, 30.0, 30.0, 30.0, 30.0):
            line.plant.batch(away=away)
            while task.is_behind:
                outputs.asked = 0
                await task.step()
        assert outputs.besides > 0, "nobody was asked: the test says nothing"
        (onset,) = onsets(line)
        assert onset.tag == onset.contributions[0][0]
        assert onset.score is not None
        assert onset.score > line.kept.manifest.threshold

    with ThreadPoolExecutor(1) as work:
        asyncio.run(scenario(work))


class SpoiledFirst(SpoiledLater):
    """The runtime; the first thing that is asked ends as `how` says, or all that is asked besides rows of the ledger."""

    def __init__(self, model: bytes, how: str, *, always: bool) -> None:
        super().__init__(model, how)
        self.always = always

    async def run(self, key: str, rows: Any) -> Any:
        is_probe = len(rows) == 4 * TAGS if self.always else not self.besides
        self.asked = 1 if is_probe else 0
        return await super().run(key, rows)


@pytest.mark.parametrize(("how", "always"), [("right", False), ("worker", False), ("shape", False), ("worker", True), ("shape", True)])
def test_a_judge_asks_its_model_how_it_answers_until_it_does_and_scores_and_says_so_meanwhile(how: str, *, always: bool) -> None:
    async def scenario(work: ThreadPoolExecutor) -> None:
        log, model = JudgedLog(), model_bytes()
        plant = Plant(log, Random(5))
        for _ in range(12):
            plant.batch()
        watched = replace(manifest(model), limits={"drift": [0.5] * TAGS})
        line = await judged_log(log, plant, watched, model, state="shadow", receipt_every_s=7.0, work=work)
        outputs = line.outputs = SpoiledFirst(model, how, always=always)
        task = await line.begin()
        shown, show = [], task._show
        task._show = lambda cell: (show(cell), shown.append(task.live.drift if task.live else "none"))[0]  # type: ignore[method-assign]
        for _ in range(12):
            plant.batch()
        with pytest.raises(AssertionError):  # it has looked at everything, and would wait
            await task.run()
        assert outputs.besides == 1 or (always and outputs.besides > 2), "nobody was asked: the test says nothing"
        assert task._run._drift is not None
        assert np.array_equal(task._run._drift._traces, np.eye(TAGS)) is always
        assert task.live is not None
        assert task.live.score is not None
        assert (shown[0], shown[-1]) == (None if how == "right" else "unnamed", "unnamed" if always else None)

    with ThreadPoolExecutor(1) as work:
        asyncio.run(scenario(work))
