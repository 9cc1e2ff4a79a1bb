"""What must hold from one entry to the next: order, links, boots, clocks, silences. Pure.

Room: ground. `verify_entries` walks a ledger or a range and feeds these rules entry by entry; each reports to a `Judge`. They see
entries whose signature already held, so a breach is either the work of whoever rearranged them or of the device itself.
Source: docs/ledger-format.md sections 3 and 12.
"""

from __future__ import annotations

from collections import deque
from hashlib import sha256
from typing import Final, Literal

from ledger_client.claims import Judge
from ledger_client.entry import ZERO_HASH, Entry, Payload
from ledger_client.kinds import Kind
from ledger_client.witnessing import READING_AGE_MS

STEP_MS: Final = 500
"""Change of wall minus boottime between two entries that needs a clock entry. The gateway writes one above 250 ms."""
GRACE_MS: Final = 120_000
"""Boottime within which the explaining clock or gap entry must follow."""
SILENCE_MS: Final = 300_000
"""Longest time between batches that needs no gap entry: five times the default heartbeat of a tag."""
GAP_SAID_MS: Final = 600_000
"""An outage that goes on is said in a gap entry at least this often."""
DRIFT_MS: Final = 5_000
DRIFT_WINDOW_MS: Final = 3_600_000
"""Many changes too small to be a step may sum up to DRIFT_MS in this boottime: what the bounds of witnesses allow anyway."""
BATCH_AHEAD_MS: Final = 1_000
OFFSETS_KEPT: Final = 8
MISSING_KEPT: Final = 100_000

Place = Literal["next", "after a hole", "elsewhere"]


class Links:
    """Sequence numbers and prev hashes. Tells a dropped entry from a moved and from a repeated one."""

    def __init__(self, judge: Judge, first_seq: int) -> None:
        self._judge = judge
        self._next = first_seq
        self._prev_hash: bytes | None = ZERO_HASH if first_seq == 0 else None
        self._missing: set[int] = set()
        self._missing_uncounted = 0

    @property
    def next_seq(self) -> int:
        """The sequence number that is due."""
        return self._next

    def feed(self, entry: Entry) -> Place:
        """Check one entry's place and tell it: rules about neighbours start anew after a hole and pass over what stands elsewhere."""
        seq = entry.seq
        if seq < self._next:
            code = "entry_out_of_order" if seq in self._missing else "entry_repeated"
            self._missing.discard(seq)
            self._judge.fails("reordered", code, seq)
            return "elsewhere"
        hole = seq > self._next
        if hole:
            self._lose(self._next, seq)
        elif self._prev_hash is not None and entry.payload.prev != self._prev_hash:
            self._judge.fails("altered", "prev_differs", seq)
        self._next, self._prev_hash = seq + 1, entry.hash
        return "after a hole" if hole else "next"

    def unreadable(self, raw: bytes) -> None:
        """One entry could not be read or is not the device's: its place is taken, and the next one shows by `prev` if it was changed."""
        self._next, self._prev_hash = self._next + 1, sha256(raw).digest()

    def finish(self) -> None:
        """Report what never came."""
        count = len(self._missing) + self._missing_uncounted
        if count:
            first = min(self._missing) if self._missing else self._next
            self._judge.fails("dropped", "entries_missing", first, count=count)

    def _lose(self, start: int, end: int) -> None:
        kept = min(end - start, MISSING_KEPT - len(self._missing))
        self._missing.update(range(start, start + kept))
        self._missing_uncounted += end - start - kept


class Places:
    """Genesis stands first and once; a boot entry opens each boot, and only there."""

    def __init__(self, judge: Judge) -> None:
        self._judge = judge
        self._last: Payload | None = None

    def feed(self, entry: Entry) -> None:
        """Check one entry against the one before it."""
        now, last = entry.payload, self._last
        self._last = now
        if (now.kind == Kind.GENESIS) != (now.seq == 0):
            self._judge.fails("reordered", "genesis_misplaced", now.seq)
        if last is None:
            if now.seq == 0 and now.boot != 1:
                self._judge.fails("reordered", "boot_misplaced", now.seq)
            return
        same = now.boot == last.boot and (now.kind != Kind.BOOT or last.kind == Kind.GENESIS)
        opens = now.boot == last.boot + 1 and now.kind == Kind.BOOT
        if not same and not opens:
            self._judge.fails("reordered", "boot_misplaced", now.seq)


