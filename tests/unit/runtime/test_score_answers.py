"""Many browsers, one question: the judge is asked once for all that look at the same chart, also when it refuses."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from runtime.faces.feed import RequestRefusedError
from runtime.faces.web.score_answers import KEPT_MAX, SPANS_S, ScoreAnswers


class Core:
    """Counts questions; answers with their number, or refuses."""

    def __init__(self) -> None:
        self.asked: list[Mapping[str, Any]] = []
        self.now_s = 0.0
        self.refuses = False

    async def ask(self, params: Mapping[str, Any]) -> Any:
        self.asked.append(params)
        await asyncio.sleep(0)
        if self.refuses:
            raise RequestRefusedError("judge_away", model="line")
        return len(self.asked)


def test_one_question_for_all_who_look() -> None:
    async def run() -> None:
        core = Core()
        answers = ScoreAnswers(core.ask, lambda: core.now_s)
        assert await asyncio.gather(*(answers.of("line", 600, 1_000_000 + n) for n in range(50))) == [1] * 50
        assert core.asked == [{"model": "line", "from_ms": 400_000, "to_ms": 1_000_000, "points_max": 600}]
        assert await answers.of("line", 3_600, 1_000_000) == 2
        assert await answers.of("other", 600, 1_000_000) == 3
        core.now_s = SPANS_S[600][1]
        assert await answers.of("line", 600, 1_000_000) == 4, "a page's next look gets what is new"

    asyncio.run(run())


def test_a_judge_that_is_away_is_not_asked_by_everybody_in_turn() -> None:
    async def run() -> None:
        core = Core()
        core.refuses = True
        answers = ScoreAnswers(core.ask, lambda: core.now_s)
        refused = await asyncio.gather(*(answers.of("line", 600, 1_000_000) for _ in range(50)), return_exceptions=True)
        assert [each.code for each in refused if isinstance(each, RequestRefusedError)] == ["judge_away"] * 50
        assert len(core.asked) == 1
        core.refuses, core.now_s = False, SPANS_S[600][1]
        assert await answers.of("line", 600, 1_000_000) == 2
        with pytest.raises(KeyError):
            await answers.of("line", 5, 1)

    asyncio.run(run())


def test_it_keeps_a_bounded_number_of_answers() -> None:
    async def run() -> None:
        core = Core()
        answers = ScoreAnswers(core.ask, lambda: core.now_s)
        for n in range(KEPT_MAX + 5):
            await answers.of(f"model {n}", 600, 1)
        assert await answers.of(f"model {KEPT_MAX + 4}", 600, 1) == KEPT_MAX + 5
        assert await answers.of("model 0", 600, 1) == KEPT_MAX + 6, "the oldest was let go"

    asyncio.run(run())
