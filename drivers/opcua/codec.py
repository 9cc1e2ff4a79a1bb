"""What an OPC UA server's values become in a scan; pure, and free of the OPC UA library.

Room: ground, driver `opcua`. Called by `driver.py` for every answer. A sample is (value, status, source time).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any, Final

from drivers.reading import Scan, Status, TagGroup, Value

Sample = tuple[Any, int, datetime | None]
"""Python value as decoded, 32-bit status code, source time."""

epoch: Final = datetime(1970, 1, 1, tzinfo=UTC)
millisecond: Final = timedelta(milliseconds=1)

python_types: Final = MappingProxyType({"bool": bool, "int": int, "float32": float, "float64": float, "text": str})
"""Type of a tag -> Python type of its values."""

overflow_bits: Final = 0x480
"""InfoType DataValue with the Overflow bit: samples were lost before this one (OPC UA Part 4, 7.39.1)."""


def overflowed(status: int) -> bool:
    """Tell whether the server says that it dropped samples of this tag."""
    return status & overflow_bits == overflow_bits


def scan_of(group: TagGroup, types: Sequence[type], samples: Sequence[Sample], read_ms: int) -> Scan:
    """Return the scan of a polled read: one sample per tag, in the group's order."""
    values: list[Value] = [value for value, _, _ in samples]
    statuses = [status for _, status, _ in samples]
    if not any(statuses) and [type(value) for value in values] == types:
        return Scan(group, values, read_ms, None, newest_ms(samples))
    for i, wanted in enumerate(types):
        values[i], statuses[i] = convert(values[i], statuses[i], wanted)
    return Scan(group, values, read_ms, statuses if any(statuses) else None, newest_ms(samples))


def scans_of(group: TagGroup, types: Sequence[type], notified: Sequence[tuple[int, Sample]], read_ms: int) -> list[Scan]:
    """Return the scans of one notification: (place in the group, sample) in the order in which the server gave them.

    The first samples of all tags make the first scan, second samples (a tag that changed twice) the second, and so on,
    so nothing is lost and a tag's own order is kept.
    """
    rounds: list[dict[int, Sample]] = []
    depth: dict[int, int] = {}
    for place, sample in notified:
        at = depth.get(place, 0)
        depth[place] = at + 1
        if at == len(rounds):
            rounds.append({})
        rounds[at][place] = sample
    return [_partial_scan(group, types, samples, read_ms) for samples in rounds]


def convert(value: object, status: int, wanted: type) -> tuple[Value, int]:
    """Return the value in the tag's type, or None with a decoding error where the server sent another type.

    A bad status without a value stays what it is. Numbers may widen (int to float), never narrow. Dates become ISO text.
    """
    if type(value) is wanted:
        return value, status  # type: ignore[return-value]
    if value is None:
        return None, status if status >> 30 else Status.BAD_DECODING_ERROR
    if isinstance(value, int) and not isinstance(value, bool):
        if wanted is float and abs(value) <= 1 << 53:
            return float(value), status
        if wanted is int:
            return int(value), status
    if wanted is float and isinstance(value, float):
        return float(value), status
    if wanted is str:
        if isinstance(value, datetime):
            return value.isoformat(), status
        text = getattr(value, "Text", value)  # LocalizedText
        if isinstance(text, str):
            return str(text), status
    return None, Status.BAD_DECODING_ERROR


def newest_ms(samples: Sequence[Sample]) -> int | None:
    """Return the newest source time among the samples, ms since 1970 UTC."""
    times = [time for _, _, time in samples if time is not None]
    if not times:
        return None
    newest = max(time if time.tzinfo else time.replace(tzinfo=UTC) for time in times)
    return (newest - epoch) // millisecond


def _partial_scan(group: TagGroup, types: Sequence[type], samples: dict[int, Sample], read_ms: int) -> Scan:
    count = len(group.tags)
    values: list[Value] = [None] * count
    statuses, present = [0] * count, [False] * count
    for place, (value, status, _) in samples.items():
        values[place], statuses[place] = convert(value, status, types[place])
        present[place] = True
    bad = statuses if any(statuses) else None
    return Scan(group, values, read_ms, bad, newest_ms(list(samples.values())), None if all(present) else present)
