// Keeps the cards beside a page true: evidence, witnesses, devices, gateway. Works on what the server drew (templates/cards.html).

import { effect } from "/static/vendor/preact.js";
import { WAITING, abnormal, alarms, health, link, now, tags, values } from "/static/live.js";
import { NONE_READ, alarmAbout, alarmState, causeOf, count, quality, showAge, sortOf, stateOf, statusSentence, word } from "/static/words.js";

export const shown = (element, text) => { if (element && element.textContent !== text) element.textContent = text; };
const confirmedSize = (told) => Math.max(0, ...(told.anchors ?? []).map((anchor) => anchor.cosigned_size ?? 0));
const FORMATS = { count, short: (value) => Number(value).toFixed(2), ms: (value) => `${Number(value).toFixed(1)} ms` };

const isUnheard = () => link.value !== "ok" && link.value !== "starting"; // then nobody knows that there is nothing

function draw(told) {
  if (!told.now_ms) return; // not linked yet: the dashes of the page stay
  for (const element of document.querySelectorAll("[data-h]")) {
    const value = element.dataset.h.split(".").reduce((at, key) => at?.[key], told);
    if (value === undefined || value === null) continue;
    const { format, code } = element.dataset;
    shown(element, code ? word(code + value) : (FORMATS[format] ?? String)(value));
  }
  const size = told.ledger?.size ?? 0, confirmed = Math.min(size, confirmedSize(told));
  const fill = document.getElementById("chain-fill");
  if (fill) fill.style.width = size ? `${(100 * confirmed) / size}%` : "0";
  shown(document.getElementById("confirmed"), confirmed ? `${count(confirmed)} / ${count(size)}` : word("web.state.unconfirmed"));
  drawGaps(told);
  shown(document.getElementById("writes"), word(told.gateway?.device_writes ? "web.writes.on" : "web.writes.off"));
  drawList("devices", told.devices ?? [], "web.device.", deviceNote, "—");
}

function drawAnchors(told) {
  if (told.now_ms) drawList("anchors", told.anchors ?? [], "web.anchor.", anchorNote, word(isUnheard() ? "web.unheard" : "web.anchor.none"));
}

function drawGaps(told) {
  const gaps = document.getElementById("gaps");
  const causes = Object.entries(told.gaps ?? {}).filter(([, n]) => n);
  gaps?.classList.toggle("many", causes.length > 0);
  shown(gaps, causes.length ? causes.map(([cause, n]) => `${sortOf(cause)}: ${count(n)}`).join("\n") : isUnheard() ? "—" : word("web.evidence.nogaps"));
}

const anchorNote = (anchor) => [causeOf(anchor) || anchorAge(anchor), anchor.mirror ? mirrorNote(anchor.mirror) : ""].filter(Boolean).join(" · ");
const anchorAge = (anchor) => (anchor.cosigned_ms && now.value ? word("web.ago", { n: showAge(now.value - anchor.cosigned_ms) }) : "");
export const mirrorNote = (mirror) => causeOf(mirror) || (mirror.held ? word("web.mirror.held", { n: count(mirror.held) }) : word("web.mirror.waiting"));
const deviceNote = (device) => causeOf(device) || `${count(device.polls ?? 0)} ${word("web.device.polls")}, ${count(device.failed ?? 0)} ${word("web.device.failed")}, ${count(device.missed ?? 0)} ${word("web.device.missed")}`;

function drawList(id, things, prefix, note, none) {
  const list = document.getElementById(id);
  if (!list) return;
  if (list.children.length !== things.length || list.querySelector(".none")) {
    if (!things.length) {
      if (!list.querySelector(".none")) list.replaceChildren(Object.assign(document.createElement("li"), { className: "none" }));
      return void shown(list.querySelector(".none"), none);
    }
    list.replaceChildren(...things.map(() => {
      const li = document.createElement("li");
      const mark = Object.assign(document.createElement("span"), { className: "mark" });
      mark.setAttribute("aria-hidden", "true");
      li.append(mark, document.createElement("b"), document.createElement("em"), document.createElement("small"));
      return li;
    }));
  }
  things.forEach((thing, i) => {
    const li = list.children[i];
    if (!li.querySelector("small")) li.append(document.createElement("small"));
    li.className = thing.state;
    shown(li.querySelector("b"), thing.name);
    shown(li.querySelector("em"), word(prefix + stateOf(thing)));
    shown(li.querySelector("small"), note(thing));
  });
}

// Home: what is not as it should be, in the same order and words as the server has it (pages.attention).
const MIND_MAX = 12, ALARMS_MAX = 3, NOTED_ALARMS = ["unacked", "returned", "latched_unacked", "acked", "latched"];
function alarmsNoted(told) {
  const rows = (told?.rows ?? []).filter((row) => NOTED_ALARMS.includes(row.state) && row.priority !== "advisory").slice(0, ALARMS_MAX);
  const found = rows.map((row) => [row.text || row.name, `${alarmAbout(row)} · ${alarmState(row)}`, `/alarms/at/${encodeURIComponent(row.name)}`, row.priority === "high" ? "down" : "waiting"]);
  const more = NOTED_ALARMS.reduce((sum, name) => sum + (told?.summary?.states?.[name] ?? 0), 0) - found.length;
  return more > 0 ? [...found, [word("web.home.alarms.more", { n: more }), "", "/alarms", "waiting"]] : found;
}

