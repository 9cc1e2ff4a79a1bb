"""The driver of one MQTT device: last known values when polled, messages as they come when pushed, commands that are confirmed.

Room: ground. Made by `factory.py`, asked by the runtime. Starts no task, and never imports paho (`session.py` does). What the messages
mean is the feed's affair: `json_feed.py` for topics, `sparkplug_feed.py` for an edge node.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Container
from types import TracebackType
from typing import Final, Self

from drivers.driver import Clock, DriverError
from drivers.mqtt.broker import Broker
from drivers.mqtt.codec import Sample, aged, fit, partial_scan, whole_scan
from drivers.mqtt.config import DeviceOptions, JsonAddress, MetricAddress
from drivers.mqtt.json_feed import JsonFeed
from drivers.mqtt.known import Known, Stream
from drivers.mqtt.session import refused_min
from drivers.mqtt.sparkplug_feed import DeviceFeed
from drivers.reading import Scan, Status, Tag, TagGroup, Value, nothing_new
from drivers.shared import Shared

beat_s_min: Final = 1.0
"""A pushed group that has nothing new asks the broker for a sign of life no more often than this."""
look_s: Final = 1.0
"""How often it is looked which tags of a pushed group have become too old, whatever the others say."""
answer_s: Final = 0.05
"""What a read keeps of its deadline to return in."""
patient_causes: Final = ("birth_missing", "messages_lost")
"""Faults that a birth may end any moment, so that waiting for it is worth while."""


class MqttDriver:
    """One device behind a broker. See `drivers.driver.Driver` for the contract."""

    def __init__(self, options: DeviceOptions, clock: Clock, shared: Shared) -> None:
        """Describe the device; opens nothing."""
        self._options = options
        self._clock = clock
        self._shared = shared
        self._settings = options.broker()
        self._known = Known(options.queue_size, clock)
        self._joined: tuple[Broker, JsonFeed | DeviceFeed] | None = None
        self._learned: dict[int, TagGroup] = {}
        self._waited: dict[int, int] = {}
        """Group -> generation of the connection on which its first values have been waited for."""

    async def __aenter__(self) -> Self:
        """Join the broker's connection, which is made when it is needed. Raises DriverError `broker_settings_differ`."""
        settings = self._settings
        broker = self._shared.obtain(settings.key, Broker, lambda: Broker(settings, self._clock))
        if not broker.suits(settings):
            raise DriverError("broker_settings_differ", Status.BAD_CONFIGURATION_ERROR, **settings.place)
        broker.users += 1
        kind = DeviceFeed if self._options.payload == "sparkplug" else JsonFeed
        self._joined = broker, kind(self._options, broker, self._known, self._clock)
        self._learned.clear()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Leave the connection; the last one closes it."""
        joined, self._joined = self._joined, None
        if joined is None:
            return
        broker, feed = joined
        feed.leave()
        broker.users -= 1
        if broker.users == 0:
            broker.drop()
            self._shared.forget(self._settings.key)

    async def read(self, group: TagGroup, deadline_s: float) -> Scan:
        """Return the last known value of each tag, with the broker's sign of life behind it.

        The first read of a group waits for its first values. A value that is too old, refused or has not come is None with the status
        that says so. Raises DriverError when the broker does not answer, or the publisher is known to be gone.
        """
        loop = asyncio.get_running_loop()
        until = loop.time() + max(0.0, deadline_s - min(answer_s, deadline_s / 4))
        broker, feed = self._learn(group)
        await broker.subscribe(feed.source(), until)
        await broker.ask(until)
        await self._born(feed, until)
        if self._waited.get(group.uid) != broker.generation:
            while not self._complete(group, feed) and await self._known.news(until):
                pass
            self._waited[group.uid] = broker.generation
        samples = [self._sample(feed, tag) for tag in group.tags]
        self._check_refused(group, feed)
        return whole_scan(group, samples, self._clock.wall_ms())

    async def subscribe(self, group: TagGroup) -> AsyncIterator[Scan]:
        """Yield what is known, then a scan per message, until cancelled. Raises DriverError when something was lost.

        What is known is yielded also of tags of which only history waits after a fault, and once more behind the last of several scans of
        history, so that history is the newest of nothing.
        While nothing comes, the broker is asked for a sign of life once a period. A tag that has had nothing for too long is told once,
        whatever comes for the others.
        """
        loop = asyncio.get_running_loop()
        broker, feed = self._learn(group)
        patience_s = self._options.request_timeout_s
        with self._known.streaming(group) as stream:
            await broker.subscribe(feed.source(), loop.time() + self._options.connect_timeout_s + patience_s)
            self._check_refused(group, feed)
            await self._born(feed, loop.time() + patience_s)
            stream.silent.clear()  # whoever starts again was told of a fault since
            if samples := self._known_at(set(range(len(group.tags))) - stream.resume(), group, feed):
                yield partial_scan(group, samples, self._clock.wall_ms())
            beat_s = max(group.period_ms / 1000, beat_s_min)
            now_s = loop.time()
            ask_at, look_at = now_s + beat_s, now_s + look_s
            while True:
                scan = await stream.take(max(0.0, min(ask_at, look_at) - loop.time()))
                if scan is not None:
                    yield scan
                    if samples := self._known_at(stream.overtaken(), group, feed):
                        yield partial_scan(group, samples, self._clock.wall_ms())
                    ask_at = loop.time() + beat_s
                if is_quiet := loop.time() >= ask_at:
                    await broker.ask(loop.time() + patience_s)
                    if (fault := feed.fault()) is not None:
                        raise fault
                    ask_at = loop.time() + beat_s
                told: Scan | None = None
                if loop.time() >= look_at:
                    told, look_at = self._silent(stream, feed), loop.time() + look_s
                if told is not None:
                    yield told
                elif is_quiet:
                    yield nothing_new(group, self._clock.wall_ms())

    async def write(self, tag: Tag, value: Value, deadline_s: float) -> None:
        """Publish a command and wait until the device itself reports the value.

        The command expires at the broker with the deadline, so that a device that comes back later does not obey it. Raises DriverError:
        `write_not_supported`, `write_out_of_range`, `write_refused` (params code), a connection cause when nothing was sent, or
        `write_unknown`. A cancelled write is unknown as well; then what the tag was known to have is uncertain until the device says more,
        so that nobody takes it for a read-back.
        """
        until = asyncio.get_running_loop().time() + deadline_s
        address = tag.address
        if not tag.writable or not isinstance(address, JsonAddress | MetricAddress):
            raise DriverError("write_not_supported", Status.BAD_NOT_SUPPORTED)
        broker, feed = self._feed()
        feed.add(tag)
        given, status = fit(value, address.type)
        if status or given is None or (isinstance(given, float) and not math.isfinite(given)):
            raise DriverError("write_out_of_range", Status.BAD_OUT_OF_RANGE, value=str(value))
        await broker.subscribe(feed.source(), until)
        await self._born(feed, until)
        topic, payload, qos, held = feed.command(tag, given)
        confirmed, sent_ms, is_decided = self._known.watch(address, held), self._clock.mono_ms(), False
        try:
            code = await broker.publish(topic, payload, qos, max(1, math.ceil(deadline_s)), until)
            if code >= refused_min:
                is_decided = True
                raise DriverError("write_refused", Status.BAD_USER_ACCESS_DENIED, code=code)
            async with asyncio.timeout_at(until):
                await confirmed
            is_decided = True
        except TimeoutError:
            raise DriverError("write_unknown", Status.BAD_TIMEOUT, reason="no_confirmation") from None
        finally:
            confirmed.cancel()
            if not is_decided and self._known.doubt_since(address, sent_ms):
                feed.nudge(needed=False)  # a birth says what it has now

    def resolution(self, tag: Tag, value: Value) -> float | None:
        """See `drivers.abilities.Resolving`: JSON has numbers as they were written, a Sparkplug metric may have 32 bits."""
        feed = None if self._joined is None else self._joined[1]
        return feed.resolution(tag, value) if isinstance(feed, DeviceFeed) else None

    def _feed(self) -> tuple[Broker, JsonFeed | DeviceFeed]:
        if self._joined is None:
            raise RuntimeError("the driver has not been entered")
        return self._joined

    def _learn(self, group: TagGroup) -> tuple[Broker, JsonFeed | DeviceFeed]:
        """Tell the feed which tags are wanted."""
        broker, feed = self._feed()
        if self._learned.get(group.uid) is not group:
            for tag in group.tags:
                feed.add(tag)
            self._learned[group.uid] = group
        return broker, feed

    async def _born(self, feed: JsonFeed | DeviceFeed, until: float) -> None:
        """Wait for the birth of a Sparkplug publisher. Raises the fault when it has not come by `until`, or it is known to be gone."""
        while (fault := feed.fault()) is not None:
            if fault.cause in patient_causes:
                feed.nudge()
            if fault.cause not in patient_causes or not await self._known.news(until):
                raise fault

    def _known_at(self, places: Container[int], group: TagGroup, feed: JsonFeed | DeviceFeed) -> dict[int, Sample]:
        known = self._known.samples
        return {n: self._sample(feed, tag) for n, tag in enumerate(group.tags) if n in places and tag.address in known}

    def _complete(self, group: TagGroup, feed: JsonFeed | DeviceFeed) -> bool:
        samples = self._known.samples
        return all(tag.address in samples or feed.refusal(tag) is not None for tag in group.tags)

    def _check_refused(self, group: TagGroup, feed: JsonFeed | DeviceFeed) -> None:
        codes = [feed.refusal(tag) for tag in group.tags]
        if None not in codes and codes:
            raise DriverError("subscribe_refused", Status.BAD_USER_ACCESS_DENIED, code=codes[0] or 0)

    def _sample(self, feed: JsonFeed | DeviceFeed, tag: Tag) -> Sample:
        """Return a tag's last sample, or one without a value that says why there is none."""
        now_ms = self._clock.mono_ms()
        address = tag.address
        sample = self._known.samples.get(address)
        if feed.refusal(tag) is not None:
            return Sample(None, Status.BAD_USER_ACCESS_DENIED, None, self._clock.wall_ms(), now_ms)
        if sample is None or not isinstance(address, JsonAddress | MetricAddress):
            return Sample(None, Status.BAD_WAITING_FOR_INITIAL_DATA, None, self._clock.wall_ms(), now_ms)
        return aged(sample, self._options.age_ms_max(address.max_age_s), now_ms)

    def _silent(self, stream: Stream, feed: JsonFeed | DeviceFeed) -> Scan | None:
        """Return a scan of the tags that have become too old, or never had a value, and were not told to be so yet."""
        told = (Status.BAD_NO_COMMUNICATION, Status.BAD_WAITING_FOR_INITIAL_DATA, Status.BAD_USER_ACCESS_DENIED)
        samples: dict[int, Sample] = {}
        for place, tag in enumerate(stream.group.tags):
            if place not in stream.silent and (sample := self._sample(feed, tag)).value is None and sample.status in told:
                samples[place] = sample
        stream.silent.update(samples)
        return partial_scan(stream.group, samples, self._clock.wall_ms()) if samples else None
