"""One broker connection, shared by the devices behind it: connects when needed, hands messages out, asks and waits for answers.

Room: ground, driver `mqtt`. `driver.py` joins it and asks; the feeds get what arrives. It starts no task: messages are handed out in
callbacks of the event loop, a few at a time so that a flood does not hold the loop up, and a connection is made when a read, write or
subscription needs one, with a pause after one that failed.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Final, Protocol

from drivers.driver import Clock, DriverError
from drivers.mqtt.config import BrokerSettings
from drivers.mqtt.inbox import Answered, Connected, Inbox, Message, News
from drivers.mqtt.session import Session, refused_min
from drivers.pause import ConnectPause
from drivers.reading import Status

turn_messages_max: Final = 100
"""Messages handed out in one turn of the event loop."""
filters_max: Final = 100
"""Topics in one request."""
held_ms_max: Final = 5000
"""How long after a connect messages may count as kept meanwhile, when they never pause."""
state_prefix: Final = "spBv1.0/STATE/"


class Feed(Protocol):
    """Who gets messages: a device's JSON topics, or a Sparkplug edge node. Every call returns at once and raises nothing."""

    @property
    def filters(self) -> list[str]:
        """What to subscribe to."""
        ...

    def take(self, message: Message, *, held: bool) -> None:
        """A message of one of the topics came. `held`: the broker may have kept it while we were away."""
        ...

    def missed(self, fault: DriverError) -> None:
        """Messages may be missing from here on: the connection is gone, or there were too many."""
        ...


