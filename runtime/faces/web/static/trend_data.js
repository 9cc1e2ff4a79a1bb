// Answers of /api/v1/trends as tables for a chart: a line is broken wherever a gap lies between two points, and nowhere is a value made up: what was
// last reported holds until a gap begins, since a tag that is read says when it changes. Such a row stands 1 ms before a break; a reading never does.
// Pure: no page, no clock. Times of the API are ms, those of the chart s.

export const POINTS_OF_TAIL = 600;

// [t, low, high, last] of a pen, with a row of nulls where a gap begins, and before it the value that was last. A point without a good number is null itself.
export function broken(pen, width) {
  const t = [], low = [], high = [], last = [], raw = width === 0;
  let gap = 0;
  const row = (at, ...values) => { t.push(at / 1000); [low, high, last].forEach((column, n) => column.push(values[n])); };
  const pause = (i, from) => {
    if (!pen.gaps[gap].kind && from - 1 > pen.t[i]) row(from - 1, pen.last[i], pen.last[i], pen.last[i]); // scores do not hold: theirs have a kind
    row(from, null, null, null);
  };
  for (let i = 0; i < pen.t.length; i += 1) {
    const at = pen.t[i], before = i ? pen.t[i - 1] : -Infinity;
    while (gap < pen.gaps.length && pen.gaps[gap].to_ms <= before) gap += 1;
    const next = pen.gaps[gap];
    if (i && next && next.from_ms < at && parts(next, before, at, width)) {
      pause(i - 1, Math.min(at - 1, Math.max(before + 2, next.from_ms)));
    }
    row(at, raw ? pen.last[i] : pen.low[i], raw ? pen.last[i] : pen.high[i], pen.last[i]);
  }
  const end = pen.t.at(-1);
  while (gap < pen.gaps.length && pen.gaps[gap].to_ms <= end) gap += 1;
  if (pen.gaps[gap]?.from_ms > end + width) pause(pen.t.length - 1, Math.max(end + 2, pen.gaps[gap].from_ms));
  return [t, low, high, last];
}

// In buckets a gap parts two points when it is as wide as one, or when a bucket between them is empty.
function parts(gap, before, at, width) {
  return width === 0 || gap.to_ms - gap.from_ms >= width || at - before > width;
}

// Times at which a pen had readings and none was good: [from, to] ms each.
export function badSpans(pen, width) {
  const found = [], apart = Math.max(width, 1) * 1.5;
  for (let i = 0; i < pen.t.length; i += 1) {
    if (!pen.bad[i]) continue;
    const from = pen.t[i], to = pen.last[i] === null && i + 1 < pen.t.length && width === 0 ? pen.t[i + 1] : from + width, end = found.at(-1);
    if (end && from - end[1] <= apart) end[1] = Math.max(end[1], to);
    else found.push([from, to]);
  }
  return found;
}

// The index of the pen's point nearest to a time (ms), -1 without points.
export function nearest(times, at) {
  let from = 0, to = times.length - 1;
  if (to < 0) return -1;
  while (to - from > 1) {
    const middle = (from + to) >> 1;
    if (times[middle] < at) from = middle;
    else to = middle;
  }
  return Math.abs(times[from] - at) <= Math.abs(times[to] - at) ? from : to;
}

// The newest readings of a pen as they come, until the next answer holds them: never more than POINTS_OF_TAIL.
export class Tail {
  constructor() { this.t = []; this.v = []; this.isCut = false; }

  // Nothing is heard: what comes next is not joined to what was last.
  cut() { this.isCut = true; }

  add(at, value, good) {
    if (this.t.length && at <= this.t.at(-1)) return;
    if (this.isCut) {
      this.t.push(at - 1);
      this.v.push(null);
      this.isCut = false;
    }
    this.t.push(at);
    this.v.push(good && typeof value !== "string" && value !== null ? Number(value) : null);
    while (this.t.length > POINTS_OF_TAIL) { this.t.shift(); this.v.shift(); }
  }

  // What is not in the answer yet.
  after(at) {
    let from = 0;
    while (from < this.t.length && this.t[from] <= at) from += 1;
    this.t.splice(0, from);
    this.v.splice(0, from);
  }
}
