// Bytes and text, and the two ways in which evidence is refused. Pure; knows no page.
// Source: docs/ledger-format.md. Errors carry message codes, worded in both catalogues of the project.

/** Bytes that are not what the format says: damaged, or made so. */
export class FormatError extends Error {
  constructor(code, params = {}) {
    super(code);
    this.code = code;
    this.params = params;
  }
}

/** Evidence that may be fine and that this page cannot judge: a later kind, or an algorithm that the browser lacks. */
export class Unsupported extends FormatError {}

export const HASH_SIZE = 32;
const ENCODER = new TextEncoder();

export const isBytes = (value) => value instanceof Uint8Array;
export const isHash = (value) => isBytes(value) && value.length === HASH_SIZE;

/** UTF-8 of a text; a lone surrogate is refused, as no other implementation can have written it. */
export function utf8(text) {
  if (!text.isWellFormed?.() && /[\ud800-\udfff]/u.test(text)) throw new FormatError("cbor_invalid", { what: "text", reason: "surrogate" });
  return ENCODER.encode(text);
}

/** Text of UTF-8 bytes, null where they are none. */
export function textOf(bytes) {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return null;
  }
}

/** Number of code points: what limits of texts count. */
export function lengthOf(text) {
  let count = 0;
  for (const _ of text) count += 1;
  return count;
}

export function concat(...parts) {
  const out = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

export function same(left, right) {
  if (left.length !== right.length) return false;
  for (let i = 0; i < left.length; i += 1) if (left[i] !== right[i]) return false;
  return true;
}

export const hex = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");

export function fromHex(text) {
  if (!/^(?:[0-9a-f]{2})*$/.test(text)) throw new FormatError("base64_invalid", { what: "hex" });
  return Uint8Array.from(text.match(/../g) ?? [], (pair) => parseInt(pair, 16));
}

export function base64(bytes) {
  let text = "";
  for (let at = 0; at < bytes.length; at += 8192) text += String.fromCharCode(...bytes.subarray(at, at + 8192));
  return btoa(text);
}

/** Bytes of standard base64 with padding; only the one canonical form passes. */
export function fromBase64(text, what) {
  if (!/^[A-Za-z0-9+/]*={0,2}$/.test(text) || text.length % 4) throw new FormatError("base64_invalid", { what });
  const out = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  if (base64(out) !== text) throw new FormatError("base64_invalid", { what });
  return out;
}

/** A number of 32 bits, big-endian. */
export function u32(value) {
  const out = new Uint8Array(4);
  new DataView(out.buffer).setUint32(0, value);
  return out;
}

/** A BigInt of 64 bits, big-endian; its sign is kept in two's complement. */
export function u64(value) {
  const out = new Uint8Array(8);
  new DataView(out.buffer).setBigUint64(0, BigInt.asUintN(64, value));
  return out;
}

/** An unsigned BigInt of any number of bytes, big-endian. */
export function bigOf(bytes) {
  return bytes.length ? BigInt("0x" + hex(bytes)) : 0n;
}

/** The 8 bytes of a binary64, big-endian. */
export function doubleBytes(value) {
  const out = new Uint8Array(8);
  new DataView(out.buffer).setFloat64(0, value);
  return out;
}
