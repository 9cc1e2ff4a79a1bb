"""What the ledger would hold of the sim line, without a ledger: the real pollers and report rules, batches sealed as evidence seals them.

Room: tests. Hours of the line in seconds of CPU. `Recorder` is the collector; what it hands over is what a follower reads from durable
batches: reported readings by (read time, group, column), a status, a source time or none, and gap rows. `tests/simulation/test_sim_line.py`
holds it against a real ledger of the same seed.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from boards.sim.template import PLACEHOLDERS, gateway_config
from drivers.memory import ShortMemory
from drivers.reading import Scan, Status, Tag, TagGroup, Value
from runtime.acquisition.gaps import GapRow, GapTally
from runtime.acquisition.pipeline import Pipeline
from runtime.acquisition.poller import DevicePoller
from runtime.config import parse_config
from runtime.points import DevicePoints, number_points
from runtime.tag_ids import Numbers, TagIds
from tests.simulation.disk import ShimDisk
from tests.simulation.loop import VirtualClock
from tests.simulation.sim_line import Line

SEAL_MS: Final = 5_000
PORTS: Final = {name: 1 + n for n, name in enumerate(PLACEHOLDERS)}


@dataclass(frozen=True, slots=True)
class Reported:
    """One reading as a batch holds it. `value` None or a status that is not good: nothing usable."""

    uid: int
    read_ms: int
    value: Value
    status: int
    source_ms: int | None


@dataclass(slots=True)
class Batch:
    """What one seal made durable: readings in ledger order, gap rows, and the wall time up to which everything was said."""

    until_ms: int
    readings: list[Reported] = field(default_factory=list)
    gaps: list[GapRow] = field(default_factory=list)


def line_points() -> dict[str, DevicePoints]:
    """Return the devices of the sim board's own configuration, numbered as at a first start."""
    ids = TagIds(ShimDisk(), Path("/state"), Numbers({}, 1), Numbers({}, 1))
    return number_points(parse_config(gateway_config(PORTS)), ids)


class Recorder:
    """Implements `pipeline.Collector`, and the watching of live values, which nobody does here."""

    def __init__(self, clock: VirtualClock) -> None:
        self._clock, self._gaps = clock, GapTally(SEAL_MS)
        self._rows: list[tuple[int, int, Scan]] = []

    def add(self, scan: Scan) -> tuple[int, str | None]:
        """See Collector."""
        self._rows.append((scan.read_ms, scan.group.uid, scan))
        return 1, None

    def missed(self, group: TagGroup, from_ms: int, to_ms: int, cause: str, count: int) -> None:
        """See Collector."""
        self._gaps.add(group.uid, from_ms, to_ms, cause, count, self._clock.mono_ms())

    def came_back(self, group_uid: int) -> None:
        """See Collector."""
        self._gaps.came_back(group_uid)

    def publish(self, scan: Scan) -> None:
        """See Live: nobody watches."""

    def collected(self, scan: Scan, ticket: int, cause: str | None) -> None:
        """See Live."""

    def sealed(self) -> Batch:
        """Return what came since the last seal."""
        rows, self._rows = self._rows, []
        batch = Batch(self._clock.wall_ms(), gaps=self._gaps.due(self._clock.mono_ms()))
        for read_ms, _, scan in sorted(rows, key=lambda row: row[:2]):
            batch.readings += [Reported(r.tag.uid, read_ms, r.value, r.status, r.source_ms) for r in scan.readings()]
        return batch


class LineRecording:
    """The line while it is recorded. Faults may be switched between two calls of `batches`."""

    def __init__(self, clock: VirtualClock, seed: int) -> None:
        """Start a plant; nobody polls it yet (`recording` does)."""
        self.line, self.points, self.recorder = Line(clock, seed), line_points(), Recorder(clock)

    @property
    def tags(self) -> dict[int, tuple[Tag, TagGroup]]:
        """Return uid -> the tag and its group."""
        return {tag.uid: (tag, group) for device in self.points.values() for group in device.groups for tag in group.tags}

    async def batches(self, seconds: float) -> list[Batch]:
        """Let some seconds pass and return what they brought."""
        found = []
        for _ in range(round(seconds * 1000 / SEAL_MS)):
            await asyncio.sleep(SEAL_MS / 1000)
            found.append(self.recorder.sealed())
        return found


@asynccontextmanager
async def recording(clock: VirtualClock, seed: int) -> AsyncIterator[LineRecording]:
    """Poll a line of its own from now on."""
    made = LineRecording(clock, seed)
    pipeline = Pipeline(made.recorder, made.recorder)  # type: ignore[arg-type]
    pipeline.set_devices(made.points.values())
    async with asyncio.TaskGroup() as group:
        pollers = [
            group.create_task(DevicePoller(each, made.line.driver(each, lambda *_: ShortMemory()), pipeline, clock).run())
            for each in made.points.values()
        ]
        yield made
        for poller in pollers:
            poller.cancel()


def good_number(reading: Reported) -> float | None:
    """Return what a model may use of a reading: a good number or truth value; None stands for missing."""
    if reading.status != Status.GOOD or not isinstance(reading.value, int | float):
        return None
    return float(reading.value)
