// Add device: who answers on a line, what a server has, or a device whose map is known. It looks only where it is told to, slowly, and ends in a draft.

import { html, render, useEffect, useRef, useState } from "/static/vendor/preact.js";
import { ask, lookUntilHeard } from "/static/ask.js";
import { count, word } from "/static/words.js";
import { Button, Commissioning, Fault, Field, Newborn, Review, api, mounted, useLoad, usePlaces, useWork } from "/static/setup.js";
import { Server } from "/static/add_opcua.js";

const { place, mayEdit } = mounted("add");
const POLL_MS = 500, PLAN_MS = 400;
const WAYS = ["tcp", "serial", "opcua", "library"];

const benchOf = (where) => `/setup/bench?${new URLSearchParams(Object.entries(where).map(([key, value]) => [key, String(value)]))}`;

// Of a unit that a scan found: where it is, as the options of a device.
function whereOf(row, asked) {
  if (asked.serial_port) return { transport: "rtu", serial_port: asked.serial_port, baud: row.baud, parity: row.parity, unit_id: row.unit };
  const at = row.place.lastIndexOf(":"), own = at > 0 && row.place.includes(".") ? { host: row.place.slice(0, at), port: Number(row.place.slice(at + 1)) } : { host: asked.hosts, port: Number(asked.port) };
  return { ...(asked.transport === "tcp" ? {} : { transport: asked.transport }), ...own, unit_id: row.unit };
}

// Units in whose name a converter refused: [place, exception code, units] of each place and code.
function unreached(rows) {
  const found = new Map();
  for (const { place, code, unit } of rows) {
    const key = `${place} ${code}`;
    found.set(key, [place, code, [...(found.get(key)?.[2] ?? []), unit]]);
  }
  return [...found.values()];
}

function FoundUnit({ row, asked, useTemplate }) {
  const where = whereOf(row, asked), said = Object.values(row.identification).join(" ");
  return html`<li class="ok"><span class="mark" aria-hidden="true" /><b>${word("add.unit.at", { place: row.place, unit: row.unit })}</b> <em>${said || (row.refused === undefined ? word(`add.how.${row.how}`) : word("add.how.refused", { code: row.refused }))}</em>${row.broke_off ? html` <b class="state degraded">${word("scan_broke_off", { cause: word(row.broke_off.cause, row.broke_off.params) })}</b>` : null}
    <span class="what buttons">${row.how === "answers" ? html`<a class="button" href=${benchOf(where)}>${word("add.to_bench")}</a>` : null}${row.templates.map((each) => html`<button type="button" key=${each.name} onClick=${() => useTemplate(each.name, where, each.base ? { base: each.base } : {})}>${word("add.template.use", { name: each.name })}</button>`)}</span></li>`;
}

