// One entry: a tagged COSE_Sign1 over a CBOR array, and the shape of each kind's detail. Pure but for the signature.
// Source: docs/ledger-format.md sections 3 and 3.1.

import { FormatError, Unsupported, concat, isBytes, isHash, same, utf8 } from "./bytes.js";
import { Tagged, decode, encode, isInt, isRow, isText, isUint } from "./cbor.js";
import { sha256 } from "./hash.js";
import { leafHash } from "./merkle.js";
import { ED25519, ESP256 } from "./signatures.js";

export const ENTRY_SIZE_MAX = 65_535;
export const BODY_SIZE_MAX = 16 << 20;
export const KIND = {
  GENESIS: 0n, BATCH: 1n, BOOT: 2n, CLOCK: 3n, ROTATE: 4n, SCHEMA: 5n, GAP: 6n, RECEIPTS: 7n, COMMAND: 8n, CLOSE: 9n, EVENT: 10n,
  PLAN: 11n, CONFIG: 12n,
};
export const CLOCK = { UNSET: 0n, RTC: 1n, STEPPED: 4n };
/** Kinds from here on may be passed over by a verifier that does not know them. */
export const FOREIGN_KIND_MIN = 128n;

// ------------------------------------------------------------------------------------------------------------ details
const row = (...checks) => (value) => isRow(value, checks.length) && checks.every((check, i) => check(value[i]));
const rows = (check, least) => (value) => isRow(value) && value.length >= least && value.every(check);
const orNull = (check) => (value) => value === null || check(value);
const bytes = (least, most) => (value) => isBytes(value) && value.length >= least && value.length <= most;
const among = (...values) => (value) => values.includes(value);
const bodyLength = (value) => isUint(value) && value <= BigInt(BODY_SIZE_MAX);
const clockState = among(0n, 1n, 2n, 3n, 4n);
const eventShape = row(isText, isUint, isHash, bodyLength);

const SHAPES = new Map([
  [KIND.GENESIS, row(isText, isUint, bytes(1, 128), rows(isHash, 0), orNull(row(isText, isUint, isHash)), isHash)],
  [KIND.BATCH, row(isInt, isInt, isUint, isUint, isUint, bodyLength, isHash, isHash, among(1n, 16n))],
  [KIND.BOOT, row(isText, isText, among(0n, 1n), isUint)],
  [KIND.CLOCK, row(isInt, isInt, clockState, clockState)],
  [KIND.ROTATE, row(bytes(1, 128), isUint, isText, bytes(64, 64))],
  [KIND.SCHEMA, row(bodyLength, isHash, isHash, among(0n, 1n))],
  [KIND.GAP, rows(row(orNull(isUint), isInt, isInt, isText, isUint), 1)],
  [KIND.RECEIPTS, row(bodyLength, isHash, rows(row(isText, isUint, isHash, isHash), 1))],
  [KIND.COMMAND, row(bytes(16, 16), among(0n, 1n), isText, bodyLength, isHash)],
  [KIND.CLOSE, row(isText)],
  [KIND.EVENT, eventShape],
  [KIND.PLAN, eventShape],
  [KIND.CONFIG, row(isUint, isUint, isHash, isText, isText)],
]);

/** [length, SHA-256] of the body that an entry commits to; null for kinds without one. */
export function bodyCommitment({ kind, detail }) {
  if (kind === KIND.BATCH) return [detail[5], detail[6]];
  if (kind === KIND.SCHEMA || kind === KIND.RECEIPTS) return [detail[0], detail[1]];
  if (kind === KIND.COMMAND) return [detail[3], detail[4]];
  if (kind === KIND.EVENT || kind === KIND.PLAN) return [detail[3], detail[2]];
  return null;
}

// ------------------------------------------------------------------------------------------------------------ entries
/** A parsed entry beside its exact bytes; its signature is not checked by parsing. */
class Entry {
  constructor(raw, parts, payload) {
    Object.assign(this, parts, payload);
    this.raw = raw;
    this.hash = sha256(raw);
    this.leaf = leafHash(raw);
  }

  /** Whether a key signed this entry: algorithm and key id must be the key's own. */
  async signedBy(key) {
    return isSignedBy(this, key);
  }
}

async function isSignedBy({ alg, kid, protectedRaw, payloadRaw, signature }, key) {
  if (alg !== key.alg || !same(kid, key.kid)) return false;
  return key.verify(signature, encode(["Signature1", protectedRaw, new Uint8Array(), payloadRaw]));
}

/** Read an entry strictly. Throws FormatError; Unsupported, with what of it can still be checked, for a later version or kind. */
export function parseEntry(raw) {
  const parts = parseEnvelope(raw);
  try {
    return new Entry(raw, parts, parsePayload(parts.payloadRaw));
  } catch (error) {
    if (error instanceof Unsupported) error.parts = { ...parts, signedBy: (key) => isSignedBy(parts, key) };
    throw error;
  }
}

function parseEnvelope(raw) {
  const outer = decode(raw, { sizeMax: ENTRY_SIZE_MAX, what: "entry" });
  const four = outer instanceof Tagged && isRow(outer.value, 4) ? outer.value : [];
  const [protectedRaw, unprotected, payloadRaw, signature] = four;
  const empty = unprotected instanceof Map && unprotected.size === 0;
  if (!isBytes(protectedRaw) || !empty || !isBytes(payloadRaw) || !isBytes(signature)) throw new FormatError("entry_not_sign1");
  const header = decode(protectedRaw, { sizeMax: 64, what: "entry header" });
  const [alg, kid] = header instanceof Map && header.size === 2 ? [header.get(1n), header.get(4n)] : [];
  if (typeof alg !== "bigint" || !isBytes(kid) || kid.length !== 8) throw new FormatError("entry_header");
  if (alg !== ED25519 && alg !== ESP256) throw new Unsupported("key_unknown_algorithm", { alg, size: signature.length });
  if (signature.length !== 64) throw new FormatError("entry_header");
  return { alg, kid, protectedRaw, payloadRaw, signature };
}

function parsePayload(raw) {
  const fields = decode(raw, { sizeMax: ENTRY_SIZE_MAX, what: "payload" });
  if (isRow(fields) && isUint(fields[0]) && fields[0] !== 1n) throw new Unsupported("payload_version", { version: fields[0] });
  if (!isRow(fields, 10) || !isUint(fields[0])) throw new FormatError("payload_shape");
  const [, kind, seq, prev, boot, monoMs, wallMs, clock, seen, detail] = fields;
  const counts = [kind, seq, boot, monoMs].every(isUint) && isInt(wallMs) && clockState(clock);
  if (!counts || !isHash(prev) || !(seen === null || isHash(seen))) throw new FormatError("payload_shape");
  if (!isRow(detail)) throw new FormatError("detail_shape", { kind });
  if (kind < FOREIGN_KIND_MIN) {
    const shape = SHAPES.get(kind);
    if (!shape) throw new Unsupported("kind_unknown", { kind });
    if (!shape(detail)) throw new FormatError("detail_shape", { kind });
  }
  return { kind, seq, prev, boot, monoMs, wallMs, clock, seen, detail };
}

/** What the new key signs in a rotate entry. */
export function rotationMessage(oldKey, newCose, effectiveRaw) {
  return concat(utf8("witnessmark-rotate/1"), oldKey.kid, newCose, effectiveRaw);
}
