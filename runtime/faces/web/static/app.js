// Keeps the server-made page fresh from one event stream. No framework, no outside address, nothing stored.
// It draws what the server sends; when the stream is silent it says so and lets ages grow, never shows old as new.

const lang = document.body.dataset.lang;
const words = await (await fetch(`/api/words?lang=${lang}`)).json();
let tagByUid = await tagsNow();
let rows = viewsOf(document);
const newest = new Map();
const SPARK_POINTS = 60;
const SILENT_AFTER_MS = 5000;
let health = {};
let abnormal = []; // names of models that say, of now, that their machine is not normal
let points = null; // names the set of tags that the gateway has now
let renewing = false;
let link = true;
let heardAt = performance.now();
let coreOffset = null; // wall clock of the gateway minus this page's monotonic clock, ms

async function tagsNow() {
  const { tags } = await (await fetch("/api/values")).json();
  return new Map(tags.map((tag) => [tag[0], tag]));
}

function viewsOf(root) {
  return new Map([...root.querySelectorAll("tr[data-uid]")].map((tr) => [Number(tr.dataset.uid), view(tr)]));
}

function view(tr) {
  const at = (name) => tr.querySelector(`[data-${name}]`);
  return { tr, value: at("value"), quality: at("quality"), age: at("age"), evidence: at("evidence"), spark: at("spark"), points: [] };
}

function word(code, params = {}) {
  const text = words[code];
  if (text === undefined) return code;
  return text.replace(/\{(\w+)\}/g, (blank, name) => (name in params ? params[name] : blank));
}

function showValue(value, tag) {
  if (value === null) return "—";
  if (typeof value === "boolean") return value ? "1" : "0";
  if (typeof value === "number" && !Number.isInteger(value)) {
    return Number.isInteger(tag[5]) && tag[5] <= 0 && tag[5] >= -9 ? value.toFixed(-tag[5]) : String(Number(value.toPrecision(6)));
  }
  if (typeof value === "number" && Number.isInteger(tag[5]) && tag[5] < 0) return value.toFixed(-tag[5]);
  return String(value);
}

function showAge(ms) {
  const s = Math.max(0, ms / 1000);
  if (s < 10) return `${s.toFixed(1)} s`;
  if (s < 120) return `${s.toFixed(0)} s`;
  if (s < 7200) return `${(s / 60).toFixed(0)} min`;
  return s < 172800 ? `${(s / 3600).toFixed(0)} h` : `${(s / 86400).toFixed(0)} d`;
}

const count = (n) => Number(n ?? 0).toLocaleString(lang);
const quality = (status) => Math.min(status >>> 30, 2);
const confirmedSize = () => Math.max(0, ...(health.anchors ?? []).map((anchor) => anchor.cosigned_size ?? 0));
const coreNow = () => (coreOffset === null ? null : performance.now() + coreOffset);
const shown = (element, text) => { if (element.textContent !== text) element.textContent = text; };

function drawRow(row) {
  const found = rows.get(row[0]);
  const tag = tagByUid.get(row[0]);
  newest.set(row[0], row); // of a tag that this page does not have yet, too: it may not change again
  if (!tag || !found) return; // a page without the table still counts what is good
  const q = quality(row[2]);
  shown(found.value, showValue(row[1], tag));
  shown(found.quality, word(`web.quality.${q}`));
  found.quality.title = row[7] ? word(row[7]) : "";
  found.tr.classList.toggle("q0", q === 0);
  found.tr.classList.toggle("q1", q === 1);
  found.tr.classList.toggle("q2", q === 2);
  drawSpark(found, row);
  drawEvidence(found, row);
}

function drawSpark(found, row) {
  const value = typeof row[1] === "boolean" ? Number(row[1]) : row[1];
  if (typeof value !== "number" || found.last === row[3]) return;
  found.last = row[3];
  found.points.push(value);
  if (found.points.length > SPARK_POINTS) found.points.shift();
  const low = Math.min(...found.points), high = Math.max(...found.points), span = high - low || 1;
  const step = 96 / (SPARK_POINTS - 1), start = 96 - step * (found.points.length - 1);
  found.spark.setAttribute("points", found.points.map((v, i) => `${(start + i * step).toFixed(1)},${(21 - ((v - low) / span) * 18).toFixed(1)}`).join(" "));
}

