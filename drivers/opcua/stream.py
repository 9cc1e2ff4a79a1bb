"""The stream of one pushed group: a subscription on a session of its own, its notifications in order, none lost without being told.

Room: ground, driver `opcua`. `driver.py` yields what `next_notice` gives. A session of its own keeps publish answers apart: OPC UA
delivers them per session, not per subscription. Nothing is queued here: while the runtime is busy with a scan, the server keeps the
next samples, as many as `queue_size` of each tag.

Continuity. Notifications are numbered, and the server keeps each until it is acknowledged. When the connection breaks, another one is
opened for the same session and what is missing is asked for again (Republish); so also when a number is left out. Where that fails
(server restarted, subscription gone, notification no longer kept, or a silence longer than the server's queues) the stream ends with
an error, which becomes a gap.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from functools import partial
from typing import Final

from drivers.driver import Clock, DriverError
from drivers.opcua.answers import Notification, Subscription, monitored_answer, notification, publish_answer, subscription_answer
from drivers.opcua.codec import Sample, overflowed
from drivers.opcua.config import DeviceOptions
from drivers.opcua.link import Dialer, Link, too_many_codes
from drivers.opcua.plan import Plan
from drivers.opcua.requests import (
    create_subscription_parameters,
    create_subscription_service,
    monitor_parameters,
    monitor_service,
    publish_parameters,
    publish_service,
    republish_parameters,
    republish_service,
)
from drivers.opcua.type_book import TypeBook
from drivers.reading import Status, TagGroup

lifetime_count: Final = 100
keep_alive_count: Final = 3
"""Intervals without a change after which the server shows that it lives: fewer than its queues last, so that a break is noticed in time."""
silence_s_max: Final = 60.0
"""Longest wait for a sign of life beside twenty intervals, whatever the server made of what we asked for."""
resumes_max: Final = 3
"""Connections opened again without a notification between them."""
missing_max: Final = 100
"""Notifications asked for again one by one; more are lost."""
broken_causes: Final = frozenset({"connection_lost", "bad_answer", "no_answer"})
"""After these the same session may be found on another connection, while the server's queues last."""


