"""What a device knows and what its streams hold: duplicates, retained values, doubt, faults in order, bounded queues."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest

from drivers.driver import DriverError
from drivers.mqtt.broker import Broker, node_key_of
from drivers.mqtt.codec import Sample
from drivers.mqtt.config import DeviceOptions, parse_address
from drivers.mqtt.inbox import Message
from drivers.mqtt.json_feed import JsonFeed
from drivers.mqtt.known import Known, Stream
from drivers.mqtt.sparkplug import Metric, Payload, decode, encode, metric_with
from drivers.mqtt.sparkplug_feed import DeviceFeed
from drivers.reading import Status, Tag, TagGroup
from tests.rigs.clock import StillClock

LOST = DriverError("connection_lost")


def tag(n: int) -> Tag:
    return Tag(n, f"t{n}", "d", "float64", "", parse_address({"topic": f"t/{n}"}))


def sample(value: float, at: int = 0) -> Sample:
    return Sample(value, 0, None, at, at)


class Rig:
    """A JSON feed on a broker that is never connected."""

    def __init__(self) -> None:
        options = DeviceOptions(host="nowhere")
        self.clock = StillClock()
        self.broker = Broker(options.broker(), self.clock)
        self.known = Known(options.queue_size, self.clock)
        self.feed = JsonFeed(options, self.broker, self.known, self.clock)
        self.group = TagGroup(1, "d", "g", 100, (tag(0), tag(1)))
        for each in self.group.tags:
            self.feed.add(each)

    def came(self, payload: bytes, *, n: int = 0, retained: bool = False, repeated: bool = False) -> None:
        for feed in self.broker.feeds(f"t/{n}"):
            feed.take(Message(f"t/{n}", payload, retained, repeated), held=False)

    def now(self, n: int = 0) -> tuple[object, int]:
        found = self.known.samples[self.group.tags[n].address]
        return found.value, found.status


def run(test: Callable[[], Awaitable[None]]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(10):
            await test()

    asyncio.run(bounded())


async def rest(stream: Stream) -> list[object]:
    """Everything that is in a stream now: values of its scans, causes of its faults."""
    found: list[object] = []
    while True:
        try:
            scan = await stream.take(0)
        except DriverError as error:
            found.append(error.cause)
            continue
        if scan is None:
            return found
        found.append([reading.value for reading in scan.readings()])


def test_a_message_delivered_again_is_one_reading() -> None:
    async def test() -> None:
        rig = Rig()
        stream = rig.known.stream(rig.group)
        rig.came(b"1.0")
        rig.came(b"1.0", repeated=True)
        rig.came(b"1.0")
        rig.came(b"2.0", repeated=True)
        assert await rest(stream) == [[1.0], [1.0], [2.0]], "only what is marked as repeated, and is"

    run(test)


def test_retained_values_stand_back_until_there_is_doubt() -> None:
    async def test() -> None:
        rig = Rig()
        rig.came(b"1.0", retained=True)
        assert rig.now() == (1.0, Status.UNCERTAIN_LAST_USABLE_VALUE)
        rig.came(b"2.0")
        rig.came(b"1.0", retained=True)
        assert rig.now() == (2.0, 0)
        rig.feed.missed(LOST)
        assert rig.now() == (2.0, Status.UNCERTAIN_NO_COMMUNICATION_LAST_USABLE_VALUE)
        rig.came(b"3.0", retained=True)
        assert rig.now() == (3.0, Status.UNCERTAIN_LAST_USABLE_VALUE)
        rig.came(b"4.0")
        assert rig.now() == (4.0, 0)

    run(test)


def test_a_stream_keeps_the_order_of_scans_and_faults_while_nobody_takes_them() -> None:
    async def test() -> None:
        rig = Rig()
        stream = rig.known.stream(rig.group)
        rig.came(b"1.0")
        rig.feed.missed(LOST)
        rig.feed.missed(LOST)
        rig.came(b"2.0", n=1)
        assert rig.known.stream(rig.group) is stream, "it stays while the runtime rests"
        assert await rest(stream) == [[1.0], "connection_lost", [2.0]]
        rig.feed.missed(LOST)
        rig.came(b"3.0")
        assert stream.resume() == {0}, "who starts again knows of the fault"
        assert await rest(stream) == [[3.0]]
        changed = TagGroup(1, "d", "g", 100, (tag(0),))
        assert rig.known.stream(changed) is not stream

    run(test)


def test_a_stream_that_nobody_takes_is_bounded_and_says_so() -> None:
    async def test() -> None:
        known = Known(3, StillClock())
        stream = known.stream(TagGroup(1, "d", "g", 100, (tag(0),)))
        for n in range(10):
            known.put([(tag(0).address, sample(float(n)))])
        assert await rest(stream) == [[0.0], [1.0], [2.0], "overflow"]
        known.put([(tag(0).address, sample(10.0))])
        assert await rest(stream) == [[10.0]]

    run(test)


def test_confirmations_are_fresh_equal_and_end_with_the_connection() -> None:
    async def test() -> None:
        rig = Rig()
        address = rig.group.tags[0].address
        rig.came(b"5.0")
        done = rig.known.watch(address, 5.0)
        rig.came(b"5.0", retained=True)
        rig.came(b"4.0")
        assert not done.done(), "what came before, was retained or differs confirms nothing"
        rig.came(b"5.0")
        assert done.done()
        late = rig.known.watch(address, 7.0)
        for status in (Status.UNCERTAIN_LAST_USABLE_VALUE, Status.UNCERTAIN, Status.BAD):
            rig.known.put([(address, Sample(7.0, status, 0, 1, 1))])
        assert not late.done(), "a value of long ago that comes only now, or that its publisher does not trust"
        rig.came(b"7.0")
        assert late.done()
        broken = rig.known.watch(address, 6.0)
        rig.feed.missed(LOST)
        with pytest.raises(DriverError) as caught:
            await broken
        assert (caught.value.cause, caught.value.params["reason"]) == ("write_unknown", "connection_lost")

    run(test)


def test_an_alias_of_several_metrics_is_bad_in_those_alone_and_no_reason_for_a_rebirth(monkeypatch: pytest.MonkeyPatch) -> None:
    async def test() -> None:
        clock, known, streams = StillClock(), {}, {}
        options = {
            name: DeviceOptions(host="nowhere", payload="sparkplug", group_id="g", edge_node_id="n", device_id=name) for name in "ab"
        }
        broker, feeds, sent = Broker(options["a"].broker(), clock), {}, []
        monkeypatch.setattr(broker, "send", lambda topic, payload: sent.append(topic))
        for name in "ab":
            known[name] = Known(10, clock)
            feed = feeds[name] = DeviceFeed(options[name], broker, known[name], clock)
            metrics = tuple(Tag(n, m, name, "float64", "", parse_address({"metric": m})) for n, m in enumerate(("low", "high", "mid")))
            for each in metrics:
                feed.add(each)
            streams[name] = known[name].stream(TagGroup(1, name, "g", 100, metrics))

        def came(kind: str, device: str, seq: int, *metrics: Metric) -> None:
            topic = f"spBv1.0/g/{kind}/n" + (f"/{device}" if device else "")
            for feed in broker.feeds(node_key_of(topic)):
                feed.take(Message(topic, encode(Payload(0, metrics, seq)), False, False), held=False)

        came("NBIRTH", "", 0)
        for seq, name in enumerate("ab", 1):
            given = (("low", 7), ("high", 7), ("mid", 8))
            came("DBIRTH", name, seq, *(metric_with(m, alias, 10, 1.0, clock.wall_ms()) for m, alias in given))
        data = metric_with("", None, 10, 2.0, clock.wall_ms())
        came("DDATA", "a", 3, replace(data, name=None, alias=7))
        assert await rest(streams["a"]) == [[1.0, 1.0, 1.0], [None, None]]
        assert [each.status for each in known["a"].samples.values()] == [Status.BAD_DECODING_ERROR, Status.BAD_DECODING_ERROR, 0]
        assert await rest(streams["b"]) == [[1.0, 1.0, 1.0]]
        feeds["a"].add(replace(metrics[0], address=parse_address({"metric": "low", "data": "float32"})))
        assert [each.status for each in known["a"].samples.values()][3:] == [Status.BAD_DECODING_ERROR], "nor is what was said before"
        assert [decode(feeds["a"].command(each, 3.0)[1]).metrics[0].alias for each in metrics] == [None, None, 8]
        assert sent == []
        feeds["a"].nudge(needed=False)
        clock.advance(1_500)
        feeds["b"].nudge(needed=False)
        came("DDATA", "a", 9)
        assert len(sent) == 2, "a command that nobody confirmed, and another; not at once again"
        clock.advance(1_001)
        came("DDATA", "a", 10)
        assert len(sent) == 3, "what is lost does not wait longer for those"

    run(test)


@pytest.mark.parametrize(
    ("topic", "key"),
    [
        ("spBv1.0/g/NDATA/n", "spBv1.0/g/+/n"),
        ("spBv1.0/g/DDATA/n/d", "spBv1.0/g/+/n"),
        ("spBv1.0/STATE/h", ""),
        ("spBv1.0/g/DDATA/n/d/x", ""),
        ("other/g/NDATA/n", ""),
    ],
)
def test_sparkplug_topics_belong_to_a_node(topic: str, key: str) -> None:
    assert node_key_of(topic) == key
