"""Reads flatbuffers that nobody vouches for: every offset, length and table is checked against the bytes before it is followed.

Room: ground. Only `model_graph` uses it, to read .tflite files. Pure Python on bytes, no library: the libraries' accessors trust
their input. It never interprets what it reads, and never returns a position that was not checked.

Source of the format: the FlatBuffers internals page of its project (little-endian; a table starts with a signed offset to its
vtable; a vtable is [bytes of the vtable, bytes of the table, a slot of 16 bits per field]; vectors and strings are a 32-bit count
and their elements; alignment to the element's size). Beyond it, because valid files have none of these, refused: fields that the
reader does not know or did not read, parts that overlap other than by being the very same part, more parts than PARTS_MAX.
"""

from __future__ import annotations

import struct
from bisect import bisect_left
from typing import Final

from models.model_fault import ModelFault

PARTS_MAX: Final = 20_000
"""Tables, vtables, vectors and strings in one file; a dense model has about ten per layer."""
SCALARS: Final = {"b": 1, "B": 1, "h": 2, "H": 2, "i": 4, "I": 4, "f": 4, "q": 8, "Q": 8, "d": 8}
"""Codes of `struct` with their bytes. A truth value is read as B: what is neither 0 nor 1 must not look like one."""


def malformed(what: str, at: int) -> ModelFault:
    """Return the fault for bytes that are no flatbuffer; `at` is a position in the file."""
    return ModelFault("model_malformed", {"what": what, "at": at})


class FlatFile:
    """The bytes and which of them belong to which part."""

    def __init__(self, raw: bytes, identifier: bytes) -> None:
        """Raises ModelFault when the file is shorter than its head or carries another identifier (4 bytes at position 4)."""
        self.raw = raw
        self._parts: list[tuple[int, int, str]] = [(0, 8, "head")]
        """(start, end, kind), sorted and without overlap."""
        if len(raw) < 12:
            raise malformed("head", len(raw))
        if raw[4:8] != identifier:
            raise malformed("identifier", 4)

    def root(self, fields: int) -> FlatTable:
        """Return the table that the file starts with; see FlatTable for `fields`."""
        return self.table_at(0, fields, "root")

    def number(self, code: str, at: int, what: str) -> int | float:
        """Return one scalar. Raises ModelFault outside of the bytes or off its alignment."""
        size = SCALARS[code]
        if at < 0 or at + size > len(self.raw):
            raise malformed(what, at)
        if at % size:
            raise malformed(f"{what}, alignment", at)
        value: int | float = struct.unpack_from("<" + code, self.raw, at)[0]
        return value

    def whole(self, code: str, at: int, what: str) -> int:
        """Return one integer; see `number`."""
        return int(self.number(code, at, what))

    def follow(self, at: int, what: str) -> int:
        """Return where the unsigned offset at `at` leads: always forwards, so that no chain of offsets is a circle."""
        offset = self.whole("I", at, what)
        if offset < 4 or at + offset + 4 > len(self.raw):
            raise malformed(what, at)
        return at + offset

    def table_at(self, at: int, fields: int, what: str) -> FlatTable:
        """Return the table that the offset at `at` leads to."""
        return FlatTable(self, self.follow(at, what), fields, what)

    def vector_at(self, at: int, size: int, what: str, align: int = 4, count_max: int = PARTS_MAX) -> tuple[int, int]:
        """Return (position of the first element, count) of the vector that the offset at `at` leads to; `size` bytes per element."""
        start = self.follow(at, what)
        count = self.whole("I", start, what)
        if count > count_max or start + 4 + count * size > len(self.raw) or (start + 4) % align:
            raise malformed(what, start)
        self.claim(start, start + 4 + count * size, f"vector of {size}")
        return start + 4, count

    def claim(self, start: int, end: int, kind: str) -> None:
        """Say that these bytes are one part. Raises ModelFault when a different part has some of them."""
        place = bisect_left(self._parts, (start, end, kind))
        if place < len(self._parts) and self._parts[place] == (start, end, kind):
            return
        before = self._parts[place - 1] if place else None
        after = self._parts[place] if place < len(self._parts) else None
        if (before is not None and before[1] > start) or (after is not None and after[0] < end):
            raise malformed("overlap", start)
        if len(self._parts) >= PARTS_MAX:
            raise malformed("parts", start)
        self._parts.insert(place, (start, end, kind))


