// The register bench: raw registers of any unit under every type, the detective that finds the reading from what the display shows, scaling by
// two points, and the frames of the line. It ends in a draft of a tag, or of a device with its first tag.

import { html, render, useEffect, useState } from "/static/vendor/preact.js";
import { Problem, ask } from "/static/ask.js";
import { word } from "/static/words.js";
import { Button, Commissioning, Fault, Field, Newborn, Review, api, mounted, plainOptions, sameOptions, slug, usePlaces, useWork } from "/static/setup.js";
import { Detective, Frames, Scaling } from "/static/bench_parts.js";

const { place, mayEdit, mayFrames } = mounted("bench");
const given = new URL(location.href).searchParams;
const ORDERS = ["big", "word", "byte", "little"];
const HALVES = ["low", "high"];
const BIG = ["", "AB", "ABCD", "ABCDEF", "ABCDEFGH", "low"];

// What was handed over by the page before: a unit that a scan found, or a device.
function whereGiven() {
  if (given.get("device")) return { device: given.get("device") };
  const where = {};
  for (const key of ["transport", "host", "serial_port", "parity"]) if (given.get(key)) where[key] = given.get(key);
  for (const key of ["port", "unit_id", "baud"]) if (given.get(key)) where[key] = Number(given.get(key));
  return where.host || where.serial_port ? where : null;
}

export function optionsOf(table, at, data, order) {
  const options = { address: `${table}:${at}`, data };
  if (order === "high") options.byte = "high";
  else if (!BIG.includes(order)) options.order = order;
  return options;
}

const addressOf = (table, form, at) => (form === "zero" ? `${table}:${at}` : form === "one" ? `${table}1:${at}` : at);

const NOTATION = new Set(["config_modbus_address", "config_modbus_ambiguous", "config_modbus_unstated", "config_address_beyond"]);

// A refusal of what stands in the form names what the form asks for, not every notation that a configuration may have.
async function asOf({ form, at }, work) {
  try {
    return await work();
  } catch (problem) {
    throw NOTATION.has(problem.code) ? new Problem({ code: `bench.address.${form}`, params: { value: at.trim() }, status: problem.status }) : problem;
  }
}

function Where({ places, where, setWhere }) {
  const known = places.devices.filter((each) => each.type === "modbus" && each.enabled), own = where && !where.device;
  const pick = (name) => setWhere(name ? { device: name } : { host: "", port: 502, unit_id: 1 });
  const set = (key, value) => setWhere({ ...where, [key]: value });
  return html`<section class="card wide stack" aria-labelledby="where-title"><h2 id="where-title">${word("bench.where")}</h2>
    <label>${word("bench.device")}<select name="device" value=${where?.device ?? ""} onChange=${(e) => pick(e.target.value)}>${known.map((each) => html`<option key=${each.name} value=${each.name}>${each.name}</option>`)}<option value="">${word("bench.other")}</option></select></label>
    ${own ? html`<div class="row">${where.serial_port ? html`<${Field} label=${word("add.serial")} value=${where.serial_port} onInput=${(e) => set("serial_port", e.target.value)} />` : html`
      <${Field} label=${word("add.host")} name="host" value=${where.host ?? ""} onInput=${(e) => set("host", e.target.value.trim())} />
      <${Field} label=${word("add.port")} name="port" inputmode="numeric" value=${where.port ?? 502} onInput=${(e) => set("port", Number(e.target.value))} />`}
      <${Field} label=${word("add.unit")} name="unit" inputmode="numeric" value=${where.unit_id ?? 1} onInput=${(e) => set("unit_id", Number(e.target.value))} /></div>` : null}</section>`;
}

