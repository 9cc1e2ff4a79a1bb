// Batches follow one another, or a gap entry says why they did not; and a batch's own times. Pure; times are BigInts in ms.
// Source: docs/ledger-format.md section 12.

import { GRACE_MS, STEP_MS, sizeOf } from "./chain_rules.js";
import { KIND } from "./entry.js";

const SILENCE_MS = 300_000n;
const GAP_SAID_MS = 600_000n;
const BATCH_AHEAD_MS = 1_000n;
export const READING_AGE_MS = 120_000n;

/** The longest silence that needs no gap entry under a schema; null while there is no group that could speak. */
export function silenceLimit(schema) {
  if (!schema.groups.size) return null;
  let limit = SILENCE_MS;
  for (const { periodMs } of schema.groups.values()) if (3n * periodMs > limit) limit = 3n * periodMs;
  return limit;
}

/** A silence that no gap entry covers is no proof of a loss: it makes `dropped` unknown. */
export class Silences {
  constructor(judge, offsets, limitMs) {
    this.judge = judge;
    this.offsets = offsets;
    this.limitMs = limitMs;
    this.boot = -1n;
    this.beginMs = 0n;
    this.heardMs = 0n;
    this.last = null;
    this.open = null;
  }

  feed(now) {
    if (now.boot !== this.boot) this.begin(now);
    else if (now.kind === KIND.GAP) this.gap(now);
    else if (now.kind === KIND.BATCH) this.batch(now);
    if (this.limitMs === null) this.heardMs = now.monoMs;
    if (this.open && now.monoMs - this.open.toMs > GRACE_MS) this.report();
    this.last = now;
  }

  finish() {
    this.report();
    const { last, limitMs } = this;
    if (!last || limitMs === null || last.monoMs - this.heardMs <= limitMs + GAP_SAID_MS) return;
    this.open = { seq: last.seq, fromMs: this.heardMs, toMs: last.monoMs };
    this.report();
  }

  begin(now) {
    this.finish();
    this.boot = now.boot;
    this.heardMs = now.monoMs;
    this.open = null;
    this.beginMs = now.kind === KIND.BOOT || now.kind === KIND.GENESIS ? now.monoMs : 0n;
  }

  batch(now) {
    if (this.limitMs !== null && now.monoMs - this.heardMs > this.limitMs) {
      this.report();
      this.open = { seq: now.seq, fromMs: this.heardMs, toMs: now.monoMs };
    }
    this.heardMs = now.monoMs;
    this.limitMs ||= SILENCE_MS;
  }

  gap(now) {
    const limit = this.limitMs ?? 0n;
    if (this.open && this.covered(now, this.open.fromMs, this.open.toMs) >= this.open.toMs - this.open.fromMs - limit) this.open = null;
    else if (this.covered(now, this.heardMs, now.monoMs) >= now.monoMs - this.heardMs - limit) this.heardMs = now.monoMs;
  }

  /** How much of a stretch of boottime the rows of a gap entry cover; one that leaves the boot or the present covers nothing. */
  covered(gap, fromMs, toMs) {
    const spans = [];
    for (const [, first, last] of gap.detail) {
      const firsts = this.offsets.known.map((offset) => first - offset).filter((at) => at >= this.beginMs - GRACE_MS);
      const lasts = this.offsets.known.map((offset) => last - offset).filter((at) => at <= gap.monoMs + GRACE_MS);
      if (firsts.length && lasts.length) spans.push([least(firsts), most(lasts)]);
    }
    spans.sort(([a, b], [c, d]) => Number(a < c ? -1 : a > c ? 1 : b < d ? -1 : b > d));
    let total = 0n;
    let at = fromMs;
    for (const [first, last] of spans) {
      const covered = least([last, toMs]) - most([first, at]);
      if (covered > 0n) total += covered;
      at = most([at, last]);
    }
    return total;
  }

  report() {
    if (this.open) {
      const { seq, fromMs, toMs } = this.open;
      this.judge.unknown("dropped", "silence_unexplained", seq, { silence_s: (toMs - fromMs) / 1000n });
    }
    this.open = null;
  }
}

const least = (values) => values.reduce((a, b) => (b < a ? b : a));
const most = (values) => values.reduce((a, b) => (b > a ? b : a));

/** A batch's own times: first not after last, last not after its entry, neither far from it. `offsetMs` null: the body is not at hand. */
export function checkBatch(judge, now, offsetMs, offsets) {
  const [firstMs, lastMs, good, bad] = now.detail;
  if (firstMs > lastMs) {
    judge.fails("back_dated", "batch_times_invalid", now.seq);
    return;
  }
  const ahead = offsetMs === null ? 0n : lastMs - offsetMs - now.monoMs;
  if (ahead > BATCH_AHEAD_MS) {
    judge.fails("back_dated", "batch_ahead_of_entry", now.seq, { ahead_ms: ahead });
    return;
  }
  let far = most([sizeOf(now.wallMs - firstMs), sizeOf(now.wallMs - lastMs)]);
  const shown = offsetMs !== null && offsets.known.some((offset) => sizeOf(offsetMs - offset) <= STEP_MS);
  if (shown) far = least([far, now.monoMs - (firstMs - offsetMs)]);
  if (good + bad && far > READING_AGE_MS) judge.unknown("back_dated", "reading_far_from_entry", now.seq, { by_s: far / 1000n });
}
