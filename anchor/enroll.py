"""Which gateways this anchor serves: log keys, given as vkey text, files or folders of files.

Room: upstream. The command line calls it. A gateway is enrolled once per epoch (each epoch is an origin of its own), and
again with its next key before it rotates. Unknown gateways are refused by the rules in `witness`; nothing enrols itself.
"""

from __future__ import annotations

from pathlib import Path

from anchor.store import Store
from ledger_client.errors import FormatError
from ledger_client.note import SIG_COSIGNATURE, NoteKey, parse_vkey

FILE_SIZE_MAX = 64_000


def read_vkeys(source: str) -> list[NoteKey]:
    """Return the log keys named by a vkey text, a file of them (one a line, # for remarks), or a folder of such files.

    Raises:
        FormatError: no such file, nothing in it, a line that is no vkey, or the key of a witness instead of a log.
    """
    path = Path(source)
    if _exists(path) and path.is_dir():
        files = sorted(p for p in path.iterdir() if p.is_file() and p.suffix == ".vkey")
        return [key for file in files for key in _read_file(file)]
    if _exists(path):
        return _read_file(path)
    if "+" not in source:
        raise FormatError("enroll_source_missing", source=source[:200])
    return [_log_key(source)]


def enroll(store: Store, keys: list[NoteKey], now_s: int) -> int:
    """Enrol these keys in one transaction; return how many were new."""
    with store.transaction():
        return sum(store.enroll(key, now_s) for key in keys)


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # a vkey can be too long for a file name
        return False


def _read_file(path: Path) -> list[NoteKey]:
    if path.stat().st_size > FILE_SIZE_MAX:
        raise FormatError("enroll_source_invalid", source=str(path))
    lines = (line.strip() for line in path.read_text().splitlines())
    keys = [_log_key(line) for line in lines if line and not line.startswith("#")]
    if not keys:
        raise FormatError("enroll_source_invalid", source=str(path))
    return keys


def _log_key(text: str) -> NoteKey:
    key = parse_vkey(text)
    if key.type == SIG_COSIGNATURE:
        raise FormatError("enroll_not_a_log_key", vkey=text[:200])
    return key
