"""A moment becomes the registers of a device's clock, for a write.

Room: ground, driver `modbus`; pure. `encode.py` calls it and holds what comes out against what it reads as (`times.py` names the sources of
the formats).
"""

from __future__ import annotations

import struct
from datetime import UTC, datetime, timedelta
from typing import Final

from drivers.modbus.address import Address, TimeForm
from drivers.modbus.times import counts_ms, epochs
from drivers.reading import Value

_epoch: Final = datetime(1970, 1, 1, tzinfo=UTC)
_millisecond: Final = timedelta(milliseconds=1)
_to_bcd: Final = bytes((n // 10) << 4 | n % 10 if n < 100 else 255 for n in range(256))


def encode_time(address: Address, value: Value) -> bytes:
    """Return the bytes that a write puts into the registers, most significant first.

    Steps smaller than the type's are cut off. Raises ValueError, TypeError, OverflowError or struct.error for what is no time. What the
    registers cannot hold may come out wrong (the second of two hours that a clock shows twice): `encode.py` reads it back and compares.
    """
    form, kind = address.time, address.kind
    moment = _instant(value, form)
    local = moment.astimezone(form.zone)
    shown = local.replace(tzinfo=None)
    if kind in epochs:
        zero, step_ms, code = epochs[kind]
        wire = struct.pack(">" + code, (shown.replace(tzinfo=UTC) - _epoch - timedelta(minutes=zero)) // timedelta(milliseconds=step_ms))
    elif kind == "cp56":
        hour, ms = shown.hour | (0x80 if local.dst() else 0), shown.second * 1000 + shown.microsecond // 1000
        wire = struct.pack(">BBBBBBH", 0, shown.year - 2000, shown.month, shown.day, hour, shown.minute, ms)
    elif kind == "s7_datetime":
        ms, weekday = shown.microsecond // 1000, shown.isoweekday() % 7 + 1  # Sunday is 1
        digits = bytes((shown.year % 100, shown.month, shown.day, shown.hour, shown.minute, shown.second, ms // 10))
        wire = digits.translate(_to_bcd) + bytes((ms % 10 << 4 | weekday,))
    else:
        wire = _encode_parts(address, shown)
    return wire


def written(value: Value, address: Address) -> Value:
    """Return what a time that was written must read as. Raises as `encode_time` does."""
    moment = _instant(value, address.time)
    moment = moment.replace(microsecond=moment.microsecond if counts_ms(address) else 0)
    if address.time.as_ms:
        return (moment - _epoch) // _millisecond
    return moment.replace(tzinfo=None).isoformat(timespec="milliseconds" if counts_ms(address) else "seconds") + "Z"


def _encode_parts(address: Address, shown: datetime) -> bytes:
    letters, kind = address.time.parts, address.kind
    numbers = {"M": shown.month, "D": shown.day, "h": shown.hour, "m": shown.minute, "s": shown.second, "u": shown.microsecond // 1000}
    if kind == "datetime_registers":
        return struct.pack(f">{len(letters)}H", *(shown.year if letter == "Y" else numbers.get(letter, 0) for letter in letters))
    row = bytes(shown.year % 100 if letter == "Y" else numbers.get(letter, 0) for letter in letters)
    if (wide := letters.find("YY")) >= 0:
        row = row[:wide] + shown.year.to_bytes(2, "big") + row[wide + 2 :]
    row = row.ljust(address.count * 2, b"\0")
    return row.translate(_to_bcd) if kind == "datetime_bcd" else row


def _instant(value: Value, form: TimeForm) -> datetime:
    """Return the moment that is to be written, in UTC."""
    if form.as_ms:
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise TypeError("milliseconds wanted")
        return _epoch + timedelta(milliseconds=round(value))
    if not isinstance(value, str):
        raise TypeError("text wanted")
    moment = datetime.fromisoformat(value)
    if moment.tzinfo is None:
        raise ValueError("a time to write needs its zone: 2026-03-01T12:00:00Z")
    return moment.astimezone(UTC)
