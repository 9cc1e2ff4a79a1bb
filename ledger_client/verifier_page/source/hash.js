// SHA-256 and SHA-512 (FIPS 180-4), synchronous. WebCrypto's are asynchronous, which costs more than the hash for the thousands of small
// leaves of a body. Tested against the platform's own; `verify.js` also compares both over each file.

import { concat, utf8 } from "./bytes.js";

const K = roundConstants();
const K256 = Int32Array.from(K, (k) => Number(k >> 32n) | 0);
const START_256 = [0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19];
const START_512 = [
  0x6a09e667f3bcc908n, 0xbb67ae8584caa73bn, 0x3c6ef372fe94f82bn, 0xa54ff53a5f1d36f1n,
  0x510e527fade682d1n, 0x9b05688c2b3e6c1fn, 0x1f83d9abfb41bd6bn, 0x5be0cd19137e2179n,
];

/** The first 64 bits of the fractional parts of the cube roots of the first 80 primes: integer arithmetic, so nothing is copied wrongly. */
function roundConstants() {
  const found = [];
  for (let n = 2n; found.length < 80; n += 1n) {
    let prime = true;
    for (let d = 2n; d * d <= n && prime; d += 1n) prime = n % d !== 0n;
    if (prime) found.push(BigInt.asUintN(64, cubeRoot(n << 192n)));
  }
  return found;
}

function cubeRoot(value) {
  let low = 0n;
  let high = 1n << 70n;
  while (high - low > 1n) {
    const middle = (low + high) >> 1n;
    if (middle * middle * middle <= value) low = middle;
    else high = middle;
  }
  return low;
}

/** The message with its padding; `unit` is the block size in bytes. */
function padded(message, unit) {
  const tail = unit / 8;
  const size = Math.ceil((message.length + 1 + tail) / unit) * unit;
  const out = new Uint8Array(size);
  out.set(message);
  out[message.length] = 0x80;
  new DataView(out.buffer).setBigUint64(size - 8, BigInt(message.length) * 8n);
  return out;
}

export function sha256(...parts) {
  const data = padded(parts.length === 1 ? parts[0] : concat(...parts), 64);
  const view = new DataView(data.buffer);
  const state = Int32Array.from(START_256);
  const w = new Int32Array(64);
  for (let block = 0; block < data.length; block += 64) compress256(state, w, view, block);
  const out = new Uint8Array(32);
  const result = new DataView(out.buffer);
  state.forEach((word, i) => result.setInt32(4 * i, word));
  return out;
}

function compress256(state, w, view, block) {
  for (let t = 0; t < 16; t += 1) w[t] = view.getInt32(block + 4 * t);
  for (let t = 16; t < 64; t += 1) {
    const x = w[t - 15];
    const y = w[t - 2];
    const s0 = ((x >>> 7) | (x << 25)) ^ ((x >>> 18) | (x << 14)) ^ (x >>> 3);
    const s1 = ((y >>> 17) | (y << 15)) ^ ((y >>> 19) | (y << 13)) ^ (y >>> 10);
    w[t] = (w[t - 16] + s0 + w[t - 7] + s1) | 0;
  }
  let [a, b, c, d, e, f, g, h] = state;
  for (let t = 0; t < 64; t += 1) {
    const s1 = ((e >>> 6) | (e << 26)) ^ ((e >>> 11) | (e << 21)) ^ ((e >>> 25) | (e << 7));
    const one = (h + s1 + ((e & f) ^ (~e & g)) + K256[t] + w[t]) | 0;
    const s0 = ((a >>> 2) | (a << 30)) ^ ((a >>> 13) | (a << 19)) ^ ((a >>> 22) | (a << 10));
    const two = (s0 + ((a & b) ^ (a & c) ^ (b & c))) | 0;
    h = g; g = f; f = e; e = (d + one) | 0;
    d = c; c = b; b = a; a = (one + two) | 0;
  }
  [a, b, c, d, e, f, g, h].forEach((word, i) => (state[i] = (state[i] + word) | 0));
}

const turned = (x, n) => BigInt.asUintN(64, (x >> n) | (x << (64n - n)));

/** Only the salts of a body need it, one call for four leaves. */
export function sha512(message) {
  const data = padded(message, 128);
  const view = new DataView(data.buffer);
  const state = [...START_512];
  for (let block = 0; block < data.length; block += 128) {
    const w = [];
    for (let t = 0; t < 16; t += 1) w.push(view.getBigUint64(block + 8 * t));
    for (let t = 16; t < 80; t += 1) {
      const s0 = turned(w[t - 15], 1n) ^ turned(w[t - 15], 8n) ^ (w[t - 15] >> 7n);
      const s1 = turned(w[t - 2], 19n) ^ turned(w[t - 2], 61n) ^ (w[t - 2] >> 6n);
      w.push(BigInt.asUintN(64, w[t - 16] + s0 + w[t - 7] + s1));
    }
    let [a, b, c, d, e, f, g, h] = state;
    for (let t = 0; t < 80; t += 1) {
      const s1 = turned(e, 14n) ^ turned(e, 18n) ^ turned(e, 41n);
      const one = h + s1 + ((e & f) ^ (BigInt.asUintN(64, ~e) & g)) + K[t] + w[t];
      const s0 = turned(a, 28n) ^ turned(a, 34n) ^ turned(a, 39n);
      const two = s0 + ((a & b) ^ (a & c) ^ (b & c));
      h = g; g = f; f = e; e = BigInt.asUintN(64, d + one);
      d = c; c = b; b = a; a = BigInt.asUintN(64, one + two);
    }
    [a, b, c, d, e, f, g, h].forEach((word, i) => (state[i] = BigInt.asUintN(64, state[i] + word)));
  }
  const out = new Uint8Array(64);
  state.forEach((word, i) => new DataView(out.buffer).setBigUint64(8 * i, word));
  return out;
}

export const EMPTY_HASH = sha256(utf8(""));
