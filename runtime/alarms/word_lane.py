"""The lane of a target that is told in words: e-mail or webhook.

Room: hall, alarms. `notifier` makes one where the configuration has such a target; without any, nothing of mail or HTTP is loaded into the
core. What was not delivered is due again, as long as it waits for somebody.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from runtime.alarms.alarm import Alarm
from runtime.alarms.delivery import Threads
from runtime.alarms.lanes import Paced
from runtime.alarms.mail import message_of, send
from runtime.alarms.notices import content_of, subject_of, text_of
from runtime.alarms.notify_options import EmailTarget, WebhookTarget
from runtime.alarms.notify_plan import Calls, Failure, Target
from runtime.alarms.webhook import post
from runtime.clock import Clock

PACE_MS: Final = 10_000
"""Between two messages to one target: a flood is one message."""
REST_MS_MAX: Final = 600_000


class WordLane(Paced):
    """A target that is told in words: e-mail or webhook."""

    def __init__(self, clock: Clock, target: Target, threads: Threads, gateway: str, zone: str) -> None:
        super().__init__(clock, target, REST_MS_MAX)
        self._threads, self._gateway, self._zone = threads, gateway, zone
        self._calls = Calls(target)
        self._test: str | None = None

    def test(self, by: str) -> None:
        """See Lane."""
        self._test = by
        self.counts.tested = self.clock.wall_ms(), "notify_under_way"

    async def look(self, alarms: Sequence[Alarm], minute: int | None) -> bool:
        """See Lane. A test goes at once, whatever the hour; it says nothing of alarms."""
        if self._test is not None:
            by, self._test = self._test, None
            failure = await self._deliver([], by)
            self.note(failure, 0)
            self.counts.tested = self.clock.wall_ms(), failure[0] if failure is not None else None
            return True
        due = self._calls.due(alarms, self.clock.mono_ms(), minute)
        if not due or not self.may:
            return False
        failure = await self._deliver(due, "")
        if failure is None:
            self._calls.told([alarm.definition.name for alarm in due], self.clock.mono_ms())
        self.note(failure, PACE_MS)
        return True

    async def _deliver(self, alarms: Sequence[Alarm], by: str) -> Failure | None:
        options, at_ms, lang = self.target.options, self.clock.wall_ms(), self.target.lang
        match options:
            case EmailTarget():
                subject, text = subject_of(self._gateway, alarms, lang), text_of(self._gateway, alarms, lang, self._zone, by)
                return await self._threads.run(lambda: send(options, message_of(options, subject, text, at_ms)), target=self.target.name)
            case WebhookTarget():
                content = content_of(self._gateway, alarms, at_ms, by)
                return await self._threads.run(lambda: post(options, content, at_ms), target=self.target.name)
        return "notify_failed", {"reason": self.target.kind}
