"""Questions about recorded scores, answered from receipts in the ledger: the curve of a model, and what a check makes of it.

Room: hall, judgement; the judge's process, in a thread of its own with a reader of its own. It changes nothing. What it is asked comes
from faces through the core, so each parameter is checked and every walk is bounded.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from ledger_client.body_words import is_name
from ledger_client.details import is_hash, is_uint
from ledger_client.entry import parse
from ledger_client.errors import FormatError
from ledger_client.event_bodies import ALARMING, SCORES, ScoreReceipt, read_event
from ledger_client.kinds import Kind
from ledger_client.reader import LedgerReader
from models.decision import ALARMED_SHARE_MAX
from runtime.faces.feed import RequestRefusedError
from runtime.judgement.follower import first_seq_at

POINTS_MAX: Final = 2_000
LATE_MS: Final = 600_000
"""How long after its cells a receipt may stand in the ledger and still be found."""
ENTRIES_MAX: Final = 400_000
RECEIPTS_MAX: Final = 20_000
PIECE: Final = 10_000
"""Entries that are walked at once, the newest first."""
CHECK_ROWS_MIN: Final = 600
CHECK_SHARE: Final = 1 / 3
"""A check says something once it has this share of the rows that the model was made of, and CHECK_ROWS_MIN at least."""
CELLS_APART: Final = 3
"""Receipts further apart than so many cells have time between them in which nobody scored."""
MARK: Final = SCORES.encode()
Point = list[Any]


def receipts(reader: LedgerReader, start: int, end: int, name: str | None = None) -> Iterator[tuple[int, ScoreReceipt | None]]:
    """Yield (seq, receipt) of the score receipts in [start, end); None for one whose body is withheld. Raises LedgerError, OSError."""
    for seq, raw in enumerate(reader.entries(start, end), start):
        if MARK not in raw:  # a hundred times cheaper than reading each
            continue
        try:
            payload = parse(raw).payload
            if payload.kind != Kind.EVENT or payload.detail[0] != SCORES:
                continue
            body = reader.body(seq)
            found = None if body is None else read_event(SCORES, payload.detail[1], body)
        except FormatError:
            continue
        if found is None or (isinstance(found, ScoreReceipt) and name in {None, found.name}):
            yield seq, found


def curve(reader: LedgerReader, size: int, params: Mapping[str, Any]) -> dict[str, Any]:
    """Return {points: [[end ms, score / None, alarming], …], gaps, earlier, cut_ms} of a model, thinned to the highest.

    With a `manifest` (hash) the scores of that one only: what an earlier model said is measured by another threshold, and only told by
    its times. `gaps` and `earlier` are [[from ms, to ms], …]. Where a span has
    more than ENTRIES_MAX entries or RECEIPTS_MAX receipts, the newest are told: those before `cut_ms` are not. It is None where all are.
    """
    match params:
        case {"model": name, "from_ms": int(from_ms), "to_ms": int(to_ms), "points_max": int(most)} if (
            is_name(name) and 0 <= from_ms < to_ms and 2 <= most <= POINTS_MAX
        ):
            manifest = params.get("manifest")
        case _:
            raise RequestRefusedError("scores_range")
    start, end = first_seq_at(reader, from_ms, size), first_seq_at(reader, to_ms + LATE_MS, size)
    found, is_whole = newest_receipts(reader, start, end, name)
    own = [receipt for receipt in found if manifest in {None, receipt.manifest_hash}]
    points = [point for receipt in own for point in _points(receipt) if from_ms <= point[0] <= to_ms]
    gaps = [
        [(first - 1) * receipt.grid_ms, (first + cells - 1) * receipt.grid_ms] for receipt in own for first, cells, _ in receipt.skipped
    ]
    cut_ms = None if is_whole else points[0][0] if points else to_ms
    earlier = [] if manifest is None else others(found, manifest, from_ms, to_ms)[-POINTS_MAX:]
    return {"points": thinned(points, most), "gaps": gaps[-POINTS_MAX:], "earlier": earlier, "cut_ms": cut_ms}


def others(found: list[ScoreReceipt], manifest: Any, from_ms: int, to_ms: int) -> list[list[int]]:
    """Return [[from ms, to ms], …], within a range, of the times that receipts of another manifest tell. A hole in them stays one.

    After a clock that was set back a span may begin before the one that it follows.
    """
    spans: list[list[int]] = []
    for receipt in found:
        first, last = max(from_ms, (receipt.first_cell - 1) * receipt.grid_ms), min(to_ms, receipt.last_cell * receipt.grid_ms)
        if receipt.manifest_hash == manifest or first >= last:
            continue
        if spans and first >= spans[-1][0] and first - spans[-1][1] <= CELLS_APART * receipt.grid_ms:
            spans[-1][1] = max(spans[-1][1], last)
        else:
            spans.append([first, last])
    return spans


def newest_receipts(reader: LedgerReader, start: int, end: int, name: str) -> tuple[list[ScoreReceipt], bool]:
    """Return the newest RECEIPTS_MAX receipts of a model in [start, end), oldest first, and whether older ones were not looked for.

    At most ENTRIES_MAX entries are walked, the newest first. Raises LedgerError, OSError.
    """
    found: list[ScoreReceipt] = []
    first = max(start, end - ENTRIES_MAX)
    while first < end and len(found) < RECEIPTS_MAX:
        at = max(first, end - PIECE)
        found[:0] = [receipt for _, receipt in receipts(reader, at, end, name) if receipt is not None]
        end = at
    return found[-RECEIPTS_MAX:], end <= start and len(found) <= RECEIPTS_MAX


def _points(receipt: ScoreReceipt) -> list[Point]:
    cells = zip(receipt.numbers(), receipt.scores, receipt.cells, strict=True)
    return [[number * receipt.grid_ms, score, bool(cell & ALARMING)] for number, score, cell in cells]


def thinned(points: list[Point], most: int) -> list[Point]:
    """Return at most so many points: of each piece the one with the highest score; alarming when any of the piece was."""
    if len(points) <= most:
        return points
    step = -(-len(points) // most)
    found: list[Point] = []
    for at in range(0, len(points), step):
        piece = points[at : at + step]
        top = max(piece, key=lambda point: float("-inf") if point[1] is None else point[1])
        found.append([top[0], top[1], any(point[2] for point in piece)])
    return found


def checked(reader: LedgerReader, size: int, params: Mapping[str, Any], threshold: float) -> dict[str, Any]:
    """Return {rows, alarmed_share, covered, rows_wanted} of the cells that a model has scored since it came into use."""
    match params:
        case {"manifest": manifest, "since_seq": since, "rows": rows} if is_hash(manifest) and is_uint(since) and is_uint(rows):
            pass
        case _:
            raise RequestRefusedError("act_shape")
    scored = over = 0
    for _, receipt in receipts(reader, max(since, size - ENTRIES_MAX), size):
        if receipt is not None and receipt.manifest_hash == manifest:
            known = [score for score in receipt.scores if score is not None]
            scored += len(known)
            over += sum(score > threshold for score in known)
    needed = max(CHECK_ROWS_MIN, round(rows * CHECK_SHARE))
    share = over / scored if scored else 0.0
    covered = scored >= needed and share <= ALARMED_SHARE_MAX
    wanted = 0 if covered else max(needed - scored, needed if scored >= needed else 1)
    return {"rows": scored, "alarmed_share": share, "covered": covered, "rows_wanted": wanted}
