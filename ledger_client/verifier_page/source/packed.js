// Whole numbers, packed: varints, Rice codes, dictionaries. Everything that the format does not allow is refused. Pure.
// Source: docs/ledger-format.md sections 4 and 4.1.

import { FormatError } from "./bytes.js";

const [VARINTS, DIFFERENCES, LEVELS, DICTIONARY] = [0, 1, 2, 3];
const ESCAPE = 24;
const FULL_BITS = 72;
const RICE_MAX = 66;
const DICTIONARY_MAX = 256n;

export function refuseBody(reason) {
  throw new FormatError("body_invalid", { reason });
}

/** A strict reader over bytes. */
export class Cursor {
  constructor(data) {
    this.data = data;
    this.at = 0;
  }

  take(size) {
    if (size > this.data.length - this.at) refuseBody("cut off");
    this.at += size;
    return this.data.subarray(this.at - size, this.at);
  }

  byte() {
    if (this.at >= this.data.length) refuseBody("cut off");
    return this.data[this.at++];
  }

  /** The next LEB128 number as a BigInt: at most 10 bytes, shortest form only. */
  varint() {
    let byte = this.byte();
    if (byte < 128) return BigInt(byte);
    let value = BigInt(byte & 127);
    for (let shift = 7n; shift < 70n; shift += 7n) {
      byte = this.byte();
      value |= BigInt(byte & 127) << shift;
      if (byte >= 128) continue;
      if (!byte) refuseBody("varint not shortest");
      return value;
    }
    return refuseBody("varint too long");
  }

  /** The next varint as a Number, at most `most`. */
  count(most, reason) {
    const value = this.varint();
    return value > BigInt(most) ? refuseBody(reason) : Number(value);
  }

  zigzag() {
    return unzigzag(this.varint());
  }

  end() {
    if (this.at !== this.data.length) refuseBody("bytes left over");
  }
}

const unzigzag = (value) => (value & 1n ? -(value >> 1n) - 1n : value >> 1n);

/** `count` whole numbers (BigInts), unchecked for range. */
export function readInts(cursor, count) {
  const pack = cursor.byte();
  if (!count || pack > DICTIONARY) refuseBody("pack unknown");
  if (pack === DICTIONARY) {
    const size = cursor.varint();
    if (size < 1n || size > DICTIONARY_MAX) refuseBody("dictionary size");
    const known = sums(cursor.zigzag(), Array.from({ length: Number(size) - 1 }, () => cursor.zigzag()));
    return readPlaces(cursor, count, known.length).map((place) => known[place]);
  }
  const first = cursor.zigzag();
  if (pack === VARINTS) return sums(first, Array.from({ length: count - 1 }, () => cursor.zigzag()));
  if (pack === DIFFERENCES) return sums(first, readRice(cursor, count - 1).map(unzigzag));
  return readRice(cursor, count).map((value) => first + unzigzag(value));
}

function sums(first, differences) {
  let total = first;
  return [first, ...differences.map((each) => (total += each))];
}

export function inRange(values, least, most) {
  for (const value of values) if (value < least || value > most) refuseBody("number out of range");
  return values;
}

/** `count` places (Numbers) in a dictionary of `size`; one of 1 has no codes. */
export function readPlaces(cursor, count, size) {
  if (size === 1) return new Array(count).fill(0);
  const places = readRice(cursor, count);
  for (const place of places) if (place >= BigInt(size)) refuseBody("outside the dictionary");
  return places.map(Number);
}

function readRice(cursor, count) {
  const width = cursor.byte();
  const size = cursor.varint();
  const most = (BigInt(count) * BigInt(ESCAPE + 1 + FULL_BITS) + 7n) >> 3n;
  if (width > RICE_MAX || size > most) refuseBody("rice length");
  const bits = new Bits(cursor.take(Number(size)));
  const out = [];
  for (let i = 0; i < count; i += 1) out.push(readCode(bits, width));
  bits.end();
  return out;
}

function readCode(bits, width) {
  const zeros = bits.zeros();
  if (zeros < ESCAPE) return (BigInt(zeros) << BigInt(width)) | bits.number(width);
  if (zeros > ESCAPE) refuseBody("rice escape");
  const value = bits.number(FULL_BITS);
  if (value >> BigInt(width) < BigInt(ESCAPE)) refuseBody("rice escape");
  return value;
}

/** Bits of bytes, the high bit first. */
class Bits {
  constructor(data) {
    this.data = data;
    this.at = 0;
  }

  bit() {
    const byte = this.data[this.at >> 3];
    if (byte === undefined) refuseBody("rice cut off");
    const bit = (byte >> (7 - (this.at & 7))) & 1;
    this.at += 1;
    return bit;
  }

  /** How many zeros stand before the next one; the one is taken too. */
  zeros() {
    let count = 0;
    while (!this.bit()) count += 1;
    return count;
  }

  number(width) {
    let value = 0n;
    for (let left = width; left > 0; ) {
      const step = Math.min(left, 24);
      let part = 0;
      for (let i = 0; i < step; i += 1) part = (part << 1) | this.bit();
      value = (value << BigInt(step)) | BigInt(part);
      left -= step;
    }
    return value;
  }

  end() {
    if (this.data.length * 8 - this.at > 7) refuseBody("rice padding");
    while (this.at < this.data.length * 8) if (this.bit()) refuseBody("rice padding");
  }
}
