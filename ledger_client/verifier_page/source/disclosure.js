// One reading shown while the others of its batch stay hidden: its leaf, and the readings root that it leads to. Pure.
// Source: docs/ledger-format.md sections 4.2, 5 and 9.

import { FormatError, concat, doubleBytes, isBytes, isHash, u32, u64, utf8 } from "./bytes.js";
import { encode, isInt, isRow, isText, isUint } from "./cbor.js";
import { sha256 } from "./hash.js";
import { leafHash, rootFromInclusion } from "./merkle.js";

export const LEAVES_MAX = 1_024;
export const SECTIONS_MAX = 4_096;
export const TEXT_SIZE_MAX = 65_535;
export const STATUS_MAX = (1n << 32n) - 1n;
export const INT_MIN = -(1n << 63n);
export const UINT_MAX = (1n << 64n) - 1n;
const SPAN_MAX = 16;
const SALT_SIZE = 16;
const EXPONENT_MAX = 400n;
const LEAF = Uint8Array.of(0);

// ------------------------------------------------------------------------------------------------------------ descriptors
/** Read a descriptor's array: what one tag measures. */
export function parseDescriptor(row) {
  const [uid, asset, name, unit, type, exponent, source, calibration] = isRow(row, 8) ? row : [];
  const power = exponent === null || (typeof exponent === "bigint" && exponent >= -EXPONENT_MAX && exponent <= EXPONENT_MAX);
  if (!isUint(uid) || !power || ![asset, name, unit, type, source, calibration].every(isText)) {
    throw new FormatError("schema_shape", { reason: "descriptor" });
  }
  return { uid, asset, name, unit, type, exponent, source, calibration, row, hash: sha256(encode(row)) };
}

// ------------------------------------------------------------------------------------------------------------ leaves
/** The 20 bytes before a reading's type: read time, source time, status. */
export function headOf(timeMs, sourceMs, status) {
  return concat(u64(timeMs), u64(sourceMs ?? INT_MIN), u32(Number(status)));
}

/** Type and value of a reading. A BigInt is a whole number, a Number a binary64; `{ nan }` keeps the bits of a NaN. */
export function tailOf(value) {
  if (value === null) return concat(Uint8Array.of(0), u64(0n));
  if (typeof value === "bigint") return concat(Uint8Array.of(value >= 1n << 63n ? 5 : 1), u64(value));
  if (typeof value === "boolean") return concat(Uint8Array.of(3), u64(value ? 1n : 0n));
  if (typeof value === "string") return concat(Uint8Array.of(4), sha256(utf8(value)));
  return concat(Uint8Array.of(2), value.nan ?? doubleBytes(value));
}

/** One leaf hash; `readings` is head and tail of 1 to 16 readings, one after the other. */
export function leafOf(salt, descriptorHash, readings) {
  return sha256(LEAF, descriptorHash, salt, readings);
}

/** The eight bytes of a NaN, big-endian, null for those of a number. */
export function nanOf(bytes) {
  return Number.isNaN(new DataView(bytes.buffer, bytes.byteOffset, 8).getFloat64(0)) ? { nan: Uint8Array.from(bytes) } : null;
}

// ------------------------------------------------------------------------------------------------------------ disclosures
/** Read a disclosure's array strictly; whether it is true, only `rootOfDisclosure` tells. */
export function parseDisclosure(row) {
  const refuse = () => {
    throw new FormatError("disclosure_shape");
  };
  if (!isRow(row, 10)) refuse();
  const [descriptor, salt, readings, chosen, leafIndex, leafCount, path, sectionIndex, sectionCount, sectionPath] = row;
  if (!isBytes(salt) || salt.length !== SALT_SIZE || !isRow(readings)) refuse();
  if (![chosen, leafIndex, leafCount, sectionIndex, sectionCount].every(isUint)) refuse();
  if (!readings.length || readings.length > SPAN_MAX || chosen >= BigInt(readings.length)) refuse();
  if (leafIndex >= leafCount || leafCount > BigInt(LEAVES_MAX)) refuse();
  if (sectionIndex >= sectionCount || sectionCount > BigInt(SECTIONS_MAX)) refuse();
  const shown = readings.map((each) => parseReading(each, refuse));
  if (![path, sectionPath].every((each) => isRow(each) && each.every(isHash))) refuse();
  return {
    descriptor: parseDescriptor(descriptor), salt, readings: shown, chosen: Number(chosen), leafIndex, leafCount, path, sectionIndex,
    sectionCount, sectionPath,
  };
}

function parseReading(row, refuse) {
  const [timeMs, sourceMs, status, value] = isRow(row, 4) ? row : [];
  const sourced = sourceMs === null || (isInt(sourceMs) && sourceMs > INT_MIN);
  if (!isInt(timeMs) || !sourced || !isUint(status) || status > STATUS_MAX) refuse();
  return { timeMs, sourceMs, status, value: parseValue(value, refuse) };
}

function parseValue(value, refuse) {
  if (isBytes(value)) return (value.length === 8 && nanOf(value)) || refuse();
  const plain = value === null || typeof value === "boolean"
    || (typeof value === "number" && !Number.isNaN(value))
    || (typeof value === "bigint" && value >= INT_MIN && value <= UINT_MAX)
    || (typeof value === "string" && utf8(value).length <= TEXT_SIZE_MAX);
  return plain ? value : refuse();
}

/** The readings root that a disclosure leads to. Throws FormatError when its paths do not fit its places. */
export function rootOfDisclosure(shown) {
  const readings = concat(...shown.readings.flatMap((r) => [headOf(r.timeMs, r.sourceMs, r.status), tailOf(r.value)]));
  const leaf = leafOf(shown.salt, shown.descriptor.hash, readings);
  const section = rootFromInclusion(shown.leafIndex, shown.leafCount, leaf, shown.path);
  return rootFromInclusion(shown.sectionIndex, shown.sectionCount, leafHash(section), shown.sectionPath);
}
