// A person's own key on this tablet: made here, never to leave it, and what it signs. Format: docs/ledger-format.md, section 3.3.
//   import { approvalOf, keyOf } from "/static/person_key.js";
//   if (await keyOf(name)) body.approval = await approvalOf({ origin, name, meaning: "approved", act });
//   act = { id: Uint8Array(16), action, target, params, expected_revision, reason }: the very act that is asked of the door afterwards.
// The browser keeps the private key as an object that cannot be read out (extractable: false), only used.

const ALGORITHM = { name: "ECDSA", namedCurve: "P-256" };
const SIGNING = { name: "ECDSA", hash: "SHA-256" };
const LONG = 1000;

// Whether this browser can: only on https, or on the gateway itself.
export const isPossible = () => Boolean(globalThis.crypto?.subtle && globalThis.indexedDB);

// The key of a person on this tablet: { privateKey, raw: Uint8Array }, or null.
export const keyOf = (name) => inStore("readonly", (keys) => keys.get(name)).then((found) => found ?? null);

// Makes a key for a person in place of any that was here.
export async function makeKey(name) {
  const pair = await crypto.subtle.generateKey(ALGORITHM, false, ["sign", "verify"]);
  const found = { privateKey: pair.privateKey, raw: new Uint8Array(await crypto.subtle.exportKey("raw", pair.publicKey)) };
  await inStore("readwrite", (keys) => keys.put(found, name));
  return found;
}

export const forgetKey = (name) => inStore("readwrite", (keys) => keys.delete(name));

// What `account.key` takes: the public key and its signature over its own enrolment.
export async function enrolment(origin, name, key) {
  return { key: hex(key.raw), proof: await signed(key, encode(["witnessmark-enrol/1", origin, name, coseOf(key.raw)])) };
}

// What stands beside an act: { meaning, time_ms, signature }.
export async function approvalOf({ origin, name, meaning, act, timeMs = Date.now() }) {
  const key = await keyOf(name);
  if (!key) throw new Error("approval_no_key");
  const rows = Object.entries(act.params ?? {}).sort(([a], [b]) => (a < b ? -1 : 1));
  const short = await Promise.all(rows.map(async ([at, value]) => [at, await shortened(value)]));
  const said = ["witnessmark-act/1", act.id, act.action, act.target ?? "", short, act.expected_revision ?? null, act.reason ?? ""];
  const hash = await sha256(encode(said));
  return { meaning, time_ms: timeMs, signature: await signed(key, encode(["witnessmark-approval/1", origin, meaning, name, timeMs, hash])) };
}

// The COSE_Key of a P-256 point, as the gateway keeps it: who.key is its hexadecimal form.
export function coseOf(raw) {
  const head = Uint8Array.of(0xa5, 1, 2, 3, 0x28, 0x20, 1, 0x21, 0x58, 32);
  return joined(head, raw.slice(1, 33), Uint8Array.of(0x22, 0x58, 32), raw.slice(33));
}

export const hex = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");

const sha256 = async (bytes) => new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
const signed = async (key, bytes) => hex(new Uint8Array(await crypto.subtle.sign(SIGNING, key.privateKey, bytes)));

async function shortened(value) {
  return typeof value === "string" && [...value].length > LONG ? `sha256:${hex(await sha256(new TextEncoder().encode(value)))}` : value;
}

// ---------------------------------------------------------------------------------------------------- deterministic CBOR
function encode(value) {
  if (value === null || value === undefined) return Uint8Array.of(0xf6);
  if (typeof value === "boolean") return Uint8Array.of(value ? 0xf5 : 0xf4);
  if (typeof value === "number") return Number.isInteger(value) ? whole(value) : fraction(value);
  if (typeof value === "string") {
    const bytes = new TextEncoder().encode(value);
    return joined(head(3, bytes.length), bytes);
  }
  if (value instanceof Uint8Array) return joined(head(2, value.length), value);
  if (Array.isArray(value)) return joined(head(4, value.length), ...value.map(encode));
  throw new TypeError("approval_shape");
}

// As JSON has it: a number without a fraction is an integer to the gateway. Beyond 2^53 it would not be the one that was written.
function whole(value) {
  if (!Number.isSafeInteger(value)) throw new RangeError("approval_shape");
  return value < 0 ? head(1, -1 - value) : head(0, value);
}

function fraction(value) {
  const view = new DataView(new ArrayBuffer(8));
  const half = halfOf(value);
  if (half !== null) return Uint8Array.of(0xf9, half >> 8, half & 255);
  if (Math.fround(value) === value) {
    view.setFloat32(0, value);
    return joined(Uint8Array.of(0xfa), new Uint8Array(view.buffer, 0, 4));
  }
  view.setFloat64(0, value);
  return joined(Uint8Array.of(0xfb), new Uint8Array(view.buffer));
}

// The 16 bits of a number that half precision holds exactly, else null. What has a fraction is no zero, no infinity and no NaN here.
function halfOf(value) {
  const size = Math.abs(value);
  const sign = value < 0 ? 0x8000 : 0;
  const exponent = Math.max(Math.floor(Math.log2(size)), -14);
  if (exponent > 15) return null;
  const mantissa = size / 2 ** (exponent - 10);
  if (!Number.isInteger(mantissa) || mantissa > 2047) return null;
  return mantissa < 1024 ? sign | mantissa : sign | ((exponent + 15) << 10) | (mantissa - 1024);
}

function head(major, argument) {
  const top = major << 5;
  if (argument < 24) return Uint8Array.of(top | argument);
  if (argument < 256) return Uint8Array.of(top | 24, argument);
  if (argument < 65536) return Uint8Array.of(top | 25, argument >> 8, argument & 255);
  const view = new DataView(new ArrayBuffer(9));
  if (argument < 2 ** 32) {
    view.setUint8(4, top | 26);
    view.setUint32(5, argument);
    return new Uint8Array(view.buffer, 4);
  }
  view.setUint8(0, top | 27);
  view.setBigUint64(1, BigInt(argument));
  return new Uint8Array(view.buffer);
}

function joined(...parts) {
  const out = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

// ------------------------------------------------------------------------------------------------------------- the store
function inStore(mode, use) {
  return new Promise((resolve, reject) => {
    const opening = indexedDB.open("witnessmark", 1);
    opening.onupgradeneeded = () => opening.result.createObjectStore("keys");
    opening.onerror = () => reject(opening.error);
    opening.onsuccess = () => {
      const database = opening.result;
      const doing = database.transaction("keys", mode);
      const asked = use(doing.objectStore("keys"));
      doing.oncomplete = () => { database.close(); resolve(asked.result); };
      doing.onabort = () => { database.close(); reject(doing.error); };
    };
  });
}
