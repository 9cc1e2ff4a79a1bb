"""OPC UA's binary encoding, as much of it as the driver needs, with bounds that a hostile server cannot pass. Pure.

Room: ground, driver `opcua`. `answers.py` reads with it, `requests.py` and `writing.py` write with it. Source: OPC UA Part 6, 5.2.
Why not the library's own decoder, and what it is held against: docs/decisions/0010.

Values come as plain Python: numbers, bool, str (also of LocalizedText, QualifiedName, Guid, NodeId, XmlElement), bytes, `Moment`,
`Array`, `Extension`, None. What is larger than a tag may be (`array_max`, `text_size_max`) is stepped over and comes as `too_large`.
"""

from __future__ import annotations

import struct
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from drivers.opcua.nodes import NodeId, node_text

array_max: Final = 65_536
"""Elements of one array."""
text_size_max: Final = 65_535
"""Bytes of one text."""
work_max: Final = 300_000
"""Elements looked at one by one in one message: bounds the time that decoding it takes."""
depth_max: Final = 16
unix_ticks: Final = 116_444_736_000_000_000
"""1970 in 100 ns steps since 1601 (OPC UA's DateTime)."""
ticks_per_ms: Final = 10_000
ticks_max: Final = 2_650_467_743_990_000_000
"""The last second of the year 9999."""

boolean, sbyte, byte, int16, uint16, int32, uint32, int64, uint64, float32, float64, string, date_time = range(1, 14)
guid, byte_string, xml_element, node_id, expanded_node_id, status_code, qualified_name, localized_text, extension_object = range(14, 23)
data_value, variant, diagnostic_info = range(23, 26)

number_formats: Final = MappingProxyType(
    {boolean: "?", sbyte: "b", byte: "B", int16: "h", uint16: "H", int32: "i", uint32: "I", int64: "q", uint64: "Q"}
    | {float32: "f", float64: "d", status_code: "I"}
)
"""Built-in types of fixed size that are numbers -> struct's letter for them."""
_numbers: Final = MappingProxyType({kind: struct.Struct("<" + letter) for kind, letter in number_formats.items()})
_u16, _u32, _i32 = (struct.Struct(form) for form in ("<H", "<I", "<i"))
_shapes: Final = MappingProxyType(
    {
        bytes((5 | 2 * status | 8 * server, kind)): (struct.Struct("<xx" + letter + "I" * status + "q" + "q" * server), status, server)
        for kind, letter in number_formats.items()
        for status in (0, 1)
        for server in (0, 1)
    }
)
"""First two bytes of a DataValue that is a number with a source time -> its layout, whether it has a status, whether a server time."""


class MalformedError(ValueError):
    """Bytes that are no OPC UA, or more of them than is taken."""


class TooLarge:
    """Stands for a value that is larger than a tag may be."""


too_large: Final = TooLarge()


class Moment(NamedTuple):
    """A DateTime: 100 ns steps since 1601 UTC."""

    ticks: int

    def text(self) -> str:
        """ISO 8601 in UTC; the ends of the scale are the years 1601 and 9999."""
        ms = (min(max(self.ticks, 0), ticks_max) - unix_ticks) // ticks_per_ms
        return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=ms)).isoformat()


class Array(NamedTuple):
    """Elements in row-major order, and the length of each dimension."""

    elements: tuple[Any, ...]
    lengths: tuple[int, ...]


class Extension(NamedTuple):
    """A structured value that is not decoded yet: the node id of its encoding, and its bytes."""

    encoding: NodeId
    body: bytes


