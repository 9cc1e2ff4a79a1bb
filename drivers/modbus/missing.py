"""What a device sends when it has no value: the agreed numbers of SunSpec, or those that a tag states.

Room: ground, driver `modbus`; pure. `tag_options.py` asks for a tag's set, `codec.py` compares raw numbers with it. A value that is
missing never becomes a number.
"""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Sequence
from typing import Final

from drivers.modbus.address import Missing, epoch_kinds, flag_kinds, float_kinds, native_codes, whole_kinds
from drivers.option_error import OptionError

_signed: Final = re.compile(r"(?:int|unix_s|unix_ms)(8|16|24|32|48|64)")
_unsigned: Final = re.compile(r"(?:uint|bits|sunspec_s)(8|16|24|32|48|64)")


def missing_of(stated: str | Sequence[float | str] | None, kind: str) -> Missing | None:
    """Return what means "no value" for a data type, or None when nothing does.

    `sunspec` is the type's own mark (SunSpec Device Information Model Specification, "not implemented" values): the most negative
    number of a signed type, all ones of an unsigned one and of bits, NaN, and an empty text. Numbers are raw ones, before scaling; for
    a signed type a bit pattern such as 0x8000 may be written. Raises OptionError `config_missing_value`.
    """
    if stated is None:
        return None
    if isinstance(stated, str):
        return _by_name(stated, kind)
    if not stated:
        return None
    wanted = str if kind == "string" else (int, float)
    low, high = bounds(kind)
    found: set[float | str] = set()
    for each in stated:
        if not isinstance(each, wanted) or isinstance(each, bool):
            raise OptionError("config_missing_value", value=str(each)[:40], data=kind)
        number = each
        if isinstance(number, int) and low < 0 and high < number <= high - low:
            number -= high - low + 1  # the bit pattern of a negative number
        is_nan = isinstance(number, float) and math.isnan(number)  # of a whole number beyond float64 that cannot be asked
        if not isinstance(number, str) and (is_nan or (kind not in float_kinds and not low <= number <= high)):
            raise OptionError("config_missing_value", value=str(each)[:40], data=kind)
        found.add(_as_held(number, kind))
    return Missing(frozenset(found))


def _as_held(number: float | str, kind: str) -> float | str:
    """Return a number as a type holds it: a float32 has -999.9000244140625 for -999.9. Raises OptionError for one beyond it."""
    if kind not in float_kinds or isinstance(number, str):
        return number
    code = ">" + native_codes[kind]
    try:
        held: float = struct.unpack(code, struct.pack(code, float(number)))[0]
    except OverflowError as error:
        raise OptionError("config_missing_value", value=str(number)[:40], data=kind) from error
    return held


def bounds(kind: str) -> tuple[int, int]:
    """Return the lowest and highest raw number of a whole, bit or epoch type; (0, 0) for what has none."""
    if kind in ("bool", "bits"):
        return 0, 0xFFFF
    if kind == "unix_s32":
        return 0, 0xFFFF_FFFF
    if found := _signed.fullmatch(kind):
        half = 1 << int(found[1]) - 1
        return -half, half - 1
    if found := _unsigned.fullmatch(kind):
        return 0, (1 << int(found[1])) - 1
    digits = {"bcd": 4, "m10k": 4}
    for prefix, each in digits.items():
        if kind.startswith(prefix):
            most = 10 ** (int(kind.removeprefix(prefix)) // 16 * each) - 1
            return (-most if prefix == "m10k" else 0), most
    if kind.startswith("signmag"):
        most = (1 << int(kind.removeprefix("signmag")) - 1) - 1
        return -most, most
    return 0, 0


def _by_name(name: str, kind: str) -> Missing:
    if name == "nan" and kind not in float_kinds:
        raise OptionError("config_missing_value", value=name, data=kind)
    if kind in float_kinds:
        return Missing(nan=True)
    if kind == "string":
        return Missing(frozenset([""]))
    if kind in (*flag_kinds, *whole_kinds, *epoch_kinds) and not kind.startswith(("bcd", "m10k", "signmag")):
        low, high = bounds(kind)
        return Missing(frozenset([low if low < 0 else high]))
    raise OptionError("config_missing_value", value=name, data=kind)
