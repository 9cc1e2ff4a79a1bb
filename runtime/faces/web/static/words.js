// The texts of the page's language, and how values, ages and times are written. Every text on every page comes from here or from the server.

const { lang, mark } = document.body.dataset;
export const language = lang;
const words = await (await fetch(`/api/v1/words?lang=${lang}&v=${mark}`)).json();

// One thing is not several: where the blank `count` or `n` is filled with 1, the text of `CODE.one` stands instead, if there is one; where
// `because` names a reason, that of `CODE.REASON`. A number in the blank `code` that is a status of OPC UA is said by its name.
export function word(code, params = {}) {
  const text = words[`${code}.${params.because}`] ?? (String(params.count ?? params.n) === "1" ? words[`${code}.one`] : undefined) ?? words[code];
  if (text === undefined) return code;
  const filled = text.replace(/\s*[(（][^()（）]*\{\w+\}[^()（）]*[)）]/g, (aside) => ([...aside.matchAll(/\{(\w+)\}/g)].every(([, name]) => name in params) ? aside : "")); // brackets around a blank that nobody filled are left out
  return filled.replace(/\{(\w+)\}/g, (blank, name) => (name in params ? (name === "code" ? codeOf(params.code) : params[name]) : blank));
}
const codeOf = (code) => (typeof code === "number" && code >= 2 ** 30 ? statusName(code) : code);

// A code's phrase where its parameters were not kept, as in a gap: the same as sort_of of the server.
export const sortOf = (code) => (words[`${code}.sort`] ?? words[code] ?? code).replace(/\s*[(（][^()（）]*\{\w+\}[^()（）]*[)）]/g, "").replace(/\{\w+\}/g, "…").replace(/[.。]$/, "");

// `tag` is a row of the feed: [uid, "device/tag", device, unit, type, exponent, group, period_ms, writable, asset].
export function showValue(value, tag) {
  if (value === null || value === undefined) return "—";
  if (typeof value === "boolean" || (tag?.[4] === "bool" && (value === 0 || value === 1))) return word(value ? "value.yes" : "value.no");
  const exponent = tag?.[5];
  if (typeof value === "number" && !Number.isInteger(value)) {
    return Number.isInteger(exponent) && exponent <= 0 && exponent >= -9 ? value.toFixed(-exponent) : String(Number(value.toPrecision(6)));
  }
  if (typeof value === "number" && Number.isInteger(exponent) && exponent < 0) return value.toFixed(-exponent);
  return String(value);
}

// The sign that people know for a unit's UCUM code (`Cel` is °C); what has none stays as it is.
export const unitSign = (code) => words[`unit.${code}`] ?? code ?? "";

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
// As `short` of alarm_words has it.
export const short = (value) => (typeof value === "number" ? String(Number(value.toPrecision(6))) : typeof value === "boolean" ? showValue(value) : String(value));
// What an alarm's condition says, and its state; the same as alarm_lines.about_text and state_text of the server.
export const alarmAbout = (row) => word(`alarm.condition.${row.condition}`, { about: row.tag || row.device || row.model || "", limit: short(row.limit), unit: unitSign(row.unit) }).trim();
export const alarmState = (row) => word(row.priority === "advisory" && row.state === "acked" ? "alarm.state.advisory" : `alarm.state.${row.state}`);
// Whom a record of `face session` names, and who approved it; why, where the gateway said it to itself: the same as page_reader.doer and why of the server.
const SECOND = ", approved by ", SELF = ", SELF-APPROVED", SESSION = / \((?:session|token) t?[0-9a-f]+\)/, CONSOLE = /^(?:cli )?uid (\d+)$/;
const DOOR = /^(claim code|ldap|oidc) from (.*)$/s, OURSELVES = ["file", "network", "alarms"];
const REASONS = {
  "first start": "first_start", "edited by hand": "edited", "the demo moved its ports": "demo", test: "test",
  "nobody confirmed it": "unconfirmed", alarms: "alarms", "first admin": "first_admin", "signed in": "signed_in",
};
const isOwn = (actor) => OURSELVES.includes(actor) || (DOOR.test(actor) && !SESSION.test(actor));
function whoOf(text) {
  if (text.endsWith(SELF)) return word("who.self", { who: whoOf(text.slice(0, -SELF.length)) });
  const console = CONSOLE.exec(text), door = SESSION.test(text) ? null : DOOR.exec(text);
  if (console) return word(Number(console[1]) === 0 ? "who.console.root" : "who.console", { uid: console[1] });
  if (door) return word(door[1] === "claim code" ? "who.claim" : `who.${door[1]}`, { source: door[2] });
  return OURSELVES.includes(text) ? word(`who.${text}`) : text.replace(new RegExp(SESSION, "g"), "");
}
export function personOf(record) {
  const [first, ...more] = (record ?? "").split(SECOND);
  const who = whoOf(SESSION.test(first) ? first.replace(/^(?:web|cli) /, "") : first);
  return more.length ? word("who.approved", { who, second: whoOf(more.join(SECOND)) }) : who;
}
export const whyOf = (reason, actor) => (isOwn(actor) && Object.hasOwn(REASONS, reason) ? word(`why.${REASONS[reason]}`) : reason);
// What an OPC UA status means, by its number: its name with its sentence; "" for good. A code without a name is its number. As status_words of the server.
export const statusSentence = (status) => words[`status.${words[`status.${status}`]}`] ?? "";
const saidOf = (name) => (words[`status.${name}`] ? `${name}: ${words[`status.${name}`]}` : name);
const statusName = (status) => words[`status.${status}`] ?? `0x${status.toString(16).toUpperCase().padStart(8, "0")}`;
export const statusSaid = (status) => (quality(status) === 0 ? "" : saidOf(statusName(status)));
export const NONE_READ = "device_none_read"; // of a device that answers and gives no tag a value
export const stateOf = (thing) => (thing.cause === NONE_READ ? "none_read" : thing.state);
export const causeOf = (thing) => (thing?.cause ? [word(thing.cause, thing.params ?? {}), ...(thing.params?.statuses ?? "").split(" ").filter(Boolean).map(saidOf)].join(" — ") : "");

