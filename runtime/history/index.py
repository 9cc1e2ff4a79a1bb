"""The history's own store: rollups, and which entry holds which group's readings when. SQLite, rebuildable from the ledger.

Room: hall, history. `service` feeds it entries in order up to the durable head; `query` asks. It trusts nothing that it kept from
another epoch or another format: then it begins anew. Losing it loses nothing.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Final, Self

from runtime.history.rollups import Key, Rolling, Rollup

FORMAT: Final = 1
KEPT_MS: Final[Mapping[int, int]] = MappingProxyType({10_000: 7 * 86_400_000, 300_000: 90 * 86_400_000})
"""Span -> how long its rollups are kept: at 10 s they would soon outgrow the ledger. Longer spans stay."""
_TABLES: Final = """
CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS rollup (uid INTEGER, span INTEGER, start INTEGER, low REAL, high REAL, first REAL, last REAL,
    count INTEGER, bad INTEGER, PRIMARY KEY (uid, span, start)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS held (group_uid INTEGER, t1 INTEGER, seq INTEGER, t0 INTEGER, PRIMARY KEY (group_uid, t1, seq)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS event (seq INTEGER PRIMARY KEY, wall_ms INTEGER, kind INTEGER);
"""


class Index:
    """One SQLite file; `next_seq` is the first entry that is not in it yet."""

    def __init__(self, path: Path, origin: str) -> None:
        self._path, self._origin = path, origin
        self._rolling = Rolling()
        self._held: list[tuple[int, int, int, int]] = []
        self._events: list[tuple[int, int, int]] = []
        self.next_seq = 0

    def __enter__(self) -> Self:
        """Open, or begin anew when the file is of another ledger, another format, or broken."""
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            self._open()
        except sqlite3.OperationalError:
            raise  # locked, full, or not ours to open: no reason to throw the file away
        except sqlite3.DatabaseError:
            for suffix in ("", "-wal", "-shm"):  # a log that is left behind would be played into the new file
                self._path.with_name(self._path.name + suffix).unlink(missing_ok=True)
            self._open()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._db.close()

    def add_reading(self, uid: int, time_ms: int, value: object, status: int) -> None:
        """Count a reading in (kept in memory until `commit`)."""
        self._rolling.add(uid, time_ms, value, status)

    def add_batch(self, seq: int, group_uid: int, t0_ms: int, t1_ms: int) -> None:
        """Note that entry `seq` holds readings of a group from t0 to t1."""
        self._held.append((group_uid, t1_ms, seq, t0_ms))

    def add_event(self, seq: int, wall_ms: int, kind: int) -> None:
        """Note an entry that is not a batch."""
        self._events.append((seq, wall_ms, kind))

    def commit(self, next_seq: int) -> None:
        """Store what was added, together with the place to go on from."""
        newest: dict[tuple[int, int], int] = {}
        with self._db:
            for key, rollup in self._rolling.take().items():
                self._store(key, rollup)
                newest[key[:2]] = max(key[2], newest.get(key[:2], 0))
            old = [(uid, span, start - KEPT_MS[span]) for (uid, span), start in newest.items() if span in KEPT_MS]
            self._db.executemany("DELETE FROM rollup WHERE uid = ? AND span = ? AND start < ?", old)
            self._db.executemany("INSERT OR REPLACE INTO held VALUES (?, ?, ?, ?)", self._held)
            self._db.executemany("INSERT OR REPLACE INTO event VALUES (?, ?, ?)", self._events)
            self._db.execute("INSERT OR REPLACE INTO meta VALUES ('next_seq', ?)", (str(next_seq),))
        self._held.clear()
        self._events.clear()
        self.next_seq = next_seq

    def rollups(self, uid: int, span_ms: int, t0_ms: int, t1_ms: int) -> list[tuple[int, Rollup]]:
        """Return (start, rollup) of one tag whose spans touch [t0, t1], in time order."""
        rows = self._db.execute(
            "SELECT start, low, high, first, last, count, bad FROM rollup"
            " WHERE uid = ? AND span = ? AND start > ? AND start <= ? ORDER BY start",
            (uid, span_ms, t0_ms - span_ms, t1_ms),
        )
        return [(row[0], Rollup(*row[1:])) for row in rows]

    def oldest(self, uid: int, span_ms: int) -> int | None:
        """Return where the tag's oldest rollup of a span starts, None when there is none."""
        row = self._db.execute("SELECT MIN(start) FROM rollup WHERE uid = ? AND span = ?", (uid, span_ms)).fetchone()
        return None if row[0] is None else int(row[0])

    def batches(self, group_uid: int, t0_ms: int, t1_ms: int, limit: int) -> list[int]:
        """Return seqs of batches with readings of the group in [t0, t1], newest first."""
        rows = self._db.execute(
            "SELECT seq FROM held WHERE group_uid = ? AND t1 >= ? AND t0 <= ? ORDER BY t1 DESC LIMIT ?", (group_uid, t0_ms, t1_ms, limit)
        )
        return [row[0] for row in rows]

    def events(self, before: int | None, limit: int) -> list[int]:
        """Return seqs of entries that are not batches, newest first."""
        rows = self._db.execute(
            "SELECT seq FROM event WHERE seq < ? ORDER BY seq DESC LIMIT ?", (before if before is not None else 1 << 62, limit)
        )
        return [row[0] for row in rows]

    def _open(self) -> None:
        self._db = sqlite3.connect(self._path, isolation_level="IMMEDIATE")
        try:
            self._prepare()
        except sqlite3.Error:
            self._db.close()
            raise

    def _prepare(self) -> None:
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = NORMAL")
        self._db.executescript(_TABLES)
        kept = dict(self._db.execute("SELECT name, value FROM meta"))
        if (kept.get("format"), kept.get("origin")) != (str(FORMAT), self._origin):
            with self._db:
                for table in ("meta", "rollup", "held", "event"):
                    self._db.execute(f"DELETE FROM {table}")  # noqa: S608  names from the line above
                self._db.executemany(
                    "INSERT INTO meta VALUES (?, ?)", [("format", str(FORMAT)), ("origin", self._origin), ("next_seq", "0")]
                )
            kept = {}
        self.next_seq = int(kept.get("next_seq", 0))

    def _store(self, key: Key, rollup: Rollup) -> None:
        old = self._db.execute(
            "SELECT low, high, first, last, count, bad FROM rollup WHERE uid = ? AND span = ? AND start = ?", key
        ).fetchone()
        whole = Rollup(*old) if old else Rollup()
        whole.merge(rollup)
        row = (*key, whole.low, whole.high, whole.first, whole.last, whole.count, whole.bad)
        self._db.execute("INSERT OR REPLACE INTO rollup VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", row)
