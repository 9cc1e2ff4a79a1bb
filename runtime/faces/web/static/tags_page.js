// The tags of a device as a table: edited cell by cell or many at once, taken along as a file and brought back. What is wrong is said at its cell;
// while one cell is wrong nothing is put in force.

import { html, render, useEffect, useRef, useState } from "/static/vendor/preact.js";
import { ask } from "/static/ask.js";
import { count, word } from "/static/words.js";
import { Button, Fault, Field, Review, api, mounted, useLoad, usePlaces, useWork } from "/static/setup.js";

const { place, mayEdit } = mounted("tags");
const FIXED = new Set(["tag_uid"]), ROWS_SHOWN = 100;
const given = new URL(location.href).searchParams.get("device");
const shownOf = (cell) => (cell === null || cell === undefined ? "" : String(cell));

function Cell({ column, value, kinds, fault, label, change }) {
  const wrong = fault ? word(fault.code, fault.params) : "";
  if (FIXED.has(column) || !mayEdit) return html`<td class=${FIXED.has(column) ? "num quiet" : ""}>${shownOf(value)}</td>`;
  const kind = kinds?.includes("truth") ? "truth" : "text";
  return html`<td>${kind === "truth" ? html`<select aria-label=${label} aria-invalid=${wrong ? "true" : undefined} value=${shownOf(value)} onChange=${(e) => change(e.target.value)}><option value="" /><option value="true">true</option><option value="false">false</option></select>` : html`<input aria-label=${label} aria-invalid=${wrong ? "true" : undefined} title=${wrong} autocomplete="off" autocapitalize="none" spellcheck="false" size=${Math.max(6, shownOf(value).length)} value=${shownOf(value)} inputmode=${kinds?.includes("number") || kinds?.includes("whole") ? "decimal" : undefined} onInput=${(e) => change(e.target.value)} />`}${wrong ? html`<small class="wrong">${wrong}</small>` : null}</td>`;
}

function Table({ table, faults, picked, setPicked, change, from }) {
  const at = (row, column) => faults.find((each) => each.row === row + 2 && each.column === column);
  const whole = (row) => faults.filter((each) => each.row === row + 2 && !table.columns.includes(each.column));
  const name = table.columns.indexOf("name");
  return html`<div class="scroll" tabindex="0" role="region" aria-label=${word("tags.page.table")}><table class="sheet-table"><thead><tr><th scope="col"><span class="hidden">${word("tags.page.pick")}</span></th>${table.columns.map((each) => html`<th scope="col" key=${each}>${each}</th>`)}</tr></thead>
    <tbody>${table.rows.slice(from, from + ROWS_SHOWN).map((cells, n) => { const row = from + n; return html`<tr key=${row} class=${picked.has(row) ? "picked" : ""}><td><label class="switch"><input type="checkbox" checked=${picked.has(row)} onChange=${() => { const next = new Set(picked); next.delete(row) || next.add(row); setPicked(next); }} /><span class="hidden">${word("tags.page.pick_one", { name: shownOf(cells[name]) || row + 1 })}</span></label>${whole(row).map((each) => html`<small class="wrong" key=${each.code}>${each.column ? `${each.column}: ` : ""}${word(each.code, each.params)}</small>`)}</td>
      ${table.columns.map((column, m) => html`<${Cell} key=${column} column=${column} value=${cells[m]} kinds=${table.kinds[column]} fault=${at(row, column)} label=${`${column}, ${shownOf(cells[name]) || row + 1}`} change=${(value) => change(row, m, value)} />`)}</tr>`; })}</tbody></table></div>`;
}

function Several({ table, picked, apply, duplicate, remove }) {
  const [column, setColumn] = useState("unit"), [value, setValue] = useState("");
  const columns = table.columns.filter((each) => !FIXED.has(each) && each !== "name");
  return html`<fieldset class="stack card wide"><legend>${word("tags.page.several", { count: count(picked.size) })}</legend><form class="row" onSubmit=${(e) => { e.preventDefault(); apply(table.columns.indexOf(column), value); }}><label>${word("tags.page.column")}<select value=${column} onChange=${(e) => setColumn(e.target.value)}>${columns.map((each) => html`<option key=${each}>${each}</option>`)}</select></label><${Field} label=${word("config.page.value")} value=${value} onInput=${(e) => setValue(e.target.value)} /><p class="buttons"><button>${word("tags.page.set")}</button></p></form>
    <p class="buttons"><button type="button" onClick=${duplicate}>${word("tags.page.duplicate")}</button><button type="button" onClick=${remove}>${word("tags.page.remove")}</button></p></fieldset>`;
}

const base64 = async (file) => { const bytes = new Uint8Array(await file.arrayBuffer()); let text = ""; for (let at = 0; at < bytes.length; at += 32768) text += String.fromCharCode(...bytes.subarray(at, at + 32768)); return btoa(text); };

