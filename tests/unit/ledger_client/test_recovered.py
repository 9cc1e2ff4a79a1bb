"""A ledger made again from what a mirror gave: in steps, and only out of entries that follow each other."""

from __future__ import annotations

from hashlib import sha256

import pytest

from ledger_client import recovered
from ledger_client.details import EMPTY_BODY_HASH
from ledger_client.disk import RealDisk
from ledger_client.errors import FormatError, StoreError
from ledger_client.kinds import Kind
from ledger_client.reader import LedgerReader
from ledger_client.recovered import Copy
from tests.rigs.small_log import SmallLog

DISK = RealDisk()


def log_of(count: int) -> SmallLog:
    log = SmallLog()
    log.add(Kind.GENESIS, (log.origin, 3, log.key.public.cose, (), None, EMPTY_BODY_HASH))
    return log.grow(count - 1)


def rows(log: SmallLog, start: int, end: int, *, bodies: bool = True) -> list[tuple[bytes, bytes | None]]:
    return [(log.entries[seq], (log.bodies[seq] or None) if bodies else None) for seq in range(start, end)]


def test_it_reads_like_the_gateways_own(tmp_path, monkeypatch):
    monkeypatch.setattr(recovered, "SEGMENT_ENTRIES_MAX", 10)
    log = log_of(57)
    copy = Copy(DISK, tmp_path, log.origin)
    copy.take(rows(log, 0, 31))
    assert (copy.size, copy.kept, copy.epoch) == (31, 30, 3)
    again = Copy(DISK, tmp_path, log.origin)
    assert (again.size, again.epoch) == (30, 3), "what was not kept is fetched again"
    again.take(rows(log, 30, 57, bodies=False))
    again.flush()
    reader = LedgerReader(DISK, tmp_path, 3)
    assert [*reader.entries(0, reader.size())] == log.entries
    assert [reader.body(seq) for seq in range(57)] == [*log.bodies[:30], *[None] * 27]
    assert again.root_at(57) == reader.root_at(57) == log.checkpoint().root
    assert reader.heads(57).key[0] == log.key.public.cose


@pytest.mark.parametrize("change", ["hole", "twice", "other", "start", "elsewhere"])
def test_what_does_not_follow_is_not_taken(tmp_path, change):
    log = log_of(9)
    given = rows(log, 0, 9)
    copy = Copy(DISK, tmp_path, "witnessmark.example/other/1" if change == "elsewhere" else log.origin)
    other = SmallLog(log.origin).grow(9, salt="other")
    changed = {
        "hole": given[:4] + given[5:],
        "twice": [*given, given[-1]],
        "other": [*given[:4], *rows(other, 4, 9)],
        "start": rows(other, 0, 9),
    }
    with pytest.raises(FormatError, match="fetched_entry_misfit"):
        copy.take(changed.get(change, given))
    copy.flush()
    if copy.size:
        reader = LedgerReader(DISK, tmp_path, 3)
        assert [*reader.entries(0, reader.size())] == log.entries[: copy.size], "what came before the misfit is good"


@pytest.mark.parametrize("sign", ["FORMAT", "private"])
def test_never_into_a_gateways_folder(tmp_path, sign):
    (tmp_path / sign).mkdir()
    with pytest.raises(StoreError, match="fetch_into_gateway"):
        Copy(DISK, tmp_path, "x")


def test_another_log_beside_it_stays(tmp_path):
    log = log_of(5)
    copy = Copy(DISK, tmp_path, log.origin)
    copy.take(rows(log, 0, 5))
    copy.flush()
    assert Copy(DISK, tmp_path, "witnessmark.example/line-4/2").size == 0
    assert sha256(LedgerReader(DISK, tmp_path, 3).entry(4)).digest() == sha256(log.entries[4]).digest()
