"""What recorded Modbus frames say, in words: the request, and what its answer brought to which tag.

Room: ground, driver `modbus`; pure. `line.py` gives it to the line's flight recorder. A frame that cannot be read is left without words.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final

from drivers.modbus.address import Address, bit_tables, data_bytes
from drivers.modbus.codec import Decoder, Field, compile_bits, compile_registers
from drivers.modbus.framing import Ascii, Rtu
from drivers.modbus.request import REFUSED, OddAnswerError, Request, read_tables
from drivers.reading import Tag
from drivers.recorder import Frame

words: Final = {5: "write coil", 6: "write register", 8: "echo", 15: "write coils", 16: "write registers", 22: "mask register"}
refusals: Final = {
    1: "illegal function", 2: "illegal address", 3: "illegal value", 4: "device failure", 5: "acknowledged, still working", 6: "busy",
    10: "gateway path unavailable", 11: "unit behind the gateway does not answer",
}  # fmt: skip
tags_max: Final = 24
"""So many values stand in one text."""


@dataclass(frozen=True, slots=True)
class Known:
    """A tag of a unit, with its address as the driver reads it."""

    tag: Tag
    address: Address


TagsOf = Callable[[int], Iterable[Known]]
"""The tags of a unit, by its number."""


def explain(framing: str, frames: Sequence[Frame], tags_of: TagsOf) -> list[str]:
    """Return one text per frame, empty where there is nothing to say."""
    texts, values = [], _Values(tags_of)
    asked: dict[int, Request | None] = {}
    for frame in frames:
        if frame.sent:
            request = _request(framing, frame.data)
            asked[frame.connection] = request
            texts.append(_asks(request) if request is not None else "")
            continue
        request = asked.get(frame.connection)
        texts.append(_answers(framing, frame.data, request, values) if request is not None else "")
    return texts


def _request(framing: str, data: bytes) -> Request | None:
    """Read a frame of ours: it is well formed, unless the recorder cut it."""
    if framing == "mbap":
        unit, pdu = data[6:7], data[7:]
    elif framing == "ascii":
        body = _unhex(data)
        unit, pdu = body[:1], body[1:-1]
    else:
        unit, pdu = data[:1], data[1:-2]
    if not unit or len(pdu) < 5:
        return None
    function = pdu[0]
    if function in read_tables:
        count = int.from_bytes(pdu[3:5], "big")
        return Request(unit[0], pdu, 2 + data_bytes(read_tables[function], count))
    echo = pdu[1:7] if function == 22 else pdu[1:5]
    return Request(unit[0], pdu, 1 + len(echo), echo)


def _asks(request: Request) -> str:
    function, (start, count) = request.pdu[0], struct.unpack(">HH", request.pdu[1:5])
    if function in read_tables:
        return f"unit {request.unit_id}: read {read_tables[function]}:{start}, {count}"
    if function == 8:
        return f"unit {request.unit_id}: echo {count:04x}"
    values = request.pdu[6:].hex() if function in (15, 16) else request.pdu[3:].hex()
    return f"unit {request.unit_id}: {words.get(function, f'function {function}')} at {start}: {values}"


def _answers(framing: str, data: bytes, request: Request, values: _Values) -> str:
    pdu = _answer_pdu(framing, data, request)
    if pdu is None:
        return "no answer to that"
    if pdu[:1] == bytes((request.pdu[0] | REFUSED,)):
        code = pdu[1] if len(pdu) > 1 else 0
        return f"refused: {code} ({refusals.get(code, 'a code of its own')})"
    if request.echo is not None:
        return "confirmed" if pdu[1:] == request.echo else "confirms something else"
    return values.told(request, pdu[2 : request.answer_bytes]) or f"{len(pdu) - 2} bytes"


class _Values:
    """The values in the answers of one telling.

    A line asks the same blocks again and again, and whoever looks waits on the event loop: each block's decoder is made once, and only
    for the values that are shown.
    """

    def __init__(self, tags_of: TagsOf) -> None:
        self._tags_of = tags_of
        self._tags: dict[int, tuple[Known, ...]] = {}
        self._blocks: dict[tuple[int, bytes, int], tuple[list[str], Decoder, int]] = {}

    def told(self, request: Request, data: bytes) -> str:
        """Return the values of the tags that lie wholly in an answer, by tag name; empty when there are none."""
        key = request.unit_id, request.pdu[:3], len(data)
        block = self._blocks.get(key)
        if block is None:
            block = self._blocks[key] = self._block(request, len(data))
        names, decoder, more = block
        if not names:
            return ""
        shown = [f"{name} = {value}" for name, value in zip(names, decoder.decode(data, {}), strict=True)]
        return ", ".join(shown) + (f" and {more} more" if more else "")

    def _block(self, request: Request, size_bytes: int) -> tuple[list[str], Decoder, int]:
        """Return the tags whose values are shown, their decoder, and how many more there are."""
        unit_id = request.unit_id
        if unit_id not in self._tags:
            self._tags[unit_id] = tuple(self._tags_of(unit_id))
        table, start = read_tables[request.pdu[0]], int.from_bytes(request.pdu[1:3], "big")
        is_bits = table in bit_tables
        end = start + (size_bytes * 8 if is_bits else size_bytes // 2)
        held = {
            each.tag.name: each.address
            for each in self._tags[unit_id]
            if each.address.table == table and start <= each.address.start and each.address.start + each.address.count <= end
        }
        fields = [Field(at, address.start - start, address) for at, address in enumerate(islice(held.values(), tags_max))]
        decoder = compile_bits(fields) if is_bits else compile_registers(fields)
        return list(held)[:tags_max], decoder, len(held) - len(fields)


def _answer_pdu(framing: str, data: bytes, request: Request) -> bytes | None:
    try:
        if framing == "mbap":
            return data[7:] if data[6:7] == bytes((request.unit_id,)) else None
        return (Ascii() if framing == "ascii" else Rtu()).take(data, request, 0)
    except OddAnswerError:
        return None


def _unhex(data: bytes) -> bytes:
    try:
        return bytes.fromhex(data.strip(b":\r\n").decode("ascii"))
    except (ValueError, UnicodeDecodeError):
        return b""
