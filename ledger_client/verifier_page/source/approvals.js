// Approvals: what people signed with keys of their own, and whether the enrolment of those keys is shown. The gateway's key is in none of it.
// Source: docs/ledger-format.md section 3.3.

import { FormatError, fromHex, hex, isBytes, lengthOf, same, utf8 } from "./bytes.js";
import { decode, encode, isInt, isRow } from "./cbor.js";
import { sha256 } from "./hash.js";
import { ED25519, ESP256, keyFromCose, publicKey } from "./signatures.js";

const BODY_SIZE_MAX = 1 << 20;
const APPROVALS_MAX = 8;
const NAME_MAX = 64;
const TEXT_INLINE_MAX = 1_000;
const ROWS_KEPT = 50;
const MEANINGS = ["authored", "reviewed", "approved"];
const KEY_ACTION = "account.key";
const OUTCOME = 1n;

/** Takes the command entries of a range in their order. What is before it is not shown, so no key counts as never enrolled. */
export class Approvals {
  constructor(judge, origin) {
    this.judge = judge;
    this.origin = origin;
    this.rows = [];
    this.keys = new Map();
    this.unsure = new Set();
    this.enrolling = new Map();
  }

  /** Something is not here: a key may have been enrolled, or taken back, in it. */
  miss() {
    this.keys.clear();
  }

  async take({ seq, detail }, body) {
    const [actId, phase, code] = detail;
    if (phase === OUTCOME) {
      this.settle(hex(actId), code);
      return;
    }
    const intent = intentOf(body);
    if (!intent) return;
    if (intent.action === KEY_ACTION) this.enrolling.set(hex(actId), { name: intent.target, cose: await this.enrolled(intent) });
    if (intent.version === 2n) await this.judgeAll(seq, intent, actHash(actId, intent));
  }

  settle(act, code) {
    const enrolled = this.enrolling.get(act);
    this.enrolling.delete(act);
    if (!enrolled) return;
    if (code === "done") {
      this.keys.set(enrolled.name, enrolled.cose);
      this.unsure.delete(enrolled.name);
    } else if (code === "unknown") this.unsure.add(enrolled.name); // a crash: it may have come to pass
  }

  /** The key that an intent enrols; null for one that takes a key back, or that does not show that it has the key. */
  async enrolled({ target, params }) {
    try {
      const raw = fromHex(String(params.get("key") ?? "").toLowerCase());
      const key = raw.length === 65 && raw[0] === 4 ? publicKey(ESP256, raw.subarray(1)) : publicKey(ED25519, raw);
      const shown = encode(["witnessmark-enrol/1", this.origin, target, key.cose]);
      return (await key.verify(fromHex(String(params.get("proof") ?? "").toLowerCase()), shown)) ? key.cose : null;
    } catch (error) {
      if (!(error instanceof FormatError) || error.code === "algorithm_not_here") throw error;
      return null;
    }
  }

  async judgeAll(seq, { session, approvals }, digest) {
    let read = [];
    try {
      read = readApprovals(approvals);
    } catch (error) {
      if (!(error instanceof FormatError)) throw error;
      this.judge.breaks("content", error, seq);
      return;
    }
    for (const each of read) {
      const [status, code] = await this.status(each, session, digest);
      if (status === "fails") this.judge.fails("content", code, seq, { name: each.name });
      else if (status === "unknown") this.judge.unknown("content", code, seq, { name: each.name });
      this.rows = [...this.rows, { ...each, seq, status, code }].slice(-ROWS_KEPT);
    }
  }

  async status({ meaning, name, timeMs, key, signature }, session, digest) {
    const signed = encode(["witnessmark-approval/1", this.origin, meaning, name, timeMs, digest]);
    if (!(await key.verify(signature, signed))) return ["fails", "approval_signature_wrong"];
    if (!session.startsWith(`${name} (session `)) return ["fails", "approval_of_another"];
    const enrolled = this.keys.get(name);
    if (enrolled && same(enrolled, key.cose)) return ["holds", "approval_holds"];
    if (this.unsure.has(name) || enrolled === undefined) return ["unknown", "approval_enrolment_not_shown"];
    return ["fails", "approval_key_not_theirs"];
  }
}

/** An intent's body; null for one that says nothing here. */
function intentOf(body) {
  let row = null;
  try {
    row = decode(body, { sizeMax: BODY_SIZE_MAX, what: "act" });
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    return null;
  }
  if (!isRow(row) || row.length < 8) return null;
  const [version, face, session, action, target, params, revision, reason, ...more] = row;
  const texts = [face, session, action, target, reason].every((each) => typeof each === "string");
  if (typeof version !== "bigint" || !texts || !isRow(params)) return null;
  const pairs = params.filter((each) => isRow(each, 2) && typeof each[0] === "string");
  return { version, session, action, target, params: new Map(pairs), revision, reason, approvals: more.length === 1 ? more[0] : null };
}

function actHash(actId, { action, target, params, revision, reason }) {
  const rows = [...params].sort(([a], [b]) => (isBefore(a, b) ? -1 : 1)).map(([name, value]) => [name, short(value)]);
  return sha256(encode(["witnessmark-act/1", actId, action, target, rows, revision, reason]));
}

/** Of a longer value an act names the hash. */
function short(value) {
  const long = (typeof value === "string" && lengthOf(value) > TEXT_INLINE_MAX) || (isBytes(value) && value.length > TEXT_INLINE_MAX);
  return long ? `sha256:${hex(sha256(isBytes(value) ? value : utf8(value)))}` : value;
}

/** Whether a text stands before another as Unicode counts them. */
export function isBefore(left, right) {
  const [a, b] = [[...left], [...right]];
  for (let i = 0; i < Math.min(a.length, b.length); i += 1) if (a[i] !== b[i]) return a[i].codePointAt(0) < b[i].codePointAt(0);
  return a.length < b.length;
}

function readApprovals(rows) {
  const refuse = () => {
    throw new FormatError("approval_shape");
  };
  if (!isRow(rows) || !rows.length || rows.length > APPROVALS_MAX) refuse();
  return rows.map((row) => {
    const [meaning, name, timeMs, key, signature, own] = isRow(row, 6) ? row : [];
    const named = MEANINGS.includes(meaning) && typeof name === "string" && name && lengthOf(name) <= NAME_MAX;
    if (!named || !isInt(timeMs) || !isBytes(key) || !isBytes(signature) || signature.length !== 64 || (own !== 0n && own !== 1n)) refuse();
    return { meaning, name, timeMs, key: keyFromCose(key), signature, own: own === 1n };
  });
}
