// The bundle: a snapshot is taken, every file of it can be looked at and left out, and only then, with a reason, it is made. What is downloaded is
// the snapshot, byte for byte.

import { html, useState } from "/static/vendor/preact.js";
import { ask } from "/static/ask.js";
import { count, moment, word } from "/static/words.js";
import { Button, Fault, Field, useWork } from "/static/setup.js";
import { api, size } from "/static/diagnostics_api.js";

const whatOf = (name) => { const code = `diag.bundle.what.${name.replace(/\..*/, "")}`, text = word(code); return text === code ? "" : text; };

function File({ bundle, file, isIn, toggle }) {
  const [text, setText] = useState(null), [work, run] = useWork();
  const show = async () => {
    if (text !== null) return setText(null);
    const found = await run(async () => (await ask("GET", `${api}/bundles/${bundle}/files/${encodeURIComponent(file.name)}`)).text());
    if (found !== null) setText(found);
  };
  return html`<li><label class="switch"><input type="checkbox" checked=${isIn} onChange=${toggle} aria-label=${word("diag.bundle.in.label", { name: file.name })} /></label>
    <span class="name"><code>${file.name}</code><small>${whatOf(file.name)}</small></span><span class="size">${size(file.size_bytes)}</span>
    <button type="button" aria-expanded=${text === null ? "false" : "true"} aria-label=${word("diag.bundle.show.label", { name: file.name })} onClick=${show}>${word(text === null ? "diag.bundle.show" : "diag.bundle.hide")}</button>
    ${work.fault || text !== null ? html`<div class="open"><${Fault} fault=${work.fault} />${text !== null ? html`<p class="quiet">SHA-256 <code>${file.sha256}</code></p><pre class="content" tabindex="0" role="region" aria-label=${file.name}>${text}</pre>` : null}</div>` : null}</li>`;
}

export function Bundle() {
  const [seen, setSeen] = useState(null), [out, setOut] = useState(new Set()), [reason, setReason] = useState(""), [made, setMade] = useState(null), [looking, look] = useWork(), [making, make] = useWork();
  const take = async () => { const found = await look(() => ask("POST", `${api}/preview`)); if (found) { setSeen(found); setMade(null); } };
  const toggle = (name) => { const next = new Set(out); if (!next.delete(name)) next.add(name); setOut(next); setMade(null); };
  const go = async (event) => {
    event.preventDefault();
    const leave = seen.files.map((each) => each.name).filter((name) => out.has(name));
    const done = await make(() => ask("POST", `${api}/bundles`, { id: seen.id, reason: reason.trim(), leave_out: leave }));
    if (done) setMade(done);
  };
  const left = seen?.files.filter((each) => !out.has(each.name)) ?? [];
  return html`<section class="card wide" aria-labelledby="bundle-title"><h2 id="bundle-title">${word("diag.bundle")}</h2><p class="quiet">${word("diag.bundle.why")}</p><${Fault} fault=${looking.fault} />
    <p class="buttons"><${Button} type="button" busy=${looking.busy} onClick=${take}>${word(seen ? "diag.bundle.again" : "diag.bundle.look")}<//></p>
    ${seen ? html`<form class="stack" onSubmit=${go}><h3>${word("diag.bundle.made", { time: moment(seen.made_ms) })}</h3>
      <ul class="files">${seen.files.map((file) => html`<${File} key=${`${seen.id}/${file.name}`} bundle=${seen.id} file=${file} isIn=${!out.has(file.name)} toggle=${() => toggle(file.name)} />`)}</ul>
      <p>${word("diag.bundle.total", { count: count(left.length), size: size(left.reduce((sum, each) => sum + each.size_bytes, 0)) })}</p>
      <${Field} label=${word("diag.bundle.reason")} help=${word("diag.bundle.reason.help")} name="reason" required maxlength="500" value=${reason} onInput=${(e) => { setReason(e.target.value); setMade(null); }} />
      <${Fault} fault=${making.fault} />
      ${made ? html`<div class="made"><p class="verdict ok" role="status"><span class="mark" aria-hidden="true" /><span>${word("diag.bundle.done", { count: count(made.files), size: size(made.size_bytes), seq: made.seq ?? "—" })}</span></p><p>SHA-256 <code>${made.sha256}</code></p><p class="buttons"><a class="button primary" href=${`${api}/bundles/${seen.id}`} download>${word("diag.bundle.download")}</a></p></div>`
        : html`<p class="buttons"><${Button} primary busy=${making.busy}>${word("diag.bundle.go")}<//></p>`}</form>` : null}</section>`;
}
