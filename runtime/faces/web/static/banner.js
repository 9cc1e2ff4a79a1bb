// The alarm banner of every page, kept true: how many wait, by priority, and the one that matters most. In a flood it speaks now and then, not
// five hundred times; what is no longer heard is struck through with its age.

import { effect } from "/static/vendor/preact.js";
import { alarms, link, silentMs } from "/static/live.js";
import { localTimes, showAge, word } from "/static/words.js";

const SPEAK_EVERY_MS = 5000;
const box = document.getElementById("alarm-banner");
let spokenAt = -Infinity, waiting = null, shown = "";

const made = (name, className, ...inside) => { const each = document.createElement(name); each.className = className; each.append(...inside); return each; };

function rest(states) {
  return ["acked", "latched", "shelved", "suppressed", "out_of_service"].filter((name) => states[name]).map((name) => word(`alarm.count.${name}`, { count: states[name] })).join(" · ");
}

function draw({ summary }, old) {
  if (!summary?.defined) { box.hidden = true; return; }
  const counts = ["high", "medium", "low"].filter((name) => summary.waiting[name]);
  const total = counts.reduce((sum, name) => sum + summary.waiting[name], 0);
  const key = JSON.stringify([summary.waiting, summary.states, summary.newest?.name, summary.newest?.raised_ms, old]);
  if (key === shown) return;
  shown = key;
  const level = total ? (summary.waiting.high ? "alarm" : "warn") : summary.states.acked || summary.states.latched ? "note" : "quiet";
  const more = rest(summary.states);
  const text = total ? word(total === 1 ? "alarm.banner.one" : "alarm.banner.waits", { count: total }) : word("alarm.banner.none") + (more ? ` · ${more}` : "");
  const mark = made("span", "mark");
  mark.setAttribute("aria-hidden", "true");
  const inside = [mark, made("span", "banner-words", text)];
  if (old) inside.push(made("span", "", word("alarm.banner.old", { age: old })));
  for (const name of counts) {
    const letter = made("i", "", word(`alarm.letter.${name}`));
    letter.setAttribute("aria-hidden", "true");
    inside.push(made("span", `prio ${name}`, letter, ` ${summary.waiting[name]}`, made("span", "hidden", ` ${word(`alarm.priority.${name}`)}`)));
  }
  const first = total ? summary.newest : null;
  if (first) {
    const name = made("span", "banner-first", first.text || first.name);
    if (first.raised_ms) {
      const time = made("time", "");
      time.dataset.ms = first.raised_ms;
      name.append(" · ", time);
    }
    inside.push(name);
  }
  const to = made("a", `banner-link ${level}`, ...inside);
  to.href = "/alarms";
  localTimes(to);
  const held = box.contains(document.activeElement);
  box.className = `banner ${level}${old ? " old" : ""}`;
  box.replaceChildren(to);
  box.hidden = false;
  if (held) to.focus();
}

function turn() {
  waiting = null;
  spokenAt = performance.now();
  const old = link.peek() === "ok" || link.peek() === "starting" ? null : showAge(1000 * Math.round(silentMs.peek() / 1000 / 10) * 10);
  if (alarms.peek()) draw(alarms.peek(), old);
}

if (box) {
  effect(() => {
    void [alarms.value, link.value];
    if (waiting !== null) return;
    waiting = setTimeout(turn, Math.max(0, spokenAt + SPEAK_EVERY_MS - performance.now()) * (shown ? 1 : 0));
  });
}
