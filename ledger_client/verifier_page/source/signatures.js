// Public keys, and whether a signature holds: WebCrypto does the curve arithmetic, this file refuses what must never be trusted.
// Where the browser lacks an algorithm, or the page was opened without a secure context, it throws Unsupported: never a verdict.
// Sources: docs/ledger-format.md section 3; RFC 8032, RFC 9052, RFC 9864.

import { FormatError, Unsupported, bigOf, concat, fromHex, same } from "./bytes.js";
import { decode, encode } from "./cbor.js";
import { sha256 } from "./hash.js";

export const ED25519 = -19n;
export const ESP256 = -9n;
const ALGORITHMS = new Map([
  [ED25519, { import: { name: "Ed25519" }, verify: { name: "Ed25519" }, name: "Ed25519" }],
  [ESP256, { import: { name: "ECDSA", namedCurve: "P-256" }, verify: { name: "ECDSA", hash: "SHA-256" }, name: "ECDSA P-256" }],
]);

const P25519 = 2n ** 255n - 19n;
const LOW_ORDER_Y = new Set([
  0n, 1n, P25519 - 1n, P25519, P25519 + 1n,
  0x7a03ac9277fdc74ec6cc392cfa53202a0f67100d760b3cba4fd84d3d706a17c7n,
  0x05fc536d880238b13933c6d305acdfd5f098eff289f4c345b027b2c28f95e826n,
]);
const P256 = 0xffffffff00000001000000000000000000000000ffffffffffffffffffffffffn;
const B256 = 0x5ac635d8aa3a93e7b3ebbd55769886bc651d06b0cc53b0f63bce3c3e27d2604bn;
const SPKI_P256 = fromHex("3059301306072a8648ce3d020106082a8648ce3d03010703420004");

/** One of the 14 encodings of the small-order points of Ed25519; the sign bit does not count. */
export function isLowOrder(point) {
  return LOW_ORDER_Y.has(bigOf(Uint8Array.from(point).reverse()) & ((1n << 255n) - 1n));
}

/** A verification key: `raw` is the 32-byte point of Ed25519, or the 64-byte x || y of P-256. */
export class PublicKey {
  constructor(alg, raw) {
    this.alg = alg;
    this.raw = raw;
    this.cose = coseOf(alg, raw);
    this.kid = sha256(this.cose).slice(0, 8);
    this.imported = null;
  }

  is(other) {
    return this.alg === other.alg && same(this.raw, other.raw);
  }

  /** SubjectPublicKeyInfo of a P-256 key, DER. */
  spki() {
    return concat(SPKI_P256, this.raw);
  }

  /** Whether a 64-byte signature (Ed25519, or r || s) holds. Throws Unsupported where this browser cannot tell. */
  async verify(signature, message) {
    if (signature.length !== 64) return false;
    if (this.alg === ED25519 && isLowOrder(signature.subarray(0, 32))) return false;
    const algorithm = ALGORITHMS.get(this.alg);
    await needs(this.alg);
    try {
      const point = this.alg === ED25519 ? this.raw : concat(Uint8Array.of(4), this.raw);
      this.imported ??= await crypto.subtle.importKey("raw", point, algorithm.import, false, ["verify"]);
      return await crypto.subtle.verify(algorithm.verify, this.imported, signature, message);
    } catch (error) {
      // Which points a browser takes in is its own affair; that a signature under none of them can hold is not.
      if (error instanceof DOMException) return false;
      throw error;
    }
  }
}

function coseOf(alg, raw) {
  const rows = alg === ED25519 ? [[1n, 1n], [3n, ED25519], [-1n, 6n], [-2n, raw]]
    : [[1n, 2n], [3n, ESP256], [-1n, 1n], [-2n, raw.subarray(0, 32)], [-3n, raw.subarray(32)]];
  return encode(new Map(rows));
}

/** A checked key. Throws FormatError for another length, a small-order point, or a point that is not on the curve. */
export function publicKey(alg, raw) {
  if (alg === ED25519 && raw.length === 32) {
    if (isLowOrder(raw)) throw new FormatError("key_low_order");
  } else if (alg === ESP256 && raw.length === 64) {
    const [x, y] = [bigOf(raw.subarray(0, 32)), bigOf(raw.subarray(32))];
    const onCurve = x < P256 && y < P256 && (y * y - (x * x * x - 3n * x + B256)) % P256 === 0n;
    if (!onCurve) throw new FormatError("key_invalid");
  } else throw new FormatError("key_unknown_algorithm", { alg, size: raw.length });
  return new PublicKey(alg, Uint8Array.from(raw));
}

