// The list of alarms: live, filtered, many at once acknowledged or shelved. Draws what the server drew (templates/alarms.html), and does what
// its forms do, through the API.

import { html, render, signal, computed, effect } from "/static/vendor/preact.js";
import { alarms, link, now } from "/static/live.js";
import { ask, isUnheard, untilHeard } from "/static/ask.js";
import { alarmAbout, alarmState, isoOf, moment, personOf, short, unitSign, word } from "/static/words.js";

const root = document.getElementById("alarms");
const { mayAck, mayShelve } = root.dataset;
const LOOK_EVERY_MS = 1500;
const SHELF = [10, 30, 60, 120, 240, 480];
const WAITS = new Set(["unacked", "returned", "latched_unacked"]);
const told = signal(null), picked = signal(new Set()), find = signal(""), which = signal("all"), fault = signal(null), unheard = signal(null), busy = signal(false), shelving = signal(null);
let drawnMs = 0, looks = 0, latest = 0, lookedAt = -Infinity, timer = null;

const text = (row) => row.text || row.name;
const about = alarmAbout, state = alarmState;
const rows = computed(() => {
  const wanted = find.value.trim().toLowerCase();
  return (told.value?.rows ?? []).filter((row) => (which.value === "all" || (which.value === "waits" ? WAITS.has(row.state) : row.priority === which.value)) && (!wanted || `${row.name} ${text(row)} ${about(row)}`.toLowerCase().includes(wanted)));
});
const chosen = computed(() => rows.value.filter((row) => picked.value.has(row.name)));

async function look() {
  timer = null;
  lookedAt = performance.now();
  const mine = (looks += 1), askedMs = now.peek() ?? 0;
  try {
    const found = await ask("GET", "/api/v1/alarms?limit=500");
    if (mine < latest) return; // a later look was answered sooner
    latest = mine;
    drawnMs = askedMs && Math.max(askedMs, ...found.rows.map((row) => row.raised_ms ?? 0)); // what is raised after it was not seen
    told.value = found;
    unheard.value = null;
    const there = new Set(found.rows.map((row) => row.name));
    picked.value = new Set([...picked.peek()].filter((name) => there.has(name)));
  } catch (problem) {
    if (mine < latest) return;
    unheard.value = problem.message; // where nothing was told yet the page of the server stays
    if (isUnheard(problem)) untilHeard().then(() => { timer ??= setTimeout(look, 0); });
  }
}

async function act(name, names, more = {}) {
  busy.value = true;
  fault.value = null;
  try {
    await ask("POST", `/api/v1/alarms/${name}`, { names, ...more });
    picked.value = new Set();
    shelving.value = null;
  } catch (problem) {
    fault.value = problem.message;
  } finally {
    busy.value = false;
    look();
  }
}

const acknowledge = (names) => act("ack", names, drawnMs ? { seen_ms: Math.round(drawnMs) } : {});

function Moment({ ms }) {
  return html`<time datetime=${isoOf(ms)} title=${isoOf(ms)}>${moment(ms)}</time>`;
}

function Line({ row }) {
  const waits = WAITS.has(row.state), since = waits ? row.raised_ms : (row.since_ms ?? row.changed_ms);
  const tick = () => { const next = new Set(picked.value); next.has(row.name) ? next.delete(row.name) : next.add(row.name); picked.value = next; };
  return html`<li class=${`alarm-row ${row.priority} ${row.state}`}>
    ${(mayAck || mayShelve) && html`<label class="tick"><input type="checkbox" checked=${picked.value.has(row.name)} onChange=${tick} aria-label=${word("alarm.pick", { name: text(row) })} /></label>`}
    <span class=${`prio ${row.priority}${waits ? "" : " known"}`}><i aria-hidden="true">${word(`alarm.letter.${row.priority}`)}</i><span class="hidden">${word(`alarm.priority.${row.priority}`)}</span></span>
    <div class="what"><a href=${`/alarms/at/${encodeURIComponent(row.name)}`}><b>${text(row)}</b></a>
      <small>${about(row)}${row.tag && row.value !== null ? ` · ${word("alarm.now", { value: `${short(row.value)} ${unitSign(row.unit)}`.trim() })}` : ""}</small>
      ${row.action && html`<small class="todo">${row.action}</small>`}</div>
    <div class="how"><span class="state-words">${state(row)}</span>${since && html`<${Moment} ms=${since} />`}
      ${row.until_ms && html`<small>${word("alarm.until")} <${Moment} ms=${row.until_ms} /></small>`}
      ${row.by && html`<small>${personOf(row.by)}${row.note ? `: ${row.note}` : ""}</small>`}
      ${row.recorded !== "recorded" && html`<small class=${`evidence ${row.recorded}`}>${word(`web.state.${row.recorded}`)}</small>`}</div>
    ${waits && mayAck && html`<button class="ack" disabled=${busy.value} onClick=${() => acknowledge([row.name])} aria-label=${word("alarm.ack.one", { name: text(row) })}>${word("alarm.ack")}</button>`}
  </li>`;
}