function File({ device, judged, busy }) {
  const [encoding, setEncoding] = useState(""), [remove, setRemove] = useState(false), [work, run] = useWork(), field = useRef(null), path = `${api}/tags/${encodeURIComponent(device)}`;
  const go = async (event) => {
    event.preventDefault();
    const file = field.current.files[0];
    if (!file) return;
    const sent = { file: await base64(file), remove, ...(encoding ? { encoding } : {}) };
    const said = await run(() => ask("POST", `${path}/judge`, sent));
    if (said) judged(said, sent, word("tags.reason.file", { device, file: file.name }), file.name);
  };
  return html`<details class="card wide" id="file"><summary><h2>${word("tags.page.file")}</h2></summary><p class="buttons"><a class="button" href=${`${path}/file`} download>${word("tags.page.take")}</a><a class="button" href=${`${path}/file?semicolons=1`} download>${word("tags.page.take.semicolons")}</a><a class="button" href=${`${path}/file?every=1`} download>${word("tags.page.take.every")}</a></p>
    ${mayEdit ? html`<form class="stack" onSubmit=${go}><label>${word("tags.page.bring")}<input type="file" name="file" accept=".csv,.txt,text/csv,text/plain" required ref=${field} /></label><div class="row"><label>${word("tags.page.encoding")}<select value=${encoding} onChange=${(e) => setEncoding(e.target.value)}><option value="">${word("tags.page.encoding.found")}</option>${["utf-8", "utf-16", "gbk", "windows-1252"].map((each) => html`<option key=${each}>${each}</option>`)}</select></label><label class="switch"><input type="checkbox" checked=${remove} onChange=${() => setRemove(!remove)} /><span>${word("tags.page.bring.remove")}</span></label></div>
      <${Fault} fault=${work.fault} /><p class="buttons"><${Button} busy=${work.busy || busy}>${word("tags.page.try")}<//></p></form>` : null}</details>`;
}

function FileFaults({ name, faults }) {
  return html`<section class="card wide" role="alert"><h2>${word("tags.page.file.faults", { file: name, count: count(faults.length) })}</h2><div class="scroll" tabindex="0" role="region" aria-label=${word("tags.page.file.faults", { file: name, count: count(faults.length) })}><table><thead><tr><th scope="col">${word("tags.page.row")}</th><th scope="col">${word("tags.page.column")}</th><th scope="col">${word("tags.page.what")}</th></tr></thead><tbody>${faults.slice(0, 200).map((each, n) => html`<tr key=${n}><td>${each.row || "—"}</td><td>${each.column || "—"}</td><td>${word(each.code, each.params)}</td></tr>`)}</tbody></table></div></section>`;
}

