// A proof in the fragment of an address: what a QR code carries. Digits, because a QR code packs those almost as tightly as bytes.
// Source: docs/ledger-format.md section 13.

import { FormatError, Unsupported, concat, fromHex, isBytes } from "./bytes.js";
import { decode, isRow, isUint } from "./cbor.js";
import { PROOF_SIZE_MAX } from "./files.js";
import { inflate } from "./inflate.js";

const MARK = "wm1.";
const GROUP_BYTES = 12;
const GROUP_DIGITS = 29;
const DIGITS_MAX = 3_000_000;
/** How many digits n bytes take: as many as 256^n - 1 has. */
const DIGITS_OF = Array.from({ length: GROUP_BYTES + 1 }, (_, n) => (n ? String(256n ** BigInt(n) - 1n).length : 0));

export const isLink = (fragment) => fragment.startsWith(MARK);

/** { bundle: bytes, policy: text or null } of a fragment (without its #). Throws FormatError `link_invalid`. */
export async function parseLink(fragment) {
  const packed = bytesOf(fragment.slice(MARK.length));
  const row = decode(await inflate(packed, PROOF_SIZE_MAX, "link"), { sizeMax: PROOF_SIZE_MAX, what: "link" });
  if (isRow(row) && isUint(row[0]) && row[0] > 1n) throw new Unsupported("link_invalid", { reason: "version" });
  if (!isRow(row, 3) || row[0] !== 1n || !isBytes(row[1]) || !(row[2] === null || typeof row[2] === "string")) refuse("shape");
  return { bundle: row[1], policy: row[2] };
}

function bytesOf(digits) {
  if (!/^[0-9]+$/.test(digits) || digits.length > DIGITS_MAX) refuse("digits");
  const parts = [];
  for (let at = 0; at < digits.length; at += GROUP_DIGITS) {
    const group = digits.slice(at, at + GROUP_DIGITS);
    const size = DIGITS_OF.indexOf(group.length);
    const text = BigInt(group).toString(16).padStart(2 * size, "0");
    if (size < 1 || text.length !== 2 * size) refuse("digits");
    parts.push(fromHex(text));
  }
  return concat(...parts);
}

function refuse(reason) {
  throw new FormatError("link_invalid", { reason });
}
