// Who signed and cosigned a checkpoint, and what that says of when an entry was made. Shared by proofs and ranges.
// Source: docs/ledger-format.md sections 9, 11 and 12.

import { FormatError, Unsupported, hex, same } from "./bytes.js";
import { CLOCK, KIND, parseEntry } from "./entry.js";
import { KeyChain } from "./keychain.js";
import { rootFromInclusion } from "./merkle.js";
import { deviceNoteKey, noteOfReceipt, parseCheckpoint, parseNote, parseReceipt, verifiedBy, vkeyOf } from "./note.js";

const TOLERANCE_MS = 5_000n;
const DRIFT_S = 3_600n;

/** Rounds down, as clocks do, also before 1970. */
export const secondsOf = (ms) => (ms >= 0n ? ms / 1000n : -((999n - ms) / 1000n));

/** A note whose cosignatures by the policy's witnesses hold: { note, checkpoint, cosigned: Map of name -> time in s }. */
export async function witnessed(text, policy) {
  const note = parseNote(text);
  const found = await verifiedBy(note, policy.witnessKeys());
  const cosigned = new Map(found.map(({ key, timeS }) => [policy.nameOf(key), timeS]));
  return { note, checkpoint: parseCheckpoint(note.text), cosigned };
}

/** Who signed, and whether the entries [entry, path] stand in the tree. Returns the device's keys; null when the policy has none for it. */
export async function judgeOrigin(judge, policy, { note, checkpoint }, links, entries) {
  for (const [entry, path] of entries) judgeInclusion(judge, checkpoint, entry, path);
  const first = policy.logKeys(checkpoint.origin);
  if (!first.length) {
    judge.unknown("altered", "log_not_in_policy", null, { origin: checkpoint.origin });
    return null;
  }
  const keys = new KeyChain(first);
  for (const link of links) await follow(judge, keys, checkpoint, link);
  for (const [entry] of entries) await judgeSigner(judge, keys, entry);
  try {
    const signed = await isSignedByLog(note, checkpoint, keys);
    // After a rotation that this page cannot follow, a signature by none of the keys it knows is no breach.
    if (!signed && keys.lost) judge.unknown("altered", "note_not_signed_by_log");
    else if (!signed) judge.fails("altered", "note_not_signed_by_log");
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    judge.breaks("altered", error);
  }
  return keys;
}

async function follow(judge, keys, checkpoint, { entry, path }) {
  const rotation = parseEntry(entry);
  judgeInclusion(judge, checkpoint, rotation, path);
  // One before the key that the policy names says nothing here.
  if (!keys.knows(rotation) || !(await judgeSigner(judge, keys, rotation))) return;
  try {
    await keys.rotate(rotation);
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    judge.breaks("altered", error, rotation.seq);
    keys.lost ||= error instanceof Unsupported;
  }
}

async function judgeSigner(judge, keys, entry) {
  if (await keys.signerOf(entry)) return true;
  if (keys.knows(entry)) judge.fails("altered", "entry_signature_invalid", entry.seq);
  else judge.unknown("altered", "entry_key_unknown", entry.seq, { kid: hex(entry.kid) });
  return false;
}

/** Whether a device key in force at that size signed the note: a checkpoint of n entries is of the key at n - 1 or at n. */
async function isSignedByLog(note, { origin, size }, keys) {
  const inForce = [];
  for (const key of [...keys.at(size - 1n), ...keys.at(size)]) if (!inForce.some((each) => each.is(key))) inForce.push(key);
  const found = await verifiedBy(note, inForce.map((key) => deviceNoteKey(origin, key)));
  return found.length > 0;
}

export function judgeInclusion(judge, checkpoint, entry, path) {
  try {
    const root = rootFromInclusion(entry.seq, checkpoint.size, entry.leaf, path);
    if (!same(root, checkpoint.root)) judge.fails("altered", "inclusion_differs", entry.seq);
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    judge.breaks("altered", error, entry.seq);
  }
}

