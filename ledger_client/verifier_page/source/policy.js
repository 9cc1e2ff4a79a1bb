// A policy: which log, which witnesses, and how many of them the reader wants to have seen a checkpoint. The only source of trust:
// no key in a file counts unless a line of this text names it. Pure.
// Sources: C2SP tlog-policy; docs/ledger-format.md section 11.

import { FormatError, hex, utf8 } from "./bytes.js";
import { sha256 } from "./hash.js";
import { TYPE_COSIGNATURE, TYPE_ECDSA, TYPE_ED25519, parseVkey } from "./note.js";

const SIZE_MAX = 256 * 1024;
const LINES_MAX = 1_024;
const ANCHOR_GAP_DEFAULT_S = 86_400n;
export const SELF = "self";

export class Policy {
  /** `digest`: SHA-256 of its text without what changes no verdict, in whatever form it came. */
  constructor(lines, digest) {
    Object.assign(this, lines);
    this.hash = digest;
  }

  /** Keys of the log lines for this origin. */
  logKeys(origin) {
    return this.logs.filter((each) => each.name === origin).map((each) => each.key);
  }

  /** Keys of all witnesses. */
  witnessKeys() {
    return [...this.witnesses.values()];
  }

  /** The policy's own name of a witness's key. */
  nameOf(key) {
    return [...this.witnesses].find(([, known]) => known === key)[0];
  }

  /** When these cosignatures (Map name -> time in s) completed the quorum; null when they do not. Of k members, the k-th earliest. */
  quorumTimeS(cosigned) {
    return this.quorum === null ? null : this.timeOf(this.quorum, cosigned);
  }

  timeOf(name, cosigned) {
    const group = this.groups.get(name);
    if (!group) return cosigned.get(name) ?? null;
    const times = group.members.map((member) => this.timeOf(member, cosigned)).filter((time) => time !== null);
    times.sort((a, b) => (a < b ? -1 : a > b ? 1 : 0));
    return times.length >= group.threshold ? times[group.threshold - 1] : null;
  }

  /** Whether anybody but the audited party is among these witnesses: "yes", "no" or "unknown". */
  independence(names) {
    const operators = [...names].map((name) => this.operators.get(name));
    if (operators.some((each) => each !== undefined && each !== SELF)) return "yes";
    return operators.every((each) => each === SELF) ? "no" : "unknown";
  }
}

/** Read a policy's text. Throws FormatError `policy_invalid` { line, reason } or `policy_faulty` { reason }. */
export function parsePolicy(text) {
  const bytes = utf8(text);
  if (bytes.length > SIZE_MAX) throw new FormatError("policy_too_long", { size: bytes.length, size_max: SIZE_MAX });
  if (bytes.some((byte) => (byte < 0x20 && byte !== 9 && byte !== 10) || byte === 0x7f)) faulty("control characters");
  const lines = text.split("\n");
  if (lines.length > LINES_MAX) faulty("too many lines");
  const reader = new Reader();
  lines.forEach((line, place) => {
    const words = line.split(/[\t ]/).filter(Boolean);
    if (!words.length || words[0].startsWith("#")) return;
    try {
      reader.line(words);
    } catch (error) {
      if (!(error instanceof FormatError)) throw error;
      throw new FormatError("policy_invalid", { line: place + 1, reason: error.params.reason ?? error.code });
    }
  });
  return reader.policy(sha256(utf8(`${reader.kept.join("\n")}\n`)));
}

function faulty(reason) {
  throw new FormatError("policy_faulty", { reason });
}

function wrong(reason) {
  throw new FormatError("policy_invalid", { reason });
}

/** Takes the lines in their order, so that every name is defined before it is used. */
class Reader {
  logs = [];
  witnesses = new Map();
  groups = new Map();
  operators = new Map();
  used = new Set();
  quorums = [];
  gaps = [];
  kept = [];

  line([verb, ...words]) {
    const verbs = {
      log: [this.log, 1, 2], witness: [this.witness, 2, 3], group: [this.group, 3, 1000], quorum: [this.quorum, 1, 1],
      operator: [this.operator, 2, 1000], "max-anchor-gap": [this.gap, 1, 1],
    };
    if (!Object.hasOwn(verbs, verb)) wrong(`unknown line '${verb}'`);
    const [read, least, most] = verbs[verb];
    if (words.length < least || words.length > most) wrong("too few or too many words");
    read.call(this, words);
    this.kept.push([verb, ...words.slice(0, { witness: 2, log: 1 }[verb])].join(" ")); // what is left out changes no verdict
  }

  policy(digest) {
    if (this.quorums.length !== 1) faulty("exactly one quorum line is needed");
    const { logs, witnesses, groups, operators } = this;
    const quorum = this.quorums[0] === "none" ? null : this.quorums[0];
    return new Policy({ logs, witnesses, groups, operators, quorum, maxAnchorGapS: this.gaps[0] ?? ANCHOR_GAP_DEFAULT_S }, digest);
  }

  log([vkey]) {
    const key = keyOf(vkey, [TYPE_ED25519, TYPE_ECDSA]);
    if (this.logs.some((each) => each.key.is(key.key))) wrong("a log key stands twice");
    this.logs.push(key);
  }

  witness([name, vkey]) {
    this.newName(name);
    const key = keyOf(vkey, [TYPE_COSIGNATURE]);
    if ([...this.witnesses.values()].some((each) => each.key.is(key.key))) wrong("a witness key stands twice");
    this.witnesses.set(name, key);
  }

  group([name, asked, ...members]) {
    this.newName(name);
    for (const member of members) {
      this.known(member);
      if (this.used.has(member)) wrong(`'${member}' is a member twice`);
      this.used.add(member);
    }
    const threshold = asked === "any" ? 1 : asked === "all" ? members.length : Number(numberOf(asked));
    if (threshold < 1 || threshold > members.length) wrong("a threshold outside the members");
    this.groups.set(name, { threshold, members });
  }

  quorum([name]) {
    if (name !== "none") this.known(name);
    this.quorums.push(name);
  }

  operator([operator, ...names]) {
    for (const name of names) {
      if (!this.witnesses.has(name)) wrong(`no witness '${name}' before this line`);
      if (this.operators.has(name)) wrong(`two operators of '${name}'`);
      this.operators.set(name, operator);
    }
  }

  gap([seconds]) {
    if (this.gaps.length) wrong("max-anchor-gap stands twice");
    this.gaps.push(numberOf(seconds));
  }

  newName(name) {
    if (name === "none" || this.witnesses.has(name) || this.groups.has(name)) wrong(`the name '${name}' is taken`);
  }

  known(name) {
    if (!this.witnesses.has(name) && !this.groups.has(name)) wrong(`no witness or group '${name}' before this line`);
  }
}

function keyOf(text, types) {
  let key = null;
  try {
    key = parseVkey(text);
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    wrong(`not a verifier key: '${text.slice(0, 40)}'`);
  }
  if (!types.includes(key.type)) wrong("a key of the wrong type for this line");
  return key;
}

function numberOf(text) {
  if (!/^[1-9][0-9]{0,8}$/.test(text)) wrong(`not a number from 1: '${text.slice(0, 20)}'`);
  return BigInt(text);
}

/** The first 16 hex digits of the hash of what a policy says, however it is commented and without addresses: what two people compare by phone. */
export function fingerprint(policy) {
  return hex(policy.hash).slice(0, 16).replace(/(.{4})(?!$)/g, "$1 ");
}