function Device({ device, revision, reload }) {
  const path = `${api}/tags/${encodeURIComponent(device)}`;
  const [table, setTable] = useState(null), [first, setFirst] = useState(null), [every, setEvery] = useState(false), [from, setFrom] = useState(0), [picked, setPicked] = useState(new Set()), [faults, setFaults] = useState([]), [file, setFile] = useState(null), [draft, setDraft] = useState(null), [done, setDone] = useState(null), [loading, load] = useLoad(), [work, run] = useWork();
  const fetchTable = async (wide) => { const found = await load(() => ask("GET", `${path}${wide ? "?every=1" : ""}`)); if (found) { setTable(found); setFirst(JSON.stringify(found.rows)); setFaults([]); setFile(null); setPicked(new Set()); } };
  useEffect(() => { fetchTable(every); }, [device, revision]);
  if (!table) return loading.fault ? html`<${Fault} fault=${loading.fault} /><p class="buttons"><button onClick=${() => fetchTable(every)}>${word("setup.retry")}</button></p>` : html`<p class="empty" role="status">${word("web.loading")}</p>`;
  const changed = JSON.stringify(table.rows) !== first, rows = (next) => { setTable({ ...table, rows: next }); setFaults([]); };
  const change = (row, m, value) => rows(table.rows.map((cells, n) => (n === row ? cells.map((cell, at) => (at === m ? (value === "" ? null : value) : cell)) : cells)));
  const names = () => new Set(table.rows.map((cells) => shownOf(cells[table.columns.indexOf("name")])));
  const duplicate = () => {
    const taken = names(), at = table.columns.indexOf("name"), uid = table.columns.indexOf("tag_uid"), was = table.columns.indexOf("was");
    rows(table.rows.flatMap((cells, n) => {
      if (!picked.has(n)) return [cells];
      let name = `${cells[at]}_2`;
      for (let k = 3; taken.has(name); k += 1) name = `${cells[at]}_${k}`;
      taken.add(name);
      return [cells, cells.map((cell, m) => (m === at ? name : m === uid || m === was ? null : cell))];
    }));
    setPicked(new Set());
  };
  const sent = () => ({ columns: table.columns, rows: table.rows, remove: true });
  const judged = (said, body, reason, name) => {
    if (said.faults.length) return name ? setFile({ name, faults: said.faults }) : setFaults(said.faults);
    setFile(null);
    setDraft({ said, body, reason });
  };
  const judge = async (event) => { event.preventDefault(); const said = await run(() => ask("POST", `${path}/judge`, sent())); if (said) judged(said, sent(), word("tags.reason.page", { device }), ""); };
  if (draft) {
    const accept = (why) => ask("POST", path, { ...draft.body, expected_revision: draft.said.revision, reason: why });
    const end = async (answer) => { setDone(answer); setDraft(null); await reload(); };
    const sum = word("tags.page.sum", { added: draft.said.added.length, changed: draft.said.changed.length, renamed: Object.keys(draft.said.renamed).length, removed: draft.said.removed.length });
    return html`<p class="verdict"><span>${sum}</span></p>${Object.entries(draft.said.renamed).map(([to, was]) => html`<p class="note" key=${to}>${was} → ${to}</p>`)}<${Review} draft=${draft.said} reason=${draft.reason} mayEdit=${mayEdit} accept=${accept} onDone=${end} onBack=${() => setDraft(null)} restart=${() => { setDraft(null); reload(); }} />`;
  }
  const lost = faults.filter((each) => each.row < 2);
  return html`${done ? html`<p class="verdict" role="status"><span class="mark" aria-hidden="true" /><span>${word("config.page.done", { revision: done.revision })} <a class="button" href="/config">${word("tags.page.undo")}</a></span></p>` : null}
    ${table.template ? html`<p class="note warn"><span class="mark" aria-hidden="true" /><span>${word("tags.page.template", { template: table.template, device })}</span></p>` : null}
    ${faults.length ? html`<p class="verdict warn" role="alert"><span class="mark" aria-hidden="true" /><span>${word("tags.page.faults", { count: count(faults.length) })} ${lost.map((each) => `${each.column ? `${each.column}: ` : ""}${word(each.code, each.params)}`).join(" ")}</span></p>` : null}
    <form data-written=${changed ? "" : undefined} onSubmit=${judge}><div class="card wide">${table.rows.length ? html`<${Table} table=${table} faults=${faults} picked=${picked} setPicked=${setPicked} change=${change} from=${from} />` : html`<p class="empty">${word("tags.page.empty")}</p>`}
      ${table.rows.length > ROWS_SHOWN ? html`<p class="buttons"><button type="button" disabled=${from === 0} onClick=${() => setFrom(Math.max(0, from - ROWS_SHOWN))}>${word("tags.page.before")}</button><span>${word("tags.page.span", { from: count(from + 1), to: count(Math.min(table.rows.length, from + ROWS_SHOWN)), all: count(table.rows.length) })}</span><button type="button" disabled=${from + ROWS_SHOWN >= table.rows.length} onClick=${() => setFrom(from + ROWS_SHOWN)}>${word("tags.page.after")}</button></p>` : null}</div>
      <${Fault} fault=${work.fault} /><p class="buttons">${mayEdit && !table.template ? html`<${Button} primary busy=${work.busy}>${word("tags.page.check")}<//><button type="button" onClick=${() => rows([...table.rows, table.columns.map((each) => (each === "group" ? table.rows.at(-1)?.[table.columns.indexOf("group")] ?? "main" : each === "period_ms" ? table.rows.at(-1)?.[table.columns.indexOf("period_ms")] ?? 1000 : null))])}>${word("tags.page.add")}</button>` : null}
        <button type="button" onClick=${() => { setEvery(!every); fetchTable(!every); }} aria-disabled=${changed ? "true" : undefined}>${word(every ? "tags.page.fewer" : "tags.page.every")}</button>${changed ? html`<button type="button" onClick=${() => fetchTable(every)}>${word("config.page.discard")}</button>` : null}</p></form>
    ${picked.size && mayEdit && !table.template ? html`<${Several} table=${table} picked=${picked} duplicate=${duplicate} apply=${(m, value) => rows(table.rows.map((cells, n) => (picked.has(n) ? cells.map((cell, at) => (at === m ? value || null : cell)) : cells)))} remove=${() => { rows(table.rows.filter((_, n) => !picked.has(n))); setPicked(new Set()); }} />` : null}
    ${file ? html`<${FileFaults} name=${file.name} faults=${file.faults} />` : null}
    ${table.template ? null : html`<${File} device=${device} judged=${judged} busy=${work.busy} />`}`;
}

function Page() {
  const [places, reload, loading] = usePlaces(), [device, setDevice] = useState(given ?? "");
  if (!places) return loading.fault ? html`<${Fault} fault=${loading.fault} /><p class="buttons"><button onClick=${reload}>${word("setup.retry")}</button></p>` : html`<p class="empty" role="status">${word("web.loading")}</p>`;
  if (!places.devices.length) return html`<div class="card wide teach"><h2>${word("tags.page.none")}</h2><p>${word("tags.page.none.how")}</p><p class="buttons"><a class="button primary" href="/setup/add">${word("web.nav.add")}</a></p></div>`;
  const here = places.devices.some((each) => each.name === device) ? device : places.devices[0].name;
  return html`<div class="tools"><label class="pick"><span>${word("bench.device")}</span> <select name="device" value=${here} onChange=${(e) => setDevice(e.target.value)}>${places.devices.map((each) => html`<option key=${each.name}>${each.name}</option>`)}</select></label></div><${Device} key=${here} device=${here} revision=${places.revision} reload=${reload} />`;
}

render(html`<${Page} />`, place);
