"""Clocks of devices: packed times become ISO text or milliseconds in UTC, and back.

Room: ground, driver `modbus`; pure. `codec.py` compiles a reader for each tag that holds a time, `encode.py` writes one. Neither
ever asks what time it is. A time that no calendar has, or that the zone's clocks skip, is None: never a wrong moment.

Sources: CP56Time2a of IEC 60870-5-4, 6.8 (its most significant byte first is the four-register form of power meters); DATE_AND_TIME of
Siemens S7 (eight BCD bytes, the weekday in the last digit); SunSpec seconds since 2000-01-01 UTC.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from drivers.modbus.address import Address, TimeForm
from drivers.reading import Value

Read = Callable[[Any], Value]
Moment = tuple[datetime, int]
"""What a device's clock shows, without a zone, and the fold of an hour that the clock shows twice."""

_epoch: Final = datetime(1970, 1, 1)
_epoch_2000: Final = datetime(2000, 1, 1)
_of_bcd: Final = bytes((n >> 4) * 10 + (n & 15) if n >> 4 < 10 and n & 15 < 10 else 255 for n in range(256))
_to_bcd: Final = bytes((n // 10) << 4 | n % 10 if n < 100 else 255 for n in range(256))
_no_digits: Final = 255

epochs: Final = {
    "unix_s32": (_epoch, 1000, ">I"),
    "unix_s64": (_epoch, 1000, ">q"),
    "unix_ms64": (_epoch, 1, ">q"),
    "sunspec_s32": (_epoch_2000, 1000, ">I"),
}
"""Data type -> the moment that 0 stands for, milliseconds of one step, struct code."""


def time_code(address: Address) -> str:
    """Return the struct code of the cell that a reader takes: a number for counts, bytes for parts."""
    if address.kind in epochs:
        return epochs[address.kind][2][1:]
    return f"{address.count * 2}s"


def compile_reader(address: Address) -> Read:
    """Return what makes a value of one gathered cell, or None when the cell is no time."""
    form = address.time
    if address.kind in epochs:
        return _epoch_reader(address.kind, form)
    take = _moment_taker(address)
    millis = address.kind in ("cp56", "s7_datetime") or "u" in form.parts

    def read(cell: bytes) -> Value:
        try:
            return _value(*take(cell), form, millis)
        except (ValueError, OverflowError):
            return None

    return read


def encode_time(address: Address, value: Value) -> bytes:
    """Return the bytes that a write puts into the registers, most significant first.

    Steps smaller than the type's are cut off. Raises ValueError, TypeError or OverflowError for what is no time or cannot be held.
    """
    form, kind = address.time, address.kind
    moment = _instant(value, form).astimezone(form.zone)
    shown = moment.replace(tzinfo=None, fold=0)
    if kind in epochs:
        zero, step_ms, code = epochs[kind]
        if moment.fold:
            raise ValueError("a count cannot tell an hour that the clock shows twice")
        return struct.pack(code, (shown - zero) // timedelta(milliseconds=step_ms))
    if kind == "cp56":
        summer = 0x80 if moment.dst() else 0
        ms = shown.second * 1000 + shown.microsecond // 1000
        wire = struct.pack(">BBBBBBH", 0, shown.year - 2000, shown.month, shown.day, shown.hour | summer, shown.minute, ms)
    elif kind == "s7_datetime":
        ms = shown.microsecond // 1000
        digits = (shown.year % 100, shown.month, shown.day, shown.hour, shown.minute, shown.second, ms // 10)
        weekday = shown.isoweekday() % 7 + 1  # Sunday is 1
        wire = bytes(digits).translate(_to_bcd) + bytes((ms % 10 << 4 | weekday,))
    else:
        wire = _encode_parts(address, shown)
    whole_ms = kind in ("cp56", "s7_datetime") or "u" in form.parts
    kept = shown.replace(microsecond=shown.microsecond // 1000 * 1000 if whole_ms else 0)
    take = _moment_taker(address)
    taken, fold = take(wire)
    if _aware(taken, fold, form) != kept.replace(tzinfo=form.zone, fold=moment.fold).astimezone(UTC):
        raise ValueError("the device's clock cannot show this moment")
    return wire


def _epoch_reader(kind: str, form: TimeForm) -> Read:
    zero, step_ms, code = epochs[kind]
    if form.zone is UTC and form.as_ms and code == ">I":
        shift = (zero - _epoch) // timedelta(milliseconds=1)
        return lambda cell: cell * step_ms + shift
    step, millis = timedelta(milliseconds=step_ms), step_ms < 1000

    def read(cell: int) -> Value:
        try:
            return _value(zero + cell * step, 0, form, millis)
        except (ValueError, OverflowError):
            return None

    return read


def _value(shown: datetime, fold: int, form: TimeForm, millis: bool) -> Value:
    moment = shown if form.zone is UTC else _aware(shown, fold, form).replace(tzinfo=None)
    if form.as_ms:
        return (moment - _epoch) // timedelta(milliseconds=1)
    return moment.isoformat(timespec="milliseconds" if millis else "seconds") + "Z"


def _aware(shown: datetime, fold: int, form: TimeForm) -> datetime:
    """Return the moment in UTC. Raises ValueError for an hour that the zone's clocks skip."""
    moment = shown.replace(tzinfo=form.zone, fold=fold).astimezone(UTC)
    if moment.astimezone(form.zone).replace(tzinfo=None) != shown:
        raise ValueError("clocks are put forward over this moment")
    return moment


def _instant(value: Value, form: TimeForm) -> datetime:
    if form.as_ms:
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise TypeError("milliseconds wanted")
        return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=round(value))
    if not isinstance(value, str):
        raise TypeError("text wanted")
    moment = datetime.fromisoformat(value)
    if moment.tzinfo is None:
        raise ValueError("a time to write needs its zone: 2026-03-01T12:00:00Z")
    return moment


def _moment_taker(address: Address) -> Callable[[bytes], Moment]:
    if address.kind == "cp56":
        return _take_cp56
    if address.kind == "s7_datetime":
        return _take_s7
    return _parts_taker(address)


def _take_cp56(cell: bytes) -> Moment:
    """Reserved bits and the weekday are not looked at; the invalid bit of the minutes, and years above 99, are."""
    _, year, month, day, hour, minute, ms = struct.unpack(">BBBBBBH", cell)
    year &= 0x7F
    if minute & 0x80 or year > 99 or ms > 59_999:
        raise ValueError("marked as invalid")
    return datetime(2000 + year, month & 15, day & 31, hour & 31, minute & 63, ms // 1000, ms % 1000 * 1000), int(not hour & 0x80)


def _take_s7(cell: bytes) -> Moment:
    year, month, day, hour, minute, second, hundredths = cell[:7].translate(_of_bcd)
    thousandth = cell[7] >> 4
    if _no_digits in (year, hundredths) or thousandth > 9:
        raise ValueError("no digits")
    century = 1900 if year >= 90 else 2000
    return datetime(century + year, month, day, hour, minute, second, (hundredths * 10 + thousandth) * 1000), 0


def _parts_taker(address: Address) -> Callable[[bytes], Moment]:
    parts, kind = address.time.parts, address.kind
    unpack = struct.Struct(f">{address.count}H").unpack if kind == "datetime_registers" else None
    wide = parts.find("YY")
    places = [parts.find(letter) for letter in "YMDhmsu"]  # -1, the last of `numbers`, is 0

    def take(cell: bytes) -> Moment:
        numbers: Sequence[int] = (*(unpack(cell) if unpack else cell.translate(_of_bcd) if kind == "datetime_bcd" else cell), 0)
        year, month, day, hour, minute, second, ms = [numbers[place] for place in places]
        if wide >= 0:
            year = year << 8 | numbers[wide + 1]
        elif year < 100:
            year += 2000 if year < 70 else 1900
        elif unpack is None:
            raise ValueError("no year of two digits")
        return datetime(year, month, day, hour, minute, second, ms * 1000), 0

    return take


def _encode_parts(address: Address, shown: datetime) -> bytes:
    parts, kind = address.time.parts, address.kind
    numbers = {"M": shown.month, "D": shown.day, "h": shown.hour, "m": shown.minute, "s": shown.second, "u": shown.microsecond // 1000}
    if kind == "datetime_registers":
        return struct.pack(f">{len(parts)}H", *(shown.year if letter == "Y" else numbers.get(letter, 0) for letter in parts))
    row = bytes(shown.year % 100 if letter == "Y" else numbers.get(letter, 0) for letter in parts)
    if (wide := parts.find("YY")) >= 0:
        row = row[:wide] + shown.year.to_bytes(2, "big") + row[wide + 2 :]
    row = row.ljust(address.count * 2, b"\0")
    return row.translate(_to_bcd) if kind == "datetime_bcd" else row
