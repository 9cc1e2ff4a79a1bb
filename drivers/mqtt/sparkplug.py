"""Sparkplug B payloads: bytes to metrics, metrics to bytes; pure.

Room: ground, driver `mqtt`. `edge_node.py` reads births and data with it, `sparkplug_feed.py` writes commands. Source of the format:
Eclipse Sparkplug Specification 3.0.0, chapter 6 (payloads) and its protobuf schema. Anything that cannot be is one
SparkplugError. Not read: metadata, data sets, templates, arrays, files; their metrics say BadNotSupported. Why our own:
docs/decisions/0013.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Final

from drivers.mqtt.protobuf import (
    BYTES,
    FIXED32,
    FIXED64,
    VARINT,
    WireError,
    read_fields,
    write_bytes,
    write_fixed,
    write_number,
)
from drivers.reading import Status

metrics_max: Final = 20_000
"""Metrics of one payload; a bound against hostile publishers."""

signed_bits: Final = MappingProxyType({1: 8, 2: 16, 3: 32, 4: 64})
"""Data type -> bits, for Int8, Int16, Int32, Int64."""
unsigned_bits: Final = MappingProxyType({5: 8, 6: 16, 7: 32, 8: 64})
FLOAT: Final = 9
DOUBLE: Final = 10
BOOLEAN: Final = 11
STRING: Final = 12
DATETIME: Final = 13
TEXT: Final = 14
UUID: Final = 15
texts: Final = (STRING, TEXT, UUID)

int_field, long_field, float_field, double_field, bool_field, text_field = 10, 11, 12, 13, 14, 15
"""Numbers of the metric's value fields; 16 to 19 are bytes, data set, template, extension."""

property_wires: Final = MappingProxyType(
    {3: VARINT, 4: VARINT, 5: FIXED32, 6: FIXED64, 7: VARINT, 8: BYTES, 9: BYTES, 10: BYTES, 11: BYTES}
)
"""Numbers of a property's value fields -> their wire types; 3 and 4 are whole numbers. They are one of many: the last that comes counts."""

epoch: Final = datetime(1970, 1, 1, tzinfo=UTC)

Raw = int | float | bool | str | bytes


class SparkplugError(ValueError):
    """This is no Sparkplug B payload that we take."""


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric of a payload. `field` is the number of the value field that was set (0: none), `raw` its content.

    `quality` is the property of that name, when there is one. `timestamp_ms` counts from 1970 UTC.
    """

    name: str | None = None
    alias: int | None = None
    timestamp_ms: int | None = None
    datatype: int = 0
    historical: bool = False
    null: bool = False
    quality: int | None = None
    field: int = 0
    raw: Raw = 0


@dataclass(frozen=True, slots=True)
class Payload:
    """One message's content. `seq` None: it has none, as commands and node deaths do."""

    timestamp_ms: int | None
    metrics: tuple[Metric, ...]
    seq: int | None = None


def decode(data: bytes) -> Payload:
    """Return the payload of a message. Raises SparkplugError, and nothing else, for bytes that are none."""
    timestamp: int | None = None
    seq: int | None = None
    metrics: list[Metric] = []
    try:
        for number, wire, value, content in read_fields(data):
            if (number, wire) == (2, BYTES):
                if len(metrics) == metrics_max:
                    raise SparkplugError(f"more than {metrics_max} metrics")
                metrics.append(_metric(content))
            elif (number, wire) == (1, VARINT):
                timestamp = value
            elif (number, wire) == (3, VARINT):
                seq = value
    except (WireError, UnicodeDecodeError) as error:
        raise SparkplugError(str(error)) from error
    return Payload(timestamp, tuple(metrics), seq)


def encode(payload: Payload) -> bytes:
    """Return the bytes of a payload. Raises ValueError for numbers that the format has no room for."""
    parts = [] if payload.timestamp_ms is None else [write_number(1, payload.timestamp_ms)]
    parts += [write_bytes(2, _encoded(metric)) for metric in payload.metrics]
    if payload.seq is not None:
        parts.append(write_number(3, payload.seq))
    return b"".join(parts)


def value_of(metric: Metric, datatype: int) -> tuple[object, int]:
    """Return a metric's value as data type `datatype` (its own, or the birth's) and a status: not supported, or does not fit.

    Signed integers come as unsigned ones (two's complement), some publishers extend the sign, some use the long field: all are taken.
    """
    if metric.null or not metric.field:
        return None, Status.BAD_NO_DATA
    raw, field = metric.raw, metric.field
    if datatype in signed_bits and field in (int_field, long_field):
        bits = signed_bits[datatype]
        return _signed(int(raw), bits, 32 if field == int_field else 64)
    if datatype in unsigned_bits and field in (int_field, long_field):
        return (int(raw), 0) if int(raw) >> unsigned_bits[datatype] == 0 else (None, Status.BAD_DECODING_ERROR)
    if (datatype, field) in ((FLOAT, float_field), (DOUBLE, double_field), (BOOLEAN, bool_field)):
        return raw, 0
    if datatype in texts and field == text_field:
        return raw, 0
    if datatype == DATETIME and field == long_field:
        return int(raw), 0
    if 0 < datatype <= UUID:
        return None, Status.BAD_DECODING_ERROR
    return None, Status.BAD_NOT_SUPPORTED


