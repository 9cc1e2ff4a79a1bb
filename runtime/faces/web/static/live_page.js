// The page of live values: any number of tags, of which only the rows on the screen exist. A value that is not of now is struck, with its age.

import { html, render, signal, computed, effect, useComputed, useEffect, useRef, useState } from "/static/vendor/preact.js";
import { WAITING, ageOf, heard, health, isStale, link, tags, values } from "/static/live.js";
import { causeOf, isoOf, quality, showAge, showValue, stateOf, word } from "/static/words.js";

const SPARK_POINTS = 60, AROUND = 6;
const root = document.getElementById("live"), may = { trend: Boolean(root.dataset.trend), proof: Boolean(root.dataset.proof), command: Boolean(root.dataset.command) };
const place = new URL(location.href);
const find = signal(place.searchParams.get("find") ?? ""), onlyBad = signal(place.searchParams.get("bad") === "1"), by = signal("device");
const badMark = signal(0); // changes when the set of bad rows may have
const courses = new Map();
const opened = signal(null), detail = signal(null); // the tag that is shown by itself, and what shows it, fetched at the first

heard((rows) => {
  for (const row of rows) {
    const value = typeof row[1] === "boolean" ? Number(row[1]) : row[1];
    if (typeof value !== "number") continue;
    const course = courses.get(row[0]) ?? courses.set(row[0], { at: null, points: [] }).get(row[0]);
    if (course.at === row[3]) continue;
    course.at = row[3];
    course.points.push(value);
    if (course.points.length > SPARK_POINTS) course.points.shift();
  }
  if (onlyBad.peek()) badMark.value += 1;
});

// The address names the tag that is open: #device/tag. It can be sent to somebody, and is where one comes back to.
function named() {
  let name = "";
  try { name = decodeURIComponent(location.hash.slice(1)); } catch { /* no name of a tag */ }
  return name ? ([...tags.peek().values()].find((tag) => tag[1] === name)?.[0] ?? null) : null;
}
async function open(uid) {
  opened.value = uid;
  if (uid === null) return;
  history.replaceState(null, "", `#${encodeURIComponent(tags.peek().get(uid)[1]).replaceAll("%2F", "/")}`);
  detail.value ??= (await import("/static/tag_detail.js")).TagDetail;
}
function close() {
  const uid = opened.peek();
  opened.value = null;
  history.replaceState(null, "", location.pathname + location.search);
  document.querySelector(`tr[data-uid="${uid}"] .tag`)?.focus();
}
addEventListener("hashchange", () => { const uid = named(); if (uid !== null) open(uid); });
effect(() => { if (tags.value.size && opened.peek() === null && named() !== null) open(named()); });

const isBad = (uid) => { const row = values(uid).peek(); return row === null || quality(row[2]) > 0; };

// What the table shows, heads of groups and rows, in order.
const lines = computed(() => {
  badMark.value;
  const text = find.value.trim().toLowerCase(), groups = new Map();
  for (const [uid, tag] of tags.value) {
    if (text && !`${tag[9]} ${tag[1]}`.toLowerCase().includes(text)) continue;
    if (onlyBad.value && !isBad(uid)) continue;
    const group = by.value === "asset" ? tag[9] || "—" : tag[2];
    (groups.get(group) ?? groups.set(group, []).get(group)).push({ uid, tag });
  }
  return [...groups].flatMap(([group, rows]) => [{ group, n: rows.length, asset: by.value === "device" ? rows[0].tag[9] : "" }, ...rows]);
});

function courseOf(uid) {
  const points = courses.get(uid)?.points ?? [];
  const low = Math.min(...points), span = Math.max(...points) - low || 1, step = 96 / (SPARK_POINTS - 1), start = 96 - step * (points.length - 1);
  return points.map((v, i) => `${(start + i * step).toFixed(1)},${(21 - ((v - low) / span) * 18).toFixed(1)}`).join(" ");
}

