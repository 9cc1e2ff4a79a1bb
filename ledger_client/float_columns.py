"""Columns of floats: decimals where they are decimals, binary32 or binary64 where not, and patches for the odd values between. Pure.

Room: ground. `columns` calls it for float columns. Every value comes back with its very bits, which `tests/unit` checks for
NaN payloads, infinities and -0.0 too. Source: docs/ledger-format.md section 4.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import copysign, isfinite, isnan
from struct import Struct, pack, unpack

from ledger_client.codecs import DECIMAL, FLOAT32, FLOAT64, PATCHED, VARINTS, Cursor, in_range, pack_ints, put_varint, read_ints
from ledger_client.errors import FormatError

DIGITS_MAX = 15
EXACT_MAX = 1 << 53
_AFRESH_EVERY = 64
_IS_FLOAT32, _IS_FLOAT64 = -1, -2
_TOO_MANY_DIGITS = 9
"""From here on a decimal column is tried as binary32 first: raw registers can look decimal by chance."""
_PATCHES_SHARE = 4
"""At most one value in so many is worth a patch."""
_POWERS = tuple(10.0**digits for digits in range(DIGITS_MAX + 1))
_DECIMAL_ALONE = tuple(bytes((digits, VARINTS)) for digits in range(DIGITS_MAX + 1))
_TO_FLOAT32, _FROM_FLOAT32, _BITS_OF_FLOAT32 = Struct("<f").pack, Struct("<f").unpack, Struct("<i").unpack


class CodecHints:
    """What suited each tag's floats in the last batch (decimal digits, or a binary width): saves the search in the next one.

    Every tag is searched afresh in one batch of 64, each in its turn, so that a better form is found again.
    """

    __slots__ = ("_known", "_turn")

    def __init__(self) -> None:
        self._known: dict[int, int] = {}
        self._turn = 0

    def next_batch(self) -> None:
        """Say that a batch begins to be packed."""
        self._turn += 1

    def get(self, uid: int) -> int | None:
        """Return the hint for a tag, None when there is none or its turn has come to be searched afresh."""
        return None if (uid + self._turn) % _AFRESH_EVERY == 0 else self._known.get(uid)

    def put(self, uid: int, form: int) -> None:
        """Remember what was used."""
        self._known[uid] = form


def encode_floats(values: Sequence[float], uid: int, hints: CodecHints) -> tuple[int, bytes]:
    """Return codec and data of at least one float; `uid` is the tag that `hints` are kept for."""
    if 0.0 in values or not isfinite(sum(values)):
        odd = [i for i, v in enumerate(values) if not isfinite(v) or (v == 0.0 and copysign(1.0, v) < 0)]
        if odd and len(odd) * _PATCHES_SHARE <= len(values):
            return _encode_patched(values, odd, uid, hints)
    return _encode_plainly(values, uid, hints)


def put_float(out: bytearray, value: float, uid: int, hints: CodecHints | None) -> int:
    """Append the data of a column's only float; return its codec. The same bytes as encode_floats, in the common cases sooner."""
    hint = hints.get(uid) if hints is not None else None
    if hint is not None:
        number, found = 0, False
        try:
            if hint >= 0:
                number = round(value * _POWERS[hint])
                found = number / _POWERS[hint] == value and hint < _TOO_MANY_DIGITS and -EXACT_MAX <= number <= EXACT_MAX
                found = found and (number != 0 or copysign(1.0, value) > 0)
            elif hint == _IS_FLOAT32:
                narrow = _TO_FLOAT32(value)
                found = _FROM_FLOAT32(narrow)[0] == value
                (number,) = _BITS_OF_FLOAT32(narrow)
        except (OverflowError, ValueError):  # infinities, NaN, beyond binary32
            found = False
        if found and hint >= 0:
            while hint and not number % 10:
                hint, number = hint - 1, number // 10
            out += _DECIMAL_ALONE[hint]
            put_varint(out, number + number if number >= 0 else ~(number + number))
            return DECIMAL
        if found:
            number = number if number >= 0 else number ^ 0x7FFFFFFF
            out.append(VARINTS)
            put_varint(out, number + number if number >= 0 else ~(number + number))
            return FLOAT32
    codec, data = _encode_plainly([value], uid, hints or CodecHints())
    out += data
    return codec


