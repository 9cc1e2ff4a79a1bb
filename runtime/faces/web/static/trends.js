// The trends page: up to eight tags over a time. What it shows stands in its address. Readings come from the history, the newest from the stream;
// when the line is silent the chart stops and says so. Everything works by keys and buttons as by touch; the table says it without a picture.

import { html, render, signal, effect, useEffect, useRef, useState } from "/static/vendor/preact.js";
import { ageOf, heard, isStale, link, now, tags, values } from "/static/live.js";
import { language, moment as when, offsetAt, quality, showAge, showValue, timeOfDay as clock, unitSign, word, zone } from "/static/words.js";
import { ask, isUnheard, untilHeard } from "/static/ask.js";
import { Tail, nearest } from "/static/trend_data.js";
import { Chart as Plot, DASHES } from "/static/chart.js";
import { LETTERS, markShape } from "/static/chart_marks.js";

const PENS_MAX = 8, FOUND_MAX = 8, ROWS_MAX = 120, REFRESH_MS = 30000, DRAW_MS = 1000;
const RANGES = [["10m", 600e3], ["1h", 3600e3], ["8h", 28800e3], ["24h", 86400e3], ["7d", 604800e3]];
const place = new URL(location.href), given = (name) => place.searchParams.get(name);
const pens = signal((given("uids") ?? "").split(",").filter(Boolean).map(Number).filter(Number.isSafeInteger).slice(0, PENS_MAX));
const span = signal(RANGES.find(([name]) => name === given("range"))?.[1] ?? Math.max(1000, Number(given("t1")) - Number(given("t0")) || 3600e3));
const end = signal(given("t1") ? Number(given("t1")) : null); // null: now, and on with it
const trend = signal(null), fault = signal(""), busy = signal(false), moment = signal(null);
const tails = new Map();
let asked = 0;

const range = () => { const to = end.peek() ?? now.peek() ?? Date.now(); return [to - span.peek(), to]; };

heard((rows) => {
  for (const [uid, value, status, read] of rows) if (pens.peek().includes(uid)) tail(uid).add(read, value, quality(status) < 2);
});
effect(() => { if (link.value !== "ok") for (const each of tails.values()) each.cut(); });
const tail = (uid) => tails.get(uid) ?? tails.set(uid, new Tail()).get(uid);

async function load() {
  const uids = pens.peek(), [t0, t1] = range().map(Math.round), mine = (asked += 1);
  if (!uids.length || (end.peek() === null && now.peek() === null)) return;
  busy.value = true;
  try {
    const points = Math.max(150, Math.min(800, Math.round((document.getElementById("trends").clientWidth - 140) / 1.5)));
    const found = await ask("GET", `/api/v1/trends?uids=${uids}&t0=${t0}&t1=${t1}&points=${points}`);
    if (mine !== asked) return; // somebody asked anew meanwhile
    for (const pen of found.pens) tail(pen.uid).after(pen.t.at(-1) ?? -Infinity);
    trend.value = found;
    fault.value = "";
  } catch (problem) {
    if (mine === asked) fault.value = problem.message;
    if (isUnheard(problem)) untilHeard().then(() => { if (mine === asked) load(); });
  } finally {
    if (mine === asked) busy.value = false;
  }
}

function go(change) {
  change();
  const name = RANGES.find(([, ms]) => ms === span.value)?.[0], [t0, t1] = range().map(Math.round);
  const params = new URLSearchParams({ uids: pens.value.join(","), ...(end.value === null ? { range: name ?? "1h" } : { t0, t1 }) });
  history.replaceState(null, "", `?${params}`);
  if (end.value === null && !name) span.value = 3600e3;
  for (const uid of tails.keys()) if (!pens.value.includes(uid)) tails.delete(uid);
  load();
}
const add = (uid) => go(() => { pens.value = [...pens.value.filter((each) => each !== uid), uid].slice(0, PENS_MAX); });
const drop = (uid) => go(() => { pens.value = pens.value.filter((each) => each !== uid); if (!pens.value.length) trend.value = null; });
const pan = (share) => go(() => { const [, t1] = range(), to = t1 + share * span.value; end.value = share > 0 && to >= (now.value ?? Date.now()) ? null : to; });
const zoom = (by) => go(() => {
  const [t0, t1] = range(), middle = moment.value !== null && moment.value > t0 && moment.value < t1 ? moment.value : (t0 + t1) / 2;
  const wide = Math.min(RANGES.at(-1)[1] * 52, Math.max(2000, span.value * by));
  end.value = middle + wide / 2;
  span.value = wide;
});
const moved = (t0, t1) => go(() => { span.value = t1 - t0; end.value = t1; });

