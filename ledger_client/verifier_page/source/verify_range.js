// Judge a range: are these all entries from here to there, unchanged and in order, and whose are they.
// Source: docs/ledger-format.md sections 10 and 12.

import { FormatError, hex } from "./bytes.js";
import { BODY_SIZE_MAX, KIND, parseEntry } from "./entry.js";
import { Judge, reportOf } from "./judge.js";
import { parseReceipts } from "./note.js";
import { Schema } from "./schema.js";
import { Series } from "./series.js";
import { Walk } from "./walk.js";
import {
  judgeInclusion, judgeNotAfter, judgeNotBefore, judgeOrigin, judgeQuorum, judgeReceipt, judgeSeen, noteFacts, saysNothingOfItsTime, secondsOf,
  witnessed,
} from "./witnessing.js";

const CODES = {
  altered: "range_unaltered", dropped: "range_complete", reordered: "range_in_order", back_dated: "range_times_bounded",
  withheld: "ledger_bodies_shown", unanchored: "range_confirmed", equivocated: "proof_one_history", content: "content_known",
};
const ENTRIES_PER_TURN = 64;

/** `onProgress(done, total)` is called now and then; the page stays alive between two calls. */
export async function verifyRange(shown, policy, onProgress = null) {
  const found = await witnessed(shown.note, policy);
  const judge = new Judge();
  const keys = await judgeOrigin(judge, policy, found, shown.links, []);
  const upperS = judgeQuorum(judge, policy, found);
  if (upperS === null) judge.unknown("back_dated", "no_upper_bound");
  let facts = {};
  const params = { unanchored: { have: found.cosigned.size } };
  if (keys) {
    const series = new Series();
    const walk = new Walk(
      judge, keys, found.checkpoint.origin, shown.firstSeq, await schemaOf(judge, shown), (entry, body) => series.add(entry, body),
    );
    const entries = await walkAll(walk, shown, onProgress);
    judgeEnds(judge, shown, entries, found.checkpoint);
    const lateS = await judgeTimes(judge, policy, shown, entries, found, upperS);
    Object.assign(params, { altered: { entries: entries.length }, dropped: { entries: entries.length }, back_dated: { late_s: lateS } });
    facts = factsOf(found, policy, shown, walk, series, entries);
  }
  judge.dependOnAltered();
  if (judge.status("altered") !== "holds") for (const name of ["series", "approvals", "acts", "gaps"]) delete facts[name];
  const holds = Object.fromEntries(Object.entries(CODES).map(([claim, code]) => [claim, [code, params[claim] ?? {}]]));
  return reportOf("range", judge, holds, policy.independence(found.cosigned.keys()), facts);
}

async function walkAll(walk, shown, onProgress) {
  const entries = [];
  for (let i = 0; i < shown.entries.length; i += 1) {
    entries.push(await walk.feed(shown.entries[i], shown.bodies[i]));
    if (!onProgress || i % ENTRIES_PER_TURN) continue;
    onProgress(i, shown.entries.length);
    await new Promise((resume) => setTimeout(resume));
  }
  walk.finish();
  return entries;
}

/** The schema that came along. Nothing signs it here: a wrong one fails at the first readings root. */
async function schemaOf(judge, { schemaBody }) {
  if (!schemaBody.length) return new Schema();
  try {
    return await new Schema().apply(schemaBody, true);
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    judge.breaks("content", error);
    return new Schema();
  }
}

function judgeEnds(judge, shown, entries, checkpoint) {
  const lastSeq = shown.firstSeq + BigInt(entries.length) - 1n;
  for (const [raw, seq, path] of [[shown.entries[0], shown.firstSeq, shown.firstPath], [shown.entries.at(-1), lastSeq, shown.lastPath]]) {
    try {
      const end = parseEntry(raw);
      if (end.seq === seq) judgeInclusion(judge, checkpoint, end, path);
    } catch (error) {
      if (!(error instanceof FormatError)) throw error; // the walk has said so
    }
  }
  const first = entries[0];
  if (!first || !entries.at(-1)) judge.unknown("altered", "range_end_not_judged", shown.firstSeq);
  else if (first.seq !== shown.firstSeq) judge.fails("altered", "range_begins_elsewhere", first.seq);
}

