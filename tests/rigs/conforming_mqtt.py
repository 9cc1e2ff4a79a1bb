"""Rigs for the conformance suite: the MQTT driver behind a real broker, with JSON topics and with a Sparkplug edge node."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

from pysparkplug import DataType

from drivers.driver import Driver
from drivers.mqtt.config import DeviceOptions, parse_address
from drivers.mqtt.driver import MqttDriver
from drivers.reading import Tag, TagGroup, Value
from drivers.shared import Shared
from tests.rigs.clock import RunningClock
from tests.rigs.conforming import WiredRig
from tests.rigs.mosquitto import Mosquitto
from tests.rigs.mqtt_plant import JsonPlant, SparkplugPlant
from tests.rigs.wire import Wire

STARTS = (
    ("float64", 1.5, DataType.DOUBLE),
    ("int", -7, DataType.INT32),
    ("text", "Riegel", DataType.STRING),
    ("bool", True, DataType.BOOLEAN),
)


def json_tag(n: int, kind: str, **more: Any) -> Tag:
    raw = {"topic": f"plant/t{n}", "pointer": "/value", "time": "/at", "time_format": "unix_ms", "data": kind}
    raw |= {"command_topic": f"plant/t{n}/set", "command_pointer": "/to", **more}
    return Tag(n, f"t{n}", "dev", kind, "", parse_address(raw), writable=True)


def metric_tag(n: int, kind: str) -> Tag:
    return Tag(n, f"t{n}", "dev", kind, "", parse_address({"metric": f"t{n}", "data": kind}), writable=True)


class MqttRig(WiredRig):
    """What both payloads have in common: broker, wire, plant. Nothing is asked, so no answer to a question can be late."""

    features = frozenset({"link", "set", "write", "push", "count"})

    def __init__(self, folder: Path, tags: tuple[Tag, ...], make_plant: Callable[[int], JsonPlant | SparkplugPlant]) -> None:
        self.broker = Mosquitto(folder)
        self.plant = make_plant(self.broker.port)
        self.group = TagGroup(1, "dev", "g", 50, tags)
        self.writable: Tag | None = tags[1]
        self.written: Value = 4321

    async def __aenter__(self) -> Self:
        self.broker.start()
        await asyncio.to_thread(self.plant.__enter__)
        self.wire = Wire(self.broker.port)
        await self.wire.mend()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.wire.cut()
        await asyncio.to_thread(self.plant.__exit__)
        self.broker.stop()

    def options(self) -> dict[str, Any]:
        return {"host": "127.0.0.1", "port": self.wire.port}

    def make(self) -> Driver:
        return MqttDriver(DeviceOptions.model_validate(self.options()), RunningClock(), Shared())

    async def set_value(self, tag: Tag, value: Value) -> None:
        await asyncio.to_thread(self.plant.set, tag.uid, value)
        await asyncio.to_thread(self.plant.publish, "plant/settled", b"")  # acknowledged after what was sent before

    def writes(self) -> int:
        return sum("NCMD" not in topic for topic, _ in self.plant.got)


class JsonRig(MqttRig):
    """JSON topics, published on change and all the time."""

    def __init__(self, folder: Path) -> None:
        tags = tuple(json_tag(n, kind) for n, (kind, _, _) in enumerate(STARTS))
        super().__init__(folder, tags, lambda port: JsonPlant(port, *[value for _, value, _ in STARTS]))

    async def get_value(self, tag: Tag) -> Value:
        assert isinstance(self.plant, JsonPlant)
        return self.plant.values[tag.uid]  # type: ignore[return-value]


class SparkplugRig(MqttRig):
    """A device behind an edge node."""

    def __init__(self, folder: Path) -> None:
        tags = tuple(metric_tag(n, kind) for n, (kind, _, _) in enumerate(STARTS))
        super().__init__(folder, tags, lambda port: SparkplugPlant(port, *[(kind, value) for _, value, kind in STARTS]))

    def options(self) -> dict[str, Any]:
        return super().options() | {"payload": "sparkplug", "group_id": "plant", "edge_node_id": "edge", "device_id": "press"}

    async def get_value(self, tag: Tag) -> Value:
        assert isinstance(self.plant, SparkplugPlant)
        return self.plant.metrics[tag.uid][1]  # type: ignore[no-any-return]