const Line = ({ pen }) => html`<svg class=${`line pen${pen + 1}`} viewBox="0 0 56 20" aria-hidden="true"><line x1="0" y1="10" x2="38" y2="10" stroke-dasharray=${DASHES[pen].join(" ")} /><text x="44" y="16">${pen + 1}</text></svg>`;

function Find() {
  const [text, setText] = useState(""), wanted = text.trim().toLowerCase();
  const found = wanted ? [...tags.value.values()].filter((tag) => tag[4] !== "text" && !pens.value.includes(tag[0]) && `${tag[9]} ${tag[1]}`.toLowerCase().includes(wanted)) : [];
  const full = pens.value.length >= PENS_MAX;
  return html`<div class="find-pen" role="search"><label><span>${word("web.trends.find")}</span><input id="find" type="search" autocomplete="off" disabled=${full} value=${text} onInput=${(e) => setText(e.target.value)}
      onKeyDown=${(e) => { if (e.key === "Enter" && found.length) { add(found[0][0]); setText(""); } }} /></label>
    <p class="quiet" role="status">${full ? word("web.trends.full") : wanted && !found.length ? word("web.nothing") : wanted && found.length > FOUND_MAX ? word("web.trends.more", { count: found.length - FOUND_MAX }) : ""}</p>
    ${wanted && !full ? html`<ul class="found">${found.slice(0, FOUND_MAX).map((tag) => html`<li key=${tag[0]}><button type="button" onClick=${() => { add(tag[0]); setText(""); }}>+ ${tag[1]} <small>${tag[3]}</small></button></li>`)}</ul>` : ""}</div>`;
}

function Pens() {
  const at = moment.value, shown = trend.value;
  return html`<ul class="pens">${pens.value.map((uid, i) => {
    const tag = tags.value.get(uid), pen = shown?.pens.find((each) => each.uid === uid), row = at === null && end.value === null ? values(uid).value : null, here = row ? newest(row, tag) : pen ? valueAt(pen, shown.width_ms, at) : null;
    return html`<li key=${uid} class="card"><${Line} pen=${i} /><span class="name">${tag?.[1] ?? pen?.name ?? uid}</span>
      <span class="value" data-pen=${uid}>${here === null ? "—" : here.gap ? html`<em>${here.gap}</em>` : html`${here.bad ? html`<span class="bad">✕ ${word("web.quality.2")}</span> ` : ""}${here.value === null ? "" : html`${here.old ? html`<s>${showValue(here.value, tag)}</s>` : html`<b>${showValue(here.value, tag)}</b>`} ${tag?.[3] ?? ""} <small class="quiet">${here.old ?? clock(here.at)}</small>`}${here.low !== undefined && here.low !== null ? html` <small>${showValue(here.low, tag)} … ${showValue(here.high, tag)}</small>` : ""}`}</span>
      ${here && !here.gap ? html`<a class="button prove" href=${`/prove?uid=${uid}&at=${here.proof}`} aria-label=${`${word("web.prove")}: ${tag?.[1] ?? uid}, ${when(here.at)}`}>${word("web.prove")}</a>` : ""}
      <button type="button" class="drop" aria-label=${`${word("web.trends.drop")}: ${tag?.[1] ?? uid}`} onClick=${() => drop(uid)}>✕</button></li>`;
  })}</ul>`;
}

// What a tag says now; an old value is struck through, with its age.
function newest(row, tag) {
  now.value; // ages grow by themselves
  return { at: row[3], proof: row[3], value: row[1], bad: quality(row[2]) > 1, old: isStale(row, tag) ? showAge(ageOf(row, tag)) : undefined };
}

// What a pen says at a time: its last point until then, whose time stands beside it, or the gap in which the time lies.
function valueAt(pen, width, at) {
  const near = nearest(pen.t, at ?? Infinity), i = near >= 0 && pen.t[near] > (at ?? Infinity) ? near - 1 : near;
  if (i < 0) return null;
  const gap = at === null ? null : pen.gaps.find((each) => each.from_ms <= at && at <= each.to_ms && !(pen.t[i] >= each.from_ms - width && pen.t[i] <= each.to_ms));
  if (gap) return { gap: `${word("web.trends.gap")}: ${gap.cause}` };
  return { at: pen.t[i], proof: width ? pen.t[i] + width - 1 : pen.t[i], value: pen.last[i], bad: pen.bad[i] > 0, ...(width ? { low: pen.low[i], high: pen.high[i] } : {}) };
}

