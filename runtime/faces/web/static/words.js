// The texts of the page's language, and how values, ages and times are written. Every text on every page comes from here or from the server.

const { lang, mark } = document.body.dataset;
export const language = lang;
const words = await (await fetch(`/api/v1/words?lang=${lang}&v=${mark}`)).json();

export function word(code, params = {}) {
  const text = words[code];
  if (text === undefined) return code;
  return text.replace(/\{(\w+)\}/g, (blank, name) => (name in params ? params[name] : blank));
}

// `tag` is a row of the feed: [uid, "device/tag", device, unit, type, exponent, group, period_ms, writable, asset].
export function showValue(value, tag) {
  if (value === null || value === undefined) return "—";
  if (typeof value === "boolean") return value ? "1" : "0";
  const exponent = tag?.[5];
  if (typeof value === "number" && !Number.isInteger(value)) {
    return Number.isInteger(exponent) && exponent <= 0 && exponent >= -9 ? value.toFixed(-exponent) : String(Number(value.toPrecision(6)));
  }
  if (typeof value === "number" && Number.isInteger(exponent) && exponent < 0) return value.toFixed(-exponent);
  return String(value);
}

export function showAge(ms) {
  if (ms === null || ms === undefined) return "—";
  const s = Math.max(0, ms / 1000);
  if (s < 10) return `${s.toFixed(1)} s`;
  if (s < 120) return `${s.toFixed(0)} s`;
  if (s < 7200) return `${(s / 60).toFixed(0)} min`;
  return s < 172800 ? `${(s / 3600).toFixed(0)} h` : `${(s / 86400).toFixed(0)} d`;
}

export const count = (n) => (n === null || n === undefined ? "—" : Number(n).toLocaleString(lang));
export const quality = (status) => Math.min(status >>> 30, 2);
export const causeOf = (thing) => (thing?.cause ? word(thing.cause, thing.params ?? {}) : "");

// A moment as people read it: the day with its month in letters (26 Nov 2026, never 11/26), 24 hours, in the person's time zone (the site's,
// as they chose it) or else this browser's; the zone is named.
const PARTS = { timeZoneName: "short", year: "numeric", month: "short", day: "numeric", hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" };
function moments(zone) {
  try {
    return new Intl.DateTimeFormat(lang === "en" ? "en-GB" : lang, { ...PARTS, timeZone: zone });
  } catch {
    return moments(undefined); // a zone that this browser does not know
  }
}
const MOMENTS = moments(document.body.dataset.zone || undefined);
export const moment = (ms) => MOMENTS.format(ms);

// Writes `<time data-ms>` so, with the exact moment on hover.
export function localTimes(root) {
  for (const time of root.querySelectorAll("time[data-ms]")) {
    const at = new Date(Number(time.dataset.ms));
    if (Number.isNaN(at.getTime())) continue; // no calendar reaches it: the server's text stays
    time.title = time.dateTime = at.toISOString();
    time.textContent = moment(at);
  }
}