class FlatTable:
    """One table: `fields` is how many fields its schema has; a present field beyond them is refused."""

    def __init__(self, file: FlatFile, at: int, fields: int, what: str) -> None:
        self.file, self.at, self.what = file, at, what
        vtable = at - file.whole("i", at, what)
        vtable_bytes = file.whole("H", vtable, f"{what}, vtable")
        self._table_bytes = file.whole("H", vtable + 2, f"{what}, vtable")
        if vtable_bytes < 4 or vtable_bytes % 2 or vtable + vtable_bytes > len(file.raw):
            raise malformed(f"{what}, vtable", vtable)
        if self._table_bytes < 4 or at + self._table_bytes > len(file.raw):
            raise malformed(f"{what}, size", vtable + 2)
        file.claim(vtable, vtable + vtable_bytes, "vtable")
        file.claim(at, at + self._table_bytes, "table")
        self._slots: tuple[int, ...] = struct.unpack_from(f"<{vtable_bytes // 2 - 2}H", file.raw, vtable + 4)
        if any(self._slots[fields:]):
            raise malformed(f"{what}, unknown field", vtable)
        self._taken: dict[int, tuple[int, int]] = {}

    def has(self, slot: int) -> bool:
        """Whether the field is present."""
        return slot < len(self._slots) and self._slots[slot] != 0

    def _place(self, slot: int, size: int) -> int:
        """Return where a present field lies: inside the table, and no other field's bytes."""
        inside = self._slots[slot]
        if inside < 4 or inside + size > self._table_bytes:
            raise malformed(f"{self.what}, field {slot}", self.at)
        for other, (start, end) in self._taken.items():
            if other != slot and start < inside + size and inside < end:
                raise malformed(f"{self.what}, field {slot}", self.at)
        self._taken[slot] = (inside, inside + size)
        return self.at + inside

    def finish(self) -> None:
        """Check that every present field was read: one that nobody read is one that nobody judged."""
        for slot in range(len(self._slots)):
            if self._slots[slot] and slot not in self._taken:
                raise malformed(f"{self.what}, field {slot}", self.at)

    def number(self, slot: int, code: str, default: float) -> int | float:
        """Return a scalar field, or its default."""
        if not self.has(slot):
            return default
        return self.file.number(code, self._place(slot, SCALARS[code]), f"{self.what}, field {slot}")

    def whole(self, slot: int, code: str, default: int = 0) -> int:
        """Return an integer field, or its default."""
        return int(self.number(slot, code, default))

    def table(self, slot: int, fields: int, what: str) -> FlatTable | None:
        """Return a field that is a table."""
        return self.file.table_at(self._place(slot, 4), fields, what) if self.has(slot) else None

    def tables(self, slot: int, fields: int, what: str, count_max: int) -> tuple[FlatTable, ...]:
        """Return a field that is a vector of tables."""
        if not self.has(slot):
            return ()
        first, count = self.file.vector_at(self._place(slot, 4), 4, f"{self.what}, field {slot}", count_max=count_max)
        return tuple(self.file.table_at(first + 4 * n, fields, f"{what} {n}") for n in range(count))

    def numbers(self, slot: int, code: str, count_max: int) -> tuple[int | float, ...]:
        """Return a field that is a vector of scalars; absent and empty are the same."""
        if not self.has(slot):
            return ()
        size = SCALARS[code]
        first, count = self.file.vector_at(self._place(slot, 4), size, f"{self.what}, field {slot}", max(size, 4), count_max)
        found: tuple[int | float, ...] = struct.unpack_from(f"<{count}{code}", self.file.raw, first)
        return found

    def wholes(self, slot: int, code: str, count_max: int) -> tuple[int, ...]:
        """Return a field that is a vector of integers."""
        return tuple(int(value) for value in self.numbers(slot, code, count_max))

    def blob(self, slot: int, bytes_max: int) -> tuple[int, int]:
        """Return (start, end) of a field that is a vector of bytes; (0, 0) when absent."""
        if not self.has(slot):
            return 0, 0
        first, count = self.file.vector_at(self._place(slot, 4), 1, f"{self.what}, field {slot}", count_max=bytes_max)
        return first, first + count

    def text(self, slot: int, bytes_max: int) -> str | None:
        """Return a field that is a string, which ends in a zero byte and is UTF-8."""
        if not self.has(slot):
            return None
        what = f"{self.what}, field {slot}"
        first, count = self.file.vector_at(self._place(slot, 4), 1, what, count_max=bytes_max)
        if first + count >= len(self.file.raw) or self.file.raw[first + count]:
            raise malformed(what, first + count)
        try:
            return self.file.raw[first : first + count].decode("utf-8")
        except UnicodeDecodeError as error:
            raise malformed(what, first) from error
