"""The accounts on disk: one SQLite file, read whole at start, written through at every change. Blocking; raises StoreFaultError.

Room: hall, accounts. `book` calls it, in a thread of its own. Every change is one transaction that is durable when the call returns
(synchronous=EXTRA: FULL, and the folder too). A file that cannot be read is said and set aside by whoever sits at the machine, never
replaced by itself: an empty one would let a stranger claim the gateway. Decision 0019.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from runtime.accounts.people import ApiToken, Person, folded
from runtime.permissions import Role

MEMORY: Final = Path(":memory:")
"""For a core whose disk is not the machine's: accounts that end with it."""
MIGRATIONS: Final = (
    """
    CREATE TABLE people (
        folded TEXT PRIMARY KEY, name TEXT NOT NULL, roles TEXT NOT NULL, password TEXT NOT NULL, enabled INTEGER NOT NULL,
        must_change INTEGER NOT NULL, lang TEXT NOT NULL, zone TEXT NOT NULL, key TEXT, made_ms INTEGER NOT NULL, login_ms INTEGER
    ) STRICT;
    CREATE TABLE tokens (
        id TEXT PRIMARY KEY, name TEXT NOT NULL, digest BLOB NOT NULL UNIQUE, actions TEXT NOT NULL, made_by TEXT NOT NULL,
        made_ms INTEGER NOT NULL, expires_ms INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE policy (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
    """,
    """
    ALTER TABLE people ADD COLUMN directory TEXT NOT NULL DEFAULT '';
    ALTER TABLE people ADD COLUMN subject TEXT NOT NULL DEFAULT '';
    """,
)
"""Applied in order; PRAGMA user_version counts them. They only add: the release before this one still reads the file."""
_PERSON: Final = "name, roles, password, enabled, must_change, lang, zone, key, made_ms, login_ms, directory, subject"


