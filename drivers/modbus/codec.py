"""The bytes of a Modbus answer become values.

Room: ground, driver `modbus`; pure. `layout.py` asks for a decoder when a block is planned and gives it every answer; values to
registers are `encode.py`. Only a text costs a Python call.

How: the answer (at most 250 bytes) is used as the *table* of `bytes.translate`, and a constant string of byte indices as
its input. That one C call picks every wanted byte in any order, so each byte and word order, each hole and each register
that two tags share costs the same, and a single big-endian `struct.Struct` decodes the rest. What is left to do with each cell is one
expression (`expressions.py`); those of a block are compiled into one function, as Python's own dataclasses do it, when its first answer
comes. For two tags, `holding:0` in tenths and `holding:1` with a bit:

    def decode(raw, bad):
        (c0, c1,) = unpack(gather.translate(raw.ljust(256, zero)))
        return [c0 / 10, c1 & 8 != 0]

Why code is made, what it may hold, and what would make us drop it: docs/decisions/0012-decoders-are-compiled.md.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from drivers.modbus.address import Address
from drivers.modbus.expressions import compose
from drivers.reading import Value

Bad = dict[int, int]
Decode = Callable[[bytes, Bad], list[Value]]


@dataclass(frozen=True, slots=True)
class Field:
    """One value inside a block: its place in the group, its first register (or bit) in the block, its address, orders resolved."""

    index: int
    at: int
    address: Address


class Decoder:
    """What decodes one block. `decode` gives the values in the order of `order`, which holds places in the group.

    A value that the device's bytes do not give is None, and its status stands in the dict that was passed, under its place in the group:
    BAD_DECODING_ERROR for bytes that mean nothing, BAD_NO_DATA where the device says that it has no value.
    """

    def __init__(self, fields: Sequence[Field], prepare: Callable[[Sequence[Field]], Decode]) -> None:
        """Describe it; `prepare` is called when the first answer is decoded: many planned blocks are refused and never bring one."""
        self.order = tuple(field.index for field in fields)
        self._fields, self._prepare = fields, prepare
        self.decode: Decode = self._first

    def _first(self, raw: bytes, bad: Bad) -> list[Value]:
        self.decode = self._prepare(self._fields)
        return self.decode(raw, bad)


def compile_bits(fields: Sequence[Field]) -> Decoder:
    """Return the decoder of an answer of coils or discrete inputs (bit 0 of byte 0 is the first; MODBUS V1.1b3, 6.1)."""
    return Decoder(fields, _bits)


def compile_registers(fields: Sequence[Field]) -> Decoder:
    """Return the decoder of an answer of holding or input registers."""
    return Decoder(fields, _registers)


def _bits(fields: Sequence[Field]) -> Decode:
    gather = bytes(field.at // 8 for field in fields)
    masks = bytes(1 << field.at % 8 for field in fields)

    def decode(raw: bytes, _bad: Bad) -> list[Value]:
        return [cell & mask != 0 for cell, mask in zip(gather.translate(raw.ljust(256, b"\0")), masks, strict=True)]

    return decode


def _registers(fields: Sequence[Field]) -> Decode:
    expressions = []
    cells: list[str] = []
    for field in fields:
        expressions.append(compose(field.index, field.at, len(cells), field.address))
        cells += expressions[-1].cells
    gather = b"".join(each.places for each in expressions)
    unpack = struct.Struct(">" + "".join(each.struct_codes for each in expressions)).unpack
    if [each.code for each in expressions] == cells:
        return lambda raw, _bad: list(unpack(gather.translate(raw.ljust(256, b"\0"))))
    names: dict[str, Any] = {"__builtins__": {}, "unpack": unpack, "gather": gather, "zero": b"\0", "lost": _lost}
    for each in expressions:
        names |= each.names
    return _compiled(cells, [each.code for each in expressions], names)


def _compiled(cells: Sequence[str], codes: Sequence[str], names: dict[str, Any]) -> Decode:
    """Return the function whose source is in the module's docstring. `codes` hold numbers and names of `names`, nothing from outside."""
    source = (
        "def decode(raw, bad):\n"
        f"    ({', '.join(cells)},) = unpack(gather.translate(raw.ljust(256, zero)))\n"
        f"    return [{', '.join(codes)}]\n"
    )
    exec(compile(source, "<decoder of a Modbus block>", "exec"), names)  # noqa: S102 - see the decision
    made: Decode = names["decode"]
    return made


def _lost(bad: Bad, index: int, status: int) -> None:
    bad[index] = status
