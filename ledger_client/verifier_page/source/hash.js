// SHA-256 and SHA-512 (FIPS 180-4), synchronous. WebCrypto's are asynchronous, which costs more than the hash for the thousands of small
// leaves of a body. Tested against the platform's own; `verify.js` also compares both over each file.

import { concat, utf8 } from "./bytes.js";

const K = roundConstants();
const K256 = Int32Array.from(K, (k) => Number(k >> 32n) | 0);
const K512 = Int32Array.from(K.flatMap((k) => [Number(k >> 32n) | 0, Number(k & 0xffffffffn) | 0]));
/** Room for the message schedule of one block, filled anew for each. */
const SCHEDULE = new Int32Array(160);
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
  for (let block = 0; block < data.length; block += 64) compress256(state, SCHEDULE, view, block);
  const out = new Uint8Array(32);
  const result = new DataView(out.buffer);
  for (let i = 0; i < 8; i += 1) result.setInt32(4 * i, state[i]);
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
  let a = state[0], b = state[1], c = state[2], d = state[3];
  let e = state[4], f = state[5], g = state[6], h = state[7];
  for (let t = 0; t < 64; t += 1) {
    const s1 = ((e >>> 6) | (e << 26)) ^ ((e >>> 11) | (e << 21)) ^ ((e >>> 25) | (e << 7));
    const one = (h + s1 + ((e & f) ^ (~e & g)) + K256[t] + w[t]) | 0;
    const s0 = ((a >>> 2) | (a << 30)) ^ ((a >>> 13) | (a << 19)) ^ ((a >>> 22) | (a << 10));
    const two = (s0 + ((a & b) ^ (a & c) ^ (b & c))) | 0;
    h = g; g = f; f = e; e = (d + one) | 0;
    d = c; c = b; b = a; a = (one + two) | 0;
  }
  state[0] += a; state[1] += b; state[2] += c; state[3] += d;
  state[4] += e; state[5] += f; state[6] += g; state[7] += h;
}

/** Only the salts of a body need it, one call for four leaves. Its words are pairs of 32 bits: those of BigInts take several times as long. */
export function sha512(message) {
  const data = padded(message, 128);
  const view = new DataView(data.buffer);
  const state = START_512.flatMap((word) => halves(word));
  for (let block = 0; block < data.length; block += 128) compress512(state, SCHEDULE, view, block);
  const out = new Uint8Array(64);
  const result = new DataView(out.buffer);
  state.forEach((half, i) => result.setInt32(4 * i, half));
  return out;
}

function halves(word) {
  return [Number(word >> 32n) | 0, Number(word & 0xffffffffn) | 0];
}

function compress512(state, w, view, block) {
  for (let t = 0; t < 32; t += 1) w[t] = view.getInt32(block + 4 * t);
  for (let t = 32; t < 160; t += 2) {
    const xh = w[t - 30];
    const xl = w[t - 29];
    const yh = w[t - 4];
    const yl = w[t - 3];
    const s0h = ((xh >>> 1) | (xl << 31)) ^ ((xh >>> 8) | (xl << 24)) ^ (xh >>> 7);
    const s0l = ((xl >>> 1) | (xh << 31)) ^ ((xl >>> 8) | (xh << 24)) ^ ((xl >>> 7) | (xh << 25));
    const s1h = ((yh >>> 19) | (yl << 13)) ^ ((yl >>> 29) | (yh << 3)) ^ (yh >>> 6);
    const s1l = ((yl >>> 19) | (yh << 13)) ^ ((yh >>> 29) | (yl << 3)) ^ ((yl >>> 6) | (yh << 26));
    const low = (w[t - 31] >>> 0) + (s0l >>> 0) + (w[t - 13] >>> 0) + (s1l >>> 0);
    w[t] = (w[t - 32] + s0h + w[t - 14] + s1h + carryOf(low)) | 0;
    w[t + 1] = low | 0;
  }
  let [ah, al, bh, bl, ch, cl, dh, dl, eh, el, fh, fl, gh, gl, hh, hl] = state;
  for (let t = 0; t < 160; t += 2) {
    const s1h = ((eh >>> 14) | (el << 18)) ^ ((eh >>> 18) | (el << 14)) ^ ((el >>> 9) | (eh << 23));
    const s1l = ((el >>> 14) | (eh << 18)) ^ ((el >>> 18) | (eh << 14)) ^ ((eh >>> 9) | (el << 23));
    const choice = (el & fl) ^ (~el & gl);
    const one = (hl >>> 0) + (s1l >>> 0) + (choice >>> 0) + (K512[t + 1] >>> 0) + (w[t + 1] >>> 0);
    const oneHigh = (hh + s1h + ((eh & fh) ^ (~eh & gh)) + K512[t] + w[t] + carryOf(one)) | 0;
    const s0h = ((ah >>> 28) | (al << 4)) ^ ((al >>> 2) | (ah << 30)) ^ ((al >>> 7) | (ah << 25));
    const s0l = ((al >>> 28) | (ah << 4)) ^ ((ah >>> 2) | (al << 30)) ^ ((ah >>> 7) | (al << 25));
    const majority = (al & bl) ^ (al & cl) ^ (bl & cl);
    const two = (s0l >>> 0) + (majority >>> 0);
    const twoHigh = (s0h + ((ah & bh) ^ (ah & ch) ^ (bh & ch)) + carryOf(two)) | 0;
    hh = gh; hl = gl; gh = fh; gl = fl; fh = eh; fl = el;
    const e = (dl >>> 0) + ((one | 0) >>> 0);
    eh = (dh + oneHigh + carryOf(e)) | 0; el = e | 0;
    dh = ch; dl = cl; ch = bh; cl = bl; bh = ah; bl = al;
    const a = ((one | 0) >>> 0) + ((two | 0) >>> 0);
    ah = (oneHigh + twoHigh + carryOf(a)) | 0; al = a | 0;
  }
  const found = [ah, al, bh, bl, ch, cl, dh, dl, eh, el, fh, fl, gh, gl, hh, hl];
  for (let i = 0; i < 16; i += 2) {
    const low = (state[i + 1] >>> 0) + (found[i + 1] >>> 0);
    state[i] = (state[i] + found[i] + carryOf(low)) | 0;
    state[i + 1] = low | 0;
  }
}

/** What a sum of unsigned 32-bit numbers carries into the next 32 bits. */
const carryOf = (sum) => Math.floor(sum / 4_294_967_296);

export const EMPTY_HASH = sha256(utf8(""));
