"""Whom alarms call: a lane for each target of the configuration, looked at once a second, each by itself.

Room: hall, alarms. `parts` makes and runs it. The core never waits for it, and it never waits for more than its own targets.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo

from drivers.shared import NewestOf
from ledger_client.kinds import ClockState
from runtime.acts import Act, Outcome
from runtime.alarms.alarm import Alarm
from runtime.alarms.lanes import Lane, LightLane
from runtime.alarms.notify_options import LightTarget
from runtime.alarms.notify_plan import NotifyPlan, Target
from runtime.clock import Clock

if TYPE_CHECKING:
    from runtime.alarms.delivery import Threads

LOOK_MS: Final = 1_000


class Notifier:
    """`lanes` by target's name."""

    def __init__(self, clock: Clock, alarms: Callable[[], Sequence[Alarm]], newest: NewestOf, changed: Callable[[], None]) -> None:
        """`alarms` gives those that are not normal, `newest` what tags have now; `changed` is called when something else is to be shown.

        `carry_out` of the door is set by the wiring.
        """
        self._clock, self._alarms, self._newest, self._changed = clock, alarms, newest, changed
        self.carry_out: Callable[[Act], Awaitable[Outcome]] | None = None
        self._threads: Threads | None = None
        self._plan, self._gateway = NotifyPlan(), ""
        self.lanes: dict[str, Lane] = {}
        self._renewed = asyncio.Event()

    def set_up(self, plan: NotifyPlan, gateway: str) -> None:
        """Call these from now on; a target that stays as it is keeps what it knows."""
        same = plan.zone == self._plan.zone and gateway == self._gateway
        before, self._plan, self._gateway = self.lanes, plan, gateway
        self.lanes = {}
        for target in plan.targets:
            known = before.get(target.name)
            self.lanes[target.name] = known if known is not None and same and known.target == target else self._lane(target)
        self._renewed.set()

    async def run(self) -> None:
        """Call people until cancelled."""
        while True:
            self._renewed.clear()
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(self._keep(lane), name=f"notify {name}") for name, lane in self.lanes.items()]
                await self._renewed.wait()
                for task in tasks:
                    task.cancel()

    def test(self, target: str, by: str) -> None:
        """Let a target hear from us."""
        self.lanes[target].test(by)
        self._changed()

    def rows(self) -> list[dict[str, Any]]:
        """Return what people are shown of the targets."""
        return [
            {
                "name": name, "type": lane.target.kind, "sent": lane.counts.sent, "failed": lane.counts.failed, "cause": lane.counts.cause,
                "params": dict(lane.counts.params), "sent_ms": lane.counts.sent_ms, "failed_ms": lane.counts.failed_ms,
                "quiet": lane.target.is_quiet(self._minute()), "tested_ms": lane.counts.tested[0] if lane.counts.tested else None,
                "test_cause": lane.counts.tested[1] if lane.counts.tested else None,
            }
            for name, lane in self.lanes.items()
        ]  # fmt: skip

    def _lane(self, target: Target) -> Lane:
        if isinstance(target.options, LightTarget):
            return LightLane(self._clock, target, target.options, self._newest, self._through_the_door)
        from runtime.alarms.delivery import Threads
        from runtime.alarms.word_lane import WordLane  # 4 MB that a gateway without such a target does not need

        self._threads = self._threads or Threads()
        return WordLane(self._clock, target, self._threads, self._gateway, self._plan.zone)

    async def _keep(self, lane: Lane) -> None:
        while True:
            if await lane.look(self._alarms(), self._minute()):
                self._changed()
            await self._clock.sleep_until_mono(self._clock.mono_ms() + LOOK_MS)

    async def _through_the_door(self, act: Act) -> Outcome:
        if self.carry_out is None:
            return Outcome("acts_refused_stopped")
        return await self.carry_out(act)

    def _minute(self) -> int | None:
        """Return the minute of the day at the site; None while nobody has set the clock."""
        if self._clock.state() == ClockState.UNSET:
            return None
        at = datetime.fromtimestamp(self._clock.wall_ms() / 1000, ZoneInfo(self._plan.zone))
        return at.hour * 60 + at.minute