class Stream:
    """One subscription. Make it, `open`, call `next_notice` for ever, `close`."""

    def __init__(self, group: TagGroup, options: DeviceOptions, dialer: Dialer, clock: Clock) -> None:
        """Opens nothing."""
        self._group, self._options, self._dialer, self._clock = group, options, dialer, clock
        self._interval_ms = float(options.subscription_interval_ms or group.period_ms)
        self._queue_size = options.queue_size
        self._queue_ms = self._interval_ms * options.queue_size
        """How long the shortest of the server's queues lasts."""
        self._queues: dict[int, int] = {}
        """Tag -> samples that the server keeps of it: it may give less than was asked for."""
        self._link: Link | None = None
        self._subscription = Subscription(0, self._interval_ms, keep_alive_count)
        self._expected = 1
        """Number of the next notification."""
        self._began = False
        self._acknowledge: int | None = None
        self._heard_ms = 0
        self._ready: list[Notification] = []
        self._types: TypeBook | None = None
        self.plan = Plan(group, ())

    async def open(self) -> list[tuple[int, Sample]]:
        """Connect and subscribe; return what is to be said at once: tags that the server refuses. Raises DriverError."""
        loop, limit_s = asyncio.get_running_loop(), self._options.request_timeout_s
        self._link = link = await self._dialer.open(loop.time() + limit_s)
        self.plan = link.plan(self._group)
        if self.plan.structured:
            self._types = TypeBook(link, limit_s)
        parameters = create_subscription_parameters(self._interval_ms, lifetime_count, keep_alive_count)
        self._subscription = await link.ask(create_subscription_service, parameters, subscription_answer, limit_s)
        self._heard_ms = self._clock.mono_ms()
        return self.plan.without_node() + await self._monitor(link)

    async def next_notice(self) -> list[tuple[int, Sample]]:
        """Wait for the next notification; return its (tag, sample) pairs, none for a sign of life.

        Raises DriverError when the stream broke
        or lost something; what came before is never withheld.
        """
        if not self._ready:
            await self._receive()
        message = self._ready.pop(0)
        if message.ended:
            raise DriverError("connection_lost", message.ended, code=message.ended, endpoint=self._options.endpoint)
        samples = message.samples
        if self._types is not None:
            until = asyncio.get_running_loop().time() + self._options.request_timeout_s
            decoded = await self._types.decoded([sample for _, sample in samples], until)
            samples = [(handle, sample) for (handle, _), sample in zip(samples, decoded, strict=True)]
        try:
            return self.plan.notified(samples)
        except LookupError as error:
            raise DriverError("bad_answer", Status.BAD_DECODING_ERROR, detail="client handle") from error

    def judge(self, notified: list[tuple[int, Sample]]) -> None:
        """After a notification was taken: raise DriverError `overflow` when the server dropped samples, or must have while we were busy.

        A tag's queue that came back full counts as run over: not every server says so.
        """
        busy_ms = self._clock.mono_ms() - self._heard_ms
        counts = Counter(tag for tag, _ in notified)
        full = any(count >= self._queues.get(tag, self._queue_size) > 1 for tag, count in counts.items())
        if full or busy_ms > self._queue_ms or any(overflowed(sample[1]) for _, sample in notified):
            raise DriverError("overflow", Status.BAD_COMMUNICATION_ERROR, limit=self._options.queue_size)

    async def close(self) -> None:
        """End the session; waits at most half a second."""
        if self._link is not None:
            await self._link.close()

    async def _receive(self) -> None:
        """Put at least one notification into `_ready`, in order."""
        resumed = 0
        while not self._ready:
            try:
                message = await self._publish()
            except DriverError as error:
                if error.cause not in broken_causes or resumed == resumes_max:
                    raise
                resumed += 1
                await self._resume(error)
                continue
            self._heard_ms = self._clock.mono_ms()
            if not self._began and not resumed:
                self._expected = message.number  # some servers do not begin with 1
            if message.number != self._expected and (message.samples or _later(message.number, self._expected)):
                await self._fetch_until(message.number)
            self._take(message)

    def _take(self, message: Notification) -> None:
        self._began = True
        self._ready.append(message)
        if message.samples or message.ended:  # a keep-alive carries the number of the next one, and is not acknowledged
            self._expected, self._acknowledge = next_number(message.number), message.number

    async def _publish(self) -> Notification:
        made, longest_s = self._subscription, silence_s_max + self._interval_ms / 50
        silence_s = made.interval_ms / 1000 * (made.keep_alive_count + 1)
        limit_s = (silence_s if 0 <= silence_s < longest_s else longest_s) + self._options.request_timeout_s
        parameters = publish_parameters(made.id, self._acknowledge)
        self._acknowledge = None
        _, message = await self._opened().ask(publish_service, parameters, publish_answer, limit_s)
        return message

    async def _fetch_until(self, number: int) -> None:
        """Get the notifications before `number`. Raises DriverError `notifications_lost`."""
        count = (number - self._expected) % 0xFFFFFFFF
        if count > missing_max:
            raise DriverError("notifications_lost", Status.BAD_COMMUNICATION_ERROR, count=count)
        while self._expected != number:
            message = await self._fetch(self._expected)
            if message is None:
                raise DriverError("notifications_lost", Status.BAD_COMMUNICATION_ERROR, count=count)
            self._take(message)

    async def _fetch(self, number: int) -> Notification | None:
        """Ask for a notification again; None when the server does not keep it (some servers then answer with an empty one)."""
        parameters = republish_parameters(self._subscription.id, number)
        try:
            message = await self._opened().ask(republish_service, parameters, notification, self._options.request_timeout_s)
        except DriverError as error:
            if error.cause == "device_exception":
                return None
            raise
        return message if message.number == number and (message.samples or message.ended) else None

    async def _resume(self, lost: DriverError) -> None:
        """Take the session over on another connection before the server's queues run over; else raise what broke the stream."""
        loop = asyncio.get_running_loop()
        link, until = self._opened(), loop.time() + (self._heard_ms + self._queue_ms - self._clock.mono_ms()) / 1000
        if loop.time() >= until:
            raise lost
        while True:
            try:
                await self._dialer.resume(link, min(until, loop.time() + self._options.request_timeout_s))
                break
            except DriverError as error:
                pause_s = int(error.params.get("retry_ms", 0)) / 1000
                if error.cause == "device_exception" or loop.time() + pause_s >= until:
                    raise lost from error
                await asyncio.sleep(pause_s)
        fetched = 0
        while fetched < missing_max and (message := await self._fetch(self._expected)) is not None:
            self._take(message)
            fetched += 1

    async def _monitor(self, link: Link) -> list[tuple[int, Sample]]:
        refused: list[tuple[int, Sample]] = []
        wanted, at = self.plan.wanted(), 0
        self._queue_size = min(self._options.queue_size, link.limits.queue or self._options.queue_size)
        while at < len(wanted):
            some = wanted[at : at + link.limits.monitor]
            parameters = monitor_parameters(self._subscription.id, some, self._interval_ms, self._queue_size)
            try:
                made = await link.ask(
                    monitor_service,
                    parameters,
                    partial(monitored_answer, count=len(some)),
                    self._options.request_timeout_s,
                )
            except DriverError as error:
                if error.params.get("code") not in too_many_codes or not link.limits.shrink("monitor", len(some)):
                    raise
                continue
            for one, (status, kept) in zip(some, made, strict=True):
                found = self.plan.notified([(one.handle, (None, status, None, None))])
                if status >> 30:
                    refused += found
                else:
                    self._queues.update((tag, min(max(kept, 1), self._queue_size)) for tag, _ in found)
            at += len(some)
        self._queue_ms = self._interval_ms * min(self._queues.values(), default=self._queue_size)
        return refused

    def _opened(self) -> Link:
        if self._link is None:
            raise TypeError("open the stream first")
        return self._link


def next_number(number: int) -> int:
    """Return the sequence number after `number`: it rolls over to 1 (OPC UA Part 4, 7.25)."""
    return number + 1 if number < 0xFFFFFFFF else 1


def _later(number: int, expected: int) -> bool:
    """Tell whether a keep-alive's number says that something before it was not seen."""
    return 0 < (number - expected) % 0xFFFFFFFF < 0x7FFFFFFF
