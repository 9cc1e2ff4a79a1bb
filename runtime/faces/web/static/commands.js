// The page of commands: what may be written with its present value, a dialog that shows what would happen before it is confirmed, what waits for
// a second person, the read-only switch and the history. The core decides; this shows what it says, and never a value that is not of now.

import { html, render, signal, computed, useEffect, useRef, useState } from "/static/vendor/preact.js";
import { ageOf, health, isStale, link, now, tags, values } from "/static/live.js";
import { isoOf, moment, personOf, quality, showAge, showValue, unitSign, whyOf, word } from "/static/words.js";
import { ask } from "/static/ask.js";
import { signedAct } from "/static/sign_act.js";

const root = document.getElementById("commands");
const may = new Set(root.dataset.may.split(" "));
const state = signal(null), history = signal([]), fault = signal(""), chosen = signal(null);
let openings = 0;
// Each opening of a dialog is its own: one that is closed has not heard of it yet when whoever is quick opens the next.
const opening = () => { openings += 1; return openings; };

const signed = (action, target, params, reason, meaning) => signedAct(root.dataset, { action, target, params, reason }, meaning);

async function refresh() {
  try {
    const found = await ask("GET", "/api/v1/commands");
    for (const point of found.points) point.unit = unitSign(point.unit);
    state.value = found;
    history.value = (await ask("GET", "/api/v1/commands/history")).acts;
    fault.value = "";
  } catch (problem) {
    fault.value = problem.message;
  }
}

// What a tag has now: struck with its age where it is old, never shown as fresh.
function Present({ point }) {
  const tag = tags.value.get(point.uid), row = point.uid === null ? null : values(point.uid).value;
  now.value; // ages grow by themselves
  const age = ageOf(row, tag);
  if (row === null || row[1] === null) return html`<span class="quiet">—</span>${age === null ? "" : html` <small>${word("web.cmd.device_last_good", { age: showAge(age) })}</small>`}`;
  const stale = isStale(row, tag), q = quality(row[2]), text = `${showValue(row[1], tag)} ${point.unit}`;
  return html`<span>${stale || q === 2 ? html`<s>${text}</s>` : text}</span> <small>${[stale ? word("web.live.old") : word(`web.quality.${q}`), age === null ? "" : showAge(age)].filter(Boolean).join(word("web.comma"))}</small>`;
}

function Conditions({ rows }) {
  return rows.length ? html`<ul class="conditions">${rows.map((each) => html`<li key=${each.tag} class=${each.state}><span class="mark" aria-hidden="true" /><span>${each.text}</span></li>`)}</ul>`
    : html`<p class="quiet">${word("command.no_conditions")}</p>`;
}

const limitsOf = (point) => [
  point.min !== null || point.max !== null ? `${point.min ?? ""} … ${point.max ?? ""} ${point.unit}` : "",
  point.max_step !== null ? word("web.cmd.step", { max: `${point.max_step} ${point.unit}` }) : "",
  point.max_rate !== null ? word("web.cmd.rate", { max: `${point.max_rate} ${point.unit}` }) : "",
].filter(Boolean).join(" · ");

function Points({ points }) {
  if (!points.length) return html`<div class="card wide teach"><h2>${word("web.cmd.empty")}</h2><p>${word("web.cmd.empty.how")}</p></div>`;
  return html`<section class="device" aria-labelledby="points-title"><h2 id="points-title">${word("web.cmd.points")}</h2><div class="scroll" tabindex="0" role="region" aria-label=${word("web.nav.commands")}><table class="points">
    <thead><tr><th scope="col">${word("web.col.tag")}</th><th scope="col">${word("web.cmd.now")}</th><th scope="col">${word("web.cmd.limits")}</th><th scope="col">${word("web.cmd.risk")}</th><th scope="col"><span class="hidden">${word("web.cmd.change")}</span></th></tr></thead>
    <tbody>${points.map((point) => html`<tr key=${point.target} data-target=${point.target}>
      <th scope="row"><b>${point.target}</b> <small>${point.asset}</small>${state.value.unsure.includes(point.target) && html` <small class="warn">${word("web.cmd.unsure")}</small>`}</th>
      <td class="value"><${Present} point=${point} /></td>
      <td data-head=${word("web.cmd.limits")}><span class="limits">${limitsOf(point) || "—"}</span></td>
      <td data-head=${word("web.cmd.risk")}>${word(`web.cmd.risk.${point.risk}`)}</td>
      <td class="act">${point.risk === "low" || may.has("command.normal") ? html`<button aria-label=${`${word(point.type === "method" ? "web.cmd.call" : "web.cmd.change")}: ${point.target}`} onClick=${() => { chosen.value = { point, at: opening() }; }}>${word(point.type === "method" ? "web.cmd.call" : "web.cmd.change")}</button>` : ""}</td>
    </tr>`)}</tbody></table></div></section>`;
}

