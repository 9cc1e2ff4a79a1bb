// The frame of every page: the one sentence on top and the alarm banner kept true, the theme, local times, and a fresh copy of the page after an upgrade.

import { effect, signal } from "/static/vendor/preact.js";
import { abnormal, alarms, health, link, loginAt, now, oldMs, silentMs, tags, values } from "/static/live.js";
import { causeOf, localTimes, moment, offsetAt, quality, showAge, word, zone } from "/static/words.js";

const box = document.getElementById("sentence");
let isDrawn = false; // until then the sentence of the server stands, which knew more than the first answers of the stream

// Says the worst first, with the same words as the server (pages.sentence); null: nothing better than what stands there.
function sentence() {
  if (link.value === "starting") return null;
  if (link.value === "out") return ["alarm", word("session_gone")];
  if (link.value === "silent") return ["alarm", word("web.sentence.silent", { age: showAge(1000 * Math.round(silentMs.value / 1000)) })];
  if (link.value === "away") return ["alarm", oldMs.value ? word("web.sentence.away_for", { age: showAge(oldMs.value) }) : word("web.sentence.away")];
  const told = health.value, all = tags.value;
  if (told.evidence?.state === "stopped") return ["alarm", `${word("web.sentence.stopped")}${told.evidence.cause ? ` — ${causeOf(told.evidence)}` : ""}`];
  if (told.ledger?.state === "quarantined") return ["alarm", `${word("web.sentence.quarantined")}. ${told.ledger.todo ? word(told.ledger.todo, told.ledger.params ?? {}) : ""}`];
  if (told.devices?.length === 0) return ["ok", word("web.sentence.empty")];
  if (!told.now_ms || !all.size) return isDrawn ? ["ok", word("web.sentence.starting")] : null;
  let bad = 0;
  for (const uid of all.keys()) { const row = values(uid).peek(); if (row === null || quality(row[2]) === 2) bad += 1; }
  let text = word("web.sentence.recording", { good: all.size - bad, total: all.size });
  if (bad) text += word("web.comma") + word("web.sentence.bad", { bad });
  if (abnormal.value.length) text += word("web.semicolon") + word("web.sentence.abnormal", { models: abnormal.value.join(", ") });
  return [bad || abnormal.value.length ? "warn" : "ok", text];
}

const isLost = () => link.value !== "ok" && link.value !== "starting";
const once = document.querySelector("[data-once]"); // this page was made once: "away" where the core did not answer it
// What it says may have changed since: the core was lost, then or while it is open.
const isOfBefore = signal(once !== null && (once.dataset.once === "away" || document.body.classList.contains("unheard")));
const isOld = () => isLost() || isOfBefore.value;

if (box) {
  effect(() => {
    const found = sentence();
    document.body.classList.toggle("unheard", isOld());
    if (!found) return;
    isDrawn = true;
    box.className = `sentence ${found[0]}`;
    const words = box.querySelector(".words");
    if (words.textContent !== found[1]) words.textContent = found[1];
    if (link.value === "out" && !box.querySelector("a")) box.append(Object.assign(document.createElement("a"), { className: "button", href: loginAt(), textContent: word("web.login") }));
  });
}

const written = new Set(); // fields that a person changed
function remember(field) {
  for (const each of written) if (!each.isConnected) written.delete(each); // a dialog that went
  written.add(field);
}
for (const event of ["input", "change"]) {
  addEventListener(event, ({ target, isTrusted }) => { if (isTrusted && target.matches("input:not([type=search], [role=search] *), textarea")) remember(target); }, true);
}

