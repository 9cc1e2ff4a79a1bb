// Parts of the register bench: the decoding detective, the two-point scaling, the frames of a line.

import { html, useEffect, useRef, useState } from "/static/vendor/preact.js";
import { Problem, ask } from "/static/ask.js";
import { isoOf, language, word, writer } from "/static/words.js";
import { Button, Fault, Field, api, ordered, plainOptions, sameOptions, useWork } from "/static/setup.js";

const SHOWN_MAX = 6, FRAMES_MS = 1000, FRAMES_MAX = 60;
const unitOf = (shown) => shown.match(/[0-9.,\s]\s*([^0-9\s.,][^\s]{0,15})\s*$/)?.[1] ?? "";

// As the detective and the table of types write a number: whole ones with all their digits, others with nine.
const plain = (value) => String(Number.isInteger(value) ? value : Number(value.toPrecision(9)));

// The form has a field for the number alone; what the command line would take says nothing here.
async function asTyped(shown, work) {
  try {
    return await work();
  } catch (problem) {
    throw problem.code === "detect_shows_shape" ? new Problem({ code: "bench.detect.shape", params: { value: shown.trim() }, status: problem.status }) : problem;
  }
}

// One look is what the display shows now, beside what the registers hold now. Each further look after a change rules out more.
export function Detective({ where, address, asking, looked, choose, chosen }) {
  const [name, setName] = useState(""), [shown, setShown] = useState(""), [said, setSaid] = useState(null), [near, setNear] = useState(null), [work, run] = useWork();
  const verdict = useRef(null);
  const go = async (event) => {
    event.preventDefault();
    const place = near ?? address, text = `${name.trim().replaceAll("=", " ") || "value"}=${shown.trim()}`;
    const found = await run(() => asking(() => asTyped(shown, () => ask("POST", `${api}/bench/detect`, { where, near: [place], shows: [text], ...(said ? { case: said.case } : {}) }))));
    if (!found) return;
    looked(found.registers);
    setSaid(found);
    setNear(place);
    const finding = found.findings[0];
    if (finding.verdict === "sure") take(finding.candidates[0]);
    requestAnimationFrame(() => verdict.current?.focus());
  };
  const take = (one) => {
    const { scale, ...options } = one.options;
    choose({ options: ordered(options), scale: scale === undefined ? null : { scale }, raw: null, shown: { name: name.trim(), unit: unitOf(shown) } });
  };
  const finding = said?.findings[0], looks = said?.case.looks.length ?? 0;
  return html`<section class="card wide stack" id="detective" aria-labelledby="detective-title"><h2 id="detective-title">${word("bench.detect")}</h2><p>${word("bench.detect.how", { address: near ?? address })}</p>
    <form class="stack" onSubmit=${go}><div class="row"><${Field} label=${word("bench.detect.name")} name="quantity" maxlength="60" value=${name} readonly=${looks > 0} placeholder=${word("bench.detect.name.example")} onInput=${(e) => setName(e.target.value)} />
      <${Field} label=${word("bench.detect.shown")} name="shown" required maxlength="60" value=${shown} placeholder="230.4 V" help=${word("bench.detect.shown.help")} onInput=${(e) => setShown(e.target.value)} /></div>
      <${Fault} fault=${work.fault} /><p class="buttons"><${Button} primary=${!chosen} busy=${work.busy}>${word(looks ? "bench.detect.again" : "bench.detect.go")}<//>${looks ? html`<button type="button" onClick=${() => { setSaid(null); setNear(null); }}>${word("bench.detect.reset")}</button>` : null}</p></form>
    ${finding ? html`<div id="finding" data-verdict=${finding.verdict}><p class=${`verdict ${finding.verdict === "sure" ? "" : "warn"}`} role="status" tabindex="-1" ref=${verdict}><span class="mark" aria-hidden="true" /><span>${word(`bench.verdict.${finding.verdict}`, { count: finding.candidates.length, looks })}</span></p>
      <ul class="list">${finding.doubts.map((each) => html`<li key=${each}><span class="what">${word(`bench.doubt.${each}`, { look: finding.odd_look })}</span></li>`)}</ul>
      ${finding.candidates.length ? html`<ul class="list candidates">${finding.candidates.slice(0, SHOWN_MAX).map((one, n) => html`<li key=${n}><code class="what">${plainOptions(one.options)}</code> <em>${one.values.length ? plain(one.values.at(-1)) : ""} · ${(100 * one.share).toLocaleString(language, { maximumFractionDigits: 1 })} %</em>
        <button type="button" class="use" aria-pressed=${chosen && same(chosen, one.options) ? "true" : "false"} onClick=${() => take(one)}>${word("bench.use")}</button></li>`)}</ul>${finding.candidates.length > SHOWN_MAX ? html`<p class="quiet">${word("bench.detect.more", { count: finding.candidates.length - SHOWN_MAX })}</p>` : null}` : null}</div>` : null}</section>`;
}

const same = (chosen, { scale, ...options }) => sameOptions(chosen.options, options) && (chosen.scale?.scale ?? 1) === (scale ?? 1);

