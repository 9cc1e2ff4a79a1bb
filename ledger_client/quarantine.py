"""The mark that stops an epoch: a file beside its segments that says why, and what an operator must do.

Room: ground. The outbox writes it and obeys it; health and the command line show it. Only a person takes it away, by opening
the next epoch: the file itself stays as the record of what happened. JSON, so that it can be read with no tool at all.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ledger_client.disk import Disk, read_whole, write_atomically

FILE_NAME = "QUARANTINE"
FILE_SIZE_MAX = 16_384
NEXT_STEP = "outbox_todo_new_epoch"

_WHAT_TO_DO = (
    "An anchor holds a history that this ledger contradicts. Usually the state folder was copied, or an older image restored. "
    "Nothing of this epoch is sent to any anchor while this file exists; recording goes on. Find out which copy the anchors "
    "confirmed and keep that one. On the other, open a new epoch that names the old head. Deleting this file does not help: "
    "the anchors remember."
)


@dataclass(frozen=True, slots=True)
class Quarantine:
    """Why an epoch is stopped: a message code with its parameters (names of anchors, sizes), and since when."""

    origin: str
    code: str
    since_ms: int
    params: Mapping[str, str | int | float] = field(default_factory=dict)

    def plain(self) -> dict[str, object]:
        """Return it as plain data, with the code of what to do."""
        return {"code": self.code, "params": dict(self.params), "since_ms": self.since_ms, "todo": NEXT_STEP}


def quarantine_path(state: Path, epoch: int) -> Path:
    """Return where the mark of an epoch stands."""
    return state / "ledger" / str(epoch) / FILE_NAME


def write_quarantine(disk: Disk, state: Path, epoch: int, found: Quarantine) -> None:
    """Put the mark in place, durably. An earlier mark stays: the first reason is the one that counts. Raises OSError."""
    path = quarantine_path(state, epoch)
    disk.mkdir(path.parent)
    if FILE_NAME in disk.names(path.parent):
        return
    text = {"origin": found.origin, **found.plain(), "what_to_do": _WHAT_TO_DO}
    write_atomically(disk, path, (json.dumps(text, indent=1) + "\n").encode())


def read_quarantine(disk: Disk, state: Path, epoch: int) -> Quarantine | None:
    """Return the mark of an epoch, None when it is free. A mark that cannot be read still stops. Raises OSError."""
    raw = read_whole(disk, quarantine_path(state, epoch), FILE_SIZE_MAX)
    if raw is None:
        return None
    try:
        match json.loads(raw):
            case {"origin": str(origin), "code": str(code), "since_ms": int(since_ms), "params": dict(params)}:
                return Quarantine(origin, code, since_ms, params)
    except ValueError:
        pass
    return Quarantine("", "outbox_quarantine_unreadable", 0)
