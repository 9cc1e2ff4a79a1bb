"""Which serial units may still be about to answer an old question, and how to make sure that they are not.

Room: ground, driver `modbus`; pure: `lane.py` asks, waits and tells the time (event loop seconds).

A serial answer has no number: one that comes late looks like the answer to the next question of the same shape. So after a request that was
given up, a unit is first asked to echo 16 bits that it has not been asked before (function 8; V1.02, 6.8). Units answer in order: when
the echo, or the refusal of that function, has come, no older answer can follow. A unit that has ever done so is asked for the echo until it
comes: on a noisy line echoes are spoiled too, and that is no reason to do without. One that never has is left alone for two time limits
instead, then asked plainly; if it answers, it is known as mute to echoes, and an answer that is later than three times the limit could be
taken for a new one: the protocol has nothing to tell them apart.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from drivers.modbus.request import Request, echo_request

quiet_s_min: Final = 0.1
mute_after: Final = 2
"""So many times a unit may answer plainly and not the echo before it counts as mute; once may be a unit that just came back."""
strange_after: Final = 20
"""So many echoes in a row may go unanswered before a unit that had answered them is another unit, of which nothing is known."""


@dataclass(slots=True)
class Doubt:
    """One unit's state. `quiet_until` is when a plain question may be asked, once the echo got no answer; None: ask for the echo."""

    quiet_until: float | None = None


class Doubts:
    """The units in doubt, by number."""

    def __init__(self) -> None:
        self._open: dict[int, Doubt] = {}
        self._mute: dict[int, int] = {}
        self._echoes: dict[int, int] = {}
        """Units that have answered an echo -> how many they have not answered since."""
        self._nonce = 0

    def add(self, unit_id: int, now: float, quiet_s: float) -> None:
        """A request to this unit was given up, or bytes came that nobody had asked for. `quiet_s`: how long a mute unit rests."""
        known = self._open.get(unit_id)
        if self._mute.get(unit_id, 0) >= mute_after:
            before = known.quiet_until if known is not None and known.quiet_until is not None else 0.0
            self._open[unit_id] = Doubt(max(before, now + max(quiet_s, quiet_s_min)))  # a new doubt shortens no older one
        elif known is None or (known.quiet_until is not None and now >= known.quiet_until):
            self._open[unit_id] = Doubt()  # neither the echo nor the plain question was answered: the echo again

    def question(self, unit_id: int) -> Request | None:
        """Return the echo to ask for now; None when the plain question may be asked."""
        doubt = self._open.get(unit_id)
        if doubt is None or doubt.quiet_until is not None:
            return None
        self._nonce = self._nonce % 0xFFFF + 1
        return echo_request(unit_id, self._nonce)

    def unanswered(self, unit_id: int, quiet_until: float) -> None:
        """The echo was not answered: a plain question may be asked at that time, unless the unit is known to answer echoes."""
        missed = self._echoes.pop(unit_id, strange_after) + 1
        if missed < strange_after:
            self._echoes[unit_id] = missed
            self._open[unit_id] = Doubt()
            return
        self._open[unit_id] = Doubt(quiet_until)

    def cleared(self, unit_id: int) -> None:
        """The echo came: nothing older can follow."""
        self._open.pop(unit_id, None)
        self._mute.pop(unit_id, None)
        self._echoes[unit_id] = 0

    def answered(self, unit_id: int) -> None:
        """A plain question was answered after an echo was not: one sign that the unit does not know the echo."""
        if self._open.pop(unit_id, None) is not None:
            self._mute[unit_id] = self._mute.get(unit_id, 0) + 1

    def quiet_until(self, unit_id: int) -> float:
        """Return when a question may be asked of this unit; 0 when it need not be left alone."""
        doubt = self._open.get(unit_id)
        return doubt.quiet_until or 0.0 if doubt is not None else 0.0
