// The configuration by the page: the same text, the same judgement, the same door as for a file. Every revision stays, with who and why; undoing is
// a new revision with the old text.

import { html, render, useEffect, useRef, useState } from "/static/vendor/preact.js";
import { ask } from "/static/ask.js";
import { isoOf, localTimes, moment, personOf, whyOf, word } from "/static/words.js";
import { Waiting } from "/static/config_waiting.js";
import { Button, Diff, Fault, Faults, Advice, Field, Review, api, mounted, useLoad, useWork } from "/static/setup.js";

const { place, mayEdit } = mounted("config");

function Editor({ now, text, setText, judge, work, said }) {
  const area = useRef(null), numbers = useRef(null), lines = text.split("\n").length;
  const toLine = (line) => {
    const all = text.split("\n"), from = all.slice(0, line - 1).reduce((sum, each) => sum + each.length + 1, 0);
    area.current.focus();
    area.current.setSelectionRange(from, from + (all[line - 1] ?? "").length);
    area.current.scrollTop = Math.max(0, (line - 4) * (area.current.scrollHeight / lines));
  };
  return html`<form class="card wide stack" onSubmit=${judge}><h2>${word("config.page.text")} <small>${word("config.page.revision", { revision: now.revision })}</small></h2>
    <div class="editor"><pre class="numbers" aria-hidden="true" ref=${numbers}>${Array.from({ length: lines }, (_, n) => n + 1).join("\n")}</pre><textarea ref=${area} aria-label=${word("config.page.text")} name="text" spellcheck="false" autocapitalize="none" wrap="off" rows="18" readonly=${!mayEdit} value=${text} onScroll=${(e) => { numbers.current.scrollTop = e.target.scrollTop; }} onInput=${(e) => setText(e.target.value)} /></div>
    <${Fault} fault=${work.fault} />${said?.faults.length ? html`<${Faults} faults=${said.faults} count=${said.fault_count} onLine=${toLine} />` : null}
    ${said && !said.faults.length && !said.changed ? html`<${Advice} advice=${said.advice} /><p class="quiet" role="status">${word("draft.same")}</p>` : null}
    <p class="buttons"><${Button} primary busy=${work.busy}>${word("config.page.check")}<//>${text !== now.text ? html`<button type="button" onClick=${() => setText(now.text)}>${word("config.page.discard")}</button>` : null}</p></form>`;
}

function Device({ name, isTemplate, drafted }) {
  const [copy, setCopy] = useState(null), [work, run] = useWork();
  const draft = async (asked, reason) => { const made = await run(() => ask("POST", `${api}/config/draft`, asked)); if (made) drafted(made, reason); };
  return html`<li><b>${name}</b> <span class="buttons"><a class="button" href=${`/setup/tags?device=${encodeURIComponent(name)}`}>${word("web.nav.tags")}</a>${mayEdit ? html`<button type="button" aria-expanded=${copy === null ? "false" : "true"} onClick=${() => setCopy(copy === null ? `${name}_2` : null)}>${word("config.page.copy")}</button>${isTemplate ? html`<button type="button" onClick=${() => draft({ kind: "write_out", device: name }, word("config.reason.write_out", { name }))}>${word("config.page.write_out")}</button>` : null}<button type="button" onClick=${() => draft({ kind: "remove", device: name }, word("config.reason.remove", { name }))}>${word("config.page.remove")}</button>` : null}</span><${Fault} fault=${work.fault} />
    ${copy !== null ? html`<form class="what stack" onSubmit=${(e) => { e.preventDefault(); draft({ kind: "copy", device: name, name: copy.trim(), changes: {} }, word("config.reason.copy", { name: copy, from: name })); }}><${Field} label=${word("bench.make.device_name")} required maxlength="64" value=${copy} onInput=${(e) => setCopy(e.target.value)} /><p class="buttons"><button>${word("bench.make.go")}</button></p></form>` : null}</li>`;
}

// One value of one place, as faults name places: the shortest way to change a period or a host.
function OneValue({ drafted }) {
  const [at, setAt] = useState(""), [value, setValue] = useState(""), [work, run] = useWork();
  const read = () => { const text = value.trim(); if (text === "true" || text === "false") return text === "true"; return text !== "" && !Number.isNaN(Number(text)) ? Number(text) : text.replace(/^"(.*)"$/, "$1"); };
  const go = async (event) => { event.preventDefault(); const made = await run(() => ask("POST", `${api}/config/draft`, { kind: "values", values: { [at.trim()]: read() } })); if (made) drafted(made, word("config.reason.value", { place: at.trim(), value: value.trim() })); };
  return html`<form class="stack" onSubmit=${go}><div class="row"><${Field} label=${word("config.page.place")} required value=${at} placeholder="devices.meter.groups.fast.period_ms" onInput=${(e) => setAt(e.target.value)} /><${Field} label=${word("config.page.value")} required value=${value} help=${word("config.page.value.help")} onInput=${(e) => setValue(e.target.value)} /></div><${Fault} fault=${work.fault} /><p class="buttons"><${Button} busy=${work.busy}>${word("bench.make.go")}<//></p></form>`;
}

