// An OPC UA server on the page "Add device": how it lets itself be reached, the certificate that a person compares and pins, and its nodes.

import { html, useState } from "/static/vendor/preact.js";
import { ask } from "/static/ask.js";
import { word } from "/static/words.js";
import { Button, Fault, Field, api, slug, useWork } from "/static/setup.js";

const grouped = (text) => text.replace("sha256:", "").match(/.{1,4}/g).join(" ");

function Node({ each, browse, marked, mark }) {
  const [below, setBelow] = useState(null), [work, run] = useWork(), name = each.path.at(-1);
  if (each.kind === "variable") {
    const can = Object.keys(each.options).length > 0;
    return html`<li><label class="switch"><input type="checkbox" disabled=${!can} checked=${marked.has(each.node)} onChange=${() => mark(each)} /><span>${name} <small>${each.type}</small></span></label></li>`;
  }
  if (each.kind !== "folder") return null;
  const open = async () => { if (below) return setBelow(null); const found = await run(() => browse(each.node)); if (found) setBelow(found); };
  return html`<li><button type="button" class="branch" aria-expanded=${below ? "true" : "false"} onClick=${open}>${work.busy ? word("web.loading") : name}</button><${Fault} fault=${work.fault} />
    ${below ? html`<ul class="tree">${below.found.length ? below.found.map((one) => html`<${Node} key=${one.node} each=${one} browse=${browse} marked=${marked} mark=${mark} />`) : html`<li class="quiet">${word("add.node.empty")}</li>`}</ul>${below.stopped ? html`<p class="note warn"><span class="mark" aria-hidden="true" /><span>${word("add.node.cut", { count: below.found.length })}</span></p>` : null}` : null}</li>`;
}

export function Server({ places, setDraft }) {
  const [endpoint, setEndpoint] = useState("opc.tcp://"), [offers, setOffers] = useState(null), [picked, setPicked] = useState(null), [sure, setSure] = useState(false), [root, setRoot] = useState(null);
  const [marked, setMarked] = useState(new Map()), [device, setDevice] = useState("server1"), [period, setPeriod] = useState(1000), [work, run] = useWork(), [looking, look] = useWork(), [making, make] = useWork();
  const way = offers?.[picked], secured = way && way.security !== "none";
  const options = () => ({ endpoint, ...(secured ? { security: way.security, security_mode: way.mode, server_fingerprint: way.fingerprint } : {}) });
  const inquire = async (event) => {
    event.preventDefault();
    const found = await run(() => ask("POST", `${api}/bench/offers`, { endpoint }));
    if (found) { setOffers(found.offers); setPicked(null); setRoot(null); setSure(false); }
  };
  const browse = (start) => ask("POST", `${api}/bench/browse`, { ...options(), ...(start ? { start } : {}) });
  const mark = (each) => { const next = new Map(marked); next.delete(each.node) || next.set(each.node, each); setMarked(next); };
  const go = async (event) => {
    event.preventDefault();
    const taken = new Set(), tags = [...marked.values()].map((each) => {
      const stem = slug(each.path.at(-1), "tag");
      let name = stem;
      for (let n = 2; taken.has(name); n += 1) name = `${stem}_${n}`;
      taken.add(name);
      return { name, ...each.options };
    });
    const raw = { type: "opcua", ...options(), ...(secured ? places.own_files : {}), groups: [{ name: "main", period_ms: Number(period), tags }] };
    const draft = await make(() => ask("POST", `${api}/config/draft`, { kind: "device", device: device.trim(), raw }));
    if (draft) setDraft({ ...draft, name: `${device.trim()}/${tags[0].name}`, reason: word("add.reason", { name: device.trim() }) });
  };
  return html`<section class="card wide stack"><h2>${word("add.opcua.title")}</h2><form class="stack" onSubmit=${inquire}><${Field} label=${word("add.endpoint")} name="endpoint" required value=${endpoint} placeholder="opc.tcp://10.0.0.30:4840" onInput=${(e) => setEndpoint(e.target.value.trim())} />
      <${Fault} fault=${work.fault} /><p class="buttons"><${Button} primary=${!offers} busy=${work.busy}>${word("add.opcua.ask")}<//></p></form>
    ${offers ? html`<fieldset class="choice stack"><legend>${word("add.opcua.offers")}</legend>${offers.map((each, n) => html`<label class="switch" key=${n}><input type="radio" name="offer" checked=${picked === n} onChange=${() => { setPicked(n); setSure(false); setRoot(null); }} /><span>${word(`add.security.${each.security}`)}${each.security === "none" ? "" : ` · ${word(`add.mode.${each.mode}`)}`}</span></label>`)}</fieldset>
      ${offers.length ? null : html`<p class="empty">${word("add.opcua.no_offers")}</p>`}` : null}
    ${way && secured ? html`<div class="note warn"><span class="mark" aria-hidden="true" /><div><p>${word("add.opcua.compare")}</p><p><code>${grouped(way.fingerprint)}</code></p><label class="switch"><input type="checkbox" checked=${sure} onChange=${() => setSure(!sure)} /><span>${word("add.opcua.same")}</span></label><p>${word("add.opcua.own", { file: places.own_files.certificate_file })}</p></div></div>` : null}
    ${way && !secured ? html`<p class="note warn"><span class="mark" aria-hidden="true" /><span>${word("add.opcua.unsecured")}</span></p>` : null}
    ${way && (!secured || sure) ? html`<p class="buttons"><${Button} type="button" primary=${!root} busy=${looking.busy} onClick=${async () => { const found = await look(() => browse("")); if (found) setRoot(found); }}>${word("add.opcua.browse")}<//></p><${Fault} fault=${looking.fault} />` : null}
    ${root ? html`<ul class="tree" aria-label=${word("add.opcua.nodes")}>${root.found.map((each) => html`<${Node} key=${each.node} each=${each} browse=${browse} marked=${marked} mark=${mark} />`)}</ul>${root.found.length ? null : html`<p class="empty">${word("add.node.empty")}</p>`}` : null}
    ${marked.size ? html`<form class="stack" onSubmit=${go}><div class="row"><${Field} label=${word("bench.make.device_name")} required maxlength="64" value=${device} onInput=${(e) => setDevice(e.target.value)} /><${Field} label=${word("bench.make.period")} type="number" min="20" max="3600000" value=${period} onInput=${(e) => setPeriod(e.target.value)} /></div>
      <${Fault} fault=${making.fault} /><p class="buttons"><${Button} primary busy=${making.busy}>${word("add.opcua.draft", { count: marked.size })}<//></p></form>` : null}</section>`;
}
