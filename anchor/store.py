"""What an anchor remembers, in one SQLite file: enrolled keys, the newest checkpoint of each origin, held entries.

Room: upstream. `cosigner`, `mirror` and `enroll` call it. It judges nothing; it makes a read and the write that depends on
it one transaction, durable (WAL, synchronous FULL) before it returns. Blocking: the server calls it from one thread.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from anchor.witness import Remembered
from ledger_client.anchors.package import Held
from ledger_client.errors import StoreError
from ledger_client.merkle import Frontier
from ledger_client.note import NoteKey, parse_vkey

FORMAT = 1
RECENT_MAX = 16
"""Cosigned checkpoints per origin that an upload may still prove against."""

_TABLES = """
CREATE TABLE identity (one INTEGER PRIMARY KEY CHECK (one = 1), vkey TEXT NOT NULL, last_time_s INTEGER NOT NULL);
CREATE TABLE log_keys (origin TEXT NOT NULL, vkey TEXT NOT NULL, enrolled_s INTEGER NOT NULL, PRIMARY KEY (origin, vkey));
CREATE TABLE logs (origin TEXT PRIMARY KEY, size INTEGER NOT NULL, root BLOB NOT NULL, note TEXT NOT NULL, time_s INTEGER NOT NULL);
CREATE TABLE recent (origin TEXT NOT NULL, size INTEGER NOT NULL, root BLOB NOT NULL, PRIMARY KEY (origin, size));
CREATE TABLE held (origin TEXT PRIMARY KEY, size INTEGER NOT NULL, frontier BLOB NOT NULL, bytes INTEGER NOT NULL);
CREATE TABLE entries (origin TEXT NOT NULL, seq INTEGER NOT NULL, entry BLOB NOT NULL, body BLOB, PRIMARY KEY (origin, seq));
"""


@dataclass(frozen=True, slots=True)
class LogRow:
    """One enrolled origin: its keys, and the newest checkpoint cosigned for it (size 0 and time None before the first)."""

    origin: str
    vkeys: tuple[str, ...]
    size: int
    time_s: int | None
    held: int


class Store:
    """The open file. Use it as a context manager; one thread at a time."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> Self:
        """Open or create. Raises StoreError for a file that is not ours or of a later format."""
        os.close(os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600))
        self._db = sqlite3.connect(self._path, isolation_level=None, timeout=10.0, check_same_thread=False)
        try:
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = FULL")
            with self.transaction():
                version = self._db.execute("PRAGMA user_version").fetchone()[0]
                if version == 0:
                    for statement in _TABLES.strip().split("\n"):
                        self._db.execute(statement)
                    self._db.execute(f"PRAGMA user_version = {FORMAT}")
                elif version != FORMAT:
                    raise StoreError("anchor_store_format", version=version)
        except sqlite3.Error as error:
            self._db.close()
            raise StoreError("anchor_store_invalid", path=str(self._path), reason=str(error)) from error
        except StoreError:
            self._db.close()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Close."""
        self._db.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Hold the write lock; commit at the end, durable, or undo everything when the block raises."""
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._db.execute("COMMIT")
        except BaseException:
            if self._db.in_transaction:  # SQLite itself has undone it after some errors, a full disk for one
                self._db.execute("ROLLBACK")
            raise

    def identity(self) -> tuple[str, int] | None:
        """Return our own vkey and the newest cosignature time in s, None before the first start."""
        row = self._db.execute("SELECT vkey, last_time_s FROM identity").fetchone()
        return (row[0], row[1]) if row else None

    def set_identity(self, vkey: str, last_time_s: int) -> None:
        """Remember our vkey and the newest cosignature time."""
        self._db.execute("INSERT OR REPLACE INTO identity VALUES (1, ?, ?)", (vkey, last_time_s))

    def enroll(self, key: NoteKey, now_s: int) -> bool:
        """Add a log key; tell whether it was new."""
        row = (key.name, key.vkey, now_s)
        return self._db.execute("INSERT OR IGNORE INTO log_keys VALUES (?, ?, ?)", row).rowcount == 1

    def keys(self, origin: str) -> list[NoteKey]:
        """Return the keys enrolled for an origin, none for an unknown one."""
        rows = self._db.execute("SELECT vkey FROM log_keys WHERE origin = ? ORDER BY enrolled_s, vkey", (origin,)).fetchall()
        return [parse_vkey(row[0]) for row in rows]

    def logs(self) -> list[LogRow]:
        """Return all enrolled origins in order."""
        rows = self._db.execute(
            "SELECT k.origin, group_concat(k.vkey, ' '), ifnull(l.size, 0), l.time_s, ifnull(h.size, 0) FROM log_keys k"
            " LEFT JOIN logs l USING (origin) LEFT JOIN held h USING (origin) GROUP BY k.origin ORDER BY k.origin"
        ).fetchall()
        return [LogRow(origin, tuple(vkeys.split(" ")), size, time_s, held) for origin, vkeys, size, time_s, held in rows]

    def latest(self, origin: str) -> Remembered:
        """Return the newest cosigned checkpoint of an origin."""
        row = self._db.execute("SELECT size, root FROM logs WHERE origin = ?", (origin,)).fetchone()
        return Remembered(row[0], row[1]) if row else Remembered()

    def latest_note(self, origin: str) -> str | None:
        """Return the newest cosigned note of an origin."""
        row = self._db.execute("SELECT note FROM logs WHERE origin = ?", (origin,)).fetchone()
        return str(row[0]) if row else None

    def set_latest(self, origin: str, latest: Remembered, note: str, time_s: int) -> None:
        """Replace the newest cosigned checkpoint; call within a transaction that read the one before."""
        self._db.execute("INSERT OR REPLACE INTO logs VALUES (?, ?, ?, ?, ?)", (origin, latest.size, latest.root, note, time_s))
        self._db.execute("INSERT OR REPLACE INTO recent VALUES (?, ?, ?)", (origin, latest.size, latest.root))
        self._db.execute(
            "DELETE FROM recent WHERE origin = ?1 AND size NOT IN (SELECT size FROM recent WHERE origin = ?1 ORDER BY size DESC LIMIT ?2)",
            (origin, RECENT_MAX),
        )

    def recent_root(self, origin: str, size: int) -> bytes | None:
        """Return the root that was cosigned for a recent size, None for another size."""
        row = self._db.execute("SELECT root FROM recent WHERE origin = ? AND size = ?", (origin, size)).fetchone()
        return bytes(row[0]) if row else None

    def held(self, origin: str) -> tuple[Frontier, int]:
        """Return the frontier of the held entries and how many bytes they take."""
        row = self._db.execute("SELECT size, frontier, bytes FROM held WHERE origin = ?", (origin,)).fetchone()
        if row is None:
            return Frontier(), 0
        return Frontier(row[0], [row[1][i : i + 32] for i in range(0, len(row[1]), 32)]), row[2]

    def hold(self, origin: str, start: int, entries: tuple[Held, ...], frontier: Frontier, total_bytes: int) -> None:
        """Append verified entries; call within a transaction that read `held`."""
        rows = [(origin, seq, entry, body) for seq, (entry, body) in enumerate(entries, start)]
        self._db.executemany("INSERT INTO entries VALUES (?, ?, ?, ?)", rows)
        row = (origin, frontier.size, b"".join(frontier.hashes), total_bytes)
        self._db.execute("INSERT OR REPLACE INTO held VALUES (?, ?, ?, ?)", row)

    def without_body(self, origin: str, start: int, count: int) -> dict[int, bytes]:
        """Return the held entries among `count` from `start` on that came without a body, by seq."""
        query = "SELECT seq, entry FROM entries WHERE origin = ? AND seq >= ? AND seq < ? AND body IS NULL"
        return dict(self._db.execute(query, (origin, start, start + count)).fetchall())

    def add_bodies(self, origin: str, bodies: Mapping[int, bytes]) -> None:
        """Add bodies to entries that have none; one that is there stays."""
        rows = [(body, origin, seq) for seq, body in bodies.items()]
        self._db.executemany("UPDATE entries SET body = ? WHERE origin = ? AND seq = ? AND body IS NULL", rows)

    def entries(self, origin: str, start: int, count: int, bytes_max: int) -> list[Held]:
        """Return held entries from `start`, at most `count`, ending before bytes_max is passed (one entry always fits)."""
        found: list[Held] = []
        total = 0
        query = "SELECT entry, body FROM entries WHERE origin = ? AND seq >= ? ORDER BY seq LIMIT ?"
        for entry, body in self._db.execute(query, (origin, start, count)):
            total += len(entry) + len(body or b"")
            if found and total > bytes_max:
                break
            found.append((entry, body))
        return found
