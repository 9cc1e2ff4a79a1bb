"""What was asked for and what came of it, out of command entries. Pure.

Room: hall, face. The handover and the trends put an act's outcome to its intent with it, so that one line says both. It words nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ledger_client.errors import FormatError
from ledger_client.kinds import INTENT, OUTCOME
from runtime.messages.act_words import Ended


def asked_of(told: bytes | None) -> Mapping[str, Any] | None:
    """Return who asked for what and why; None where the intent's body is not here or of another version."""
    return _read(INTENT, told)


def outcomes(rows: Iterable[Sequence[Any]]) -> dict[bytes, Ended]:
    """Return how acts ended by their ids. A row is (detail, body or None) of a command entry, of whatever phase."""
    found: dict[bytes, Ended] = {}
    for detail, told in rows:
        if detail[1] == OUTCOME:
            found[bytes(detail[0])] = str(detail[2]), (_read(OUTCOME, told) or {}).get("params", {})
    return found


def _read(phase: int, told: bytes | None) -> Mapping[str, Any] | None:
    if told is None:
        return None
    try:
        from runtime.acts import read_command  # what signs approvals comes with it: 7 MB that most pages do not need

        return read_command(phase, told)
    except FormatError:
        return None
