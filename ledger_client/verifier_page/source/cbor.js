// The strict CBOR gate: one deterministic encoding of each value, anything else is refused. Pure.
// A whole number becomes a BigInt, a float a Number, bytes a Uint8Array, an array an Array, a map a Map: kinds never mix.
// Source: docs/ledger-format.md section 2; RFC 8949 sections 3 and 4.2.

import { FormatError, bigOf, concat, doubleBytes, hex, lengthOf, same, textOf, utf8 } from "./bytes.js";

const DEPTH_MAX = 8;
const MAP_MAX = 8;
const TAG_SIGN1 = 18n;

/** The one tag that is let in. */
export class Tagged {
  constructor(value) {
    this.value = value;
  }
}

/** A simple value other than false, true and null: it means nothing in any format of ours. */
export class Simple {
  constructor(number) {
    this.number = number;
  }
}

/** Decode exactly one value; throws FormatError. `valuesMax` bounds what is built. */
export function decode(data, { sizeMax, what, valuesMax = data.length }) {
  if (data.length > sizeMax) throw new FormatError("cbor_too_long", { what, size: data.length, size_max: sizeMax });
  const reader = new Reader(data, what, valuesMax);
  const value = reader.value(0);
  if (reader.at !== data.length) reader.refuse("trailing");
  return value;
}

class Reader {
  constructor(data, what, valuesMax) {
    this.data = data;
    this.view = new DataView(data.buffer, data.byteOffset, data.byteLength);
    this.what = what;
    this.left = valuesMax;
    this.at = 0;
  }

  refuse(reason) {
    throw new FormatError("cbor_invalid", { what: this.what, reason });
  }

  notShortest() {
    throw new FormatError("cbor_not_deterministic", { what: this.what });
  }

  value(depth) {
    this.left -= 1;
    if (this.left < 0) this.refuse("too many values");
    if (this.at >= this.data.length) this.refuse("truncated");
    const head = this.data[this.at];
    const major = head >> 5;
    this.at += 1;
    if (major === 7) return this.simple(head & 31);
    const argument = this.argument(head & 31);
    if (major === 0) return argument;
    if (major === 1) return -1n - argument;
    if (major < 4) return this.string(major, argument);
    if (major === 6 && argument !== TAG_SIGN1) this.refuse("tag");
    if (major === 5 && argument > MAP_MAX) this.refuse("map");
    if (argument > BigInt(this.data.length - this.at)) this.refuse("truncated");
    if (argument && depth >= DEPTH_MAX) throw new FormatError("cbor_too_deep", { what: this.what });
    if (major === 6) return new Tagged(this.value(depth + 1));
    if (major === 5) return this.map(Number(argument), depth);
    const out = [];
    for (let i = 0; i < Number(argument); i += 1) out.push(this.value(depth + 1));
    return out;
  }

  argument(info) {
    if (info < 24) return BigInt(info);
    if (info > 27) this.refuse("indefinite");
    const bytes = this.take(1 << (info - 24));
    const value = bigOf(bytes);
    const least = info === 24 ? 24n : 1n << BigInt(4 * bytes.length);
    if (value < least) this.notShortest();
    return value;
  }

  take(size) {
    if (size > this.data.length - this.at) this.refuse("truncated");
    this.at += size;
    return this.data.subarray(this.at - size, this.at);
  }

  string(major, size) {
    if (size > BigInt(this.data.length - this.at)) this.refuse("truncated");
    const bytes = this.take(Number(size));
    if (major === 2) return bytes;
    return textOf(bytes) ?? this.refuse("text");
  }

  map(pairs, depth) {
    const out = new Map();
    let last = null;
    for (let i = 0; i < pairs; i += 1) {
      const start = this.at;
      const key = this.value(depth + 1);
      const raw = this.data.subarray(start, this.at);
      if (last !== null && !(last.length < raw.length || (last.length === raw.length && hex(last) < hex(raw)))) this.notShortest();
      last = raw;
      out.set(key, this.value(depth + 1));
    }
    return out;
  }

