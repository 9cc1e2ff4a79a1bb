"""The next run of entries for a mirror, as bytes to send: from our own files, checked against our own tree.

Room: ground. `outbox_mirror` calls it in its thread; blocking, it reads the disk. What it makes is proven here before it leaves: a
damaged file of ours must not look like a fork to anybody. Format: `anchors/package.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from ledger_client.anchors.package import ENTRIES_MAX, Held, Package
from ledger_client.entry import parse
from ledger_client.errors import FormatError, StoreError
from ledger_client.keys import from_cose
from ledger_client.kinds import KINDS_KEPT
from ledger_client.merkle import Frontier, Subtree, consistency_path, consistent, leaf_hash
from ledger_client.outbox_lane import Cursor
from ledger_client.outbox_needs import Entries

PACKAGE_BYTES_MAX: Final = 1 << 20
"""Entries and bodies in one package; one that is larger by itself goes alone."""


@dataclass(frozen=True, slots=True)
class Parcel:
    """A package ready to send: entries [start, end) of a tree of `size`. `raw` is empty where there is nothing to send up to `bodies_from`.

    `is_backfill`: brings bodies of entries that the mirror holds; `bodies_from`: all before it have their bodies there, or have none.
    """

    start: int
    end: int
    size: int
    raw: bytes
    with_bodies: bool
    is_backfill: bool
    bodies_from: int


def next_parcel(
    subtree: Subtree, entries: Entries, target: Cursor, held: int, bodies: int, bytes_max: int, wants_bodies: bool
) -> Parcel:  # fmt: skip
    """Make the next package: first the entries that the mirror lacks, then bodies that were kept back.

    Args:
        subtree: of our own tree.
        entries: where they come from.
        target: the checkpoint that the mirror's server cosigned.
        held: how many entries the mirror holds; less than target.size, or `bodies` is less.
        bodies: up to where it has bodies.
        bytes_max: see PACKAGE_BYTES_MAX.
        wants_bodies: whether bodies go there at all; those of receipts and schema entries always do.

    Raises StoreError `tree_damaged`, what reading the ledger raises, OSError.
    """
    if held < target.size:
        # While earlier bodies are missing, these keep theirs back too, and go with them later: each is sent once.
        with_bodies = wants_bodies and bodies == held
        found = _read(entries, held, target.size, bytes_max, with_bodies=with_bodies)
        end = held + len(found)
        raw = Package(held, target.size, found, _path(subtree, target, held, found)).encode()
        return Parcel(held, end, target.size, raw, with_bodies, is_backfill=False, bodies_from=bodies)
    found = _read(entries, bodies, min(held, target.size), bytes_max, with_bodies=True)
    end = bodies + len(found)
    if not any(body for _, body in found):
        return Parcel(bodies, end, target.size, b"", with_bodies=True, is_backfill=True, bodies_from=end)
    raw = Package(bodies, target.size, found, ()).encode()
    return Parcel(bodies, end, target.size, raw, with_bodies=True, is_backfill=True, bodies_from=bodies)


def is_signed_by_us(raw: bytes, cose_key: bytes) -> bool:
    """Tell whether an entry that we do not have carries a signature by our key."""
    try:
        return parse(raw).verify_signature(from_cose(cose_key))
    except FormatError:
        return False


def _read(entries: Entries, start: int, end: int, bytes_max: int, *, with_bodies: bool) -> tuple[Held, ...]:
    found: list[Held] = []
    total = 0
    for seq in range(start, min(end, start + ENTRIES_MAX)):
        raw = entries.entry(seq)
        body = entries.body(seq) if with_bodies or parse(raw).payload.kind in KINDS_KEPT else None
        total += len(raw) + len(body or b"")
        if found and total > bytes_max:
            break
        found.append((raw, body or None))
    return tuple(found)


def _path(subtree: Subtree, target: Cursor, start: int, found: tuple[Held, ...]) -> tuple[bytes, ...]:
    """Return the proof from the end of these entries to the target, made and checked as the mirror will check it."""
    tree = frontier_of(subtree, start)
    for raw, _ in found:
        tree.append(leaf_hash(raw))
    path = consistency_path(subtree, tree.size, target.size)
    if not consistent(tree.size, target.size, tree.root(), target.root, path):
        raise StoreError("tree_damaged", size=tree.size)
    return tuple(path)


def frontier_of(subtree: Subtree, size: int) -> Frontier:
    """Return the frontier of the first `size` entries."""
    hashes: list[bytes] = []
    start = 0
    for bit in range(size.bit_length() - 1, -1, -1):
        if size >> bit & 1:
            hashes.append(subtree(start, 1 << bit))
            start += 1 << bit
    return Frontier(size, hashes)
