"""A trend: up to eight tags over a time, in columns for a chart, with its gaps and what happened meanwhile.

Room: hall, history. `query` routes `trends` here. Few readings come as they were recorded, out of the ledger; many as rollups, each pen
in at most so many buckets as were asked for. A gap is never left to be guessed: it stands beside the pens with its cause.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from itertools import accumulate
from typing import Any, Final

from ledger_client.kinds import INTENT, Kind
from runtime.faces.feed import RequestRefusedError
from runtime.history.catalogue import read_detail
from runtime.history.follow import MARKS
from runtime.history.gaps import Gap, Gaps
from runtime.history.index import HELD, Index
from runtime.history.raw import Points, Raw
from runtime.history.rollups import SPANS_MS, Strip, thin, width_of
from runtime.history.schemas import Schemas

PENS_MAX: Final = 8
POINTS_MAX: Final = 2_000
RAW_POINTS_MAX: Final = 4_000
"""Readings of one pen that are given as they are."""
RAW_BATCHES_MAX: Final = 4_000
MARKS_MAX: Final = 200
MARKS_BYTES_MAX: Final = 200_000
"""What the marks say, all together: pens and gaps need the rest of a frame."""
OUTCOMES_READ_MAX: Final = 2_000
"""Entries that are looked through for how the acts among the marks ended."""
OUTCOMES_BYTES_MAX: Final = 50_000


class Trends:
    """Answers `trends`."""

    def __init__(self, index: Index, raw: Raw, schemas: Schemas) -> None:
        self._index, self._raw, self._schemas = index, raw, schemas
        self._gaps = Gaps(index.catalogue)

    def answer(self, uids: Sequence[int], t0_ms: int, t1_ms: int, points: int) -> dict[str, Any]:
        """Return pens, gaps and marks of [t0, t1].

        {"t0", "t1", "read_to": entry, "width_ms": of a bucket, 0 for readings as recorded,
         "pens": [{"uid", "t", "low", "high", "last", "count", "bad"}] of packed columns (i64 ms, f64 with NaN for none, u32; for readings
         as recorded "t", "last", "bad" only), "gaps": [[[from ms, to ms, cause, scans], …] of each pen],
         "marks": [[seq, wall ms, kind, detail, body | null], …], "marks_left_out": count,
         "outcomes": [[detail, body | null], …] of acts among the marks that ended after t1, "outcomes_read": whether these are all there
         are: false where the search ended before the newest entry,
         "gaps_until", "marks_until": where gaps, marks until then (ms) are no longer all here, in [t0, t1], else null}

        Raises RequestRefusedError `trend_range`, SpoiledIndexError, and what the ledger's reader raises.
        """
        if not 2 <= points <= POINTS_MAX or not 0 <= t0_ms < t1_ms or not 0 < len(uids) <= PENS_MAX or len(set(uids)) < len(uids):
            raise RequestRefusedError("trend_range")
        width_ms, pens = 0, self._recorded(uids, t0_ms, t1_ms, points)
        if pens is None:
            span_ms = self._span(t0_ms, t1_ms, points)
            width_ms = width_of(t0_ms, t1_ms, points, span_ms)
            pens = [_pen(uid, thin(self._index.strip(uid, span_ms, t0_ms, t1_ms), width_ms)) for uid in uids]
        groups = self._schemas.groups_of(uids, t0_ms, t1_ms)
        of_groups = {each: self._gaps.of(each, t0_ms, t1_ms, width_ms) for each in {frozenset(groups[uid]) for uid in uids}}
        gaps = [of_groups[frozenset(groups[uid])] for uid in uids]
        marks, left_out = self._marks(t0_ms, t1_ms)
        outcomes, outcomes_read = self._outcomes(marks)
        let_go = self._index.catalogue.let_go()
        gaps_until, marks_until = (min(until, t1_ms) if until >= t0_ms else None for until in (let_go.gaps_ms, let_go.said_ms))
        return {
            "t0": t0_ms, "t1": t1_ms, "read_to": self._index.read_to, "width_ms": width_ms, "pens": pens,
            "gaps": [[_plain(gap) for gap in each] for each in gaps], "marks": marks, "marks_left_out": left_out,
            "outcomes": outcomes, "outcomes_read": outcomes_read,
            "gaps_until": gaps_until, "marks_until": marks_until,
        }  # fmt: skip

    def rollups(self, uid: int, t0_ms: int, t1_ms: int, points: int) -> list[list[Any]]:
        """Return [start_ms, low, high, first, last, count, bad] rows of one tag in at most `points` buckets; an empty one is left out."""
        if not 2 <= points <= POINTS_MAX or not 0 <= t0_ms < t1_ms:
            raise RequestRefusedError("trend_range")
        found = self._points([uid], t0_ms, t1_ms) if (t1_ms - t0_ms) // points < SPANS_MS[0] else None
        if found is None:
            span_ms = self._span(t0_ms, t1_ms, points)
            strip = thin(self._index.strip(uid, span_ms, t0_ms, t1_ms), width_of(t0_ms, t1_ms, points, span_ms))
        else:
            strip = found[uid].strip(width_of(t0_ms, t1_ms, points, 1))
        return [[start, *([*numbers] if count else [None] * 4), count, bad] for start, *numbers, count, bad in strip.rows()]

    def _recorded(self, uids: Sequence[int], t0_ms: int, t1_ms: int, points: int) -> list[dict[str, Any]] | None:
        """Return pens of readings as recorded, None where they are too many or not all here."""
        if (t1_ms - t0_ms) // points >= SPANS_MS[0]:
            return None
        found = self._points(uids, t0_ms, t1_ms)
        if found is None or max(map(len, found.values())) > RAW_POINTS_MAX:
            return None
        return [_raw_pen(uid, found[uid]) for uid in uids]

    def _points(self, uids: Sequence[int], t0_ms: int, t1_ms: int) -> dict[int, Points] | None:
        if not self._index.reaches(HELD, t0_ms):
            return None
        seqs = self._raw.seqs(uids, t0_ms, t1_ms)
        return self._raw.points(seqs, uids, t0_ms, t1_ms) if len(seqs) <= RAW_BATCHES_MAX else None

    def _span(self, t0_ms: int, t1_ms: int, points: int) -> int:
        """Return the longest span that fits into a bucket, or the next longer one that still reaches back to t0."""
        fitting = [span for span in SPANS_MS if span <= (t1_ms - t0_ms) // points] or [SPANS_MS[0]]
        reaching = [span for span in SPANS_MS if span >= fitting[-1] and self._index.reaches(span, t0_ms)]
        return reaching[0] if reaching else SPANS_MS[-1]

    def _marks(self, t0_ms: int, t1_ms: int) -> tuple[list[list[Any]], int]:
        kinds = ", ".join(str(int(kind)) for kind in sorted(MARKS - {Kind.CLOSE}))
        where = f"FROM said INDEXED BY said_at WHERE wall_ms BETWEEN ? AND ? AND +kind IN ({kinds})"
        rows = self._index.catalogue.ask(
            f"SELECT seq, wall_ms, kind, detail, told FROM said WHERE seq IN (SELECT seq {where} ORDER BY seq DESC LIMIT ?) "  # noqa: S608  ours
            "ORDER BY seq DESC",
            (t0_ms, t1_ms, MARKS_MAX),
        )
        count = self._index.catalogue.ask(f"SELECT COUNT(*) {where}", (t0_ms, t1_ms))[0][0] if len(rows) == MARKS_MAX else len(rows)
        sizes = accumulate(len(detail) + len(told or b"") for _, _, _, detail, told in rows)
        rows = [row for row, size in zip(rows, sizes, strict=True) if size <= MARKS_BYTES_MAX]
        return [[seq, at, kind, read_detail(detail), told] for seq, at, kind, detail, told in reversed(rows)], count - len(rows)

    def _outcomes(self, marks: Sequence[Sequence[Any]]) -> tuple[list[list[Any]], bool]:
        """Return the outcomes that lie beyond the marks, and whether every entry was looked at in which there may be more."""
        waits: dict[bytes, int] = {}
        for seq, _, kind, detail, _ in marks:
            if kind == Kind.COMMAND and detail[1] == INTENT:
                waits[bytes(detail[0])] = seq
            elif kind == Kind.COMMAND:
                waits.pop(bytes(detail[0]), None)
        if not waits:
            return [], True
        beyond = (min(waits.values()), OUTCOMES_READ_MAX)
        (count,) = self._index.catalogue.ask("SELECT COUNT(*) FROM (SELECT 1 FROM said WHERE seq > ? ORDER BY seq LIMIT ?)", beyond)[0]
        rows = self._index.catalogue.ask(
            "SELECT detail, told FROM said "
            "WHERE seq IN (SELECT seq FROM said WHERE seq > ? ORDER BY seq LIMIT ?) AND kind = ? ORDER BY seq",
            (*beyond, int(Kind.COMMAND)),
        )
        found, size = [], 0
        for packed, told in rows:
            detail = read_detail(packed)
            if detail[1] != INTENT and waits.pop(bytes(detail[0]), None) is not None:
                size += len(told or b"")
                found.append([detail, told if size <= OUTCOMES_BYTES_MAX else None])
        return found, not waits or count < OUTCOMES_READ_MAX


def _pen(uid: int, strip: Strip) -> dict[str, Any]:
    numbers = {name: getattr(strip, name).tobytes() for name in ("low", "high", "last")}
    counts = {name: array("I", getattr(strip, name)).tobytes() for name in ("count", "bad")}
    return {"uid": uid, "t": strip.starts.tobytes(), **numbers, **counts}


def _raw_pen(uid: int, points: Points) -> dict[str, Any]:
    return {"uid": uid, "t": points.times.tobytes(), "last": points.values.tobytes(), "bad": array("I", points.bad).tobytes()}


def _plain(gap: Gap) -> list[Any]:
    return [gap.from_ms, gap.to_ms, gap.cause, gap.scans]
