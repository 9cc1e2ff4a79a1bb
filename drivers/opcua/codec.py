"""What an OPC UA server's values become in a scan; pure.

Room: ground, driver `opcua`. Called by `driver.py` and `stream.py` for every answer. A sample is (value, status, source time, server time).
"""

from __future__ import annotations

from collections.abc import Sequence
from types import MappingProxyType
from typing import Any, Final

from drivers.opcua.binary import Array, Extension, Moment, TooLarge
from drivers.opcua.nodes import Step
from drivers.reading import Scan, Status, TagGroup, Value
from drivers.rounds import rounds_of

Sample = tuple[Any, int, int | None, int | None]
"""Value as decoded, 32-bit status code, source and server time in ms since 1970 UTC."""

python_types: Final = MappingProxyType({"bool": bool, "int": int, "float32": float, "float64": float, "text": str})
"""Type of a tag -> Python type of its values."""

overflow_bits: Final = 0x480
"""InfoType DataValue with the Overflow bit: samples were lost before this one (OPC UA Part 4, 7.39.1)."""
bad_encoding_limits: Final = 0x80080000
bad_no_element: Final = 0x80370000
"""BadIndexRangeNoData: the value has no such element or field."""


def overflowed(status: int) -> bool:
    """Tell whether the server says that it dropped samples of this tag."""
    return status & overflow_bits == overflow_bits


def scan_of(group: TagGroup, types: Sequence[type], samples: Sequence[Sample], read_ms: int) -> Scan:
    """Return the scan of a polled read: one sample per tag, in the group's order."""
    values: list[Value] = [sample[0] for sample in samples]
    statuses = [sample[1] for sample in samples]
    if any(statuses) or [type(value) for value in values] != types:
        for i, wanted in enumerate(types):
            values[i], statuses[i] = convert(values[i], statuses[i], wanted)
    scan = Scan(group, values, read_ms, statuses if any(statuses) else None)
    _give_times(scan, [sample[2] for sample in samples], [sample[3] for sample in samples])
    return scan


def scans_of(group: TagGroup, types: Sequence[type], notified: Sequence[tuple[int, Sample]], read_ms: int) -> list[Scan]:
    """Return the scans of one notification: (place in the group, sample) in the server's order. A tag that changed twice makes two."""
    return [_partial_scan(group, types, samples, read_ms) for samples in rounds_of(notified)]


def pick(sample: Sample, part: Sequence[Step]) -> Sample:
    """Return the sample of an element or field of a sample's value. A structure must have been decoded (a dict)."""
    value, status, source_ms, server_ms = sample
    if not part or value is None or isinstance(value, TooLarge):
        return sample
    for step in part:
        if isinstance(step, str):
            value = value.get(step) if isinstance(value, dict) else None
        else:
            value = _element(value, step)
        if value is None:
            return None, status if status >> 30 else bad_no_element, source_ms, server_ms
    return value, status, source_ms, server_ms


def convert(value: object, status: int, wanted: type) -> tuple[Value, int]:
    """Return the value in the tag's type, or None with a decoding error where the server sent another type.

    A bad status without a value stays what it is. Numbers may widen (int to float), never narrow. Dates become ISO text.
    """
    if type(value) is wanted:
        return value, status  # type: ignore[return-value]
    if value is None:
        return None, status if status >> 30 else Status.BAD_DECODING_ERROR
    if isinstance(value, int) and not isinstance(value, bool) and wanted is float and abs(value) <= 1 << 53:
        return float(value), status
    if wanted is str and isinstance(value, Moment):
        return value.text(), status
    return None, bad_encoding_limits if isinstance(value, TooLarge) else Status.BAD_DECODING_ERROR


def structures_in(value: object) -> list[Extension]:
    """Return the structured values that are in a value and not decoded yet."""
    if isinstance(value, Extension):
        return [value]
    return [element for element in value.elements if isinstance(element, Extension)] if isinstance(value, Array) else []


def _element(value: object, index: tuple[int, ...]) -> Any:
    """Return an element of an array, by one index per dimension, or None."""
    if not isinstance(value, Array) or len(index) != len(value.lengths):
        return None
    at = 0
    for i, length in zip(index, value.lengths, strict=True):
        if i >= length:
            return None
        at = at * length + i
    return value.elements[at]


def _partial_scan(group: TagGroup, types: Sequence[type], samples: dict[int, Sample], read_ms: int) -> Scan:
    count = len(group.tags)
    values: list[Value] = [None] * count
    statuses, present = [0] * count, [False] * count
    source: list[int | None] = [None] * count
    for place, (value, status, source_ms, _) in samples.items():
        values[place], statuses[place] = convert(value, status, types[place])
        present[place], source[place] = True, source_ms
    scan = Scan(group, values, read_ms, statuses if any(statuses) else None, present=None if all(present) else present)
    _give_times(scan, source, [sample[3] for sample in samples.values()], [sample[2] for sample in samples.values()])
    return scan


def _give_times(scan: Scan, source: list[int | None], server: list[int | None], known: list[int | None] | None = None) -> None:
    """Set a scan's times: one source time when all that are in it have the same, else one per tag. `known`: of those that are in it."""
    times = set(source if known is None else known)
    if len(times) > 1:
        scan.sources = source
    scan.source_ms = max((time for time in times if time is not None), default=None)
    scan.server_ms = max((time for time in server if time is not None), default=None)