/** Read a COSE_Key strictly. */
export function keyFromCose(data) {
  const value = decode(data, { sizeMax: 128, what: "COSE_Key" });
  const [alg, x, y] = value instanceof Map ? [value.get(3n), value.get(-2n), value.get(-3n)] : [];
  const isEd25519 = alg === ED25519 && x instanceof Uint8Array && x.length === 32;
  const isP256 = alg === ESP256 && x instanceof Uint8Array && y instanceof Uint8Array && x.length === 32 && y.length === 32;
  const known = alg === undefined || ALGORITHMS.has(alg) || typeof alg !== "bigint";
  if (!known) throw new Unsupported("key_unknown_algorithm", { alg, size: data.length });
  if (!isEd25519 && !isP256) throw new FormatError("key_invalid");
  const found = publicKey(alg, isEd25519 ? x : concat(x, y));
  if (!same(found.cose, data)) throw new FormatError("key_invalid");
  return found;
}

/** Read a P-256 SubjectPublicKeyInfo in the one DER form that `spki` writes. */
export function keyFromSpki(data) {
  const start = SPKI_P256.length;
  if (data.length !== start + 64 || !same(data.subarray(0, start), SPKI_P256)) throw new FormatError("key_invalid");
  return publicKey(ESP256, data.subarray(start));
}

/** r || s of an ECDSA signature in DER; throws FormatError for any but the shortest form of two numbers of at most 256 bits. */
export function fromDer(signature) {
  const refuse = () => {
    throw new FormatError("note_signature_invalid", { name: "ecdsa" });
  };
  if (signature.length < 8 || signature[0] !== 0x30 || signature[1] !== signature.length - 2 || signature[1] > 127) refuse();
  const out = new Uint8Array(64);
  let at = 2;
  for (const end of [32, 64]) {
    const size = signature[at + 1];
    const number = signature.subarray(at + 2, at + 2 + size);
    const shortest = number[0] < 0x80 && (number[0] || size === 1 || number[1] >= 0x80);
    if (signature[at] !== 2 || !size || number.length !== size || !shortest) refuse();
    const bytes = number[0] || size === 1 ? number : number.subarray(1);
    if (bytes.length > 32) refuse();
    out.set(bytes, end - bytes.length);
    at += 2 + size;
  }
  if (at !== signature.length) refuse();
  return out;
}

// ------------------------------------------------------------------------------------------------------------ what the browser has
/** Known answers: a browser counts as able only when it says yes to these, and no to a changed message. */
const KNOWN = new Map([
  [ED25519, [
    "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
    "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
    "",
  ]],
  [ESP256, [
    "0460fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb67903fe1008b8bc99a41ae9e95628bc64f2f1b20c2d7e9f5177a3c294d4462299",
    "efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8",
    "73616d706c65", // "sample", RFC 6979 A.2.5
  ]],
]);
const ABLE = new Map();

/** Throw Unsupported unless this browser judges the algorithm as its standard says; tried once. */
async function needs(alg) {
  if (!ABLE.has(alg)) ABLE.set(alg, await isAble(alg));
  if (!ABLE.get(alg)) throw new Unsupported("algorithm_not_here", { name: ALGORITHMS.get(alg).name });
}

async function isAble(alg) {
  if (!globalThis.crypto?.subtle) return false;
  const [point, signature, message] = KNOWN.get(alg).map(fromHex);
  const algorithm = ALGORITHMS.get(alg);
  try {
    const key = await crypto.subtle.importKey("raw", point, algorithm.import, false, ["verify"]);
    const yes = await crypto.subtle.verify(algorithm.verify, key, signature, message);
    const no = await crypto.subtle.verify(algorithm.verify, key, signature, concat(message, Uint8Array.of(0)));
    return yes && !no;
  } catch {
    return false;
  }
}

/** Names of the algorithms that this browser can judge. */
export async function algorithmsHere() {
  const found = [];
  for (const [alg, algorithm] of ALGORITHMS) if (await isAble(alg)) found.push(algorithm.name);
  return found;
}