class Reader:
    """A place in a message, and how much work may still be spent on it. Every method raises MalformedError."""

    __slots__ = ("at", "data", "end", "work")

    def __init__(self, data: bytes, at: int = 0, work: int = work_max) -> None:
        """Start at `at`."""
        self.data, self.at, self.end, self.work = data, at, len(data), work

    def take(self, size: int) -> bytes:
        """Return the next `size` bytes."""
        at = self.at
        if size < 0 or at + size > self.end:
            raise MalformedError("the message ends too early")
        self.at = at + size
        return self.data[at : self.at]

    def number(self, kind: int) -> Any:
        """Return a number of a built-in type."""
        form = _numbers[kind]
        at = self.at
        if at + form.size > self.end:
            raise MalformedError("the message ends too early")
        self.at = at + form.size
        return form.unpack_from(self.data, at)[0]

    def u8(self) -> int:
        """Return a byte."""
        if self.at >= self.end:
            raise MalformedError("the message ends too early")
        self.at += 1
        return self.data[self.at - 1]

    def u32(self) -> int:
        """Return a UInt32."""
        return int(self.number(uint32))

    def count(self) -> int:
        """Return an array's length (null counts as 0) and charge the work of its elements. No element is smaller than nothing."""
        length = int(self.number(int32))
        length = max(length, 0)
        self.work -= length
        if self.work < 0:
            raise MalformedError("too many elements")
        return length

    def raw(self) -> bytes | None:
        """Return a ByteString."""
        length = self.number(int32)
        return None if length < 0 else self.take(length)

    def text(self) -> str | None:
        """Return a String; bytes that are no UTF-8 become U+FFFD."""
        found = self.raw()
        return None if found is None else found.decode("utf-8", "replace")

    def node(self) -> NodeId:
        """Return a NodeId."""
        return self._node(self.u8())

    def expanded_node(self) -> tuple[NodeId, str | None, int]:
        """Return an ExpandedNodeId: node, namespace URI, server index."""
        form = self.u8()
        found = self._node(form & 0x3F)
        uri = self.text() if form & 0x80 else None
        return found, uri, self.u32() if form & 0x40 else 0

    def qualified_name(self) -> tuple[int, str]:
        """Return a QualifiedName: namespace index, name."""
        return int(self.number(uint16)), self.text() or ""

    def localized_text(self) -> str | None:
        """Return a LocalizedText's text."""
        mask = self.u8()
        if mask & 1:
            self.raw()
        return self.text() if mask & 2 else None

    def extension(self) -> Extension:
        """Return an ExtensionObject; only a binary body is kept."""
        encoding, form = self.node(), self.u8()
        body = self.raw() if form in (1, 2) else b""
        return Extension(encoding, (body or b"") if form == 1 else b"")

    def skip_diagnostics(self, depth: int = 0) -> None:
        """Step over a DiagnosticInfo."""
        mask = self.u8()
        if depth > depth_max:
            raise MalformedError("nested too deeply")
        self.take(4 * (mask & 0x0F).bit_count())
        if mask & 0x10:
            self.raw()
        if mask & 0x20:
            self.take(4)
        if mask & 0x40:
            self.skip_diagnostics(depth + 1)

    def variant(self, depth: int = 0) -> Any:
        """Return a Variant's value."""
        form = self.u8()
        kind = form & 0x3F
        if form < 0x40:
            return None if kind == 0 else self.value(kind, depth)
        if not form & 0x80:
            raise MalformedError("dimensions without an array")
        elements = self.array(kind, depth)
        lengths: tuple[int, ...] = () if elements is None or elements is too_large else (len(elements),)
        if form & 0x40:
            given = self.array(int32, depth)
            if lengths and isinstance(given, tuple) and 0 < len(given) <= depth_max and _product(given) == lengths[0]:
                lengths = given
        return elements if elements is None or elements is too_large else Array(elements, lengths)

    def array(self, kind: int, depth: int = 0) -> Any:
        """Return an array's elements as a tuple, None for null, `too_large` for one that is stepped over."""
        length = int(self.number(int32))
        if length < 0:
            return None
        form = number_formats.get(kind)
        if form is not None:
            at, size = self.at, _numbers[kind].size * length
            self.at += size
            if self.at > self.end:
                raise MalformedError("the message ends too early")
            return too_large if length > array_max else struct.unpack_from(f"<{length}{form}", self.data, at)
        self.work -= length
        if kind == 0 or self.work < 0:
            raise MalformedError("too many elements")
        if length > array_max:
            for _ in range(length):
                self.value(kind, depth)
            return too_large
        elements = tuple([self.value(kind, depth) for _ in range(length)])
        return too_large if too_large in elements else elements

    def value(self, kind: int, depth: int = 0) -> Any:
        """Return one value of a built-in type (OPC UA Part 6, 5.1.2, table 1)."""
        form = _numbers.get(kind)
        if form is not None:
            at = self.at
            if at + form.size > self.end:
                raise MalformedError("the message ends too early")
            self.at = at + form.size
            return form.unpack_from(self.data, at)[0]
        if depth > depth_max:
            raise MalformedError("nested too deeply")
        read = _readers.get(kind)
        if read is None:
            raise MalformedError(f"no built-in type {kind}")
        return read(self, depth)

    def data_value(self, depth: int = 0) -> tuple[Any, int, int | None, int | None]:
        """Return a DataValue: value, status, source and server time in ms since 1970 (None where there is none)."""
        at = self.at
        shape = _shapes.get(self.data[at : at + 2])
        if shape is not None and at + shape[0].size <= self.end:  # a number with source time: by far the most
            self.at = at + shape[0].size
            found = shape[0].unpack_from(self.data, at)
            return found[0], found[1] if shape[1] else 0, _ms(found[-1 - shape[2]]), _ms(found[-1]) if shape[2] else None
        mask = self.u8()
        value = self.variant(depth) if mask & 0x01 else None
        status = self.u32() if mask & 0x02 else 0
        source_ms = self._time() if mask & 0x04 else None
        if mask & 0x10:
            self.take(2)
        server_ms = self._time() if mask & 0x08 else None
        if mask & 0x20:
            self.take(2)
        return value, status, source_ms, server_ms

    def _time(self) -> int | None:
        return _ms(self.number(int64))

    def _node(self, form: int) -> NodeId:
        if form == 0:
            return NodeId(0, "i", self.u8())
        if form == 1:
            space = self.u8()
            return NodeId(space, "i", int(self.number(uint16)))
        if form > 5:
            raise MalformedError(f"no node id of form {form}")
        space = int(self.number(uint16))
        if form == 2:
            return NodeId(space, "i", self.u32())
        if form == 4:
            return NodeId(space, "g", uuid.UUID(bytes_le=self.take(16)).bytes)
        found = self.raw() or b""
        return NodeId(space, "s", found.decode("utf-8", "replace")) if form == 3 else NodeId(space, "b", found)


