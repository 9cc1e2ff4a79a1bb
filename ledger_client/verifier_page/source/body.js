// Reading a batch body: strict, bounded, held against the entry that commits to it; every leaf is hashed again. Pure but for the inflating.
// Source: docs/ledger-format.md sections 4 and 4.2.

import { FormatError, Unsupported, concat, isBytes, same, u32 } from "./bytes.js";
import { decode, isInt, isRow, isUint } from "./cbor.js";
import { ABSENT, EMPTY, HAS_CELLS, VALUE, readCells, readValues } from "./columns.js";
import { INT_MIN, LEAVES_MAX, SECTIONS_MAX, headOf, leafOf, tailOf } from "./disclosure.js";
import { sha512 } from "./hash.js";
import { inflate } from "./inflate.js";
import { leafHash, rootOf } from "./merkle.js";
import { Cursor, refuseBody } from "./packed.js";

const SECRET_SIZE = 32;
const INFLATED_MAX = 16 << 20;
const SCANS_MAX = 1_024;
const CELLS_MAX = 65_536;
const BODY_CELLS_MAX = 1 << 22;
const SCANS_COUNTED_MIN = 8;
const READINGS_MAX = 1 << 18;
const SOURCE_NONE = 1n << 62n;
const GOOD = 0n;

/** The body of a batch entry: { offsetMs, sections: [{ group, times, sources, columns }] }. Its length and hash were checked. */
export async function readBody(body, detail, schema) {
  const [firstMs, lastMs, good, bad, , , , root, span] = detail;
  if (body.length < SECRET_SIZE || good + bad > BigInt(READINGS_MAX)) refuseBody("size");
  const plain = await inflate(body.subarray(SECRET_SIZE), INFLATED_MAX, "batch body");
  const inner = decode(plain, { sizeMax: INFLATED_MAX, what: "batch body", valuesMax: 4 + 7 * SECTIONS_MAX });
  if (isRow(inner) && isUint(inner[0]) && inner[0] !== 1n) throw new Unsupported("body_version", { version: inner[0] });
  if (!isRow(inner, 3) || !isUint(inner[0]) || !isInt(inner[1]) || !isRow(inner[2]) || inner[2].length > SECTIONS_MAX) refuseBody("shape");
  const limits = { left: Number(good + bad), cells: 0 };
  const sections = inner[2].map((row) => readSection(row, schema, Number(span), limits));
  const found = { offsetMs: inner[1], sections };
  checkCounts(found, limits.left, bad);
  checkTimes(sections, firstMs, lastMs);
  if (!same(readingsRoot(found, body.subarray(0, SECRET_SIZE), Number(span)), root)) throw new FormatError("readings_root_mismatch");
  return found;
}

function checkCounts({ sections }, left, bad) {
  let foundBad = 0n;
  for (const { columns } of sections) for (const { statuses } of columns) for (const status of statuses) foundBad += status >> 31n;
  if (left || foundBad !== bad) refuseBody("counts");
}

function checkTimes(sections, firstMs, lastMs) {
  let [least, most] = [null, null];
  for (const { times } of sections) {
    for (const time of times) {
      if (least === null || time < least) least = time;
      if (most === null || time > most) most = time;
    }
  }
  if ((least ?? 0n) !== firstMs || (most ?? 0n) !== lastMs) refuseBody("time range");
}

