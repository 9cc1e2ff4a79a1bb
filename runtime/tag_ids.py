"""Which number a tag and a tag group have in the ledger: given once, never again, kept through rename and re-import.

Room: hall. `app` loads it, `points` asks it. The file (`private/tags.cbor`) is written before the schema entry that
uses a new number, so a number is never in the ledger and unknown here. A name that disappears keeps its number and finds it again
when it comes back. If the file is lost, `rebuilt` makes it again from the schema entries of the ledger.

    tags.cbor = cbor [1, next tag, next group, [* [tag uid, "device/tag"]], [* [group uid, "device/group"]]]
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from ledger_client import cbor
from ledger_client.disk import Disk, read_whole, write_atomically
from ledger_client.errors import FormatError

VERSION: Final = 1
FILE_SIZE_MAX: Final = 64 << 20
FILE_NAME: Final = "tags.cbor"


class Numbers:
    """One name space: name -> uid, and the next free uid."""

    def __init__(self, known: Mapping[str, int], following: int) -> None:
        self._known = dict(known)
        self.following = max([following, *(uid + 1 for uid in self._known.values())])

    def number(self, name: str, was: str | None) -> int:
        """Return the uid of a name, giving it the uid of its former name or a new one when it has none."""
        uid = self._known.get(name)
        if uid is None:
            uid = self._known.pop(was, None) if was is not None else None
            if uid is None:
                uid, self.following = self.following, self.following + 1
            self._known[name] = uid
        return uid

    def copy(self) -> Numbers:
        """Return one that goes on by itself."""
        return Numbers(self._known, self.following)

    def rows(self) -> list[list[Any]]:
        """Return [uid, name] rows by uid."""
        return sorted([uid, name] for name, uid in self._known.items())


class TagIds:
    """Both name spaces and the file that keeps them. Numbers start at 1."""

    def __init__(self, disk: Disk, folder: Path, tags: Numbers, groups: Numbers, *, saved: bytes = b"") -> None:
        self._disk, self._path = disk, folder / FILE_NAME
        self.tags, self.groups = tags, groups
        self._saved = saved

    def copy(self) -> TagIds:
        """Return one to number an edit with, which counts only once the edit is recorded."""
        return TagIds(self._disk, self._path.parent, self.tags.copy(), self.groups.copy(), saved=self._saved)

    def save(self) -> None:
        """Make what was numbered durable; nothing is written when nothing is new. Blocking. Raises OSError."""
        row = [VERSION, self.tags.following, self.groups.following, self.tags.rows(), self.groups.rows()]
        data = cbor.encode(row)
        if data != self._saved:
            write_atomically(self._disk, self._path, data)
            self._saved = data


def load_tag_ids(disk: Disk, folder: Path) -> TagIds | None:
    """Read `folder/tags.cbor`; None when there is none. Blocking. Raises OSError, or FormatError for a file that is not ours."""
    data = read_whole(disk, folder / FILE_NAME, FILE_SIZE_MAX)
    if data is None:
        return None
    row = cbor.decode(data, size_max=FILE_SIZE_MAX, what=FILE_NAME)
    match row:
        case [1, int(next_tag), int(next_group), list(tags), list(groups)]:
            return TagIds(disk, folder, Numbers(_known(tags), next_tag), Numbers(_known(groups), next_group), saved=data)
    raise FormatError("tag_ids_invalid")


def rebuilt(disk: Disk, folder: Path, tags: Iterable[tuple[int, str]], groups: Iterable[tuple[int, str]]) -> TagIds:
    """Return the numbers that (uid, name) pairs, oldest first, tell of; with no pairs, those of a new gateway. Not saved yet."""
    return TagIds(disk, folder, _from_pairs(tags), _from_pairs(groups))


def _from_pairs(pairs: Iterable[tuple[int, str]]) -> Numbers:
    names = dict(pairs)
    newest = {name: uid for uid, name in sorted(names.items())}
    return Numbers(newest, max(names, default=0) + 1)


def _known(rows: list[Any]) -> dict[str, int]:
    known: dict[str, int] = {}
    for row in rows:
        match row:
            case [int(uid), str(name)] if uid > 0 and name not in known:
                known[name] = uid
            case _:
                raise FormatError("tag_ids_invalid")
    if len(set(known.values())) != len(known):
        raise FormatError("tag_ids_invalid")
    return known