function Tools() {
  return html`<div class="tools" role="group" aria-label=${word("web.trends.time")}>
    <span class="presets">${RANGES.map(([name, ms]) => html`<button type="button" key=${name} aria-pressed=${String(end.value === null && span.value === ms)} onClick=${() => go(() => { span.value = ms; end.value = null; })}>${word(`web.trends.range.${name}`)}</button>`)}</span>
    <span class="moves"><button type="button" aria-label=${word("web.trends.earlier")} onClick=${() => pan(-0.5)}>◀</button><button type="button" aria-label=${word("web.trends.later")} disabled=${end.value === null} onClick=${() => pan(0.5)}>▶</button>
    <button type="button" aria-label=${word("web.trends.closer")} onClick=${() => zoom(0.5)}>+</button><button type="button" aria-label=${word("web.trends.wider")} onClick=${() => zoom(2)}>−</button>
    <button type="button" aria-pressed=${String(end.value === null)} onClick=${() => go(() => { end.value = null; })}>${word("web.trends.live")}</button></span></div>`;
}

function Chart() {
  const here = useRef(null);
  useEffect(() => {
    const chart = new Plot(here.current, { move: moved, at: (ms) => { moment.value = ms; } });
    window.trendChart = chart; // for the test, which looks at what was given to the chart
    const draw = () => { if (trend.peek()) chart.show(trend.peek(), end.peek() === null ? range() : [end.peek() - span.peek(), end.peek()], trend.peek().pens.map((pen) => tail(pen.uid))); };
    const stop = effect(() => { trend.value; span.value; end.value; draw(); }), stopMoment = effect(() => chart.select(moment.value));
    const timer = setInterval(() => { if (end.peek() === null && link.peek() === "ok" && !document.hidden) draw(); }, DRAW_MS);
    return () => { stop(); stopMoment(); clearInterval(timer); chart.end(); };
  }, []);
  return html`<div class="chart card" tabindex="0" role="group" aria-label=${word("web.trends.chart")} aria-describedby="keys" onKeyDown=${press} ref=${here} />`;
}

function press(event) {
  const known = { ArrowLeft: () => step(-1), ArrowRight: () => step(1), "+": () => zoom(0.5), "=": () => zoom(0.5), "-": () => zoom(2), Home: () => pan(-0.5), End: () => pan(0.5) }[event.key];
  if (!known || event.ctrlKey || event.altKey) return;
  event.preventDefault();
  known();
}

function step(by) {
  const times = trend.value?.pens[0]?.t ?? [];
  if (!times.length) return;
  const i = moment.value === null ? times.length - 1 : Math.min(times.length - 1, Math.max(0, nearest(times, moment.value) + by));
  moment.value = times[i];
}

function Words() {
  const shown = trend.value;
  if (!shown) return "";
  const marks = [...shown.marks].reverse(), gaps = shown.pens.flatMap((pen, i) => pen.gaps.map((gap) => [gap, i])).sort((a, b) => b[0].from_ms - a[0].from_ms);
  const at = moment.value === null ? "" : `${when(moment.value)} (UTC${offsetAt(moment.value)})`;
  return html`<p class="moment" role="status"><time id="moment">${at || word("web.trends.tap")}</time> <small class="quiet">${shown.width_ms ? word("web.trends.width", { seconds: (shown.width_ms / 1000).toLocaleString(language) }) : word("web.trends.recorded")}</small></p>
    <details class="card" open=${marks.length > 0 && marks.length < 6}><summary>${word("web.trends.happened", { count: marks.length })}</summary>${shown.marks_left_out ? html`<p class="note">${word("web.trends.left_out", { count: shown.marks_left_out })}</p>` : ""}${older("marks", shown.marks_until)}
      <ul class="marks">${marks.slice(0, ROWS_MAX).map((mark) => html`<li key=${mark.seq}><${Flag} sort=${mark.sort} /><button type="button" onClick=${() => { moment.value = mark.at_ms; }}>${when(mark.at_ms)}</button> <span>${word(`web.trends.mark.${mark.sort}`)}: ${mark.text}</span></li>`)}</ul></details>
    <details class="card"><summary>${word("web.trends.gaps", { count: gaps.length })}</summary>${older("gaps", shown.gaps_until)}<ul class="marks">${gaps.slice(0, ROWS_MAX).map(([gap, i]) => html`<li><${Line} pen=${i} /> <span>${when(gap.from_ms)} – ${when(gap.to_ms)}: ${gap.cause}</span></li>`)}</ul></details>
    <details class="card"><summary>${word("web.trends.table")}</summary><${Table} shown=${shown} /></details>`;
}

