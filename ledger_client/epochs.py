"""Opening the next epoch: an operator's act, after a quarantine, a lost key, a restore from a backup.

Room: ground. The CLI calls it while no core runs. The new ledger's genesis names the head of the old one, so that a verifier
sees the seam and an operator answers for it. The old epoch's files stay as they are. From the first checkpoint of the new epoch on the
signer refuses the old one; until then only the core's choice of the newest epoch keeps the old one from growing.
"""

from __future__ import annotations

from pathlib import Path

from ledger_client.chain import Chain
from ledger_client.chain_seams import Clock, Signer
from ledger_client.details import EMPTY_BODY_HASH
from ledger_client.disk import Disk
from ledger_client.errors import StoreError
from ledger_client.reader import epochs, ledger_folder
from ledger_client.recovery import read_newest
from ledger_client.segments import SegmentShape

Head = tuple[str, int, bytes]
"""Origin, size and root of a log."""


def head_of(disk: Disk, state: Path, epoch: int) -> Head:
    """Return what an epoch's files show as its head, up to the end of their good part. Raises StoreError, OSError."""
    seen = read_newest(disk, ledger_folder(state, epoch))
    return seen.heads.origin, seen.size, seen.tree.root()


def next_origin(origin: str, epoch: int) -> str:
    """Return the origin of the next epoch's log: the last part of the name is the epoch."""
    stem, slash, last = origin.rpartition("/")
    return f"{stem}/{epoch}" if slash and last.isascii() and last.isdigit() else f"{origin}/{epoch}"


async def open_next_epoch(
    disk: Disk, state: Path, signer: Signer, clock: Clock, *, head: Head | None = None, next_key_hashes: tuple[bytes, ...] = (),
    policy_hash: bytes = EMPTY_BODY_HASH, shape: SegmentShape | None = None,
) -> int:  # fmt: skip
    """Create the ledger of the next epoch and return its number; an interrupted attempt is completed.

    `head` names the old log's head where the files are not the newest of it (after a rollback: the newest cosigned checkpoint).
    Raises StoreError `ledger_missing`, CorruptError when the old head is unreadable and none is given, SignerError, OSError.
    """
    known = epochs(disk, state)
    if not known:
        raise StoreError("ledger_missing", folder="ledger")
    newest = known[-1]
    if not _has_genesis(disk, state, newest) and len(known) > 1:
        known.pop()
    old = known[-1]
    previous = head if head is not None else head_of(disk, state, old)
    origin = next_origin(previous[0], old + 1)
    await Chain.create(
        disk, state, signer, clock, origin=origin, epoch=old + 1, next_key_hashes=next_key_hashes, previous=previous,
        policy_hash=policy_hash, shape=shape,
    )  # fmt: skip
    return old + 1


def _has_genesis(disk: Disk, state: Path, epoch: int) -> bool:
    """Whether an epoch's ledger has begun; a damaged one has."""
    try:
        seen = read_newest(disk, ledger_folder(state, epoch))
    except StoreError as error:
        return error.code != "ledger_missing"
    return seen.size > 0 or seen.fault is not None
