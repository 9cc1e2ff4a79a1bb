"""Answers about recorded scores, shared between browsers: however many look at a chart, the judge reads its receipts once in a while.

Room: hall, face. `judgement_pages` asks it. It keeps the newest answer, or refusal, of each model and span of time for as long as a page
waits between two looks, and no longer: what a page shows is never older than it would be without.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from runtime.faces.feed import RequestRefusedError

SPANS_S: Final[Mapping[int, tuple[int, float]]] = {600: (600, 5.0), 3_600: (1_200, 5.0), 28_800: (2_000, 30.0), 86_400: (2_000, 30.0)}
"""Span of time that a page offers -> the most points of its chart, and how long the page waits between two looks."""
KEPT_MAX: Final = 64
Ask = Callable[[Mapping[str, Any]], Awaitable[Any]]
"""Asks the core for `scores`. Raises RequestRefusedError."""


@dataclass(slots=True)
class _Kept:
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    at_s: float = float("-inf")
    answer: Any = None
    refusal: RequestRefusedError | None = None


class ScoreAnswers:
    """`of` answers from what it keeps, or asks; those that ask for the same at once wait for one answer."""

    def __init__(self, ask: Ask, clock: Callable[[], float] = time.monotonic) -> None:
        self._ask, self._clock = ask, clock
        self._kept: dict[tuple[str, int], _Kept] = {}

    async def of(self, model: str, span_s: int, now_ms: int) -> Any:
        """Return the core's answer for a span of SPANS_S that ends now. Raises RequestRefusedError."""
        points, every_s = SPANS_S[span_s]
        kept = self._kept.setdefault((model, span_s), _Kept())
        while len(self._kept) > KEPT_MAX:
            del self._kept[next(iter(self._kept))]
        async with kept.turn:
            if self._clock() - kept.at_s >= every_s / 2:
                kept.answer, kept.refusal = None, None
                try:
                    kept.answer = await self._ask(
                        {"model": model, "from_ms": now_ms - 1000 * span_s, "to_ms": now_ms, "points_max": points}
                    )
                except RequestRefusedError as refusal:
                    kept.refusal = refusal
                kept.at_s = self._clock()
        if kept.refusal is not None:
            raise RequestRefusedError(kept.refusal.code, **kept.refusal.params)
        return kept.answer
