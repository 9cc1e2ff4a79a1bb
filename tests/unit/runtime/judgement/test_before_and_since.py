"""What faces are told of a model that has learned nothing, and of when its coverage is."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from ledger_client.event_bodies import ModelBody
from runtime.config_model import ModelDefinition, Models
from runtime.faces.feed import RequestRefusedError
from runtime.judgement.book import ModelPage
from runtime.judgement.desk import JudgementDesk
from runtime.judgement.orders import Orders
from runtime.judgement.scores_asked import scores_asked
from tests.rigs.judged import FOLDER, Judged, judged, run

FOUND = {"rows": 900, "alarmed_share": 0.05, "covered": False, "rows_wanted": 300}
ASKED = {"from_ms": 0, "to_ms": 1, "points_max": 2}


def started_again(line: Judged, models: Models, work: ThreadPoolExecutor) -> JudgementDesk:
    return JudgementDesk(line.log, line.log, line.desk.store._disk, FOLDER, line.clock, work, lambda: models)


def test_a_model_that_has_learned_nothing_has_no_scores_and_one_that_nobody_defined_is_none() -> None:
    async def scenario(work: ThreadPoolExecutor) -> None:
        defined = Models(enabled=True, define=[ModelDefinition(name="new", tags=["device1/t1"])])
        desk, orders = started_again(await judged(work=work), defined, work), Orders()
        async with asyncio.timeout(5):
            found = await scores_asked(desk, orders, {"model": "new", **ASKED})
            assert (found["points"], found["gaps"], found["threshold"]) == ([], [], None)
            desk.book.pages["new"] = ModelPage("new")  # as while it learns for the first time, or could not
            assert await scores_asked(desk, orders, {"model": "new", **ASKED}) == found
            for unknown in ({"model": "other", **ASKED}, {"model": "new", "odd": 1, **ASKED}):
                with pytest.raises(RequestRefusedError, match="model_unknown"):
                    await scores_asked(desk, orders, unknown)

    run(scenario)


@pytest.mark.parametrize("saved", [True, False])
def test_coverage_is_of_when_it_was_found_also_after_a_start(saved: bool) -> None:
    async def scenario(work: ThreadPoolExecutor) -> None:
        line = await judged(work=work)
        page = line.desk.book.pages["line"]

        def coverage(desk: JudgementDesk) -> Any:
            return desk.model_rows()[0]["coverage"]

        made = coverage(line.desk)
        assert (made["by"], made["at_ms"]) == ("learned", line.kept.manifest.made_ms)
        line.log.wall_ms = line.clock.wall_ms()
        await line.desk.record(ModelBody("line", page.state, "checked", page.manifest, page.model, FOUND))
        told = coverage(line.desk)
        assert told == {
            "covered": False,
            "alarmed_share": 0.05,
            "rows_wanted": 300,
            "blind": False,
            "by": "check",
            "at_ms": line.log.wall_ms,
        }
        if saved:
            await line.desk.save()
        later = started_again(line, Models(enabled=True), work)
        await later.open()
        assert coverage(later) == told

    run(scenario)
