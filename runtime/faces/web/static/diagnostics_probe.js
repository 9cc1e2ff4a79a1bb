// Probes: one attempt at an address of the configuration (any, while commissioning is on), and what came of it in words.

import { html, useEffect, useState } from "/static/vendor/preact.js";
import { ask } from "/static/ask.js";
import { moment, word } from "/static/words.js";
import { Button, Fault, Field, useLoad, useWork } from "/static/setup.js";
import { api } from "/static/diagnostics_api.js";

const KINDS = ["name", "tcp", "tls", "modbus"];
const NO_SUCH_ADDRESS = 2; // of Modbus' exception codes, the one that can mean nothing else
const ms = (n) => (n === undefined || n === null ? "—" : String(n));

function Tls({ tls, host }) {
  const doubt = (text) => html` <b class="state degraded">${text}</b>`;
  return html`<dl class="long"><dt>${word("diag.tls.names")}</dt><dd>${tls.names.join(", ") || "—"}${tls.is_of_host ? null : doubt(word("diag.tls.names.wrong", { host }))}</dd>
    <dt>${word("diag.tls.issuer")}</dt><dd>${tls.is_own ? word("diag.tls.own") : tls.issuer}</dd>
    <dt>${word("diag.tls.valid")}</dt><dd>${moment(tls.not_before_ms)} – ${moment(tls.not_after_ms)}${tls.is_valid_now ? null : doubt(word("diag.tls.not_now"))}</dd>
    <dt>${word("diag.tls.fingerprint")}</dt><dd><code>${tls.fingerprint}</code></dd><dt>${word("diag.tls.key")}</dt><dd>${tls.key}</dd></dl><p class="quiet">${word("diag.tls.unverified")}</p>`;
}

function Told({ told }) {
  const by = { host: told.host, port: told.port, line: told.line, ms: ms(told.kind === "name" ? told.name_ms : told.connect_ms), addresses: (told.addresses ?? []).join(", "), version: told.tls?.version, cipher: told.tls?.cipher };
  if (!told.ok) return html`<p class="verdict warn" role="status"><span class="mark" aria-hidden="true" /><span>${word(told.code, told.params)}${told.line ? ` ${word("diag.probe.failed.line", by)}` : ""}</span></p>`;
  const identity = Object.entries(told.identity ?? {});
  return html`<p class="verdict ok" role="status"><span class="mark" aria-hidden="true" /><span>${word(told.line ? "diag.probe.ok.line" : `diag.probe.ok.${told.kind}`, by)}${told.silent ? ` ${word("diag.probe.silent", { name: told.silent })}` : ""}</span></p>
    ${told.tls ? html`<${Tls} tls=${told.tls} host=${told.host} />` : null}
    ${told.registers ? html`<p>${told.registers.length ? told.registers.map(([at, value]) => word("diag.probe.register.value", { at, value })).join(", ") : told.refused === undefined || told.refused === NO_SUCH_ADDRESS ? word("diag.probe.register.none") : word("diag.probe.register.refused", { code: told.refused })}</p>` : null}
    ${told.identity ? (identity.length ? html`<dl class="long">${identity.map(([name, value]) => html`<dt key=${name}>${name}</dt><dd>${value}</dd>`)}</dl>` : html`<p class="quiet">${word("diag.probe.identity.none")}</p>`) : null}`;
}

export function Probe() {
  const [targets, setTargets] = useState(null), [loading, load] = useLoad(), [work, run] = useWork(), [told, setTold] = useState(null);
  const [at, setAt] = useState("0"), [own, setOwn] = useState({ host: "", port: "" }), [kind, setKind] = useState("tcp"), [unit, setUnit] = useState("1"), [register, setRegister] = useState(""), [table, setTable] = useState("holding");
  const fetchTargets = async () => { const found = await load(() => ask("GET", `${api}/targets`)); if (found) { setTargets(found); if (!found.addresses.length) setAt("own"); } };
  useEffect(() => { fetchTargets(); }, []);
  if (!targets) return html`<section class="card wide" aria-labelledby="probe-title"><h2 id="probe-title">${word("diag.probe")}</h2>${loading.fault ? html`<${Fault} fault=${loading.fault} /><p class="buttons"><button type="button" onClick=${fetchTargets}>${word("setup.retry")}</button></p>` : html`<p class="empty" role="status">${word("web.loading")}</p>`}</section>`;
  const go = async (event) => {
    event.preventDefault();
    const chosen = at === "own" ? { host: own.host.trim(), port: Number(own.port || 0) } : targets.addresses[Number(at)];
    const more = kind === "modbus" ? { unit: Number(unit), table, ...(register === "" ? {} : { address: Number(register) }) } : {};
    setTold(null);
    const found = await run(() => ask("POST", `${api}/probe`, { kind, host: chosen.host, port: chosen.port, ...more }));
    if (found) setTold(found);
  };
  const can = targets.addresses.length || targets.commissioning;
  return html`<section class="card wide" aria-labelledby="probe-title"><h2 id="probe-title">${word("diag.probe")}</h2><p class="quiet">${word("diag.probe.why")}</p>
    ${!can ? html`<p class="empty">${word("diag.probe.none")}</p>` : html`<form class="stack" onSubmit=${go}>
      <label>${word("diag.probe.address")} <select name="address" onChange=${(e) => setAt(e.target.value)}>${targets.addresses.map((each, n) => html`<option key=${n} value=${String(n)} selected=${at === String(n)}>${each.name} — ${each.host}:${each.port}</option>`)}${targets.commissioning ? html`<option value="own" selected=${at === "own"}>${word("diag.probe.other")}</option>` : null}</select></label>
      ${at === "own" ? html`<div class="row"><${Field} label=${word("diag.probe.host")} name="host" required maxlength="253" value=${own.host} onInput=${(e) => setOwn({ ...own, host: e.target.value })} /><${Field} label=${word("diag.probe.port")} name="port" type="number" min="1" max="65535" required=${kind !== "name"} value=${own.port} onInput=${(e) => setOwn({ ...own, port: e.target.value })} /></div>` : null}
      <fieldset class="choice"><legend>${word("diag.probe.kind")}</legend>${KINDS.map((each) => html`<label class="switch" key=${each}><input type="radio" name="kind" value=${each} checked=${kind === each} onChange=${() => setKind(each)} /> ${word(`diag.probe.kind.${each}`)}</label>`)}</fieldset>
      ${kind === "modbus" ? html`<div class="row"><${Field} label=${word("diag.probe.unit")} name="unit" type="number" min="0" max="255" required value=${unit} onInput=${(e) => setUnit(e.target.value)} /><${Field} label=${word("diag.probe.register")} help=${word("diag.probe.register.help")} name="register" type="number" min="0" max="65535" value=${register} onInput=${(e) => setRegister(e.target.value)} /><label>${word("diag.probe.table")} <select name="table" onChange=${(e) => setTable(e.target.value)}>${["holding", "input"].map((each) => html`<option key=${each} value=${each} selected=${table === each}>${word(`diag.probe.table.${each}`)}</option>`)}</select></label></div>` : null}
      <${Fault} fault=${work.fault} />
      <p class="buttons"><${Button} busy=${work.busy}>${word("diag.probe.go")}<//></p></form>
      ${told ? html`<div class="told"><${Told} told=${told} /></div>` : null}`}</section>`;
}
