// Values, times and sizes as people read them. Pure.

import { hex } from "./bytes.js";

/** The fewest digits that name a number: as a binary32 where it is one (most registers are), else as a binary64. */
function shortest(value) {
  if (Number.isFinite(value) && Math.fround(value) === value && !Number.isInteger(value)) {
    for (let digits = 6; digits < 10; digits += 1) {
      const text = String(Number(value.toPrecision(digits)));
      if (Math.fround(Number(text)) === value) return text;
    }
  }
  return Object.is(value, -0) ? "-0" : String(value);
}

export function valueText(value, words) {
  if (value === null) return words.no_value;
  if (typeof value === "number") return shortest(value);
  return value?.nan ? `NaN (${hex(value.nan)})` : String(value);
}

/** A value as a point of a chart; null where it has no height. */
export function heightOf(value) {
  const number = typeof value === "number" || typeof value === "bigint" || typeof value === "boolean" ? Number(value) : NaN;
  return Number.isFinite(number) ? number : null;
}

export const qualityOf = (status) => ["good", "uncertain", "bad", "bad"][Number(status >> 30n) & 3];

/** A wall time in ms (BigInt) as UTC; as a number where no calendar reaches. */
export function moment(ms) {
  if (ms === null || ms === undefined) return "-";
  const date = new Date(Number(ms));
  if (Number.isNaN(date.getTime())) return `${ms} ms`;
  return date.toISOString().replace("T", " ").replace(".000Z", "Z").replace("Z", " UTC");
}

/** The same with its milliseconds always written, for columns. */
export function exactMoment(ms) {
  return moment(ms).replace(/(:\d\d) UTC$/, "$1.000 UTC");
}

export const momentS = (seconds) => moment(seconds === null || seconds === undefined ? null : seconds * 1000n);

/** The same moment where the reader is, with the zone's own name. */
export function localMoment(ms, language) {
  const date = new Date(Number(ms));
  if (ms === null || ms === undefined || Number.isNaN(date.getTime())) return "";
  return new Intl.DateTimeFormat(language, { dateStyle: "medium", timeStyle: "long" }).format(date);
}

/** A span in seconds (BigInt) in the two largest units that it has. */
export function spanText(seconds, words) {
  const units = [["d", 86_400n], ["h", 3_600n], ["min", 60n], ["s", 1n]];
  const parts = [];
  let left = seconds < 0n ? 0n : seconds;
  for (const [name, size] of units) {
    if (left >= size && parts.length < 2) parts.push(`${left / size} ${words[`unit_${name}`]}`);
    left %= size;
  }
  return parts.join(" ") || `0 ${words.unit_s}`;
}

/** Fill the blanks of a text: {name}. */
export function filled(text, params) {
  return text.replace(/\{(\w+)\}/g, (blank, name) => (params[name] === undefined ? blank : String(params[name])));
}
