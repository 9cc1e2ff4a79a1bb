// One tag in full, as a dialog over the page Live: its value and how good it is, both times, what the configuration and the models say of it, its last
// hour. `live_page.js` fetches this module when the first is opened. What is not of now is struck here too. It changes nothing.

import { html, useEffect, useRef, useState } from "/static/vendor/preact.js";
import { ageOf, health, isStale, link, now, values } from "/static/live.js";
import { causeOf, isoOf, moment, quality, showAge, showValue, stateOf, statusSaid, word } from "/static/words.js";
import { ask, isUnheard, lookUntilHeard, untilHeard } from "/static/ask.js";
import { Chart } from "/static/chart.js";
import { Tail } from "/static/trend_data.js";

const HOUR_MS = 3600000, REFRESH_MS = 30000, DRAW_MS = 2000, HEIGHT = 190;

// `may` = {trend, proof, command}: what whoever looks may do. `onClose` is called once the dialog is closed, by any way.
export function TagDetail({ uid, tag, may, evidence, onClose }) {
  const here = useRef(null), [told, setTold] = useState(null), [fault, setFault] = useState("");
  useEffect(() => {
    here.current.showModal();
    let isOpen = true;
    lookUntilHeard(() => ask("GET", `/api/v1/tag?uid=${uid}`), (problem) => setFault(problem?.message ?? ""), () => !isOpen).then((found) => { if (found && isOpen) setTold(found); });
    return () => { isOpen = false; };
  }, []);
  const outside = (event) => { if (event.target === here.current) here.current.close(); };
  return html`<dialog class="tag-detail" aria-labelledby="tag-title" ref=${here} onClose=${onClose} onClick=${outside}><div>
    <header><h2 id="tag-title">${tag[1]} <small>${tag[9]}</small></h2><button type="button" class="close" aria-label=${word("web.tag.close")} onClick=${() => here.current.close()}>✕</button></header>
    <${Now} uid=${uid} tag=${tag} evidence=${evidence} />
    ${may.trend && html`<${LastHour} uid=${uid} name=${tag[1]} />`}
    ${fault ? html`<p class="note warn" role="alert"><span class="mark" aria-hidden="true" /><span>${fault}</span></p>` : told ? html`<dl class="long facts">${facts(told, tag)}</dl>` : html`<p class="quiet">${word("web.loading")}</p>`}
    <p class="buttons">${may.proof && html`<a class="button" href=${`/prove?uid=${uid}`}>${word("web.prove")}</a>`}${may.trend && html`<a class="button" href=${`/trends?uids=${uid}&range=1h`}>${word("web.tag.trend")}</a>`}
      ${may.command && tag[8] && html`<a class="button" href=${`/commands#${encodeURIComponent(tag[1]).replaceAll("%2F", "/")}`}>${word("web.tag.command")}</a>`}</p></div></dialog>`;
}

// The value and all that tells whether to believe it; a row of its own, which alone is drawn again with every tick.
function Now({ uid, tag, evidence }) {
  const row = values(uid).value, device = (health.value.devices ?? []).find((each) => each.name === tag[2]), why = causeOf(device);
  now.value; // ages grow by themselves
  const stale = isStale(row, tag), q = row === null ? 2 : quality(row[2]), state = row === null ? "pending" : evidence(row);
  const at = (ms) => html`<time datetime=${isoOf(ms)} title=${isoOf(ms)}>${moment(ms)}</time>`;
  return html`<div class=${`now q${q}${stale ? " stale" : ""}`}><p class="big value">${row === null ? html`<span>—</span>` : stale ? html`<s>${showValue(row[1], tag)}</s>` : html`<span>${showValue(row[1], tag)}</span>`} <small>${tag[3]}</small></p>
    <p class="quality" role="status"><span class="mark" aria-hidden="true" /><span>${row === null ? word("web.no_data") : stale ? word("web.live.old") : [word(`web.quality.${q}`), statusSaid(row[2]), row[7] ? word(row[7]) : ""].filter(Boolean).join(" — ")}</span></p>
    <dl class="long"><dt>${word("web.col.age")}</dt><dd class="age">${showAge(ageOf(row, tag))}${link.value === "ok" || link.value === "starting" ? "" : ` · ${word("web.tag.unheard")}`}</dd>
      <dt>${word("web.tag.read")}</dt><dd>${row === null ? "—" : at(row[3])}</dd><dt>${word("web.live.source_time")}</dt><dd>${row?.[4] ? at(row[4]) : word("web.tag.no_source_time")}</dd>
      <dt>${word("web.col.evidence")}</dt><dd class=${`evidence ${state}`}><span class="mark" aria-hidden="true" />${word(`web.state.${state}`)}${row?.[6] !== null && row?.[6] !== undefined ? ` · ${word("web.entry")} ${row[6]}` : ""}</dd>
      <dt>${word("web.tag.device")}</dt><dd class=${device?.state ?? ""}>${tag[2]}${device ? `: ${word(`web.device.${stateOf(device)}`)}${why ? ` — ${why}` : ""}` : ""}${device?.last_good_ms && now.value !== null && device.state !== "ok" ? html`<br />${word("web.tag.last_good", { age: showAge(now.value - device.last_good_ms) })}` : null}</dd></dl></div>`;
}

