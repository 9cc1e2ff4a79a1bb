"""Revisions of the config file: every one kept, numbered, and recorded in the ledger before it is used.

Room: hall. `app` asks at start which one counts, the door's config edit stores the next. A revision file is durable before its
ledger entry, the entry before the swap. On start the last revision *that the ledger recorded* wins; a config file that
somebody edited by hand becomes the next revision. It parses through `config` and appends nothing itself.

`config/seen` holds the SHA-256 of the config file as we last read or wrote it, so that a crash between the ledger entry of an edit and the
writing back of the file is not taken for an edit by hand, and an edit by hand that a later one through the door overtakes is kept.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Final

from ledger_client.disk import Disk, read_whole, write_atomically
from ledger_client.errors import StoreError
from runtime.bus_budget import accept_config
from runtime.config import CONFIG_SIZE_MAX, Config, parse_config
from runtime.config_faults import ConfigError, Fault
from runtime.layout import Layout

Recorded = tuple[int, int, bytes]
"""(revision, seq of its entry, SHA-256 of its text), as the ledger's heads give it."""
SEEN_SIZE_MAX: Final = 100


@dataclass(frozen=True, slots=True)
class Revision:
    """One config text. `parent` is the number of the revision that it replaced, 0 for the first one."""

    number: int
    parent: int
    text: str
    config: Config

    @property
    def hash(self) -> bytes:
        """SHA-256 of the text's UTF-8 bytes."""
        return sha256(self.text.encode()).digest()

    def detail(self, actor: str, reason: str) -> tuple[int, int, bytes, str, str]:
        """Return the detail of its config entry."""
        return (self.number, self.parent, self.hash, actor, reason)


@dataclass(frozen=True, slots=True)
class Choice:
    """What a start goes on with: `recorded` False means that its entry is still to be written. `faults`: of a file not used."""

    revision: Revision
    recorded: bool
    faults: tuple[Fault, ...] = ()


@dataclass(frozen=True, slots=True)
class Settled:
    """What became of the config file: whether it says now what is in force, and the copy of what a person had written into it by hand.

    `waits`: it could not be written, so what a person wrote into it stays, and is looked at at the next start.
    """

    is_in_file: bool
    kept: Path | None = None
    waits: bool = False


class Revisions:
    """Blocking; called at start and, for an edit, in an executor."""

    def __init__(self, disk: Disk, layout: Layout, file: Path) -> None:
        """`file` is the config file that a person edits; it may stand outside the state folder."""
        self._disk, self._layout, self.file = disk, layout, file
        self._seen_path = layout.state / "config" / "seen"

    def choose(self, recorded: Recorded | None) -> Choice:
        """Return the revision to start with.

        Raises ConfigError when there is nothing usable, StoreError `revision_damaged` or `config_missing`, OSError.
        """
        text = self._file_text()
        if recorded is None:
            if text is None:
                raise StoreError("config_missing", path=str(self.file))
            return Choice(Revision(1, 0, text, accept_config(text).config), recorded=False)
        number, _, expected = recorded
        found = None if text is None else sha256(text.encode()).digest()
        if text is not None and found not in (expected, self._seen()):
            try:
                return Choice(Revision(number + 1, number, text, accept_config(text).config), recorded=False)
            except ConfigError as error:
                return Choice(self._load(number, expected), recorded=True, faults=error.faults)
        return Choice(self._load(number, expected), recorded=True)

    def store(self, revision: Revision) -> None:
        """Make a revision's file durable; its ledger entry comes after this. Raises OSError."""
        write_atomically(self._disk, self._layout.revisions / f"{revision.number}.toml", revision.text.encode())

    def settle(self, revision: Revision) -> Settled:
        """After the swap: make the config file say what is in force, unless it does; one that we may not write stays as it is.

        What a person wrote into it since we last read or wrote it is kept beside it; where it stays, it is looked at at the next start.
        Raises OSError when the file cannot be read.
        """
        data, text = read_whole(self._disk, self.file, CONFIG_SIZE_MAX), revision.text.encode()
        is_a_persons = bool(data) and data != text and sha256(data or b"").digest() != self._seen()
        kept = self.file.with_name(f"{self.file.name}.before-revision-{revision.number}") if is_a_persons else None
        if data != text:
            try:
                if kept is not None:  # a copy that cannot be written keeps the file from being overwritten
                    write_atomically(self._disk, kept, data or b"")
                write_atomically(self._disk, self.file, text)
            except OSError:
                if read_whole(self._disk, self.file, CONFIG_SIZE_MAX) != text:  # else it stands there, and only the folder was not flushed
                    with contextlib.suppress(OSError):
                        if kept is not None:
                            self._disk.unlink(kept)
                    return Settled(is_in_file=False, waits=is_a_persons)
        seen = sha256(text).digest()
        with contextlib.suppress(OSError):  # the next start sees that the file is the recorded revision
            if self._seen() != seen:
                write_atomically(self._disk, self._seen_path, seen.hex().encode() + b"\n")
        return Settled(is_in_file=True, kept=kept)

    def _load(self, number: int, expected: bytes) -> Revision:
        path = self._layout.revisions / f"{number}.toml"
        data = read_whole(self._disk, path, CONFIG_SIZE_MAX)
        if data is None or sha256(data).digest() != expected:
            raise StoreError("revision_damaged", path=str(path), revision=number)
        text = data.decode()
        return Revision(number, number - 1, text, parse_config(text))

    def _file_text(self) -> str | None:
        data = read_whole(self._disk, self.file, CONFIG_SIZE_MAX)
        try:
            return None if data is None else data.decode()
        except UnicodeDecodeError as error:
            raise ConfigError([Fault("", "config_not_toml", {"detail": "not UTF-8"})]) from error

    def _seen(self) -> bytes | None:
        data = read_whole(self._disk, self._seen_path, SEEN_SIZE_MAX)
        try:
            return None if data is None else bytes.fromhex(data.decode().strip())
        except ValueError:
            return None
