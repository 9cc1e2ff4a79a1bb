"""What the index knows besides numbers, in one SQLite file: its pages, what happened, gaps, and how far the ledger was read.

Room: hall, history. `index` owns it. It trusts nothing that it kept from another epoch or another format: then it begins anew. A file that
is not ours or is damaged is set aside and built again; losing it loses nothing. It never touches a page.
"""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import structlog

from ledger_client import cbor
from runtime.history import kept as kept_file
from runtime.history.kept import LetGo

FORMAT: Final = 4
OURS: Final = 0x576D6B69
"""SQLite's `application_id` of our file ("Wmki"): a database without it is somebody else's."""
ASIDE: Final = ".set-aside"
_PASSING: Final = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY,
                             sqlite3.SQLITE_PERM, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_INTERRUPT})  # fmt: skip
"""The disk's or the moment's fault, not the file's: no reason to throw the file away."""
_TABLES: Final = """
CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS page (name TEXT PRIMARY KEY, level INTEGER, from_seq INTEGER, to_seq INTEGER, t0 INTEGER, t1 INTEGER,
    size INTEGER, widened INTEGER) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS event (seq INTEGER PRIMARY KEY, wall_ms INTEGER, kind INTEGER);
CREATE INDEX IF NOT EXISTS event_kind ON event (kind);
CREATE TABLE IF NOT EXISTS said (seq INTEGER PRIMARY KEY, wall_ms INTEGER, kind INTEGER, detail BLOB, told BLOB);
CREATE INDEX IF NOT EXISTS said_at ON said (wall_ms, kind);
CREATE TABLE IF NOT EXISTS gap (seq INTEGER, place INTEGER, group_uid INTEGER, t0 INTEGER, t1 INTEGER, cause TEXT, count INTEGER,
    PRIMARY KEY (seq, place)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS gap_at ON gap (group_uid, t1);
"""
SHARE: Final = 4
"""What happened may take one part in so many of what the whole index may take."""
LOOKED_AT: Final = 8
"""Between two pages it is looked whether that share is kept, each time that one part in so many of it was added."""
LOG_BYTES_MAX: Final = 4 << 20
"""Of SQLite's own log beside the file; it is emptied into it."""
_OF_FORMAT_2: Final = ("rollup", "held")

GapRow = tuple[int, int, int | None, int, int, str, int]
"""(seq, place in the entry, group or None for all, from ms, to ms, cause, count)"""
EventRow = tuple[int, int, int, bytes | None, bytes | None]
"""(seq, wall ms, kind, CBOR of its detail, an event's or act's body); None: to be read from the ledger when asked."""

DETAIL_SIZE_MAX: Final = 4_096


def read_detail(kept: bytes) -> tuple[Any, ...]:
    """Return the detail that an event row keeps. Raises FormatError."""
    return tuple(cbor.decode(kept, size_max=DETAIL_SIZE_MAX, what="detail"))


class SpoiledIndexError(Exception):
    """The index is damaged or not ours. It is rebuildable: whoever meets it opens the index again."""


@dataclass(frozen=True, slots=True)
class PageRow:
    """One page file. `level` is the span of its rollups, 0 for batches of groups; `widened`: longer spans have been made of it."""

    name: str
    level: int
    from_seq: int
    to_seq: int
    t0_ms: int
    t1_ms: int
    size: int
    widened: bool = False


