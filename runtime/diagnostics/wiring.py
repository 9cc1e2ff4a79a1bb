"""The diagnostics of one core, wired to its parts.

Room: hall, diagnostics. `app` calls it. It holds no rule of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Protocol

from drivers.recorder import FlightRecorder
from ledger_client.disk import Disk
from runtime.acquisition.field import Field
from runtime.alarms.parts import Alarms
from runtime.clock import Clock
from runtime.diagnostics.late import LateDiagnostics
from runtime.diagnostics.log_ring import LogRing
from runtime.health import Health
from runtime.judgement.desk import JudgementDesk
from runtime.layout import Layout
from runtime.revisions import Revision

if TYPE_CHECKING:
    from runtime.diagnostics.desk import DiagnosticsDesk


class Parts(Protocol):
    """The parts of a core that it looks at."""

    alarms: Alarms
    desk: JudgementDesk
    health: Health

    @property
    def revision(self) -> Revision:
        """The revision in force."""
        ...

    @property
    def field(self) -> Field:
        """The pollers."""
        ...


def diagnostics_of(
    core: Parts, log: LogRing, recorders: Mapping[str, FlightRecorder], disk: Disk, layout: Layout, clock: Clock,
    random_bytes: Callable[[int], bytes],
) -> LateDiagnostics:  # fmt: skip
    """Return the desk, not yet made. Nothing is asked of the parts before the first question.

    It has a thread of its own, so that a preview, or a log that many look at, holds up no act of the door; and the one act among its
    tenants has another, for all acts wait while it waits.
    """
    work, acting = (ThreadPoolExecutor(1, thread_name_prefix=name) for name in ("diagnostics", "bundle"))

    def make(kind: type[DiagnosticsDesk]) -> DiagnosticsDesk:
        from runtime.diagnostics.desk import Sources

        sources = Sources(
            core.health.snapshot,
            lambda: core.revision,
            lambda: core.alarms.view.page({}),
            core.desk.model_rows,
            lambda: [recorder.summary() for _, recorder in sorted(recorders.items())],
        )
        return kind(sources, log, core.field, disk, layout, clock, work, acting, random_bytes)

    return LateDiagnostics(make, work)