// ------------------------------------------------------------------------------------------------------------ sections
function readSection(row, schema, span, limits) {
  const [uid, count, times, source, codecs, data] = isRow(row, 6) ? row : [];
  if (!isUint(uid) || !isUint(count) || ![times, source, codecs, data].every(isBytes)) refuseBody("section shape");
  const group = schema.groups.get(uid);
  if (!group) refuseBody("group unknown");
  const scans = count > BigInt(SCANS_MAX) ? 0 : Number(count);
  if (!scans || codecs.length !== group.tagUids.length || scans * codecs.length > CELLS_MAX) refuseBody("section size");
  limits.cells += Math.max(scans, SCANS_COUNTED_MIN) * codecs.length;
  if (limits.cells > BODY_CELLS_MAX) refuseBody("cells in all");
  const read = readTimes(times, scans);
  const section = { group, times: read, sources: readSources(source, read), columns: [] };
  const cursor = new Cursor(data);
  let leaves = 0;
  group.tagUids.forEach((tag, place) => {
    const column = readColumn(cursor, codecs[place], scans, schema.descriptors.get(tag), limits);
    leaves += Math.ceil(column.values.length / span);
    section.columns.push(column);
  });
  cursor.end();
  if (!leaves || leaves > LEAVES_MAX) refuseBody("leaves");
  return section;
}

/** One tag: parallel lists over its present readings; `scans` are their places in the section's times. */
function readColumn(cursor, codec, count, descriptor, limits) {
  const cells = codec & HAS_CELLS ? readCells(cursor, count) : null;
  const scans = [];
  for (let i = 0; i < count; i += 1) if (!cells || cells[i][0] !== ABSENT) scans.push(i);
  if (scans.length > limits.left) refuseBody("counts");
  limits.left -= scans.length;
  if (!cells) return { descriptor, scans, statuses: new Array(count).fill(GOOD), values: readValues(cursor, codec, count) };
  const filled = cells.reduce((sum, [state]) => sum + (state === VALUE ? 1 : 0), 0);
  const found = readValues(cursor, codec & ~HAS_CELLS, filled);
  let next = 0;
  const values = scans.map((scan) => (cells[scan][0] === EMPTY ? null : found[next++]));
  return { descriptor, scans, statuses: scans.map((scan) => cells[scan][1]), values };
}

function readTimes(data, scans) {
  const cursor = new Cursor(data);
  let time = cursor.zigzag();
  let step = 0n;
  const out = [];
  for (let i = 0; i < scans; i += 1) {
    if (i) {
      step += cursor.zigzag();
      time += step;
    }
    if (!isInt(time)) refuseBody("time out of range");
    out.push(time);
  }
  cursor.end();
  return out;
}

function readSources(data, times) {
  if (!data.length) return times.map(() => null);
  const cursor = new Cursor(data);
  const lags = times.map(() => cursor.zigzag());
  cursor.end();
  const sources = lags.map((lag, i) => (lag === SOURCE_NONE ? null : times[i] + lag));
  const wrong = sources.some((each) => each !== null && !(isInt(each) && each > INT_MIN));
  if (wrong || sources.every((each) => each === null)) refuseBody("source times");
  return sources;
}

// ------------------------------------------------------------------------------------------------------------ the readings root
function readingsRoot({ sections }, secret, span) {
  return rootOf(sections.map((section, index) => leafHash(rootOf(leavesOf(section, secret, index, span)))));
}

function leavesOf({ times, sources, columns }, secret, index, span) {
  const out = [];
  columns.forEach(({ descriptor, scans, statuses, values }, place) => {
    const salts = new Salts(secret, index, place);
    for (let from = 0; from < values.length; from += span) {
      const parts = [];
      for (let i = from; i < Math.min(from + span, values.length); i += 1) {
        parts.push(headOf(times[scans[i]], sources[scans[i]], statuses[i]), tailOf(values[i]));
      }
      out.push(leafOf(salts.of(from / span), descriptor.hash, concat(...parts)));
    }
  });
  return out;
}

/** The salts of one column: four from each SHA-512. */
class Salts {
  constructor(secret, section, column) {
    this.prefix = concat(secret, u32(section), u32(column));
    this.quad = -1;
    this.block = null;
  }

  of(chunk) {
    const quad = chunk >> 2;
    if (quad !== this.quad) {
      this.quad = quad;
      this.block = sha512(concat(this.prefix, u32(quad)));
    }
    return this.block.subarray(16 * (chunk & 3), 16 * (chunk & 3) + 16);
  }
}