class Broker:
    """See the module's text. All calls are of the event loop's thread."""

    def __init__(self, settings: BrokerSettings, clock: Clock) -> None:
        """Describe the connection; opens nothing."""
        self.users = 0
        self.generation = 0
        """Grows with every connection that is made."""
        self.dropped = 0
        """Messages that came faster than they could be taken."""
        self.refused: dict[str, int] = {}
        """Topic -> reason code of the broker's refusal."""
        self._settings = settings
        self._clock = clock
        self._pause = ConnectPause(clock)
        self._feeds: dict[str, list[Feed]] = {}
        self._wanted: dict[int, set[str]] = {}
        """Feed -> topics that were asked for on its behalf on this connection."""
        self._session: Session | None = None
        self._inbox: Inbox | None = None
        self._up = False
        self._fault = DriverError("connection_lost", Status.BAD_NOT_CONNECTED, **settings.place)
        self._turn = asyncio.Event()
        self._awaited: dict[tuple[str, int], asyncio.Future[tuple[int, ...]]] = {}
        self._asked: dict[int, list[str]] = {}
        self._subscribed: set[str] = set()
        self._oldest_ask_ms: int | None = None
        self._held_until_ms: int | None = None
        self._held_ask = self._seen = 0
        self._heard_ms = 0
        """When something last came from the broker."""
        self._state_ms = 0

    def suits(self, settings: BrokerSettings) -> bool:
        """Tell whether a device with these settings can share the connection."""
        return settings == self._settings

    def feeds(self, key: str) -> list[Feed]:
        """Return the feeds of a key: a topic, or a `node_key`."""
        return self._feeds.get(key, [])

    def attach(self, key: str, feed: Feed) -> None:
        """Hand out the messages of this key to a feed from now on."""
        self._feeds[key] = [*self.feeds(key), feed]

    def detach(self, feed: Feed) -> None:
        """Hand out nothing more to a feed. Its topics stay subscribed to until the connection ends."""
        left = {key: [known for known in feeds if known is not feed] for key, feeds in self._feeds.items()}
        self._feeds = {key: feeds for key, feeds in left.items() if feeds}
        self._wanted.pop(id(feed), None)

    async def connect(self, until: float) -> None:
        """Return when the connection is up. Raises DriverError when it is not by `until` (event loop time); the attempt goes on."""
        if self._up:
            return
        if self._session is None:
            self._pause.begin(self._settings.place)
            self._open()
        session = self._session
        if not await self._come(lambda: self._up or self._session is not session, until):
            raise DriverError("connect_failed", Status.BAD_NOT_CONNECTED, **self._settings.place)
        if not self._up:
            raise self._fault.again()

    async def subscribe(self, feed: Feed, until: float) -> None:
        """Return when the broker has answered for every topic of a feed. What it refused is in `refused`."""
        await self.connect(until)
        filters = feed.filters
        wanted = self._wanted.setdefault(id(feed), set())
        self._request([topic for topic in filters if topic not in wanted])
        wanted.update(filters)
        needed = set(filters)
        if not await self._come(lambda: not self._up or needed <= self._subscribed | self.refused.keys(), until):
            raise self._silence()
        if not self._up:
            raise self._fault.again()

    async def ask(self, until: float) -> None:
        """Return when the broker has given a sign of life, and with it everything that it had sent before."""
        await self.connect(until)
        assert self._session is not None
        asked_ms = self._clock.mono_ms()
        if self._oldest_ask_ms is None:
            self._oldest_ask_ms = asked_ms
        try:
            await self._answer("unsubscribe", self._session.ask(), until)
        except TimeoutError:
            now_ms = self._clock.mono_ms()
            if (now_ms - self._heard_ms) * 4 > now_ms - asked_ms:
                raise self._silence() from None
            # It is alive, up to now: what it sends comes before its answer, and is more than could be taken yet.
        self._oldest_ask_ms = None

    async def publish(self, topic: str, payload: bytes, qos: int, expiry_s: int, until: float) -> int:
        """Publish and return the broker's reason code; the socket has taken it (QoS 0) or the broker acknowledged it.

        Raises DriverError: a connection cause when nothing was sent, otherwise `write_unknown`.
        """
        await self.connect(until)
        assert self._session is not None
        try:
            codes = await self._answer("publish", self._session.publish(topic, payload, qos, expiry_s), until)
        except TimeoutError:
            raise DriverError("write_unknown", Status.BAD_TIMEOUT, reason="no_answer") from None
        except DriverError as error:
            raise DriverError("write_unknown", error.status, reason=error.cause) from error
        return codes[0] if codes else 0

    def send(self, topic: str, payload: bytes) -> None:
        """Publish with QoS 0 and forget it; nothing is sent when the connection is not up."""
        if self._up and self._session is not None:
            self._session.publish(topic, payload, 0, None)

    def drop(self) -> None:
        """Close the connection, if there is one."""
        if self._session is not None:
            if self._up:
                self._tell_state(online=False)
            self._session.drop()
            self._ended(DriverError("connection_lost", Status.BAD_COMMUNICATION_ERROR, **self._settings.place))

    def _open(self) -> None:
        loop = asyncio.get_running_loop()

        def wake() -> None:
            try:
                loop.call_soon_threadsafe(self._hand_out, inbox)
            except RuntimeError:
                pass  # the event loop has ended; so has everybody who could have wanted this

        inbox = Inbox(self._settings.queue_size, wake)
        self._state_ms = self._clock.wall_ms()
        will = (state_prefix + self._settings.host_id, self._state(online=False)) if self._settings.host_id else None
        self._inbox, self._session = inbox, Session(self._settings, inbox, will)
        self._session.open()

    def _hand_out(self, inbox: Inbox) -> None:
        if inbox is not self._inbox:
            return  # of a connection that has been given up
        found, dropped, more = inbox.take(turn_messages_max)
        if dropped:
            self.dropped += dropped
            fault = DriverError("overflow", Status.BAD_COMMUNICATION_ERROR, limit=self._settings.queue_size)
            for feed in self._all_feeds():
                feed.missed(fault)
        self._heard_ms = self._clock.mono_ms()
        for news in found:
            self._take(news)
        if more:
            asyncio.get_running_loop().call_soon(self._hand_out, inbox)

    def _take(self, news: News) -> None:
        if isinstance(news, Message):
            self._seen += 1
            for feed in (*self.feeds(news.topic), *self.feeds(node_key_of(news.topic))):
                feed.take(news, held=self._held_until_ms is not None)
        elif isinstance(news, Answered):
            self._answered(news)
        elif isinstance(news, Connected):
            self._connected(news)
        else:
            self._ended(news.fault)

    def _connected(self, news: Connected) -> None:
        self._up = True
        self.generation += 1
        self._pause.succeeded()
        self._subscribed.clear()
        self.refused.clear()
        self._tell_state(online=True)
        # Feeds that were there before want their topics again at once, not at their next poll.
        self._wanted = {id(feed): set(feed.filters) for feed in self._all_feeds()}
        self._request(sorted(set().union(*self._wanted.values())))
        self._held_until_ms = None
        if news.kept and self._session is not None:
            self._held_until_ms = self._clock.mono_ms() + held_ms_max
            self._held_ask, self._seen = self._session.ask(), 0
        self._changed()

    def _request(self, filters: list[str]) -> None:
        for at in range(0, len(filters), filters_max):
            if self._session is not None:
                some = filters[at : at + filters_max]
                self._asked[self._session.subscribe(some)] = some

    def _answered(self, news: Answered) -> None:
        if news.kind == "subscribe":
            for topic, code in zip(self._asked.pop(news.number, ()), news.codes, strict=False):
                if code >= refused_min:
                    self.refused[topic] = code
                else:
                    self._subscribed.add(topic)
        elif news.kind == "unsubscribe" and self._held_until_ms is not None and news.number == self._held_ask:
            # What was kept comes in portions, each after we acknowledged one: it is over when a question was answered with nothing before.
            if not self._seen or self._clock.mono_ms() > self._held_until_ms or self._session is None:
                self._held_until_ms = None
            else:
                self._held_ask, self._seen = self._session.ask(), 0
        future = self._awaited.pop((news.kind, news.number), None)
        if future is not None and not future.done():
            future.set_result(news.codes)
        self._changed()

    async def _answer(self, kind: str, number: int, until: float) -> tuple[int, ...]:
        future: asyncio.Future[tuple[int, ...]] = asyncio.get_running_loop().create_future()
        self._awaited[kind, number] = future
        try:
            async with asyncio.timeout_at(until):
                return await future
        finally:
            self._awaited.pop((kind, number), None)

    async def _come(self, there: Callable[[], bool], until: float) -> bool:
        """Wait until something is there; False when it is not by `until`."""
        try:
            async with asyncio.timeout_at(until):
                while not there():
                    await self._turn.wait()
        except TimeoutError:
            return False
        return True

    def _silence(self) -> DriverError:
        """Return what to say of a broker that did not answer in time; one that owes an answer for too long is left."""
        since_ms, limit_ms = self._oldest_ask_ms, round(self._settings.request_timeout_s * 1000)
        if since_ms is None:
            self._oldest_ask_ms = self._clock.mono_ms()
        elif self._clock.mono_ms() - since_ms > limit_ms:
            self.drop()
        return DriverError("no_answer", Status.BAD_TIMEOUT, timeout_ms=limit_ms)

    def _ended(self, fault: DriverError) -> None:
        was_up, self._up = self._up, False
        self._session = self._inbox = None
        self._oldest_ask_ms = self._held_until_ms = None
        self._asked.clear()
        self._fault = fault
        for future in self._awaited.values():
            if not future.done():
                future.set_exception(fault.again())
                future.exception()  # whoever waited may have been cancelled meanwhile
        if was_up:
            for feed in self._all_feeds():
                feed.missed(fault)
        self._changed()

    def _changed(self) -> None:
        turn, self._turn = self._turn, asyncio.Event()
        turn.set()

    def _all_feeds(self) -> list[Feed]:
        return list({id(feed): feed for feeds in self._feeds.values() for feed in feeds}.values())

    def _tell_state(self, *, online: bool) -> None:
        if self._settings.host_id and self._session is not None:
            self._session.publish(state_prefix + self._settings.host_id, self._state(online=online), 1, None, retain=True)

    def _state(self, *, online: bool) -> bytes:
        """Return the payload of our STATE topic (Sparkplug 3.0.0, chapter 6); the death carries the birth's time."""
        return json.dumps({"online": online, "timestamp": self._state_ms}).encode()


def node_key_of(topic: str) -> str:
    """Return the key of the edge node that a Sparkplug topic is about, an empty text for any other topic."""
    parts = topic.split("/")
    if parts[0] != "spBv1.0" or not 4 <= len(parts) <= 5:
        return ""
    return node_key(parts[1], parts[3])


def node_key(group_id: str, edge_node_id: str) -> str:
    """Return the key under which an edge node's feed is attached; it can be no topic, because of its plus sign."""
    return f"spBv1.0/{group_id}/+/{edge_node_id}"
