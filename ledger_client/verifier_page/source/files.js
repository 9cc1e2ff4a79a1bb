// The two evidence files, `.wmproof` and `.wmseg`, from bytes to their parts: shapes and sizes only, nothing is judged. Pure.
// Source: docs/ledger-format.md sections 9 and 10.

import { FormatError, Unsupported, isBytes, isHash, lengthOf, same, textOf } from "./bytes.js";
import { decode, isInt, isRow, isUint } from "./cbor.js";
import { parseDisclosure } from "./disclosure.js";
import { BODY_SIZE_MAX, ENTRY_SIZE_MAX } from "./entry.js";
import { sha256 } from "./hash.js";
import { inflate } from "./inflate.js";
import { PATH_MAX } from "./merkle.js";
import { NOTE_SIZE_MAX, RECEIPT_SIZE_MAX } from "./note.js";

export const PROOF_SIZE_MAX = 1 << 20;
/** A browser holds a file several times over while it reads it; beyond this the Python verifier is the tool. */
const RANGE_SIZE_HERE_MAX = 64 << 20;
const RANGE_SIZE_MAX = 256 << 20;
const ROTATIONS_MAX = 64;
const VALUES_LEAST = 4_096;
const MAGIC_SIZE = 8;
const SUM_SIZE = 32;

/** "proof", "range", or null for a file of others, told apart by the first eight bytes. */
export function subjectOf(data) {
  const magic = textOf(data.subarray(0, MAGIC_SIZE));
  return magic === "WMPROOF1" ? "proof" : magic === "WMRANGE1" ? "range" : null;
}

export async function parseProofFile(data) {
  return parseProofBundle(await inflate(unseal(data, PROOF_SIZE_MAX, "proof"), PROOF_SIZE_MAX, "proof"));
}

/** A proof's bundle, as it stands in a file or in a link. */
export function parseProofBundle(bundle) {
  const row = bundleOf(bundle, 8, PROOF_SIZE_MAX, "proof");
  const [, entry, disclosure, path, note, seen, links, timeMs] = row;
  if (!isEntry(entry) || !isNote(note) || !isReceipt(seen) || !isInt(timeMs)) misshapen("proof");
  return { entry, disclosure: parseDisclosure(disclosure), path: parsePath(path), note, seen, links: parseLinks(links), timeMs };
}

export function parseRangeFile(data) {
  if (data.length > RANGE_SIZE_HERE_MAX && data.length <= RANGE_SIZE_MAX) {
    throw new Unsupported("file_too_long", { what: "range", size: data.length, size_max: RANGE_SIZE_HERE_MAX });
  }
  const row = bundleOf(unseal(data, RANGE_SIZE_MAX, "range"), 10, RANGE_SIZE_MAX, "range");
  const [, firstSeq, entries, bodies, firstPath, lastPath, note, schemaBody, seen, links] = row;
  if (!isUint(firstSeq) || !isRow(entries) || !isRow(bodies) || !entries.length || entries.length !== bodies.length) misshapen("range");
  if (!entries.every(isEntry) || !bodies.every((body) => body === null || isBody(body))) misshapen("range");
  if (!isNote(note) || !isBody(schemaBody) || !isReceipt(seen)) misshapen("range");
  return {
    firstSeq, entries, bodies, firstPath: parsePath(firstPath), lastPath: parsePath(lastPath), note, schemaBody, seen, links: parseLinks(links),
  };
}

/** The payload between the magic and the checksum. The checksum finds damage on the way; it proves nothing. */
function unseal(data, sizeMax, what) {
  if (data.length > sizeMax) throw new FormatError("file_too_long", { what, size: data.length, size_max: sizeMax });
  const end = data.length - SUM_SIZE;
  if (end < MAGIC_SIZE || !same(sha256(data.subarray(0, end)), data.subarray(end))) throw new FormatError("file_damaged", { what });
  return data.subarray(MAGIC_SIZE, end);
}

function bundleOf(payload, fields, sizeMax, what) {
  const row = decode(payload, { sizeMax, what, valuesMax: VALUES_LEAST + Math.floor(payload.length / 32) });
  if (isRow(row) && isUint(row[0]) && row[0] > 1n) throw new Unsupported("bundle_shape", { what });
  if (!isRow(row, fields) || row[0] !== 1n) misshapen(what);
  return row;
}

function misshapen(what) {
  throw new FormatError("bundle_shape", { what });
}

function parsePath(value) {
  if (!isRow(value) || value.length > PATH_MAX || !value.every(isHash)) misshapen("path");
  return value;
}

function parseLinks(value) {
  if (!isRow(value) || value.length > ROTATIONS_MAX) misshapen("key chain");
  return value.map((link) => {
    if (!isRow(link, 2) || !isEntry(link[0])) misshapen("key chain");
    return { entry: link[0], path: parsePath(link[1]) };
  });
}

const isEntry = (value) => isBytes(value) && value.length <= ENTRY_SIZE_MAX;
const isBody = (value) => isBytes(value) && value.length <= BODY_SIZE_MAX;
const isNote = (value) => typeof value === "string" && lengthOf(value) <= NOTE_SIZE_MAX;
const isReceipt = (value) => value === null || (isBytes(value) && value.length <= RECEIPT_SIZE_MAX);
