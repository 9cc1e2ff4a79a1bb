"""The index agrees with a plain computation however its pages were cut, survives a restart, and begins anew on another ledger."""

from __future__ import annotations

import asyncio
import math
import sqlite3
import tempfile
from collections.abc import Sequence
from contextlib import closing
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger_client.body_reader import Column, Section
from ledger_client.disk import RealDisk
from ledger_client.kinds import Kind
from ledger_client.leaf import Value
from ledger_client.reader import LedgerReader
from ledger_client.schema import Descriptor, GroupRow
from runtime.faces.feed import RequestRefusedError
from runtime.history import index as index_file
from runtime.history import kept as kept_file
from runtime.history.catalogue import ASIDE, SpoiledIndexError
from runtime.history.follow import RETRY_MS, Follower
from runtime.history.index import HELD, Index, Limits
from runtime.history.page import DamagedPageError, Page, page_bytes, read_held, read_strip, strip_block
from runtime.history.query import Query
from runtime.history.rollups import SPANS_MS, Row, Strip, as_number, thin, width_of
from tests.rigs.evidence import EvidenceLog

UID, GROUP = 5, 9
DAY = 86_400_000
readings = st.lists(st.tuples(st.integers(0, 2_000_000), st.none() | st.floats(-1e6, 1e6)), min_size=1, max_size=60)
Reading = tuple[int, float | None]


class Unsynced(RealDisk):
    """Writes without flushing: no test here cuts the power, and hundreds of flushes take seconds."""

    def fdatasync(self, handle: int) -> None:
        """Skip."""

    def sync_folder(self, path: Path) -> None:
        """Skip."""


def open_index(path: Path, limits: Limits | None = None) -> Index:
    return Index(path, "o/1", limits, Unsynced())


def section(rows: Sequence[tuple[int, Value]], uid: int = UID, group: int = GROUP) -> Section:
    """A section of one tag; None is a bad reading."""
    tag = Descriptor(uid, "", f"d/t{uid}", "", "float64", None, "", "")
    values = [value for _, value in rows]
    statuses = [0 if value is not None else 0x80000000 for value in values]
    column = Column(tag, range(len(rows)), bytes(len(rows)) if not any(statuses) else statuses, values)
    return Section(GroupRow(group, "d", "fast", 1000, "poll", (uid,)), [t for t, _ in rows], [None] * len(rows), (column,))


def plain(start: int, rows: Sequence[Reading]) -> Row:
    good = [v for _, v in rows if v is not None]
    if not good:
        return start, math.nan, math.nan, math.nan, math.nan, 0, len(rows)
    return start, min(good), max(good), good[0], good[-1], len(good), len(rows) - len(good)


def expected(rows: Sequence[Reading], span: int) -> list[Row]:
    starts = sorted({t - t % span for t, _ in rows})
    return [plain(start, [row for row in rows if start <= row[0] < start + span]) for start in starts]


def same(left: Sequence[Row], right: Sequence[Row]) -> bool:
    return repr(list(left)) == repr(list(right))  # NaN and -0.0 included


def write(index: Index, next_seq: int, wall_ms: int = 0) -> None:
    index.seen(next_seq, wall_ms)
    for _ in index.write():
        pass
    for _ in index.widen():
        pass


@given(readings, st.integers(1, 9), st.integers(1, 7), st.booleans())
def test_rollups_are_what_a_plain_computation_says(rows: list[Reading], batch: int, page: int, in_order: bool) -> None:
    """Of readings in any order: of one span, first and last are so in the order of the ledger."""
    rows = sorted(rows, key=lambda row: row[0]) if in_order else rows
    with tempfile.TemporaryDirectory() as folder, open_index(Path(folder) / "h.db") as index:
        for number, at in enumerate(range(0, len(rows), batch)):
            index.take(number, section(rows[at : at + batch]))
            if number % page == page - 1:
                write(index, number + 1)
        for span in SPANS_MS:
            assert same(list(index.strip(UID, span, 0, 2_000_000).rows()), expected(rows, span))
        assert same(list(thin(index.strip(UID, 10_000, 0, 2_000_000), 7_200_000).rows()), [plain(0, sorted_by_span(rows))])


