// The walk over the entries of a range: signatures, places, bodies, schema, and the readings that come to light.
// Source: docs/ledger-format.md sections 3 to 5 and 12.

import { FormatError, Unsupported, hex, same } from "./bytes.js";
import { Approvals } from "./approvals.js";
import { readBody } from "./body.js";
import { Clocks, Links, Offsets, Places } from "./chain_rules.js";
import { FOREIGN_KIND_MIN, KIND, bodyCommitment, parseEntry } from "./entry.js";
import { checkEvent, isKnownEvent } from "./events.js";
import { sha256 } from "./hash.js";
import { Schema } from "./schema.js";
import { Silences, checkBatch, silenceLimit } from "./silences.js";

const NOTHING = new Uint8Array();

/** Feeds each rule, keeps the schema, and gives every batch that could be read to `onBatch`. */
export class Walk {
  constructor(judge, keys, origin, firstSeq, schema, onBatch) {
    this.judge = judge;
    this.keys = keys;
    this.schema = schema;
    this.onBatch = onBatch;
    this.approvals = new Approvals(judge, origin);
    this.links = new Links(judge, firstSeq);
    this.counts = { readings: 0n, bad: 0n, dropped: 0n, withheld: 0, kinds: new Map() };
    this.schemaGiven = true;
    this.silenceMs = silenceLimit(schema);
    this.renew();
  }

  /** Judge one entry and its body; return it when it is the device's own and stands in its place. */
  async feed(raw, body) {
    const entry = await this.read(raw);
    if (!entry) {
      this.links.unreadable(raw);
      this.approvals.miss();
      this.renew();
      return null;
    }
    const place = this.links.feed(entry);
    if (place === "elsewhere") return null;
    if (place === "after a hole") {
      this.approvals.miss();
      this.renew();
    }
    for (const rule of [this.places, this.clocks, this.offsets, this.silences]) rule.feed(entry);
    this.count(entry);
    await this.content(entry, body);
    return entry;
  }

  finish() {
    this.links.finish();
    this.clocks.finish();
    this.silences.finish();
  }

  /** Start the rules about neighbours anew; what is not here may have changed the schema. */
  renew() {
    this.schemaSure = this.links.next === 0n || this.schemaGiven;
    this.schemaGiven = false;
    this.offsets = new Offsets();
    this.places = new Places(this.judge);
    this.clocks = new Clocks(this.judge);
    this.silences = new Silences(this.judge, this.offsets, this.silenceMs);
  }

  async read(raw) {
    const at = this.links.next;
    let entry = null;
    try {
      entry = parseEntry(raw);
    } catch (error) {
      if (!(error instanceof FormatError)) throw error;
      if (error.parts && (await this.isForged(error.parts))) this.judge.fails("altered", "entry_signature_invalid", at);
      else this.judge.breaks("altered", error, at);
      return null;
    }
    if (await this.keys.signerOf(entry)) return entry;
    if (this.keys.knows(entry)) this.judge.fails("altered", "entry_signature_invalid", at);
    else this.judge.unknown("altered", "entry_key_unknown", at, { kid: hex(entry.kid) });
    return null;
  }

  /** Of an entry of a later version the signature can be told all the same: under a known key id it must be that of a known key. */
  async isForged(parts) {
    const named = this.keys.all().filter((key) => same(key.kid, parts.kid));
    for (const key of named) if (await parts.signedBy(key)) return false;
    return named.length > 0;
  }

  count(entry) {
    const { kind, detail, seq } = entry;
    this.counts.kinds.set(kind, (this.counts.kinds.get(kind) ?? 0) + 1);
    if (kind === KIND.BATCH) {
      this.counts.readings += detail[2] + detail[3];
      this.counts.bad += detail[3];
      this.counts.dropped += detail[4];
    } else if (kind >= FOREIGN_KIND_MIN) this.judge.unknown("content", "kind_unknown", seq, { kind });
    else if (kind === KIND.PLAN || (kind === KIND.EVENT && !isKnownEvent(detail[0], detail[1]))) {
      this.judge.unknown("content", "event_type_unknown", seq, { type: detail[0] });
    }
  }

  /** Hold the body against what the entry says of it, then read it. */
  async content(entry, body) {
    const { kind, seq } = entry;
    const commitment = bodyCommitment(entry);
    if (!commitment) {
      if (body?.length) this.judge.fails("altered", "body_not_expected", seq);
      return;
    }
    const [length, digest] = commitment;
    const bytes = body ?? NOTHING;
    let offsetMs = null;
    if (body === null && length) {
      this.counts.withheld += 1;
      this.judge.unknown("withheld", "bodies_withheld", seq);
      if (kind === KIND.SCHEMA) this.schema = null;
      else if (kind === KIND.COMMAND) this.approvals.miss();
    } else if (BigInt(bytes.length) !== length || !same(sha256(bytes), digest)) {
      this.judge.fails("altered", "entry_body_differs", seq);
      if (kind === KIND.SCHEMA) this.schema = null;
      return;
    } else if (kind === KIND.SCHEMA) await this.applySchema(entry, bytes);
    else if (kind === KIND.BATCH) offsetMs = await this.readBatch(entry, bytes);
    else if (kind === KIND.COMMAND) await this.approvals.take(entry, bytes);
    else if (kind === KIND.EVENT) this.readEvent(entry, bytes);
    if (kind === KIND.BATCH) checkBatch(this.judge, entry, offsetMs, this.offsets);
  }

  async applySchema(entry, body) {
    const [, , stateHash, full] = entry.detail;
    this.schemaSure ||= full === 1n;
    const before = full ? new Schema() : this.schema;
    if (!before) {
      this.judge.unknown("content", "schema_not_known", entry.seq);
      return;
    }
    this.schema = null;
    try {
      const state = await before.apply(body, full === 1n);
      if (!same(state.stateHash(), stateHash)) throw new FormatError("schema_state_differs");
      this.schema = state;
      this.silenceMs = silenceLimit(state);
      this.silences.limitMs = this.silenceMs;
    } catch (error) {
      this.unreadable(error, entry);
    }
  }

  async readBatch(entry, body) {
    if (!this.schema) {
      this.judge.unknown("content", "schema_not_known", entry.seq);
      return null;
    }
    try {
      const found = await readBody(body, entry.detail, this.schema);
      this.onBatch?.(entry, found);
      return found.offsetMs;
    } catch (error) {
      this.unreadable(error, entry);
      return null;
    }
  }

  readEvent(entry, body) {
    try {
      checkEvent(entry.detail[0], entry.detail[1], body);
    } catch (error) {
      if (!(error instanceof FormatError)) throw error;
      this.judge.breaks("content", error, entry.seq);
    }
  }

  /** A body that does not fit the schema: a breach, unless a schema entry may be among those that are missing. */
  unreadable(error, entry) {
    if (!(error instanceof FormatError)) throw error;
    if (this.schemaSure || error instanceof Unsupported) this.judge.breaks("content", error, entry.seq);
    else this.judge.unknown("content", error.code, entry.seq, error.params);
  }
}

