// Keeps the cards beside a page true: evidence, witnesses, devices, gateway. Works on what the server drew (templates/cards.html).

import { effect } from "/static/vendor/preact.js";
import { abnormal, health, now, tags, values } from "/static/live.js";
import { causeOf, count, quality, showAge, word } from "/static/words.js";

const shown = (element, text) => { if (element && element.textContent !== text) element.textContent = text; };
const confirmedSize = (told) => Math.max(0, ...(told.anchors ?? []).map((anchor) => anchor.cosigned_size ?? 0));
const FORMATS = { count, short: (value) => Number(value).toFixed(2), ms: (value) => `${Number(value).toFixed(1)} ms` };

function draw(told) {
  if (!told.now_ms) return; // not linked yet: the dashes of the page stay
  for (const element of document.querySelectorAll("[data-h]")) {
    const value = element.dataset.h.split(".").reduce((at, key) => at?.[key], told);
    if (value === undefined || value === null) continue;
    const { format, code } = element.dataset;
    shown(element, code ? word(code + value) : (FORMATS[format] ?? String)(value));
  }
  const size = told.ledger?.size ?? 0, confirmed = Math.min(size, confirmedSize(told));
  const fill = document.getElementById("chain-fill");
  if (fill) fill.style.width = size ? `${(100 * confirmed) / size}%` : "0";
  shown(document.getElementById("confirmed"), confirmed ? `${count(confirmed)} / ${count(size)}` : word("web.state.unconfirmed"));
  drawGaps(told);
  drawList("anchors", told.anchors ?? [], "web.anchor.", anchorNote);
  drawList("devices", told.devices ?? [], "web.device.", deviceNote);
}

function drawGaps(told) {
  const gaps = document.getElementById("gaps");
  const causes = Object.entries(told.gaps ?? {}).filter(([, n]) => n);
  gaps?.classList.toggle("many", causes.length > 0);
  shown(gaps, causes.length ? causes.map(([cause, n]) => `${word(cause).replace(/[.。]$/, "")}: ${count(n)}`).join("\n") : word("web.evidence.nogaps"));
}

const anchorNote = (anchor) => [causeOf(anchor) || anchorAge(anchor), anchor.mirror ? mirrorNote(anchor.mirror) : ""].filter(Boolean).join(" · ");
const anchorAge = (anchor) => (anchor.cosigned_ms && now.peek() ? word("web.ago", { n: showAge(now.peek() - anchor.cosigned_ms) }) : "");
const mirrorNote = (mirror) => causeOf(mirror) || (mirror.held ? word("web.mirror.held", { n: count(mirror.held) }) : word("web.mirror.waiting"));
const deviceNote = (device) => causeOf(device) || `${count(device.polls ?? 0)} ${word("web.device.polls")}, ${count(device.failed ?? 0)} ${word("web.device.failed")}, ${count(device.missed ?? 0)} ${word("web.device.missed")}`;

function drawList(id, things, prefix, note) {
  const list = document.getElementById(id);
  if (!list) return;
  if (list.children.length !== things.length || list.querySelector(".none")) {
    if (!things.length) return;
    list.replaceChildren(...things.map(() => {
      const li = document.createElement("li");
      const mark = Object.assign(document.createElement("span"), { className: "mark" });
      mark.setAttribute("aria-hidden", "true");
      li.append(mark, document.createElement("b"), document.createElement("em"), document.createElement("small"));
      return li;
    }));
  }
  things.forEach((thing, i) => {
    const li = list.children[i];
    if (!li.querySelector("small")) li.append(document.createElement("small"));
    li.className = thing.state;
    shown(li.querySelector("b"), thing.name);
    shown(li.querySelector("em"), word(prefix + thing.state));
    shown(li.querySelector("small"), note(thing));
  });
}

// Home: what is not as it should be, tag by tag; as the server draws it.
function drawMind() {
  const list = document.getElementById("mind-list");
  if (!list || !health.value.now_ms) return;
  const found = abnormal.value.map((name) => [name, word("web.home.abnormal"), `/anomalies?model=${encodeURIComponent(name)}`]);
  for (const [uid, tag] of tags.value) {
    const row = values(uid).peek();
    if (row !== null && (quality(row[2]) === 2 || row[5] === "unrecorded")) found.push([tag[1], row[7] ? word(row[7]) : word("web.quality.2"), `/live?find=${encodeURIComponent(tag[1])}`]);
  }
  const key = JSON.stringify(found);
  if (list.dataset.key === key) return;
  list.dataset.key = key;
  const line = ([name, why, href]) => {
    const li = Object.assign(document.createElement("li"), { className: "down" });
    const mark = Object.assign(document.createElement("span"), { className: "mark" });
    mark.setAttribute("aria-hidden", "true");
    const to = Object.assign(document.createElement("a"), { href });
    to.append(Object.assign(document.createElement("b"), { textContent: name }));
    li.append(mark, to, Object.assign(document.createElement("em"), { textContent: why }));
    return li;
  };
  list.replaceChildren(...(found.length ? found.map(line) : [Object.assign(document.createElement("li"), { className: "none", textContent: word("web.home.nothing") })]));
}

effect(() => { draw(health.value); drawMind(); });
