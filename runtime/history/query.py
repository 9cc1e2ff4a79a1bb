"""Answers about the past: trends, entries, proofs. Called for each request; reads the index and the ledger, changes nothing.

Room: hall, history. `service` routes requests here. Parameters come from faces, so each is checked and bounded; what is wrong becomes
a `RequestRefusedError` with a code.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from ledger_client.entry import parse
from ledger_client.errors import LedgerError
from ledger_client.kinds import Kind
from ledger_client.reader import LedgerReader
from runtime.faces.feed import RequestRefusedError
from runtime.history.catalogue import SpoiledIndexError, read_detail
from runtime.history.export import Export
from runtime.history.follow import TOLD_MAX, Follower
from runtime.history.index import Index
from runtime.history.raw import Raw
from runtime.history.schemas import Schemas
from runtime.history.trends import PENS_MAX, Trends

ENTRIES_MAX: Final = 200

Prover = Callable[[int, int], bytes]
"""(tag_uid, at_ms) -> bytes of a `.wmproof`; raises LedgerError."""


class Query:
    """Answers one method each; `ask` is the only door."""

    def __init__(self, reader: LedgerReader, index: Index, follower: Follower, prover: Prover) -> None:
        self._reader, self._index, self._follower, self._prover = reader, index, follower, prover
        schemas = Schemas(reader, index)
        raw = Raw(reader, index, schemas)
        self._trends, self._export = Trends(index, raw, schemas), Export(raw)

    def ask(self, method: str, params: Mapping[str, Any]) -> Any:
        """Return the answer as plain data. Raises RequestRefusedError."""
        try:
            match method:
                case "trends":
                    return self._trends.answer(_uids(params), *(_whole(params, name) for name in ("t0", "t1", "points")))
                case "trend":
                    return self._trends.rollups(*(_whole(params, name) for name in ("uid", "t0", "t1", "points")))
                case "export":
                    return self._export.part(_uids(params), *(_whole(params, name) for name in ("t0", "t1", "after")))
                case "entries":
                    before = params.get("before")
                    kind = params.get("kind")
                    only = None if kind is None else _whole(params, "kind")
                    return self.entries(None if before is None else _whole(params, "before"), _whole(params, "limit"), only)
                case "proof":
                    return self._prover(_whole(params, "uid"), _whole(params, "at_ms"))
                case "entries_until":
                    return self.entries_until()
                case "status":
                    return {"next_seq": self._index.read_to, "size_bytes": self._index.size_bytes}
        except LedgerError as error:
            raise RequestRefusedError(error.code, **error.params) from error
        except SpoiledIndexError as error:
            raise RequestRefusedError("history_away") from error  # it is built again at once
        raise RequestRefusedError("method_unknown", method=method)

    def entries(self, before: int | None, limit: int, kind: int | None = None) -> list[list[Any]]:
        """Return [seq, wall_ms, kind, detail, groups, told] of entries that are not batches, newest first; with `kind`, of that one only.

        `groups` are [number, "device/group"] pairs of the tag groups that a gap names, as far as the schema knows them. `told` is an
        event's body, or that of an act; None of other entries and where it is not here or long.
        """
        rows = []
        only, more = ("", ()) if kind is None else ("AND event.kind = ? ", (kind,))
        found = self._index.catalogue.ask(
            "SELECT seq, event.wall_ms, event.kind, detail, told FROM event LEFT JOIN said USING (seq) "  # noqa: S608  ours
            f"WHERE seq < ? {only}ORDER BY seq DESC LIMIT ?",
            (before if before is not None else 1 << 62, *more, max(1, min(limit, ENTRIES_MAX))),
        )
        for seq, wall_ms, sort, kept, told in found:
            detail = read_detail(kept) if kept is not None else parse(self._reader.entry(seq)).payload.detail
            if kept is None and sort == Kind.EVENT and detail[3] <= TOLD_MAX:
                told = self._reader.body(seq)
            if sort == Kind.COMMAND and told is None and detail[3] <= TOLD_MAX:
                told = self._reader.body(seq)
            rows.append([seq, wall_ms, sort, detail, self._groups(sort, detail), told])
        return rows

    def entries_until(self) -> int | None:
        """Return until when (ms) entries are no longer all in what `entries` gives, only in the ledger; None where all are."""
        until = self._index.catalogue.let_go().rows_ms
        return until if until >= 0 else None

    def _groups(self, kind: int, detail: tuple[Any, ...]) -> list[list[Any]]:
        """Names of now: a number is never used again, and a group that is gone is shown by its number."""
        known = self._follower.schema.groups
        uids = dict.fromkeys(row[0] for row in detail) if kind == Kind.GAP else {}
        return [[uid, f"{known[uid].device}/{known[uid].name}"] for uid in uids if uid in known]


def _uids(params: Mapping[str, Any]) -> list[int]:
    match params.get("uids"):
        case [*uids] if len(uids) <= PENS_MAX and all(type(uid) is int for uid in uids):
            return uids
    raise RequestRefusedError("trend_range")


def _whole(params: Mapping[str, Any], name: str) -> int:
    value = params.get(name)
    if isinstance(value, bool) or not isinstance(value, int):
        raise RequestRefusedError("number_invalid", name=name)
    return value