function drawEvidence(found, row) {
  if (!found) return;
  const confirmed = row[5] === "recorded" && row[6] !== null && row[6] < confirmedSize();
  const state = confirmed ? "confirmed" : row[5];
  if (found.state === state) return;
  found.state = state;
  found.evidence.className = `evidence ${state}`;
  shown(found.evidence.querySelector(".words"), word(`web.state.${state}`));
}

function drawHealth() {
  if (!health.now_ms) return; // not linked yet: the dashes of the page stay
  for (const element of document.querySelectorAll("[data-h]")) {
    const value = element.dataset.h.split(".").reduce((at, key) => at?.[key], health);
    if (value === undefined || value === null) continue;
    const { format, code } = element.dataset;
    shown(element, code ? word(code + value) : format === "count" ? count(value) : format === "short" ? Number(value).toFixed(2) : format === "ms" ? `${Number(value).toFixed(1)} ms` : String(value));
  }
  const size = health.ledger?.size ?? 0, confirmed = Math.min(size, confirmedSize());
  const fill = document.getElementById("chain-fill");
  if (fill) fill.style.width = size ? `${(100 * confirmed) / size}%` : "0";
  const at = document.getElementById("confirmed");
  if (at) shown(at, confirmed ? `${count(confirmed)} / ${count(size)}` : word("web.state.unconfirmed"));
  const gaps = document.getElementById("gaps");
  const causes = Object.entries(health.gaps ?? {}).filter(([, n]) => n);
  if (gaps) gaps.classList.toggle("many", causes.length > 0);
  if (gaps) shown(gaps, causes.length ? causes.map(([cause, n]) => `${word(cause).replace(/[.。]$/, "")}: ${count(n)}`).join("\n") : word("web.evidence.nogaps"));
  drawList("anchors", health.anchors ?? [], "web.anchor.", (anchor) => anchorNote(anchor));
  drawList("devices", health.devices ?? [], "web.device.", (device) => deviceNote(device));
  for (const device of health.devices ?? []) drawDevice(device);
}

const causeOf = (thing) => (thing.cause ? word(thing.cause, thing.params ?? {}) : "");
const anchorNote = (anchor) => [causeOf(anchor) || anchorAge(anchor), anchor.mirror ? mirrorNote(anchor.mirror) : ""].filter(Boolean).join(" · ");
const anchorAge = (anchor) => (anchor.cosigned_ms && coreNow() ? word("web.ago", { n: showAge(coreNow() - anchor.cosigned_ms) }) : "");
const mirrorNote = (mirror) => causeOf(mirror) || (mirror.held ? word("web.mirror.held", { n: count(mirror.held) }) : word("web.mirror.waiting"));
const deviceNote = (device) => causeOf(device) || `${count(device.polls)} ${word("web.device.polls")}, ${count(device.failed)} ${word("web.device.failed")}, ${count(device.missed)} ${word("web.device.missed")}`;

