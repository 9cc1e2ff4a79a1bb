"""The history's own store: rollups, and which entry holds which group's readings when. SQLite, rebuildable from the ledger.

Room: hall, history. `service` feeds it entries in order up to the durable head; `query` asks. It trusts nothing that it kept from
another epoch or another format: then it begins anew. A file that is not ours or is damaged is set aside and built again; losing it
loses nothing.
"""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Any, Final, Self

import structlog

from runtime.history.rollups import Key, Rolling, Rollup

FORMAT: Final = 2
OURS: Final = 0x576D6B69
"""SQLite's `application_id` of our file ("Wmki"): a database without it is somebody else's."""
ASIDE: Final = ".set-aside"
KEPT_MS: Final[Mapping[int, int]] = MappingProxyType({10_000: 7 * 86_400_000, 300_000: 90 * 86_400_000})
"""Span -> how long its rollups are kept: at 10 s they would soon outgrow the ledger. Longer spans stay."""
HELD_MS: Final = KEPT_MS[10_000]
"""How long it is kept which entry holds which readings. What is older is drawn from rollups, and proved by a search in the ledger."""
_PASSING: Final = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY,
                             sqlite3.SQLITE_PERM, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_INTERRUPT})  # fmt: skip
"""The disk's or the moment's fault, not the file's: no reason to throw the file away."""
_TABLES: Final = """
CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS rollup (uid INTEGER, span INTEGER, start INTEGER, low REAL, high REAL, first REAL, last REAL,
    count INTEGER, bad INTEGER, PRIMARY KEY (uid, span, start)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS held (group_uid INTEGER, t1 INTEGER, seq INTEGER, t0 INTEGER, PRIMARY KEY (group_uid, t1, seq)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS event (seq INTEGER PRIMARY KEY, wall_ms INTEGER, kind INTEGER);
"""


class SpoiledIndexError(Exception):
    """The file is damaged or not ours. It is rebuildable: whoever meets it opens the index again."""


