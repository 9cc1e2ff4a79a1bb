"""A Modbus unit whose map changes with its program: what it holds is told by version and address, so that a ledger can be held against it.

Room: tests. Its answers are the sim board's (`boards/sim/pdu.py`), not those of the driver under test.
"""

from __future__ import annotations

import struct
from bisect import bisect_right
from dataclasses import dataclass, field

from boards.sim.pdu import answer
from boards.sim.register_map import ILLEGAL_ADDRESS, RefusedError

IDENTITY = range(900, 902)
"""Registers that hold the version of the program."""


def word_of(version: int, address: int) -> int:
    """Return what a register holds while a version runs."""
    return (version * 7919 + address * 31 + 17) % 0x10000


@dataclass
class MapUnit:
    """One unit. `missing` addresses are refused. `refused` counts requests that were, under the version that runs now."""

    missing: frozenset[int]
    version: int = 1
    refused: int = 0
    changes: list[tuple[int, int, frozenset[int]]] = field(default_factory=list)
    """(mono ms, version, missing) from when on it has been so; the oldest first."""

    def load(self, at_ms: int, version: int, missing: frozenset[int]) -> None:
        """Run another program from this time on."""
        self.version, self.missing, self.refused = version, missing, 0
        self.changes.append((at_ms, version, missing))

    def versions(self, from_ms: int, to_ms: int) -> list[int]:
        """Return the versions that ran at any time between."""
        first = max(0, bisect_right([at for at, _, _ in self.changes], from_ms) - 1)
        return [version for at, version, _ in self.changes[first:] if at <= to_ms]

    def read(self, table: str, start: int, count: int) -> list[int]:
        """See boards.sim.pdu.Memory."""
        wanted = range(start, start + count)
        if table != "holding" or self.missing & set(wanted):
            self.refused += 1
            raise RefusedError(ILLEGAL_ADDRESS)
        return [self.version & 0xFFFF if each in IDENTITY else word_of(self.version, each) for each in wanted]

    def write(self, table: str, start: int, words: list[int]) -> None:
        """See boards.sim.pdu.Memory: nothing is taken."""
        raise RefusedError(ILLEGAL_ADDRESS)


class ModbusSpeaker:
    """The far end of one Modbus TCP connection."""

    def __init__(self, unit: MapUnit) -> None:
        self._unit, self._received = unit, b""

    def heard(self, data: bytes) -> bytes:
        """See network.Speaker."""
        self._received += data
        answers = b""
        while len(self._received) >= 8:
            transaction, _, length, number = struct.unpack(">HHHB", self._received[:7])
            if len(self._received) < 6 + length:
                break
            pdu, self._received = self._received[7 : 6 + length], self._received[6 + length :]
            response = answer(self._unit, pdu)
            answers += struct.pack(">HHHB", transaction, 0, len(response) + 1, number) + response
        return answers
