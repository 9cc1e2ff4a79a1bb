"""The claim code: what proves to a gateway without an owner that its owner is standing in front of it. Blocking; through the disk seam.

Room: hall, accounts. `desk` makes it at the first start and forgets it with the first admin; `witnessmark run`, `demo` and `accounts
claim-code` show it. 100 random bits in a file that only the gateway's own user reads; nothing of the device goes into it.
"""

from __future__ import annotations

import contextlib
import hmac
from pathlib import Path
from typing import Final

from ledger_client.disk import Disk, read_whole, write_atomically

FILE_NAME: Final = "claim_code"
ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Crockford's base32: no letter looks like a digit. Source: https://www.crockford.com/base32.html."""
CHARS: Final = 20
GROUP: Final = 5
RANDOM_BYTES: Final = 13
_SIZE_MAX: Final = 100


def make_code(secret: bytes) -> str:
    """Return a code of RANDOM_BYTES random bytes, as it is written down: `7K2P4-…`, 100 bits."""
    number = int.from_bytes(secret, "big")
    chars = [ALPHABET[number >> 5 * at & 31] for at in range(CHARS)]
    return "-".join("".join(chars[at : at + GROUP]) for at in range(0, CHARS, GROUP))


def same_code(given: object, code: str) -> bool:
    """Tell whether a person typed this code; case, dashes, spaces and letters that look like digits do not matter."""
    if not isinstance(given, str) or len(given) > _SIZE_MAX:
        return False
    return hmac.compare_digest(_plain(given).encode(), _plain(code).encode())


def keep_code(disk: Disk, folder: Path, secret: bytes) -> str:
    """Return the code in the file; one that is missing or damaged is made of `secret`. Raises OSError."""
    data = read_whole(disk, folder / FILE_NAME, _SIZE_MAX)
    text = (data or b"").decode("ascii", "replace").strip()
    if len(_plain(text)) == CHARS and set(_plain(text)) <= set(ALPHABET):
        return text
    code = make_code(secret)
    write_atomically(disk, folder / FILE_NAME, code.encode() + b"\n")
    return code


def forget_code(disk: Disk, folder: Path) -> None:
    """Remove the file; there being none is fine. Raises OSError."""
    with contextlib.suppress(FileNotFoundError):
        disk.unlink(folder / FILE_NAME)
        disk.sync_folder(folder)


def _plain(text: str) -> str:
    plain = "".join(text.split()).replace("-", "").upper()
    return plain.replace("O", "0").replace("I", "1").replace("L", "1")
