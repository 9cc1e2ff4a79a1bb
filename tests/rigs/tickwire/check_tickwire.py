"""The Tickwire driver under the shipped suite, with spoiled answers, and its frames against random bytes."""

from __future__ import annotations

import asyncio
import random

import pytest
from terminal import Terminal
from tickwire_witnessmark.codec import SAMPLE, Frame, FrameError, samples, split, wrap
from tickwire_witnessmark.config import Address

from drivers.conformance import checks
from drivers.driver import DriverError
from drivers.reading import Status, Tag, TagGroup
from drivers.registry import load_config, make_driver
from drivers.wire import Wire
from runtime.clock import SystemClock


class Rig:
    features = frozenset({"link", "set", "write", "push"})

    def __init__(self):
        self.tags = (
            Tag(0, "net", "dev", "float64", "kg", Address(0, "weight", 0.1), -1, writable=True),
            Tag(1, "count", "dev", "int", "", Address(1, "counter", 0.1), writable=True),
            Tag(2, "alarm", "dev", "bool", "", Address(2, "alarm", 0.1)),
        )
        self.group = TagGroup(1, "dev", "g", 1000, self.tags)
        self.writable, self.written = self.tags[1], 4321

    async def __aenter__(self):
        self.terminal = Terminal({0: 215, 1: 7, 2: 1})
        await self.terminal.start()
        self.wire = Wire(self.terminal.port)
        await self.wire.mend()
        return self

    async def __aexit__(self, *_):
        await self.wire.cut()
        await self.terminal.stop()

    def make(self):
        return make_driver("tickwire", "dev", load_config("tickwire", "dev", {"host": "127.0.0.1", "port": self.wire.port}), SystemClock())

    async def set_value(self, tag, value):
        self.terminal.channels[tag.uid] = round(value * 10) if tag.uid == 0 else int(value)

    async def get_value(self, tag):
        return self.terminal.channels[tag.uid]

    async def break_link(self):
        await self.wire.cut()

    async def stall(self):
        self.wire.stall()

    async def heal(self):
        await self.wire.mend()

    def connections(self):
        return self.wire.open


@pytest.mark.parametrize("check", [pytest.param(check, id=check.__name__) for check, needs in checks.items() if needs <= Rig.features])
def test_conforms(check):
    async def test():
        async with asyncio.timeout(60), Rig() as rig:
            await check(rig)

    asyncio.run(test())


def test_values_times_and_single_faults():
    async def test():
        async with asyncio.timeout(30), Rig() as rig, rig.make() as driver:
            scan = await driver.read(rig.group, 2.0)
            assert scan.values == [21.5, 7, True]
            assert scan.sources == [1_700_000_000_000 + n for n in range(3)]
            rig.terminal.overload.add(0)
            del rig.terminal.channels[2]
            scan = await driver.read(rig.group, 2.0)
            assert (scan.values, scan.statuses) == ([None, 7, None], [Status.BAD_OUT_OF_RANGE, 0, Status.BAD_DEVICE_FAILURE])

    asyncio.run(test())


@pytest.mark.parametrize(
    "spoil",
    [
        b"\x00",
        b"\xa5\x01",
        b"\xa5\x04\x01\x81\x00\x00",
        wrap(Frame(200, 0x81, SAMPLE.pack(0, 0, 999, 1))),
        wrap(Frame(1, 0x81, b"short")),
        wrap(Frame(1, 0x81, SAMPLE.pack(9, 0, 999, 1))),
    ],
)
def test_no_spoiled_answer_is_believed_and_the_next_read_is_right(spoil):
    async def test():
        async with asyncio.timeout(30), Rig() as rig, rig.make() as driver:
            rig.terminal.spoil = spoil
            with pytest.raises(DriverError, match="bad_answer"):
                await driver.read(rig.group, 2.0)
            assert (await driver.read(rig.group, 2.0)).values == [21.5, 7, True]

    asyncio.run(test())


def test_any_bytes_are_frames_or_one_error():
    chance = random.Random(1)
    for _ in range(20_000):
        data = bytearray(wrap(Frame(1, 0x81, SAMPLE.pack(0, 0, 5, 1))) * 2)
        for _ in range(chance.randrange(4)):
            data[chance.randrange(len(data))] = chance.randrange(256)
        try:
            frames, _ = split(bytes(data))
            for frame in frames:
                list(samples(frame.payload))
        except FrameError:
            pass
