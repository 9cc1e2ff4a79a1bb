"""Readings for a file: in the order of the ledger, each with its entry, a part at each request. Blocking.

Room: hall, history. `query` routes `export` here; the web face makes CSV of the parts. It leaves nothing out in silence: how many entries
are withheld is part of every answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from runtime.faces.feed import RequestRefusedError
from runtime.history.raw import Raw
from runtime.history.trends import PENS_MAX

ENTRIES_AT_ONCE: Final = 200
ROWS_AT_ONCE: Final = 8_000
TEXT_AT_ONCE: Final = 300_000


class Export:
    """Answers `export`."""

    def __init__(self, raw: Raw) -> None:
        self._raw = raw

    def part(self, uids: Sequence[int], t0_ms: int, t1_ms: int, after: int) -> dict[str, Any]:
        """Return the readings of [t0, t1] in entries after `after` (-1: all), as many entries as one answer holds.

        {"rows": [[ms, uid, value, status, entry], …], "next": entry to ask after | null, "from": first entry looked at | null,
         "to": last one | null, "withheld": entries among them whose readings are not here}
        """
        if not 0 <= t0_ms < t1_ms or not 0 < len(uids) <= PENS_MAX or len(set(uids)) < len(uids):
            raise RequestRefusedError("trend_range")
        seqs = self._raw.seqs(uids, t0_ms, t1_ms, after, ENTRIES_AT_ONCE + 1)
        rows: list[list[Any]] = []
        withheld = text = 0
        last = None
        for count, (seq, sections) in enumerate(self._raw.sections(seqs, uids), 1):
            last = seq
            withheld += sections is None
            for section in sections or ():
                for column in section.columns:
                    for scan, status, value in zip(column.scans, column.statuses, column.values, strict=True):
                        if t0_ms <= section.times[scan] <= t1_ms:
                            rows.append([section.times[scan], column.descriptor.uid, value, status, seq])
                            text += len(value.encode()) if isinstance(value, str) else 0
            if count >= ENTRIES_AT_ONCE or len(rows) >= ROWS_AT_ONCE or text >= TEXT_AT_ONCE:
                break
        more = last is not None and last != seqs[-1]
        return {"rows": rows, "next": last if more else None, "from": seqs[0] if seqs else None, "to": last, "withheld": withheld}