function drawList(id, things, prefix, note) {
  const list = document.getElementById(id);
  if (!list) return;
  if (!things.length) {
    if (!list.querySelector(".none")) list.replaceChildren(Object.assign(document.createElement("li"), { className: "none", textContent: "—" }));
    return;
  }
  if (list.children.length !== things.length || list.querySelector(".none")) {
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

function drawDevice(device) {
  const section = document.querySelector(`section[data-device="${CSS.escape(device.name)}"]`);
  if (!section) return;
  section.querySelector("[data-state]").className = `state ${device.state}`;
  const cause = causeOf(device);
  shown(section.querySelector("[data-cause]"), word(`web.device.${device.state}`) + (cause ? `: ${cause}` : ""));
}

function drawSentence() {
  const box = document.getElementById("sentence");
  const say = (level, text) => { box.className = `sentence ${level}`; shown(box.querySelector(".words"), text); };
  if (!link || performance.now() - heardAt > SILENT_AFTER_MS) return say("alarm", word("web.sentence.away"));
  if (!health.now_ms || !tagByUid.size) return say("ok", word("web.sentence.starting"));
  if (health.evidence?.state === "stopped") return say("alarm", `${word("web.sentence.stopped")}${health.evidence.cause ? ` — ${causeOf(health.evidence)}` : ""}`);
  const bad = [...tagByUid.keys()].filter((uid) => !newest.has(uid) || quality(newest.get(uid)[2]) === 2).length;
  let text = word("web.sentence.recording", { good: tagByUid.size - bad, total: tagByUid.size });
  if (health.ledger?.state === "quarantined") return say("alarm", `${word("web.sentence.quarantined")}. ${health.ledger.todo ? word(health.ledger.todo, health.ledger.params ?? {}) : ""}`);
  if (bad) text += `, ${word("web.sentence.bad", { bad })}`;
  if (abnormal.length) text += `; ${word("web.sentence.abnormal", { models: abnormal.join(", ") })}`;
  return say(bad || abnormal.length ? "warn" : "ok", text);
}

function drawAges() {
  const now = coreNow();
  if (now !== null) {
    for (const [uid, row] of newest) {
      const found = rows.get(uid), tag = tagByUid.get(uid), age = now - row[3];
      if (!found || !tag) continue;
      shown(found.age, showAge(age));
      found.tr.classList.toggle("stale", age > Math.max(90000, 5 * tag[7]));
    }
  }
  drawSentence();
}

function filter() {
  const text = document.getElementById("find").value.trim().toLowerCase(), onlyBad = document.getElementById("only-bad").checked;
  let any = false;
  for (const section of document.querySelectorAll("section.device")) {
    let left = 0;
    for (const tr of section.querySelectorAll("tr[data-uid]")) {
      const show = (!onlyBad || !tr.classList.contains("q0")) && `${section.dataset.device}/${tr.querySelector("th").textContent}`.toLowerCase().includes(text);
      tr.classList.toggle("gone", !show);
      left += show;
    }
    section.classList.toggle("gone", !left);
    any ||= left > 0;
  }
  document.getElementById("nothing").hidden = any;
}

// Tags were added, renamed or removed: fetch the page again and put its table in place of ours. The filter, the scroll and the curves stay.
async function renew() {
  if (renewing) return;
  renewing = true;
  try {
    const answer = await fetch(location.href, { cache: "no-store" });
    if (!answer.ok) return;
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    const tags = await tagsNow();
    const before = rows, end = document.getElementById("nothing");
    if (end) {
      document.querySelectorAll("section.device[data-device]").forEach((section) => section.remove());
      end.before(...fresh.querySelectorAll("section.device[data-device]"));
      rows = viewsOf(document);
    }
    tagByUid = tags;
    document.body.dataset.points = fresh.body.dataset.points;
    for (const [uid, row] of [...newest]) {
      const old = before.get(uid), found = rows.get(uid);
      if (!tagByUid.has(uid)) newest.delete(uid);
      else if (found && old !== found) {
        if (old) {
          found.points = old.points;
          found.last = old.last;
          found.spark.setAttribute("points", old.spark.getAttribute("points"));
        }
        drawRow(row);
      }
    }
    drawHealth();
    drawAges();
    if (end) filter();
  } catch {
    // not reachable just now: the next message tries again
  } finally {
    renewing = false;
  }
}

function listen() {
  const stream = new EventSource("/stream");
  stream.onmessage = (event) => {
    const message = JSON.parse(event.data);
    heardAt = performance.now();
    link = message.link;
    if (message.health) {
      health = message.health;
      abnormal = message.abnormal ?? [];
      if (health.now_ms) coreOffset = health.now_ms - performance.now();
    }
    points = message.points ?? points;
    if (points !== null && points !== document.body.dataset.points) renew();
    for (const row of message.values) drawRow(row);
    if (message.health) {
      drawHealth();
      for (const [uid, row] of newest) drawEvidence(rows.get(uid), row);
    }
    drawSentence();
    if (document.getElementById("only-bad")?.checked) filter();
  };
}

for (const time of document.querySelectorAll("time[data-ms]")) {
  const at = new Date(Number(time.dataset.ms));
  if (Number.isNaN(at.getTime())) continue; // no calendar reaches it: the server's text stays
  time.dateTime = at.toISOString();
  time.title = at.toISOString();
  shown(time, at.toLocaleString(lang));
}
document.getElementById("find")?.addEventListener("input", filter);
document.getElementById("only-bad")?.addEventListener("change", filter);
setInterval(drawAges, 500);
listen();
