"""How much of what happened is kept, and what goes first: a share of bytes for entries that are no batches, what they say, and gaps.

Room: hall, history. `catalogue` calls it within its own transactions. The oldest goes first, the ledger has whatever goes, and until when
is remembered: who asks about that time is told. Schema entries stay, without them no batch can be read.
"""

from __future__ import annotations

import sqlite3
from typing import Final, NamedTuple

from ledger_client.kinds import Kind

SAID_KEPT: Final = 50_000
"""Of the newest so many entries that say something it is kept what they say; of older ones that they are, and the ledger has the rest."""
GAPS_KEPT: Final = 300_000
SAID_AT_ONCE: Final = 250
"""What they say goes so many at a time until the rest fits."""
ROW_BYTES: Final = 64
"""What an entry, or a gap, takes without what it says, its places in the indexes with it."""
_EVENTS: Final = f"event WHERE kind != {int(Kind.SCHEMA)}"


class LetGo(NamedTuple):
    """Until when (ms) gaps, what entries say, entries themselves are no longer all here; -1 where nothing was let go."""

    gaps_ms: int
    said_ms: int
    rows_ms: int


def let_go(db: sqlite3.Connection) -> LetGo:
    """Return until when something was let go."""
    kept = dict(db.execute("SELECT substr(name, 8), value FROM meta WHERE name LIKE 'let_go:%'"))
    return LetGo(*(int(kept.get(name, -1)) for name in ("gaps", "said", "rows")))


def size_of(db: sqlite3.Connection) -> int:
    """Return the bytes of the file that are in use."""
    pages, free, page_bytes = (db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "freelist_count", "page_size"))
    return int((pages - free) * page_bytes)


def forget(db: sqlite3.Connection, size_bytes_max: int) -> None:
    """Let go of what is more than is kept: half of the bytes are for entries, a quarter for gaps, the rest for what entries say."""
    _forget_gaps(db, min(GAPS_KEPT, size_bytes_max // 4 // ROW_BYTES))
    is_half_full = size_of(db) > size_bytes_max // 2  # else there cannot be too many entries, and they need not be counted
    if is_half_full and (last := _cut(db, _EVENTS, size_bytes_max // 2 // ROW_BYTES, "DESC")) is not None:
        _forget_said(db, last)
        _remember(db, "rows", f"SELECT MAX(wall_ms) FROM {_EVENTS} AND seq <= ?", last)  # noqa: S608  ours
        db.execute(f"DELETE FROM {_EVENTS} AND seq <= ?", (last,))  # noqa: S608  ours
    if (last := _cut(db, "said", SAID_KEPT, "DESC")) is not None:
        _forget_said(db, last)
    while size_of(db) > size_bytes_max and (last := _cut(db, "said", SAID_AT_ONCE - 1, "ASC")) is not None:
        _forget_said(db, last)


def _cut(db: sqlite3.Connection, rows: str, place: int, order: str) -> int | None:
    """Return the entry of the row at that place, None when there are not so many."""
    found = db.execute(f"SELECT seq FROM {rows} ORDER BY seq {order} LIMIT 1 OFFSET ?", (place,)).fetchone()  # noqa: S608  ours
    return None if found is None else int(found[0])


def _forget_gaps(db: sqlite3.Connection, kept: int) -> None:
    if (last := _cut(db, "gap", kept, "DESC")) is not None:
        _remember(db, "gaps", "SELECT MAX(t1) FROM gap WHERE seq <= ?", last)
        db.execute("DELETE FROM gap WHERE seq <= ?", (last,))


def _forget_said(db: sqlite3.Connection, last: int) -> None:
    _remember(db, "said", "SELECT MAX(wall_ms) FROM said WHERE seq <= ?", last)
    db.execute("DELETE FROM said WHERE seq <= ?", (last,))


def _remember(db: sqlite3.Connection, what: str, question: str, last: int) -> None:
    """Remember until when something goes. A clock may have been set back meanwhile: the latest time counts."""
    (until,) = db.execute(question, (last,)).fetchone()
    if until is not None:
        before = db.execute("SELECT value FROM meta WHERE name = ?", (f"let_go:{what}",)).fetchone() or ("-1",)
        db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (f"let_go:{what}", str(max(until, int(before[0])))))
