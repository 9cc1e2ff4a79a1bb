"""Rigs for the conformance suite: each built-in driver with a real device that can be broken, stalled and mended."""

from __future__ import annotations

import struct
import time
from pathlib import Path
from typing import Self

from pymodbus import FramerType

from drivers.capture import ScanWriter
from drivers.driver import Driver
from drivers.modbus import config as modbus_config
from drivers.modbus.driver import ModbusDriver
from drivers.modbus.tag_options import parse_address
from drivers.opcua import config as opcua_config
from drivers.opcua.driver import OpcUaDriver
from drivers.reading import Scan, Status, Tag, TagGroup, Value
from drivers.replay.config import DeviceOptions as ReplayOptions
from drivers.replay.driver import ReplayDriver
from drivers.shared import Newest, Shared
from drivers.virtual.config import Address as VirtualAddress
from drivers.virtual.config import DeviceOptions as VirtualOptions
from drivers.virtual.driver import VirtualDriver
from tests.rigs.clock import RunningClock
from tests.rigs.modbus import WRITES, ModbusPlant, SerialCable
from tests.rigs.opcua import OpcUaPlant
from tests.rigs.units import TcpUnits, Unit
from tests.rigs.wire import Wire


class WiredRig:
    """A device behind a wire that can be cut."""

    wire: Wire

    async def break_link(self) -> None:
        await self.wire.cut()

    async def stall(self) -> None:
        self.wire.stall()

    async def heal(self) -> None:
        await self.wire.mend()

    def connections(self) -> int:
        return self.wire.open

    def lose_answer(self) -> None:
        self.wire.lose_answer()

    def hold_answer(self) -> None:
        self.wire.hold_answer()


def modbus_tag(n: int, kind: str, **raw: object) -> Tag:
    return Tag(n, f"t{n}", "dev", kind, "", parse_address(raw), writable=True)


class ModbusRig(WiredRig):
    """Modbus over TCP: plain, inside TLS, or with the frames of a serial line."""

    features = frozenset({"link", "set", "write", "count", "lose", "late"})

    def __init__(self, plant: ModbusPlant | None = None, **options: object) -> None:
        self.plant = plant or ModbusPlant()
        self.options = options
        tags = (
            modbus_tag(0, "int", address="holding:10"),
            modbus_tag(1, "float32", address="holding:20", data="float32", word_order="little"),
            modbus_tag(2, "int", address="holding:60", data="int32"),
        )
        self.group = TagGroup(1, "dev", "g", 100, tags)
        self.writable: Tag | None = tags[0]
        self.written: Value = 4321

    async def __aenter__(self) -> Self:
        await self.plant.start()
        self.wire = Wire(self.plant.port)
        await self.wire.mend()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.wire.cut()
        await self.plant.stop()

    def make(self) -> Driver:
        options = modbus_config.DeviceOptions.model_validate({"host": "127.0.0.1", "port": self.wire.port, **self.options})
        return ModbusDriver(options, RunningClock(), Shared())

    async def set_value(self, tag: Tag, value: Value) -> None:
        if tag.name == "t0":
            await self.plant.set_registers(10, [int(value or 0)])
        elif tag.name == "t1":
            high, low = struct.unpack(">2H", struct.pack(">f", value))
            await self.plant.set_registers(20, [low, high])
        else:
            await self.plant.set_registers(60, list(struct.unpack(">2H", struct.pack(">i", value))))

    async def get_value(self, tag: Tag) -> Value:
        return (await self.plant.get_registers(10, 1))[0]

    def writes(self) -> int:
        return self.plant.writes()


class SerialRig(ModbusRig):
    """Modbus RTU or ASCII over a pair of pseudo-terminals. A serial line cannot refuse a connection: broken and silent are one."""

    def __init__(self, cable: SerialCable, framer: FramerType = FramerType.RTU) -> None:
        super().__init__(ModbusPlant(framer))
        self.cable = cable

    async def __aenter__(self) -> Self:
        await self.plant.start_serial(self.cable.ends[1])
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.plant.stop()

    def make(self) -> Driver:
        transport = "rtu" if self.plant.framer == FramerType.RTU else "ascii"
        options = modbus_config.DeviceOptions(transport=transport, serial_port=self.cable.ends[0], parity="none", baud=115200, data_bits=8)
        return ModbusDriver(options, RunningClock(), Shared())

    async def break_link(self) -> None:
        self.cable.cut = True

    async def stall(self) -> None:
        self.cable.cut = True

    async def heal(self) -> None:
        self.cable.cut, self.cable.fate = False, ""

    def connections(self) -> int:
        return 0

    def lose_answer(self) -> None:
        self.cable.fate = "lose"

    def hold_answer(self) -> None:
        self.cable.fate = "hold"


def _pairs(data: bytes) -> list[bytes]:
    return [data[at : at + 2] for at in range(0, len(data), 2)]


