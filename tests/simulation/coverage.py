"""Is every silence of a ledger spoken of? For groups of which every scan is collected: a scan, or a gap row, for every due.

Room: tests, also for authors of drivers. Times are put on the time since boot, so that steps of the wall clock do not matter. What is
missing at the end of a boot that ended without a closing entry is covered by the boot entry after it.
"""

from __future__ import annotations

import itertools
from bisect import bisect_right
from collections import Counter, defaultdict
from dataclasses import dataclass, field

from ledger_client.body import read_body
from ledger_client.entry import parse
from ledger_client.kinds import Kind
from ledger_client.reader import LedgerReader
from ledger_client.schema import SchemaState


@dataclass
class _Life:
    """One boot: when it began and ended (mono ms), scans and gaps of each group."""

    begun_ms: int
    ended_ms: int
    closed: bool = False
    scans: dict[int, list[int]] = field(default_factory=lambda: defaultdict(list))
    """Two may be of one ms: a slow answer, and the read that was due when it came."""
    gaps: dict[int, list[tuple[int, int, int]]] = field(default_factory=lambda: defaultdict(list))
    periods: dict[int, int] = field(default_factory=dict)


def silences(
    reader: LedgerReader, names: frozenset[str], *, slack_ms: int = 500, late: int = 0, edge: int = 2, tail_ms: int = 0, jitter_ms: int = 0
) -> list[str]:  # fmt: skip
    """Return every stretch in which a group of `names` (`device/group`) was due and neither a scan nor a gap row accounts for it.

    Args:
        slack_ms: how far a gap row's times may be off (a clock step between the gap and its entry).
        late: dues by which a scan may come late without having missed one: none on virtual time.
        edge: dues at the edges of a life that fall outside: before polling begins, and in the batch that is still open.
        tail_ms: at the end of a life that was cut off, how much the boot entry after it answers for: misses are counted when a
            device's rest is over (up to 5 s), and their rows wait for the next sealing.
        jitter_ms: by how much a scan may miss its due and still have come when it was due: nothing on virtual time.
    """
    found: list[str] = []
    for number, life in enumerate(_lives(reader, names), 1):
        for uid, period_ms in life.periods.items():
            scans, rows = sorted(life.scans[uid]), life.gaps[uid]
            if not scans and not rows:
                continue
            until_ms = life.ended_ms if life.closed else life.ended_ms - tail_ms
            on_grid = _on_grid(scans, period_ms, jitter_ms)
            edges = [life.begun_ms, *on_grid, *([life.ended_ms] if life.closed else [])]
            for before, after in itertools.pairwise(edges):
                if after > until_ms:
                    break
                came = max(1, bisect_right(scans, after) - bisect_right(scans, before))
                missing = round((after - before) / period_ms) - came
                said = sum(count for first, last, count in rows if first - slack_ms < after and last + slack_ms > before)
                if missing > said + late + (edge if before == life.begun_ms or after == life.ended_ms else 0):
                    found.append(f"boot {number}, group {uid}: {missing} dues missing from {before} to {after} ms, {said} said")
    return found


def _on_grid(scans: list[int], period_ms: int, jitter_ms: int) -> list[int]:
    """Return the scans that came when they were due.

    One that came late, because an answer before it was slow, says only in sum with its neighbours how many dues were served: the reads that
    follow it serve the dues that passed meanwhile.
    """
    phases = Counter(at_ms % period_ms for at_ms in scans)

    def near(one_ms: int, other_ms: int) -> bool:
        return abs((one_ms - other_ms + period_ms // 2) % period_ms - period_ms // 2) <= jitter_ms

    phase = max(phases, key=lambda each: sum(count for other, count in phases.items() if near(each, other)), default=0)
    return [at_ms for at_ms in scans if near(at_ms, phase)]


def _lives(reader: LedgerReader, names: frozenset[str]) -> list[_Life]:
    lives: list[_Life] = []
    schema = SchemaState()
    for seq, raw in enumerate(reader.entries(0, reader.size())):
        payload = parse(raw).payload
        if payload.kind == Kind.BOOT:
            lives.append(_Life(payload.mono_ms, payload.mono_ms, periods=_periods(schema, names)))  # the schema in force stays in force
        if not lives:
            continue
        life = lives[-1]
        if payload.kind == Kind.SCHEMA:
            schema = schema.apply(reader.body(seq) or b"", full=bool(payload.detail[3]))
            life.periods |= _periods(schema, names)
        elif payload.kind == Kind.BATCH:
            body = read_body(reader.body(seq) or b"", payload.detail, schema)
            for section in body.sections:
                life.scans[section.group.uid].extend(time_ms - body.offset_ms for time_ms in section.times)
            life.ended_ms = max(life.ended_ms, payload.detail[1] - body.offset_ms)
        elif payload.kind == Kind.CLOSE:
            life.closed = True
        elif payload.kind == Kind.GAP:
            offset_ms = payload.wall_ms - payload.mono_ms
            for uid, first_ms, last_ms, _, count in payload.detail:
                if uid is not None:
                    life.gaps[uid].append((first_ms - offset_ms, last_ms - offset_ms, count))
    return lives


def _periods(schema: SchemaState, names: frozenset[str]) -> dict[int, int]:
    return {uid: group.period_ms for uid, group in schema.groups.items() if f"{group.device}/{group.name}" in names}