class Offsets:
    """Wall minus boottime (ms) as the entries of this boot showed it: a time may have been noted before the wall clock stepped."""

    def __init__(self) -> None:
        self._boot = -1
        self.known: deque[int] = deque(maxlen=OFFSETS_KEPT)

    def feed(self, entry: Entry) -> None:
        """Take what one entry shows; a small change is the clock's drift, not another offset."""
        now = entry.payload
        if now.boot != self._boot:
            self._boot = now.boot
            self.known.clear()
        offset_ms = now.wall_ms - now.mono_ms
        if self.known and abs(self.known[-1] - offset_ms) <= STEP_MS:
            self.known[-1] = offset_ms
        else:
            self.known.append(offset_ms)


class Clocks:
    """Boottime never runs back within a boot; a step of the wall clock against it is explained by a clock entry.

    Steps too small to need one are summed: what no clock entry explains must not add up to more than a clock's drift.
    """

    def __init__(self, judge: Judge) -> None:
        self._judge = judge
        self._last: Payload | None = None
        self._step_ms = 0
        self._since: Payload | None = None
        self._drift = Drift(judge)

    def feed(self, entry: Entry) -> None:
        """Check one entry against the one before it."""
        now, last = entry.payload, self._last
        self._last = now
        if last is None:
            return
        if now.boot != last.boot:
            self._since, self._step_ms = None, 0
            self._drift = Drift(self._judge)
            return
        if now.mono_ms < last.mono_ms:
            self._judge.fails("back_dated", "boottime_backwards", now.seq)
        step_ms = (now.wall_ms - last.wall_ms) - (now.mono_ms - last.mono_ms)
        if self._since is None and abs(step_ms) > STEP_MS:
            self._since = now
        if self._since is not None:
            self._step_ms += step_ms
            self._explain(now)
        said_ms = now.detail[1] - now.detail[0] if now.kind == Kind.CLOCK else 0
        self._drift.feed(now, step_ms - said_ms, settled=self._since is None)

    def finish(self) -> None:
        """Report a step at the very end that nothing explains yet."""
        if self._since is not None:
            self._judge.unknown("back_dated", "clock_step_unexplained", self._since.seq, step_ms=self._step_ms)

    def _explain(self, now: Payload) -> None:
        since = self._since
        if since is None:
            return
        if now.kind == Kind.CLOCK:
            # Steps that follow one another quickly are seen in the entries before their clock entries come, one after another.
            self._step_ms -= now.detail[1] - now.detail[0]
            if abs(self._step_ms) <= STEP_MS:
                self._since, self._step_ms = None, 0
                return
        if now.mono_ms - since.mono_ms > GRACE_MS:
            self._judge.fails("back_dated", "clock_step_unexplained", since.seq, step_ms=self._step_ms)
            self._since, self._step_ms = None, 0
            self._drift = Drift(self._judge)