function Registers({ read, form, at, setAt }) {
  const shown = (row) => (form === "zero" ? row.at : form === "one" ? row.one : row.entity);
  return html`<div class="scroll registers" tabindex="0" role="region" aria-label=${word("bench.registers")}><table><thead><tr><th scope="col">${word("bench.address")}</th><th scope="col">${word("bench.hex")}</th><th scope="col" class="num">${word("bench.unsigned")}</th><th scope="col" class="num">${word("bench.signed")}</th><th scope="col">${word("bench.text")}</th></tr></thead>
    <tbody>${read.registers.map((row) => html`<tr key=${row.at} class=${row.at === at ? "picked" : ""}><th scope="row"><button type="button" class="cell" aria-pressed=${row.at === at ? "true" : "false"} onClick=${() => setAt(row.at)}>${shown(row)}</button></th><td><code>${row.hex}</code></td><td class="num">${row.unsigned}</td><td class="num">${row.signed}</td><td><code>${row.text}</code></td></tr>`)}</tbody></table></div>`;
}

function Ways({ read, at, chosen, choose }) {
  const [every, setEvery] = useState(false), [more, setMore] = useState({}), all = read.ways[at] ?? more[at];
  useEffect(() => {
    if (all) return;
    const held = new Map(read.registers.map((row) => [row.at, row.unsigned])), words = [0, 1, 2, 3].map((n) => held.get(at + n) ?? null);
    ask("POST", `${api}/bench/ways`, { address: `${read.table}:${at}`, words }).then((found) => setMore({ ...more, [at]: found.ways }), () => setMore({ ...more, [at]: [] }));
  }, [read, at]);
  const rows = (all ?? []).filter((row) => every || row.usual);
  if (!all) return html`<p class="empty" role="status">${word("web.loading")}</p>`;
  if (!rows.length) return html`<p class="empty">${word("bench.ways.none")}</p>`;
  return html`<h3>${word("bench.ways", { address: `${read.table}:${at}` })}</h3><p class="quiet">${word("bench.ways.hint")}</p>
    <div class="scroll ways" tabindex="0" role="region" aria-label=${word("bench.ways", { address: `${read.table}:${at}` })}><table><thead><tr><th scope="col">${word("bench.type")}</th>${ORDERS.map((each) => html`<th scope="col" key=${each}>${word(`bench.order.${each}`)}</th>`)}</tr></thead>
    <tbody>${rows.map((row) => html`<tr key=${row.data}><th scope="row"><code>${row.data}</code></th>${row.cells.map((cell, n) => {
      if (!cell) return html`<td key=${n} />`;
      const options = optionsOf(read.table, at, row.data, cell.order), here = chosen && sameOptions(chosen.options, options);
      return html`<td key=${n}><button type="button" class="cell ${cell.plausible ? "plausible" : ""}" aria-pressed=${here ? "true" : "false"} onClick=${() => choose({ options, raw: Number(cell.text) })}>${cell.plausible ? html`<span class="mark" aria-hidden="true" />` : null}${HALVES.includes(cell.order) ? html`<small>${word(`bench.byte.${cell.order}`)}</small> ` : null}${cell.text}${cell.plausible ? html`<span class="hidden"> ${word("bench.plausible")}</span>` : null}</button></td>`;
    })}</tr>`)}</tbody></table></div>
    <p class="buttons"><button type="button" onClick=${() => setEvery(!every)}>${word(every ? "bench.ways.fewer" : "bench.ways.more")}</button></p>
    <p class="quiet">${word("bench.as_text")} <code>${read.text}</code> · ${word("bench.as_text.swapped")} <code>${read.text_swapped}</code></p>`;
}