  simple(info) {
    if (info === 20 || info === 21) return info === 21;
    if (info === 22) return null;
    if (info < 24) return new Simple(info);
    if (info > 27) this.refuse("indefinite");
    const start = this.at - 1;
    const bytes = this.take(1 << (info - 24));
    if (info === 24) return bytes[0] < 32 ? this.refuse("simple") : new Simple(bytes[0]);
    const value = info === 25 ? halfOf(bytes) : info === 26 ? this.view.getFloat32(start + 1) : this.view.getFloat64(start + 1);
    if (!same(floatBytes(value), this.data.subarray(start, this.at))) this.notShortest();
    return value;
  }
}

/** The value of a binary16, big-endian. */
function halfOf(bytes) {
  const bits = (bytes[0] << 8) | bytes[1];
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  const size = exponent === 31 ? (fraction ? NaN : Infinity) : exponent ? 2 ** (exponent - 25) * (1024 + fraction) : 2 ** -24 * fraction;
  return bits >> 15 ? -size : size;
}

/** The bytes of the binary16 equal to a value, null where there is none. */
function halfBytes(value) {
  const sign = value < 0 || Object.is(value, -0) ? 0x80 : 0;
  const size = Math.abs(value);
  if (size === Infinity) return Uint8Array.of(sign | 0x7c, 0);
  if (size === 0) return Uint8Array.of(sign, 0);
  const exponent = Math.max(-14, Math.floor(Math.log2(size)));
  for (const power of [exponent - 1, exponent, exponent + 1]) {
    const fraction = size / 2 ** (power - 10);
    const normal = fraction >= 1024 && fraction < 2048 && power >= -14 && power <= 15;
    const small = power === -14 && fraction < 1024;
    if (!(normal || small) || !Number.isInteger(fraction)) continue;
    const bits = small ? fraction : ((power + 15) << 10) | (fraction - 1024);
    return Uint8Array.of(sign | (bits >> 8), bits & 255);
  }
  return null;
}

/** Head and bytes of the shortest float that keeps the value; every NaN is the one of f97e00. */
function floatBytes(value) {
  if (Number.isNaN(value)) return Uint8Array.of(0xf9, 0x7e, 0);
  const half = halfBytes(value);
  if (half) return concat(Uint8Array.of(0xf9), half);
  if (Math.fround(value) !== value) return concat(Uint8Array.of(0xfb), doubleBytes(value));
  const out = new Uint8Array(5);
  out[0] = 0xfa;
  new DataView(out.buffer).setFloat32(1, value);
  return out;
}

/** The deterministic encoding of what `decode` gives. */
export function encode(value) {
  if (typeof value === "bigint") return value < 0n ? head(1, -1n - value) : head(0, value);
  if (typeof value === "string") {
    const raw = utf8(value);
    return concat(head(3, BigInt(raw.length)), raw);
  }
  if (value instanceof Uint8Array) return concat(head(2, BigInt(value.length)), value);
  if (Array.isArray(value)) return concat(head(4, BigInt(value.length)), ...value.map(encode));
  if (value instanceof Map) return concat(head(5, BigInt(value.size)), ...[...value].flatMap(([k, v]) => [encode(k), encode(v)]));
  if (typeof value === "number") return floatBytes(value);
  return Uint8Array.of(value === null ? 0xf6 : value ? 0xf5 : 0xf4);
}

function head(major, argument) {
  const top = major << 5;
  if (argument < 24n) return Uint8Array.of(top | Number(argument));
  for (const [info, size] of [[24, 1], [25, 2], [26, 4], [27, 8]]) {
    if (argument >> BigInt(8 * size)) continue;
    const out = new Uint8Array(1 + size);
    out[0] = top | info;
    for (let i = 0; i < size; i += 1) out[size - i] = Number((argument >> BigInt(8 * i)) & 255n);
    return out;
  }
  throw new FormatError("cbor_invalid", { what: "number", reason: "too large" });
}

// ------------------------------------------------------------------------------------------------------------ shapes
const INT_LIMIT = 1n << 63n;

export const isInt = (value) => typeof value === "bigint" && value >= -INT_LIMIT && value < INT_LIMIT;
export const isUint = (value) => typeof value === "bigint" && value >= 0n && value < INT_LIMIT;
export const isText = (value) => typeof value === "string" && lengthOf(value) <= 4096;
export const isRow = (value, size) => Array.isArray(value) && (size === undefined || value.length === size);
