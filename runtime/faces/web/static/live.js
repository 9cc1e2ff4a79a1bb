// What the gateway says now, as signals. One stream per browser: the tab that holds the lock listens, the others hear from it; a tab that hears
// nothing takes the lock over. Nothing here is ever made up: when the line is silent, the core is away or this tablet slept, `link` says so,
// and whoever draws a value asks `isStale`.

import { batch, signal } from "/static/vendor/preact.js";
import { NONE_READ, unitSign } from "/static/words.js";

const SILENT_AFTER_MS = 5000;
const BEAT_MS = 15000; // while the core is away nothing but the beat comes (stream.HEARTBEAT_S)
const TAKE_OVER_MS = 8000;
const AGE_STEP_MS = 900;
const DEVICE = 2, UNIT = 3; // of a tag's row
const BAD = 2; // the two upper bits of a status
const IS_READ = new Set(["ok", "degraded"]); // states of a device that gives some of its tags at least
const LOCK = "witnessmark-live";

export const link = signal("starting"); // starting | ok | away (the core does not answer) | silent (nothing is heard) | out (not signed in)
export const silentMs = signal(0);
export const oldMs = signal(0); // how long ago the core itself was heard, in whole seconds, 0 where it never was: a line that holds says nothing of it
export const now = signal(null); // the gateway's wall clock, ms; null before anything was heard
export const health = signal({});
export const abnormal = signal([]);
export const models = signal([]);
export const alarms = signal(null); // as the feed's part "alarms" gives it; null until there is one
export const tags = signal(new Map()); // uid -> row of the feed
export const live = { link, silentMs, now, health, abnormal, models, alarms, tags, values, heard, isStale, ageOf };

const cells = new Map();
const listeners = new Set();
let boot = null, generation = -1, points = null;
let coreLink = false, coreMs = null, heardMono = -Infinity, heardWall = -Infinity, toldMono = -Infinity, toldWall = -Infinity;
let fetching = null, stream = null, queues = false, tookOverAt = -Infinity;
const channel = "BroadcastChannel" in self ? new BroadcastChannel(LOCK) : null;

// The signal of one tag's newest row: [uid, value, status, read_ms, source_ms, state, seq, cause], or null.
export function values(uid) {
  if (!cells.has(uid)) cells.set(uid, signal(null));
  return cells.get(uid);
}

// Calls back with the rows of each message; returns how to stop.
export function heard(callback) {
  listeners.add(callback);
  return () => listeners.delete(callback);
}

// While a tablet sleeps one of these clocks may stand still; the other does not.
function sinceHeard() {
  return Math.max(performance.now() - heardMono, Date.now() - heardWall);
}

function sinceTold() {
  const since = Math.max(performance.now() - toldMono, Date.now() - toldWall);
  return Number.isFinite(since) ? Math.max(0, since) : 0;
}

function coreTold(agoMs) {
  toldMono = performance.now() - agoMs;
  toldWall = Date.now() - agoMs;
}

export const WAITING = 0x80320000; // BadWaitingForInitialData: nothing came yet, so there is no age

const sinceRead = (row) => Math.max(0, (now.value ?? row[3]) - row[3]);

// How old what is shown is. Where a device gave nothing, the try is new, and not what is known of it: then it is how long ago the device was last
// read well, null where it never was, or where the device is read: what came well of it was other tags. The same as pages.age_of of the server.
export function ageOf(row, tag) {
  if (row === null || row[2] === WAITING || now.value === null) return null;
  if (row[1] !== null || row[2] >>> 30 < BAD) return sinceRead(row);
  const device = health.value.devices?.find((each) => each.name === tag?.[DEVICE]), isRead = IS_READ.has(device?.state) && device.cause !== NONE_READ;
  const lastGood = isRead ? null : device?.last_good_ms ?? null;
  return lastGood === null ? null : Math.max(0, now.value - lastGood);
}

// Where one signs in, and comes back from to this page.
export const loginAt = () => `/login?next=${encodeURIComponent(location.pathname + location.search + location.hash).replaceAll("%2F", "/")}`;

// Whether a row must not be shown as of now: the line or the core is gone, or the reading itself is old for its period.
export function isStale(row, tag) {
  if (row === null) return false;
  return link.value !== "ok" || sinceRead(row) > Math.max(90000, 5 * (tag?.[7] ?? 0));
}

function take(message) {
  if (message.from !== -1) {
    if (message.boot !== boot || message.from > generation) return void fetchAll(); // something was missed
    if (message.at <= generation) return; // heard already
  }
  const { mark } = document.body.dataset;
  if (message.mark && message.mark !== mark) return void dispatchEvent(new CustomEvent("witnessmark:upgraded"));
  boot = message.boot;
  generation = message.at;
  heardNow(message.link);
  if (message.link && message.from !== -1) coreTold(0); // else it may be what was heard long ago
  batch(() => {
    for (const row of message.values) values(row[0]).value = row;
    if (message.health) {
      health.value = message.health;
      if (message.health.now_ms) coreMs = message.health.now_ms + sinceTold();
    }
    if (message.abnormal) abnormal.value = message.abnormal;
    if (message.models) models.value = message.models;
    if ("alarms" in message) alarms.value = message.alarms;
    watch();
    for (const each of listeners) each(message.values);
  });
  if (message.points !== undefined && message.points !== points) fetchAll();
}

