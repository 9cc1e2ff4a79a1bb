"""What servers answer, read into plain values: one function per service. Pure.

Room: ground, driver `opcua`. Called with the bytes that `session.py` received. Raises ServiceFaultError for a refusal, MalformedError
for anything that is no such answer. Source: OPC UA Part 4, 5 and 7. Diagnostics that follow the results are not looked at.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from drivers.opcua.binary import MalformedError, Reader, float64, int32, node_id, variant
from drivers.opcua.codec import Sample
from drivers.opcua.nodes import NodeId

service_fault: Final = 397
_data_change: Final = NodeId(0, "i", 811)
_status_change: Final = NodeId(0, "i", 820)
bad_unexpected: Final = 0x80010000


class ServiceFaultError(Exception):
    """The server refused a request as a whole."""

    def __init__(self, status: int) -> None:
        """`status` is the 32-bit status code."""
        self.status = status
        super().__init__(f"{status:#010x}")


class Reference(NamedTuple):
    """One reference that browsing found; `local` is False when its target is in another server."""

    kind: NodeId
    forward: bool
    target: NodeId
    local: bool
    name: tuple[int, str]
    node_class: int


class Browsed(NamedTuple):
    """What one node has: status, where to go on (None: that was all), references."""

    status: int
    point: bytes | None
    references: list[Reference]


class NodeKind(NamedTuple):
    """What a node wants to be written with: status, built-in type of its value (0: it has none now), whether an array, its data type."""

    status: int
    kind: int
    array: bool
    data_type: NodeId | None


class Subscription(NamedTuple):
    """A subscription as the server made it."""

    id: int
    interval_ms: float
    keep_alive_count: int


class Notification(NamedTuple):
    """One notification: its sequence number, (client handle, sample) in the server's order, and a status: not 0 when all ended."""

    number: int
    samples: list[tuple[int, Sample]]
    ended: int


def open_answer(data: bytes, wanted: int) -> Reader:
    """Check type and header of an answer; return a reader that stands behind them."""
    reader = Reader(data)
    kind = reader.node()
    reader.take(12)
    status = reader.u32()
    reader.skip_diagnostics()
    for _ in range(reader.count()):
        reader.raw()
    reader.extension()
    if status >> 30:
        raise ServiceFaultError(status)
    if kind != NodeId(0, "i", wanted):
        raise MalformedError("an answer of another type" if kind.name != service_fault else "a fault without a status")
    return reader


def read_answer(reader: Reader, count: int) -> list[Sample]:
    """Return the samples of a read of `count` nodes."""
    _expect(reader, count)
    data_value = reader.data_value
    return [data_value() for _ in range(count)]


def kind_answer(reader: Reader) -> NodeKind:
    """Read what was asked for Value and DataType of one node."""
    _expect(reader, 2)
    form = reader.data[reader.at + 1] if reader.data[reader.at : reader.at + 1] and reader.data[reader.at] & 1 else 0
    _, status, _, _ = reader.data_value()
    data_type = reader.node() if reader.u8() & 1 and reader.u8() == node_id else None
    return NodeKind(status, form & 0x3F, form & 0x80 != 0, data_type)


def write_answer(reader: Reader) -> int:
    """Return the status of one write."""
    _expect(reader, 1)
    return reader.u32()


def browse_answer(reader: Reader, count: int) -> list[Browsed]:
    """Return what `count` nodes have."""
    _expect(reader, count)
    return [_browsed(reader) for _ in range(count)]


def call_answer(reader: Reader) -> tuple[int, list[int], list[object]]:
    """Return the status of one call, one status per argument that is wrong, and the outputs."""
    _expect(reader, 1)
    status = reader.u32()
    arguments = [reader.u32() for _ in range(reader.count())]
    for _ in range(reader.count()):
        reader.skip_diagnostics()
    return status, arguments, [reader.value(variant) for _ in range(reader.count())]


def subscription_answer(reader: Reader) -> Subscription:
    """Return the subscription that was made."""
    number, interval_ms = reader.u32(), float(reader.number(float64))
    reader.u32()
    return Subscription(number, interval_ms, reader.u32())


def monitored_answer(reader: Reader, count: int) -> list[tuple[int, int]]:
    """Return one status per node that was to be monitored, and the samples of it that the server really keeps."""
    _expect(reader, count)
    made = []
    for _ in range(count):
        status = reader.u32()
        reader.take(12)
        made.append((status, reader.u32()))
        reader.extension()
    return made


def publish_answer(reader: Reader) -> tuple[int, Notification]:
    """Return the subscription and its notification."""
    subscription_id = reader.u32()
    reader.take(4 * reader.count() + 1)
    return subscription_id, notification(reader)


def notification(reader: Reader) -> Notification:
    """Read a NotificationMessage, which is also what republishing answers."""
    number = reader.u32()
    reader.take(8)
    samples: list[tuple[int, Sample]] = []
    ended = 0
    for _ in range(reader.count()):
        part = reader.extension()
        inner = Reader(part.body, work=reader.work)
        if part.encoding == _data_change:
            for _ in range(inner.count()):
                handle = inner.u32()
                samples.append((handle, inner.data_value()))
        elif part.encoding == _status_change:
            ended = inner.u32() or bad_unexpected
        reader.work = inner.work
    return Notification(number, samples, ended)


def _browsed(reader: Reader) -> Browsed:
    status, point = reader.u32(), reader.raw()
    references = []
    for _ in range(reader.count()):
        kind, is_forward = reader.node(), reader.u8() != 0
        target, uri, server = reader.expanded_node()
        name = reader.qualified_name()
        reader.localized_text()
        node_class = int(reader.number(int32))
        reader.expanded_node()
        references.append(Reference(kind, is_forward, target, uri is None and server == 0, name, node_class))
    return Browsed(status, point or None, references)


def _expect(reader: Reader, count: int) -> None:
    if reader.count() != count:
        raise MalformedError("as many results as were asked for")
