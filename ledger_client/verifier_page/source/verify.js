// The front door: bytes and a policy in, a report out. Knows no page.
// Source: docs/ledger-format.md.

import { FormatError, Unsupported, same } from "./bytes.js";
import { parseProofBundle, parseProofFile, parseRangeFile, subjectOf } from "./files.js";
import { sha256 } from "./hash.js";
import { unreadable } from "./judge.js";
import { verifyProof } from "./verify_proof.js";
import { verifyRange } from "./verify_range.js";

/** Judge the bytes of a `.wmproof` or a `.wmseg`. Throws FormatError `file_not_ours` for other files; nothing else that a file could cause. */
export async function verifyFile(data, policy, onProgress = null) {
  const subject = subjectOf(data);
  if (!subject) throw new FormatError("file_not_ours", { what: "file" });
  return guarded(subject, async () => {
    await checkOwnHash(data);
    if (subject === "proof") return verifyProof(await parseProofFile(data), policy);
    return verifyRange(parseRangeFile(data), policy, onProgress);
  });
}

/** Judge the bundle of a proof that came in a link. */
export function verifyBundle(bundle, policy) {
  return guarded("proof", async () => verifyProof(parseProofBundle(bundle), policy));
}

async function guarded(subject, judge) {
  try {
    return await judge();
  } catch (error) {
    if (error instanceof FormatError) return unreadable(subject, error);
    // A fault of the page's own is no evidence against anybody.
    return unreadable(subject, new Unsupported("page_fault", { reason: String(error?.message ?? error).slice(0, 200) }));
  }
}

/** Our own SHA-256 against the browser's, over this very file. */
async function checkOwnHash(data) {
  if (!globalThis.crypto?.subtle) return;
  const theirs = new Uint8Array(await crypto.subtle.digest("SHA-256", data));
  if (!same(theirs, sha256(data))) throw new Unsupported("page_fault", { reason: "SHA-256" });
}
