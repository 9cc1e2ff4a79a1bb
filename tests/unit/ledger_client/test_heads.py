"""The heads that a header carries: above all, which key is in force when."""

from __future__ import annotations

from pathlib import Path

import pytest

from ledger_client import cbor
from ledger_client.disk import RealDisk
from ledger_client.errors import FormatError
from ledger_client.heads import parse_heads
from ledger_client.reader import LedgerReader, ledger_folder
from ledger_client.recovery import read_newest
from tests.rigs.evidence import EvidenceLog
from tests.rigs.small_log import key_of


def rotated() -> tuple[EvidenceLog, int]:
    """Two rotations announced one after the other, in force 3 and 5 entries after the first announcement."""
    log = EvidenceLog().begin()
    first, second = key_of(2), key_of(3)
    at = log.rotate(first, effective_after=3)
    log.rotate(second, effective_after=4)
    log.coming = (at + 3, first)
    log.batch()
    log.batch()
    log.coming = (at + 5, second)
    for _ in range(3):
        log.batch()
    return log, at


@pytest.mark.parametrize("ahead", range(7))
def test_a_new_key_is_in_force_from_its_seq_on_wherever_a_segment_begins_or_ends(tmp_path: Path, ahead: int) -> None:
    log, at = rotated()
    whole = LedgerReader(RealDisk(), log.write(tmp_path / "whole"), 1)
    due = [1, 1, 1, 2, 2, 3, 3][ahead]
    assert whole.heads(at + ahead).key[0] == key_of(due).public.cose
    cut = LedgerReader(RealDisk(), log.write(tmp_path / "cut", cut=at + ahead), 1)
    assert [cut.heads(seq) for seq in range(log.size() + 1)] == [whole.heads(seq) for seq in range(log.size() + 1)]
    # The last record is held against the key of its own seq, not of the next one.
    log.entries, log.bodies = log.entries[: at + ahead], log.bodies[: at + ahead]
    seen = read_newest(RealDisk(), ledger_folder(log.write(tmp_path / "ends"), 1))
    assert (seen.fault, seen.size) == (None, at + ahead)
    assert parse_heads(cbor.decode(cbor.encode(seen.heads.row()), size_max=1000, what="heads")) == seen.heads


def test_keys_of_a_header_are_read_strictly() -> None:
    key = key_of(2).public.cose
    row = ["o", 1, 1, 0, 0, None, None, None, bytes(32), None]
    for keys in ([key, 0], [key, 0, key, 5, key, 7]):
        assert parse_heads([*row[:7], keys, *row[8:]]).row()[7] == tuple(keys)
    for keys in ([], [key], [key, 0, key], [key, 5, key, 5], [key, -1], [b"", 0], [key, 0, "x", 1]):
        with pytest.raises(FormatError):
            parse_heads([*row[:7], keys, *row[8:]])