def decode_floats(cursor: Cursor, codec: int, count: int) -> list[float]:
    """Return `count` floats written by one of the four float codecs. Raises FormatError."""
    if codec == PATCHED:
        inner, size = cursor.byte(), cursor.varint()
        if inner not in {DECIMAL, FLOAT32} or not 0 < size <= count:
            raise FormatError("body_invalid", reason="patches")
        patches, at = [], -1
        for _ in range(size):
            at += cursor.varint() + 1
            patches.append((at, float(unpack("<d", cursor.take(8))[0])))
        if at >= count:
            raise FormatError("body_invalid", reason="patches")
        floats = decode_floats(cursor, inner, count)
        for at, value in patches:
            floats[at] = value
        return floats
    if codec == DECIMAL:
        digits = cursor.byte()
        if digits > DIGITS_MAX:
            raise FormatError("body_invalid", reason="decimal digits")
        power = 10.0**digits
        return [m / power for m in in_range(read_ints(cursor, count), -EXACT_MAX, EXACT_MAX)]
    if codec == FLOAT32:
        narrow = in_range(read_ints(cursor, count), -(1 << 31), (1 << 31) - 1)
        found = unpack(f"<{count}f", pack(f"<{count}i", *[i if i >= 0 else i ^ 0x7FFFFFFF for i in narrow]))
        if any(map(isnan, found)):  # binary32 need not keep which NaN it was
            raise FormatError("body_invalid", reason="NaN as binary32")
        return list(found)
    wide = in_range(read_ints(cursor, count), -(1 << 63), (1 << 63) - 1)
    return list(unpack(f"<{count}d", pack(f"<{count}q", *[i if i >= 0 else i ^ 0x7FFFFFFFFFFFFFFF for i in wide])))


def _encode_patched(values: Sequence[float], odd: list[int], uid: int, hints: CodecHints) -> tuple[int, bytes]:
    """Write the regular values as if each odd one repeated its neighbour, and the odd ones beside them."""
    filled, places = list(values), set(odd)
    last = next(v for i, v in enumerate(values) if i not in places)
    for i, value in enumerate(values):
        if i in places:
            filled[i] = last
        else:
            last = value
    codec, data = _encode_plainly(filled, uid, hints)
    if codec == FLOAT64 or (codec == FLOAT32 and not any(isnan(values[i]) for i in odd)):
        return _encode_plainly(values, uid, hints)
    out = bytearray([codec])
    put_varint(out, len(odd))
    at = -1
    for i in odd:
        put_varint(out, i - at - 1)
        out += pack("<d", values[i])
        at = i
    return PATCHED, bytes(out) + data


def _encode_plainly(values: Sequence[float], uid: int, hints: CodecHints) -> tuple[int, bytes]:
    hint = hints.get(uid)
    if hint is None or hint >= 0:
        found = _decimals(values, hint)
        if found is not None and (found[0] < _TOO_MANY_DIGITS or _float32_bits(values) is None):
            digits, numbers = found
            if hint is None or digits > hint:  # that a batch gets by with fewer is chance: kept, the search stays saved
                hints.put(uid, digits)
            return DECIMAL, bytes([digits]) + pack_ints(numbers)
    if hint != _IS_FLOAT64:
        bits = _float32_bits(values)
        if bits is not None:
            if hint != _IS_FLOAT32:
                hints.put(uid, _IS_FLOAT32)
            return FLOAT32, pack_ints([i if i >= 0 else i ^ 0x7FFFFFFF for i in bits])
    hints.put(uid, _IS_FLOAT64)
    wide = unpack(f"<{len(values)}q", pack(f"<{len(values)}d", *values))
    return FLOAT64, pack_ints([i if i >= 0 else i ^ 0x7FFFFFFFFFFFFFFF for i in wide])


def _decimals(values: Sequence[float], hint: int | None) -> tuple[int, list[int]] | None:
    """Return (k, m) with every value == m / 10^k, correctly rounded, k the smallest; None when there is none."""
    try:
        digits = hint if hint is not None else _digits(values)
        if digits is None:
            return None
        power = _POWERS[digits]
        numbers = [round(v * power) for v in values]
        exact = [m / power for m in numbers] == list(values) and max(numbers) <= EXACT_MAX and min(numbers) >= -EXACT_MAX
        if not exact:
            return _decimals(values, None) if hint is not None else None
    except (OverflowError, ValueError):  # infinities and NaN
        return None
    if 0 in numbers and not _all_plus_zeros(values):
        return None
    while digits and not numbers[0] % 10 and not any(m % 10 for m in numbers):
        digits, numbers = digits - 1, [m // 10 for m in numbers]
    return digits, numbers


def _digits(values: Sequence[float]) -> int | None:
    digits, power = 0, 1.0
    for value in values:
        while round(value * power) / power != value:
            digits += 1
            if digits > DIGITS_MAX:
                return None
            power = 10.0**digits
    return digits


def _float32_bits(values: Sequence[float]) -> tuple[int, ...] | None:
    """Return the binary32 bits as signed ints where they give back exactly these doubles, and no NaN is among them."""
    try:
        narrow = pack(f"<{len(values)}f", *values)
    except OverflowError:
        return None
    # Equal is the same here: narrowing keeps the sign of a zero, and a NaN equals nothing.
    return unpack(f"<{len(values)}i", narrow) if unpack(f"<{len(values)}f", narrow) == tuple(values) else None


def _all_plus_zeros(values: Sequence[float]) -> bool:
    return all(v or copysign(1.0, v) > 0 for v in values)