// A line through two points: what the register held and what was shown.
export function Scaling({ chosen, scale, setScale }) {
  const [points, setPoints] = useState([[chosen.raw ?? "", ""], ["", ""]]), [found, setFound] = useState(null), [work, run] = useWork();
  const set = (n, m, value) => setPoints(points.map((point, at) => (at === n ? point.map((each, side) => (side === m ? value : each)) : point)));
  const read = (value) => Number(String(value).trim().replace(",", "."));
  const go = async (event) => {
    event.preventDefault();
    const answer = await run(() => ask("POST", `${api}/bench/scaling`, { points: points.map((point) => point.map(read)) }));
    if (answer) setFound(answer);
  };
  const apply = (one, offset) => setScale({ scale: one, ...(offset ? { offset } : {}) });
  return html`<details class="card wide"><summary><h2>${word("bench.scaling")}</h2>${scale ? html` <code>${plainOptions(scale)}</code>` : null}</summary><p>${word("bench.scaling.how")}</p>
    <form class="stack" onSubmit=${go}>${points.map((point, n) => html`<div class="row" key=${n}><${Field} label=${word("bench.scaling.raw", { n: n + 1 })} inputmode="decimal" required value=${point[0]} onInput=${(e) => set(n, 0, e.target.value)} /><${Field} label=${word("bench.scaling.value", { n: n + 1 })} inputmode="decimal" required value=${point[1]} onInput=${(e) => set(n, 1, e.target.value)} /></div>`)}
    <${Fault} fault=${work.fault} /><p class="buttons"><${Button} busy=${work.busy}>${word("bench.scaling.go")}<//></p></form>
    ${found ? html`<ul class="list"><li><code>scale = ${found.scale}, offset = ${found.offset}</code> <button type="button" onClick=${() => apply(found.scale, found.offset)}>${word("bench.use")}</button></li>
      ${found.round_scale !== null && found.round_scale !== found.scale ? html`<li><code>scale = ${found.round_scale}, offset = ${found.round_offset}</code> <em>${word("bench.scaling.round")}</em> <button type="button" onClick=${() => apply(found.round_scale, found.round_offset)}>${word("bench.use")}</button></li>` : null}
      ${found.hints.map((each) => html`<li key=${each} class="degraded"><span class="mark" aria-hidden="true" /><span class="what">${word(`bench.scaling.${each}`)}</span></li>`)}</ul>` : null}
    ${scale ? html`<p class="buttons"><button type="button" onClick=${() => setScale(null)}>${word("bench.scaling.none")}</button></p>` : null}</details>`;
}

// The newest frames of a line while one looks.
export function Frames() {
  const [open, setOpen] = useState(false), [lines, setLines] = useState([]), [line, setLine] = useState(""), [shown, setShown] = useState(null), [fault, setFault] = useState(null), [held, setHeld] = useState(false);
  useEffect(() => {
    if (!open || held) return undefined;
    let timer = 0, over = false;
    const look = async () => {
      try {
        const all = (await ask("GET", `${api}/bench/frames`)).lines, wanted = line || all[0]?.line;
        setLines(all);
        if (wanted) setShown(await ask("GET", `${api}/bench/frames?line=${encodeURIComponent(wanted)}`));
        setFault(null);
      } catch (each) { setFault(each); }
      if (!over) timer = setTimeout(look, FRAMES_MS);
    };
    look();
    return () => { over = true; clearTimeout(timer); };
  }, [open, line, held]);
  const at = writer({ hour: "2-digit", minute: "2-digit", second: "2-digit", fractionalSecondDigits: 3 });
  return html`<details class="card wide" id="frames" onToggle=${(e) => setOpen(e.target.open)}><summary><h2>${word("bench.frames")}</h2></summary><p>${word("bench.frames.what")}</p><${Fault} fault=${fault} />
    ${lines.length ? html`<div class="tools"><label class="pick"><span>${word("bench.frames.line")}</span> <select value=${line || lines[0].line} onChange=${(e) => setLine(e.target.value)}>${lines.map((each) => html`<option key=${each.line} value=${each.line}>${each.line}</option>`)}</select></label><button type="button" aria-pressed=${held ? "true" : "false"} onClick=${() => setHeld(!held)}>${word(held ? "bench.frames.go" : "bench.frames.hold")}</button></div>` : html`<p class="empty">${word("bench.frames.none")}</p>`}
    ${shown ? html`<div class="scroll log" tabindex="0" role="region" aria-label=${word("bench.frames")}><table class="frames"><thead><tr><th scope="col">${word("bench.frames.time")}</th><th scope="col">${word("bench.frames.way")}</th><th scope="col">${word("bench.frames.bytes")}</th><th scope="col">${word("bench.frames.meaning")}</th></tr></thead>
      <tbody>${shown.frames.slice(-FRAMES_MAX).reverse().map((row, n) => html`<tr key=${n}><td title=${isoOf(row[0])}>${at(row[0])}</td><td>${word(row[2] ? "bench.frames.sent" : "bench.frames.heard")}</td><td><code>${row[3]}</code></td><td>${row[4]}</td></tr>`)}</tbody></table></div>` : null}</details>`;
}