// Seconds until a moment of this browser's clock.
function useLeft(untilMs) {
  const [left, setLeft] = useState(() => Math.max(0, untilMs - Date.now()));
  useEffect(() => {
    const timer = setInterval(() => setLeft(Math.max(0, untilMs - Date.now())), 250);
    return () => clearInterval(timer);
  }, [untilMs]);
  return Math.ceil(left / 1000);
}

// Why, which is recorded and asked for before the time to confirm begins to run.
function Why({ at, why, setWhy }) {
  return html`<label>${word("web.cmd.reason")}<input id="why" ref=${at} autofocus=${Boolean(at)} required pattern=".*\\S.*" maxlength="500" autocomplete="off" value=${why} onInput=${(e) => setWhy(e.target.value)} /></label>`;
}

// `asked`: the reason was given before; what waits for a second person is approved with the reason of that person.
function Shown({ seen, confirm, back, busy, asked, why, setWhy }) {
  const left = useLeft(seen.untilMs), button = useRef(null), title = useRef(null), field = useRef(null);
  useEffect(() => { if (!busy) (field.current ?? button.current ?? title.current)?.focus(); }, [busy]); // a button that is off takes no focus
  const refused = seen.refusal !== null, late = !refused && left === 0;
  return html`<form class="stack" onSubmit=${(event) => { event.preventDefault(); if (!refused && !late) confirm(why.trim()); }}>
    <p class="what" tabindex="-1" ref=${title} id="what">${seen.text}</p>
    <div><h3 class="hidden">${word("web.cmd.interlocks")}</h3><${Conditions} rows=${seen.conditions} /></div>
    <p>${word(`command.risk.${seen.risk}`)}</p>
    ${refused && html`<p class="verdict warn" role="alert" id="refusal"><span class="mark" aria-hidden="true" /><span>${seen.refusal.text}</span></p>`}
    ${asked && html`<p class="quiet">${word("web.cmd.reason")}: ${why}</p>`}
    ${!refused && html`${!asked && html`<${Why} at=${field} why=${why} setWhy=${setWhy} />`}
      <p class="left" role="timer">${late ? word("web.cmd.late") : word("web.cmd.left", { s: left })}</p>`}
    <p class="buttons">${!refused && html`<button class="primary" id="confirm" ref=${button} disabled=${late || busy}>${word("web.cmd.confirm")}</button>`}
      <button type="button" id="back" onClick=${back}>${word("web.cmd.back")}</button></p>
  </form>`;
}

