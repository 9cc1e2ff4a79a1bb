// What the pages of machine setup share: work that can fail without losing what was typed, drafts that are looked at before they count,
// and the switch of commissioning. Nothing is put in force here but by `accept`, which goes through the door with a reason.

import { html, useEffect, useRef, useState } from "/static/vendor/preact.js";
import { ask, lookUntilHeard } from "/static/ask.js";
import { tags, values, link, isStale } from "/static/live.js";
import { language, showValue, word } from "/static/words.js";

const BUSY_SHARE = 0.7;
export const api = "/api/v1";

// Runs one piece of work at a time: [{ busy, fault }, run]. `run` gives what the work gives, or null when it failed.
export function useWork() {
  const [state, set] = useState({ busy: false, fault: null });
  const run = async (work) => {
    set({ busy: true, fault: null });
    try {
      const found = await work();
      set({ busy: false, fault: null });
      return found;
    } catch (fault) {
      set({ busy: false, fault });
      return null;
    }
  };
  return [state, run];
}

// As `useWork`, for what a page begins with: where the core was not heard it is asked again once it is, until something is here.
export function useLoad() {
  const [state, set] = useState({ busy: false, fault: null }), isHere = useRef(false), isGone = useRef(false);
  useEffect(() => () => { isGone.current = true; }, []);
  const run = async (work) => {
    set({ busy: true, fault: null });
    const isLater = isHere.current;
    let isTold = false;
    const say = (fault) => { isTold = true; set({ busy: false, fault }); };
    const found = await lookUntilHeard(work, say, () => isGone.current || (isTold && (isLater || isHere.current)));
    isHere.current ||= found !== null;
    return found;
  };
  return [state, run];
}

export function Fault({ fault }) {
  const at = useRef(null);
  useEffect(() => { if (fault) at.current?.scrollIntoView({ block: "nearest" }); }, [fault]);
  if (!fault) return null;
  const meaning = fault.code === "device_exception" ? word(`bench.exception.${fault.params?.code}`) : "";
  const known = meaning && !meaning.startsWith("bench.exception.");
  return html`<p class="verdict warn" role="alert" ref=${at}><span class="mark" aria-hidden="true" /><span>${fault.message}${known ? ` ${meaning}` : ""}</span></p>`;
}

export function Field({ label, help, wide, ...more }) {
  return html`<label class=${wide ? "wide" : ""}>${label}<input autocomplete="off" autocapitalize="none" spellcheck="false" ...${more} />${help ? html`<small>${help}</small>` : null}</label>`;
}

export function Button({ busy, primary, children, ...more }) {
  return html`<button class=${primary ? "primary" : ""} aria-disabled=${busy ? "true" : undefined} ...${more} onClick=${(event) => { if (busy) event.preventDefault(); else more.onClick?.(event); }}>${busy ? word("web.loading") : children}</button>`;
}

const number = (value) => Number(value).toLocaleString(language, { maximumFractionDigits: 3 });

function Lines({ lines }) {
  if (!lines.length) return null;
  return html`<div><h3>${word("draft.time")}</h3><ul class="list">${lines.map((line) => html`<li class=${line.share > BUSY_SHARE ? "degraded" : "ok"} key=${line.line}>
    <span class="mark" aria-hidden="true" /><b>${line.line}</b> <em>${word("draft.time.line", { percent: Math.round(line.share * 100), needed: number(line.usual_s), period: number(line.period_s) })}</em></li>`)}</ul></div>`;
}

export function Faults({ faults, count, onLine }) {
  if (!faults.length) return null;
  return html`<section class="faults" role="alert" aria-label=${word("draft.faults", { count })}><h3>${word("draft.faults", { count })}</h3><ul class="list">${faults.map((each, at) => html`<li class="down" key=${at}>
    <span class="mark" aria-hidden="true" /><span class="what">${each.line ? html`${onLine ? html`<button type="button" class="link" onClick=${() => onLine(each.line)}>${word("config_line", { line: each.line })}</button>` : html`<b>${word("config_line", { line: each.line })}</b>`} ` : ""}${each.where ? html`<code>${each.where}</code> ` : ""}${word(each.code, each.params)}</span></li>`)}</ul></section>`;
}

