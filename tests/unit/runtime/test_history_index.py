"""Rollups agree with a plain computation, survive a restart, and begin anew on another ledger."""

from __future__ import annotations

import asyncio
import math
import sqlite3
from contextlib import closing
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger_client.disk import RealDisk
from ledger_client.kinds import Kind
from ledger_client.reader import LedgerReader
from runtime.faces.feed import RequestRefusedError
from runtime.history.follow import Follower
from runtime.history.index import ASIDE, HELD_MS, Index, SpoiledIndexError
from runtime.history.query import Query
from runtime.history.rollups import SPANS_MS, Rollup, as_number, thin
from tests.rigs.evidence import EvidenceLog

readings = st.lists(st.tuples(st.integers(0, 200_000), st.one_of(st.none(), st.floats(-1e6, 1e6))), min_size=1, max_size=60)


def plain(rows: list[tuple[int, float | None]]) -> Rollup:
    good = [v for _, v in rows if v is not None]
    if not good:
        return Rollup(bad=len(rows))
    return Rollup(min(good), max(good), good[0], good[-1], len(good), len(rows) - len(good))


@given(readings, st.integers(1, 9))
def test_rollups_are_what_a_plain_computation_says(rows: list[tuple[int, float | None]], commits: int) -> None:
    import tempfile

    rows = sorted(rows, key=lambda row: row[0])
    with tempfile.TemporaryDirectory() as folder, Index(Path(folder) / "h.db", "o/1") as index:
        for n, (time_ms, value) in enumerate(rows):
            index.add_reading(5, time_ms, value, 0 if value is not None else 0x80000000)
            if n % commits == 0:
                index.commit(n)
        index.commit(len(rows))
        for span in SPANS_MS:
            for start, rollup in index.rollups(5, span, 0, 200_000):
                assert rollup == plain([r for r in rows if start <= r[0] < start + span])
        whole = thin(index.rollups(5, 10_000, 0, 209_999), 1, 0, 209_999)
        assert [rollup for _, rollup in whole] == [plain(rows)]


def test_it_goes_on_where_it_was_and_begins_anew_for_another_ledger(tmp_path: Path) -> None:
    path = tmp_path / "index" / "h.db"
    with Index(path, "o/1") as index:
        index.add_batch(3, 9, 100, 200)
        index.add_event(4, 150, 6)
        index.add_reading(5, 150, 1.5, 0)
        index.commit(5)
    with Index(path, "o/1") as index:
        assert (index.next_seq, index.batches(9, 150, 160, 10), index.events(None, 10)) == (5, [3], [4])
        assert (index.events(None, 10, 6), index.events(None, 10, 7)) == ([4], [])
        assert index.batches(9, 201, 300, 10) == []
    with Index(path, "o/2") as index:
        assert (index.next_seq, index.batches(9, 150, 160, 10)) == (0, [])
    path.write_bytes(b"not a database, not at all" * 100)
    with Index(path, "o/2") as index:
        assert index.next_seq == 0