class Catalogue:
    """The file; `next_seq` is the first entry that no page holds yet."""

    def __init__(self, path: Path, origin: str, index_bytes_max: int = 1 << 30) -> None:
        self.path, self._origin, self._bytes_max = path, origin, index_bytes_max // SHARE
        self.next_seq = self._added_bytes = 0
        self.spoiled: SpoiledIndexError | None = None
        """The damage that was met while it was open; `follow` ends the process for it, and the next one builds the index again."""

    def __enter__(self) -> Self:
        """Open, or begin anew when the file is of another ledger, another format, or broken. Raises sqlite3.OperationalError, OSError."""
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
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
            for table in ("meta", "page", "event", "said", "gap", *_OF_FORMAT_2):
                self._db.execute(f"DROP TABLE IF EXISTS {table}")
            for table in _TABLES.split(";"):
                self._db.execute(table)
            facts = (("format", str(FORMAT)), ("origin", self._origin), ("next_seq", "0"))
            self._db.executemany("INSERT INTO meta VALUES (?, ?)", facts)
        self.next_seq = 0

    def pages(self) -> list[PageRow]:
        """Return all pages, in the order of the ledger."""
        rows = self.ask("SELECT name, level, from_seq, to_seq, t0, t1, size, widened FROM page ORDER BY from_seq, level")
        return [
            PageRow(name, level, from_seq, to_seq, t0_ms, t1_ms, size, bool(widened))
            for name, level, from_seq, to_seq, t0_ms, t1_ms, size, widened in rows
        ]

    def forgotten(self) -> dict[int, int]:
        """Return level -> until when its pages have been let go (ms)."""
        rows = self.ask("SELECT substr(name, 11), value FROM meta WHERE name LIKE 'forgotten:%'")
        return {int(level): int(value) for level, value in rows}

    def let_go(self) -> LetGo:
        """Return until when gaps, what entries say, and entries are no longer all here. Raises as `ask`."""
        try:
            return kept_file.let_go(self._db)
        except sqlite3.DatabaseError as error:
            raise self._judged(error) from error

    @property
    def size_bytes(self) -> int:
        """Bytes of the file. Raises as `ask`."""
        return int(self.ask("PRAGMA page_count")[0][0] * self.ask("PRAGMA page_size")[0][0])

    def note(self, events: Sequence[EventRow], gaps: Sequence[GapRow]) -> None:
        """Store what happened; the same again changes nothing. Raises SpoiledIndexError, sqlite3.OperationalError."""
        said = sum(len(detail or b"") + len(told or b"") for *_, detail, told in events)
        self._added_bytes += said + kept_file.ROW_BYTES * (len(events) + len(gaps))
        try:
            with self._db:
                self._db.executemany("INSERT OR REPLACE INTO event VALUES (?, ?, ?)", [row[:3] for row in events])
                self._db.executemany("INSERT OR REPLACE INTO said VALUES (?, ?, ?, ?, ?)", [row for row in events if row[3] is not None])
                self._db.executemany("INSERT OR REPLACE INTO gap VALUES (?, ?, ?, ?, ?, ?, ?)", gaps)
                if self._added_bytes > self._bytes_max // LOOKED_AT:
                    self._forget()
        except sqlite3.DatabaseError as error:
            raise self._judged(error) from error

    def commit(self, added: Iterable[PageRow], widened: Iterable[str], gone: Iterable[PageRow], next_seq: int) -> None:
        """Take pages in and out, together with the place to go on from. Raises SpoiledIndexError, sqlite3.OperationalError."""
        rows = [(p.name, p.level, p.from_seq, p.to_seq, p.t0_ms, p.t1_ms, p.size, int(p.widened)) for p in added]
        gone = list(gone)
        until = [(f"forgotten:{p.level}", str(p.t1_ms)) for p in sorted(gone, key=lambda p: p.t1_ms)]
        try:
            with self._db:
                self._db.executemany("INSERT OR REPLACE INTO page VALUES (?, ?, ?, ?, ?, ?, ?, ?)", rows)
                self._db.executemany("UPDATE page SET widened = 1 WHERE name = ?", [(name,) for name in widened])
                self._db.executemany("DELETE FROM page WHERE name = ?", [(p.name,) for p in gone])
                self._forget()
                self._db.executemany("INSERT OR REPLACE INTO meta VALUES (?, ?)", [*until, ("next_seq", str(next_seq))])
        except sqlite3.DatabaseError as error:
            raise self._judged(error) from error
        self.next_seq = next_seq

    def ask(self, question: str, params: Sequence[int | str] = ()) -> list[Any]:
        """Return the rows of a question. Raises SpoiledIndexError, sqlite3.OperationalError."""
        try:
            return self._db.execute(question, params).fetchall()
        except sqlite3.DatabaseError as error:
            raise self._judged(error) from error

    def _forget(self) -> None:
        """Keep to the share; what that frees goes back to the disk with the transaction (auto_vacuum)."""
        kept_file.forget(self._db, self._bytes_max)
        self._added_bytes = 0

    def _judged(self, error: sqlite3.DatabaseError) -> Exception:
        """Tell a spoiled file, which is remembered, from a disk that is full, locked or failing."""
        if isinstance(error, sqlite3.ProgrammingError) or getattr(error, "sqlite_errorcode", 0) & 0xFF in _PASSING:
            return error
        self.spoiled = SpoiledIndexError(str(error))
        return self.spoiled

    def _open(self) -> None:
        if self.path.is_dir():
            raise SpoiledIndexError("is a folder")
        self._db = sqlite3.connect(self.path, isolation_level="IMMEDIATE")
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
        self._db.execute("PRAGMA auto_vacuum = FULL")  # of a new file; of an older one when it is made anew
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute(f"PRAGMA journal_size_limit = {LOG_BYTES_MAX}")
        self._db.execute("PRAGMA synchronous = NORMAL")
        self._db.execute(f"PRAGMA application_id = {OURS}")
        known = self._db.execute("SELECT COUNT(*) FROM sqlite_master WHERE name = 'meta'").fetchone()[0]
        kept = dict(self._db.execute("SELECT name, value FROM meta")) if known else {}
        if (kept.get("format"), kept.get("origin")) == (str(FORMAT), self._origin):
            self.next_seq = int(kept["next_seq"])
        else:
            self.begin_anew()
            self._db.execute("VACUUM")

    def _set_aside(self, why: SpoiledIndexError) -> None:
        """Keep one such file for whoever wants to look at it; the log that belongs to it would be played into the new one."""
        structlog.get_logger("history").warning("history_index_set_aside", path=str(self.path), reason=str(why))
        for suffix in ("-wal", "-shm"):
            self.path.with_name(self.path.name + suffix).unlink(missing_ok=True)
        kept = self.path.with_name(self.path.name + ASIDE)
        if kept.is_dir() and not kept.is_symlink():
            shutil.rmtree(kept)
        else:
            kept.unlink(missing_ok=True)
        self.path.rename(kept)
        self.next_seq = 0
