"""What alarms that are about no tag look at: devices, anchors, disk, clock, evidence, models.

Room: hall, alarms. `app` gives it the parts, `engine` asks it once a second. It asks what is in memory and changes nothing; how much space
is left it looks up off the loop, now and then.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor, Future
from typing import Any, Final

from ledger_client.kinds import ClockState
from runtime.alarms.definition import AlarmDefinition
from runtime.clock import Clock

SPACE_EVERY_MS: Final = 30_000
OWN_RECEIPT: Final = 1
"""The entry that says that all before it is confirmed."""
UNTRUSTED: Final = frozenset({ClockState.UNSET, ClockState.RTC, ClockState.STEPPED})


class CoreOutlook:
    """Implements `engine.Outlook`. What cannot be told leaves a condition as it was."""

    def __init__(
        self, clock: Clock, *, device_state: Callable[[str], str | None], anchors: Callable[[], Sequence[Mapping[str, Any]]],
        size: Callable[[], int], ledger_state: Callable[[], tuple[str, bool]], evidence_state: Callable[[], str],
        goes_on: Callable[[str], bool | None], free_bytes: Callable[[], int], work: Executor,
    ) -> None:  # fmt: skip
        """`ledger_state` gives its state and whether the disk is full; `size` the ledger's durable entries.

        `goes_on` tells whether a finding of a model has begun and not ended, None while it cannot be told.
        `free_bytes` blocks; it is asked in `work`.
        """
        self._clock, self._device_state, self._anchors, self._size = clock, device_state, anchors, size
        self._ledger_state, self._evidence_state, self._goes_on = ledger_state, evidence_state, goes_on
        self._free_bytes, self._work = free_bytes, work
        self._began_ms = clock.wall_ms()
        self._space: Future[int | None] | None = None
        self._asked_ms = -SPACE_EVERY_MS
        self._free_mb: int | None = None

    def holds(self, definition: AlarmDefinition, before: bool) -> bool:
        """See Outlook."""
        match definition.condition:
            case "device_down":
                state = self._device_state(definition.device)
                return before if state in {None, "starting"} else state == "down"
            case "backlog_old":
                age_ms = self._unconfirmed_ms()
                return before if age_ms is None else age_ms > definition.seconds * 1000
            case "disk_low":
                free = self._free()
                return self._ledger_state()[1] or (before if free is None else free < definition.seconds)
            case "clock_untrusted":
                return self._clock.state() in UNTRUSTED
            case "evidence_stopped":
                return self._evidence_state() == "stopped" or self._ledger_state()[0] != "ok"
            case "finding":
                goes_on = self._goes_on(definition.model)
                return before if goes_on is None else goes_on
        return before

    def _unconfirmed_ms(self) -> int | None:
        """Return for how long nobody outside has confirmed what the ledger has; 0 when all is confirmed, None without anchors."""
        rows = self._anchors()
        if not rows:
            return None
        if any((row["cosigned_size"] or 0) + OWN_RECEIPT >= self._size() for row in rows):
            return 0
        newest = max(row["cosigned_ms"] or 0 for row in rows)
        return max(0, self._clock.wall_ms() - max(newest, self._began_ms))

    def _free(self) -> int | None:
        """Return free MB; asked in the executor, so it is some seconds old."""
        now = self._clock.mono_ms()
        if self._space is not None and self._space.done():
            self._free_mb, self._space = self._space.result(), None
        if self._space is None and now - self._asked_ms >= SPACE_EVERY_MS:
            self._asked_ms = now
            self._space = self._work.submit(self._ask_space)
        return self._free_mb

    def _ask_space(self) -> int | None:
        try:
            return self._free_bytes() >> 20
        except OSError:
            return None