const confirmedSize = computed(() => Math.max(0, ...(health.value.anchors ?? []).map((anchor) => anchor.cosigned_size ?? 0)));
const evidenceOf = (row) => (row[5] === "recorded" && row[6] !== null && row[6] < confirmedSize.value ? "confirmed" : row[5]);

// What changes with every reading (value, age, course) is put where it stands; a row is drawn again only when it is of another kind: `kind` says.
function Row({ uid, tag, index }) {
  const cell = values(uid), name = by.value === "device" ? tag[1].split("/").slice(1).join("/") : tag[1];
  const kind = useComputed(() => { const row = cell.value; return row === null ? null : [quality(row[2]), isStale(row, tag), evidenceOf(row), row[7] ?? ""].join(" "); });
  const text = useComputed(() => showValue(cell.value?.[1], tag)), age = useComputed(() => showAge(ageOf(cell.value, tag))), course = useComputed(() => { cell.value; return courseOf(uid); });
  const sourced = useComputed(() => { const at = cell.value?.[4]; return at ? `${word("web.live.source_time")} ${isoOf(at)}` : ""; });
  const row = kind.value === null ? null : cell.peek();
  const first = html`<th scope="row"><button type="button" class="tag" onClick=${() => open(uid)}>${name}</button></th>`;
  if (row === null) {
    return html`<tr data-uid=${uid} class="q2" aria-rowindex=${index}>${first}<td class="num value"><span data-value>—</span> <small>${tag[3]}</small></td>
      <td class="spark" /><td class="quality"><span class="mark" aria-hidden="true" /><span>${word("web.no_data")}</span></td><td class="num age">—</td><td class="evidence" /><td class="act" /></tr>`;
  }
  const q = quality(row[2]), stale = isStale(row, tag), state = evidenceOf(row), why = row[7] ? word(row[7]) : row[2] === WAITING ? word("web.no_data") : "";
  return html`<tr data-uid=${uid} class=${`q${q}${stale ? " stale" : ""}`} aria-rowindex=${index}>${first}
    <td class="num value"><span data-value>${stale ? html`<s>${text}</s>` : text}</span> <small>${tag[3]}</small></td>
    <td class="spark"><svg viewBox="0 0 96 24" preserveAspectRatio="none" aria-hidden="true"><polyline points=${course} /></svg></td>
    <td class="quality"><span class="mark" aria-hidden="true" /><span data-quality>${stale ? word("web.live.old") : word(`web.quality.${q}`)}${why && html`<small>${why}</small>`}</span></td>
    <td class="num age" title=${sourced}>${age}</td>
    <td class=${`evidence ${state}`}><span class="mark" aria-hidden="true" /><span class="words">${word(`web.state.${state}`)}</span></td>
    <td class="act"><a class="prove" href=${`/prove?uid=${uid}`} aria-label=${`${word("web.prove")}: ${tag[1]}`}>${word("web.prove")}</a></td>
  </tr>`;
}

function Head({ line, index }) {
  const device = by.value === "device" ? (health.value.devices ?? []).find((each) => each.name === line.group) : null, why = causeOf(device);
  return html`<tr class="group" aria-rowindex=${index}><th colspan="7" scope="rowgroup"><span class=${`state ${device?.state ?? ""}`}>${device && html`<span class="mark" aria-hidden="true" />`}</span>${line.group} <small>${line.asset}</small>
    ${" "}<em data-cause data-now=${device ? "" : undefined}>${device ? word(`web.device.${stateOf(device)}`) + (why ? `: ${why}` : "") : line.n}</em></th></tr>`;
}