class Drift:
    """How far wall and boottime came apart within a window, apart from what clock entries said."""

    def __init__(self, judge: Judge) -> None:
        self._judge = judge
        self._from_ms: int | None = None
        self._now_ms = 0
        self._settled_ms = 0
        self._least_ms = 0
        self._most_ms = 0

    def feed(self, now: Payload, unsaid_ms: int, *, settled: bool) -> None:
        """Add one entry's unexplained change; judge unless a step's explanation is still awaited."""
        self._now_ms += unsaid_ms
        if not settled:
            return
        if self._from_ms is None or now.mono_ms - self._from_ms > DRIFT_WINDOW_MS:
            self._from_ms, self._least_ms, self._most_ms = now.mono_ms, self._settled_ms, self._settled_ms
        self._settled_ms = self._now_ms
        self._least_ms, self._most_ms = min(self._least_ms, self._now_ms), max(self._most_ms, self._now_ms)
        drift_ms = self._most_ms - self._least_ms
        if drift_ms > DRIFT_MS:
            self._judge.unknown("back_dated", "clock_drift_unexplained", now.seq, drift_ms=drift_ms, window_s=DRIFT_WINDOW_MS // 1000)
            self._from_ms = None


class Silences:
    """While a boot lasts, batches follow one another, or a gap entry says why they did not."""

    def __init__(self, judge: Judge, offsets: Offsets) -> None:
        self._judge = judge
        self._offsets = offsets
        self._boot = -1
        self._begin_ms = 0
        self._heard_ms = 0
        self._last: Payload | None = None
        self._open: tuple[int, int, int] | None = None
        self.limit_ms: int | None = None
        """Longest time that needs no gap entry; None while no group is due."""

    def feed(self, entry: Entry) -> None:
        """Check one entry. A silence that no gap entry covers is no proof of a loss: it makes `dropped` unknown."""
        now = entry.payload
        if now.boot != self._boot:
            self.finish()
            self._boot, self._heard_ms, self._open = now.boot, now.mono_ms, None
            self._begin_ms = now.mono_ms if now.kind in {Kind.BOOT, Kind.GENESIS} else 0
        elif now.kind == Kind.GAP:
            self._gap(now)
        elif now.kind == Kind.BATCH:
            if self.limit_ms is not None and now.mono_ms - self._heard_ms > self.limit_ms:
                self._report()
                self._open = (now.seq, self._heard_ms, now.mono_ms)
            self._heard_ms = now.mono_ms
            self.limit_ms = self.limit_ms or SILENCE_MS
        if self.limit_ms is None:
            self._heard_ms = now.mono_ms
        if self._open is not None and now.mono_ms - self._open[2] > GRACE_MS:
            self._report()
        self._last = now

    def finish(self) -> None:
        """Report a silence that is still open, and one that lasted to the end of the boot or of what is there."""
        self._report()
        last = self._last
        if last is not None and self.limit_ms is not None and last.mono_ms - self._heard_ms > self.limit_ms + GAP_SAID_MS:
            self._open = (last.seq, self._heard_ms, last.mono_ms)
            self._report()

    def _gap(self, now: Payload) -> None:
        limit_ms = self.limit_ms or 0
        if self._open is not None and self._covered_ms(now, *self._open[1:]) >= self._open[2] - self._open[1] - limit_ms:
            self._open = None
        elif self._covered_ms(now, self._heard_ms, now.mono_ms) >= now.mono_ms - self._heard_ms - limit_ms:
            self._heard_ms = now.mono_ms

    def _covered_ms(self, gap: Payload, from_ms: int, to_ms: int) -> int:
        """Return how much of a stretch of boottime rows of a gap entry cover; one that leaves the boot or the present covers nothing."""
        spans = []
        for _, first, last, _, _ in gap.detail:
            firsts = [first - o for o in self._offsets.known if first - o >= self._begin_ms - GRACE_MS]
            lasts = [last - o for o in self._offsets.known if last - o <= gap.mono_ms + GRACE_MS]
            if firsts and lasts:
                spans.append((min(firsts), max(lasts)))
        covered_ms, at_ms = 0, from_ms
        for first_ms, last_ms in sorted(spans):
            covered_ms += max(0, min(last_ms, to_ms) - max(first_ms, at_ms))
            at_ms = max(at_ms, last_ms)
        return covered_ms

    def _report(self) -> None:
        if self._open is not None:
            seq, from_ms, to_ms = self._open
            self._judge.unknown("dropped", "silence_unexplained", seq, silence_s=(to_ms - from_ms) // 1000)
        self._open = None


def check_batch(judge: Judge, entry: Entry, offset_ms: int | None, offsets: Offsets) -> None:
    """Check a batch's own times: first not after last, last not after the entry that holds it, neither far from it.

    `offset_ms` is the body's (wall minus boottime when the batch was opened), None when the body is not at hand: then its times are
    held against the entry's wall time alone. A batch from before a step of the wall clock may be far from its entry in wall time: it is
    near all the same when some entry of this boot had the batch's offset.
    """
    t0_ms, t1_ms, good, bad = entry.payload.detail[:4]
    now = entry.payload
    if t0_ms > t1_ms:
        judge.fails("back_dated", "batch_times_invalid", entry.seq)
        return
    if offset_ms is not None and t1_ms - offset_ms > now.mono_ms + BATCH_AHEAD_MS:
        judge.fails("back_dated", "batch_ahead_of_entry", entry.seq, ahead_ms=t1_ms - offset_ms - now.mono_ms)
        return
    far_ms = max(abs(now.wall_ms - t0_ms), abs(now.wall_ms - t1_ms))
    if offset_ms is not None and any(abs(offset_ms - o) <= STEP_MS for o in offsets.known):
        far_ms = min(far_ms, now.mono_ms - (t0_ms - offset_ms))
    if good + bad and far_ms > READING_AGE_MS:
        judge.unknown("back_dated", "reading_far_from_entry", entry.seq, by_s=far_ms // 1000)
