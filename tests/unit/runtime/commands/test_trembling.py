"""A command of a tag whose value does not stand still between showing and confirming: a clock, and a feedback that trembles."""

from __future__ import annotations

from drivers.reading import Scan, Tag, TagGroup, Value
from tests.rigs.commands import Machine, Scene, play
from tests.rigs.field import after
from tests.simulation.loop import VirtualClock

WRITTEN = "writable = true\nwrite = {}\n"
NOON = 1_795_780_800_000


class Timepiece(Machine):
    """A clock in milliseconds, which goes on from what it was set to; one that `slips` is five seconds behind."""

    def __init__(self, clock: VirtualClock, value: Value = 1_000_000) -> None:
        super().__init__(clock, value)
        self._set_ms = clock.mono_ms()

    async def read(self, group: TagGroup, deadline_s: float) -> Scan:
        assert isinstance(self.value, int)
        return Scan(group, [self.value + self._clock.mono_ms() - self._set_ms] * len(group.tags), self._clock.wall_ms())

    async def write(self, tag: Tag, value: Value, deadline_s: float) -> None:
        assert isinstance(value, int)
        await super().write(tag, value, deadline_s)
        self.value, self._set_ms = value - 5_000 * self.slips, self._clock.mono_ms()

    def runs(self, tag: Tag) -> bool:
        return True

    def resolution(self, tag: Tag, value: Value) -> float:
        return 5_000.0


def test_a_clock_that_runs_is_set() -> None:
    async def scene(it: Scene) -> None:
        for slips, code in ((False, "done"), (True, "write_not_kept")):
            it.b.slips = slips
            seen = await it.prepare(NOON)
            await after(it.clock, 20)
            assert (await it.confirm(seen))["code"] == code
        assert it.b.written == [("slow0", NOON)] * 2

    play(scene, limits=f'data = "unix_ms64"\ntime_as = "ms"\n{WRITTEN}', kind=Timepiece)


def test_a_feedback_that_trembles_is_commanded_and_one_that_moved_is_not() -> None:
    async def scene(it: Scene) -> None:
        for now, code in ((1234.5671, "done"), (1234.57, "command_value_changed")):
            it.b.value = 1234.567
            seen = await it.prepare(1250.0)
            it.b.value = now
            assert (await it.confirm(seen))["code"] == code

    play(scene, limits=f'data = "float64"\n{WRITTEN}')
