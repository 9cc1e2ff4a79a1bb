"""What happened keeps to its share of the index however much there is of it, says until when, and no question looks at all of it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ledger_client.disk import RealDisk
from ledger_client.kinds import Kind
from ledger_client.reader import LedgerReader
from runtime.history import kept as kept_file
from runtime.history.catalogue import LOG_BYTES_MAX, LOOKED_AT, SHARE
from runtime.history.follow import Follower
from runtime.history.index import Index, Limits
from runtime.history.query import Query
from tests.rigs.evidence import EvidenceLog

MB = 1 << 20
BODY = bytes(4_000)


def open_index(path: Path, size_bytes_max: int) -> Index:
    return Index(path, "o/1", Limits(size_bytes_max=size_bytes_max))


def bytes_on_disk(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def test_a_flood_of_acts_keeps_to_its_share_between_two_pages_too(tmp_path: Path) -> None:
    """30 MB of bodies into an index of 16: no page is written meanwhile, which would be another reason to look."""
    share = 16 * MB // SHARE
    with open_index(tmp_path / "h.db", 16 * MB) as index:
        for n in range(7_500):
            index.add_event(n, n, int(Kind.COMMAND), b"\x80", BODY)
            index.seen(n + 1, n)
            if n % 500 == 0:
                assert index.catalogue.size_bytes <= share + share // LOOKED_AT + MB // 4
        assert bytes_on_disk(tmp_path) <= share + share // LOOKED_AT + LOG_BYTES_MAX + MB // 4
        kept = index.catalogue.ask("SELECT COUNT(*), MIN(seq), MAX(seq) FROM said WHERE told IS NOT NULL")[0]
        assert kept[0] >= share // 2 // len(BODY), "the rest of the share is used"
        assert kept[2] - kept[1] + 1 == kept[0], "the oldest went"
        assert kept[2] == 7_499
        assert index.catalogue.let_go() == (-1, kept[1] - 1, -1)
        assert index.catalogue.ask("SELECT COUNT(*) FROM event") == [(7_500,)], "that they are is kept"
    with open_index(tmp_path / "h.db", 4 * MB) as index:  # less is configured
        index.seen(7_500, 7_500)
        list(index.write())
        assert index.size_bytes <= 4 * MB // SHARE
    assert bytes_on_disk(tmp_path) <= 4 * MB // SHARE


def test_old_entries_go_but_for_those_that_say_what_tags_there_are(tmp_path: Path) -> None:
    log = EvidenceLog().typical(1)
    reader = LedgerReader(RealDisk(), log.write(tmp_path / "state"), 1)
    size = MB
    kept = size // SHARE // 2 // kept_file.ROW_BYTES
    with open_index(tmp_path / "h.db", size) as index:
        query = Query(reader, index, Follower(reader, index, log.size), lambda _uid, _at: b"")
        index.add_event(0, 5, int(Kind.SCHEMA))
        for n in range(1, 4 * kept):
            index.add_event(n, 1_000 + n, int(Kind.RECEIPTS))
            index.add_gaps([(n, 0, 7, n, n + 1, "no_answer", 1)])
        index.seen(4 * kept, 5_000)
        list(index.write())
        assert index.catalogue.ask("SELECT COUNT(*), MIN(seq) FROM event WHERE kind != 5") == [(kept, 3 * kept)]
        assert index.catalogue.ask("SELECT seq FROM event WHERE kind = 5") == [(0,)]
        assert index.catalogue.ask("SELECT COUNT(*), MAX(seq) FROM gap") == [(kept // 2, 4 * kept - 1)]
        assert query.ask("entries_until", {}) == 1_000 + 3 * kept - 1
        assert query.ask("status", {})["size_bytes"] == index.size_bytes <= size // SHARE
    with open_index(tmp_path / "new.db", size) as index:
        query = Query(reader, index, Follower(reader, index, log.size), lambda _uid, _at: b"")
        assert query.ask("entries_until", {}) is None


def test_pages_have_what_is_left(tmp_path: Path) -> None:
    limits = Limits(size_bytes_max=MB, keep_ms={})
    with Index(tmp_path / "h.db", "o/1", limits) as index:
        for n in range(100):
            index.add_event(n, n, int(Kind.COMMAND), b"\x80", BODY)
        index.seen(100, 100)
        list(index.write())
        pages = [row for row in index.catalogue.pages() if row.size]
        assert index.size_bytes == bytes_on_disk(tmp_path / "h.pages") + index.catalogue.size_bytes
        assert index.catalogue.size_bytes > 100 * 1_000
        assert pages == []


@pytest.mark.parametrize("method", ["trends", "kind", "entries", "write"])
def test_no_question_looks_at_every_entry(tmp_path: Path, method: str) -> None:
    log = EvidenceLog().typical(5)
    log.append(Kind.CONFIG, (2, 1, bytes(32), "alice", "new tag"))
    reader = LedgerReader(RealDisk(), log.write(tmp_path), 1)
    with open_index(tmp_path / "h.db", 16 * MB) as index:
        follower = Follower(reader, index, log.size)
        for seq in range(log.size()):
            follower.take(seq)
        query = Query(reader, index, follower, lambda _uid, _at: b"")
        asked: list[str] = []
        index.catalogue._db.set_trace_callback(asked.append)
        match method:
            case "kind":
                assert query.ask("entries", {"before": None, "limit": 5, "kind": int(Kind.CONFIG)})
            case "entries":
                assert query.ask("entries", {"before": 1 << 40, "limit": 5})
            case "write":
                list(index.write())
            case _:
                answer = query.ask("trends", {"uids": [1], "t0": log.wall_ms - 10**9, "t1": log.wall_ms + 1, "points": 100})
                assert answer["marks"]
        index.catalogue._db.set_trace_callback(None)
        questions = [each for each in asked if re.search(r"\b(FROM|UPDATE) (event|said)\b", each)]
        assert questions
        for question in questions:
            plan = [row[3] for row in index.catalogue.ask(f"EXPLAIN QUERY PLAN {question}")]
            whole = [each for each in plan if re.match(r"SCAN (event|said)\b", each) and "OFFSET" not in question]
            assert not whole, f"{question}: {whole}"  # the row to cut at is looked for from an end, over so many places
