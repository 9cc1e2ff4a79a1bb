"""Judge the seam between two epochs: a genesis entry must name the head that the epoch before it has.

Room: ground, pure. `verify_ledger` calls it with the older epochs that are at hand. It reads entries through a `Source` and hashes them
itself; whether an older epoch is sound in itself is that epoch's own verification. Source: docs/ledger-format.md section 12.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from ledger_client.claims import Judge
from ledger_client.entry import parse
from ledger_client.errors import LedgerError, StoreError
from ledger_client.kinds import Kind
from ledger_client.merkle import Frontier, leaf_hash

CLAIM = "equivocated"
"""A genesis that names another head than there is stands for a second history before the seam."""


class Entries(Protocol):
    """What of a LedgerReader is needed here."""

    def size(self) -> int:
        """Entries that can be read."""
        ...

    def entry(self, seq: int) -> bytes:
        """An entry's exact bytes."""
        ...


def judge_seam(judge: Judge, genesis: tuple[Any, ...], older: Mapping[int, Entries]) -> None:
    """Judge the `previous` of a genesis detail against the epochs at hand (number -> entries). Raises OSError.

    Fails when an epoch at hand has another root at the size named, or goes on beyond it; unknown when it is not at hand as far as that.
    """
    epoch, previous = genesis[1], genesis[4]
    before = {number: entries for number, entries in older.items() if number < epoch}
    if previous is None:
        if before:
            judge.unknown(CLAIM, "previous_not_named", 0, epoch=max(before))
        return
    origin, size, root = previous
    try:
        named = next((number for number in sorted(before, reverse=True) if _origin(before[number]) == origin), None)
        if named is None:
            judge.unknown(CLAIM, "previous_not_at_hand", 0, origin=origin, size=size)
            return
        held = before[named].size()
        if held < size:
            judge.unknown(CLAIM, "previous_short", 0, epoch=named, size=size, held=held)
        elif _root(before[named], size) != root:
            judge.fails(CLAIM, "previous_differs", 0, epoch=named, size=size)
        elif held > size:
            judge.fails(CLAIM, "previous_goes_on", 0, epoch=named, size=size, held=held)
    except (StoreError, IndexError):  # a folder without segments, or without the first of them
        judge.unknown(CLAIM, "previous_not_at_hand", 0, origin=origin, size=size)
    except LedgerError as error:
        judge.doubts(CLAIM, error)


def _origin(entries: Entries) -> str | None:
    """The name of the log that these entries say they are; None when there are none."""
    if not entries.size():
        return None
    payload = parse(entries.entry(0)).payload
    return str(payload.detail[0]) if payload.kind == Kind.GENESIS else None


def _root(entries: Entries, size: int) -> bytes:
    tree = Frontier()
    for seq in range(size):
        tree.append(leaf_hash(entries.entry(seq)))
    return tree.root()
