"""From what a message holds to a tag's value and status; pure, and free of any payload format.

Room: ground, driver `mqtt`. Called by `json_topics.py` and `sparkplug_feed.py` for every value. Knows no clock: times come in.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from drivers.reading import Scan, Status, TagGroup, Value
from drivers.rounds import rounds_of

int_min: Final = -(1 << 63)
int_max: Final = (1 << 64) - 1
"""What an integer may be: signed or unsigned of 64 bits."""
float_exact_max: Final = 1 << 53
"""Integers up to this are exact as a double."""
text_bytes_max: Final = 65_535
time_ms_max: Final = 253_402_300_800_000
"""The year 10000: no source time beyond it is believed."""

order_ms_max: Final = 60_000
"""For how long after a value came older ones are taken for history: beyond, the publisher's clock was put back."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One value as it came, with source time and arrival (wall ms), and `mono_ms` for its age. `fresh` False: it may not be of now."""

    value: Value
    status: int
    source_ms: int | None
    read_ms: int
    mono_ms: int
    fresh: bool = True


Change = tuple[Hashable, Sample]
"""Address of a tag, and its new sample."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """What is known of a message besides its payload.

    `late_after_ms`: an older source time makes a value uncertain. `held`: the broker may have kept the message while we were away,
    so that only a source time can tell that it is of now.
    """

    read_ms: int
    mono_ms: int
    retained: bool
    late_after_ms: int
    held: bool = False

    def sample(self, value: Value, status: int, source_ms: int | None, *, past: bool = False) -> Sample:
        """Return the sample of one value. `past`: its publisher says that it is history."""
        fresh = not self.retained and not past and not (self.held and source_ms is None)
        return Sample(value, self._marked(status, source_ms, fresh=fresh), source_ms, self.read_ms, self.mono_ms, fresh)

    def is_overtaken(self, source_ms: int | None, newest_ms: int | None, newest: Arrival | Sample) -> bool:
        """Tell whether a value of this source time came after one that its publisher measured later (`newest_ms`), and is history.

        It is not when `newest` came too long ago, or says that it was of the future: then the publisher's clock was put back, and what it
        says now counts. Nor is one of before `late_after_ms`: it counts, and is uncertain.
        """
        if source_ms is None or newest_ms is None or source_ms >= newest_ms:
            return False
        is_late, was_ahead = self.read_ms - source_ms > self.late_after_ms, newest_ms - newest.read_ms > self.late_after_ms
        return not is_late and not was_ahead and self.mono_ms - newest.mono_ms <= min(self.late_after_ms, order_ms_max)

    def _marked(self, status: int, source_ms: int | None, *, fresh: bool) -> int:
        """A good value that is not of now, or says that it is of the future, is uncertain."""
        if not is_good(status):
            return status
        if not fresh or (source_ms is not None and self.read_ms - source_ms > self.late_after_ms):
            return Status.UNCERTAIN_LAST_USABLE_VALUE
        if source_ms is not None and source_ms - self.read_ms > self.late_after_ms:
            return Status.UNCERTAIN
        return status


def is_good(status: int) -> bool:
    """Tell whether a status is good, whatever else its lower bits say."""
    return status >> 30 == 0


def fit(value: object, kind: str) -> tuple[Value, int]:
    """Return the value in the tag's type and status 0, or None with the status that says why not.

    Numbers may widen (int to float), never narrow; a bool is no number. None means that the publisher has no value.
    """
    if value is None:
        return None, Status.BAD_NO_DATA
    if isinstance(value, bool):
        return (value, 0) if kind == "bool" else (None, Status.BAD_DECODING_ERROR)
    if isinstance(value, int):
        if kind == "int":
            return (value, 0) if int_min <= value <= int_max else (None, Status.BAD_OUT_OF_RANGE)
        if kind in ("float32", "float64") and abs(value) <= float_exact_max:
            return _float(float(value), kind)
    elif isinstance(value, float):
        if kind in ("float32", "float64"):
            return _float(value, kind)
    elif isinstance(value, str) and kind == "text":
        return _text(value)
    return None, Status.BAD_DECODING_ERROR


def is_time(time_ms: int) -> bool:
    """Tell whether this can be a source time: from 1970 to 9999."""
    return 0 <= time_ms < time_ms_max


def aged(sample: Sample, age_ms_max: int | None, mono_ms: int) -> Sample:
    """Return the sample, or one without a value when it is older than it may be."""
    if age_ms_max is None or mono_ms - sample.mono_ms <= age_ms_max:
        return sample
    return replace(sample, value=None, status=Status.BAD_NO_COMMUNICATION)


def doubted(sample: Sample) -> Sample:
    """Return the sample after messages may have been missed: what was good is uncertain until the next one."""
    return replace(sample, status=Status.UNCERTAIN_NO_COMMUNICATION_LAST_USABLE_VALUE) if is_good(sample.status) else sample


def overtaken(sample: Sample) -> Sample:
    """Return the sample as history: no value of now, and uncertain where it was good."""
    return replace(sample, status=Status.UNCERTAIN_LAST_USABLE_VALUE if is_good(sample.status) else sample.status, fresh=False)


def whole_scan(group: TagGroup, samples: Sequence[Sample], read_ms: int) -> Scan:
    """Return a polled scan of one sample per tag."""
    return partial_scan(group, dict(enumerate(samples)), read_ms)


def partial_scan(group: TagGroup, samples: dict[int, Sample], read_ms: int) -> Scan:
    """Return a scan of the samples at these places of the group. Every reading keeps its own source time."""
    count = len(group.tags)
    values: list[Value] = [None] * count
    statuses, present = [0] * count, [False] * count
    sources: list[int | None] = [None] * count
    for place, sample in samples.items():
        values[place], statuses[place], sources[place], present[place] = sample.value, sample.status, sample.source_ms, True
    times = {sample.source_ms for sample in samples.values()}
    newest = max((time for time in times if time is not None), default=None)
    scan = Scan(group, values, read_ms, statuses if any(statuses) else None, newest, None if all(present) else present)
    if len(times) > 1:
        scan.sources = sources
    return scan


def scans_of(group: TagGroup, changes: Iterable[tuple[int, Sample]], *, past: bool = False) -> list[Scan]:
    """Return the scans of one message: (place in the group, sample) pairs, in order. A tag that is in it twice makes two scans.

    `past`: the message is history.
    """
    scans = [partial_scan(group, samples, max(sample.read_ms for sample in samples.values())) for samples in rounds_of(changes)]
    for scan in scans:
        scan.past = past
    return scans


def _float(value: float, kind: str) -> tuple[Value, int]:
    if kind == "float32" and math.isfinite(value):
        try:
            value = struct.unpack("<f", struct.pack("<f", value))[0]
        except OverflowError:
            return None, Status.BAD_OUT_OF_RANGE
    return value, 0


def _text(value: str) -> tuple[Value, int]:
    try:
        size = len(value.encode("utf-8"))
    except UnicodeEncodeError:  # half of a surrogate pair, which JSON lets through
        return None, Status.BAD_DECODING_ERROR
    return (value, 0) if size <= text_bytes_max else (None, Status.BAD_OUT_OF_RANGE)