class PipelinedRig(ModbusRig):
    """Modbus TCP with four requests in flight, on a server that answers them newest first."""

    def __init__(self) -> None:
        super().__init__(in_flight=4)
        self.unit = Unit()
        self.units = TcpUnits({1: self.unit})
        self.units.shuffled = True

    async def __aenter__(self) -> Self:
        await self.units.start()
        self.wire = Wire(self.units.port)
        await self.wire.mend()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.wire.cut()
        await self.units.stop()

    async def set_value(self, tag: Tag, value: Value) -> None:
        at, kind = {"t0": (10, ">H"), "t1": (20, ">f"), "t2": (60, ">i")}[tag.name]
        words = [int.from_bytes(pair, "big") for pair in _pairs(struct.pack(kind, value))]
        self.unit.words[at : at + len(words)] = words[::-1] if tag.name == "t1" else words

    async def get_value(self, tag: Tag) -> Value:
        return self.unit.words[10]

    def writes(self) -> int:
        return sum(pdu[0] in WRITES for _, pdu in self.units.requests)


class OpcUaRig(WiredRig):
    """OPC UA, polled and pushed."""

    features = frozenset({"link", "set", "write", "push", "lose", "late"})

    def __init__(self) -> None:
        self.plant = OpcUaPlant(1.5, 7, "Riegel", True)
        tags = tuple(
            Tag(n, f"t{n}", "dev", kind, "", opcua_config.parse_address({"node": f"ns=2;s=t{n}", "data": kind}), writable=True)
            for n, kind in enumerate(("float64", "int", "text", "bool"))
        )
        self.group = TagGroup(1, "dev", "g", 50, tags)
        self.writable: Tag | None = tags[1]
        self.written: Value = 4321

    async def __aenter__(self) -> Self:
        await self.plant.start()
        self.wire = Wire(self.plant.port)
        await self.wire.mend()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.wire.cut()
        await self.plant.stop()

    def make(self) -> Driver:
        return OpcUaDriver(opcua_config.DeviceOptions(endpoint=f"opc.tcp://127.0.0.1:{self.wire.port}/plant"), RunningClock())

    async def set_value(self, tag: Tag, value: Value) -> None:
        await self.plant.set(int(tag.name[1:]), value)

    async def get_value(self, tag: Tag) -> Value:
        return await self.plant.get(int(tag.name[1:]))  # type: ignore[return-value]

    def lose_answer(self) -> None:
        self.wire.lose_confirmation = True  # the driver may ask for the node's type first


class ReplayRig:
    """A capture of two good scans, played in a loop. It has what the guide wants of a rig without features, and nothing more."""

    features: frozenset[str] = frozenset()

    def __init__(self, path: Path) -> None:
        self._path = path
        tags = (Tag(0, "a", "dev", "float64", "", None), Tag(1, "b", "dev", "int", "", None))
        self.group = TagGroup(1, "dev", "g", 100, tags)
        with path.open("wb") as file:
            writer = ScanWriter(file)
            writer.write(Scan(self.group, [1.5, 2], 1000))
            writer.write(Scan(self.group, [2.5, 3], 1100))

    def make(self) -> Driver:
        return ReplayDriver(ReplayOptions(file=str(self._path), loop=True), RunningClock())

    def connections(self) -> int:
        return 0


class VirtualRig(ReplayRig):
    """Virtual tags over inputs that the rig sets."""

    features = frozenset({"set"})

    def __init__(self) -> None:
        self.inputs: dict[str, Value] = {"dev/a": 1.5, "dev/b": 2}
        rows = (("a", "float64", "[dev/a] * 1"), ("b", "int", "[dev/b] + 0"))
        tags = (Tag(n, name, "v", kind, "", VirtualAddress(text, kind)) for n, (name, kind, text) in enumerate(rows))  # type: ignore[arg-type]
        self.group = TagGroup(1, "v", "g", 100, tuple(tags))

    def make(self) -> Driver:
        return VirtualDriver(VirtualOptions(), RunningClock(), lambda name: Newest(self.inputs[name], 0, time.time_ns() // 1_000_000))

    async def set_value(self, tag: Tag, value: Value) -> None:
        self.inputs[f"dev/{tag.name}"] = value


class ForgetfulDriver:
    """A driver that breaks promises, to prove that the suite notices: it hangs, answers late, mixes columns, leaks a task."""

    def __init__(self, sin: str, inner: Driver) -> None:
        self._sin = sin
        self._inner = inner

    async def __aenter__(self) -> Self:
        await self._inner.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._sin != "leaks":
            await self._inner.__aexit__(None, None, None)

    async def read(self, group: TagGroup, deadline_s: float) -> Scan:
        if self._sin == "late":
            deadline_s += 1.0
        try:
            scan = await self._inner.read(group, deadline_s)
        except Exception as error:
            if self._sin == "raw error":
                raise ValueError("no route") from error
            if self._sin == "good after all":
                return Scan(group, [1] * len(group.tags), 0)
            raise
        if self._sin == "short":
            scan.values.pop()
        if self._sin == "wrong type":
            scan.values[0] = str(scan.values[0])
        if self._sin == "stale":
            scan.values[:] = [0, 0.0, 0]
        if self._sin == "bad":
            scan.statuses = [int(Status.BAD)] * len(scan.values)
        return scan

    def subscribe(self, group: TagGroup):  # type: ignore[no-untyped-def]
        return self._inner.subscribe(group)

    async def write(self, tag: Tag, value: Value, deadline_s: float) -> None:
        if self._sin != "pretends to write":
            await self._inner.write(tag, value, deadline_s)