function Read({ where, read, setRead, ask: form, setForm, at, setAt }) {
  const [work, run] = useWork(), set = (key, value) => setForm({ ...form, [key]: value });
  const go = async (event) => {
    event.preventDefault();
    const found = await run(() => asOf(form, () => ask("POST", `${api}/bench/read`, { where, address: addressOf(form.table, form.form, form.at.trim()), count: Number(form.count) })));
    if (found) { setRead(found); setAt(found.registers.some((row) => row.at === at) ? at : found.registers[0]?.at ?? null); }
  };
  return html`<section class="card wide stack" aria-labelledby="read-title"><h2 id="read-title">${word("bench.read")}</h2><form class="stack" onSubmit=${go}>
    <fieldset class="choice"><legend>${word("bench.counting")}</legend>${["zero", "one", "entity"].map((each) => html`<label class="switch" key=${each}><input type="radio" name="form" checked=${form.form === each} onChange=${() => set("form", each)} /><span>${word(`bench.counting.${each}`)}</span></label>`)}</fieldset>
    <div class="row">${form.form === "entity" ? null : html`<label>${word("bench.table")}<select name="table" value=${form.table} onChange=${(e) => set("table", e.target.value)}><option value="holding">${word("bench.holding")}</option><option value="input">${word("bench.input")}</option></select></label>`}
      <${Field} label=${word("bench.address")} name="address" required inputmode="numeric" value=${form.at} placeholder=${form.form === "entity" ? "40101" : "100"} onInput=${(e) => set("at", e.target.value)} />
      <${Field} label=${word("bench.count")} name="count" type="number" min="1" max="125" value=${form.count} onInput=${(e) => set("count", e.target.value)} /></div>
    <${Fault} fault=${work.fault} /><p class="buttons"><${Button} primary=${!form.at.trim()} busy=${work.busy}>${word("bench.read.go")}<//></p></form>
    ${read ? html`${read.missing ? html`<p class="note warn"><span class="mark" aria-hidden="true" /><span>${word("bench.missing", { count: read.missing })}</span></p>` : null}
      ${read.registers.length ? html`<${Registers} read=${read} form=${form.form} at=${at} setAt=${setAt} />` : html`<p class="empty">${word("bench.nothing")}</p>`}` : html`<p class="quiet">${word("bench.read.empty")}</p>`}</section>`;
}

// The tag that is being made: of a device that there is, or of a new one.
function Making({ where, places, chosen, setDraft, tag, setTag }) {
  const [work, run] = useWork(), fresh = !where.device, set = (key, value) => setTag({ ...tag, [key]: value });
  const device = places.devices.find((each) => each.name === where.device), groups = device?.groups ?? [];
  const go = async (event) => {
    event.preventDefault();
    const made = { name: tag.name.trim(), ...(tag.unit.trim() ? { unit: tag.unit.trim() } : {}), ...chosen.options, ...(tag.scale ?? {}) };
    const group = tag.group || groups[0] || "main", period_ms = Number(tag.period_ms);
    const asked = fresh
      ? { kind: "device", device: tag.device.trim(), raw: { type: "modbus", ...where, groups: [{ name: group, period_ms, tags: [made] }] } }
      : { kind: "tag", device: where.device, group, period_ms, tag: made };
    const draft = await run(() => ask("POST", `${api}/config/draft`, asked));
    if (draft) setDraft({ ...draft, name: `${fresh ? tag.device.trim() : where.device}/${made.name}` });
  };
  const said = plainOptions({ ...chosen.options, ...(tag.scale ?? {}) });
  return html`<form class="card wide stack" id="making" onSubmit=${go}><h2>${word(fresh ? "bench.make.device" : "bench.make.tag", { device: where.device ?? "" })}</h2><p><code>${said}</code></p>
    <div class="row">${fresh ? html`<${Field} label=${word("bench.make.device_name")} name="device-name" required maxlength="64" value=${tag.device} onInput=${(e) => set("device", e.target.value)} />` : null}
      <${Field} label=${word("bench.make.name")} name="tag-name" required maxlength="64" value=${tag.name} onInput=${(e) => set("name", e.target.value)} />
      <${Field} label=${word("bench.make.unit")} name="tag-unit" maxlength="16" value=${tag.unit} onInput=${(e) => set("unit", e.target.value)} />
      ${groups.length ? html`<label>${word("bench.make.group")}<select name="group" value=${tag.group || groups[0]} onChange=${(e) => set("group", e.target.value)}>${groups.map((each) => html`<option key=${each}>${each}</option>`)}</select></label>` : html`
      <${Field} label=${word("bench.make.period")} name="period" type="number" min="20" max="3600000" value=${tag.period_ms} onInput=${(e) => set("period_ms", e.target.value)} />`}</div>
    <${Fault} fault=${work.fault} /><p class="buttons"><${Button} primary busy=${work.busy}>${word("bench.make.go")}<//></p></form>`;
}

