"""The bytes of a Modbus answer become values.

Room: ground, driver `modbus`; pure. `layout.py` calls `compile_registers` and `compile_bits` when a block is planned; the decoder they
return runs once per answer, without a Python call per tag except for texts and clocks. Values to registers: `encode.py`.

How: the answer (at most 250 bytes) is used as the *table* of `bytes.translate`, and a constant string of byte indices as
its input. That one C call picks every wanted byte in any order, so each byte and word order, each hole and each register
that two tags share costs the same, and a single big-endian `struct.Struct` decodes the rest. Fields are sorted into runs by what must
happen next (nothing, scaling, a bit test, digits ...; see `columns.py`), so each step is a C loop or one comprehension.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby

from drivers.modbus.columns import Bad, Field, Run, compile_run, run_key
from drivers.reading import Value

Decode = Callable[[bytes, Bad], list[Value]]


@dataclass(frozen=True, slots=True)
class Decoder:
    """What decodes one block. `decode` gives the values in the order of `order`, which holds places in the group.

    A value that the device's bytes do not give is None, and its status stands in the dict that was passed, under its place in the group:
    BAD_DECODING_ERROR for bytes that mean nothing, BAD_NO_DATA where the device says that it has no value.
    """

    order: tuple[int, ...]
    decode: Decode


def compile_bits(fields: Sequence[Field]) -> Decoder:
    """Return the decoder of an answer of coils or discrete inputs (bit 0 of byte 0 is the first; MODBUS V1.1b3, 6.1)."""
    gather = bytes(field.at // 8 for field in fields)
    masks = bytes(1 << field.at % 8 for field in fields)

    def decode(raw: bytes, _bad: Bad) -> list[Value]:
        return [cell & mask != 0 for cell, mask in zip(gather.translate(raw.ljust(256, b"\0")), masks, strict=True)]

    return Decoder(tuple(field.index for field in fields), decode)


def compile_registers(fields: Sequence[Field]) -> Decoder:
    """Return the decoder of an answer of holding or input registers."""
    ordered = sorted(fields, key=lambda field: run_key(field.address))
    runs = [compile_run(tuple(run)) for _, run in groupby(ordered, key=lambda field: run_key(field.address))]
    gather = b"".join(run.gather for run in runs)
    unpack = struct.Struct(">" + "".join(run.codes for run in runs)).unpack
    order = tuple(field.index for field in ordered)
    if len(runs) == 1:
        return Decoder(order, _only(gather, unpack, runs[0]))
    steps = []
    start = 0
    for run in runs:
        steps.append((slice(start, start + run.cells), run.convert))
        start += run.cells

    def decode(raw: bytes, bad: Bad) -> list[Value]:
        cells = unpack(gather.translate(raw.ljust(256, b"\0")))
        values: list[Value] = []
        for part, convert in steps:
            values += convert(cells[part], bad) if convert else cells[part]
        return values

    return Decoder(order, decode)


def _only(gather: bytes, unpack: Callable[[bytes], tuple[Value, ...]], run: Run) -> Decode:
    convert = run.convert
    if convert is None:
        return lambda raw, _bad: list(unpack(gather.translate(raw.ljust(256, b"\0"))))
    return lambda raw, bad: convert(unpack(gather.translate(raw.ljust(256, b"\0"))), bad)
