// A change of the network: what it would do is shown before it is done, and where it must be confirmed before the line is lost. The seconds
// that are left count down by themselves; the core's clock decides, not this one's.

import { html, render, useState } from "/static/vendor/preact.js";
import { ask } from "/static/ask.js";
import { word } from "/static/words.js";
import { Button, Fault, Field, useWork } from "/static/setup.js";

const pageAt = (address) => `${location.protocol}//${address}${location.port ? `:${location.port}` : ""}/network`;
for (const each of document.querySelectorAll("a[data-address]")) each.href = pageAt(each.dataset.address);

const zones = document.getElementById("zones");
if (zones && Intl.supportedValuesOf) zones.append(...["UTC", ...Intl.supportedValuesOf("timeZone")].map((each) => Object.assign(document.createElement("option"), { value: each })));

const waiting = document.getElementById("waiting");
if (waiting) {
  const end = performance.now() + 1000 * Number(waiting.dataset.leftS), place = waiting.querySelector("[data-left]");
  const timer = setInterval(() => {
    const left = Math.ceil((end - performance.now()) / 1000);
    place.textContent = word("net.left", { left: Math.max(0, left) });
    if (left < -3) { clearInterval(timer); location.reload(); }
  }, 1000);
}

const DNS_MAX = 3;
const show = (what, text) => (what === "method" ? word(`net.method.${text}`) : text || "—");

function Plan({ plan, said, apply, back, work }) {
  const there = plan.keeps_address ? [] : plan.confirm_at;
  return html`<div class="stack" role="group" aria-label=${word("net.plan")}><h3>${word("net.plan")}</h3>
    <div class="scroll" tabindex="0" role="region" aria-label=${word("net.plan.table")}><table><thead><tr><th scope="col">${word("net.what")}</th><th scope="col">${word("net.before")}</th><th scope="col">${word("net.after")}</th></tr></thead>
    <tbody>${plan.rows.map(([what, before, after]) => html`<tr key=${what}><th scope="row">${word(`net.row.${what}`)}</th><td>${show(what, before)}</td><td><b>${show(what, after)}</b></td></tr>`)}</tbody></table></div>
    ${plan.warnings.map(([code, params]) => html`<p class="verdict warn" key=${code}><span class="mark" aria-hidden="true" /><span>${word(code, params)}</span></p>`)}
    <p>${plan.keeps_address ? word("net.plan.here", { s: said.confirm_within_s }) : there.length ? html`${word("net.plan.there", { s: said.confirm_within_s })} ${there.map((each) => html`<a key=${each} href=${pageAt(each)}>${pageAt(each)}</a>`)}` : word("net.plan.lease", { s: said.confirm_within_s, name: plan.interface })}</p>
    <${Fault} fault=${work.fault} />
    <p class="buttons"><${Button} primary type="button" busy=${work.busy} onClick=${apply}>${word("net.go")}<//> <button type="button" onClick=${back}>${word("net.back")}</button></p></div>`;
}

function Change({ said }) {
  const [plan, setPlan] = useState(null), [name, setName] = useState(said.picture.interfaces[0]?.name), [gone, setGone] = useState(false), [work, run] = useWork();
  const here = said.picture.interfaces.find((each) => each.name === name), way = said.picture.routes.find((each) => each.to === "default" && each.interface === name);
  const [method, setMethod] = useState(here?.dynamic ? "dhcp" : "static"), [typed, setTyped] = useState({}), [wish, setWish] = useState(null);
  // A lease brought name servers with it; an address that is fixed instead has to name them.
  const servers = said.can.includes("dns") && method === "static" && (here?.dynamic || way) ? said.picture.dns.filter((each) => !each.includes("%") && !each.startsWith("127.") && each !== "::1").slice(0, DNS_MAX) : [];
  const look = async (event) => {
    event.preventDefault();
    const form = Object.fromEntries(new FormData(event.target)), asked = { method, address: "", gateway: "", dns: "", reason: "", ...form, interface: name };
    const found = await run(() => ask("POST", "/api/v1/network/plan", asked));
    if (found) { setWish(asked); setPlan(found.plan); }
  };
  const apply = async () => {
    const timer = setTimeout(() => setGone(true), 4000); // the answer may never come: the line that it would come by is gone
    const done = await run(async () => {
      try {
        return await ask("POST", "/api/v1/network", wish);
      } catch (problem) {
        clearTimeout(timer);
        if (problem.code !== "web_unreachable") setGone(false); // it came after all: refused, and the line is as it was
        throw problem;
      }
    });
    clearTimeout(timer);
    if (done) location.reload();
  };
  if (gone) return html`<p class="verdict warn" role="alert"><span class="mark" aria-hidden="true" /><span>${word("net.gone")} ${plan.confirm_at.map((each) => html`<a key=${each} href=${pageAt(each)}>${pageAt(each)}</a>`)}</span></p>`;
  if (plan) return html`<${Plan} plan=${plan} said=${said} apply=${apply} back=${() => setPlan(null)} work=${work} />`;
  return html`<form class="stack" onSubmit=${look} onInput=${({ target }) => { if (target.type === "text") setTyped((before) => ({ ...before, [target.name]: target.value })); }} key=${name}>
    <label>${word("net.interface")}<select name="interface" value=${name} onChange=${(e) => { setName(e.target.value); setTyped({}); setMethod(said.picture.interfaces.find((each) => each.name === e.target.value).dynamic ? "dhcp" : "static"); }}>${said.picture.interfaces.map((each) => html`<option key=${each.name}>${each.name}</option>`)}</select></label>
    <fieldset class="picks"><legend>${word("net.row.method")}</legend>${["dhcp", "static"].map((each) => html`<label class="switch" key=${each}><input type="radio" name="method" value=${each} checked=${method === each} onChange=${() => setMethod(each)} /> <span>${word(`net.method.${each}`)}</span></label>`)}</fieldset>
    ${method === "static" ? html`<${Field} label=${word("net.row.address")} name="address" required maxlength="40" inputmode="decimal" help=${word("net.address.help")} value=${typed.address ?? here?.addresses[0] ?? ""} /><${Field} label=${word("net.row.gateway")} name="gateway" maxlength="40" help=${word("net.gateway.help")} value=${typed.gateway ?? way?.via ?? ""} />` : null}
    <${Field} label=${word("net.row.dns")} name="dns" maxlength="120" help=${word("net.dns.help")} value=${typed.dns ?? servers.join(" ")} /><${Field} label=${word("people.reason")} name="reason" required maxlength="500" value=${typed.reason ?? ""} />
    <${Fault} fault=${work.fault} /><p class="buttons"><${Button} primary busy=${work.busy}>${word("net.look")}<//></p></form>`;
}

const place = document.getElementById("change");
if (place) render(html`<${Change} said=${JSON.parse(place.dataset.told)} />`, place);