function Command({ point, proposal, at }) {
  const box = useRef(null), [value, setValue] = useState(""), [seen, setSeen] = useState(proposal ? { ...proposal, conditions: [], refusal: null, risk: "high", untilMs: Date.now() + proposal.left_ms } : null);
  const [why, setWhy] = useState(""), [result, setResult] = useState(null), [problem, setProblem] = useState(""), [busy, setBusy] = useState(false), field = useRef(null), end = useRef(null);
  const isMethod = point?.type === "method";
  const [given, setGiven] = useState(() => (isMethod ? point.arguments.map(() => "") : []));
  useEffect(() => { box.current.showModal(); }, []);
  useEffect(() => { if (result) end.current?.focus(); }, [result]);
  const close = () => { box.current?.close(); };
  async function attempt(work) {
    if (busy) return;
    setBusy(true);
    setProblem("");
    try { await work(); } catch (refused) { setProblem(refused.message); } finally { setBusy(false); }
  }
  const prepare = () => attempt(async () => {
    const body = isMethod ? { target: point.target, arguments: given.map((text, i) => `${point.arguments[i]}:${text}`) } : { target: point.target, value: typed(value, point.type) };
    const shown = await ask("POST", "/api/v1/commands/prepare", body);
    setSeen({ ...shown, untilMs: Date.now() + shown.left_ms });
  });
  const confirm = (reason) => attempt(async () => {
    const same = { target: seen.target, value: seen.value, old: seen.old, reason };
    const which = proposal ? { proposal: proposal.id } : { nonce: seen.nonce }, way = proposal ? "approve" : "confirm";
    const more = seen.risk === "high" ? await signed(`command.${way}`, seen.target, { ...which, value: seen.value, old: seen.old }, reason, proposal ? "approved" : "authored") : {};
    const done = await ask("POST", `/api/v1/commands/${way}`, { ...which, ...same, ...more });
    setResult(done);
    refresh();
  });
  const good = result && (result.code === "done" || result.code === "command_waits");
  return html`<dialog class="command" ref=${box} aria-labelledby="command-title" onClose=${() => { if (chosen.peek()?.at === at) chosen.value = null; refresh(); }}>
    <h2 id="command-title">${seen?.target ?? point.target}</h2>
    ${problem && html`<p class="verdict warn" role="alert" id="problem"><span class="mark" aria-hidden="true" /><span>${problem}</span></p>`}
    ${result ? html`<div class="stack"><p class=${`verdict ${good ? "ok" : "alarm"}`} role="status" id="result" tabindex="-1" ref=${end}><span class="mark" aria-hidden="true" /><span>${result.text}</span></p>
        <p>${seen.text}</p><p class="buttons"><button class="primary" id="close" onClick=${close}>${word("web.cmd.close")}</button></p></div>`
      : seen ? html`<${Shown} seen=${seen} busy=${busy} asked=${!proposal} why=${why} setWhy=${setWhy} confirm=${confirm} back=${() => { setProblem(""); if (proposal) close(); else { setSeen(null); setTimeout(() => field.current?.focus()); } }} />`
      : html`<form class="stack" onSubmit=${(event) => { event.preventDefault(); prepare(); }}>
        ${!isMethod && html`<p>${word("web.cmd.now")}: <b><${Present} point=${point} /></b></p>`}
        ${isMethod ? given.map((text, i) => html`<label>${word("web.cmd.arguments")} ${i + 1} <small>${point.arguments[i]}</small><input value=${text} required onInput=${(e) => setGiven(given.map((old, at) => (at === i ? e.target.value : old)))} /></label>`)
          : html`<label>${word("web.cmd.new")} <small>${limitsOf(point)}</small>${point.type === "bool"
            ? html`<select id="value" ref=${field} required value=${value} onChange=${(e) => setValue(e.target.value)}><option value="">${word("web.station.choose")}</option><option value="true">${word("value.yes")}</option><option value="false">${word("value.no")}</option></select>`
            : html`<input id="value" ref=${field} required autofocus inputmode=${point.type === "text" ? "text" : "decimal"} autocomplete="off" value=${value} onInput=${(e) => setValue(e.target.value)} />`}</label>`}
        <${Why} why=${why} setWhy=${setWhy} />
        <p class="buttons"><button class="primary" id="prepare" disabled=${busy}>${word("web.cmd.prepare")}</button><button type="button" onClick=${close}>${word("web.cancel")}</button></p></form>`}
  </dialog>`;
}

// What was typed, as a value of the tag's type; what is no number goes as it is, for the core to refuse in words.
function typed(text, type) {
  if (type === "bool") return text === "true";
  if (type === "text") return text;
  const number = Number(text.trim().replace(",", "."));
  return text.trim() !== "" && Number.isFinite(number) ? number : text;
}

function Waiting({ rows }) {
  if (!rows.length) return null;
  return html`<section class="card wide" aria-labelledby="waiting-title"><h2 id="waiting-title">${word("web.cmd.waiting")}</h2><ul class="list waiting">
    ${rows.map((each) => html`<li key=${each.id} data-proposal=${each.id}><p><b>${each.text}</b><br />${word("web.cmd.asks", { by: personOf(each.by) })}${each.reason && `${word("web.colon")}${each.reason}`}<br /><span class="quiet">${word("web.cmd.lapses", { age: showAge(each.left_ms) })}</span></p>
      ${may.has("command.approve") && html`<button class="approve" aria-label=${`${word("web.cmd.approve")}: ${each.text}`} onClick=${() => { chosen.value = { proposal: each, at: opening() }; }}>${word("web.cmd.approve")}</button>`}</li>`)}
  </ul></section>`;
}

const isOn = computed(() => new Map((health.value.writes?.read_only ?? state.value?.writes.read_only ?? []).map((each) => [each.device, each])));

// The switch asks why before it turns.
function Turn({ device, on, name, label, close }) {
  const box = useRef(null), [why, setWhy] = useState(""), [problem, setProblem] = useState(""), [busy, setBusy] = useState(false);
  useEffect(() => { box.current.showModal(); }, []);
  const turn = async (event) => {
    event.preventDefault();
    setBusy(true);
    setProblem("");
    try { await ask("POST", "/api/v1/read-only", { device, on, reason: why.trim() }); box.current?.close(); } catch (refused) { setProblem(refused.message); } finally { setBusy(false); }
  };
  return html`<dialog class="command" ref=${box} aria-labelledby="turn-title" onClose=${() => { close(); refresh(); }}><h2 id="turn-title">${label}: ${name}</h2>
    ${problem && html`<p class="verdict warn" role="alert"><span class="mark" aria-hidden="true" /><span>${problem}</span></p>`}
    <form class="stack" onSubmit=${turn}><${Why} why=${why} setWhy=${setWhy} /><p class="buttons"><button class="primary" id="turn" disabled=${busy}>${label}</button><button type="button" onClick=${() => box.current.close()}>${word("web.cancel")}</button></p></form></dialog>`;
}