function heardNow(core) {
  if (core !== undefined) coreLink = core;
  if (coreMs !== null) coreMs += Math.max(0, Math.min(sinceHeard(), 1e12));
  heardMono = performance.now();
  heardWall = Date.now();
}

// Everything at once: at the start, after a gap, and when tags came or went.
function fetchAll() {
  fetching ??= (async () => {
    try {
      const answer = await fetch("/api/v1/values", { cache: "no-store" });
      if (answer.status === 401) link.value = "out";
      if (!answer.ok) return;
      const found = await answer.json();
      const kept = found.points === points ? tags.peek() : await fetchTags(found.points);
      batch(() => {
        for (const row of found.values) values(row[0]).value = row;
        for (const [uid, cell] of cells) if (!kept.has(uid)) cell.value = null;
        tags.value = kept;
        if (found.alarms) alarms.value = found.alarms; // a change between the page and this answer is in no later message
      });
      [boot, generation] = [found.at.split("-")[0], Number(found.at.split("-")[1])];
      points = found.points;
      heardNow(found.link);
      if (found.silent_ms !== null) coreTold(found.silent_ms);
      coreMs = found.now_ms;
      watch();
      for (const each of listeners) each(found.values);
    } catch {
      // not reachable just now: the next message or turn tries again
    } finally {
      fetching = null;
    }
  })();
  return fetching;
}

// The set of tags changes seldom: its name is part of the address, so a browser asks for each once.
async function fetchTags(name) {
  const answer = await fetch(`/api/v1/tags?points=${name}`);
  if (!answer.ok) throw new Error(String(answer.status));
  return new Map((await answer.json()).tags.map((tag) => [tag[0], tag.map((each, at) => (at === UNIT ? unitSign(each) : each))]));
}

// Looked at twice a second, so that silence is noticed at once; ages on the page grow once a second, or all their rows would be drawn twice.
function watch() {
  const silent = sinceHeard(), at = coreMs === null ? null : coreMs + Math.max(0, Math.min(silent, 1e12));
  silentMs.value = Number.isFinite(silent) ? silent : 0;
  oldMs.value = 1000 * Math.round(sinceTold() / 1000);
  if (at !== null && (now.peek() === null || Math.abs(at - now.peek()) >= AGE_STEP_MS)) now.value = at;
  if (link.value === "out") return;
  if (!Number.isFinite(silent)) link.value = "starting";
  else if (silent > SILENT_AFTER_MS + (coreLink ? 0 : BEAT_MS)) link.value = "silent";
  else link.value = coreLink ? "ok" : "away";
}

function listen() {
  stream?.close();
  stream = new EventSource(boot === null ? "/stream" : `/stream?since=${boot}-${generation}`);
  const own = stream;
  const pass = (message) => { take(message); channel?.postMessage(message); };
  own.onmessage = (event) => pass(JSON.parse(event.data));
  own.addEventListener("beat", () => { heardNow(); channel?.postMessage("beat"); });
  own.onerror = () => {
    if (own.readyState !== EventSource.CLOSED || stream !== own) return; // else it comes back by itself
    setTimeout(async () => { await fetchAll(); if (stream === own && link.value !== "out") listen(); }, 3000);
  };
  return own;
}

// Holds the lock, and the stream, until another tab takes it; then waits for its turn again.
async function lead(options) {
  try {
    await navigator.locks.request(LOCK, options, () => {
      if (!options.steal) queues = false;
      listen();
      return new Promise(() => {});
    });
  } catch {
    stream?.close();
    stream = null;
    queue();
  }
}

// Waits for the lock, once: a tab that has taken it over waits in the queue still.
function queue() {
  if (queues) return;
  queues = true;
  lead({});
}

function turn() {
  watch();
  if (document.hidden || stream || !navigator.locks || link.value === "out" || silentMs.value < TAKE_OVER_MS + (coreLink ? 0 : BEAT_MS)) return;
  if (performance.now() - tookOverAt < 2 * TAKE_OVER_MS) return;
  tookOverAt = performance.now();
  fetchAll();
  lead({ steal: true });
}

if (document.body.dataset.sees) {
  if (channel) channel.onmessage = ({ data }) => { if (!stream) data === "beat" ? heardNow() : take(data); };
  await fetchAll();
  navigator.locks && channel ? queue() : listen();
  setInterval(turn, 500);
  for (const event of ["visibilitychange", "resume", "online"]) document.addEventListener(event, turn);
  addEventListener("pageshow", turn);
}
