// The bodies of the event entries that judgement, alarms and accounts write: whether they are what their type says. Pure.
// Source: docs/ledger-format.md section 3.2.

import { isBefore } from "./approvals.js";
import { FormatError, isBytes, isHash, lengthOf } from "./bytes.js";
import { decode, isInt, isRow, isText, isUint } from "./cbor.js";

const PREFIX = "https://witnessmark.example/event/";
const ALARM_ROWS_MAX = 500;
const HAPPENINGS = [
  "raised", "cleared", "acked", "reset", "shelved", "unshelved", "shelf_ended", "suppressed", "unsuppressed", "out_of_service", "in_service", "removed",
];
const ALARM_STATES = ["normal", "unacked", "acked", "returned", "latched_unacked", "latched", "shelved", "suppressed", "out_of_service"];
const PRIORITIES = ["advisory", "low", "medium", "high"];
const CELLS_MAX = 4_096n;
const RUNS_MAX = 256;
const DECISION_MAX = 2_048;
const MODEL_STATES = ["off", "learning", "checking", "shadow", "armed", "refused"];
const ACCESS = ["login", "logout", "login_failed", "again_failed", "claim_failed", "ended"];
const LABELS = ["normal", "not_normal", "unsure"];

const isName = (value) => typeof value === "string" && value.length > 0 && lengthOf(value) <= 200;
const isNumber = (value) => typeof value === "number" && Number.isFinite(value);
const orNull = (check) => (value) => value === null || check(value);
const isCount = (value, most = CELLS_MAX) => isUint(value) && value > 0n && value <= most;
const isFlag = (value) => value === 0n || value === 1n;

/** Type -> what its body is after the version, and how many bytes it has at most. */
const READERS = new Map([
  [`${PREFIX}scores`, [isScores, 64 << 10]],
  [`${PREFIX}finding`, [isFinding, 64 << 10]],
  [`${PREFIX}model`, [isModel, 64 << 10]],
  [`${PREFIX}label`, [isLabel, 64 << 10]],
  [`${PREFIX}alarms`, [isAlarms, 512 << 10]],
  [`${PREFIX}access`, [isAccess, 4 << 10]],
]);

/** Whether this page can read events of a type and version. */
export const isKnownEvent = (type, version) => READERS.has(type) && version === 1n;

/** Throw FormatError unless the body of a known event is what its type says. */
export function checkEvent(type, version, body) {
  if (!isKnownEvent(type, version)) return;
  const [isBody, sizeMax] = READERS.get(type);
  const row = decode(body, { sizeMax, what: "event body" });
  if (!isRow(row) || row[0] !== 1n || !isBody(row.slice(1))) throw new FormatError("event_body_invalid", { type });
}

function isScores(row) {
  if (row.length !== 12) return false;
  const [name, model, manifest, first, last, grid, runs, scores, cells, windows, decision, skipped] = row;
  const lists = [runs, scores, decision, skipped].every((each) => isRow(each)) && isBytes(cells);
  const heads = isName(name) && [model, manifest, windows].every(isHash) && isUint(first) && isUint(last) && first <= last + 1n;
  if (!lists || !heads || !isUint(grid) || grid < 1n || grid > 86_400_000n) return false;
  const states = decision.length <= DECISION_MAX && decision.every((each) => typeof each === "bigint" && each >= -(1n << 63n) && each < 1n << 64n);
  const several = runs.length <= RUNS_MAX && skipped.length <= RUNS_MAX && runs.length + skipped.length > 0;
  const paired = runs.every((run) => isRow(run, 2) && isInt(run[0]) && isCount(run[1]));
  const passed = skipped.every((each) => isRow(each, 3) && isInt(each[0]) && isCount(each[1], 1n << 40n) && isText(each[2]));
  return states && several && paired && passed && areCells(runs, scores, cells);
}

function areCells(runs, scores, cells) {
  const total = runs.reduce((sum, [, count]) => sum + count, 0n);
  if (total !== BigInt(scores.length) || scores.length !== cells.length || total > CELLS_MAX) return false;
  let after = null;
  for (const [start, count] of runs) {
    if (after !== null && start < after) return false;
    after = start + count;
  }
  return scores.every((score, i) => {
    const reason = cells[i] & 0x7f;
    return reason <= 4 && (score === null) === (reason !== 0) && orNull(isNumber)(score);
  });
}

function isFinding(row) {
  if (row.length !== 11) return false;
  const [name, manifest, rule, tag, atMs, phase, armed, score, threshold, tags, evidence] = row;
  const heads = isName(name) && isHash(manifest) && isName(rule) && isText(tag) && isInt(atMs) && isFlag(phase) && isFlag(armed);
  const numbers = orNull(isNumber)(score) && orNull(isNumber)(threshold);
  return heads && numbers && isRow(tags) && tags.length <= 16 && tags.every(isContribution) && arePairs(evidence);
}

const isContribution = (row) => isRow(row, 5) && isName(row[0]) && isNumber(row[1]) && row.slice(2).every(orNull(isNumber));

function isModel(row) {
  if (row.length !== 7) return false;
  const [name, state, code, manifest, model, params, act] = row;
  const heads = isName(name) && MODEL_STATES.includes(state) && isName(code) && orNull(isHash)(manifest) && orNull(isHash)(model);
  return heads && arePairs(params) && (act === null || (isBytes(act) && act.length === 16));
}

function isLabel(row) {
  if (row.length !== 7) return false;
  const [name, manifest, seq, fromMs, toMs, label, by] = row;
  const heads = isName(name) && orNull(isHash)(manifest) && orNull(isUint)(seq);
  return heads && isInt(fromMs) && isInt(toMs) && fromMs <= toMs && LABELS.includes(label) && isText(by);
}

function isAlarms(row) {
  const [lost, rows] = row;
  return row.length === 2 && isUint(lost) && isRow(rows) && rows.length <= ALARM_ROWS_MAX && (rows.length || lost) && rows.every(isAlarm);
}

function isAlarm(row) {
  if (!isRow(row, 13)) return false;
  const [name, what, before, after, atMs, hidden, priority, value, limit, by, note, until, act] = row;
  const heads = isName(name) && HAPPENINGS.includes(what) && ALARM_STATES.includes(before) && ALARM_STATES.includes(after) && isInt(atMs);
  const plain = isFlag(hidden) && PRIORITIES.includes(priority) && isPlain(value) && isPlain(limit) && isText(by) && isText(note);
  return heads && plain && orNull(isInt)(until) && (act === null || (isBytes(act) && act.length === 16));
}

function isAccess(row) {
  if (row.length !== 8) return false;
  const [what, name, session, source, face, count, fromMs, toMs] = row;
  const texts = ACCESS.includes(what) && [name, session, source, face].every(isText);
  return texts && isUint(count) && count > 0n && isInt(fromMs) && isInt(toMs) && fromMs <= toMs;
}

/** Names and plain values, ascending by name as Unicode counts it. */
function arePairs(rows) {
  if (!isRow(rows) || rows.length > 64) return false;
  return rows.every((row, place) => {
    if (!isRow(row, 2) || !isName(row[0]) || !isPlain(row[1])) return false;
    return place === 0 || isBefore(rows[place - 1][0], row[0]);
  });
}

function isPlain(value) {
  if (isBytes(value)) return value.length <= 64;
  return value === null || typeof value === "boolean" || isInt(value) || isNumber(value) || isText(value);
}
