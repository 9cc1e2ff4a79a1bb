// What a verification says: one claim each for altered, dropped, reordered and the rest; never one yes or no. Pure.
// Source: docs/ledger-format.md section 12.

import { Unsupported } from "./bytes.js";

export const CLAIMS = ["altered", "dropped", "reordered", "back_dated", "withheld", "unanchored", "equivocated", "content"];
/** The claim whose `unknown` leaves the verdict alone. */
const QUALIFIER = "content";
const FINDINGS_KEPT = 50;

/** Collects findings; the worst status of a claim wins, and the first finding of that status names it. */
export class Judge {
  constructor() {
    /** Something counts that this page cannot read: then the verdict is not `holds`, whatever claim it stands under. */
    this.beyond = false;
    this.found = new Map(CLAIMS.map((name) => [name, { status: "holds", first: null, findings: [], count: 0 }]));
  }

  fails(claim, code, seq = null, params = {}) {
    this.note(claim, "fails", { code, seq, params });
  }

  unknown(claim, code, seq = null, params = {}) {
    this.note(claim, "unknown", { code, seq, params });
  }

  /** Note an error against a claim: what cannot be judged here is unknown, and no breach. */
  breaks(claim, error, seq = null) {
    this.beyond ||= error instanceof Unsupported;
    this.note(claim, error instanceof Unsupported ? "unknown" : "fails", { code: error.code, seq, params: error.params });
  }

  status(claim) {
    return this.found.get(claim).status;
  }

  /** Where `altered` does not hold, what would follow from it is not known either. */
  dependOnAltered() {
    if (this.status("altered") === "holds") return;
    for (const claim of CLAIMS.slice(1)) this.unknown(claim, "depends_on_altered");
  }

  /** All claims; `holds` gives the code and the params of those that nothing was found against. */
  claims(holds) {
    const out = {};
    for (const [name, { status, first, findings, count }] of this.found) {
      const [code, params] = holds[name] ?? ["", {}];
      out[name] = first ? { status, ...worded(first), findings: findings.map(worded), count } : { status, code, params, findings, count };
    }
    return out;
  }

  note(claim, status, finding) {
    const known = this.found.get(claim);
    known.count += 1;
    if (known.findings.length < FINDINGS_KEPT) known.findings.push(finding);
    if (known.status === "fails" || known.status === status) return;
    known.status = status;
    known.first = finding;
  }
}

const worded = ({ code, seq, params }) => ({ code, params: seq === null ? params : { seq, ...params } });

/** The end of a verification: { subject, claims, verdict, independent, facts }. */
export function reportOf(subject, judge, holds, independent, facts) {
  const claims = judge.claims(holds);
  const statuses = Object.entries(claims);
  const fails = statuses.some(([, claim]) => claim.status === "fails");
  const unknown = judge.beyond || statuses.some(([name, claim]) => claim.status === "unknown" && name !== QUALIFIER);
  return { subject, claims, verdict: fails ? "fails" : unknown ? "cannot tell" : "holds", independent, facts };
}

/** The report on bytes that could not be read, or that this page cannot judge. */
export function unreadable(subject, error) {
  const judge = new Judge();
  judge.breaks("altered", error);
  judge.dependOnAltered();
  return reportOf(subject, judge, {}, "unknown", {});
}
