// One column of a batch body: which cells are there, and their values by codec. Pure.
// A whole number stays a BigInt, a float a Number; a NaN keeps its bits as `{ nan: bytes }`.
// Source: docs/ledger-format.md section 4.

import { Unsupported, textOf } from "./bytes.js";
import { INT_MIN, STATUS_MAX, TEXT_SIZE_MAX, UINT_MAX, nanOf } from "./disclosure.js";
import { inRange, readInts, readPlaces, refuseBody } from "./packed.js";

const CODEC = { NONE: 0, INT: 1, DECIMAL: 2, FLOAT32: 3, FLOAT64: 4, BOOL: 5, TEXT: 6, CONSTANT: 7, MIXED: 8, PATCHED: 9 };
export const HAS_CELLS = 0x80;
export const [VALUE, EMPTY, ABSENT] = [0, 1, 2];
const EXACT_MAX = 1n << 53n;
/** Written out: a power that an engine reckons may be a bit beside. */
const POWERS = [1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15];

/** `count` values by a codec. Throws FormatError; Unsupported for a codec of a later version. */
export function readValues(cursor, codec, count) {
  if (codec === CODEC.NONE || !count) return codec !== CODEC.NONE || count ? refuseBody("column count") : [];
  switch (codec) {
    case CODEC.CONSTANT:
      return new Array(count).fill(readOne(cursor));
    case CODEC.MIXED:
      return Array.from({ length: count }, () => readOne(cursor));
    case CODEC.INT:
      return inRange(readInts(cursor, count), INT_MIN, UINT_MAX);
    case CODEC.BOOL:
      return readBools(cursor, count);
    case CODEC.TEXT:
      return readTexts(cursor, count);
    case CODEC.PATCHED:
      return readPatched(cursor, count);
    default:
      return readFloats(cursor, codec, count);
  }
}

/** A value of a constant or mixed column: its own codec, one of the six plain ones, stands before it. */
function readOne(cursor) {
  const codec = cursor.byte();
  if (codec < CODEC.INT || codec > CODEC.TEXT) throw new Unsupported("codec_unknown", { codec });
  return readValues(cursor, codec, 1)[0];
}

function readBools(cursor, count) {
  const data = cursor.take((count + 7) >> 3);
  const out = Array.from({ length: data.length * 8 }, (_, i) => Boolean((data[i >> 3] >> (7 - (i & 7))) & 1));
  if (out.slice(count).some(Boolean)) refuseBody("bool padding");
  return out.slice(0, count);
}

function readTexts(cursor, count) {
  const size = cursor.count(count, "dictionary size");
  if (!size) refuseBody("dictionary size");
  const known = [];
  for (let i = 0; i < size; i += 1) known.push(textOf(cursor.take(cursor.count(TEXT_SIZE_MAX, "text length"))) ?? refuseBody("text"));
  return readPlaces(cursor, count, size).map((place) => known[place]);
}

function readFloats(cursor, codec, count) {
  if (codec === CODEC.DECIMAL) {
    const digits = cursor.byte();
    if (digits >= POWERS.length) refuseBody("decimal digits");
    return inRange(readInts(cursor, count), -EXACT_MAX, EXACT_MAX).map((m) => Number(m) / POWERS[digits]);
  }
  const view = new DataView(new ArrayBuffer(8));
  if (codec === CODEC.FLOAT32) {
    const ordered = inRange(readInts(cursor, count), -(1n << 31n), (1n << 31n) - 1n);
    return ordered.map((bits) => {
      view.setInt32(0, Number(bits < 0n ? bits ^ 0x7fffffffn : bits));
      const value = view.getFloat32(0);
      return Number.isNaN(value) ? refuseBody("NaN as binary32") : value;
    });
  }
  if (codec !== CODEC.FLOAT64) throw new Unsupported("codec_unknown", { codec });
  return inRange(readInts(cursor, count), INT_MIN, -INT_MIN - 1n).map((bits) => {
    view.setBigInt64(0, bits < 0n ? bits ^ 0x7fffffffffffffffn : bits);
    return nanOf(new Uint8Array(view.buffer)) ?? view.getFloat64(0);
  });
}

/** A column of decimals or binary32 values, some of which are replaced by a binary64. */
function readPatched(cursor, count) {
  const inner = cursor.byte();
  const size = cursor.count(count, "patches");
  if ((inner !== CODEC.DECIMAL && inner !== CODEC.FLOAT32) || !size) refuseBody("patches");
  const patches = [];
  let place = -1;
  for (let i = 0; i < size; i += 1) {
    place += cursor.count(count, "patches") + 1;
    const bytes = Uint8Array.from(cursor.take(8)).reverse();
    patches.push([place, nanOf(bytes) ?? new DataView(bytes.buffer).getFloat64(0)]);
  }
  if (place >= count) refuseBody("patches");
  const values = readFloats(cursor, inner, count);
  for (const [at, value] of patches) values[at] = value;
  return values;
}

/** One cell per scan, as [state, status (BigInt)]: runs that cover the scans exactly, neighbours differ, none without need. */
export function readCells(cursor, scans) {
  const cells = [];
  let last = null;
  while (cells.length < scans) {
    const [state, status, length] = [cursor.byte(), cursor.varint(), cursor.varint()];
    const repeats = last !== null && last[0] === state && last[1] === status;
    if (state > ABSENT || status > STATUS_MAX || (state === ABSENT && status) || repeats) refuseBody("cells");
    const whole = state === VALUE && !status && length === BigInt(scans);
    if (!length || length > BigInt(scans - cells.length) || whole) refuseBody("cell run");
    last = [state, status];
    for (let i = 0; i < Number(length); i += 1) cells.push(last);
  }
  return cells;
}