class Index:
    """One SQLite file; `next_seq` is the first entry that is not in it yet."""

    def __init__(self, path: Path, origin: str) -> None:
        self._path, self._origin = path, origin
        self._rolling = Rolling()
        self._held: list[tuple[int, int, int, int]] = []
        self._events: list[tuple[int, int, int]] = []
        self.next_seq = 0
        self.spoiled: SpoiledIndexError | None = None
        """The damage that was met while it was open; `follow` ends the process for it, and the next one builds the index again."""

    def __enter__(self) -> Self:
        """Open, or begin anew when the file is of another ledger, another format, or broken. Raises sqlite3.OperationalError, OSError."""
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            self._open()
        except SpoiledIndexError as error:
            self._set_aside(error)
            self._open()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._db.close()
        if self.spoiled is not None:
            self._set_aside(self.spoiled)

    def begin_anew(self) -> None:
        """Forget everything: what was kept is not of this ledger."""
        with self._db:
            for table in ("meta", "rollup", "held", "event"):
                self._db.execute(f"DELETE FROM {table}")  # noqa: S608  names from the line above
            facts = (("format", str(FORMAT)), ("origin", self._origin), ("next_seq", "0"))
            self._db.executemany("INSERT INTO meta VALUES (?, ?)", facts)
        self.next_seq = 0

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
        """Store what was added, together with the place to go on from. Raises SpoiledIndexError, sqlite3.OperationalError."""
        newest: dict[tuple[int, int], int] = {}
        until: dict[int, int] = {}
        for group, t1, _, _ in self._held:
            until[group] = max(t1, until.get(group, 0))
        try:
            with self._db:
                for key, rollup in self._rolling.take().items():
                    self._store(key, rollup)
                    newest[key[:2]] = max(key[2], newest.get(key[:2], 0))
                old = [(uid, span, start - KEPT_MS[span]) for (uid, span), start in newest.items() if span in KEPT_MS]
                self._db.executemany("DELETE FROM rollup WHERE uid = ? AND span = ? AND start < ?", old)
                self._db.executemany("INSERT OR REPLACE INTO held VALUES (?, ?, ?, ?)", self._held)
                gone = [(group, t1 - HELD_MS) for group, t1 in until.items()]
                self._db.executemany("DELETE FROM held WHERE group_uid = ? AND t1 < ?", gone)
                self._db.executemany("INSERT OR REPLACE INTO event VALUES (?, ?, ?)", self._events)
                self._db.execute("INSERT OR REPLACE INTO meta VALUES ('next_seq', ?)", (str(next_seq),))
        except sqlite3.DatabaseError as error:
            raise self._judged(error) from error
        self._held.clear()
        self._events.clear()
        self.next_seq = next_seq

    def rollups(self, uid: int, span_ms: int, t0_ms: int, t1_ms: int) -> list[tuple[int, Rollup]]:
        """Return (start, rollup) of one tag whose spans touch [t0, t1], in time order."""
        rows = self._ask(
            "SELECT start, low, high, first, last, count, bad FROM rollup"
            " WHERE uid = ? AND span = ? AND start > ? AND start <= ? ORDER BY start",
            (uid, span_ms, t0_ms - span_ms, t1_ms),
        )
        return [(row[0], Rollup(*row[1:])) for row in rows]

    def oldest(self, uid: int, span_ms: int) -> int | None:
        """Return where the tag's oldest rollup of a span starts, None when there is none."""
        found = self._ask("SELECT MIN(start) FROM rollup WHERE uid = ? AND span = ?", (uid, span_ms))[0][0]
        return None if found is None else int(found)

    def oldest_held(self, group_uid: int) -> int | None:
        """Return the newest time in the oldest batch of a group that is known, None when none is."""
        found = self._ask("SELECT MIN(t1) FROM held WHERE group_uid = ?", (group_uid,))[0][0]
        return None if found is None else int(found)

    def batches(self, group_uid: int, t0_ms: int, t1_ms: int, limit: int) -> list[int]:
        """Return seqs of batches with readings of the group in [t0, t1], newest first; those of the last HELD_MS are known."""
        rows = self._ask(
            "SELECT seq FROM held WHERE group_uid = ? AND t1 >= ? AND t0 <= ? ORDER BY t1 DESC LIMIT ?", (group_uid, t0_ms, t1_ms, limit)
        )
        return [row[0] for row in rows]

    def events(self, before: int | None, limit: int, kind: int | None = None) -> list[int]:
        """Return seqs of entries that are not batches, newest first; with `kind`, of that one only."""
        newest = before if before is not None else 1 << 62
        if kind is None:
            rows = self._ask("SELECT seq FROM event WHERE seq < ? ORDER BY seq DESC LIMIT ?", (newest, limit))
        else:
            rows = self._ask("SELECT seq FROM event WHERE seq < ? AND kind = ? ORDER BY seq DESC LIMIT ?", (newest, kind, limit))
        return [row[0] for row in rows]

    def _ask(self, question: str, params: Sequence[int]) -> list[Any]:
        try:
            return self._db.execute(question, params).fetchall()
        except sqlite3.DatabaseError as error:
            raise self._judged(error) from error

    def _judged(self, error: sqlite3.DatabaseError) -> Exception:
        """Tell a spoiled file, which is remembered, from a disk that is full, locked or failing."""
        if isinstance(error, sqlite3.ProgrammingError) or getattr(error, "sqlite_errorcode", 0) & 0xFF in _PASSING:
            return error
        self.spoiled = SpoiledIndexError(str(error))
        return self.spoiled

    def _open(self) -> None:
        if self._path.is_dir():
            raise SpoiledIndexError("is a folder")
        self._db = sqlite3.connect(self._path, isolation_level="IMMEDIATE")
        try:
            self._prepare()
        except sqlite3.DatabaseError as error:
            self._db.close()
            found, self.spoiled = self._judged(error), None
            raise found from error
        except (SpoiledIndexError, ValueError) as error:
            self._db.close()
            raise SpoiledIndexError(str(error)) from error

    def _prepare(self) -> None:
        owner = self._db.execute("PRAGMA application_id").fetchone()[0]
        if owner != OURS and self._db.execute("SELECT COUNT(*) FROM sqlite_master").fetchone()[0]:
            raise SpoiledIndexError("not ours")
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = NORMAL")
        self._db.execute(f"PRAGMA application_id = {OURS}")
        self._db.executescript(_TABLES)
        kept = dict(self._db.execute("SELECT name, value FROM meta"))
        if (kept.get("format"), kept.get("origin")) == (str(FORMAT), self._origin):
            self.next_seq = int(kept["next_seq"])
        else:
            self.begin_anew()

    def _set_aside(self, why: SpoiledIndexError) -> None:
        """Keep one such file for whoever wants to look at it; the log that belongs to it would be played into the new one."""
        structlog.get_logger("history").warning("history_index_set_aside", path=str(self._path), reason=str(why))
        for suffix in ("-wal", "-shm"):
            self._path.with_name(self._path.name + suffix).unlink(missing_ok=True)
        kept = self._path.with_name(self._path.name + ASIDE)
        if kept.is_dir() and not kept.is_symlink():
            shutil.rmtree(kept)
        else:
            kept.unlink(missing_ok=True)
        self._path.rename(kept)
        self.next_seq = 0

    def _store(self, key: Key, rollup: Rollup) -> None:
        old = self._db.execute(
            "SELECT low, high, first, last, count, bad FROM rollup WHERE uid = ? AND span = ? AND start = ?", key
        ).fetchone()
        whole = Rollup(*old) if old else Rollup()
        whole.merge(rollup)
        row = (*key, whole.low, whole.high, whole.first, whole.last, whole.count, whole.bad)
        self._db.execute("INSERT OR REPLACE INTO rollup VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", row)