// [label, text] of what the configuration and the models say; what nothing is said of is left out.
function facts(told, tag) {
  const unit = tag[3], number = (value) => `${showValue(value, tag)} ${unit}`.trim(), { report, range, instrument, write } = told;
  const between = ({ low, high }) => (low !== null && high !== null ? word("web.tag.between", { low: showValue(low, tag), high: number(high) }) : low !== null ? `≥ ${number(low)}` : high !== null ? `≤ ${number(high)}` : "");
  const seconds = (ms) => word("web.tag.seconds", { count: Number((ms / 1000).toPrecision(6)) });
  const band = report.deadband ? [word("web.tag.report.deadband", { value: `${Number(report.deadband.toPrecision(6))} ${unit}`.trim() })] : [];
  if (report.deadband_share) band.push(word("web.tag.report.percent", { percent: Number((100 * report.deadband_share).toPrecision(4)) }));
  if (report.deadband_integral) band.push(word("web.tag.report.integral", { value: `${Number(report.deadband_integral.toPrecision(6))} ${unit ? `${unit}·s` : "s"}` }));
  const kept = [!report.on_change ? word("web.tag.report.every") : band.length ? band.join(", ") : word("web.tag.report.change"), ...(report.heartbeat_ms && report.on_change ? [word("web.tag.report.heartbeat", { every: seconds(report.heartbeat_ms) })] : [])];
  const spread = [instrument.uncertainty !== null ? `± ${Number(instrument.uncertainty.toPrecision(6))} ${unit}`.trim() : "", instrument.uncertainty_percent !== null ? `± ${instrument.uncertainty_percent} %` : "", instrument.coverage !== null ? `(k = ${instrument.coverage})` : ""].filter(Boolean).join(" ");
  const rows = [
    ["unit", unit || word("web.tag.no_unit")], ["period", told.mode === "subscribe" ? word("web.tag.pushed") : seconds(told.period_ms)], ["limits", between(range) && `${between(range)}; ${word("web.tag.outside", { quality: word(`web.quality.${range.outside === "bad" ? 2 : 1}`) })}`],
    ...told.bands.map((each) => ["band", `${between(each)} (${word("web.tag.band.of", { model: each.model, state: word(`web.model.state.${each.state}`) })})`]),
    ["report", kept.join("; ")], ["serial", instrument.serial], ["certificate", instrument.certificate], ["calibrated", instrument.calibrated], ["due", instrument.due && html`<${Due} instrument=${instrument} />`],
    ["uncertainty", spread], ["calibration", instrument.serial || instrument.calibrated || instrument.due || spread ? "" : instrument.text], ["write", write && (between(write) || word("web.tag.write.free"))],
  ];
  return rows.filter(([, text]) => text).map(([name, text]) => html`<dt>${word(`web.tag.${name}`)}</dt><dd>${text}</dd>`);
}

const Due = ({ instrument }) => (now.value !== null && now.value >= instrument.overdue_ms ? html`<b class="overdue">${instrument.due} — ${word("web.tag.overdue")}</b>` : instrument.due);

// The last hour, from the history, going on with what comes.
function LastHour({ uid, name }) {
  const here = useRef(null), [fault, setFault] = useState("");
  useEffect(() => {
    const chart = new Chart(here.current, {}, { height: HEIGHT, isNumbered: false }), tail = new Tail();
    let trend = null, isOpen = true, waits = false; // one wait for the history, however often it was asked for
    const range = () => { const to = now.peek() ?? Date.now(); return [to - HOUR_MS, to]; };
    const draw = () => {
      const row = values(uid).peek();
      if (row !== null && link.peek() === "ok") tail.add(row[3], row[1], quality(row[2]) < 2);
      if (trend && isOpen) chart.show(trend, range(), [tail]);
    };
    const load = async () => {
      const [t0, t1] = range().map(Math.round);
      try {
        const found = await ask("GET", `/api/v1/trends?uids=${uid}&t0=${t0}&t1=${t1}&points=240`);
        tail.after(found.pens[0].t.at(-1) ?? -Infinity);
        trend = found;
        if (isOpen) setFault(found.pens[0].t.length ? "" : word("web.trends.nothing"));
        draw();
      } catch (problem) {
        if (!isOpen) return;
        setFault(problem.message);
        if (!isUnheard(problem) || waits) return;
        waits = true;
        untilHeard().then(() => { waits = false; if (isOpen) load(); });
      }
    };
    load();
    const timers = [setInterval(() => { if (!document.hidden && !waits) load(); }, REFRESH_MS), setInterval(() => { if (!document.hidden && link.peek() === "ok") draw(); }, DRAW_MS)];
    return () => { isOpen = false; timers.forEach(clearInterval); chart.end(); };
  }, []);
  return html`<figure class="hour"><figcaption>${word("web.tag.hour")}</figcaption>${fault && html`<p class="quiet">${fault}</p>`}<div class=${`chart${fault ? " hidden" : ""}`} role="img" aria-label=${`${word("web.tag.hour")}: ${name}`} ref=${here} /></figure>`;
}