// Times are the site's ([gateway] zone), whoever looks and from wherever; where none is configured the person's own, and else this browser's. Every page
// says once which it is. A moment as people read it has the day with its month in letters (26 Nov 2026, never 11/26) and 24 hours.
const LOCALE = lang === "en" ? "en-GB" : lang;
const known = (name) => { try { new Intl.DateTimeFormat("en", { timeZone: name }); return true; } catch { return false; } };
export const zone = [document.body.dataset.zone, Intl.DateTimeFormat().resolvedOptions().timeZone].find((each) => each && known(each)) ?? "UTC";
const DAY = { year: "numeric", month: "short", day: "numeric" }, CLOCK = { hour: "2-digit", minute: "2-digit", second: "2-digit" };
const MOMENTS = writer({ ...DAY, ...CLOCK }), OFFSETS = new Intl.DateTimeFormat("en", { timeZone: zone, timeZoneName: "longOffset" });

// Returns a function that writes ms since 1970 with these parts of Intl.DateTimeFormat, in the site's zone and 24 hours.
export function writer(parts) {
  const made = new Intl.DateTimeFormat(LOCALE, { ...parts, hourCycle: "h23", timeZone: zone });
  return (ms) => made.format(ms);
}
export const moment = MOMENTS;
export const timeOfDay = writer(CLOCK);

// The zone's distance from UTC at a moment: "+08:00".
export const offsetAt = (ms) => OFFSETS.formatToParts(ms).find((part) => part.type === "timeZoneName").value.replace("GMT", "") || "+00:00";
export const offsetMs = (ms) => { const [, sign, hours, minutes] = /([+-])(\d+):(\d+)/.exec(offsetAt(ms)); return Number(`${sign}1`) * (hours * 60 + Number(minutes)) * 60000; };
export const isoOf = (ms) => new Date(Number(ms) + offsetMs(Number(ms))).toISOString().replace("Z", offsetAt(Number(ms)));

// Writes `<time data-ms>` so, with the exact moment and its offset on hover; with `data-zoned` the offset stands beside it (what is printed goes elsewhere).
export function localTimes(root) {
  for (const time of root.querySelectorAll("time[data-ms]")) {
    const ms = Number(time.dataset.ms);
    if (Number.isNaN(new Date(ms).getTime()) || Math.abs(ms) > 8.6e15) continue; // no calendar reaches it: the server's text stays
    time.title = time.dateTime = isoOf(ms);
    time.textContent = moment(ms) + ("zoned" in time.dataset ? ` (UTC${offsetAt(ms)})` : "");
  }
}
