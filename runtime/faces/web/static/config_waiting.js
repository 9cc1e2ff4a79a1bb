// Edits of the configuration that wait for a second engineer: who asked, why, what would change, and the approval of whoever did not ask.

import { html, useEffect, useRef, useState } from "/static/vendor/preact.js";
import { ask } from "/static/ask.js";
import { localTimes, personOf, word } from "/static/words.js";
import { signedAct } from "/static/sign_act.js";
import { Advice, Button, Diff, Fault, Faults, Field, api, useWork } from "/static/setup.js";

const EVERY_MS = 10000, MINUTE_MS = 60000;

function Edit({ row, selfApproval, place, onDone, onGone }) {
  const [seen, setSeen] = useState(null), [why, setWhy] = useState(""), [work, run] = useWork(), list = useRef(null);
  useEffect(() => { if (list.current) localTimes(list.current); }, []);
  const look = async () => { if (seen) return setSeen(null); const found = await run(() => ask("GET", `${api}/config/waiting/${row.id}`)); if (found) setSeen(found); };
  const approve = async (event) => {
    event.preventDefault();
    const sha256 = seen.edit.sha256, reason = why.trim(), params = { proposal: row.id, sha256 };
    const done = await run(async () => {
      const signed = await signedAct(place.dataset, { action: "config.approve", target: "", params, reason }, "approved");
      return ask("POST", `${api}/config/waiting/${row.id}/approve`, { sha256, reason, ...signed });
    });
    if (done) onDone(done);
  };
  const may = place.dataset.mayApprove === "yes" && (!row.own || selfApproval);
  return html`<li ref=${list}><b>${personOf(row.by)}</b> <time data-ms=${row.made_ms}>${new Date(row.made_ms).toISOString()}</time> <span class="what">${row.reason}</span>
    <span class="what">${word("config.waiting.what", { what: row.what })} ${word("config.waiting.left", { minutes: Math.max(1, Math.round(row.left_ms / MINUTE_MS)) })}</span>
    <span class="buttons"><button type="button" aria-expanded=${seen ? "true" : "false"} onClick=${look}>${word("config.waiting.look")}</button></span>
    ${row.own ? html`<span class="what quiet">${word(selfApproval ? "config.waiting.self" : "config.waiting.own")}</span>` : null}
    <${Fault} fault=${work.fault} />${work.fault?.code === "config_proposal_gone" ? html`<p class="buttons"><button type="button" onClick=${onGone}>${word("setup.retry")}</button></p>` : null}
    ${seen ? html`<form class="what stack" onSubmit=${approve}><${Faults} faults=${seen.would.faults} count=${seen.would.fault_count} /><${Advice} advice=${seen.would.advice ?? []} /><${Diff} rows=${seen.would.diff ?? []} />
      ${may ? html`<${Field} label=${word("config.waiting.reason")} help=${word("draft.reason.help")} name="approve-reason" required pattern=".*\\S.*" maxlength="500" value=${why} onInput=${(e) => setWhy(e.target.value)} /><p class="buttons"><${Button} primary busy=${work.busy}>${word("config.waiting.approve")}<//></p>` : null}</form>` : null}</li>`;
}

// `revision` is that of the text in force: what waits is looked for again when it moves on, and every few seconds.
export function Waiting({ revision, place, onDone }) {
  const [found, setFound] = useState(null);
  const load = async () => { try { setFound(await ask("GET", `${api}/config/waiting`)); } catch { /* the next look tells; what is shown may be old, and the core decides */ } };
  useEffect(() => { load(); const again = setInterval(load, EVERY_MS); return () => clearInterval(again); }, [revision]);
  if (!found?.waiting.length) return null;
  return html`<section class="card wide waiting" aria-labelledby="waiting-title"><h2 id="waiting-title">${word("config.waiting.title")}</h2><p class="quiet">${word("config.waiting.why")}</p>
    <ul class="list">${found.waiting.map((row) => html`<${Edit} key=${row.id} row=${row} selfApproval=${found.self_approval} place=${place} onDone=${(done) => { load(); onDone(done); }} onGone=${load} />`)}</ul></section>`;
}