def metric_with(name: str, alias: int | None, datatype: int, value: float | str, timestamp_ms: int) -> Metric:
    """Return a metric that carries the value in its data type. Raises ValueError when it does not fit, or the type is not supported."""
    field, raw = _raw(datatype, value)
    return Metric(name, alias, timestamp_ms, datatype, field=field, raw=raw)


def iso_text(time_ms: int) -> str:
    """Return a DateTime as ISO text. Raises ValueError beyond the year 9999."""
    try:
        return (epoch + timedelta(milliseconds=time_ms)).isoformat()
    except OverflowError as error:
        raise ValueError(f"{time_ms} is no time") from error


def _metric(data: bytes) -> Metric:
    name: str | None = None
    alias: int | None = None
    timestamp: int | None = None
    datatype = field = 0
    historical = null = False
    raw: Raw = 0
    properties = b""
    for number, wire, value, content in read_fields(data):
        if wire == VARINT:
            if number == 2:
                alias = value
            elif number == 3:
                timestamp = value
            elif number == 4:
                datatype = value & 0xFFFFFFFF
            elif number == 5:
                historical = bool(value)
            elif number == 7:
                null = bool(value)
            elif number == int_field:
                field, raw = number, value & 0xFFFFFFFF
            elif number == long_field:
                field, raw = number, value
            elif number == bool_field:
                field, raw = number, bool(value)
        elif wire == BYTES:
            if number == 1:
                name = content.decode("utf-8")
            elif number == 9:
                properties += content  # the parts of a message that comes twice are one message
            elif number == text_field:
                field, raw = number, content.decode("utf-8")
            elif number in (16, 17, 18, 19):
                field, raw = number, b""
        elif (number, wire) == (float_field, FIXED32):
            field, raw = number, struct.unpack("<f", content)[0]
        elif (number, wire) == (double_field, FIXED64):
            field, raw = number, struct.unpack("<d", content)[0]
    return Metric(name, alias, timestamp, datatype, historical, null, _quality(properties), field, raw)


def _quality(properties: bytes) -> int | None:
    """Return the property "Quality" of a metric (Int32: 0 bad, 192 good, 500 stale; specification 6.4.8), None without one."""
    keys: list[bytes] = []
    values: list[bytes] = []
    for number, wire, _, content in read_fields(properties):
        if wire == BYTES and number in (1, 2):
            (keys if number == 1 else values).append(content)
    for key, value in zip(keys, values, strict=False):
        if key == b"Quality":
            found = [(number, v) for number, wire, v, _ in read_fields(value) if property_wires.get(number) == wire]
            number, last = found[-1] if found else (0, 0)
            return last & 0xFFFFFFFF if number in (3, 4) else None
    return None


def _signed(raw: int, bits: int, width: int) -> tuple[object, int]:
    rest = raw >> bits
    if rest not in (0, (1 << (width - bits)) - 1 if width > bits else 0):
        return None, Status.BAD_DECODING_ERROR
    low = raw & ((1 << bits) - 1)
    value = low - (1 << bits) if low >> (bits - 1) else low
    if rest and value >= 0:
        return None, Status.BAD_DECODING_ERROR
    return value, 0


def _raw(datatype: int, value: float | str) -> tuple[int, Raw]:
    if datatype in texts and isinstance(value, str):
        return text_field, value
    if isinstance(value, bool):
        if datatype == BOOLEAN:
            return bool_field, value
    elif isinstance(value, int) and (datatype in signed_bits or datatype in unsigned_bits or datatype == DATETIME):
        bits = signed_bits.get(datatype) or unsigned_bits.get(datatype, 64)
        low = -(1 << bits - 1) if datatype in signed_bits else 0
        if low <= value < low + (1 << bits):
            return (int_field if bits <= 32 else long_field), value & ((1 << bits) - 1)
    elif isinstance(value, int | float) and datatype in (FLOAT, DOUBLE):
        return (float_field if datatype == FLOAT else double_field), float(value)
    raise ValueError(f"{value!r} is no value of data type {datatype}")


def _encoded(metric: Metric) -> bytes:
    parts: list[bytes] = []
    if metric.name is not None:
        parts.append(write_bytes(1, metric.name.encode("utf-8")))
    numbers: Iterable[tuple[int, int | None]] = (
        (2, metric.alias),
        (3, metric.timestamp_ms),
        (4, metric.datatype or None),
        (5, 1 if metric.historical else None),
        (7, 1 if metric.null else None),
    )
    parts += [write_number(number, value) for number, value in numbers if value is not None]
    if metric.quality is not None:
        value = write_number(1, 3) + write_number(3, metric.quality)
        parts.append(write_bytes(9, write_bytes(1, b"Quality") + write_bytes(2, value)))
    parts.append(_encoded_value(metric))
    return b"".join(parts)


def _encoded_value(metric: Metric) -> bytes:
    field, raw = metric.field, metric.raw
    if field in (int_field, long_field, bool_field):
        return write_number(field, int(raw))
    if field == float_field:
        try:
            return write_fixed(field, struct.pack("<f", raw))
        except OverflowError as error:
            raise ValueError(f"{raw!r} is no Float") from error
    if field == double_field:
        return write_fixed(field, struct.pack("<d", raw))
    if isinstance(raw, str):
        return write_bytes(field, raw.encode("utf-8"))
    return b""
