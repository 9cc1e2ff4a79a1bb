// Judge a proof of one reading. It discloses the reading only when nothing was altered.
// Source: docs/ledger-format.md sections 9 and 12.

import { FormatError, same } from "./bytes.js";
import { rootOfDisclosure } from "./disclosure.js";
import { KIND, parseEntry } from "./entry.js";
import { Judge, reportOf } from "./judge.js";
import { READING_AGE_MS } from "./silences.js";
import { judgeNotAfter, judgeNotBefore, judgeOrigin, judgeQuorum, judgeSeen, noteFacts, secondsOf, witnessed } from "./witnessing.js";

export async function verifyProof(proof, policy) {
  const entry = parseEntry(proof.entry);
  const found = await witnessed(proof.note, policy);
  const judge = new Judge();
  const known = await judgeOrigin(judge, policy, found, proof.links, [[entry, proof.path]]);
  judgeDisclosure(judge, entry, proof);
  const upperS = judgeQuorum(judge, policy, found);
  const lower = await judgeSeen(judge, policy, entry, proof.seen, found.checkpoint);
  judgeTimes(judge, policy, entry, proof, lower, upperS);
  judge.dependOnAltered();
  const facts = known ? noteFacts(found, policy) : {};
  if (judge.status("altered") === "holds") Object.assign(facts, readingFacts(entry, proof.disclosure, lower, upperS));
  const lateS = upperS === null ? 0n : upperS - secondsOf(entry.wallMs);
  const holds = {
    altered: ["proof_unaltered", {}], dropped: ["proof_in_the_log", {}], reordered: ["proof_in_its_place", {}],
    back_dated: ["proof_time_bounded", { late_s: lateS > 0n ? lateS : 0n }], withheld: ["proof_reading_shown", {}],
    unanchored: ["proof_quorum_met", { have: found.cosigned.size }], equivocated: ["proof_one_history", {}], content: ["content_known", {}],
  };
  return reportOf("proof", judge, holds, policy.independence(found.cosigned.keys()), facts);
}

/** Whether the shown readings are those that the entry commits to, and the chosen one the one that was meant. */
function judgeDisclosure(judge, entry, { disclosure, timeMs }) {
  if (entry.kind !== KIND.BATCH) {
    judge.fails("altered", "entry_is_no_batch", entry.seq);
    return;
  }
  const [root, span] = entry.detail.slice(7);
  try {
    if (!same(rootOfDisclosure(disclosure), root)) judge.fails("altered", "reading_differs", entry.seq);
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    judge.breaks("altered", error, entry.seq);
    return;
  }
  // Should a leaf hold several readings of one time, the last is meant, and the first was by the first provers.
  const ofTime = disclosure.readings.flatMap((reading, place) => (reading.timeMs === timeMs ? [place] : []));
  const known = disclosure.chosen === ofTime[0] || disclosure.chosen === ofTime.at(-1);
  if (BigInt(disclosure.readings.length) > span || !known) judge.fails("altered", "chosen_differs", entry.seq);
}

function judgeTimes(judge, policy, entry, { timeMs }, lower, upperS) {
  judgeNotBefore(judge, entry, lower?.timeS ?? null);
  if (upperS === null) judge.unknown("back_dated", "no_upper_bound", entry.seq);
  else judgeNotAfter(judge, policy, entry, upperS, false);
  if (entry.kind !== KIND.BATCH) return;
  const [firstMs, lastMs] = entry.detail;
  const age = entry.wallMs - timeMs;
  if (timeMs < firstMs || timeMs > lastMs) judge.fails("back_dated", "reading_outside_batch", entry.seq);
  else if (age < -READING_AGE_MS || age > READING_AGE_MS) {
    judge.unknown("back_dated", "reading_far_from_entry", entry.seq, { by_s: (age < 0n ? -age : age) / 1000n });
  }
}

function readingFacts(entry, { descriptor, readings, chosen }, lower, upperS) {
  const { uid, name, asset, unit, type, exponent, source, calibration } = descriptor;
  const newest = readings.findLast((each) => each.timeMs === readings[chosen].timeMs);
  return {
    seq: entry.seq,
    entry: { wallMs: entry.wallMs, clock: entry.clock, boot: entry.boot, monoMs: entry.monoMs },
    tag: { uid, name, asset, unit, type, exponent, source, calibration },
    reading: readings[chosen],
    supersededBy: newest === readings[chosen] ? null : newest,
    leaf: readings,
    time: { notBeforeS: lower?.timeS ?? null, notBeforeBy: lower?.by ?? null, notAfterS: upperS },
  };
}
