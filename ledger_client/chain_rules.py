"""What must hold from one entry to the next: order, links, boots, clocks, silences. Pure.

Room: ground. `verify_entries` walks a ledger or a range and feeds these rules entry by entry; each reports to a `Judge`. They see
entries whose signature already held, so a breach is either the work of whoever rearranged them or of the device itself.
Source: docs/ledger-format.md sections 3 and 12.
"""

from __future__ import annotations

from hashlib import sha256
from typing import Final, Literal

from ledger_client.claims import Judge
from ledger_client.entry import ZERO_HASH, Entry, Payload
from ledger_client.kinds import Kind

STEP_MS: Final = 500
"""Change of wall minus boottime between two entries that needs a clock entry. The gateway writes one above 250 ms."""
GRACE_MS: Final = 120_000
"""Boottime within which the explaining clock or gap entry must follow."""
SILENCE_MS: Final = 300_000
"""Longest time between batches that needs no gap entry: five times the default heartbeat of a tag."""
BATCH_AHEAD_MS: Final = 1_000
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


class Clocks:
    """Boottime never runs back within a boot; a step of the wall clock against it is explained by a clock entry."""

    def __init__(self, judge: Judge) -> None:
        self._judge = judge
        self._last: Payload | None = None
        self._step_ms = 0
        self._since: Payload | None = None

    def feed(self, entry: Entry) -> None:
        """Check one entry against the one before it."""
        now, last = entry.payload, self._last
        self._last = now
        if last is None:
            return
        if now.boot != last.boot:
            self._since, self._step_ms = None, 0
            return
        if now.mono_ms < last.mono_ms:
            self._judge.fails("back_dated", "boottime_backwards", now.seq)
        step_ms = (now.wall_ms - last.wall_ms) - (now.mono_ms - last.mono_ms)
        if self._since is None and abs(step_ms) > STEP_MS:
            self._since = now
        if self._since is not None:
            self._step_ms += step_ms
            self._explain(now)

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


class Silences:
    """While a boot lasts, batches follow one another, or a gap entry says why they did not."""

    def __init__(self, judge: Judge) -> None:
        self._judge = judge
        self._boot = -1
        self._heard_ms = 0
        self._open: tuple[int, int, int] | None = None
        self.limit_ms = SILENCE_MS

    def feed(self, entry: Entry) -> None:
        """Check one entry. A silence that no gap entry covers is no proof of a loss: it makes `dropped` unknown."""
        now = entry.payload
        if now.boot != self._boot:
            self._boot, self._heard_ms, self._open = now.boot, now.mono_ms, None
        elif now.kind == Kind.GAP:
            self._gap(now)
        elif now.kind == Kind.BATCH:
            if now.mono_ms - self._heard_ms > self.limit_ms:
                self._report()
                self._open = (now.seq, now.mono_ms - self._heard_ms, now.mono_ms)
            self._heard_ms = now.mono_ms
        if self._open is not None and now.mono_ms - self._open[2] > GRACE_MS:
            self._report()

    def finish(self) -> None:
        """Report a silence that is still open."""
        self._report()

    def _gap(self, now: Payload) -> None:
        covered_ms = max(row[2] for row in now.detail) - min(row[1] for row in now.detail)
        if self._open is not None and covered_ms >= self._open[1] - self.limit_ms:
            self._open = None
        elif covered_ms >= now.mono_ms - self._heard_ms - self.limit_ms:
            self._heard_ms = now.mono_ms

    def _report(self) -> None:
        if self._open is not None:
            self._judge.unknown("dropped", "silence_unexplained", self._open[0], silence_s=self._open[1] // 1000)
        self._open = None


def check_batch(judge: Judge, entry: Entry, offset_ms: int | None) -> None:
    """Check a batch's own times: first not after last, and last not after the entry that holds it.

    `offset_ms` is the body's (wall minus boottime when the batch was opened), None when the body is not at hand: then only the
    order within the batch can be judged, because the wall clock may have stepped since.
    """
    t0_ms, t1_ms = entry.payload.detail[:2]
    if t0_ms > t1_ms:
        judge.fails("back_dated", "batch_times_invalid", entry.seq)
    elif offset_ms is not None and t1_ms - offset_ms > entry.payload.mono_ms + BATCH_AHEAD_MS:
        judge.fails("back_dated", "batch_ahead_of_entry", entry.seq, ahead_ms=t1_ms - offset_ms - entry.payload.mono_ms)
