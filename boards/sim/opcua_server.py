"""The capper on OPC UA: a folder of PackML-style nodes, fed from the plant with the device's own time stamps.

Room: ground, sim board; the one file here that imports asyncua. `servers.py` runs it behind a `Gate`, imports it late
and calls `publish` ten times a second.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Final, Self

import asyncua
from asyncua.server.server import Server

from boards.sim.filler import Signal
from boards.sim.view import DeviceView

# The library's own annotations name its wire types where it takes plain Python values; Any says what it does.
ua: Final[Any] = asyncua.ua
NAMESPACE: Final = "urn:witnessmark:sim:capper"
STOP_S: Final = 0.3
INT, REAL, TEXT, TIME = ua.VariantType.Int32, ua.VariantType.Float, ua.VariantType.String, ua.VariantType.DateTime


@dataclass(frozen=True, slots=True)
class NodeRow:
    """One variable: node id `ns=2;s=Capper.<path>`, the signal behind it, its type, and whether clients may write it."""

    path: str
    signal: str
    kind: Any
    writable: bool = False


NODES: Final = (
    NodeRow("Status.StateCurrent", "state", INT),
    NodeRow("Status.UnitModeCurrent", "mode", INT),
    NodeRow("Status.CurMachSpeed", "speed", REAL),
    NodeRow("Status.MachSpeed", "speed_setpoint", REAL),
    NodeRow("Status.Program", "program", INT),
    NodeRow("Status.ProgramName", "program_name", TEXT),
    NodeRow("Status.CycleTime", "cycle_time", REAL),
    NodeRow("Status.Infeed", "infeed", INT),
    NodeRow("Status.Torque.Last", "torque_last", REAL),
    NodeRow("Status.Torque.Mean", "torque_mean", REAL),
    NodeRow("Status.Torque.Spread", "torque_spread", REAL),
    NodeRow("Admin.ProdProcessedCount", "caps_total", INT),
    NodeRow("Admin.ProdDefectiveCount", "caps_bad_total", INT),
    NodeRow("Admin.CapsSinceStart", "caps_since_start", INT),
    NodeRow("Admin.AlarmText", "alarm", TEXT),
    NodeRow("Admin.AlarmCount", "alarms_total", INT),
    NodeRow("Admin.Uptime", "uptime_seconds", INT),
    NodeRow("Admin.PLCDateTime", "clock_seconds", TIME),
    NodeRow("Command.MachSpeed", "speed_setpoint", REAL, writable=True),
    NodeRow("Command.Program", "program_wanted", INT, writable=True),
    NodeRow("Command.CntrlCmd", "command", INT, writable=True),
)


class CapperServer:
    """An OPC UA server on a free inner port; `port` says which once it is entered."""

    def __init__(self, host: str, view: DeviceView) -> None:
        """Show this view; nothing listens yet."""
        self.port = 0
        self._host = host
        self._view = view
        self._server = Server()
        self._ids: dict[str, Any] = {}
        self._last: dict[str, tuple[Signal | None, int]] = {}
        self._kept: dict[str, Signal] = {}
        self._last_command = 0

    async def __aenter__(self) -> Self:
        """Load the standard address space (about a second), add the nodes and listen."""
        server = self._server
        await server.init()
        server.set_endpoint(f"opc.tcp://{self._host}:0/capper")
        server.set_server_name("Witnessmark sim capper")
        server.set_security_policy([ua.SecurityPolicyType.NoSecurity])
        index = await server.register_namespace(NAMESPACE)
        folders: dict[str, Any] = {"": await server.nodes.objects.add_object(ua.NodeId("Capper", index), ua.QualifiedName("Capper", index))}
        for row in NODES:
            await self._add(row, index, folders)
        await self.publish()
        await server.start()
        if server.bserver is None:
            raise OSError("the OPC UA server did not start")
        self.port = server.bserver.port
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Stop listening, without the second that the library's clock task may still want to sleep."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(STOP_S):
                await self._server.stop()

    async def publish(self) -> None:
        """Write what changed, with the device's clock as source time."""
        shown = self._view.shown()
        stamp = datetime.fromtimestamp(self._view.clock_s(), UTC)
        for row in NODES:
            if row.writable:
                continue
            value, status = self._value(row, shown[row.signal])
            if self._last.get(row.path) == (value, status):
                continue
            self._last[row.path] = (value, status)
            await self._server.write_attribute_value(self._ids[row.path], _data_value(row, value, status, stamp))

    async def _add(self, row: NodeRow, index: int, folders: dict[str, Any]) -> None:
        folder, _, name = row.path.rpartition(".")
        parent = folders[""]
        for depth in range(1, len(folder.split(".")) + 1):
            path = ".".join(folder.split(".")[:depth])
            if path not in folders:
                label = ua.QualifiedName(path.rpartition(".")[2], index)
                folders[path] = await parent.add_object(ua.NodeId(f"Capper.{path}", index), label)
            parent = folders[path]
        node_id = ua.NodeId(f"Capper.{row.path}", index)
        start = {INT: 0, REAL: 0.0, TEXT: "", TIME: datetime(1970, 1, 1, tzinfo=UTC)}[row.kind]
        node = await parent.add_variable(node_id, ua.QualifiedName(name, index), start, row.kind)
        self._ids[row.path] = node_id
        if row.writable:
            await node.set_writable()
            # Reads show what is in force, which a reboot changes too; writes are judged before they count.
            self._server.set_attribute_value_callback(node_id, lambda *_: self._command_value(row))
            self._server.set_attribute_value_setter(node_id, lambda _node, _attr, value: self._take(row, value))

    def _command_value(self, row: NodeRow) -> Any:
        value: Signal | None = self._last_command if row.signal == "command" else self._view.shown()[row.signal]
        return _data_value(row, value, ua.StatusCodes.Good, datetime.fromtimestamp(self._view.clock_s(), UTC))

    def _take(self, row: NodeRow, written: Any) -> None:
        variant = written.Value
        if variant is None or variant.VariantType is not row.kind or variant.is_array:
            raise ua.UaStatusCodeError(ua.StatusCodes.BadTypeMismatch)
        if not self._view.write(row.signal, variant.Value):
            raise ua.UaStatusCodeError(ua.StatusCodes.BadOutOfRange)
        if row.signal == "command":
            self._last_command = variant.Value

    def _value(self, row: NodeRow, value: Signal | None) -> tuple[Signal | None, int]:
        """Return a value with its status: what is not measured now keeps its last value, marked uncertain."""
        if value is not None:
            self._kept[row.path] = value
            return value, ua.StatusCodes.Good
        if row.path in self._kept:
            return self._kept[row.path], ua.StatusCodes.UncertainLastUsableValue
        return None, ua.StatusCodes.BadWaitingForInitialData


def _data_value(row: NodeRow, value: Signal | None, status: int, stamp: datetime) -> Any:
    made: Any = value
    if value is not None and row.kind is TIME:
        made = datetime.fromtimestamp(float(value), UTC)
    variant = ua.Variant(None, ua.VariantType.Null) if made is None else ua.Variant(made, row.kind)
    return ua.DataValue(variant, ua.StatusCode(status), SourceTimestamp=stamp)