const took = new Map(); // what said that there is nothing -> its words, which hold again once the core is heard
const ENDS_SEEN_MS = 60000; // a stream asks every 30 s (stream.CHECK_S) whether its session has ended, as a restart ends all
let wasLost = false, forgetting = null;
effect(() => {
  if (link.value === "away" || link.value === "silent") {
    wasLost = true;
    clearTimeout(forgetting);
    forgetting = null;
  }
  if (once && wasLost) isOfBefore.value = true;
  if (link.value === "out" && (wasLost || isOfBefore.value) && !isWritten()) return void location.replace(loginAt()); // a restart ends every session
  if (link.value === "ok" && wasLost) forgetting ??= setTimeout(() => { wasLost = false; forgetting = null; }, ENDS_SEEN_MS); // what ends later is of no restart
  if (isOfBefore.value && link.value === "ok") return void location.reload(); // nobody can write on it
  if (!isLost()) {
    for (const [each, was] of took) each.textContent = was;
    return void took.clear();
  }
  for (const each of document.querySelectorAll("[data-none]")) if (!took.has(each)) { took.set(each, each.textContent); each.textContent = word("web.unheard"); }
});
let outAt = ""; // when the core was last heard before the session ended
function oldText() {
  if (isOfBefore.value && (link.value === "ok" || link.value === "out")) return word("web.old.again");
  if (link.value !== "out") return oldMs.value ? word("web.old", { age: showAge(oldMs.value) }) : null;
  outAt ||= moment((now.peek() ?? Date.now()) - oldMs.peek());
  return word("web.old.out", { time: outAt });
}
effect(() => { // how old a page is that nobody renews, and the banner
  const age = word("alarm.banner.old", { age: showAge(oldMs.value) }); // asked for at once, also while there is no note: what the banner says grows as well
  for (const each of document.querySelectorAll(".old-note")) {
    each.hidden = !isOld();
    each.lastElementChild.textContent = oldText() ?? each.lastElementChild.textContent;
  }
  for (const each of document.querySelectorAll(".old-age")) each.textContent = age;
});

const readOnly = document.getElementById("read-only");
if (readOnly) {
  effect(() => {
    const found = health.value.writes?.read_only;
    if (!found) return;
    readOnly.hidden = found.length === 0;
    const what = found.some((each) => each.device === "") ? word("web.read_only.all") : found.map((each) => each.device).join(", ");
    readOnly.querySelector(".words").textContent = found.length ? word("web.read_only", { what }) : "";
  });
}

// A page that could not be asked for comes by itself once the core answers.
if (document.querySelector("[data-again]")) {
  const isAlive = async () => (await (await fetch("/api/v1/alive", { signal: AbortSignal.timeout(2500) })).json()).core;
  setInterval(async () => { if (await isAlive().catch(() => false)) location.reload(); }, 3000);
}

for (const to of document.querySelectorAll("[data-theme-to]")) {
  to.addEventListener("click", (event) => {
    event.preventDefault();
    document.documentElement.dataset.theme = to.dataset.themeTo;
    document.cookie = `theme=${to.dataset.themeTo}; path=/; max-age=31536000; samesite=lax${location.protocol === "https:" ? "; secure" : ""}`;
    for (const each of document.querySelectorAll("[data-theme-to]")) each === to ? each.setAttribute("aria-current", "true") : each.removeAttribute("aria-current");
  });
}

const times = document.getElementById("zone");
if (times) times.textContent = word("web.times", { zone, offset: offsetAt(Date.now()) });

for (const own of document.querySelectorAll("header.bar > details")) {
  document.addEventListener("click", (event) => { if (own.open && !own.contains(event.target)) own.open = false; });
  document.addEventListener("keydown", (event) => { if (event.key === "Escape" && own.open) { own.open = false; own.querySelector("summary").focus(); } });
}
for (const field of document.querySelectorAll("input[data-zone]")) if (field.value === "UTC") field.value = Intl.DateTimeFormat().resolvedOptions().timeZone ?? "UTC";

// Blanks are as good as nothing: a field that must be filled in says so before anything is sent, as an empty one does.
const TYPED = "input[required]:not([type=password], [type=file]), textarea[required]";
addEventListener("submit", (event) => {
  const blank = [...event.target.querySelectorAll(TYPED)].find((each) => each.value && !each.value.trim());
  if (!blank) return;
  event.preventDefault();
  event.stopImmediatePropagation();
  blank.setCustomValidity(word("web.blank"));
  blank.reportValidity();
  blank.addEventListener("input", () => blank.setCustomValidity(""), { once: true });
}, true);

// The gateway was upgraded: a page that nobody is writing on is fetched again, any other says so.
addEventListener("witnessmark:upgraded", fetchAgain);

function fetchAgain() {
  if (!isWritten()) location.reload();
}

