"""Which value of a tag is its newest: order by the publisher's own time, clocks that are put back, names given twice, silence told once."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from drivers.driver import DriverError
from drivers.mqtt.broker import Broker, node_key_of
from drivers.mqtt.codec import Arrival, doubted, scans_of
from drivers.mqtt.config import DeviceOptions, parse_address
from drivers.mqtt.driver import MqttDriver
from drivers.mqtt.inbox import Message
from drivers.mqtt.json_feed import JsonFeed
from drivers.mqtt.known import Known, left_ms_max
from drivers.mqtt.sparkplug import Metric, Payload, encode, metric_with
from drivers.mqtt.sparkplug_feed import DeviceFeed
from drivers.reading import Scan, Status, Tag, TagGroup
from drivers.shared import Shared
from runtime.setpoint import is_kept
from tests.rigs.clock import StillClock
from tests.unit.drivers.mqtt.test_feeds import LOST, rest, run, sample

LAST_USABLE = int(Status.UNCERTAIN_LAST_USABLE_VALUE)
NOW = 1_700_000_000_000
INT32 = 3


@pytest.mark.parametrize(
    ("source_ms", "newest_ms", "came_ms_ago", "late_after_ms", "wanted"),
    [
        (NOW - 30_000, NOW, 5, 60_000, True),
        (NOW - 1, NOW, 60_000, 60_000, True),
        (NOW, NOW, 0, 60_000, False),
        (NOW + 1, NOW, 0, 60_000, False),
        (None, NOW, 0, 60_000, False),
        (NOW, None, 0, 60_000, False),
        (NOW - 60_001, NOW, 5, 60_000, False),  # late: it counts, and is uncertain
        (NOW - 30_000, NOW, 60_001, 60_000, False),  # nothing newer for long: its clock was put back
        (NOW - 3_600_000, NOW, 60_001, 86_400_000, False),
        (NOW - 3_600_000, NOW, 60_000, 86_400_000, True),
        (NOW, NOW + 60_001, 0, 60_000, False),  # the newest said that it was of the future
        (NOW, NOW + 60_000, 0, 60_000, True),
    ],
)
def test_what_is_overtaken(source_ms: int | None, newest_ms: int | None, came_ms_ago: int, late_after_ms: int, wanted: bool) -> None:
    now = Arrival(NOW, 100_000, False, late_after_ms)
    newest = Arrival(NOW, 100_000 - came_ms_ago, False, late_after_ms)
    assert now.is_overtaken(source_ms, newest_ms, newest) is wanted


class JsonTag:
    """One JSON tag with time and quality, on a broker that is never connected."""

    def __init__(self) -> None:
        options = DeviceOptions(host="nowhere", max_age_s=3600.0)
        self.clock = StillClock(NOW)
        self.known = Known(options.queue_size, self.clock)
        self.feed = JsonFeed(options, Broker(options.broker(), self.clock), self.known, self.clock)
        raw = {"topic": "t", "pointer": "/v", "time": "/t", "time_format": "unix_ms", "quality": "/q", "quality_format": "opcua"}
        self.tag = Tag(1, "t", "d", "float64", "", parse_address(raw))
        self.feed.add(self.tag)

    def came(self, value: float, behind_ms: int = 0, *, quality: int = 0, retained: bool = False) -> tuple[object, int]:
        """What is known of the tag after a message of `behind_ms` ago."""
        payload = json.dumps({"v": value, "t": self.clock.wall_ms() - behind_ms, "q": quality}).encode()
        self.feed.take(Message("t", payload, retained, False), held=False)
        found = self.known.samples[self.tag.address]
        return found.value, found.status


def test_a_publisher_whose_clock_is_put_back_is_believed_again_within_a_minute() -> None:
    rig = JsonTag()
    assert rig.came(1.0, -40_000) == (1.0, 0), "ahead, as far as is allowed"
    for _ in range(4):
        rig.clock.advance(10_000)
        assert rig.came(2.0) == ((1.0, 0) if rig.clock.mono_ms() < 40_000 else (2.0, 0)), "no longer than it was ahead"
    assert rig.came(3.0, -70_000) == (3.0, Status.UNCERTAIN)
    assert rig.came(4.0) == (4.0, 0), "one that was ahead by more holds nothing back"
    rig.clock.advance(1)
    assert rig.came(5.0, 61_000) == (5.0, LAST_USABLE), "put back by more: uncertain at once, as every late value"


def test_an_overtaken_value_confirms_no_write() -> None:
    async def test() -> None:
        rig = JsonTag()
        rig.came(1.0)
        done = rig.known.watch(rig.tag.address, 2.0)
        rig.came(2.0, 10)
        assert not done.done(), "it is of before what was known when the command went out"
        rig.came(2.0)
        assert done.done()

    run(test)


def test_good_with_more_to_say_is_good_for_every_mark() -> None:
    more = 0x00960000
    rig = JsonTag()
    assert rig.came(1.0, quality=more) == (1.0, more)
    assert rig.came(2.0, retained=True) == (1.0, more), "a retained one does not replace it"
    assert rig.came(3.0, 60_001, quality=more) == (3.0, LAST_USABLE)
    assert rig.came(4.0, -60_001, quality=more) == (4.0, Status.UNCERTAIN)
    assert doubted(replace(sample(1.0), status=more)).status == Status.UNCERTAIN_NO_COMMUNICATION_LAST_USABLE_VALUE
    late = Arrival(NOW, 0, True, 60_000)
    assert [late.sample(1.0, status, None).status for status in (more, Status.UNCERTAIN, Status.BAD)] == [
        LAST_USABLE, Status.UNCERTAIN, Status.BAD,
    ]  # fmt: skip
    timeless = JsonTag()
    timeless.feed.take(Message("t", b'{"v": 1.0, "q": 9830400}', False, False), held=False)
    assert timeless.known.samples[timeless.tag.address].status == Status.UNCERTAIN, "its time cannot be told"


class SparkplugTags:
    """Metrics of a device `p` behind an edge node, on a broker that is never connected; every message is the next one."""

    def __init__(self, *names: str) -> None:
        options = DeviceOptions(host="nowhere", payload="sparkplug", group_id="g", edge_node_id="n", device_id="p")
        self.clock = StillClock(NOW)
        self.broker = Broker(options.broker(), self.clock)
        self.known = Known(10, self.clock)
        self.feed = DeviceFeed(options, self.broker, self.known, self.clock)
        self.tags = {name: Tag(n, name, "p", "int", "", parse_address({"metric": name, "data": "int"})) for n, name in enumerate(names)}
        for tag in self.tags.values():
            self.feed.add(tag)
        self._seq = -1
        self.came("NBIRTH")

    def came(self, kind: str, *metrics: Metric) -> None:
        self._seq = (self._seq + 1) % 256
        topic = f"spBv1.0/g/{kind}/n" + ("" if kind.startswith("N") else "/p")
        for feed in self.broker.feeds(node_key_of(topic)):
            feed.take(Message(topic, encode(Payload(self.clock.wall_ms(), metrics, self._seq)), False, False), held=False)

    def metric(self, name: str, alias: int, value: int, behind_ms: int = 0) -> Metric:
        return metric_with(name, alias, INT32, value, self.clock.wall_ms() - behind_ms)

    def now(self, name: str) -> tuple[object, int]:
        found = self.known.samples[self.tags[name].address]
        return found.value, found.status


def test_metrics_keep_their_own_order_and_a_birth_says_what_is_now() -> None:
    async def test() -> None:
        rig = SparkplugTags("a")
        stream = rig.known.stream(TagGroup(1, "p", "g", 100, tuple(rig.tags.values())))
        rig.came("DBIRTH", rig.metric("a", 1, 100), rig.metric("later", 2, 200))
        rig.came("DDATA", rig.metric("a", 1, 101), rig.metric("later", 2, 201))
        rig.came(
            "DDATA", rig.metric("a", 1, 50, 30_000), rig.metric("later", 2, 150, 30_000), replace(rig.metric("a", 1, 3), historical=True)
        )
        assert rig.now("a") == (101, 0)
        scans: list[Scan] = []
        while (scan := await stream.take(0)) is not None:
            scans.append(scan)
        assert [(each.values, each.statuses, each.past) for each in scans] == [
            ([100], None, False), ([101], None, False), ([50], [LAST_USABLE], True), ([3], [LAST_USABLE], True),
        ]  # fmt: skip
        rig.tags["later"] = Tag(9, "later", "p", "int", "", parse_address({"metric": "later", "data": "int"}))
        rig.feed.add(rig.tags["later"])
        assert rig.now("later") == (201, 0), "nor for a tag that is asked for after it came"
        rig.came("DBIRTH", rig.metric("a", 1, 7, 20_000))
        assert rig.now("a") == (7, 0), "whatever its clock said before"
        rig.came("DBIRTH", rig.metric("a", 1, 8))
        rig.came("DDATA", rig.metric("a", 1, 9, 10_000))
        assert rig.now("a") == (9, 0), "measured before the birth was made, and sent after it"

    run(test)


def test_a_name_that_a_birth_gave_to_two_metrics_is_bad_until_a_birth_is_clear(monkeypatch: pytest.MonkeyPatch) -> None:
    rig = SparkplugTags("a", "b")
    sent: list[str] = []
    monkeypatch.setattr(rig.broker, "send", lambda topic, payload: sent.append(topic))
    rig.came("DBIRTH", rig.metric("a", 1, 5), rig.metric("a", 2, 50), rig.metric("b", 3, 7), rig.metric("b", 3, 8))
    assert (rig.now("a"), rig.now("b")) == ((None, Status.BAD_DECODING_ERROR), (8, 0)), "the same metric twice is two values of it"
    for metric in (rig.metric("a", 1, 6), replace(rig.metric("a", 2, 60), name=None), replace(rig.metric("a", 1, 6), name=None)):
        rig.came("DDATA", metric, rig.metric("b", 3, 9))
        assert (rig.now("a"), rig.now("b")) == ((None, Status.BAD_DECODING_ERROR), (9, 0))
    with pytest.raises(DriverError, match="write_not_supported"):
        rig.feed.command(rig.tags["a"], 1)
    float_tag = replace(rig.tags["a"], address=parse_address({"metric": "a"}))
    rig.feed.add(float_tag)
    assert rig.known.samples[float_tag.address].status == Status.BAD_DECODING_ERROR
    assert sent == [], "another birth would say the same"
    rig.came("DBIRTH", rig.metric("a", 1, 5), rig.metric("b", 3, 7))
    rig.came("DDATA", replace(rig.metric("a", 1, 6), name=None))
    assert rig.now("a") == (6, 0)


def test_what_was_told_to_be_silent_is_told_again_after_an_older_value_was_taken() -> None:
    async def test() -> None:
        clock = StillClock()
        known = Known(10, clock)
        tags = tuple(Tag(n, f"t{n}", "d", "float64", "", n) for n in range(2))
        with known.streaming(TagGroup(1, "d", "g", 100, tags)) as stream:
            for past in (True, False):
                stream.silent = {0, 1}
                known.put([(0, sample(1.0))], past=past)
                assert stream.silent == {0, 1}
                assert await stream.take(0) is not None
                assert stream.silent == ({0, 1} if past else {1}), "history ends no silence"

    run(test)


def test_behind_history_the_newest_is_due_once_and_after_a_fault_whatever_no_value_of_now_waits_for() -> None:
    async def test() -> None:
        known = Known(3, StillClock())
        tags = tuple(Tag(n, f"t{n}", "d", "float64", "", n) for n in range(3))
        with known.streaming(TagGroup(1, "d", "g", 100, tags)) as stream:
            for n in (0, 1):
                known.put([(n, sample(5.0))], past=True)
            assert (await stream.take(0), stream.overtaken()) == (scans_of(stream.group, [(0, sample(5.0))], past=True)[0], set())
            known.put([(0, sample(10.0))])
            await stream.take(0)
            await stream.take(0)
            assert [stream.overtaken(), stream.overtaken()] == [{1}, set()], "0 has said so itself"
            for n in range(5):
                known.put([(0, sample(float(n)))], past=True)
            assert await rest(stream) == [[0.0], [1.0], [2.0], "overflow"]
            known.put([(0, sample(6.0))], past=True)
            known.put([(1, sample(20.0))])
            assert stream.resume() == {1}
            assert await rest(stream) == [[6.0], [20.0]]
            assert stream.overtaken() == {0}

    run(test)


def test_a_stream_outlives_a_fault_for_a_minute_and_nothing_else() -> None:
    async def test() -> None:
        clock = StillClock()
        known = Known(10, clock)
        group = TagGroup(1, "d", "g", 100, (Tag(0, "t", "d", "float64", "", 0),))
        for _ in range(2):
            with pytest.raises(DriverError), known.streaming(group):
                raise LOST
            clock.advance(left_ms_max)
            known.put([(0, sample(1.0))])
            with known.streaming(group) as stream:
                assert stream.resume() == {0}, "it was kept for who starts again"
                clock.advance(2 * left_ms_max)
                known.put([(0, sample(2.0))])
                assert await rest(stream) == [[1.0], [2.0]]
            known.put([(0, sample(3.0))])
            with known.streaming(group) as stream:
                assert await rest(stream) == [], "the one before ended without a fault: its group was gone"
        with pytest.raises(DriverError), known.streaming(group):
            raise LOST
        clock.advance(left_ms_max + 1)
        known.put([(0, sample(4.0))])
        assert not known._streams

    run(test)


def test_a_metric_of_32_bits_says_what_they_lose_of_a_number() -> None:
    async def test() -> None:
        rig = SparkplugTags()
        tags = [Tag(n, name, "p", "float64", "", parse_address({"metric": name}), None, writable=True) for n, name in enumerate("fdx")]
        assert rig.feed.resolution(tags[0], 20_261_127.0) is None, "not born"
        rig.came("DBIRTH", *(metric_with(name, n, kind, 1.0, rig.clock.wall_ms()) for n, (name, kind) in enumerate((("f", 9), ("d", 10)))))
        assert [rig.feed.resolution(tag, 20_261_127.0) for tag in tags] == [1.0, None, None]
        for value in (20_261_127.0, 300_000.123, 0.1, 2**24 + 1):
            held = rig.feed.command(tags[0], value)[3]
            assert is_kept(value, held, replace(tags[0], exponent=-3), 0.0, rig.feed.resolution(tags[0], value))
            assert not is_kept(value, value + 2.0, tags[0], 0.0, rig.feed.resolution(tags[0], value))
        assert [rig.feed.resolution(tags[0], value) for value in (True, "1", None, 10**400)] == [None, None, None, 0.0]

    run(test)


def test_the_driver_says_what_its_feed_does() -> None:
    async def test() -> None:
        options = DeviceOptions(host="nowhere", payload="sparkplug", group_id="g", edge_node_id="n")
        tag, clock = Tag(1, "f", "n", "float64", "", parse_address({"metric": "f"}), None, writable=True), StillClock(NOW)
        driver = MqttDriver(options, clock, Shared())
        assert driver.resolution(tag, 20_261_127.0) is None
        async with driver:
            broker, _ = driver._feed()
            birth = encode(Payload(NOW, (metric_with("f", None, 9, 1.0, NOW),), 0))
            for feed in broker.feeds(node_key_of("spBv1.0/g/NBIRTH/n")):
                feed.take(Message("spBv1.0/g/NBIRTH/n", birth, False, False), held=False)
            assert driver.resolution(tag, 20_261_127.0) == 1.0
        async with MqttDriver(DeviceOptions(host="nowhere"), clock, Shared()) as plain:
            assert plain.resolution(replace(tag, address=parse_address({"topic": "t"})), 20_261_127.0) is None

    run(test)