class StoreFaultError(Exception):
    """The file cannot be read or written: `reason` is the system's own word."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


@dataclass(frozen=True, slots=True)
class Stored:
    """Everything that is in the file."""

    people: tuple[Person, ...]
    tokens: tuple[ApiToken, ...]
    policy: dict[str, str]


class Store:
    """One file. Not for two threads at once."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._db: sqlite3.Connection | None = None

    def open(self) -> Stored:
        """Open the file, making it when there is none, and return what is in it."""
        try:
            if self._path != MEMORY:
                os.close(os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600))
            self._db = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False, timeout=2.0)
            self._db.execute("PRAGMA journal_mode = DELETE")
            self._db.execute("PRAGMA synchronous = EXTRA")
            self._db.execute("PRAGMA trusted_schema = OFF")
            if self._db.execute("PRAGMA quick_check").fetchall() != [("ok",)]:
                raise StoreFaultError("quick_check")
            self._migrate(self._db)
            return self._read(self._db)
        except (sqlite3.Error, OSError, ValueError, TypeError) as error:
            self.close()
            raise StoreFaultError(str(error)) from error

    def close(self) -> None:
        """Close it; what was written is durable already."""
        if self._db is not None:
            self._db.close()
            self._db = None

    def set_aside(self) -> None:
        """Keep a file that cannot be used under another name, and begin an empty one at the next `open`."""
        self.close()
        try:
            os.replace(self._path, self._path.with_name(self._path.name + ".damaged"))
            folder = os.open(self._path.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
        except OSError as error:
            raise StoreFaultError(str(error)) from error

    def claim(self, person: Person) -> bool:
        """Add the first person; False when there is one already."""
        with self._change() as db:
            if db.execute("SELECT count(*) FROM people").fetchone() != (0,):
                return False
            self._put(db, person)
        return True

    def put_person(self, person: Person) -> None:
        """Add a person, or replace the one of this name."""
        with self._change() as db:
            self._put(db, person)

    def renew_password(self, name: str, was: str, now: str) -> bool:
        """Replace a hash by another of the same password; False when it was changed meanwhile."""
        with self._change() as db:
            found = db.execute("UPDATE people SET password = ? WHERE folded = ? AND password = ?", (now, folded(name), was))
            return found.rowcount == 1

    def note_login(self, name: str, at_ms: int) -> None:
        """Remember when somebody logged in last."""
        with self._change() as db:
            db.execute("UPDATE people SET login_ms = ? WHERE folded = ?", (at_ms, folded(name)))

    def put_token(self, token: ApiToken) -> None:
        """Add an API token."""
        row = (token.id, token.name, token.digest, _words(token.actions), token.made_by, token.made_ms, token.expires_ms)
        with self._change() as db:
            db.execute("INSERT INTO tokens (id, name, digest, actions, made_by, made_ms, expires_ms) VALUES (?, ?, ?, ?, ?, ?, ?)", row)

    def drop_token(self, token_id: str) -> None:
        """Remove an API token."""
        with self._change() as db:
            db.execute("DELETE FROM tokens WHERE id = ?", (token_id,))

    def put_policy(self, name: str, value: str) -> None:
        """Set one switch of the site's policy."""
        with self._change() as db:
            db.execute("INSERT OR REPLACE INTO policy (name, value) VALUES (?, ?)", (name, value))

    def _change(self) -> _Transaction:
        if self._db is None:
            raise StoreFaultError("closed")
        return _Transaction(self._db)

    def _put(self, db: sqlite3.Connection, person: Person) -> None:
        row = (
            folded(person.name), person.name, _words(person.roles), person.password, int(person.enabled), int(person.must_change),
            person.lang, person.zone, person.key, person.made_ms, person.login_ms, person.directory, person.subject,
        )  # fmt: skip
        db.execute(f"INSERT OR REPLACE INTO people (folded, {_PERSON}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", row)  # noqa: S608  our own names

    def _migrate(self, db: sqlite3.Connection) -> None:
        (version,) = db.execute("PRAGMA user_version").fetchone()
        if version > len(MIGRATIONS):
            raise ValueError(f"version {version}")
        for number, script in enumerate(MIGRATIONS[version:], start=version + 1):
            with _Transaction(db):
                for statement in filter(str.strip, script.split(";")):
                    db.execute(statement)
                db.execute(f"PRAGMA user_version = {number}")

    def _read(self, db: sqlite3.Connection) -> Stored:
        people = [
            Person(row[0], _roles(row[1]), row[2], bool(row[3]), bool(row[4]), *row[5:])
            for row in _rows(db, f"SELECT {_PERSON} FROM people")  # noqa: S608
        ]
        tokens = [
            ApiToken(row[0], row[1], row[2], frozenset(row[3].split()), row[4], row[5], row[6])
            for row in _rows(db, "SELECT id, name, digest, actions, made_by, made_ms, expires_ms FROM tokens")
        ]
        return Stored(tuple(people), tuple(tokens), dict(_rows(db, "SELECT name, value FROM policy")))


class _Transaction:
    """BEGIN IMMEDIATE … COMMIT; a fault rolls back and becomes a StoreFaultError."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def __enter__(self) -> sqlite3.Connection:
        try:
            self._db.execute("BEGIN IMMEDIATE")
        except sqlite3.Error as error:
            raise StoreFaultError(str(error)) from error
        return self._db

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        try:
            self._db.execute("COMMIT" if error is None else "ROLLBACK")
        except sqlite3.Error as fault:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise StoreFaultError(str(fault)) from fault
        if isinstance(error, sqlite3.Error):
            raise StoreFaultError(str(error)) from error


def _rows(db: sqlite3.Connection, query: str) -> Iterable[tuple[Any, ...]]:
    return db.execute(query).fetchall()


def _words(words: Iterable[str]) -> str:
    return " ".join(sorted(words))


def _roles(text: str) -> frozenset[Role]:
    return frozenset(Role(word) for word in text.split())
