"""The ways in which the trade writes a Modbus address, each turned into a table and a 0-based protocol address.

Room: ground, driver `modbus`; pure. `tag_options.py` calls it while a configuration is judged. A text that two manuals would
read differently is refused with what to write instead; nothing is guessed.

    holding:100  holding:0x64     table, counted from 0 (what goes over the wire)
    holding1:101                  table, counted from 1 (what many manuals print)
    40101  400101  4x0101         entity number, counted from 1: 0 coil, 1 discrete, 3 input, 4 holding
    %MW100  %IW100  %M100  %I100  IEC 61131-3 memory of a PLC whose Modbus map starts at %MW0 or %M0, counted from 0

The entity numbers are those of the Modicon reference (1 to 9999 with five digits, 1 to 65536 with six); the wire counts from 0
(Modbus Application Protocol V1.1b3, 4.4).
"""

from __future__ import annotations

import re
from typing import Final

from drivers.modbus.address import tables
from drivers.option_error import OptionError

addresses: Final = 65536
"""Addresses of one table."""

_entities: Final = {"0": "coil", "1": "discrete", "3": "input", "4": "holding"}
_memories: Final = {"MW": "holding", "IW": "input", "M": "coil", "I": "discrete"}
_by_table: Final = re.compile(rf"({'|'.join(tables)})(1?):(0[xX][0-9a-fA-F]{{1,4}}|[0-9]{{1,5}})")
_by_digits: Final = re.compile(r"([0134])([0-9]{4}|[0-9]{5})")
_by_entity: Final = re.compile(r"([134])[xX]([0-9]{1,5})")
_by_memory: Final = re.compile(r"%(MW|IW|M|I)([0-9]{1,5})")

_coil_or_hex: Final = re.compile(r"0[xX]([0-9a-fA-F]{1,5})")
_bare: Final = re.compile(r"[0-9]{1,5}")
_wide_memory: Final = re.compile(r"%(M|I)([BDFLX])([0-9]{1,5})(?:\.[0-9]{1,2})?")
_words_in: Final = {"B": 0.5, "D": 2, "F": 2, "L": 4}
_with_bit: Final = re.compile(r"(.+)\.([0-9]{1,2})")


def read_notation(text: str) -> tuple[str, int]:
    """Return the table and the 0-based address.

    Raises OptionError: `config_modbus_ambiguous` with what to write, `config_address_beyond` for an address that no table has,
    `config_modbus_address` for anything else.
    """
    if found := _by_table.fullmatch(text):
        number = int(found[3], 16 if found[3][:2] in ("0x", "0X") else 10)
        return _placed(text, found[1], number - (found[2] == "1"))
    if found := _by_digits.fullmatch(text) or _by_entity.fullmatch(text):
        return _placed(text, _entities[found[1]], int(found[2]) - 1)
    if found := _by_memory.fullmatch(text):
        return _placed(text, _memories[found[1]], int(found[2]))
    raise _refusal(text)


def _refusal(text: str) -> OptionError:
    """Return why a text is no address: ambiguous when there is something to suggest."""
    if found := _coil_or_hex.fullmatch(text):
        as_hex = f"holding:0x{found[1]}" if int(found[1], 16) < addresses else ""
        return _ambiguous(text, as_hex, f"coil1:{int(found[1])}" if found[1].isdigit() else "")
    if _bare.fullmatch(text):
        number = int(text)
        return _ambiguous(text, f"holding:{number}", f"holding1:{number}" if number else "")
    if found := _wide_memory.fullmatch(text):
        number, word = int(found[3]), f"%{found[1]}W"
        if found[2] == "X":
            return _ambiguous(text, f"{word}{number}", f"%{found[1]}{number}")
        return _ambiguous(text, f"{word}{number}", f"{word}{int(number * _words_in[found[2]])}")
    if found := _with_bit.fullmatch(text):
        try:
            read_notation(found[1])
        except OptionError:
            return _unknown(text)
        return OptionError("config_modbus_bit", value=text[:80], address=found[1][:80], bit=int(found[2]))
    return _unknown(text)


def _placed(text: str, table: str, start: int) -> tuple[str, int]:
    if start < 0:  # counting from 1 starts at 1: a 0 there is a wire address, as SunSpec's 40000
        wire = f"{table}:{int(text)}" if text.isdigit() and 0 < int(text) < addresses else f"{table}1:1"
        raise _ambiguous(text, f"{table}:0", wire)
    if start >= addresses:
        raise OptionError("config_address_beyond", address=text[:80])
    return table, start


def _ambiguous(text: str, first: str, second: str) -> OptionError:
    if not first or not second:
        return OptionError("config_modbus_unstated", value=text[:80], instead=first or second) if first or second else _unknown(text)
    return OptionError("config_modbus_ambiguous", value=text[:80], first=first, second=second)


def _unknown(text: str) -> OptionError:
    return OptionError("config_modbus_address", value=text[:80])
