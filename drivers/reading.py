"""The nouns of the field: quality, tag, tag group, scan, reading.

Room: ground. Every driver makes scans; the runtime, and nobody else, takes them. Nothing here knows a protocol,
a file, a clock or an event loop.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import IntEnum
from types import MappingProxyType
from typing import Final

type_names: Final = ("bool", "int", "float32", "float64", "text")
"""What a tag's value may be once decoded: `Tag.type` is one of these."""

Value = bool | int | float | str | None
"""One decoded value. None means that nothing usable was read (its status says why)."""


class Quality(IntEnum):
    """The three qualities of the OPC family; the severity bits (31..30) of a status code."""

    GOOD = 0
    UNCERTAIN = 1
    BAD = 2


class Status(IntEnum):
    """OPC UA status codes that Witnessmark itself gives (OPC UA Part 6, StatusCode). A server's own code is kept as it came."""

    GOOD = 0x00000000
    UNCERTAIN = 0x40000000
    UNCERTAIN_NO_COMMUNICATION_LAST_USABLE_VALUE = 0x408F0000
    UNCERTAIN_LAST_USABLE_VALUE = 0x40900000
    UNCERTAIN_ENGINEERING_UNITS_EXCEEDED = 0x40940000
    UNCERTAIN_SENSOR_CALIBRATION = 0x420A0000
    BAD = 0x80000000
    BAD_COMMUNICATION_ERROR = 0x80050000
    BAD_DECODING_ERROR = 0x80070000
    BAD_TIMEOUT = 0x800A0000
    BAD_NOT_CONNECTED = 0x808A0000
    BAD_DEVICE_FAILURE = 0x808B0000
    BAD_NO_COMMUNICATION = 0x80310000
    BAD_OUT_OF_RANGE = 0x803C0000
    BAD_CONFIGURATION_ERROR = 0x80890000
    BAD_WAITING_FOR_INITIAL_DATA = 0x80320000
    BAD_NOT_SUPPORTED = 0x803D0000
    BAD_USER_ACCESS_DENIED = 0x801F0000
    BAD_NO_DATA = 0x809B0000


server_status_names: Final[Mapping[int, str]] = MappingProxyType(
    {
        0x40910000: "UncertainSubstituteValue",
        0x40920000: "UncertainInitialValue",
        0x40930000: "UncertainSensorNotAccurate",
        0x40950000: "UncertainSubNormal",
        0x80010000: "BadUnexpectedError",
        0x80020000: "BadInternalError",
        0x80040000: "BadResourceUnavailable",
        0x800D0000: "BadServerNotConnected",
        0x80330000: "BadNodeIdInvalid",
        0x80340000: "BadNodeIdUnknown",
        0x80350000: "BadAttributeIdInvalid",
        0x80360000: "BadIndexRangeInvalid",
        0x80370000: "BadIndexRangeNoData",
        0x80380000: "BadDataEncodingInvalid",
        0x80390000: "BadDataEncodingUnsupported",
        0x803A0000: "BadNotReadable",
        0x803B0000: "BadNotWritable",
        0x80730000: "BadWriteNotSupported",
        0x80740000: "BadTypeMismatch",
        0x808C0000: "BadSensorFailure",
        0x808D0000: "BadOutOfService",
    }
)
"""Status codes that OPC UA servers give and Witnessmark never does of its own accord, with their names (OPC UA Part 6, StatusCode)."""


def quality_of(status: int) -> Quality:
    """Return the quality that a 32-bit OPC UA status code stands for (severity bits; 0b11 counts as bad)."""
    severity = (status >> 30) & 3
    return Quality(severity) if severity < 2 else Quality.BAD


def status_name(status: int) -> str:
    """Return a status code as OPC UA names it, such as `BadNoData`; one that has no name here, as its number in hexadecimal."""
    try:
        return Status(status).name.title().replace("_", "")
    except ValueError:
        return server_status_names.get(status, f"0x{status:08X}")


@dataclass(frozen=True, slots=True)
class Tag:
    """One named point on a device.

    `uid` is assigned once by the runtime, never reused, and survives rename and re-import. `address` is the driver's
    own frozen address object (a protocol term, so it stays inside the driver). `exponent` is the power of ten of a
    decimal value (21.5 read as 215 has exponent -1) or None when unknown. `unit` is a UCUM-style text, may be empty.
    """

    uid: int
    name: str
    device: str
    type: str
    unit: str
    address: object
    exponent: int | None = None
    writable: bool = False
    source: str = ""
    calibration: str = ""


@dataclass(frozen=True, slots=True)
class TagGroup:
    """Tags of one device that are read together at one period. Columns of a scan stand in the order of `tags`."""

    uid: int
    device: str
    name: str
    period_ms: int
    tags: tuple[Tag, ...]
    mode: str = "poll"
    """`poll` or `subscribe` (the driver pushes scans)."""


@dataclass(slots=True)
class Scan:
    """What one read of one tag group gave: the unit of flow on the hot path.

    `values` and `statuses` run parallel to `group.tags`; `statuses` None means that all are good. `present` None means
    that every tag is in this scan; otherwise it is a parallel list, False where a tag brought nothing (a subscription's
    unchanged tags, or one that a report rule held back). `read_ms` is wall time of the gateway in ms since 1970 UTC,
    `source_ms` the device's own time stamp when it gives one, the newest where tags have different ones; then `sources` is a
    parallel list of each tag's own. `server_ms` is when a server in between (OPC UA) had the values. `cause` is a message code
    when the poll failed as a whole.
    `past`: a pushed scan of before what its tags have now. It is recorded, and no tag's newest value; who pushes it
    gives the newest of its tags once more behind the last of several, not past, so that the ledger has them in this order too.
    """

    group: TagGroup
    values: list[Value]
    read_ms: int
    statuses: list[int] | None = None
    source_ms: int | None = None
    present: list[bool] | None = None
    cause: str | None = None
    sources: list[int | None] | None = None
    server_ms: int | None = None
    past: bool = False

    def readings(self) -> Iterator[Reading]:
        """Yield the readings that are present in this scan, in column order."""
        for i, tag in enumerate(self.group.tags):
            if self.present is None or self.present[i]:
                source_ms = self.source_ms if self.sources is None else self.sources[i]
                yield Reading(tag, self.values[i], self.statuses[i] if self.statuses else 0, source_ms, self.read_ms)


@dataclass(frozen=True, slots=True)
class Reading:
    """One tag's value, status and times: the view of one element of a scan. Times are ms since 1970 UTC."""

    tag: Tag
    value: Value
    status: int
    source_ms: int | None
    read_ms: int

    @property
    def quality(self) -> Quality:
        """Good, uncertain or bad."""
        return quality_of(self.status)


def failed_scan(group: TagGroup, read_ms: int, status: int, cause: str) -> Scan:
    """Return the scan of a poll that failed as a whole: no values, one bad status for all, and the cause."""
    n = len(group.tags)
    return Scan(group, [None] * n, read_ms, [int(status)] * n, cause=cause)


def nothing_new(group: TagGroup, read_ms: int) -> Scan:
    """Return the scan of a subscription that is alive and brought no value."""
    n = len(group.tags)
    return Scan(group, [None] * n, read_ms, present=[False] * n)