/** `unanchored` and `equivocated` of one checkpoint; returns when its quorum was complete (s), or null. */
export function judgeQuorum(judge, policy, { cosigned }) {
  const upperS = policy.quorumTimeS(cosigned);
  if (policy.quorum === null) {
    judge.unknown("unanchored", "no_quorum_asked");
    judge.unknown("equivocated", "no_quorum_asked");
  } else if (upperS === null) {
    judge.fails("unanchored", "quorum_not_met", null, { have: cosigned.size });
    judge.unknown("equivocated", "quorum_not_met", null, { have: cosigned.size });
  }
  return upperS;
}

// ------------------------------------------------------------------------------------------------------------ bounds of time
/** The receipt that an entry names, as { timeS, by }: a lower bound of when the entry was made; null where there is none. */
export async function judgeSeen(judge, policy, entry, seen, checkpoint) {
  if (entry.seen === null) {
    if (seen !== null) judge.fails("altered", "seen_is_another", entry.seq);
    return null;
  }
  if (seen === null) {
    judge.unknown("back_dated", "seen_not_shown", entry.seq);
    return null;
  }
  const receipt = parseReceipt(seen);
  if (!same(receipt.hash, entry.seen)) {
    judge.fails("altered", "seen_is_another", entry.seq);
    return null;
  }
  return judgeReceipt(judge, policy, entry.seq, receipt, checkpoint);
}

/** A receipt that entry `seq` names or keeps. Throws FormatError for false evidence. */
export async function judgeReceipt(judge, policy, seq, receipt, checkpoint) {
  if (!receipt.isTlog) return null; // evidence of a later version: it bounds nothing here
  const { note, checkpoint: tree } = noteOfReceipt(receipt);
  const lower = latest(await verifiedBy(note, policy.witnessKeys()), policy);
  if (tree.origin !== checkpoint.origin || tree.size > seq) {
    judge.fails("back_dated", "seen_is_of_another_tree", seq);
    return null;
  }
  if (lower && tree.size === checkpoint.size && !same(tree.root, checkpoint.root)) {
    judge.fails("equivocated", "two_roots_of_one_size", null, { size: tree.size });
  }
  return lower;
}

function latest(found, policy) {
  let best = null;
  for (const { key, timeS } of found) {
    const by = policy.nameOf(key);
    if (!best || timeS > best.timeS || (timeS === best.timeS && by > best.by)) best = { timeS, by };
  }
  return best;
}

export function judgeNotBefore(judge, entry, lowerS) {
  if (lowerS === null || entry.wallMs >= lowerS * 1000n - TOLERANCE_MS) return;
  judgeOutside(judge, "dated_before_it_was_possible", entry, lowerS - secondsOf(entry.wallMs));
}

/** A late confirmation contradicts nothing, but within that time an entry could have been made up. */
export function judgeNotAfter(judge, policy, entry, upperS, lateIsFine) {
  const lateS = upperS - secondsOf(entry.wallMs);
  if (entry.wallMs > upperS * 1000n + 999n + TOLERANCE_MS) judgeOutside(judge, "dated_after_it_was_confirmed", entry, -lateS);
  else if (lateS > policy.maxAnchorGapS && !lateIsFine) {
    judge.unknown("back_dated", "confirmed_late", entry.seq, { late_s: lateS, allowed_s: policy.maxAnchorGapS });
  }
}

/** Receipts are always confirmed by the next anchoring only. */
export const saysNothingOfItsTime = ({ kind }) => kind === KIND.RECEIPTS || kind === KIND.CLOSE;

function judgeOutside(judge, code, { seq, clock }, byS) {
  const drifted = (clock === CLOCK.RTC || clock === CLOCK.STEPPED) && byS <= DRIFT_S;
  if (clock === CLOCK.UNSET || drifted) judge.unknown("back_dated", "clock_not_synchronised", seq, { by_s: byS });
  else judge.fails("back_dated", code, seq, { by_s: byS });
}

/** The checkpoint and its witnesses, for people. */
export function noteFacts({ checkpoint, cosigned }, policy) {
  const witnesses = [...cosigned].map(([name, timeS]) => ({
    name, timeS, key: vkeyOf(policy.witnesses.get(name)), operator: policy.operators.get(name) ?? null,
  }));
  witnesses.sort((a, b) => (a.timeS < b.timeS ? -1 : a.timeS > b.timeS ? 1 : a.name < b.name ? -1 : 1));
  return { origin: checkpoint.origin, checkpoint: { size: checkpoint.size, root: hex(checkpoint.root) }, witnesses };
}
