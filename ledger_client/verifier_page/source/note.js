// C2SP signed notes, checkpoints and receipts. A signature by a key we do not know is passed over; one by a key we know must hold,
// or the whole note is refused. Pure but for the signatures.
// Sources: C2SP signed-note 1.0.0, tlog-checkpoint 1.0.0, tlog-cosignature 1.0.1; docs/ledger-format.md sections 6, 7.

import { FormatError, Unsupported, base64, bigOf, concat, fromBase64, hex, isBytes, isHash, lengthOf, same, textOf, u64, utf8 } from "./bytes.js";
import { decode, encode, isInt, isRow, isUint } from "./cbor.js";
import { sha256 } from "./hash.js";
import { ED25519, fromDer, keyFromSpki, publicKey } from "./signatures.js";

export const TYPE_ED25519 = 1;
export const TYPE_ECDSA = 2;
export const TYPE_COSIGNATURE = 4;
export const NOTE_SIZE_MAX = 64_000;
export const RECEIPT_SIZE_MAX = NOTE_SIZE_MAX + 1_024;
const SIGNATURES_MAX = 64;
const SIZE_MAX = (1n << 63n) - 1n;
const AKIND_TLOG = 1n;

// ------------------------------------------------------------------------------------------------------------ keys
/** A named key: { name, type, id (4 bytes), key }. */
export function noteKey(name, type, key) {
  checkName(name);
  const named = type === TYPE_ECDSA ? key.spki() : concat(utf8(name), Uint8Array.of(0x0a, type), key.raw);
  return { name, type, id: sha256(named).slice(0, 4), key };
}

/** The key under which a gateway signs its checkpoints. */
export const deviceNoteKey = (origin, key) => noteKey(origin, key.alg === ED25519 ? TYPE_ED25519 : TYPE_ECDSA, key);

/** Read `name+hex id+base64(type || key)`. */
export function parseVkey(text) {
  const [name, id, ...rest] = text.split("+");
  const refuse = () => {
    throw new FormatError("vkey_invalid", { vkey: text.slice(0, 80) });
  };
  if (!rest.length || id.length !== 8) refuse();
  const body = fromBase64(rest.join("+"), "vkey");
  const type = body[0];
  let key = null;
  if (type === TYPE_ECDSA) key = keyFromSpki(body.subarray(1));
  else if (body.length === 33 && (type === TYPE_ED25519 || type === TYPE_COSIGNATURE)) key = publicKey(ED25519, body.subarray(1));
  else refuse();
  const found = noteKey(name, type, key);
  if (hex(found.id) !== id) refuse();
  return found;
}

/** The text form of a named key. */
export function vkeyOf({ name, type, id, key }) {
  return `${name}+${hex(id)}+${base64(concat(Uint8Array.of(type), key.alg === ED25519 ? key.raw : key.spki()))}`;
}

function checkName(name) {
  // White space as Unicode has it, and the four separators and the line breaks that Python counts as such beside it.
  const white = /[\s\u001c-\u001f\u0085]/u;
  if (!name || name.includes("+") || white.test(name.replaceAll("\ufeff", "")) || lengthOf(name) > 255) {
    throw new FormatError("note_name_invalid", { name: name.slice(0, 80) });
  }
}

// ------------------------------------------------------------------------------------------------------------ notes
/** Split a note into { text, signatures: [{ name, id, signature }] }; nothing is verified yet. */
export function parseNote(text) {
  const refuse = (reason) => {
    throw new FormatError("note_invalid", { reason });
  };
  if (utf8(text).length > NOTE_SIZE_MAX || /[\x00-\x09\x0b-\x1f]/.test(text)) refuse("size or control characters");
  const gap = text.lastIndexOf("\n\n");
  const tail = text.slice(gap + 2);
  if (gap < 1 || !tail.endsWith("\n")) refuse("no signature block");
  const lines = tail.slice(0, -1).split("\n");
  if (lines.length > SIGNATURES_MAX) refuse("too many signatures");
  return { text: text.slice(0, gap + 1), signatures: lines.map((line) => parseSignatureLine(line, refuse)) };
}

function parseSignatureLine(line, refuse) {
  const space = line.indexOf(" ", 2);
  if (!line.startsWith("\u2014 ") || space < 0) refuse("signature line");
  const name = line.slice(2, space);
  checkName(name);
  const raw = fromBase64(line.slice(space + 1), "note signature");
  if (raw.length < 5) refuse("signature line");
  return { name, id: raw.slice(0, 4), signature: raw.slice(4) };
}