export function Diff({ rows }) {
  if (!rows.length) return html`<p class="quiet">${word("draft.same")}</p>`;
  const plus = rows.filter((row) => row[0] === "+").length, minus = rows.filter((row) => row[0] === "-").length;
  return html`<div><h3>${word("draft.diff")} <small>${word("draft.diff.count", { plus, minus })}</small></h3>
    <div class="scroll diff" tabindex="0" role="region" aria-label=${word("draft.diff")}>${rows.map((row, at) => {
      if (row[0] === "@") return html`<div class="gap" key=${at}>${row[3] ? word("draft.diff.more", { count: row[3].slice(1) }) : "⋯"}</div>`;
      const tag = row[0] === "+" ? "ins" : row[0] === "-" ? "del" : "span";
      return html`<div class=${tag} key=${at}><span class="no" aria-hidden="true">${row[2] || row[1]}</span><span class="sign">${row[0]}</span><${tag}>${row[3]}<//></div>`;
    })}</div></div>`;
}

export function Advice({ advice }) {
  return advice.map((each, at) => html`<p class="note warn" key=${at}><span class="mark" aria-hidden="true" /><span>${typeof each === "string" ? each : `${each.where ? `${each.where}: ` : ""}${word(each.code, each.params)}`}</span></p>`);
}

function Take({ text }) {
  const [href, setHref] = useState("");
  useEffect(() => { const made = URL.createObjectURL(new Blob([text], { type: "text/plain" })); setHref(made); return () => URL.revokeObjectURL(made); }, [text]);
  return html`<p class="buttons"><a class="button" download="witnessmark-draft.toml" href=${href}>${word("draft.take")}</a></p>`;
}

// A draft before it counts: what is wrong with it, or what it changes and how busy the lines become; a reason, and the one button that puts it in force.
export function Review({ draft, reason, mayEdit, accept, onDone, onBack, restart }) {
  const [why, setWhy] = useState(reason), [waits, setWaits] = useState(null), [work, run] = useWork(), at = useRef(null);
  useEffect(() => { at.current?.focus(); }, []);
  const go = async (event) => {
    event.preventDefault();
    const send = accept ?? ((text) => ask("POST", `${api}/config`, { text: draft.text, expected_revision: draft.revision, reason: text }));
    const done = await run(() => send(why.trim()));
    if (done?.proposal) setWaits(done);
    else if (done) onDone(done);
  };
  if (waits) return html`<section class="card wide review stack"><p class="verdict warn" role="status"><span class="mark" aria-hidden="true" /><span>${word("config_waits", { what: waits.what })}</span></p>
    <p>${word("config.waiting.next")}</p><p class="buttons"><a class="button primary" href="/config">${word("web.nav.config")}</a></p></section>`;
  const bad = draft.faults.length > 0;
  return html`<form class="card wide review stack" data-written="" onSubmit=${go}><h2 tabindex="-1" ref=${at}>${word(bad ? "draft.bad" : "draft.title")}</h2>
    <${Faults} faults=${draft.faults} count=${draft.fault_count ?? draft.faults.length} /><${Advice} advice=${draft.advice ?? []} /><${Lines} lines=${draft.lines ?? []} /><${Diff} rows=${draft.diff ?? []} />
    ${!bad && draft.text !== undefined && !mayEdit ? html`<p class="note"><span>${word("draft.engineer")}</span></p><${Take} text=${draft.text} />` : null}
    ${!bad && mayEdit && draft.diff?.length ? html`<${Field} label=${word("draft.reason")} help=${word("draft.reason.help")} name="reason" required maxlength="500" value=${why} onInput=${(e) => setWhy(e.target.value)} />` : null}
    <${Fault} fault=${work.fault} />
    ${work.fault?.code === "revision_conflict" && restart ? html`<p class="buttons"><button type="button" onClick=${restart}>${word("draft.again")}</button></p>` : null}
    <p class="buttons">${!bad && mayEdit && draft.diff?.length ? html`<${Button} primary busy=${work.busy}>${word("draft.accept")}<//>` : null}<button type="button" onClick=${onBack}>${word("draft.back")}</button></p></form>`;
}

// What the pages begin with: { revision, commissioning, devices, own_files }, null until it is here.
export function usePlaces() {
  const [places, setPlaces] = useState(null), [work, run] = useLoad();
  const load = async () => { const found = await run(() => ask("GET", `${api}/bench/places`)); if (found) setPlaces(found); return found; };
  useEffect(() => { load(); }, []);
  return [places, load, work];
}

// Looks at what is not configured are for the days of commissioning: the switch is an edit of the configuration like any other.
export function Commissioning({ places, reload, mayEdit }) {
  const [work, run] = useWork(), on = places.commissioning;
  const turn = async () => {
    const done = await run(async () => {
      const draft = await ask("POST", `${api}/config/draft`, { kind: "setting", table: "gateway", key: "commissioning", value: !on });
      return ask("POST", `${api}/config`, { text: draft.text, expected_revision: draft.revision, reason: word(on ? "setup.end.reason" : "setup.begin.reason") });
    });
    if (done) await reload();
  };
  return html`<div class="card wide commissioning ${on ? "is-on" : ""}"><h2>${word(on ? "setup.on" : "setup.off")}</h2><p>${word(on ? "setup.on.what" : "setup.off.what")}</p><${Fault} fault=${work.fault} />
    ${mayEdit ? html`<p class="buttons"><${Button} type="button" primary=${!on} busy=${work.busy} onClick=${turn}>${word(on ? "setup.end" : "setup.begin")}<//></p>` : html`<p class="quiet">${word("setup.engineer")}</p>`}</div>`;
}

// A tag that was just put in force, as it is now: its value and whether it is recorded.
export function Newborn({ name }) {
  const found = [...tags.value].find(([, tag]) => tag[1] === name);
  const row = found ? values(found[0]).value : null;
  if (!row) return html`<p class="newborn" role="status" data-state="waiting"><b>${name}</b> <span class="quiet">${word("setup.first_value")}</span></p>`;
  const stale = link.value !== "ok" || isStale(row, found[1]), shown = `${showValue(row[1], found[1])} ${found[1][3]}`;
  return html`<p class="newborn big" role="status" data-state=${row[5]}><b>${stale ? html`<s>${shown}</s>` : shown}</b> <span>${name} · ${row[7] ? word(row[7]) : word(`web.state.${row[5]}`)}</span></p>`;
}

// Options of a tag in the order in which people write them; the wire sorts them by name.
const FIRST = ["address", "node", "data", "order", "byte", "scale", "offset"];
const rank = (key) => (FIRST.includes(key) ? FIRST.indexOf(key) : FIRST.length);
export const ordered = (options) => Object.fromEntries(Object.entries(options).sort(([a], [b]) => rank(a) - rank(b)));
export const plainOptions = (options) => Object.entries(ordered(options)).map(([key, value]) => `${key} = ${value}`).join(", ");
export const sameOptions = (a, b) => JSON.stringify(ordered(a)) === JSON.stringify(ordered(b));

export const mounted = (id) => {
  const place = document.getElementById(id);
  return { place, mayEdit: place.dataset.mayEdit === "yes", mayFrames: place.dataset.mayFrames === "yes" };
};
export const slug = (text, fallback) => text.normalize("NFKD").replace(/[^A-Za-z0-9._-]+/g, "_").replace(/^[^A-Za-z0-9]+|_+$/g, "").slice(0, 64) || fallback;