/** Bound every entry's time; returns the longest wait for a confirmation (s). */
async function judgeTimes(judge, policy, shown, entries, found, upperS) {
  let lateS = 0n;
  const bounds = new LowerBounds(judge, policy, found.checkpoint);
  await bounds.begin(entries[0], shown.seen);
  for (let i = 0; i < entries.length; i += 1) {
    const entry = entries[i];
    if (!entry) continue;
    judgeNotBefore(judge, entry, bounds.of(entry));
    await bounds.take(entry, shown.bodies[i]);
    if (upperS === null) continue;
    const fine = saysNothingOfItsTime(entry);
    judgeNotAfter(judge, policy, entry, upperS, fine);
    const late = upperS - secondsOf(entry.wallMs);
    if (!fine && late > lateS) lateS = late;
  }
  return lateS;
}

/** The receipts at hand: the one that the first entry names, then those that entries of the range keep. */
class LowerBounds {
  constructor(judge, policy, checkpoint) {
    this.judge = judge;
    this.policy = policy;
    this.checkpoint = checkpoint;
    this.known = new Map([["", null]]);
    this.newestS = null;
    this.withheld = false;
  }

  async begin(first, seen) {
    if (!first) return;
    const lower = await judgeSeen(this.judge, this.policy, first, seen, this.checkpoint);
    this.known.set(named(first), lower?.timeS ?? null);
  }

  /** The time (s) before which this entry cannot have been made, null when nothing tells. */
  of(entry) {
    const name = named(entry);
    if (!this.known.has(name)) {
      this.judge.unknown("back_dated", "seen_not_found", entry.seq);
      this.known.set(name, null); // said once
    } else if (this.withheld) this.judge.unknown("back_dated", "receipts_withheld", entry.seq);
    this.withheld = false;
    this.raise(this.known.get(name));
    return this.newestS;
  }

  raise(timeS) {
    if (timeS !== null && (this.newestS === null || timeS > this.newestS)) this.newestS = timeS;
  }

  /** Take the receipts that an entry keeps, where its body is at hand. */
  async take(entry, body) {
    if (entry.kind !== KIND.RECEIPTS) return;
    if (body === null) {
      this.withheld = true;
      return;
    }
    try {
      for (const receipt of parseReceipts(body, entry.detail, BODY_SIZE_MAX)) {
        const lower = await judgeReceipt(this.judge, this.policy, entry.seq, receipt, this.checkpoint);
        this.known.set(hex(receipt.hash), lower?.timeS ?? null);
        this.raise(lower?.timeS ?? null); // the prev link says that what follows was made with this receipt at hand
      }
    } catch (error) {
      if (!(error instanceof FormatError)) throw error;
      this.judge.breaks("content", error, entry.seq);
    }
  }
}

const named = ({ seen }) => (seen === null ? "" : hex(seen));

function factsOf(found, policy, shown, walk, series, entries) {
  const { readings, bad, dropped, withheld, kinds } = walk.counts;
  const held = entries.filter(Boolean);
  return {
    ...noteFacts(found, policy), fromSeq: shown.firstSeq, toSeq: shown.firstSeq + BigInt(entries.length) - 1n, readings, bad, dropped, withheld,
    kinds, series: series.tags(), approvals: walk.approvals.rows, acts: held.filter(({ kind }) => kind !== KIND.BATCH && kind !== KIND.RECEIPTS), fromMs: held[0]?.wallMs ?? null, toMs: held.at(-1)?.wallMs ?? null,
    gaps: held.filter(({ kind }) => kind === KIND.GAP).flatMap(({ detail }) => detail),
    time: { notBeforeS: null, notBeforeBy: null, notAfterS: policy.quorumTimeS(found.cosigned) },
  };
}
