"""Values become registers, for a write.

Room: ground, driver `modbus`; pure. `driver.py` calls it when a setpoint is written, and before, for what it will send. What a type
cannot hold is refused before anything is sent; nothing is clipped.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable
from typing import Final

from drivers.driver import DriverError
from drivers.modbus.address import Address, byte_places, flag_kinds, float_kinds, native_codes, time_kinds, unscaled, whole_kinds
from drivers.modbus.codec import Field, compile_registers
from drivers.modbus.missing import bounds
from drivers.modbus.time_writes import encode_time, written
from drivers.reading import Status, Value

relative_losses: Final = {"float32": 1e-6, "float64": 1e-13}
"""How much of itself a floating number may lose on its way there and back, in a device that reckons with it, too."""
clock_runs_ms: Final = 5_000
"""How far a clock that was set may have run until it is read."""


def encode_registers(address: Address, value: Value) -> list[int]:
    """Return the registers that make the device hold `value`, rounded to the nearest step the device can hold.

    Raises DriverError `write_out_of_range` when the type cannot hold it or it is the number that means "no value";
    `write_not_supported` for what is written by a mask, for bits of longer values, and where another register holds the power of ten.
    """
    if address.written_by_mask or address.kind in ("bits32", "bits64") or address.scale_factor is not None:
        raise DriverError("write_not_supported", Status.BAD_NOT_SUPPORTED)
    try:
        wire = _wire(address, value)
    except (ValueError, TypeError, OverflowError, struct.error) as error:
        raise DriverError("write_out_of_range", Status.BAD_OUT_OF_RANGE, value=str(value)) from error
    laid = bytearray(address.count * 2)
    for place, byte in zip(byte_places(0, address), wire, strict=True):
        laid[place] = byte
    if address.kind in time_kinds and compile_registers([Field(0, 0, address)]).decode(bytes(laid), {}) != [written(value, address)]:
        raise DriverError("write_out_of_range", Status.BAD_OUT_OF_RANGE, value=str(value))
    return list(struct.unpack(f">{address.count}H", laid))


def sent_value(address: Address, value: Value) -> Value:
    """Return what the tag reads as after a write of `value`: the nearest step that the registers can hold.

    Numbers of 32 and 64 bits are given back as they are: what they lose is what `resolution_of` says at most. Raises DriverError as the
    write does.
    """
    kind = address.kind
    try:
        if address.written_by_mask:
            encode_mask(address, value)
        else:
            encode_registers(address, value)
        if kind in time_kinds:
            return written(value, address)
        if kind in whole_kinds:
            return address.scaling.apply(_whole(address, value))
        if kind == "float16" and isinstance(value, int | float):
            raw: float = struct.unpack(">e", _wire(address, value))[0]
            return address.scaling.apply(raw)
    except (ValueError, TypeError, OverflowError, struct.error) as error:
        raise DriverError("write_out_of_range", Status.BAD_OUT_OF_RANGE, value=str(value)) from error
    return value


def resolution_of(address: Address, value: Value) -> float:
    """Return how far what the tag reads as may be from a value that was written and kept: what its bits lose, how far a clock has run."""
    if address.kind in time_kinds:
        return clock_runs_ms
    if address.kind not in relative_losses or isinstance(value, bool) or not isinstance(value, int | float):
        return 0.0
    return relative_losses[address.kind] * max(abs(value), abs(address.scaling.offset))  # the raw number may be as large as the offset


def encode_mask(address: Address, value: Value) -> tuple[int, int]:
    """Return the AND and OR masks of function 22 that set some bits and leave the rest alone (V1.1b3, 6.16).

    Raises DriverError `write_out_of_range` when the bits are too few.
    """
    try:
        low, width, put = _bits(address, value)
    except (ValueError, TypeError, OverflowError) as error:
        raise DriverError("write_out_of_range", Status.BAD_OUT_OF_RANGE, value=str(value)) from error
    keep, put = 0xFFFF & ~(((1 << width) - 1) << low), put << low
    if address.byte_order == "little" or address.order == "BA":
        keep, put = _swap(keep), _swap(put)
    return keep, put


def _bits(address: Address, value: Value) -> tuple[int, int, int]:
    """Return the lowest bit, how many, and what to put there."""
    if address.kind == "bits":
        if not isinstance(value, (bool, int)) or not 0 <= int(value) < 1 << address.bit_count:
            raise ValueError("the field is too narrow")
        return address.bit, address.bit_count, int(value)
    number = _whole(address, value)
    return 8 if address.byte == "high" else 0, 8, number & 0xFF


def _wire(address: Address, value: Value) -> bytes:
    """Return the value's bytes, most significant (or first character) first."""
    kind = address.kind
    if kind == "string":
        return _text(address, value)
    if kind in time_kinds:
        return encode_time(address, value)
    if not isinstance(value, (bool, int, float)):
        raise TypeError("number wanted")
    if kind in flag_kinds:
        return struct.pack(">H", 1 if value else 0)
    if kind in float_kinds:
        raw = float(value) if address.scaling == unscaled else float(address.scaling.invert(value))
        wire = struct.pack(">" + native_codes[kind], raw)
        held: float = struct.unpack(">" + native_codes[kind], wire)[0]
        if address.missing is not None and (held in address.missing.values or (address.missing.nan and math.isnan(held))):
            raise ValueError("the number means that there is no value")
        return wire
    number = _whole(address, value)
    for prefix, pack in _packers.items():
        if kind.startswith(prefix):
            return pack(number, address.count)
    return number.to_bytes(address.count * 2, "big", signed=number < 0)


def _whole(address: Address, value: Value) -> int:
    if not isinstance(value, (bool, int, float)):
        raise TypeError("number wanted")
    number = round(address.scaling.invert(value))
    low, high = bounds(address.kind)
    if not low <= number <= high:
        raise ValueError("the type cannot hold it")
    if address.missing is not None and number in address.missing.values:
        raise ValueError("the number means that there is no value")
    return number


def _signmag(number: int, count: int) -> bytes:
    return (abs(number) | (number < 0) << count * 16 - 1).to_bytes(count * 2, "big")


def _bcd(number: int, count: int) -> bytes:
    return bytes.fromhex(str(number).zfill(count * 4))


def _m10k(number: int, count: int) -> bytes:
    sign = -1 if number < 0 else 1
    digits = [sign * (abs(number) // 10_000 ** (count - 1 - n) % 10_000) for n in range(count)]
    return struct.pack(f">{count}h", *digits)


_packers: Final[dict[str, Callable[[int, int], bytes]]] = {"signmag": _signmag, "bcd": _bcd, "m10k": _m10k}


def _text(address: Address, value: Value) -> bytes:
    if not isinstance(value, str):
        raise TypeError("text wanted")
    text = value.encode(address.text.encoding)
    size = address.count * (1 if address.byte else 2)
    if len(text) > size or b"\0" in text:
        raise ValueError("text too long")
    return text.ljust(size, b" " if address.text.padding == "space" else b"\0")


def _swap(register: int) -> int:
    return register >> 8 | (register & 0xFF) << 8
