"""Where the ledger and the policy are that a verb was pointed at: a state folder, its `ledger` folder, or one epoch's.

Room: hall. The evidence verbs call it. It opens for reading only and works on a copy as well as on the gateway itself.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NoReturn

from ledger_client.disk import RealDisk
from ledger_client.errors import CorruptError, LedgerError, StoreError
from ledger_client.note import NOTE_SIZE_MAX
from ledger_client.policy import POLICY_SIZE_MAX
from ledger_client.reader import LedgerReader, epochs, ledger_folder
from ledger_client.recovery import first_seqs, read_newest
from runtime.cli.console import fail
from runtime.layout import Layout

NOTE_NAME: Final = "checkpoint.txt"
"""The newest cosigned checkpoint, as `ledger fetch` leaves it beside the entries."""


@dataclass(frozen=True, slots=True)
class Place:
    """One epoch's ledger under a state folder. `others` are the epochs there besides: each is a log of its own."""

    state: Path
    epoch: int
    reader: LedgerReader
    others: tuple[int, ...]

    def note(self) -> str | None:
        """Return the cosigned checkpoint beside a fetched ledger, None elsewhere: its last receipts were lost with the gateway."""
        try:
            with open(self.state / NOTE_NAME, "rb") as file:
                return file.read(NOTE_SIZE_MAX + 1).decode()
        except (OSError, UnicodeDecodeError):
            return None

    def fault(self) -> LedgerError | None:
        """Return what is wrong at the end of the newest segment, beyond what a power cut explains."""
        try:
            return read_newest(RealDisk(), ledger_folder(self.state, self.epoch)).fault
        except CorruptError as error:
            return error


def open_place(path: Path, epoch: int | None, *, as_json: bool) -> Place:
    """Return the ledger that a path means, the newest epoch unless one is named. Ends the command when there is none."""
    disk, state = RealDisk(), path
    if first_seqs(disk.names(path)) and path.name.isdigit():
        state, epoch = path.parent.parent, int(path.name)
    elif path.name == "ledger" and not (path / "ledger").is_dir():
        state = path.parent
    known = epochs(disk, state)
    chosen = epoch if epoch is not None else max(known, default=0)
    if chosen not in known:
        fail("state_missing", {"path": str(path)}, as_json=as_json)
    return Place(state, chosen, LedgerReader(disk, state, chosen), tuple(each for each in known if each != chosen))


def read_policy(path: Path | None, state: Path | None, *, as_json: bool) -> bytes:
    """Return a policy's bytes: of the file named, else of the state folder. Ends the command when there is none."""
    if path is None and state is not None:
        path = Layout(state).policy
    if path is None:
        fail("policy_needed", as_json=as_json)
    try:
        with open(path, "rb") as file:
            return file.read(POLICY_SIZE_MAX + 1)
    except OSError:
        fail("policy_missing", {"path": str(path)}, as_json=as_json)


def read_evidence(path: Path, size_max: int, *, as_json: bool) -> bytes:
    """Return a file's bytes. Ends the command when it cannot be read, or is longer than `size_max`; of such a file no more is read."""
    try:
        with open(path, "rb") as file:
            data = file.read(size_max + 1)
            size = max(len(data), os.fstat(file.fileno()).st_size)
    except OSError:
        fail("file_missing", {"path": str(path)}, as_json=as_json)
    if len(data) > size_max:
        fail("file_too_long", {"size": size, "size_max": size_max}, as_json=as_json)
    return data


def write_file(path: Path, data: bytes, *, as_json: bool) -> None:
    """Write a file that people carry away. Ends the command when it cannot be written."""
    try:
        with open(path, "wb") as file:
            file.write(data)
    except OSError as error:
        fail("file_not_written", {"path": str(path), "reason": error.strerror or "?"}, as_json=as_json)


def fail_reading(error: LedgerError | OSError, *, as_json: bool) -> NoReturn:
    """End a verb that could not read the ledger."""
    if isinstance(error, LedgerError):
        fail(error.code, error.params, as_json=as_json)
    fault = StoreError("file_missing", path=str(error.filename))
    fail(fault.code, fault.params, as_json=as_json)