// Whether somebody has written on this page: what a person changed, what is only looked for by apart, and what a script marks as work that is not
// sent (`data-written`: its fields may be gone). What a field was at first does not tell, as scripts set values that are no defaults; a text that is
// as at first again, an emptied form's, is nothing to lose.
function isWritten() {
  return document.querySelector("[data-written]") !== null || [...written].some((each) => each.isConnected && (/checkbox|radio/.test(each.type) || each.value !== each.defaultValue));
}

// What a page fetches by itself keeps no session alive; a person at it does.
let toldAt = 0;
function awake() {
  if (!document.body.dataset.who || performance.now() - toldAt < 60000) return;
  toldAt = performance.now();
  fetch("/api/v1/account/awake", { method: "POST", headers: { "x-witnessmark-token": document.body.dataset.csrf } }).catch(() => {});
}
if (document.body.dataset.who) for (const event of ["pointerdown", "keydown"]) addEventListener(event, awake, { passive: true });
toldAt = performance.now();

localTimes(document);

// The alarm banner, kept true: how many wait, by priority, and the one that matters most. In a flood it speaks now and then, not five hundred
// times; what is no longer heard is struck through with its age.
const SPEAK_EVERY_MS = 5000;
const banner = document.getElementById("alarm-banner");
let spokenAt = -Infinity, speaking = null, spoken = "";

const made = (name, className, ...inside) => { const each = document.createElement(name); each.className = className; each.append(...inside); return each; };

function restOf(states) {
  return ["acked", "latched", "shelved", "suppressed", "out_of_service"].filter((name) => states[name]).map((name) => word(`alarm.count.${name}`, { count: states[name] })).join(" · ");
}

function drawBanner({ summary }, old) {
  if (!summary?.defined) { banner.hidden = true; return; }
  const counts = ["high", "medium", "low"].filter((name) => summary.waiting[name]);
  const total = counts.reduce((sum, name) => sum + summary.waiting[name], 0);
  const key = JSON.stringify([summary.waiting, summary.states, summary.newest?.name, summary.newest?.raised_ms, old]);
  if (key === spoken) return;
  spoken = key;
  const level = total ? (summary.waiting.high ? "alarm" : "warn") : summary.states.acked || summary.states.latched ? "known" : "quiet";
  const more = restOf(summary.states);
  const text = total ? word("alarm.banner.waits", { count: total }) : word("alarm.banner.none") + (more ? ` · ${more}` : "");
  const mark = made("span", "mark");
  mark.setAttribute("aria-hidden", "true");
  const inside = [mark, made("span", "banner-words", text)];
  if (old) {
    const age = made("span", "old-age", word("alarm.banner.old", { age: showAge(oldMs.peek()) }));
    age.setAttribute("aria-live", "off"); // it grows
    inside.push(age);
  }
  for (const name of counts) {
    const letter = made("i", "", word(`alarm.letter.${name}`));
    letter.setAttribute("aria-hidden", "true");
    inside.push(made("span", `prio ${name}`, letter, ` ${summary.waiting[name]}`, made("span", "hidden", ` ${word(`alarm.priority.${name}`)}`)));
  }
  const first = total ? summary.newest : null;
  if (first) {
    const name = made("span", "banner-first", first.text || first.name);
    if (first.raised_ms) {
      const time = made("time", "");
      time.dataset.ms = first.raised_ms;
      name.append(" · ", time);
    }
    inside.push(name);
  }
  const to = made("a", `banner-link ${level}`, ...inside);
  to.href = "/alarms";
  localTimes(to);
  const held = banner.contains(document.activeElement);
  banner.className = `banner ${level}${old ? " old" : ""}`;
  banner.replaceChildren(to);
  banner.hidden = false;
  if (held) to.focus();
}

function speak() {
  speaking = null;
  spokenAt = performance.now();
  if (alarms.peek()) drawBanner(alarms.peek(), link.peek() !== "ok" && link.peek() !== "starting");
}

if (banner) {
  effect(() => {
    void [alarms.value, link.value];
    if (speaking !== null) return;
    speaking = setTimeout(speak, Math.max(0, spokenAt + SPEAK_EVERY_MS - performance.now()) * (spoken ? 1 : 0));
  });
}