// What waits for a second person, for whoever may be that one (pages.approvals_noted).
function approvalsNoted(told, list) {
  const waiting = { config: told.edits_waiting, commands: told.writes?.waiting };
  return list.dataset.approves.split(" ").filter((what) => waiting[what])
    .map((what) => [word(`web.nav.${what}`), word(`web.home.waits.${what}`, { n: waiting[what] }), `/${what}`, "waiting"]);
}

// The configuration's file as edited by hand is not in force (pages.file_noted).
function fileNoted(told) {
  const faults = told.gateway?.config_fault_count;
  return faults ? [[word("web.nav.config"), word("web.home.file_faults", { n: faults }), "/config", "down"]] : [];
}

// Parts of the gateway that fail each time they are started, for whoever sees diagnostics (pages.parts_noted).
function partsNoted(told, list) {
  const down = "parts" in list.dataset ? Object.entries(told.parts_down ?? {}) : [];
  return down.map(([part, reason]) => [word("web.nav.diagnostics"), word("part_down", { part, reason }), "/diagnostics", "down"]);
}

function attention(list) {
  const found = abnormal.value.map((name) => [name, word("web.home.abnormal"), `/anomalies?model=${encodeURIComponent(name)}`]), single = [];
  const bad = new Map();
  for (const [uid, tag] of tags.value) {
    const row = values(uid).peek();
    if (row === null || (quality(row[2]) !== 2 && row[5] !== "unrecorded")) continue;
    (bad.get(tag[2]) ?? bad.set(tag[2], []).get(tag[2])).push([tag, row]);
  }
  for (const [name, rows] of bad) {
    const device = (health.value.devices ?? []).find((each) => each.name === name);
    if (device?.state === "down" || device?.cause === NONE_READ) found.push([name, `${causeOf(device) || word("web.device.down")} (${word("web.home.tags", { n: rows.length })})`, `/live?find=${encodeURIComponent(`${name}/`)}`]);
    else for (const [tag, row] of rows) single.push([tag[1], row[7] ? word(row[7]) : row[2] === WAITING ? word("web.no_data") : statusSentence(row[2]) || word("web.quality.2"), `/live?find=${encodeURIComponent(tag[1])}`]);
  }
  const more = single.length - MIND_MAX;
  if (more > 0) single.splice(MIND_MAX, more, [word("web.home.more", { n: more }), "", "/live?bad=1"]);
  return [...alarmsNoted(alarms.value), ...fileNoted(health.value), ...partsNoted(health.value, list), ...approvalsNoted(health.value, list), ...found, ...single];
}

function drawMind() {
  const list = document.getElementById("mind-list");
  if (!list || !health.value.now_ms) return;
  const found = attention(list), key = JSON.stringify([found, isUnheard()]);
  if (list.dataset.key === key) return;
  list.dataset.key = key;
  const line = ([name, why, href, level]) => {
    const li = Object.assign(document.createElement("li"), { className: level ?? "down" });
    const mark = Object.assign(document.createElement("span"), { className: "mark" });
    mark.setAttribute("aria-hidden", "true");
    const to = Object.assign(document.createElement("a"), { href });
    to.append(Object.assign(document.createElement("b"), { textContent: name }));
    li.append(mark, to, Object.assign(document.createElement("em"), { textContent: why }));
    return li;
  };
  const held = list.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
  list.replaceChildren(...(found.length ? found.map(line) : [Object.assign(document.createElement("li"), { className: "none", textContent: word("web.home.nothing") })]));
  if (held) [...list.querySelectorAll("a")].find((each) => each.getAttribute("href") === held)?.focus({ preventScroll: true }); // whoever is on a line stays on it
}

// How old the newest outside confirmation is, and how much waits for one.
function drawFacts(told) {
  if (!document.getElementById("fact-confirmed") || !told.now_ms) return;
  const at = Math.max(0, ...(told.anchors ?? []).map((anchor) => anchor.cosigned_ms ?? 0)), waits = (told.ledger?.size ?? 0) - confirmedSize(told);
  const ago = (ms) => (ms ? word("web.ago", { n: showAge((now.value ?? ms) - ms) }) : word("web.home.never"));
  shown(document.getElementById("fact-confirmed"), ago(at));
  shown(document.getElementById("fact-behind"), word("web.home.entries", { n: count(waits) }));
  shown(document.getElementById("fact-sealed"), ago(told.evidence?.sealed_ms));
  shown(document.getElementById("fact-disk"), word(told.ledger?.disk_full ? "web.home.disk.full" : "web.home.disk.ok"));
}

// Whatever was heard before: that nothing is there holds no longer once the core is away. What is there stands struck through.
function takeBack() {
  for (const none of document.querySelectorAll("#mind-list > .none, #anchors > .none")) shown(none, word("web.unheard"));
  shown(document.getElementById("writes"), "");
}

effect(() => { draw(health.value); drawMind(); if (isUnheard()) takeBack(); });
effect(() => { drawFacts(health.value); drawAnchors(health.value); }); // by themselves: their ages grow with every tick