function Shelf() {
  const names = shelving.value, least = Math.min(...chosen.value.map((row) => row.shelve_max_min));
  const send = (event) => {
    event.preventDefault();
    const given = new FormData(event.target);
    act("shelve", names, { minutes: Number(given.get("minutes")), reason: given.get("reason") });
  };
  const open = (dialog) => dialog && !dialog.open && dialog.showModal();
  return html`<dialog ref=${open} aria-labelledby="shelf-title" onClose=${() => { shelving.value = null; }}><form class="stack" onSubmit=${send}>
    <h2 id="shelf-title">${word("alarm.shelve.many", { count: names.length })}</h2><p>${word("alarm.shelve.help")}</p>
    ${fault.value && html`<p class="verdict warn" role="alert"><span class="mark" aria-hidden="true" /><span>${fault.value}</span></p>`}
    <label>${word("alarm.shelve.for")}<select name="minutes">${SHELF.filter((minutes) => minutes <= least).map((minutes) => html`<option value=${minutes}>${minutes < 60 ? word("alarm.minutes", { count: minutes }) : word("alarm.hours", { count: minutes / 60 })}</option>`)}</select></label>
    <label>${word("alarm.reason")}<input name="reason" required maxlength="500" /></label>
    <p class="buttons"><button class="primary" disabled=${busy.value}>${word("alarm.shelve")}</button><button type="button" onClick=${() => { shelving.value = null; }}>${word("web.cancel")}</button></p></form></dialog>`;
}

function Page() {
  const { summary, total } = told.value;
  const old = link.value !== "ok";
  if (old && !told.value.rows.length) return html`<p class="verdict warn"><span class="mark" aria-hidden="true" /><span>${word("alarm.old")}</span></p><div class="card empty"><p>${word("web.unheard")}</p></div>`;
  if (!summary.defined) return html`<div class="card empty"><p>${word("alarm.empty.none")}</p><p>${word("alarm.empty.how")}</p></div>`;
  if (!told.value.rows.length) return html`<div class="card empty"><p>${word("alarm.empty.quiet", { count: summary.defined })}</p></div>`;
  const waiting = rows.value.filter((row) => WAITS.has(row.state)).map((row) => row.name);
  const toAck = chosen.value.filter((row) => WAITS.has(row.state)).map((row) => row.name), names = chosen.value.map((row) => row.name);
  return html`<div class="tools" role="search">
      <label class="find"><span class="hidden">${word("alarm.find")}</span><input type="search" placeholder=${word("alarm.find")} value=${find.value} onInput=${(event) => { find.value = event.target.value; }} /></label>
      <label class="pick"><span>${word("alarm.show")}</span> <select value=${which.value} onChange=${(event) => { which.value = event.target.value; }}>${["all", "waits", "high", "medium", "low", "advisory"].map((name) => html`<option value=${name}>${name === "all" || name === "waits" ? word(`alarm.show.${name}`) : word(`alarm.priority.${name}`)}</option>`)}</select></label>
      ${mayAck && waiting.length > 0 && html`<button disabled=${busy.value || old} onClick=${() => acknowledge(waiting)}>${word("alarm.ack.all", { count: waiting.length })}</button>`}
    </div>
    ${(fault.value || unheard.value) && !shelving.value && html`<p class="verdict warn" role="alert"><span class="mark" aria-hidden="true" /><span>${fault.value || unheard.value}</span></p>`}
    ${old && html`<p class="verdict warn"><span class="mark" aria-hidden="true" /><span>${word("alarm.old")}</span></p>`}
    <ul class=${`alarms${mayAck || mayShelve ? " pick-many" : ""}`}>${rows.value.slice(0, 200).map((row) => html`<${Line} key=${row.name} row=${row} />`)}</ul>
    ${!rows.value.length && html`<p class="empty">${word("alarm.nothing_found")}</p>`}
    ${(total > told.value.rows.length || rows.value.length > 200) && html`<p class="quiet">${word("alarm.more", { count: Math.max(total, rows.value.length) - Math.min(200, rows.value.length) })}</p>`}
    ${names.length > 0 && html`<div class="acting" role="group" aria-label=${word("alarm.picked", { count: names.length })}><span class="grow">${word("alarm.picked", { count: names.length })}</span>
      ${mayAck && toAck.length > 0 && html`<button class="primary" disabled=${busy.value || old} onClick=${() => acknowledge(toAck)}>${word("alarm.ack")}</button>`}
      ${mayShelve && html`<button disabled=${busy.value || old} onClick=${() => { fault.value = null; shelving.value = names; }}>${word("alarm.shelve")}</button>`}
      <button onClick=${() => { picked.value = new Set(); }}>${word("alarm.pick.none")}</button></div>`}
    ${shelving.value && html`<${Shelf} />`}`;
}

let drawn = false;
effect(() => {
  if (told.value === null) return;
  if (!drawn) root.replaceChildren();
  drawn = true;
  render(html`<${Page} />`, root);
});
effect(() => {
  const summary = told.value?.summary;
  for (const cell of summary ? document.querySelectorAll("dd[data-state]") : []) cell.textContent = cell.dataset.state === "advisory" ? summary.advisories : summary.states[cell.dataset.state];
});
effect(() => {
  void [alarms.value, link.value];
  timer ??= setTimeout(look, Math.max(0, lookedAt + LOOK_EVERY_MS - performance.now()));
});
