// The log: the newest lines, followed by their number while one looks at their end; a filter by level and by text; pause.

import { html, useEffect, useLayoutEffect, useRef, useState } from "/static/vendor/preact.js";
import { ask } from "/static/ask.js";
import { count, moment, word } from "/static/words.js";
import { Fault } from "/static/setup.js";
import { api } from "/static/diagnostics_api.js";

const EVERY_MS = 2000, KEPT = 1000, TYPED_MS = 400;
const LEVELS = ["debug", "info", "warning", "error"];

function Line({ line }) {
  return html`<li class=${line.level}><span class="mark" aria-hidden="true" /><time datetime=${new Date(line.wall_ms).toISOString()}>${moment(line.wall_ms)}</time><span class="source">${line.source}</span>
    <span class="said">${line.level === "info" || line.level === "debug" ? null : html`<b>${word(`diag.log.said.${line.level}`)}: </b>`}${line.text}${line.more ? html`<pre>${line.more}</pre>` : null}</span></li>`;
}

export function Log() {
  const [level, setLevel] = useState("info"), [typed, setTyped] = useState(""), [find, setFind] = useState(""), [paused, setPaused] = useState(false);
  const [kept, setKept] = useState(null), [fault, setFault] = useState(null), box = useRef(null), atEnd = useRef(true), still = useRef(paused);
  still.current = paused;
  useEffect(() => { const timer = setTimeout(() => setFind(typed.trim()), TYPED_MS); return () => clearTimeout(timer); }, [typed]);
  useEffect(() => {
    let over = false, timer = null, after = 0, asked = false;
    setKept(null);
    const turn = async () => {
      if (!document.hidden && !(still.current && asked)) {
        try {
          const found = await ask("GET", `${api}/log?${new URLSearchParams({ after, level, find, limit: 500 })}`);
          if (over) return;
          const anew = found.newest < after; // the core was started again: its lines begin at 1
          setKept((before) => {
            const old = before && !anew ? before : { lines: [], missed: 0 }, all = [...old.lines, ...found.lines];
            return { lines: all.slice(-KEPT), missed: old.missed + found.missed + Math.max(0, all.length - KEPT) };
          });
          after = anew ? 0 : found.newest;
          asked = true;
          setFault(null);
        } catch (problem) {
          if (!over) setFault(problem);
        }
      }
      if (!over) timer = setTimeout(turn, EVERY_MS);
    };
    turn();
    return () => { over = true; clearTimeout(timer); };
  }, [level, find]);
  useLayoutEffect(() => { if (box.current && atEnd.current) box.current.scrollTop = box.current.scrollHeight; }, [kept]);
  const scrolled = () => { const { scrollTop, scrollHeight, clientHeight } = box.current; atEnd.current = scrollHeight - scrollTop - clientHeight < 40; };
  const lines = kept?.lines ?? [];
  return html`<section class="device" aria-labelledby="log-title"><h2 id="log-title">${word("diag.log")} <em role="status">${word(paused ? "diag.log.paused" : "diag.log.following")}</em></h2>
    <div class="tools"><label class="pick"><span>${word("diag.log.level")}</span> <select name="level" value=${level} onChange=${(e) => setLevel(e.target.value)}>${LEVELS.map((each) => html`<option key=${each} value=${each} selected=${each === level}>${each === "debug" ? word("diag.log.level.debug") : word("diag.log.at_least", { level: word(`diag.log.level.${each}`) })}</option>`)}</select></label>
      <label class="find"><span class="hidden">${word("diag.log.find")}</span><input type="search" name="find" placeholder=${word("diag.log.find")} maxlength="100" value=${typed} onInput=${(e) => setTyped(e.target.value)} /></label>
      <button type="button" aria-pressed=${paused ? "true" : "false"} onClick=${() => setPaused(!paused)}>${word(paused ? "diag.log.go_on" : "diag.log.pause")}</button></div>
    <${Fault} fault=${fault} />
    <div class="lines" tabindex="0" role="region" aria-label=${word("diag.log.lines")} ref=${box} onScroll=${scrolled}>
      ${kept?.missed ? html`<p class="empty">${word("diag.log.missed", { count: count(kept.missed) })}</p>` : null}
      ${kept === null ? (fault ? null : html`<p class="empty">${word("web.loading")}</p>`) : lines.length ? html`<ol>${lines.map((line) => html`<${Line} key=${line.number} line=${line} />`)}</ol>` : html`<p class="empty">${word(find || level !== "debug" ? "diag.log.none" : "diag.log.empty")}</p>`}</div></section>`;
}
