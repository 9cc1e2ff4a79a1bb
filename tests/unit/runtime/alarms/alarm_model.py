"""Another reckoning of an alarm's life, for the property test: millisecond by millisecond, with no delays in data.

Room: tests. It walks over every ms and counts for how long a condition has lasted, where the product computes due times; and it keeps the
set of reasons why nobody is called, where the product keeps fields. It shares no code with `runtime.alarms.machine`.
"""

from __future__ import annotations

ORDER = ("out_of_service", "suppressed", "shelved")


class AlarmModel:
    """Told of events at whole ms; `log` keeps (what, before, after, at)."""

    def __init__(self, on_ms: int, off_ms: int, latching: bool, advisory: bool) -> None:
        self.delay = {True: on_ms, False: off_ms}
        self.latching, self.advisory = latching, advisory
        self.now = 0
        self.input, self.differs_for = False, 0
        self.in_alarm = self.acknowledged = self.latched = False
        self.waits = False
        self.why_silent: set[str] = set()
        self.shelf_left = 0
        self.log: list[tuple[str, str, str, int]] = []

    @property
    def seen(self) -> str:
        for reason in ORDER:
            if reason in self.why_silent:
                return reason
        if self.in_alarm:
            return "acked" if self.acknowledged else "unacked"
        if self.latched and self.waits:
            return "latched" if self.acknowledged else "latched_unacked"
        return "returned" if self.waits and not self.acknowledged else "normal"

    def note(self, what: str, before: str) -> None:
        self.log.append((what, before, self.seen, self.now))

    def go_to(self, now: int) -> None:
        while self.now < now:
            self.now += 1
            self.differs_for += 1
            self.look_at_delay()
            if "shelved" in self.why_silent:
                self.shelf_left -= 1
                if self.shelf_left == 0:
                    self.speak_again("shelved", "shelf_ended")

    def look_at_delay(self) -> None:
        if self.input == self.in_alarm or self.differs_for < self.delay[self.input]:
            return
        before = self.seen
        self.in_alarm = self.input
        if self.in_alarm:
            self.latched = self.latched or self.latching
            self.acknowledged, self.waits = self.advisory, not self.why_silent
            self.note("raised", before)
        else:
            if self.acknowledged and not self.latched:
                self.waits = False
            self.note("cleared", before)

    def told(self, event: tuple[str, int]) -> None:
        name, number = event
        before = self.seen
        if name == "condition" and self.input != bool(number):
            self.input, self.differs_for = bool(number), 0
            self.look_at_delay()
        elif name == "ack" and before in {"unacked", "returned", "latched_unacked"}:
            self.acknowledged = True
            if before == "returned":
                self.waits = False
            self.note("acked", before)
        elif name == "reset" and before == "latched":
            self.latched = self.waits = False
            self.note("reset", before)
        elif name == "shelve" and number > 0 and "out_of_service" not in self.why_silent:
            self.shelf_left = number
            self.fall_silent("shelved", "shelved")
        elif name == "unshelve" and "shelved" in self.why_silent:
            self.speak_again("shelved", "unshelved")
        elif name == "suppress" and bool(number) != ("suppressed" in self.why_silent):
            (self.fall_silent if number else self.speak_again)("suppressed", "suppressed" if number else "unsuppressed")
        elif name == "service" and bool(number) != ("out_of_service" in self.why_silent):
            if number:
                self.fall_silent("out_of_service", "out_of_service", instead="shelved")
            else:
                self.speak_again("out_of_service", "in_service")

    def fall_silent(self, reason: str, what: str, instead: str = "") -> None:
        before = self.seen
        self.why_silent.add(reason)
        self.why_silent.discard(instead)
        self.waits = False
        self.note(what, before)

    def speak_again(self, reason: str, what: str) -> None:
        before = self.seen
        self.why_silent.discard(reason)
        if not self.why_silent:
            self.waits = self.in_alarm or self.latched
            self.acknowledged = self.in_alarm and self.advisory
        self.note(what, before)