def sorted_by_span(rows: Sequence[Reading]) -> list[Reading]:
    return sorted(rows, key=lambda row: row[0] // 10_000)


@given(
    st.lists(st.tuples(st.integers(-50, 10**6), st.floats(allow_nan=False, allow_infinity=False) | st.none()), min_size=1, max_size=40),
    st.sampled_from(SPANS_MS),
)
def test_a_strip_comes_back_from_its_block_and_damage_shows(rows: list[Reading], span: int) -> None:
    strip = Strip()
    for place, value in rows:
        strip.add_reading(place * span, value, span)
    uid, first_ms, last_ms, data = strip_block(UID, strip, span, index_file.CodecHints())
    assert (uid, first_ms, last_ms) == (UID, min(strip.starts), max(strip.starts))
    assert same(list(read_strip(data, span).rows()), list(strip.rows()))
    for cut in (0, len(data) // 2, len(data) - 1):
        with pytest.raises(DamagedPageError):
            read_strip(data[:cut], span)
    with pytest.raises(DamagedPageError):
        read_held(data + b"\x00")


def test_every_byte_of_a_page_is_watched(tmp_path: Path) -> None:
    strip = Strip()
    for i in range(50):
        strip.add_reading(i * 10_000, i / 8)
    raw = page_bytes([strip_block(UID, strip, 10_000, index_file.CodecHints())])
    path = tmp_path / "p"
    for at in range(4, len(raw)):
        path.write_bytes(raw[:at] + bytes([raw[at] ^ 0x41]) + raw[at + 1 :])
        with pytest.raises(DamagedPageError):
            Page(path).block(UID, 0, 1 << 40)
    path.write_bytes(raw)
    assert Page(path).block(UID + 1, 0, 1) is None


def test_it_goes_on_where_it_was_and_begins_anew_for_another_ledger(tmp_path: Path) -> None:
    path = tmp_path / "index" / "h.db"
    with Index(path, "o/1") as index:
        index.take(3, section([(100, 1.5), (200, 2.5)]))
        index.add_event(4, 150, 6)
        write(index, 5)
        index.take(6, section([(20_100, 1.5)]))
        index.seen(7, 20_100)
        assert list(index.batches(GROUP, 150, 160)) == [3]
        assert (index.read_to, list(index.batches(GROUP, 0, 30_000))) == (7, [3, 6])
    (path.with_suffix(".pages") / "10s-of-nobody.page").write_bytes(b"left by a crash")
    with Index(path, "o/1") as index:
        assert (index.read_to, list(index.batches(GROUP, 0, 30_000)), len(index.strip(UID, 10_000, 0, 30_000))) == (5, [3], 1)
        assert index.catalogue.ask("SELECT seq FROM event") == [(4,)]
        assert len(list(path.with_suffix(".pages").iterdir())) == 2
    with Index(path, "o/2") as index:
        assert (index.read_to, list(index.batches(GROUP, 0, 30_000)), len(index.strip(UID, 10_000, 0, 30_000))) == (0, [], 0)
        write(index, 1)
    path.write_bytes(b"not a database, not at all" * 100)
    with Index(path, "o/2") as index:
        assert index.read_to == 0


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
            write(index, 5)
            assert index.catalogue.ask("SELECT seq FROM event") == [(4,)]
        assert (tmp_path / ("h.db" + ASIDE)).exists()


def test_our_own_file_of_an_older_format_begins_anew_in_its_place(tmp_path: Path) -> None:
    path = tmp_path / "h.db"
    with closing(sqlite3.connect(path)) as old, old:
        old.execute("PRAGMA application_id = 1466788713")
        old.execute("CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID")
        old.execute("CREATE TABLE event (seq INTEGER PRIMARY KEY, wall_ms INTEGER, kind INTEGER)")
        old.execute("CREATE TABLE rollup (uid INTEGER, span INTEGER)")
        old.executemany("INSERT INTO meta VALUES (?, ?)", [("format", "2"), ("origin", "o/1"), ("next_seq", "77")])
    with Index(path, "o/1") as index:
        assert index.read_to == 0
        index.add_event(4, 150, 6)
        write(index, 5)
        assert index.catalogue.ask("SELECT name FROM sqlite_master WHERE name = 'rollup'") == []
        assert index.catalogue.ask("PRAGMA auto_vacuum") == [(1,)], "else it would never give the disk anything back"
    assert not (tmp_path / ("h.db" + ASIDE)).exists()


@pytest.mark.parametrize("damage", ["the catalogue", "a block", "a page gone"])
def test_damage_that_shows_later_ends_the_process_and_the_next_one_builds_anew(tmp_path: Path, damage: str) -> None:
    state = tmp_path / "state"
    log, path = EvidenceLog().typical(3), tmp_path / "h.db"
    reader = LedgerReader(RealDisk(), log.write(state), 1)
    with Index(path, "o/1") as index:
        follow(reader, index, log)
        for n in range(3_000):
            index.add_event(10_000 + n, n, 6)
        write(index, log.size())
        (page,) = path.with_suffix(".pages").glob("10s*")
    spoil(path if damage == "the catalogue" else page, damage)
    index = Index(path, "o/1")
    if damage == "a page gone":  # seen at once
        with index:
            assert index.read_to == 0
        return
    with pytest.raises(SpoiledIndexError), index:
        follower = Follower(reader, index, log.size)
        query = Query(reader, index, follower, lambda _uid, _at: b"")
        with pytest.raises(RequestRefusedError, match="history_away"):
            if damage == "the catalogue":
                query.ask("entries", {"before": None, "limit": 200})
            else:
                query.ask("trend", {"uid": 1, "t0": 0, "t1": log.wall_ms, "points": 100})
        asyncio.run(follower.run())
    with Index(path, "o/1") as again:
        assert (again.read_to, again.catalogue.ask("SELECT seq FROM event")) == (0, [])


def spoil(path: Path, damage: str) -> None:
    raw = bytearray(path.read_bytes())
    if damage == "the catalogue":
        raw[16_384:] = b"\xa5" * (len(raw) - 16_384)
    else:
        raw[8] ^= 0xFF
    path.unlink() if damage == "a page gone" else path.write_bytes(raw)


def follow(reader: LedgerReader, index: Index, log: EvidenceLog) -> Follower:
    """Have the whole ledger taken in."""
    follower = Follower(reader, index, log.size)
    for seq in range(log.size()):
        follower.take(seq)
    return follower


def test_score_receipts_do_not_hide_what_happened(tmp_path: Path) -> None:
    log = EvidenceLog().typical(3)
    for name in ("scores", "finding", "scores", "scores"):
        log.append(Kind.EVENT, (f"https://witnessmark.example/event/{name}", 1, sha256(b"").digest(), 0))
    reader = LedgerReader(RealDisk(), log.write(tmp_path), 1)
    with open_index(tmp_path / "h.db") as index:
        follower = follow(reader, index, log)
        rows = Query(reader, index, follower, lambda _uid, _at: b"").entries(None, 200)
        assert [row[3][0] for row in rows if row[2] == Kind.EVENT] == ["https://witnessmark.example/event/finding"]


def test_a_disk_that_is_full_or_locked_is_no_reason_to_throw_the_index_away(tmp_path: Path) -> None:
    path = tmp_path / "h.db"
    with Index(path, "o/1") as index:
        index.take(1, section([(100, 1.5)]))
        write(index, 7)
        index.take(7, section([(200, 2.5)]))
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN EXCLUSIVE")
            index.catalogue.ask("PRAGMA busy_timeout = 1")
            with pytest.raises(sqlite3.OperationalError, match="locked"):
                write(index, 8)
            other.execute("ROLLBACK")
        assert index.spoiled is None
        assert same(list(index.strip(UID, 10_000, 0, 999).rows()), [(0, 1.5, 2.5, 1.5, 2.5, 2, 0)]), "nothing is lost meanwhile"
        write(index, 8)
        assert same(list(index.strip(UID, 10_000, 0, 999).rows()), [(0, 1.5, 2.5, 1.5, 2.5, 2, 0)]), "and nothing counted twice"
    with Index(path, "o/1") as index:
        assert index.read_to == 8


@pytest.mark.parametrize(("step_ms", "is_written"), [(1_000, False), (RETRY_MS, True), (-3_600_000, True)])
def test_a_disk_that_refused_is_asked_again_after_a_while_also_when_the_clock_was_set_back(
    tmp_path: Path, step_ms: int, *, is_written: bool
) -> None:
    log = EvidenceLog().typical(2)
    log.append(Kind.EVENT, ("https://witnessmark.example/event/finding", 1, sha256(b"").digest(), 0), wall_ms=log.wall_ms + step_ms)
    with Index(tmp_path / "h.db", log.origin) as index:
        follower = Follower(LedgerReader(RealDisk(), log.write(tmp_path), 1), index, log.size)
        for seq in range(log.size() - 1):
            follower.take(seq)
        with closing(sqlite3.connect(tmp_path / "h.db", isolation_level=None)) as other:
            other.execute("BEGIN EXCLUSIVE")
            index.catalogue.ask("PRAGMA busy_timeout = 1")
            asyncio.run(follower._write())
        assert index.catalogue.next_seq == 0
        follower.take(log.size() - 1)
        asyncio.run(follower._write())
        assert (index.catalogue.next_seq == log.size()) is is_written


def test_short_spans_go_by_age_and_old_times_are_drawn_from_longer_ones(tmp_path: Path) -> None:
    hour, log = DAY // 24, EvidenceLog().typical(1)
    reader = LedgerReader(RealDisk(), log.write(tmp_path), 1)
    with open_index(tmp_path / "h.db") as index:
        for n in range(200 * 24):
            index.take(n, section([(n * hour, float(n))]))
            if n % 24 == 23:
                write(index, n + 1, n * hour)
        assert not index.reaches(10_000, 191 * DAY)
        assert index.reaches(10_000, 192 * DAY)
        assert index.reaches(300_000, 111 * DAY)
        assert not index.reaches(300_000, 80 * DAY)
        assert [len(index.strip(UID, span, 0, 200 * DAY)) == 200 * 24 for span in SPANS_MS] == [False, False, True]
        index.read_to = log.size()
        query = Query(reader, index, Follower(reader, index, log.size), lambda _uid, _at: b"")
        for points in (2_000, 200):
            old = query.ask("trend", {"uid": UID, "t0": 0, "t1": 100 * DAY, "points": points})
            assert sum(row[5] for row in old) == 100 * 24 + 1, points
        assert len(query.ask("trend", {"uid": UID, "t0": 195 * DAY, "t1": 200 * DAY, "points": 2_000})) == 5 * 24
        assert query.ask("trend", {"uid": UID, "t0": 300 * DAY, "t1": 301 * DAY, "points": 100}) == []


def test_the_size_is_kept_and_nothing_goes_of_which_no_longer_span_was_made(tmp_path: Path) -> None:
    hour, limits = DAY // 24, Limits(size_bytes_max=72_000, keep_ms={})
    with open_index(tmp_path / "h.db", limits) as index:
        for n in range(40 * 24):
            index.take(n, section([(n * hour + i * 10_000, math.sin(n * i)) for i in range(8)]))
            if n % 2:
                write(index, n + 1, n * hour)
        files = {path.name: path.stat().st_size for path in (tmp_path / "h.pages").iterdir()}
        fresh = [page for page in index.catalogue.pages() if not page.widened and page.level != HELD]
        assert sum(files.values()) + index.catalogue.size_bytes == index.size_bytes <= 72_000 + sum(page.size for page in fresh)
        assert files.keys() == {page.name for page in index.catalogue.pages()}
        assert len(index.strip(UID, SPANS_MS[-1], 0, 40 * DAY)) > len(index.strip(UID, SPANS_MS[0], 0, 40 * DAY)) // 8
        assert same(list(index.strip(UID, 10_000, 40 * DAY - hour, 40 * DAY).rows())[:1], [plain((40 * 24 - 1) * hour, [(0, math.sin(0))])])


def test_what_happened_is_bounded_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept_file, "SAID_KEPT", 10)
    monkeypatch.setattr(kept_file, "GAPS_KEPT", 20)
    with open_index(tmp_path / "h.db") as index:
        for n in range(50):
            index.add_event(n, n, 10, b"\x80", b"told")
            index.add_gaps([(n, 0, 7, n, n + 1, "no_answer", 1)])
        assert index.catalogue.let_go() == (-1, -1, -1)
        write(index, 50)
        assert index.catalogue.let_go() == (30, 39, -1), "until when not all of it is here any more"
        assert index.catalogue.ask("SELECT COUNT(*), MIN(seq) FROM event") == [(50, 0)]
        assert index.catalogue.ask("SELECT COUNT(detail), COUNT(told), MIN(seq) FROM said") == [(10, 10, 40)]
        assert index.catalogue.ask("SELECT COUNT(*), MIN(seq) FROM gap") == [(20, 30)]


def test_a_clock_that_is_in_another_century_for_a_moment_takes_little_along(tmp_path: Path) -> None:
    hour = DAY // 24
    with open_index(tmp_path / "h.db") as index:
        for n in range(6 * 24):
            index.take(n, section([(n * hour, 1.0)]))
            write(index, n + 1, n * hour)
        before = len(index.catalogue.pages())
        index.take(999, section([(70 * 365 * DAY, 1.0)]))
        write(index, 1000, 70 * 365 * DAY)
        assert len(index.catalogue.pages()) >= before - 3 * index_file.AGED_AT_ONCE


def test_what_a_trend_draws() -> None:
    assert as_number(True, 0) == 1.0
    assert as_number(3, 0x40900000) == 3.0
    assert as_number(3, 0x80000000) is None
    assert as_number("idle", 0) is None
    assert as_number(math.nan, 0) is None


@pytest.mark.parametrize(
    "values", [[1, True, 2.5], [math.inf, 1.0], [math.nan, 2.0], ["idle", 3.0], [-0.0, 0.0], [None, 1.0], [1 << 60, -1]]
)
def test_a_column_and_its_readings_one_by_one_give_the_same(tmp_path: Path, values: list[Value]) -> None:
    one = Strip()
    for i, value in enumerate(values):
        one.add_reading(9_000 + i * 1_000, as_number(value, 0 if value is not None else 0x80000000))
    with open_index(tmp_path / "h.db") as index:
        index.take(1, section([(9_000 + i * 1_000, value) for i, value in enumerate(values)]))
        assert same(list(index.strip(UID, 10_000, 0, 99_999).rows()), list(one.rows()))


@given(st.integers(0, 10**13), st.integers(1, 10**11), st.integers(2, 2_000), st.sampled_from([1, *SPANS_MS]))
def test_a_view_has_no_more_buckets_than_were_asked_for(t0: int, length: int, points: int, span: int) -> None:
    width = width_of(t0, t0 + length, points, span)
    assert width % span == 0
    assert (t0 + length) // width - t0 // width + 1 <= points + 1


def test_a_gap_comes_with_the_names_of_its_groups(tmp_path: Path) -> None:
    log = EvidenceLog().typical(3)
    log.append(Kind.GAP, ((7, 0, 1, "no_answer", 2), (9, 0, 1, "no_answer", 2), (None, 0, 1, "evidence_behind", 1)))
    reader = LedgerReader(RealDisk(), log.write(tmp_path), 1)
    with open_index(tmp_path / "h.db") as index:
        follower = follow(reader, index, log)
        query = Query(reader, index, follower, lambda _uid, _at: b"")
        assert query.ask("entries", {"before": None, "limit": 5})[0][4] == [[7, "filler/fast"]]
        assert [row[2] for row in query.ask("entries", {"before": None, "limit": 5, "kind": 6})] == [6]
        assert query.ask("entries", {"before": None, "limit": 5, "kind": 7}) != query.ask("entries", {"before": None, "limit": 5})
