"""Whole numbers, packed: varints, Rice-coded bits and dictionaries. Pure.

Room: ground. `columns` turns every column of numbers into ints and calls `pack_ints`; readers call the `read_` functions
on a `Cursor`, which refuses everything that the format does not allow and whose work is bounded by what it was asked to
read. Bit strings are text of 0 and 1 on the way: in CPython that is the fastest form without an extension.
Sources: docs/ledger-format.md section 4; Golomb-Rice parameter after Kiely, "Selecting the Golomb
Parameter in Rice Coding" (JPL IPN Progress Report 42-159).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from functools import cache
from itertools import pairwise
from operator import sub

from ledger_client.errors import FormatError

NONE, INT, DECIMAL, FLOAT32, FLOAT64, BOOL, TEXT, CONSTANT, MIXED, PATCHED = range(10)
"""Codecs of a column's values."""
VARINTS, DIFFERENCES, LEVELS, DICTIONARY = 0, 1, 2, 3
"""How ints are packed: `pack` in docs/ledger-format.md section 4.1."""
ESCAPE = 24
"""A Rice code with this many leading zeros carries its number in full."""
FULL_BITS = 72
RICE_MAX = 66
DICTIONARY_MAX = 256
_CODES_KEPT = 16
"""Up to so many zeros (less one) before a code's one, codes are made once and kept: under half a megabyte in all."""
_ZEROS = tuple("0" * n for n in range(ESCAPE))
_FULL_TOP = 1 << FULL_BITS


class Cursor:
    """A strict reader over bytes. Every method raises FormatError when the bytes are not there or not canonical."""

    __slots__ = ("data", "position")

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.position = 0

    def take(self, size: int) -> bytes:
        """Return the next `size` bytes."""
        end = self.position + size
        if end > len(self.data):
            raise FormatError("body_invalid", reason="cut off")
        out = self.data[self.position : end]
        self.position = end
        return out

    def byte(self) -> int:
        """Return the next byte."""
        if self.position >= len(self.data):
            raise FormatError("body_invalid", reason="cut off")
        self.position += 1
        return self.data[self.position - 1]

    def varint(self) -> int:
        """Return the next LEB128 number, at most 10 bytes, shortest form only."""
        value = self.byte()
        if value < 128:
            return value
        value &= 127
        for shift in range(7, 70, 7):
            more = self.byte()
            value |= (more & 127) << shift
            if more < 128:
                if not more:
                    raise FormatError("body_invalid", reason="varint not shortest")
                return value
        raise FormatError("body_invalid", reason="varint too long")

    def zigzag(self) -> int:
        """Return the next signed number."""
        value = self.varint()
        return -(value >> 1) - 1 if value & 1 else value >> 1

    def end(self) -> None:
        """Refuse bytes that are left."""
        if self.position != len(self.data):
            raise FormatError("body_invalid", reason="bytes left over")


def put_varint(out: bytearray, value: int) -> None:
    """Append a LEB128 number (value >= 0)."""
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)


def zigzag(value: int) -> int:
    """Return 0, 1, 2, 3, ... for 0, -1, 1, -2, ..."""
    return value + value if value >= 0 else ~(value + value)


def unzigzag(value: int) -> int:
    """Return what zigzag took."""
    return -(value >> 1) - 1 if value & 1 else value >> 1


def put_zigzags(out: bytearray, values: Sequence[int]) -> None:
    """Append signed numbers as varints."""
    for value in values:
        put_varint(out, value + value if value >= 0 else ~(value + value))