/** The known keys that signed: [{ key, timeS }] in the note's order; timeS (BigInt) is null for a log's signature. */
export async function verifiedBy(note, keys) {
  const found = [];
  for (const line of note.signatures) {
    const key = keys.findLast((each) => each.name === line.name && same(each.id, line.id));
    if (!key) continue;
    if (found.some((each) => each.key === key)) throw new FormatError("note_signed_twice", { name: key.name });
    found.push({ key, timeS: await checkSignature(note.text, line, key) });
  }
  return found;
}

async function checkSignature(text, line, key) {
  const refuse = () => {
    throw new FormatError("note_signature_invalid", { name: key.name });
  };
  if (key.type !== TYPE_COSIGNATURE) {
    const signature = key.type === TYPE_ECDSA ? fromDer(line.signature) : line.signature;
    if (!(await key.key.verify(signature, utf8(text)))) refuse();
    return null;
  }
  if (line.signature.length !== 72) refuse();
  const timeS = bigOf(line.signature.subarray(0, 8));
  if (timeS <= 0n || timeS >= 1n << 62n) refuse();
  if (!(await key.key.verify(line.signature.subarray(8), utf8(`cosignature/v1\ntime ${timeS}\n${text}`)))) refuse();
  return timeS;
}

/** Read a checkpoint's text: { origin, size, root }. */
export function parseCheckpoint(text) {
  const refuse = (reason) => {
    throw new FormatError("checkpoint_invalid", { reason });
  };
  const lines = text.split("\n");
  if (lines.length !== 4 || lines[3]) refuse("lines");
  checkName(lines[0]);
  if (!/^(?:0|[1-9][0-9]{0,18})$/.test(lines[1])) refuse("size");
  const size = BigInt(lines[1]);
  const root = fromBase64(lines[2], "checkpoint root");
  if (size > SIZE_MAX || root.length !== 32) refuse("size or root");
  return { origin: lines[0], size, root };
}

// ------------------------------------------------------------------------------------------------------------ receipts
/** Read a receipt strictly; its evidence is not judged. */
export function parseReceipt(raw) {
  const row = decode(raw, { sizeMax: RECEIPT_SIZE_MAX, what: "receipt" });
  const refuse = () => {
    throw new FormatError("receipt_invalid", { reason: "shape" });
  };
  if (!isRow(row, 7)) refuse();
  const [version, akind, anchorId, size, root, evidence, gotWallMs] = row;
  if (isUint(version) && version !== 1n) throw new Unsupported("receipt_invalid", { reason: "shape" });
  const named = isUint(version) && isUint(akind) && typeof anchorId === "string" && anchorId && lengthOf(anchorId) <= 255;
  if (!named || !isUint(size) || !isHash(root) || !isBytes(evidence) || !isInt(gotWallMs)) refuse();
  return { akind, anchorId, size, root, evidence, hash: sha256(raw), isTlog: akind === AKIND_TLOG };
}

/** The evidence of a tlog receipt: { note, checkpoint }. */
export function noteOfReceipt(receipt) {
  const text = textOf(receipt.evidence);
  if (text === null) throw new FormatError("receipt_invalid", { reason: "evidence is not text" });
  const note = parseNote(text);
  const checkpoint = parseCheckpoint(note.text);
  if (checkpoint.size !== receipt.size || !same(checkpoint.root, receipt.root)) {
    throw new FormatError("receipt_invalid", { reason: "evidence is of another tree" });
  }
  return { note, checkpoint };
}

/** Read a receipts body and hold it against its entry's detail. */
export function parseReceipts(body, detail, sizeMax) {
  const refuse = (reason) => {
    throw new FormatError("receipts_invalid", { reason });
  };
  const value = decode(body, { sizeMax, what: "receipts body" });
  if (!isRow(value, 2) || value[0] !== 1n || !isRow(value[1]) || !value[1].length || !value[1].every(isBytes)) refuse("shape");
  const receipts = value[1].map(parseReceipt);
  const rows = receipts.map((each) => [each.anchorId, each.size, each.root, each.hash]);
  if (!same(encode(rows), encode(detail[2]))) refuse("rows");
  if (detail[0] !== BigInt(body.length) || !same(detail[1], sha256(body))) refuse("body hash");
  return receipts;
}