function Revisions({ now, drafted }) {
  const [all, setAll] = useState(null), [work, run] = useLoad(), [open, setOpen] = useState(null), [looking, look] = useWork(), list = useRef(null);
  useEffect(() => { run(async () => setAll(await ask("GET", `${api}/config/revisions`))); }, [now.revision]);
  useEffect(() => { if (list.current) localTimes(list.current); });
  const show = async (number) => { if (open?.number === number) return setOpen(null); const found = await look(() => ask("GET", `${api}/config/revisions/${number}`)); if (found) setOpen(found); };
  return html`<section class="card wide" aria-labelledby="revisions-title"><h2 id="revisions-title">${word("config.page.revisions")}</h2><${Fault} fault=${work.fault ?? looking.fault} />
    ${all === null ? (work.fault ? null : html`<p class="empty" role="status">${word("web.loading")}</p>`) : html`<ul class="list revisions" ref=${list}>${all.revisions.map((each) => html`<li key=${each.number}><b>${word("config.page.revision", { revision: each.number })}</b> <time data-ms=${each.at_ms}>${isoOf(each.at_ms)}</time> <span>${personOf(each.actor)}</span> <span class="what">${whyOf(each.reason, each.actor)}</span>
      <span class="buttons">${each.number === now.revision ? html`<em>${word("config.page.in_force")}</em>` : html`<button type="button" aria-expanded=${open?.number === each.number ? "true" : "false"} onClick=${() => show(each.number)}>${word("config.page.differs")}</button>`}<a class="button" href=${`/ledger#${each.seq}`}>${word("config.page.entry", { seq: each.seq })}</a></span>
      ${open?.number === each.number ? html`<div class="what stack"><${Diff} rows=${open.undo.diff} />${mayEdit && open.undo.changed ? html`<p class="buttons"><button type="button" onClick=${() => drafted({ ...open.undo, text: open.text }, word("config.reason.undo", { revision: each.number }))}>${word("config.page.undo", { revision: each.number })}</button></p>` : null}</div>` : null}</li>`)}</ul>`}${all?.until_ms ? html`<p class="note">${word("audit.until")} ${moment(all.until_ms)}</p>` : null}</section>`;
}

function Page() {
  const [now, setNow] = useState(null), [text, setText] = useState(""), [said, setSaid] = useState(null), [draft, setDraft] = useState(null), [done, setDone] = useState(null), [loading, load] = useLoad(), [work, run] = useWork();
  const fetchNow = async () => { const found = await load(() => ask("GET", `${api}/config`)); if (found) { setNow(found); setText(found.text); setSaid(null); } };
  useEffect(() => { fetchNow(); }, []);
  useEffect(() => { const ask2 = (event) => { if (now && text !== now.text) event.preventDefault(); }; addEventListener("beforeunload", ask2); return () => removeEventListener("beforeunload", ask2); }, [now, text]);
  if (!now) return loading.fault ? html`<${Fault} fault=${loading.fault} /><p class="buttons"><button onClick=${fetchNow}>${word("setup.retry")}</button></p>` : html`<p class="empty" role="status">${word("web.loading")}</p>`;
  const judge = async (event) => {
    event.preventDefault();
    const found = await run(() => ask("POST", `${api}/config/judge`, { text }));
    if (!found) return;
    setSaid(found);
    if (!found.faults.length && found.changed) setDraft({ made: { ...found, text }, reason: "" });
  };
  if (draft) {
    const end = async (answer) => { setDone(answer); setDraft(null); await fetchNow(); };
    return html`<${Review} draft=${draft.made} reason=${draft.reason} mayEdit=${mayEdit} onDone=${end} onBack=${() => setDraft(null)} restart=${async () => { const kept = text; setDraft(null); await fetchNow(); setText(kept); }} />`;
  }
  const drafted = (made, reason) => setDraft({ made, reason });
  const devices = [...now.text.matchAll(/^\s*\[devices\.("[^"]+"|[A-Za-z0-9_-]+)\]/gm)].map((found) => found[1].replaceAll('"', ""));
  const templated = now.text.split(/^(?=\s*\[)/m).filter((table) => /^\s*template\s*=/m.test(table)).map((table) => table.match(/^\s*\[devices\.("[^"]+"|[A-Za-z0-9_-]+)\]/)?.[1].replaceAll('"', ""));
  return html`${done ? html`<p class="verdict" role="status"><span class="mark" aria-hidden="true" /><span>${word("config.page.done", { revision: done.revision })}${done.restart_needed ? ` ${word("config.page.restart")}` : ""}</span></p><${Advice} advice=${[done.advice, done.kept ? word("act_kept", done) : "", done.waits ? word("act_waits", done) : ""].filter(Boolean)} />` : null}
    <${Waiting} revision=${now.revision} place=${place} onDone=${async (answer) => { const kept = text !== now.text ? text : null; setDone(answer); await fetchNow(); if (kept !== null) setText(kept); }} />
    <${Editor} now=${now} text=${text} setText=${setText} judge=${judge} work=${work} said=${said} />
    <section class="card wide"><h2>${word("config.page.parts")}</h2>${devices.length ? html`<ul class="list">${devices.map((each) => html`<${Device} key=${each} name=${each} isTemplate=${templated.includes(each)} drafted=${drafted} />`)}</ul>` : html`<p class="empty">${word("config.page.no_devices")} <a class="button" href="/setup/add">${word("web.nav.add")}</a></p>`}${mayEdit ? html`<h3>${word("config.page.one")}</h3><${OneValue} drafted=${drafted} />` : null}</section>
    <${Revisions} now=${now} drafted=${drafted} />`;
}

render(html`<${Page} />`, place);
