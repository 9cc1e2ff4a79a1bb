"""What a mirror was brought, remembered apart from the ledger: where to go on after a restart.

Room: ground. `outbox_mirror` and `outbox` use it. A lost or older cursor does no harm: the mirror says where it wants to go on.
One that is ahead of the ledger means that the ledger was rolled back.

    <state>/private/mirrors/<name>.cbor    cbor [1, origin: tstr, held: uint, root: bstr32, bodies: uint, wall_ms: int]
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ledger_client.cursor_file import load_row, save_row
from ledger_client.details import is_hash, is_int, is_uint
from ledger_client.disk import Disk
from ledger_client.merkle import EMPTY_ROOT, Subtree, range_root


@dataclass(frozen=True, slots=True)
class MirrorCursor:
    """The first `held` entries were taken, whose root is `root`, with bodies up to `bodies`, at our wall time."""

    origin: str
    held: int
    root: bytes
    bodies: int
    wall_ms: int

    @classmethod
    def of(cls, origin: str, subtree: Subtree, held: int, bodies: int, wall_ms: int) -> MirrorCursor:
        """Make one with the root out of our own tree. Blocking. Raises as the subtree does."""
        return cls(origin, held, range_root(subtree, 0, held) if held else EMPTY_ROOT, bodies, wall_ms)

    def root_in(self, subtree: Subtree) -> bytes:
        """Return the root of as many entries of a tree. Blocking. Raises as the subtree does."""
        return range_root(subtree, 0, self.held) if self.held else EMPTY_ROOT


def mirror_cursor_path(state: Path, anchor_name: str) -> Path:
    """Return where a mirror's cursor stands."""
    return state / "private" / "mirrors" / f"{anchor_name}.cbor"


def save_mirror_cursor(disk: Disk, state: Path, anchor_name: str, cursor: MirrorCursor) -> None:
    """Put the cursor in place, durably. Raises OSError."""
    path = mirror_cursor_path(state, anchor_name)
    save_row(disk, path, cursor.origin, cursor.held, cursor.root, cursor.bodies, cursor.wall_ms)


def load_mirror_cursor(disk: Disk, state: Path, anchor_name: str, origin: str) -> MirrorCursor | None:
    """Return the cursor for this origin; None when there is none, it is of another epoch, or damaged. Raises OSError."""
    values = load_row(disk, mirror_cursor_path(state, anchor_name), origin, 4)
    if values is None:
        return None
    held, root, bodies, wall_ms = values
    good = is_uint(held) and is_hash(root) and is_uint(bodies) and bodies <= held and is_int(wall_ms)
    return MirrorCursor(origin, held, root, bodies, wall_ms) if good else None
