"""From scores to events: when an alarm begins, when it has ended, and when a model may be armed.

Room: ground, pure, without numpy: the core, the judge and a replay call it. It never sees a reading and never acts.
One stray score is no event: it takes `needed` of the last `of` cells over the threshold. An event lasts until no score was above
`release` times the threshold for `hold_off` cells, so that a value that dances about the threshold is one event and not fifty. What has
ended stays in a model's window for a while: a cell whose score has fallen well below the highest of the window is not flagged.
"""

from __future__ import annotations

import struct
from collections import deque
from dataclasses import dataclass
from typing import Final, Literal

State = Literal["learning", "checking", "shadow", "armed"]
"""learning: rows are gathered and the model is made; checking: made, nobody has let it score; shadow: scores, no alarms; armed: alarms."""

NEXT: Final[dict[State, tuple[State, ...]]] = {
    "learning": ("checking",),
    "checking": ("shadow", "learning"),
    "shadow": ("armed", "checking", "learning"),
    "armed": ("shadow", "checking", "learning"),
}
"""Where a model may go from each state. Arming goes through shadow: a technician sees scores before they alarm anybody."""

ALARMED_SHARE_MAX: Final = 0.02
"""Most of the held-back rows that may alarm for a model to count as covered."""
COVER_SHARES: Final = (1 / 3, 1 / 2, 3 / 4)
"""Coverage: models of so much of the rows, from the first on, are tried on all later ones."""
COVER_WINDOWS_MIN: Final = 2
"""Of fewer lengths of the window such a model is not made, and nothing is tried."""
DIFFERING_SHARE_MAX: Final = 0.01
"""Most of the training rows that int8 and float may judge differently."""
RMS_MAX: Final = 0.05
"""Most that int8 and float outputs may differ by, in standard deviations of a feature."""

REACH_SD: Final = 8.0
"""A shift of one feature by so many standard deviations, as far as an int8 input sees, is what a model is asked to find."""
REACH_SHARE_MIN: Final = 0.2
"""Least share of features of which it must. Covered models of the line had 0.44 or more, those that a warm-up had blinded 0.12 at most
(docs/decisions/0018)."""


@dataclass(frozen=True, slots=True)
class DecisionSettings:
    """needed, of, hold_off, look: cells. release: share of the threshold, 0 < release <= 1.

    falling, look: a score below so much of the highest of the last `look` cells is one that is going; 0 leaves all. `look` is the
    model's window: what has ended stays in its features so long, and less of it with every cell.
    """

    threshold: float
    needed: int = 15
    of: int = 20
    release: float = 0.8
    hold_off: int = 120
    falling: float = 0.5
    look: int = 60


class Decision:
    """The alarm of one model, told its scores in the order of their cells.

    What it says depends on the scores since the last reset only, so a replay of the same scores says the same.
    """

    def __init__(self, settings: DecisionSettings) -> None:
        self._settings = settings
        self._over: deque[int] = deque(maxlen=settings.needed)
        self._last_loud: int | None = None
        self._peaks: deque[tuple[int, float]] = deque()
        """Cells and scores of the last `look` cells that none after them exceeds: the first is the highest."""
        self.alarming = False
        self.flagged = False
        """Whether the last cell by itself is not normal: above the threshold, and not just what is left of something that has ended."""

    def take(self, cell: int, score: float | None) -> Literal["onset", "end"] | None:
        """Say what this score, None where the model abstained, begins or ends. Cells grow; those left out are cells without a score."""
        settings = self._settings
        self.flagged = score is not None and score > settings.threshold and score >= settings.falling * self._highest(cell, score)
        if self.flagged:
            self._over.append(cell)
        if score is not None and score > settings.threshold * settings.release:
            self._last_loud = cell
        if self.alarming:
            if self._last_loud is None or cell - self._last_loud >= settings.hold_off:
                self.alarming = False
                self._over.clear()
                return "end"
            return None
        if len(self._over) == settings.needed and self._over[0] > cell - settings.of and self._over[-1] == cell:
            self.alarming = True
            return "onset"
        return None

    def _highest(self, cell: int, score: float) -> float:
        """Return the highest score of the last `look` cells, this one included."""
        while self._peaks and self._peaks[-1][1] <= score:
            self._peaks.pop()
        self._peaks.append((cell, score))
        while self._peaks[0][0] <= cell - self._settings.look:
            self._peaks.popleft()
        return self._peaks[0][1]

    def state(self) -> tuple[int, ...]:
        """Return all that `take` depends on, as whole numbers.

        Whether it alarms; the last loud cell, -1: none; how many flagged cells follow, and they; then peaks, each its cell and its score
        as the bits of a binary64.
        """
        peaks = [number for cell, score in self._peaks for number in (cell, *struct.unpack("<Q", struct.pack("<d", score)))]
        return (int(self.alarming), -1 if self._last_loud is None else self._last_loud, len(self._over), *self._over, *peaks)

    def restore(self, state: tuple[int, ...]) -> None:
        """Go on from what `state` gave. Raises ValueError."""
        count = state[2] if len(state) > 2 else -1
        peaks = state[3 + count :]
        if state[:1] not in {(0,), (1,)} or not 0 <= count <= min(self._settings.needed, len(state) - 3):
            raise ValueError("not the state of such a decision")
        if len(peaks) % 2 or len(peaks) > 2 * self._settings.look or not all(0 <= bits < 1 << 64 for bits in peaks[1::2]):
            raise ValueError("not the state of such a decision")
        self.alarming, self._last_loud = bool(state[0]), None if state[1] < 0 else state[1]
        self._over = deque(state[3 : 3 + count], maxlen=self._settings.needed)
        scores = [struct.unpack("<d", struct.pack("<Q", bits))[0] for bits in peaks[1::2]]
        self._peaks = deque(zip(peaks[::2], scores, strict=True))

    def reset(self) -> None:
        """Forget everything: another model, or another recipe."""
        self._over.clear()
        self._peaks.clear()
        self.flagged = False
        self._last_loud = None
        self.alarming = False


def may_move(before: State, after: State) -> bool:
    """Say whether a model may go from one state to the other; staying is no move."""
    return after in NEXT[before]


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why something may not be done: a message code and what fills its blanks."""

    code: str
    params: dict[str, str | int | float]


def refusal_to_arm(
    *, covered: bool, alarmed_share: float | None, rows: int, rows_wanted: int, rms: float, differing_share: float, reach_share: float
) -> Refusal | None:
    """Say why a model may not be armed, or None. `alarmed_share`: None where it was tried on no row; `rows_wanted`: how many still lack.

    Its reach comes first, as no row that it scores mends that: one whose threshold is so high that it would find hardly anything is calm
    for that reason alone. Then coverage: a model that does not know normal operation yet must not alarm. Then int8 against float: a model
    whose integer self judges otherwise than it was checked to is another model.
    """
    if reach_share < REACH_SHARE_MIN:
        blind = {"percent": round(100 * reach_share)}
        return Refusal("model_blind_few", {**blind, "rows_wanted": rows_wanted}) if rows_wanted else Refusal("model_blind", {**blind})
    if not covered and alarmed_share is None:
        return Refusal("model_learned_little", {"rows_have": rows, "rows_wanted": rows_wanted})
    if not covered and alarmed_share is not None:
        return Refusal("model_not_covered", {"alarmed_share": round(alarmed_share, 4), "rows_have": rows, "rows_wanted": rows_wanted})
    if rms > RMS_MAX or differing_share > DIFFERING_SHARE_MAX:
        return Refusal("model_int8_disagrees", {"rms": round(rms, 4), "differing_share": round(differing_share, 4)})
    return None