@pytest.mark.parametrize("kind", ["another program's", "an older format's", "a folder"])
def test_a_file_that_is_not_ours_is_set_aside_and_built_anew(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "h.db"
    for _ in range(2):  # the second time there is one that was set aside before
        if kind == "a folder":
            path.unlink(missing_ok=True)
            path.mkdir()
            (path / "x").write_text("x")
        else:
            path.unlink(missing_ok=True)
            with closing(sqlite3.connect(path)) as other:
                other.execute("CREATE TABLE meta (of_others TEXT)" if kind.startswith("another") else "CREATE TABLE meta (name, value)")
        with Index(path, "o/1") as index:
            index.add_event(4, 150, 6)
            index.commit(5)
            assert index.events(None, 9) == [4]
        assert (tmp_path / ("h.db" + ASIDE)).exists()


def test_damage_that_shows_later_ends_the_process_and_the_next_one_builds_anew(tmp_path: Path) -> None:
    path = tmp_path / "h.db"
    with Index(path, "o/1") as index:
        for n in range(3_000):
            index.add_event(n, n, 6)
            index.add_batch(n, 9, n, n)
        index.commit(3_000)
    raw = bytearray(path.read_bytes())
    raw[8_192:] = b"\xa5" * (len(raw) - 8_192)
    path.write_bytes(raw)
    index, log = Index(path, "o/1"), EvidenceLog().typical(3)
    reader = LedgerReader(RealDisk(), log.write(tmp_path), 1)
    with pytest.raises(SpoiledIndexError), index:
        index.next_seq = log.size()
        follower = Follower(reader, index, log.size)
        query = Query(reader, index, follower, lambda _uid, _at: b"")
        with pytest.raises(RequestRefusedError, match="history_away"):
            query.ask("entries", {"before": None, "limit": 200})
        asyncio.run(follower.run())
    with Index(path, "o/1") as again:
        assert (again.next_seq, again.events(None, 9)) == (0, [])


def test_score_receipts_do_not_hide_what_happened(tmp_path: Path) -> None:
    log = EvidenceLog().typical(3)
    for name in ("scores", "finding", "scores", "scores"):
        log.append(Kind.EVENT, (f"https://witnessmark.example/event/{name}", 1, sha256(b"").digest(), 0))
    reader = LedgerReader(RealDisk(), log.write(tmp_path), 1)
    with Index(tmp_path / "h.db", "o/1") as index:
        follower = Follower(reader, index, log.size)
        for seq in range(log.size()):
            follower.take(seq)
        index.commit(log.size())
        rows = Query(reader, index, follower, lambda _uid, _at: b"").entries(None, 200)
        assert [row[3][0] for row in rows if row[2] == Kind.EVENT] == ["https://witnessmark.example/event/finding"]


def test_a_disk_that_is_full_or_locked_is_no_reason_to_throw_the_index_away(tmp_path: Path) -> None:
    path = tmp_path / "h.db"
    with Index(path, "o/1") as index:
        index.commit(7)
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN EXCLUSIVE")
            index._db.execute("PRAGMA busy_timeout = 1")
            with pytest.raises(sqlite3.OperationalError, match="locked"):
                index.commit(8)
            other.execute("ROLLBACK")
        assert index.spoiled is None
    with Index(path, "o/1") as index:
        assert index.next_seq == 7


def test_where_readings_are_is_forgotten_with_their_short_rollups(tmp_path: Path) -> None:
    hour = 3_600_000
    with Index(tmp_path / "h.db", "o/1") as index:
        for n in range(400):
            index.add_batch(n, 9, n * hour, n * hour + 5_000)
            index.add_batch(n, 8, 0, 5_000) if n == 0 else None
            index.commit(n)
        assert index.oldest_held(9) == (399 - HELD_MS // hour) * hour + 5_000
        assert len(index.batches(9, 0, 400 * hour, 1_000)) == HELD_MS // hour + 1
        assert index.oldest_held(8) == 5_000, "the last of a group that is gone stays as long as nothing newer of it comes"


def test_a_narrow_look_at_old_times_is_drawn_from_rollups(tmp_path: Path) -> None:
    log = EvidenceLog().typical(3)
    reader = LedgerReader(RealDisk(), log.write(tmp_path), 1)
    schema = reader.schema_at(log.size())
    group = next(iter(schema.groups.values()))
    uid = group.tag_uids[0]
    with Index(tmp_path / "h.db", "o/1") as index:
        index.next_seq = log.size()
        query = Query(reader, index, Follower(reader, index, log.size), lambda _uid, _at: b"")
        hour = 3_600_000
        for n in range(24 * 10):
            index.add_reading(uid, n * hour, float(n), 0)
            index.add_batch(10_000 + n, group.uid, n * hour, n * hour)
            index.commit(log.size())
        assert [row[1] for row in query.trend(uid, 5 * hour, 5 * hour + 60_000, 100)] == [5.0]


def test_what_a_trend_draws() -> None:
    assert as_number(True, 0) == 1.0
    assert as_number(3, 0x40900000) == 3.0
    assert as_number(3, 0x80000000) is None
    assert as_number("idle", 0) is None
    assert as_number(math.nan, 0) is None


def test_short_spans_do_not_outgrow_the_ledger_and_old_times_are_drawn_from_longer_ones(tmp_path: Path) -> None:
    day = 86_400_000
    with Index(tmp_path / "h.db", "o/1") as index:
        for n in range(200 * 24):
            index.add_reading(5, n * day // 24, float(n), 0)
            index.commit(n)
        kept = [len(index.rollups(5, span, 0, 200 * day)) for span in SPANS_MS]
        assert kept == [7 * 24 + 1, 90 * 24 + 1, 200 * 24]
        query = Query(None, index, None, None)  # type: ignore[arg-type]  a trend of this width asks the index alone
        for points in (2_000, 200):
            old = query.trend(5, 0, 100 * day, points)
            assert sum(row[5] for row in old) == 100 * 24 + 1, points
        new = query.trend(5, 195 * day, 200 * day, 2_000)
        assert len(new) == 5 * 24
        assert query.trend(5, 300 * day, 301 * day, 100) == []


def test_a_gap_comes_with_the_names_of_its_groups(tmp_path: Path) -> None:
    log = EvidenceLog().typical(3)
    seq = log.append(Kind.GAP, ((7, 0, 1, "no_answer", 2), (9, 0, 1, "no_answer", 2), (None, 0, 1, "evidence_behind", 1)))
    reader = LedgerReader(RealDisk(), log.write(tmp_path), 1)
    with Index(tmp_path / "h.db", "o/1") as index:
        index.next_seq = log.size()
        index.add_event(seq, log.wall_ms, Kind.GAP)
        index.commit(log.size())
        query = Query(reader, index, Follower(reader, index, log.size), lambda _uid, _at: b"")
        assert query.ask("entries", {"before": None, "limit": 5})[0][4] == [[7, "filler/fast"]]
