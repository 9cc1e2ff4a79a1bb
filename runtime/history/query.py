"""Answers about the past: trends, entries, proofs. Called for each request; reads the index and the ledger, changes nothing.

Room: hall, history. `service` routes requests here. Parameters come from faces, so each is checked and bounded; what is wrong becomes
a `RequestRefusedError` with a code.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Any, Final

from ledger_client.body_reader import read_body
from ledger_client.entry import parse
from ledger_client.errors import FormatError, LedgerError
from ledger_client.kinds import Kind
from ledger_client.reader import LedgerReader
from runtime.faces.feed import RequestRefusedError
from runtime.history.follow import Follower
from runtime.history.index import Index, SpoiledIndexError
from runtime.history.rollups import SPANS_MS, Rollup, as_number, thin

POINTS_MAX: Final = 2_000
ENTRIES_MAX: Final = 200
TOLD_MAX: Final = 4_096
RAW_BATCHES_MAX: Final = 120

Prover = Callable[[int, int], bytes]
"""(tag_uid, at_ms) -> bytes of a `.wmproof`; raises LedgerError."""


class Query:
    """Answers one method each; `ask` is the only door."""

    def __init__(self, reader: LedgerReader, index: Index, follower: Follower, prover: Prover) -> None:
        self._reader, self._index, self._follower, self._prover = reader, index, follower, prover

    def ask(self, method: str, params: Mapping[str, Any]) -> Any:
        """Return the answer as plain data. Raises RequestRefusedError."""
        try:
            match method:
                case "trend":
                    return self.trend(*(_whole(params, name) for name in ("uid", "t0", "t1", "points")))
                case "entries":
                    before = params.get("before")
                    kind = params.get("kind")
                    only = None if kind is None else _whole(params, "kind")
                    return self.entries(None if before is None else _whole(params, "before"), _whole(params, "limit"), only)
                case "proof":
                    return self._prover(_whole(params, "uid"), _whole(params, "at_ms"))
                case "status":
                    return {"next_seq": self._index.next_seq}
        except LedgerError as error:
            raise RequestRefusedError(error.code, **error.params) from error
        except SpoiledIndexError as error:
            raise RequestRefusedError("history_away") from error  # it is built again at once
        raise RequestRefusedError("method_unknown", method=method)

    def trend(self, uid: int, t0_ms: int, t1_ms: int, points: int) -> list[list[Any]]:
        """Return [start_ms, low, high, first, last, count, bad] rows of at most `points` buckets; an empty bucket is left out."""
        if not 2 <= points <= POINTS_MAX or not 0 <= t0_ms < t1_ms:
            raise RequestRefusedError("trend_range")
        spans = [span for span in SPANS_MS if span <= (t1_ms - t0_ms) // points]
        if not spans and self._is_held(uid, t0_ms):
            rows = self._raw(uid, t0_ms, t1_ms)
        else:
            rows = self._index.rollups(uid, self._kept(uid, spans[-1] if spans else SPANS_MS[0], t0_ms), t0_ms, t1_ms)
        merged = thin(rows, points, t0_ms, t1_ms)
        return [[start, r.low, r.high, r.first, r.last, r.count, r.bad] for start, r in merged]

    def entries(self, before: int | None, limit: int, kind: int | None = None) -> list[list[Any]]:
        """Return [seq, wall_ms, kind, detail, groups, told] of entries that are not batches, newest first; with `kind`, of that one only.

        `groups` are [number, "device/group"] pairs of the tag groups that a gap names, as far as the schema knows them. `told` is an
        event's body, None of other entries and where it is not here or long.
        """
        rows = []
        for seq in self._index.events(before, max(1, min(limit, ENTRIES_MAX)), kind):
            payload = parse(self._reader.entry(seq)).payload
            told = self._reader.body(seq) if payload.kind == Kind.EVENT and payload.detail[3] <= TOLD_MAX else None
            rows.append([seq, payload.wall_ms, payload.kind, payload.detail, self._groups(payload.kind, payload.detail), told])
        return rows

    def _groups(self, kind: int, detail: tuple[Any, ...]) -> list[list[Any]]:
        """Names of now: a number is never used again, and a group that is gone is shown by its number."""
        known = self._follower.schema.groups
        uids = dict.fromkeys(row[0] for row in detail) if kind == Kind.GAP else {}
        return [[uid, f"{known[uid].device}/{known[uid].name}"] for uid in uids if uid in known]

    def _kept(self, uid: int, wanted: int, t0_ms: int) -> int:
        """Return the shortest span from `wanted` on whose rollups still reach back to t0, or to the tag's beginning."""
        spans = SPANS_MS[SPANS_MS.index(wanted) :]
        for span, longer in pairwise(spans):
            oldest, begin = self._index.oldest(uid, span), self._index.oldest(uid, longer)
            if oldest is None or begin is None or oldest <= t0_ms or oldest < begin + longer:
                return span
        return spans[-1]

    def _is_held(self, uid: int, t0_ms: int) -> bool:
        """Whether the index still knows which entries hold the tag's readings from t0 on, or from the tag's beginning on."""
        group, begin = self._group_of(uid), self._index.oldest(uid, SPANS_MS[-1])
        oldest = None if group is None else self._index.oldest_held(group)
        return oldest is not None and begin is not None and (oldest <= t0_ms or oldest < begin + SPANS_MS[-1])

    def _group_of(self, uid: int) -> int | None:
        return next((g.uid for g in self._follower.schema.groups.values() if uid in g.tag_uids), None)

    def _raw(self, uid: int, t0_ms: int, t1_ms: int) -> list[tuple[int, Rollup]]:
        group = self._group_of(uid)
        if group is None:
            return []
        found: list[tuple[int, Rollup]] = []
        for seq in self._index.batches(group, t0_ms, t1_ms, RAW_BATCHES_MAX):
            body = self._reader.body(seq)
            if body is None:
                continue
            entry = parse(self._reader.entry(seq))
            for reading in _readings(body, entry.payload.detail, self._reader, seq):
                if reading.descriptor.uid == uid and t0_ms <= reading.time_ms <= t1_ms:
                    one = Rollup()
                    one.add(as_number(reading.value, reading.status))
                    found.append((reading.time_ms, one))
        return sorted(found, key=lambda row: row[0])


def _readings(body: bytes, detail: tuple[Any, ...], reader: LedgerReader, seq: int) -> list[Any]:
    try:
        return list(read_body(body, detail, reader.schema_at(seq)).readings())
    except FormatError:
        return []


def _whole(params: Mapping[str, Any], name: str) -> int:
    value = params.get(name)
    if isinstance(value, bool) or not isinstance(value, int):
        raise RequestRefusedError("number_invalid", name=name)
    return value
