"""When a Sparkplug node is asked for a rebirth: at once for a new fault, ever more seldom for one that stays or comes back at once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from drivers.mqtt.broker import Broker, node_key_of
from drivers.mqtt.config import DeviceOptions
from drivers.mqtt.inbox import Message
from drivers.mqtt.known import Known
from drivers.mqtt.sparkplug import Metric, Payload, encode, metric_with
from drivers.mqtt.sparkplug_feed import DeviceFeed
from tests.rigs.clock import StillClock


class Node:
    """A node of which one device of ours reads, on a broker that is never connected; `asked` has when it was asked for a birth (ms)."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        options = DeviceOptions(host="nowhere", payload="sparkplug", group_id="g", edge_node_id="n")
        self.clock = StillClock()
        self.begun_ms = self.clock.mono_ms()
        self.broker = Broker(options.broker(), self.clock)
        self.feed = DeviceFeed(options, self.broker, Known(10, self.clock), self.clock)
        self.asked: list[int] = []
        self._seq = 0
        monkeypatch.setattr(self.broker, "send", lambda topic, payload: self.asked.append(self.clock.mono_ms() - self.begun_ms))

    def came(self, kind: str, seq: int, *metrics: Metric, device: str = "") -> None:
        self._seq = seq
        topic = f"spBv1.0/g/{kind}/n{device}"
        for feed in self.broker.feeds(node_key_of(topic)):
            feed.take(Message(topic, encode(Payload(0, metrics, seq)), False, False), held=False)

    def came_next(self, kind: str, *metrics: Metric, device: str = "") -> None:
        self.came(kind, (self._seq + 1) % 256, *metrics, device=device)

    def lose_one(self) -> None:
        self.came("NDATA", self._seq + 2)

    def wait(self, time_ms: int, *, answers: bool) -> None:
        """Let time pass, reading twice a second what there is; a node that answers is born 50 ms after each time that it is asked."""
        for _ in range(0, time_ms, 50):
            self.clock.advance(50)
            if answers and self.asked and self.asked[-1] == self.clock.mono_ms() - self.begun_ms - 50:
                self.came("NBIRTH", 0)
            elif self.feed.fault() is not None and (self.clock.mono_ms() - self.begun_ms) % 500 == 0:
                self.feed.nudge()


def run(test: Callable[[], None]) -> None:
    async def inside() -> None:
        test()

    asyncio.run(inside())


def test_a_node_that_answers_is_asked_at_once_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    def test() -> None:
        node = Node(monkeypatch)
        node.came("NBIRTH", 0)
        lost = []
        for _ in range(12):
            node.wait(6_000, answers=True)
            lost.append(node.clock.mono_ms() - node.begun_ms)
            node.lose_one()
        assert node.asked == lost

    run(test)


def test_a_node_that_was_away_for_long_is_asked_at_once_when_it_is_back(monkeypatch: pytest.MonkeyPatch) -> None:
    def test() -> None:
        node = Node(monkeypatch)
        node.feed.nudge()
        node.wait(600_000, answers=False)
        assert 10 < len(node.asked) < 20, "up to a minute between two"
        node.came("NBIRTH", 0)
        for held_ms in (2_000, 6_000):  # also within what a birth has to hold: what grew while it was away is of no account
            node.wait(held_ms, answers=True)
            node.lose_one()
            assert node.asked[-1] == node.clock.mono_ms() - node.begun_ms

    run(test)


def test_a_node_that_is_at_fault_again_after_each_birth_is_not_stormed(monkeypatch: pytest.MonkeyPatch) -> None:
    def test() -> None:
        node = Node(monkeypatch)
        node.came("NBIRTH", 0)
        for _ in range(12_000):  # ten minutes: 50 ms to the birth, and at once the next loss
            if node.feed.fault() is None:
                node.lose_one()
            node.wait(50, answers=True)
        pauses = [later - sooner for sooner, later in zip(node.asked, node.asked[1:], strict=False)]
        assert pauses[0] >= 1_000
        assert pauses == sorted(pauses)
        assert 60_000 <= pauses[-1] <= 60_500
        assert len(node.asked) < 20
        node.wait(70_000, answers=True)
        node.lose_one()
        assert node.asked[-1] == node.clock.mono_ms() - node.begun_ms, "it has held since: that is over"

    run(test)


@pytest.mark.parametrize("every_ms", [1_000, 6_000, 30_000])
@pytest.mark.parametrize("kind", ["a device never born", "an alias", "a name"])
def test_what_no_birth_names_costs_few_births_however_seldom_it_comes(kind: str, every_ms: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def test() -> None:
        node = Node(monkeypatch)
        node.came("NBIRTH", 0)
        for _ in range(600_000 // every_ms):
            node.wait(every_ms, answers=True)
            if kind == "a device never born":
                node.came_next("DDATA", device="/ghost")
            else:
                node.came_next("NDATA", metric_with(None if kind == "an alias" else "new", 7 if kind == "an alias" else None, 3, 1, 0))
        assert node.asked[0] == every_ms
        assert len(node.asked) <= 17
        node.wait(10_000, answers=True)
        node.lose_one()
        assert node.asked[-1] == node.clock.mono_ms() - node.begun_ms, "what a birth mends waits for none of that"
        node.wait(70_000, answers=True)
        node.came_next("DDATA", device="/other")
        node.wait(2_000, answers=True)
        node.came_next("DDATA", device="/other")
        assert node.clock.mono_ms() - node.begun_ms - node.asked[-1] == 0, "none came for a minute: it begins anew"

    run(test)


def test_a_device_born_soon_after_its_node_is_not_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    def test() -> None:
        node = Node(monkeypatch)
        node.feed.nudge()
        for _ in range(20):
            node.came("NBIRTH", 0)
            node.feed.nudge()  # a read that waits for a device: its birth is on its way
            assert len(node.asked) == 1
            node.came_next("DBIRTH", device="/d")
        node.wait(1_000, answers=False)
        node.came("NBIRTH", 0)
        node.feed.nudge()
        assert node.asked == [0, 1_000], "and where it is not, the pause is still the first one"

    run(test)