function Switches({ devices }) {
  const [turning, setTurning] = useState(null);
  return html`<section class="card" aria-labelledby="switch-title"><h2 id="switch-title">${word("web.cmd.read_only")}</h2><p class="quiet">${word("web.cmd.read_only.what")}</p>
    ${turning && html`<${Turn} key=${turning.at} ...${turning} close=${() => setTurning((now) => (now === turning ? null : now))} />`}
    <div class="switches">${["", ...devices].map((device) => {
      const on = isOn.value.get(device), name = device || word("web.cmd.read_only.all"), label = word(on ? "web.cmd.read_only.off" : "web.cmd.read_only.on");
      const allowed = may.has(on ? "gateway.read_only.off" : "gateway.read_only");
      return html`<div class="one" key=${device} data-device=${device}><span><b>${name}</b>${on && html`<br /><span class="on">${word("web.cmd.read_only")}</span> <small>${word("web.cmd.read_only.by", { when: moment(on.since_ms), by: personOf(on.by) })}</small>`}</span>
        ${allowed && html`<button aria-label=${`${label}: ${name}`} aria-pressed=${on ? "true" : "false"} onClick=${() => setTurning({ device, on: !on, name, label, at: opening() })}>${label}</button>`}</div>`;
    })}</div></section>`;
}

function History({ rows }) {
  return html`<section class="device" aria-labelledby="history-title"><h2 id="history-title">${word("web.cmd.history")}</h2>
    ${rows.length ? html`<div class="scroll" tabindex="0" role="region" aria-label=${word("web.cmd.what")}><table class="history events"><thead><tr><th scope="col">${word("web.cmd.when")}</th><th scope="col">${word("web.cmd.what")}</th><th scope="col">${word("web.cmd.result")}</th><th scope="col">${word("web.cmd.who")}</th></tr></thead>
      <tbody>${rows.map((each) => html`<tr key=${each.seq}><td><time dateTime=${isoOf(each.at_ms)} title=${isoOf(each.at_ms)}>${moment(each.at_ms)}</time></td><td class="what">${each.text}${each.reason && html` <small>${whyOf(each.reason, each.session)}</small>`}</td>
        <td class=${`what ${each.code === "done" ? "" : each.code === null || each.code === "command_waits" ? "open" : "failed"}`}><span class="mark" aria-hidden="true" />${each.outcome}</td><td class="who" title=${each.session}>${personOf(each.session)}</td></tr>`)}</tbody></table></div>`
      : html`<p class="empty">${word("web.cmd.history.none")}</p>`}</section>`;
}

function Page() {
  const found = state.value;
  if (found === null) return fault.value ? html`<p class="verdict alarm" role="alert"><span class="mark" aria-hidden="true" /><span>${fault.value}</span></p>` : html`<p class="quiet">${word("web.loading")}</p>`;
  const devices = [...new Set(found.points.map((each) => each.device))];
  return html`${(fault.value || link.value === "away" || link.value === "silent") && html`<p class="verdict alarm" role="alert"><span class="mark" aria-hidden="true" /><span>${fault.value || word("core_away")}</span></p>`}
    ${found.writes.text && html`<p class="verdict warn" role="status" id="forbidden"><span class="mark" aria-hidden="true" /><span>${found.writes.text}</span></p>`}
    <div class="columns"><div><${Waiting} rows=${found.waiting} /><${Points} points=${found.points} /><${History} rows=${history.value} /></div>
      <aside><${Switches} devices=${devices} /></aside></div>
    ${chosen.value && html`<${Command} key=${chosen.value.at} ...${chosen.value} />`}`;
}

await refresh();
root.replaceChildren();
render(html`<${Page} />`, root);
setInterval(() => { if (!document.hidden && !chosen.value) refresh(); }, 5000);

// Whoever comes from a tag (/commands#device/tag) has its button before him.
const wanted = location.hash ? [...root.querySelectorAll("[data-target]")].find((each) => `#${encodeURIComponent(each.dataset.target).replaceAll("%2F", "/")}` === location.hash) : null;
wanted?.scrollIntoView({ block: "center" });
wanted?.querySelector("button")?.focus({ preventScroll: true });