function Scan({ serial, useTemplate }) {
  const [asked, setAsked] = useState(serial ? { serial_port: "", units: "1-10" } : { hosts: "", port: 502, units: "1", transport: "tcp" });
  const [plan, setPlan] = useState(null), [state, setState] = useState(null), [work, run] = useWork(), [wrong, setWrong] = useState(null), later = useRef(0);
  const going = state && (state.state === "waiting" || state.state === "running");
  const set = (key, value) => setAsked({ ...asked, [key]: value });
  useEffect(() => {
    clearTimeout(later.current);
    if (!(serial ? asked.serial_port : asked.hosts).trim()) return setPlan(null);
    let over = false;
    const look = async () => {
      const found = await lookUntilHeard(() => ask("POST", `${api}/bench/scan`, { ...asked, only_plan: true }), (fault) => { if (fault) setPlan(null); setWrong(fault); }, () => over);
      if (!over) setPlan(found);
    };
    later.current = setTimeout(look, PLAN_MS);
    return () => { over = true; clearTimeout(later.current); };
  }, [asked]);
  useEffect(() => {
    if (!going) return undefined;
    let over = false;
    const look = async () => { try { const now = await ask("GET", `${api}/bench/scan`); if (!over) setState(now); } catch { /* asked again */ } if (!over) timer = setTimeout(look, POLL_MS); };
    let timer = setTimeout(look, POLL_MS);
    return () => { over = true; clearTimeout(timer); };
  }, [going]);
  const go = async (event) => { event.preventDefault(); setState(null); const begun = await run(() => ask("POST", `${api}/bench/scan`, asked)); if (begun) setState(begun); };
  const stop = () => run(async () => setState(await ask("DELETE", `${api}/bench/scan`)));
  return html`<form class="card wide stack" id="scan" onSubmit=${go}><h2>${word(serial ? "add.serial.title" : "add.tcp.title")}</h2>
    <div class="row">${serial ? html`<${Field} label=${word("add.serial")} name="serial" required value=${asked.serial_port} placeholder="/dev/serial/by-id/…" help=${word("add.serial.help")} onInput=${(e) => set("serial_port", e.target.value.trim())} />` : html`
      <${Field} label=${word("add.hosts")} name="hosts" required value=${asked.hosts} placeholder="10.0.0.20" help=${word("add.hosts.help")} onInput=${(e) => set("hosts", e.target.value)} />
      <${Field} label=${word("add.port")} name="port" required inputmode="numeric" value=${asked.port} onInput=${(e) => set("port", e.target.value)} />
      <label>${word("add.transport")}<select name="transport" value=${asked.transport} onChange=${(e) => set("transport", e.target.value)}>${["tcp", "rtu_over_tcp", "ascii_over_tcp"].map((each) => html`<option key=${each} value=${each}>${word(`add.transport.${each}`)}</option>`)}</select></label>`}
      <${Field} label=${word("add.units")} name="units" required value=${asked.units} help=${word("add.units.help")} onInput=${(e) => set("units", e.target.value)} /></div>
    ${plan ? html`<p class="quiet" role="status">${word("add.plan", { units: count(plan.units), places: count(plan.places), longest: count(plan.longest_s), per: plan.per_s })}</p>` : null}
    <${Fault} fault=${work.fault ?? wrong} />
    <p class="buttons">${going ? html`<button type="button" onClick=${stop}>${word("add.stop")}</button>` : html`<${Button} primary busy=${work.busy}>${word("add.look")}<//>`}</p>
    ${state ? html`<div role="status" id="scan-state" data-state=${state.state}><p>${word(`add.state.${state.state}`, { asked: count(state.asked), found: count(state.found.length) })}${state.cause ? ` ${word(state.cause, state.params)}` : ""}</p></div>
      ${state.found.length ? html`<ul class="list found">${state.found.map((row, n) => html`<${FoundUnit} key=${n} row=${row} asked=${asked} useTemplate=${useTemplate} />`)}</ul>` : going ? null : html`<p class="empty">${word("add.none", { port: asked.port ?? 502 })}</p>`}
      ${unreached(state.unreached).map(([where, code, units]) => html`<p class="note warn" key=${`${where} ${code}`}><span class="mark" aria-hidden="true" /><span>${word("scan_unreached", { place: where, code, units: units.join(", ") })}</span></p>`)}
      ${Object.entries(state.lost).map(([where, cause]) => html`<p class="note warn" key=${where}><span class="mark" aria-hidden="true" /><span>${where}: ${word(cause)}</span></p>`)}` : null}</form>`;
}

// A device whose registers are known: what it must be told, and which of its tags are wanted.
function Library({ start, setDraft }) {
  const [all, setAll] = useState(null), [work, run] = useLoad(), [find, setFind] = useState(""), [picked, setPicked] = useState(start?.name ?? ""), [making, make] = useWork();
  const [device, setDevice] = useState(""), [options, setOptions] = useState(start?.where ?? { host: "", port: 502, unit_id: 1 }), [parameters, setParameters] = useState(start?.parameters ?? {}), [prefix, setPrefix] = useState("");
  useEffect(() => { run(async () => setAll((await ask("GET", `${api}/bench/templates`)).templates)); }, []);
  if (!all) return html`<div class="card wide"><${Fault} fault=${work.fault} />${work.fault ? null : html`<p class="empty" role="status">${word("web.loading")}</p>`}</div>`;
  const template = all.find((each) => each.name === picked), text = find.trim().toLowerCase();
  const shown = all.filter((each) => !text || `${each.name} ${each.title}`.toLowerCase().includes(text));
  const go = async (event) => {
    event.preventDefault();
    const own = template.type === "opcua" ? { endpoint: options.endpoint } : Object.fromEntries(Object.entries(options).filter(([key]) => key !== "endpoint"));
    const extra = { ...(Object.keys(parameters).length ? { parameters } : {}), ...(prefix.trim() ? { prefix: prefix.trim() } : {}) };
    const draft = await make(() => ask("POST", `${api}/config/draft`, { kind: "template", device: device.trim(), template: picked, options: { ...own, ...extra } }));
    if (draft) setDraft({ ...draft, name: `${device.trim()}/${prefix.trim()}${template.tags[0].name}`, reason: word("add.reason", { name: device.trim() }) });
  };
  const set = (key, value) => setOptions({ ...options, [key]: value });
  return html`<div class="card wide stack"><h2>${word("add.library")}</h2><${Field} label=${word("add.library.find")} type="search" value=${find} onInput=${(e) => setFind(e.target.value)} />
    <ul class="list">${shown.map((each) => html`<li key=${each.name}><b>${each.title}</b> <em>${word("add.library.tags", { count: count(each.tags.length) })}</em> <button type="button" aria-pressed=${picked === each.name ? "true" : "false"} onClick=${() => { setPicked(each.name); setDevice(device || each.name.replaceAll("-", "_")); }}>${word("add.library.pick")}</button></li>`)}</ul>${shown.length ? null : html`<p class="empty">${word("add.library.none")}</p>`}
    ${template ? html`<form class="stack" onSubmit=${go}><h3>${template.title}</h3><p class="quiet">${word("add.library.source")} ${template.source.join("; ")}</p>${template.note ? html`<p class="quiet">${template.note}</p>` : null}
      <div class="row"><${Field} label=${word("bench.make.device_name")} name="device-name" required maxlength="64" value=${device} onInput=${(e) => setDevice(e.target.value)} />
        ${template.type === "opcua" ? html`<${Field} label=${word("add.endpoint")} required value=${options.endpoint ?? ""} placeholder="opc.tcp://10.0.0.30:4840" onInput=${(e) => set("endpoint", e.target.value.trim())} />` : options.serial_port ? html`<${Field} label=${word("add.serial")} value=${options.serial_port} onInput=${(e) => set("serial_port", e.target.value)} />` : html`
        <${Field} label=${word("add.host")} name="host" required value=${options.host ?? ""} onInput=${(e) => set("host", e.target.value.trim())} /><${Field} label=${word("add.port")} name="port" inputmode="numeric" value=${options.port ?? 502} onInput=${(e) => set("port", Number(e.target.value))} />`}
        ${template.type === "modbus" ? html`<${Field} label=${word("add.unit")} name="unit" inputmode="numeric" value=${options.unit_id ?? 1} onInput=${(e) => set("unit_id", Number(e.target.value))} />` : null}
        ${Object.entries(template.parameters).map(([name, usual]) => html`<${Field} key=${name} label=${name} value=${parameters[name] ?? usual} onInput=${(e) => setParameters({ ...parameters, [name]: typeof usual === "number" ? Number(e.target.value) : e.target.value })} />`)}
        <${Field} label=${word("add.prefix")} maxlength="40" value=${prefix} help=${word("add.prefix.help")} onInput=${(e) => setPrefix(e.target.value)} /></div>
      <${Fault} fault=${making.fault} /><p class="buttons"><${Button} primary busy=${making.busy}>${word("bench.make.go")}<//></p></form>` : null}</div>`;
}

function Page() {
  const [places, reload, loading] = usePlaces(), [way, setWay] = useState("tcp"), [draft, setDraft] = useState(null), [start, setStart] = useState(null), [done, setDone] = useState(null);
  if (!places) return loading.fault ? html`<${Fault} fault=${loading.fault} /><p class="buttons"><button onClick=${reload}>${word("setup.retry")}</button></p>` : html`<p class="empty" role="status">${word("web.loading")}</p>`;
  if (draft) return html`<${Review} draft=${draft} reason=${draft.reason} mayEdit=${mayEdit} onBack=${() => setDraft(null)} restart=${() => setDraft(null)} onDone=${async () => { setDone(draft.name); setDraft(null); await reload(); }} />`;
  const useTemplate = (name, where, parameters) => { setStart({ name, where, parameters }); setWay("library"); };
  return html`${done ? html`<div class="card wide"><h2>${word("bench.done")}</h2><${Newborn} name=${done} /><p class="buttons"><a class="button" href="/live">${word("bench.done.live")}</a></p></div>` : null}
    <fieldset class="choice card wide"><legend>${word("add.way")}</legend>${WAYS.map((each) => html`<label class="switch" key=${each}><input type="radio" name="way" checked=${way === each} onChange=${() => setWay(each)} /><span>${word(`add.way.${each}`)}</span></label>`)}</fieldset>
    ${way !== "library" && !places.commissioning ? html`<${Commissioning} places=${places} reload=${reload} mayEdit=${mayEdit} />` : null}
    ${way === "library" ? html`<${Library} key=${JSON.stringify(start)} start=${start} setDraft=${setDraft} />` : !places.commissioning ? null : way === "opcua" ? html`<${Server} places=${places} setDraft=${setDraft} />` : html`<${Scan} key=${way} serial=${way === "serial"} useTemplate=${useTemplate} />`}
    ${places.devices.length ? html`<section class="card wide"><h2>${word("add.there")}</h2><ul class="list">${places.devices.map((each) => html`<li key=${each.name}><b>${each.name}</b> <em>${each.type}${each.template ? ` · ${each.template}` : ""} · ${word("add.library.tags", { count: count(each.tags) })}</em> <span class="buttons">${each.type === "modbus" && each.enabled ? html`<a class="button" href=${benchOf({ device: each.name })}>${word("add.to_bench")}</a>` : null}<a class="button" href=${`/setup/tags?device=${encodeURIComponent(each.name)}`}>${word("web.nav.tags")}</a></span></li>`)}</ul></section>` : null}
    ${places.commissioning ? html`<${Commissioning} places=${places} reload=${reload} mayEdit=${mayEdit} />` : null}`;
}

render(html`<${Page} />`, place);
