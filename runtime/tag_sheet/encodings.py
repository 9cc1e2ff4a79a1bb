"""In which encoding the bytes of a table are, where only one can be meant. Pure.

Room: hall, tag sheets. `sheet` calls `guesses`, in a worker of the core: a long table is looked at in pieces, between which others have
their turn, and with a memory that does not grow with it.
"""

from __future__ import annotations

import re
from typing import Final

PIECE: Final = 1 << 14
"""How much is looked at at once, some two milliseconds of work; not less than two bytes."""
_GBK_COMMON: Final = re.compile(rb"(?:[\x00-\x7f]|[\xa1-\xf7][\xa1-\xfe])*+")
"""ASCII and the characters of GB2312, which is all that labels of tags need."""
_GBK_FIRST: Final = range(0xA1, 0xF8)
_SIGNS: Final = "°µ²³±€"
"""Of units; they stand alone."""
_UPPER: Final = "ÀÁÂÄÅÆÇÉÈÊËÍÑÓÖØÚÜ"
_LOWER: Final = "ßàáâãäåæçèéêëìíîïñòóôõöøùúûüý"
_NOT_WESTERN: Final = re.compile(f"[^\x20-\x7e\t\r\n{_SIGNS}{_UPPER}{_LOWER}]|[{_LOWER}][{_UPPER}]|[À-ÿ][{_SIGNS}]|[{_SIGNS}][À-ÿ{_SIGNS}]")
"""What no table of Western words has: other characters, upper case behind lower case of theirs, a sign beside a word or another one."""


def guesses(data: bytes) -> list[str]:
    """Return the one encoding that the bytes can be in, nothing when there are more or none."""
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return ["utf-16"]
    if data[1:4:2] == b"\0\0" and data[:1] != b"\0":
        return ["utf-16-le"]
    if data[:3:2] == b"\0\0":
        return ["utf-16-be"]
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        fits = ["windows-1252"] if is_western(data) else []
        if is_common_gbk(data):
            fits.append("gbk")
        return fits if len(fits) == 1 else []
    return ["utf-8"]


def is_western(data: bytes) -> bool:
    """Tell whether these can be words and units of Western languages in Windows-1252."""
    last = ""
    for at in range(0, len(data), PIECE):
        piece = last + data[at : at + PIECE].decode("windows-1252", errors="replace")
        if _NOT_WESTERN.search(piece):
            return False
        last = piece[-1]
    return True


def is_common_gbk(data: bytes) -> bool:
    """Tell whether these can be labels in GBK."""
    at = 0
    while at < len(data):
        end = min(at + PIECE, len(data))
        found = _GBK_COMMON.match(data, at, end)
        reached = found.end() if found is not None else at
        if reached < end and (reached < end - 1 or end == len(data) or data[reached] not in _GBK_FIRST):
            return False
        at = reached
    return True
