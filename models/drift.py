"""Whether normal operation has moved away from what a model learned: advice to learn again, never a change of the model.

Room: ground, pure, without numpy. The judge shows it every score; it never alarms and never learns. (`slow_residuals` is the other thing:
one sensor that drifts away from the others.)

Scores are counted in spans of an hour of scored cells. A fault of some minutes, or of a shift, is no drift: only when three spans in a
row were unusual is learning again advised, and one usual span takes the advice back.
"""

from __future__ import annotations

from typing import Final

from models.decision import ALARMED_SHARE_MAX

SPAN: Final = 3600
"""Scored cells in a span."""
SPANS: Final = 3
"""So many unusual spans in a row make advice."""
NEAR: Final = 0.5
"""Share of the threshold. Out of fold, the highest score of all was little above: half of a span up there is not what was learned."""
NEAR_SHARE_MAX: Final = 0.5

ALARMS_OFTEN: Final = "alarms_often"
"""More alarmed cells than coverage allows, span after span."""
NEAR_THRESHOLD: Final = "near_threshold"
"""Half of the scores have come up to where the highest was when the model was learned."""


class DriftMonitor:
    """The watch over one model's scores. `advice`: a code of this file, or None."""

    def __init__(self, threshold: float) -> None:
        self._threshold = threshold
        self._scored = self._over = self._near = 0
        self._spans: dict[str, int] = {ALARMS_OFTEN: 0, NEAR_THRESHOLD: 0}
        """Unusual spans in a row, by what is unusual."""
        self.advice: str | None = None

    def take(self, score: float | None) -> str | None:
        """Take a cell's score, None where the model abstained; return the advice as it stands."""
        if score is None:
            return self.advice
        self._scored += 1
        self._over += score > self._threshold
        self._near += score > self._threshold * NEAR
        if self._scored == SPAN:
            self._end_span()
        return self.advice

    def _end_span(self) -> None:
        unusual = {ALARMS_OFTEN: self._over > ALARMED_SHARE_MAX * SPAN, NEAR_THRESHOLD: self._near > NEAR_SHARE_MAX * SPAN}
        self._spans = {code: count + 1 if unusual[code] else 0 for code, count in self._spans.items()}
        self.advice = next((code for code, count in self._spans.items() if count >= SPANS), None)
        self._scored = self._over = self._near = 0
