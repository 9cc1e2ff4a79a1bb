"""Clocks of devices: packed times become ISO text or milliseconds in UTC, and back.

Room: ground, driver `modbus`; pure. `expressions.py` takes the terms of a tag that holds a time, `time_writes.py` writes one. Neither
ever asks what time it is. A time that no calendar has, or that the zone's clocks skip, is None: never a wrong moment.

The minute is taken apart from the seconds, and what a minute is in UTC is worked out once for each of the last minutes seen, so
that calendar and zone cost nothing while a clock ticks.

Sources: CP56Time2a of IEC 60870-5-4, 6.8 (its most significant byte first is the four-register form of power meters); DATE_AND_TIME of
Siemens S7 (eight BCD bytes, the weekday in the last digit); SunSpec seconds since 2000-01-01 UTC.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, Final

from drivers.modbus.address import Address, TimeForm

Shown = tuple[datetime, int]
"""The minute that a device's clock shows, without a zone, and the fold of an hour that the clock shows twice."""

_epoch: Final = datetime(1970, 1, 1)
_minutes_kept: Final = 16
_millisecond: Final = timedelta(milliseconds=1)
no_digits: Final = 10**17
of_bcd: Final = tuple((n >> 4) * 10 + (n & 15) if n >> 4 < 10 and n & 15 < 10 else no_digits for n in range(256))
"""A byte of two BCD digits -> its number; other bytes: more than any digits that are put together can give."""

epochs: Final = {
    "unix_s32": (0, 1000, "I"),
    "unix_s64": (0, 1000, "q"),
    "unix_ms64": (0, 1, "q"),
    "sunspec_s32": (10_957 * 1440, 1000, "I"),
}
"""Data type -> the minute since 1970 that 0 stands for, milliseconds of one step, struct code."""

_seconds: Final = {
    (False, False): tuple(f"{n:02}Z" for n in range(60)),
    (False, True): tuple(f"{n:02}." for n in range(60)),
    (True, False): range(0, 60_000, 1000),
    (True, True): range(0, 60_000, 1000),
}
"""(as milliseconds, with thousandths) -> what is added to the start of the minute for each second; an index beyond is no time."""
_thousandths: Final = {False: tuple(f"{n:03}Z" for n in range(1000)), True: range(1000)}


@dataclass(frozen=True, slots=True)
class TimeTerms:
    """A time as expressions: `start` of its minute (None: no minute), `doubt` that the rest is no time, `value`, which adds it to `v`."""

    start: str
    doubt: str
    value: str
    names: dict[str, Any]


def time_codes(address: Address) -> tuple[str, int]:
    """Return the struct codes of the cells that `time_terms` takes, and how many cells they give."""
    if address.kind in epochs:
        return epochs[address.kind][2], 1
    if address.kind in ("cp56", "s7_datetime"):
        return ("6sH", 2) if address.kind == "cp56" else ("5sBBB", 4)
    runs = _runs(address)
    return "".join(code for _, code in runs), sum("x" not in code for _, code in runs)


def time_terms(address: Address, cells: Sequence[str], tag: int) -> TimeTerms:
    """Return the expressions of one tag's time over its cells; `tag` makes its names its own."""
    form, kind, with_ms = address.time, address.kind, counts_ms(address)
    start, second, thousandth = f"start{tag}", f"seconds_{form.as_ms:d}{with_ms:d}", f"thousandths_{form.as_ms:d}"
    names: dict[str, Any] = {second: _seconds[form.as_ms, with_ms], thousandth: _thousandths[form.as_ms], "of_bcd": of_bcd}
    first = cells[0]
    if kind in epochs:
        zero, step_ms, _ = epochs[kind]
        names[start] = _starts(lambda minute: (_epoch + timedelta(minutes=minute + zero), 0), form)
        if step_ms == 1:
            value = f"v + {second}[{first} // 1000 % 60] + {thousandth}[{first} % 1000]"
            return TimeTerms(f"{start}({first} // 60000)", "", value, names)
        return TimeTerms(f"{start}({first} // 60)", "", f"v + {second}[{first} % 60]", names)
    if kind == "cp56":
        names[start] = _starts(_minute_of_cp56, form)
        value = f"v + {second}[{cells[1]} // 1000] + {thousandth}[{cells[1]} % 1000]"
        return TimeTerms(f"{start}({first})", f"{cells[1]} > 59999", value, names)
    if kind == "s7_datetime":
        names[start] = _starts(_minute_of_s7, form)
        doubt = f"of_bcd[{cells[1]}] > 59 or of_bcd[{cells[2]}] > 99 or {cells[3]} >= 160"
        value = f"v + {second}[of_bcd[{cells[1]}]] + {thousandth}[of_bcd[{cells[2]}] * 10 + ({cells[3]} >> 4)]"
        return TimeTerms(f"{start}({first})", doubt, value, names)
    names[start] = _starts(_minute_of_parts(address), form)
    letters = [letter for letter, code in _runs(address) if "x" not in code]
    key = " + ".join(cell for cell, letter in zip(cells, letters, strict=True) if letter not in "su")
    seconds = cells[letters.index("s")] if "s" in letters else "0"
    seconds = f"of_bcd[{seconds}]" if kind == "datetime_bcd" else seconds
    doubt, value = f"{seconds} > 59", f"v + {second}[{seconds}]"
    if "u" in letters:
        ms = cells[letters.index("u")]
        doubt, value = f"{doubt} or {ms} > 999", f"{value} + {thousandth}[{ms}]"
    return TimeTerms(f"{start}({key})", doubt, value, names)


