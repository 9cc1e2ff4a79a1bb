// The readings of a range as people look at them: one list per tag, bounded, in the order of recording. Pure.

/** Readings kept of one tag, and in all: what a page can draw and hold. The counts go on. */
const PER_TAG_MAX = 20_000;
const IN_ALL_MAX = 400_000;

export class Series {
  constructor() {
    this.byTag = new Map();
    this.kept = 0;
  }

  add(entry, body) {
    for (const { times, sources, columns } of body.sections) {
      for (const column of columns) if (column.values.length) this.addColumn(entry, times, sources, column);
    }
  }

  addColumn(entry, times, sources, { descriptor, scans, statuses, values }) {
    const known = this.byTag.get(descriptor.uid) ?? { tag: descriptor, readings: [], count: 0 };
    this.byTag.set(descriptor.uid, known);
    known.tag = descriptor;
    known.count += values.length;
    for (let i = 0; i < values.length && known.readings.length < PER_TAG_MAX && this.kept < IN_ALL_MAX; i += 1) {
      known.readings.push({ timeMs: times[scans[i]], sourceMs: sources[scans[i]], status: statuses[i], value: values[i], seq: entry.seq });
      this.kept += 1;
    }
  }

  /** [{ tag, readings, count }] by name; `count` says how many there are, drawn or not. */
  tags() {
    return [...this.byTag.values()].sort((a, b) => (a.tag.name < b.tag.name ? -1 : 1));
  }
}