function Page() {
  const [places, reload, loading] = usePlaces();
  const [where, setWhere] = useState(whereGiven()), [read, setRead] = useState(null), [at, setAt] = useState(null);
  const [form, setForm] = useState({ form: "zero", table: "holding", at: "", count: 16 });
  const [chosen, setChosen] = useState(null), [tag, setTag] = useState({ device: "", name: "", unit: "", group: "", period_ms: 1000 });
  const [draft, setDraft] = useState(null), [done, setDone] = useState(null);
  useEffect(() => {
    if (!places || where) return;
    const first = places.devices.find((each) => each.type === "modbus" && each.enabled);
    setWhere(first ? { device: first.name } : { host: "", port: 502, unit_id: 1 });
  }, [places]);
  if (!places) return loading.fault ? html`<${Fault} fault=${loading.fault} /><p class="buttons"><button onClick=${reload}>${word("setup.retry")}</button></p>` : html`<p class="empty" role="status">${word("web.loading")}</p>`;
  if (!where) return null;
  const choose = (one) => {
    setChosen(one);
    const near = one.shown ?? {};
    setTag({ ...tag, scale: one.scale ?? null, name: tag.name || slug(near.name ?? "", "value"), unit: tag.unit || near.unit || "", device: tag.device || "device1" });
  };
  const move = (to) => { setWhere(to); setRead(null); setChosen(null); setDone(null); };
  // What a look of the detective held stands in the table as well: one read under both.
  const looked = (tables) => {
    const newer = new Map((tables[read?.table] ?? []).map((row) => [row.at, row]));
    if (!newer.size) return;
    const registers = read.registers.map((row) => newer.get(row.at) ?? row), held = new Map(registers.map((row) => [row.at, row.text]));
    const texts = Array.from({ length: read.text.length / 2 }, (_, n) => held.get(read.start + n) ?? "..");
    const fresh = { ...read, at_ms: performance.now(), registers, ways: {}, text: texts.join(""), text_swapped: texts.map((each) => each[1] + each[0]).join("") };
    setRead((held) => (held === read ? fresh : held)); // another place was read, or chosen, meanwhile
  };
  const address = at === null ? addressOf(form.table, form.form, form.at.trim()) : `${read?.table ?? "holding"}:${at}`;
  if (draft) {
    const reason = word(where.device ? "bench.reason.tag" : "bench.reason.device", { name: draft.name });
    const end = async () => { setDone(draft.name); setDraft(null); if (!where.device) setWhere({ device: draft.name.split("/")[0] }); setChosen(null); setTag({ ...tag, name: "", unit: "", scale: null }); await reload(); };
    return html`<${Review} draft=${draft} reason=${reason} mayEdit=${mayEdit} onDone=${end} onBack=${() => setDraft(null)} restart=${() => setDraft(null)} />`;
  }
  const strange = !where.device && !places.commissioning;
  return html`${done ? html`<div class="card wide" id="done"><h2>${word("bench.done")}</h2><${Newborn} name=${done} /><p class="buttons"><a class="button" href="/live">${word("bench.done.live")}</a></p></div>` : null}
    <${Where} places=${places} where=${where} setWhere=${move} />
    ${strange ? html`<${Commissioning} places=${places} reload=${reload} mayEdit=${mayEdit} />` : html`
    <${Read} where=${where} read=${read} setRead=${setRead} ask=${form} setForm=${setForm} at=${at} setAt=${setAt} />
    ${form.at.trim() ? html`<${Detective} key=${JSON.stringify(where)} where=${where} address=${address} asking=${(work) => (at === null ? asOf(form, work) : work())} looked=${looked} choose=${choose} chosen=${chosen} />` : null}
    ${read && at !== null ? html`<section class="card wide stack"><${Ways} key=${read.at_ms} read=${read} at=${at} chosen=${chosen} choose=${choose} /></section>` : null}
    ${chosen ? html`<${Scaling} chosen=${chosen} scale=${tag.scale} setScale=${(scale) => setTag({ ...tag, scale })} /><${Making} where=${where} places=${places} chosen=${chosen} setDraft=${setDraft} tag=${tag} setTag=${setTag} />` : null}
    ${mayFrames ? html`<${Frames} />` : null}`}`;
}

render(html`<${Page} />`, place);
