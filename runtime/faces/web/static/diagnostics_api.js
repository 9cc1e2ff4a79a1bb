// What the parts of the diagnostics page share.

import { language } from "/static/words.js";

export const api = "/api/v1/diagnostics";
const UNITS = ["B", "kB", "MB", "GB", "TB"];

// Bytes as people read them, by thousands.
export function size(bytes) {
  if (bytes === null || bytes === undefined || Number.isNaN(bytes)) return "—";
  let at = 0, n = bytes;
  while (n >= 1000 && at < UNITS.length - 1) { n /= 1000; at += 1; }
  return `${n.toLocaleString(language, { maximumFractionDigits: at && n < 100 ? 1 : 0 })} ${UNITS[at]}`;
}
