// What must hold from one entry to the next: order, links, boots, clocks. Pure; all times are BigInts in ms.
// Source: docs/ledger-format.md sections 3 and 12. Silences and batches have files of their own.

import { same } from "./bytes.js";
import { KIND } from "./entry.js";
import { sha256 } from "./hash.js";

export const STEP_MS = 500n;
export const GRACE_MS = 120_000n;
const DRIFT_MS = 5_000n;
const DRIFT_WINDOW_MS = 3_600_000n;
const OFFSETS_KEPT = 8;
const MISSING_KEPT = 100_000n;
const ZERO_HASH = new Uint8Array(32);

export const sizeOf = (value) => (value < 0n ? -value : value);

/** Sequence numbers and prev hashes: tells a dropped entry from a moved and from a repeated one. */
export class Links {
  constructor(judge, firstSeq) {
    this.judge = judge;
    this.next = firstSeq;
    this.prevHash = firstSeq === 0n ? ZERO_HASH : null;
    this.missing = new Set();
    this.uncounted = 0n;
  }

  /** "next", "after a hole" or "elsewhere". */
  feed(entry) {
    const { seq } = entry;
    if (seq < this.next) {
      this.judge.fails("reordered", this.missing.delete(seq) ? "entry_out_of_order" : "entry_repeated", seq);
      return "elsewhere";
    }
    const hole = seq > this.next;
    if (hole) this.lose(this.next, seq);
    else if (this.prevHash && !same(entry.prev, this.prevHash)) this.judge.fails("altered", "prev_differs", seq);
    this.next = seq + 1n;
    this.prevHash = entry.hash;
    return hole ? "after a hole" : "next";
  }

  /** One entry could not be read or is not the device's: its place is taken. */
  unreadable(raw) {
    this.next += 1n;
    this.prevHash = sha256(raw);
  }

  finish() {
    const count = BigInt(this.missing.size) + this.uncounted;
    if (!count) return;
    const first = this.missing.size ? [...this.missing].reduce((a, b) => (b < a ? b : a)) : this.next;
    this.judge.fails("dropped", "entries_missing", first, { count });
  }

  lose(start, end) {
    const room = MISSING_KEPT - BigInt(this.missing.size);
    const kept = end - start < room ? end - start : room;
    for (let seq = start; seq < start + kept; seq += 1n) this.missing.add(seq);
    this.uncounted += end - start - kept;
  }
}

/** Genesis stands first and once; a boot entry opens each boot, and only there. */
export class Places {
  constructor(judge) {
    this.judge = judge;
    this.last = null;
  }

  feed(now) {
    const last = this.last;
    this.last = now;
    if ((now.kind === KIND.GENESIS) !== (now.seq === 0n)) this.judge.fails("reordered", "genesis_misplaced", now.seq);
    const same_boot = last && now.boot === last.boot && (now.kind !== KIND.BOOT || last.kind === KIND.GENESIS);
    const opens = last && now.boot === last.boot + 1n && now.kind === KIND.BOOT;
    const wrong = last ? !same_boot && !opens : now.seq === 0n && now.boot !== 1n;
    if (wrong) this.judge.fails("reordered", "boot_misplaced", now.seq);
  }
}

/** Wall minus boottime as the entries of this boot showed it. */
export class Offsets {
  constructor() {
    this.boot = -1n;
    this.known = [];
  }

  feed(now) {
    if (now.boot !== this.boot) {
      this.boot = now.boot;
      this.known = [];
    }
    const offset = now.wallMs - now.monoMs;
    const last = this.known.length - 1;
    if (last >= 0 && sizeOf(this.known[last] - offset) <= STEP_MS) this.known[last] = offset;
    else this.known = [...this.known, offset].slice(-OFFSETS_KEPT);
  }
}

/** Boottime never runs back within a boot; a step of the wall clock against it is explained by a clock entry. */
export class Clocks {
  constructor(judge) {
    this.judge = judge;
    this.last = null;
    this.stepMs = 0n;
    this.since = null;
    this.drift = new Drift(judge);
  }

  feed(now) {
    const last = this.last;
    this.last = now;
    if (!last) return;
    if (now.boot !== last.boot) {
      this.settle();
      this.drift = new Drift(this.judge);
      return;
    }
    if (now.monoMs < last.monoMs) this.judge.fails("back_dated", "boottime_backwards", now.seq);
    const step = now.wallMs - last.wallMs - (now.monoMs - last.monoMs);
    if (!this.since && sizeOf(step) > STEP_MS) this.since = now;
    if (this.since) {
      this.stepMs += step;
      this.explain(now);
    }
    const said = now.kind === KIND.CLOCK ? now.detail[1] - now.detail[0] : 0n;
    this.drift.feed(now, step - said, !this.since);
  }

  finish() {
    if (this.since) this.judge.unknown("back_dated", "clock_step_unexplained", this.since.seq, { step_ms: this.stepMs });
  }

  settle() {
    this.since = null;
    this.stepMs = 0n;
  }

  explain(now) {
    if (now.kind === KIND.CLOCK) {
      this.stepMs -= now.detail[1] - now.detail[0];
      if (sizeOf(this.stepMs) <= STEP_MS) {
        this.settle();
        return;
      }
    }
    if (now.monoMs - this.since.monoMs <= GRACE_MS) return;
    this.judge.fails("back_dated", "clock_step_unexplained", this.since.seq, { step_ms: this.stepMs });
    this.settle();
    this.drift = new Drift(this.judge);
  }
}

/** How far wall and boottime came apart within a window, apart from what clock entries said. */
class Drift {
  constructor(judge) {
    this.judge = judge;
    this.fromMs = null;
    this.nowMs = 0n;
    this.settledMs = 0n;
    this.leastMs = 0n;
    this.mostMs = 0n;
  }

  feed(now, unsaidMs, settled) {
    this.nowMs += unsaidMs;
    if (!settled) return;
    if (this.fromMs === null || now.monoMs - this.fromMs > DRIFT_WINDOW_MS) {
      this.fromMs = now.monoMs;
      this.leastMs = this.settledMs;
      this.mostMs = this.settledMs;
    }
    this.settledMs = this.nowMs;
    if (this.nowMs < this.leastMs) this.leastMs = this.nowMs;
    if (this.nowMs > this.mostMs) this.mostMs = this.nowMs;
    const drift = this.mostMs - this.leastMs;
    if (drift <= DRIFT_MS) return;
    this.judge.unknown("back_dated", "clock_drift_unexplained", now.seq, { drift_ms: drift, window_s: DRIFT_WINDOW_MS / 1000n });
    this.fromMs = null;
  }
}
