"""Whether the gates of a plan were open at a time, by the readings of their tags.

Room: ground, models; pure. The signs of sensor faults ask it: a machine that stands has constant values and is not at fault.
"""

from __future__ import annotations

from collections import deque
from typing import Final

from models.input_plan import InputPlan

SHUT_KEPT: Final = 32
SHUT: Final = 1 << 62


class GateWatch:
    """The gates of one plan, all of which must be open. Without gates it is always open."""

    def __init__(self, plan: InputPlan) -> None:
        gates = [(plan.index_of(gate.uid), gate) for gate in plan.gates]
        self._values = {i: frozenset(gate.values) for i, gate in gates}
        self._window_ms, self._settle_ms = plan.window_ms, max((gate.settle_ms for gate in plan.gates), default=0)
        self._outside: set[int] = set(self._values)
        self._unknown: set[int] = set()
        self._settled_ms = SHUT
        self._shut_ms: deque[int] = deque(maxlen=SHUT_KEPT)
        self.since_ms = SHUT if self._values else -SHUT
        """From when on it counts as open: opened, a window and the settling ago. SHUT while it is not."""

    def __contains__(self, tag_index: int) -> bool:
        return tag_index in self._values

    def take(self, tag_index: int, time_ms: int, value: float | None) -> None:
        """Take a reading of a gate's tag. A lost one shuts the gate, yet it is no stop of the machine: nothing has to settle after it."""
        was_open = self.since_ms != SHUT
        if value is None:
            self._unknown.add(tag_index)
        else:
            self._unknown.discard(tag_index)
            move = self._outside.discard if value in self._values[tag_index] else self._outside.add
            move(tag_index)
        if self._outside:
            self._settled_ms = SHUT
        elif self._settled_ms == SHUT and not self._unknown:
            self._settled_ms = time_ms + self._window_ms + self._settle_ms
        is_open = not self._outside and not self._unknown
        if was_open and not is_open:
            self._shut_ms.append(time_ms)
            self.since_ms = SHUT
        elif is_open and not was_open:
            self.since_ms = max(self._settled_ms, time_ms + self._window_ms)

    @property
    def is_shut(self) -> bool:
        """Whether a gate is known to be shut: its tag said so last, or has said nothing yet. One that was open and is lost is neither."""
        return bool(self._outside)

    def is_open(self, time_ms: int) -> bool:
        """Whether it counts as open now, `time_ms`."""
        return time_ms >= self.since_ms

    def shut_between(self, from_ms: int, to_ms: int) -> bool:
        """Whether it was shut in that time: a tag of a machine that stops may be read a little before the state that says so."""
        return any(from_ms <= shut_ms <= to_ms for shut_ms in self._shut_ms)