def pack_ints(values: Sequence[int]) -> bytes:
    """Return the packed form of at least one int of 64 bits (signed or unsigned), by the estimated smallest way."""
    out = bytearray()
    count, first = len(values), values[0]
    if count < 4:
        out.append(VARINTS)
        put_zigzags(out, [first, *map(sub, values[1:], values)])
        return bytes(out)
    if count >= 8 and len(distinct := set(values)) <= min(count // 3, DICTIONARY_MAX) and _pack_dictionary(out, values, len(distinct)):
        return bytes(out)
    middle = sum(values) // count
    step = 1 + (count >> 6)  # a sample tells which of the two is smaller
    sample = values[1::step]
    if sum(map(abs, map(sub, sample, values[::step]))) <= sum([abs(v - middle) for v in sample]):
        out.append(DIFFERENCES)
        put_varint(out, first + first if first >= 0 else ~(first + first))
        put_rice(out, [d + d if d >= 0 else ~(d + d) for d in map(sub, values[1:], values)])
    else:
        out.append(LEVELS)
        put_varint(out, middle + middle if middle >= 0 else ~(middle + middle))
        put_rice(out, [d + d if (d := v - middle) >= 0 else ~(d + d) for v in values])
    return bytes(out)


def read_ints(cursor: Cursor, count: int) -> list[int]:
    """Return `count` ints that pack_ints wrote, unchecked for range. Raises FormatError."""
    pack = cursor.byte()
    if not count or pack > DICTIONARY:
        raise FormatError("body_invalid", reason="pack unknown")
    if pack == DICTIONARY:
        size = cursor.varint()
        if not 0 < size <= DICTIONARY_MAX:
            raise FormatError("body_invalid", reason="dictionary size")
        known = _sums(cursor.zigzag(), [cursor.zigzag() for _ in range(size - 1)])
        return [known[i] for i in read_indexes(cursor, count, size)]
    first = cursor.zigzag()
    if pack == VARINTS:
        return _sums(first, [cursor.zigzag() for _ in range(count - 1)])
    if pack == DIFFERENCES:
        return _sums(first, map(unzigzag, read_rice(cursor, count - 1)))
    return [first + unzigzag(z) for z in read_rice(cursor, count)]


def in_range(values: list[int], least: int, most: int) -> list[int]:
    """Return the ints. Raises FormatError when one is outside."""
    if min(values) < least or max(values) > most:
        raise FormatError("body_invalid", reason="number out of range")
    return values


def put_indexes(out: bytearray, indexes: Sequence[int]) -> None:
    """Append places in a dictionary, Rice-coded, the commonest being the lowest; nothing where all are 0."""
    if any(indexes):
        put_rice(out, indexes)


def read_indexes(cursor: Cursor, count: int, size: int) -> list[int]:
    """Return `count` places in a dictionary of `size`; one of 1 has no codes. Raises FormatError when a place is outside."""
    if size == 1:
        return [0] * count
    indexes = read_rice(cursor, count)
    if indexes and max(indexes) >= size:
        raise FormatError("body_invalid", reason="outside the dictionary")
    return indexes


def put_rice(out: bytearray, values: Sequence[int]) -> None:
    """Append `bits: u8`, `length: varint` and the Rice codes of numbers >= 0, most significant bit first, padded with zeros."""
    bits = _rice_parameter(values) if values else 0
    try:
        if bits < 8:
            codes = _rice_codes(bits)
            text = "".join([codes[v] for v in values])
        elif bits < 16:
            codes, low = _rice_codes(bits - 8), _byte_texts()
            text = "".join([codes[v >> 8] + low[v & 255] for v in values])
        else:
            top = 1 << bits
            rest = top - 1
            text = "".join([_ZEROS[v >> bits] + f"{top | v & rest:b}" for v in values])
    except IndexError:
        text = "".join([_code(v, bits) for v in values])
    size = (len(text) + 7) >> 3
    out.append(bits)
    put_varint(out, size)
    out += int(text + "0" * (8 * size - len(text)) or "0", 2).to_bytes(size, "big")


def read_rice(cursor: Cursor, count: int) -> list[int]:
    """Return `count` Rice-coded numbers. Raises FormatError: too short, too long, or padding that is not zero."""
    bits, size = cursor.byte(), cursor.varint()
    if bits > RICE_MAX or size > (count * (ESCAPE + 1 + FULL_BITS) + 7) >> 3:
        raise FormatError("body_invalid", reason="rice length")
    text = bin(int.from_bytes(b"\x01" + cursor.take(size), "big"))[3:]
    position, top, out = 0, 1 << bits, []
    try:
        for _ in range(count):
            one = text.index("1", position)
            zeros, position = one - position, one + 1 + bits
            if zeros < ESCAPE:
                out.append((zeros << bits) + int(text[one:position], 2) - top)
                continue
            position = one + 1 + FULL_BITS
            out.append(_full_number(text, one, position, zeros, bits))
    except ValueError as error:
        raise FormatError("body_invalid", reason="rice cut off") from error
    if position > len(text) or len(text) - position > 7 or "1" in text[position:]:
        raise FormatError("body_invalid", reason="rice padding")
    return out


def _full_number(text: str, one: int, end: int, zeros: int, bits: int) -> int:
    value = int(text[one:end], 2) - _FULL_TOP
    if zeros > ESCAPE or end > len(text) or value >> bits < ESCAPE:
        raise FormatError("body_invalid", reason="rice escape")
    return value


@cache
def _rice_codes(bits: int) -> tuple[str, ...]:
    """Return the codes of the numbers that come up; for those beyond, `_code`."""
    return tuple(_code(v, bits) for v in range(_CODES_KEPT << bits))


@cache
def _byte_texts() -> tuple[str, ...]:
    """Return the bits of every byte."""
    return tuple(f"{byte:08b}" for byte in range(256))


def _code(value: int, bits: int) -> str:
    if value >> bits < ESCAPE:
        return _ZEROS[value >> bits] + f"{1 << bits | value & ((1 << bits) - 1):b}"
    return "0" * ESCAPE + f"{_FULL_TOP | value:b}"


def _rice_parameter(values: Sequence[int]) -> int:
    """Return the bits kept as they are: by the mean, and by the median too where a few large numbers pull the mean."""
    count, total, largest = len(values), sum(values), max(values)
    bits = (total * 4812 // (count * 10000)).bit_length()
    if largest * count <= 32 * total:
        return bits
    typical = (sorted(values)[count // 2] * 4812 // 10000).bit_length()
    return min((typical, bits, (typical + bits) // 2), key=lambda b: _rice_size(values, b))


def _rice_size(values: Sequence[int], bits: int) -> int:
    return sum([(q if (q := v >> bits) < ESCAPE else ESCAPE + FULL_BITS - bits) for v in values]) + len(values) * (bits + 1)


def _pack_dictionary(out: bytearray, values: Sequence[int], distinct: int) -> bool:
    """Append a dictionary when it looks smaller than Rice codes of the values would be; commonest first."""
    ranked = [value for value, _ in Counter(values).most_common()]
    places = {value: i for i, value in enumerate(ranked)}
    indexes = [places[v] for v in values]
    spread = max(ranked) - min(ranked)
    width = spread.bit_length()
    entries_bits = distinct * (width + 5)
    indexes_bits = min(sum(indexes) + len(values), len(values) * (distinct.bit_length() + 1))
    plain_bits = sum([(b - a).bit_length() + 2 for a, b in pairwise(values)])
    if entries_bits + indexes_bits >= plain_bits:
        return False
    out.append(DICTIONARY)
    put_varint(out, distinct)
    put_zigzags(out, [ranked[0], *[b - a for a, b in pairwise(ranked)]])
    put_indexes(out, indexes)
    return True


def _sums(first: int, differences: Iterable[int]) -> list[int]:
    total = first
    out = [first]
    for difference in differences:
        total += difference
        out.append(total)
    return out
