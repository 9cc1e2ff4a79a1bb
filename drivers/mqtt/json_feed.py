"""A device whose tags are in the payloads of topics: messages in, samples out, commands by topic.

Room: ground, driver `mqtt`. The broker hands it messages, `driver.py` asks it. Rules of the payloads: `json_topics.py`.
"""

from __future__ import annotations

from drivers.driver import Clock, DriverError
from drivers.mqtt.broker import Broker
from drivers.mqtt.codec import Arrival, Change, is_good, overtaken
from drivers.mqtt.config import DeviceOptions, JsonAddress
from drivers.mqtt.inbox import Message
from drivers.mqtt.json_topics import JsonTopics, command_payload
from drivers.mqtt.known import Known
from drivers.reading import Status, Tag, Value


class JsonFeed:
    """See `drivers.mqtt.broker.Feed` for the calls of the broker."""

    def __init__(self, options: DeviceOptions, broker: Broker, known: Known, clock: Clock) -> None:
        """Start with no topic."""
        self._options = options
        self._broker = broker
        self._known = known
        self._clock = clock
        self._topics = JsonTopics()
        self._last: dict[str, int] = {}

    @property
    def filters(self) -> list[str]:
        """Every topic of a tag."""
        return self._topics.topics

    def add(self, tag: Tag) -> None:
        """Look for one more tag. Raises TypeError for an address of another kind."""
        if not isinstance(tag.address, JsonAddress):
            raise TypeError(f"not an address of this payload: {tag.address!r}")
        if self._topics.add(tag.address):
            self._broker.attach(tag.address.topic, self)

    def leave(self) -> None:
        """Take no more messages."""
        self._broker.detach(self)

    def source(self) -> JsonFeed:
        """Return what the broker is asked to subscribe for."""
        return self

    def fault(self) -> DriverError | None:
        """Return None: a topic has no owner who could say that it is gone; old values show it."""
        return None

    def nudge(self, *, needed: bool = True) -> None:
        """Do nothing: there is nobody to ask."""

    def refusal(self, tag: Tag) -> int | None:
        """Return the reason code by which the broker refused a tag's topic, None when it did not."""
        return self._broker.refused.get(tag.address.topic) if isinstance(tag.address, JsonAddress) else None

    def take(self, message: Message, *, held: bool) -> None:
        """Take a message. One that is delivered again says nothing new; a retained one says less than what came by itself.

        What is older than the tag's newest value, by its publisher's own time, is history.
        """
        digest = hash(message.payload)
        if message.repeated and self._last.get(message.topic) == digest:
            return
        self._last[message.topic] = digest
        late_after_ms = round(self._options.late_after_s * 1000)
        arrival = Arrival(self._clock.wall_ms(), self._clock.mono_ms(), message.retained, late_after_ms, held)
        changes = self._topics.changes(message.topic, message.payload, arrival)
        samples = self._known.samples
        if message.retained:
            good = {address for address, _ in changes if (old := samples.get(address)) is not None and old.fresh and is_good(old.status)}
            changes = [(address, new) for address, new in changes if address not in good]
        past: list[Change] = []
        now: list[Change] = []
        for address, new in changes:
            if (old := samples.get(address)) is not None and arrival.is_overtaken(new.source_ms, old.source_ms, old):
                past.append((address, overtaken(new)))
            else:
                now.append((address, new))
        if past:
            self._known.put(past, past=True)
        if now:
            self._known.put(now)

    def missed(self, fault: DriverError) -> None:
        """Messages may be missing."""
        self._last.clear()
        self._known.doubt(fault)

    def command(self, tag: Tag, value: Value) -> tuple[str, bytes, int, Value]:
        """Return topic, payload and QoS of a write, and the value that confirms it.

        Raises DriverError `write_not_supported` for a tag without a command topic.
        """
        address = tag.address
        if not isinstance(address, JsonAddress) or address.command_topic is None:
            raise DriverError("write_not_supported", Status.BAD_NOT_SUPPORTED)
        if address.content == "text":
            text = str(value).lower() if isinstance(value, bool) else str(value)
            return address.command_topic, text.encode("utf-8"), 1, value
        return address.command_topic, command_payload(value, address.command_pointer), 1, value