// Only the rows near the window exist; two empty rows keep the height of the others. `height` is measured, so text of any size fits.
function Table() {
  const body = useRef(null), [span, setSpan] = useState([0, 40]), height = useRef(56), all = lines.value;
  useEffect(() => {
    let asked = 0;
    const look = () => {
      asked = 0;
      if (!body.current) return;
      const rows = [...body.current.querySelectorAll("tr[data-uid], tr.group")];
      if (rows.length > 3) height.current = Math.max(24, (rows.at(-1).getBoundingClientRect().bottom - rows[0].getBoundingClientRect().top) / rows.length);
      const top = -body.current.getBoundingClientRect().top / height.current, seen = innerHeight / height.current;
      const from = Math.max(0, Math.floor(top) - AROUND), to = Math.ceil(Math.max(0, top) + seen) + AROUND;
      setSpan((before) => (Math.abs(before[0] - from) + Math.abs(before[1] - to) < 2 ? before : [from, to]));
    };
    const later = () => { asked ||= requestAnimationFrame(look); };
    addEventListener("scroll", later, { passive: true });
    addEventListener("resize", later);
    later();
    return () => { removeEventListener("scroll", later); removeEventListener("resize", later); };
  }, [all.length]);
  const from = Math.min(span[0], Math.max(0, all.length - 1)), to = Math.min(all.length, span[1]);
  const space = (n) => n > 0 && html`<tr class="space" aria-hidden="true"><td colspan="7" style=${{ height: `${n * height.current}px` }} /></tr>`;
  return html`<div class="scroll" tabindex="0" role="region" aria-label=${word("web.values")}><table class="live" aria-rowcount=${all.length + 1}>
    <thead><tr aria-rowindex="1"><th scope="col">${word("web.col.tag")}</th><th scope="col" class="num w-value">${word("web.col.value")}</th><th scope="col" class="spark"><span class="hidden">${word("web.col.course")}</span></th>
      <th scope="col" class="w-quality">${word("web.col.quality")}</th><th scope="col" class="num w-age">${word("web.col.age")}</th><th scope="col" class="w-evidence">${word("web.col.evidence")}</th><th scope="col" class="w-prove"><span class="hidden">${word("web.col.proof")}</span></th></tr></thead>
    <tbody ref=${body}>${space(from)}${all.slice(from, to).map((line, i) => (line.group !== undefined ? html`<${Head} key=${`g ${line.group}`} line=${line} index=${from + i + 2} />` : html`<${Row} key=${line.uid} uid=${line.uid} tag=${line.tag} index=${from + i + 2} />`))}${space(all.length - to)}</tbody>
  </table></div>`;
}

function Page() {
  const all = lines.value;
  return html`<div class="tools" role="search">
      <label class="find"><span class="hidden">${word("web.filter")}</span><input id="find" type="search" placeholder=${word("web.filter")} autocomplete="off" value=${find.value} onInput=${(e) => { find.value = e.target.value; }} /></label>
      <label class="switch"><input id="only-bad" type="checkbox" checked=${onlyBad.value} onChange=${(e) => { onlyBad.value = e.target.checked; }} /><span>${word("web.only_bad")}</span></label>
      <label class="pick"><span>${word("web.live.by")}</span> <select onChange=${(e) => { by.value = e.target.value; }}><option value="device">${word("web.live.by.device")}</option><option value="asset">${word("web.live.by.asset")}</option></select></label>
    </div>
    ${all.length ? html`<div class="device"><${Table} /></div>` : tags.value.size || link.value !== "ok" ? html`<p class="empty" id="nothing">${word(tags.value.size ? "web.nothing" : "web.loading")}</p>`
      : html`<div class="card wide teach" id="nothing"><h2>${word("web.home.empty")}</h2><p>${word("web.home.empty.how")}</p>${root.dataset.add ? html`<p class="buttons"><a class="button primary" href="/setup/add">${word("web.nav.add")}</a></p>` : ""}</div>`}
    ${opened.value !== null && detail.value && tags.value.has(opened.value) ? html`<${detail.value} key=${opened.value} uid=${opened.value} tag=${tags.value.get(opened.value)} may=${may} evidence=${evidenceOf} onClose=${close} />` : ""}`;
}

root.replaceChildren();
render(html`<${Page} />`, root);