def _runs(address: Address) -> list[tuple[str, str]]:
    """Return the parts of a clock with their struct codes: seconds and ms as numbers, the minute's parts as bytes, the rest passed over."""
    letters, (size, number) = address.time.parts, (2, "H") if address.kind == "datetime_registers" else (1, "B")
    runs = []
    for found in re.finditer(r"[YMDhm]+|s|u|-+", letters):
        run = found[0]
        runs.append((run, number if run in "su" else f"{len(run) * size}{'x' if run[0] == '-' else 's'}"))
    unused = address.count * 2 - len(letters) * size
    return [*runs, ("-", "x")] if unused else runs


def counts_ms(address: Address) -> bool:
    """Tell whether a type counts milliseconds."""
    return address.kind in ("unix_ms64", "cp56", "s7_datetime") or "u" in address.time.parts


def _starts(minute_of: Callable[[Any], Shown], form: TimeForm) -> Callable[[Any], str | int | None]:
    """Return what gives the start of a minute in UTC, as text or ms, or None when there is no such minute."""

    @lru_cache(maxsize=_minutes_kept)
    def start(key: Any) -> str | int | None:
        try:
            shown, fold = minute_of(key)
            moment = shown.replace(tzinfo=form.zone, fold=fold).astimezone(UTC)
            skipped = moment.astimezone(form.zone).replace(tzinfo=None) != shown
        except (ValueError, OverflowError):
            return None
        if skipped or moment.second:  # clocks were put forward over it; a zone of the 19th century
            return None
        plain = moment.replace(tzinfo=None)
        return (plain - _epoch) // _millisecond if form.as_ms else plain.isoformat(timespec="minutes") + ":"

    return start


def _minute_of_cp56(head: bytes) -> Shown:
    """Reserved bits and the weekday are not looked at; the invalid bit of the minutes, and years above 99, are."""
    _, year, month, day, hour, minute = head
    year &= 0x7F
    if minute & 0x80 or year > 99:
        raise ValueError("marked as invalid")
    return datetime(2000 + year, month & 15, day & 31, hour & 31, minute & 63), int(not hour & 0x80)


def _minute_of_s7(head: bytes) -> Shown:
    year, month, day, hour, minute = (of_bcd[each] for each in head)
    if year == no_digits:
        raise ValueError("no digits")
    return datetime((1900 if year >= 90 else 2000) + year, month, day, hour, minute), 0


def _minute_of_parts(address: Address) -> Callable[[bytes], Shown]:
    kind = address.kind
    letters = [letter for letter in address.time.parts if letter in "YMDhm"]
    places = [letters.index(letter) if letter in letters else len(letters) for letter in "YMDhm"]  # the last of `numbers` is 0
    wide = "YY" in address.time.parts

    def minute_of(head: bytes) -> Shown:
        found = struct.unpack(f">{len(letters)}H", head) if kind == "datetime_registers" else head
        numbers = [*(found if kind != "datetime_bcd" else (of_bcd[each] for each in head)), 0]
        year, month, day, hour, minute = (numbers[place] for place in places)
        if wide:
            year = year << 8 | numbers[places[0] + 1]
        elif year < 100:
            year += 2000 if year < 70 else 1900
        elif kind != "datetime_registers":
            raise ValueError("no year of two digits")
        return datetime(year, month, day, hour, minute), 0

    return minute_of
