"""Bundles that were previewed and wait to be made: kept in memory for a while, so that what is handed out is what was looked at.

Room: hall, diagnostics. The desk keeps them and lets go of old ones, the act `diag.bundle` makes an archive of one. Bounded in number,
size and age; nothing is written to the disk. Pure but for the identifiers, which the caller's random source gives.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Final

from runtime.diagnostics.archive import zip_of
from runtime.diagnostics.parts import PartFile
from runtime.faces.feed import RequestRefusedError

KEPT_MAX: Final = 3
KEPT_S_MAX: Final = 1_800
ID_BYTES: Final = 8


@dataclass(slots=True)
class Bundle:
    """One snapshot. `archive` is empty until it was made."""

    id: str
    made_ms: int
    files: tuple[PartFile, ...]
    archive: bytes = field(default=b"", repr=False)

    def chosen(self, leave_out: Collection[str]) -> tuple[PartFile, ...]:
        """Return the files without some. Raises RequestRefusedError for names that are none, or when nothing is left."""
        unknown = sorted(set(leave_out) - {each.name for each in self.files})
        if unknown:
            raise RequestRefusedError("diag_part_unknown", name=unknown[0][:80])
        left = tuple(each for each in self.files if each.name not in leave_out)
        if not left:
            raise RequestRefusedError("diag_nothing_left")
        return left

    def make(self, leave_out: Collection[str]) -> tuple[str, int, int]:
        """Make the archive and return its SHA-256, its size and how many files are in it. Blocking."""
        files = self.chosen(leave_out)
        self.archive = zip_of(files)
        return sha256(self.archive).hexdigest(), len(self.archive), len(files)

    def part(self, name: str) -> PartFile:
        """Return one file. Raises RequestRefusedError."""
        found = next((each for each in self.files if each.name == name), None)
        if found is None:
            raise RequestRefusedError("diag_part_unknown", name=name[:80])
        return found


class Bundles:
    """By id, the oldest first."""

    def __init__(self, now_ms: Callable[[], int], random_bytes: Callable[[int], bytes]) -> None:
        """`now_ms`: since boot."""
        self._now_ms, self._random_bytes = now_ms, random_bytes
        self._kept: dict[str, tuple[int, Bundle]] = {}

    def keep(self, made_ms: int, files: tuple[PartFile, ...]) -> Bundle:
        """Keep a snapshot; the oldest goes when there are too many."""
        bundle = Bundle(self._random_bytes(ID_BYTES).hex(), made_ms, files)
        self._kept[bundle.id] = self._now_ms(), bundle
        while len(self._kept) > KEPT_MAX:
            del self._kept[next(iter(self._kept))]
        return bundle

    def get(self, bundle_id: object) -> Bundle:
        """Return one. Raises RequestRefusedError `diag_bundle_gone`."""
        self.forget_old()
        found = self._kept.get(bundle_id) if isinstance(bundle_id, str) else None
        if found is None:
            raise RequestRefusedError("diag_bundle_gone")
        return found[1]

    def forget_old(self) -> None:
        """Let go of what nobody fetched in time."""
        limit = self._now_ms() - KEPT_S_MAX * 1000
        self._kept = {bundle_id: row for bundle_id, row in self._kept.items() if row[0] >= limit}