const older = (what, until) => until === null ? "" : html`<p class="note">${word(`web.trends.older.${what}`, { at: when(until) })}</p>`;

const Flag = ({ sort }) => { const here = useRef(null); useEffect(() => here.current.replaceChildren(markShape(sort)), [sort]); return html`<svg class="flag-key" viewBox="-12 -12 24 24" aria-hidden="true" ref=${here} />`; };

// The newest rows as a table; a row stands for the same time of every pen.
function Table({ shown }) {
  const times = [...new Set(shown.pens.flatMap((pen) => pen.t.slice(-ROWS_MAX)))].sort((a, b) => b - a).slice(0, ROWS_MAX), places = shown.pens.map((pen) => new Map(pen.t.map((t, i) => [t, i])));
  const cell = (pen, n, t) => { const i = places[n].get(t); return i === undefined ? "" : pen.last[i] === null ? `✕ ${word("web.quality.2")}` : showValue(pen.last[i], tags.value.get(pen.uid)); };
  return html`<div class="scroll" tabindex="0" role="region" aria-label=${word("web.trends.table")}><table><thead><tr><th scope="col">${word("web.ledger.time")} ${zone}</th>${shown.pens.map((pen) => html`<th scope="col" class="num">${pen.name} ${unitSign(pen.unit)}</th>`)}</tr></thead>
    <tbody>${times.map((t) => html`<tr key=${t}><th scope="row">${when(t)}</th>${shown.pens.map((pen, n) => html`<td class="num">${cell(pen, n, t)}</td>`)}</tr>`)}</tbody></table></div>`;
}

function Page() {
  const shown = trend.value, nothing = shown && shown.pens.every((pen) => !pen.t.length), [t0, t1] = shown ? [shown.t0, shown.t1] : [0, 0];
  return html`<${Find} />
    ${pens.value.length ? html`<${Pens} /><${Tools} />
      ${fault.value ? html`<div class="verdict warn" role="alert"><span class="mark" aria-hidden="true" /><span>${fault.value}</span> <button type="button" onClick=${load}>${word("web.trends.again")}</button></div>` : ""}
      ${link.value !== "ok" && link.value !== "starting" && end.value === null ? html`<p class="verdict warn"><span class="mark" aria-hidden="true" /><span>${word("web.trends.stopped")}</span></p>` : ""}
      ${nothing ? html`<p class="empty" id="nothing">${word("web.trends.nothing")}</p>` : ""}
      ${shown || fault.value ? "" : html`<p class="quiet">${word("web.loading")}</p>`}
      <div class=${shown ? "" : "waiting"} aria-busy=${String(busy.value)}><${Chart} /></div>${shown ? html`<p id="keys" class="quiet">${word("web.trends.keys", { zone })}</p>` : ""}
      ${shown ? html`<p><a class="button" id="file" href=${`/api/v1/trends.csv?uids=${pens.value}&t0=${t0}&t1=${t1}`} download>${word("web.trends.file")}</a></p>` : ""}<${Words} />`
      : html`<p class="empty" id="none">${word("web.trends.none")}</p>
        <ul class="found">${[...tags.value.values()].filter((tag) => tag[4] !== "text").slice(0, FOUND_MAX).map((tag) => html`<li key=${tag[0]}><button type="button" onClick=${() => add(tag[0])}>+ ${tag[1]} <small>${tag[3]}</small></button></li>`)}</ul>`}
    ${shown ? html`<p class="key">${Object.keys(LETTERS).map((sort) => html`<span key=${sort}><${Flag} sort=${sort} /> ${word(`web.trends.mark.${sort}`)}</span>`)}</p>` : ""}`;
}

const root = document.getElementById("trends");
if (root) {
  root.replaceChildren();
  render(html`<${Page} />`, root);
  let first = true;
  effect(() => { if (first && (now.value !== null || end.peek() !== null)) { first = false; load(); } });
  setInterval(() => { if (end.peek() === null && link.peek() === "ok" && !document.hidden && !busy.peek()) load(); }, REFRESH_MS);
}