def _ms(ticks: int) -> int | None:
    """The ends of the scale mean that there is no time (OPC UA Part 6, 5.2.2.5)."""
    return (ticks - unix_ticks) // ticks_per_ms if 0 < ticks < ticks_max else None


def _product(lengths: tuple[int, ...]) -> int:
    product = 1
    for length in lengths:
        if length < 0 or product > array_max:
            return -1
        product *= length
    return product


def _bounded_text(reader: Reader, _: int = 0) -> Any:
    found = reader.raw()
    if found is None or len(found) > text_size_max:
        return None if found is None else too_large
    text = found.decode("utf-8", "replace")
    return too_large if len(text) > text_size_max // 4 and len(text.encode()) > text_size_max else text  # U+FFFD are three bytes each


def _bounded_raw(reader: Reader, _: int = 0) -> Any:
    found = reader.raw()
    return too_large if found is not None and len(found) > text_size_max else found


def _localized(reader: Reader, _: int = 0) -> Any:
    found = reader.localized_text()
    return too_large if found is not None and len(found) > text_size_max // 4 and len(found.encode()) > text_size_max else found


def _diagnostics(reader: Reader, depth: int) -> None:
    reader.skip_diagnostics(depth)


_readers: Final[MappingProxyType[int, Callable[[Reader, int], Any]]] = MappingProxyType(
    {
        string: _bounded_text,
        date_time: lambda reader, _: Moment(reader.number(int64)),
        guid: lambda reader, _: str(uuid.UUID(bytes_le=reader.take(16))),
        byte_string: _bounded_raw,
        xml_element: _bounded_text,
        node_id: lambda reader, _: node_text(reader.node()),
        expanded_node_id: lambda reader, _: node_text(reader.expanded_node()[0]),
        qualified_name: lambda reader, _: reader.qualified_name()[1],
        localized_text: _localized,
        extension_object: lambda reader, _: reader.extension(),
        data_value: lambda reader, depth: reader.data_value(depth + 1)[0],
        variant: lambda reader, depth: reader.variant(depth + 1),
        diagnostic_info: _diagnostics,
    }
)


def put_text(text: str | None) -> bytes:
    """Encode a String."""
    return put_raw(None if text is None else text.encode())


def put_raw(data: bytes | None) -> bytes:
    """Encode a ByteString."""
    return b"\xff\xff\xff\xff" if data is None else _i32.pack(len(data)) + data


def put_node(node: NodeId) -> bytes:
    """Encode a NodeId."""
    if isinstance(node.name, int):
        if node.namespace == 0 and node.name < 256:
            return bytes((0, node.name))
        return b"\x02" + _u16.pack(node.namespace) + _u32.pack(node.name)
    if isinstance(node.name, str):
        return b"\x03" + _u16.pack(node.namespace) + put_text(node.name)
    if node.kind == "g":
        return b"\x04" + _u16.pack(node.namespace) + uuid.UUID(bytes=node.name).bytes_le
    return b"\x05" + _u16.pack(node.namespace) + put_raw(node.name)


def put_number(kind: int, value: float) -> bytes:
    """Encode a number of a built-in type. Raises struct.error when it does not fit."""
    return _numbers[kind].pack(value)
