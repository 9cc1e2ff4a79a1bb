// Diagnostics: what runs, the log, probes, and a bundle whose every file is shown before it is handed out. The core redacts and decides; texts of
// devices, logs and servers are only ever put into text nodes.

import { html, render, useEffect, useState } from "/static/vendor/preact.js";
import { ask } from "/static/ask.js";
import { Fault } from "/static/setup.js";
import { count, showAge, word } from "/static/words.js";
import { Log } from "/static/diagnostics_log.js";
import { Probe } from "/static/diagnostics_probe.js";
import { Bundle } from "/static/diagnostics_bundle.js";
import { api, size } from "/static/diagnostics_api.js";

const EVERY_MS = 2000;
const root = document.getElementById("diagnostics");
const may = new Set(root.dataset.may.split(" "));

// Asks again and again while the page is looked at: [what came last, its fault, when it came].
function usePolled(path) {
  const [found, setFound] = useState({ value: null, fault: null, at: 0 });
  useEffect(() => {
    let timer = null, over = false;
    const turn = async () => {
      if (!document.hidden) {
        try {
          const value = await ask("GET", path);
          if (!over) setFound({ value, fault: null, at: Date.now() });
        } catch (fault) {
          if (!over) setFound((before) => ({ ...before, fault }));
        }
      }
      if (!over) timer = setTimeout(turn, EVERY_MS);
    };
    turn();
    return () => { over = true; clearTimeout(timer); };
  }, [path]);
  return found;
}

const processName = (name) => { const text = word(`diag.process.${name}`); return text.startsWith("diag.process.") ? name : text; };

function Processes({ rows }) {
  const head = ["process", "cpu", "memory", "running_for", "restarts", "fault"];
  return html`<div class="scroll" tabindex="0" role="region" aria-label=${word("diag.process")}><table class="processes">
    <thead><tr>${head.map((each, at) => html`<th scope="col" class=${at > 0 && at < 5 ? "num" : ""} key=${each}>${word(`diag.${each}`)}</th>`)}</tr></thead>
    <tbody>${rows.map((row) => html`<tr key=${row.pid}><th scope="row">${processName(row.name)}</th><td class="num">${row.cpu_percent.toFixed(1)} %</td><td class="num">${size(row.rss_kb * 1024)}</td><td class="num">${showAge(row.uptime_s * 1000)}</td><td class="num">${row.restarts ? count(row.restarts) : "—"}</td><td class=${row.fault ? "fault" : ""}>${row.fault ?? "—"}</td></tr>`)}</tbody></table></div>`;
}

function Figures({ state }) {
  const { p99, max } = { p99: state.loop.stall_p99_ms ?? "—", max: state.loop.stall_max_ms };
  const memory = state.memory_kb, disk = state.disk;
  const rows = [
    [word("diag.loop"), word("diag.loop.value", { p99, max })],
    [word("diag.free_memory"), word("diag.of", { left: size(memory.MemAvailable * 1024), all: size(memory.MemTotal * 1024) })],
    ...(disk.size_bytes ? [[word("diag.free_disk"), word("diag.of", { left: size(disk.free_bytes), all: size(disk.size_bytes) })]] : []),
    ...state.queues.map((each) => [word(`diag.queue.${each.name}`, { of: each.of }), count(each.waiting)]),
    [word("diag.faces"), count(state.faces)],
  ];
  return html`<dl class="long figures">${rows.map(([name, value]) => html`<dt key=${name}>${name}</dt><dd>${value}</dd>`)}</dl>`;
}

function State() {
  const { value, fault, at } = usePolled(`${api}/state`);
  if (!value) return fault ? html`<${Fault} fault=${fault} />` : html`<p class="empty" role="status">${word("web.loading")}</p>`;
  const names = new Set(value.processes.map((row) => row.name));
  const failed = Object.entries(value.parts).filter(([name, [starts, why]]) => (why || starts > 1) && !names.has(name));
  return html`${fault ? html`<p class="verdict warn" role="status"><span class="mark" aria-hidden="true" /><span>${word("diag.old", { age: showAge(Date.now() - at) })}</span></p>` : null}
    <section class="device" aria-labelledby="state-title"><h2 id="state-title">${word("diag.state")}</h2><${Processes} rows=${value.processes} /><${Figures} state=${value} /></section>
    ${failed.length ? html`<section class="card wide"><h2>${word("diag.parts")}</h2><ul class="list">${failed.map(([name, [starts, why]]) => html`<li class="degraded" key=${name}><span class="mark" aria-hidden="true" /><b>${word("diag.part.row", { name, count: starts - 1 })}</b><small>${why ?? ""}</small></li>`)}</ul></section>` : null}`;
}

function Page() {
  return html`<${State} /><${Log} />${may.has("diag.probe") ? html`<${Probe} />` : null}${may.has("diag.bundle") ? html`<${Bundle} />` : null}`;
}

root.replaceChildren();
render(html`<${Page} />`, root);
