"""The body of the event entry that alarms write: what happened to which alarm, many in one entry. Pure.

Room: ground. The core encodes it and reads it again after a start, verifiers check its shape through `event_bodies.check_event`. It
knows no state machine: words and numbers in, bytes out. Source: docs/ledger-format.md section 3.2.
"""

from __future__ import annotations

from dataclasses import astuple, dataclass
from typing import Any, Final

from ledger_client import cbor
from ledger_client.body_words import Plain, is_name, is_plain
from ledger_client.details import is_int, is_text, is_uint
from ledger_client.errors import FormatError

ALARMS: Final = "https://witnessmark.example/event/alarms"
ALARMS_VERSION: Final = 1
SIZE_MAX: Final = 512 << 10
ROWS_MAX: Final = 500
"""Of one entry."""
HAPPENINGS: Final = (
    "raised", "cleared", "acked", "reset", "shelved", "unshelved", "shelf_ended", "suppressed", "unsuppressed", "out_of_service",
    "in_service", "removed",
)  # fmt: skip
"""What can happen to an alarm. Tuples: a stranger's body may have anything in a place, also what has no hash."""
STATES: Final = (
    "normal", "unacked", "acked", "returned", "latched_unacked", "latched", "shelved", "suppressed", "out_of_service",
)  # fmt: skip
PRIORITIES: Final = ("advisory", "low", "medium", "high")


@dataclass(frozen=True, slots=True)
class AlarmRow:
    """One transition. `at_ms` is wall time; `hidden` 1: nobody was called for it. `by` is who did it, empty for the process itself.

    `value` and `limit` are the tag's value and the alarm's limit then, None where there is none; `note` is a person's reason or remark;
    `until_ms` is when a shelf ends; `act` is the act that asked for it.
    """

    name: str
    what: str
    before: str
    after: str
    at_ms: int
    hidden: int
    priority: str
    value: Plain = None
    limit: Plain = None
    by: str = ""
    note: str = ""
    until_ms: int | None = None
    act: bytes | None = None


@dataclass(frozen=True, slots=True)
class AlarmsBody:
    """Transitions in their order. `lost`: how many before them could not be kept until they could be recorded."""

    rows: tuple[AlarmRow, ...]
    lost: int = 0

    def encode(self) -> bytes:
        """Return the body."""
        return cbor.encode([ALARMS_VERSION, self.lost, [list(astuple(row)) for row in self.rows]])


def read_alarms(version: int, body: bytes) -> AlarmsBody | None:
    """Return what a body of this version says; None for a version that is not known. Raises FormatError `event_body_invalid`."""
    if version != ALARMS_VERSION:
        return None
    match cbor.decode(body, size_max=SIZE_MAX, what="event body"):
        case [found_version, lost, list() as rows] if is_uint(found_version) and found_version == ALARMS_VERSION:
            found = [row for row in map(read_row, rows[: ROWS_MAX + 1]) if row is not None]
            if is_uint(lost) and len(found) == len(rows) <= ROWS_MAX and (rows or lost):
                return AlarmsBody(tuple(found), lost)
    raise FormatError("event_body_invalid", type=ALARMS)


def read_row(row: Any) -> AlarmRow | None:
    """Return one transition; None for what is none."""
    match row:
        case [name, what, before, after, at_ms, hidden, priority, value, limit, by, note, until, act]:
            good = is_name(name) and what in HAPPENINGS and before in STATES and after in STATES and is_int(at_ms)
            good = good and is_uint(hidden) and hidden <= 1 and priority in PRIORITIES and is_plain(value) and is_plain(limit)
            good = good and is_text(by) and is_text(note) and (until is None or is_int(until))
            if good and (act is None or (isinstance(act, bytes) and len(act) == 16)):
                return AlarmRow(name, what, before, after, at_ms, hidden, priority, value, limit, by, note, until, act)
    return None
