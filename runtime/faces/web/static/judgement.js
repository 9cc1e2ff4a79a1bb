// Keeps the pages Anomalies and Learn normal fresh: fetches their live parts from the server, which words and judges them, and puts them in.
// When the server does not answer, or this tablet slept, it says so at once and strikes what is shown; it never makes up a number.

import { ScoreChart } from "/static/score_chart.js";
import { localTimes } from "/static/words.js";

const root = document.querySelector(".judged");
const EVERY_MS = 2000;
const SILENT_AFTER_MS = 8000;
const { at } = root.dataset; // where to come back to from a form that was refused: its own address takes forms only
const place = new URL(at || location.href, location.href);
place.searchParams.set("part", "1");
place.searchParams.set("lang", document.body.dataset.lang);
let heardAt = Date.now(); // the wall clock: others stand still while a tablet sleeps
let asking = false, isChartLost = false;

async function fetched(url) {
  const answer = await fetch(url, { cache: "no-store", signal: AbortSignal.timeout(EVERY_MS * 3) });
  if (!answer.ok) throw new Error(String(answer.status));
  return answer;
}

async function renew() {
  if (asking || document.hidden) return;
  asking = true;
  try {
    const fresh = new DOMParser().parseFromString(await (await fetched(place)).text(), "text/html");
    const parts = [...fresh.querySelectorAll("[data-live]")];
    if (parts.length !== root.querySelectorAll("[data-live]").length || !parts.every(fits)) return at ? location.replace(at) : location.reload(); // a model came or went, or another is shown now: its chart too is another
    parts.forEach(put);
    chart?.renew();
    heardAt = Date.now();
    if (isChartLost) renewChart();
  } catch {
    // not reachable just now: the next turn tries again, and `watch` says so meanwhile
  } finally {
    asking = false;
    watch();
  }
}

function placeOf(part) { return root.querySelector(`[data-live="${part.dataset.live}"]`); }
function fits(part) { const here = placeOf(part); return here !== null && here.dataset.model === part.dataset.model; }

function put(part) {
  const here = placeOf(part);
  localTimes(part);
  if (part.dataset.state !== here.dataset.state) offer(here.parentElement, part.dataset.state);
  if (here.innerHTML === part.innerHTML && here.className === part.className) return;
  const focused = here.contains(document.activeElement) ? document.activeElement.id : "";
  const scrolled = here.querySelector(".scroll")?.scrollLeft;
  here.replaceWith(part);
  if (focused) document.getElementById(focused)?.focus({ preventScroll: true });
  if (scrolled) part.querySelector(".scroll").scrollLeft = scrolled;
}

// Forms stand beside what is renewed, so that nothing typed is lost; what fits another state of the model comes and goes.
function offer(model, state) {
  for (const each of model.querySelectorAll("[data-states]")) {
    each.hidden = !each.dataset.states.split(" ").includes(state);
    if (each instanceof HTMLButtonElement) each.disabled = each.hidden;
  }
}

function watch() {
  const silent = Date.now() - heardAt > SILENT_AFTER_MS;
  if (silent === root.classList.contains("unreachable")) return;
  root.classList.toggle("unreachable", silent);
  root.querySelector("#unreachable")?.remove();
  if (!silent) return;
  const mark = Object.assign(document.createElement("span"), { className: "mark" });
  mark.setAttribute("aria-hidden", "true");
  const said = Object.assign(document.createElement("p"), { className: "verdict alarm", id: "unreachable" });
  said.setAttribute("role", "status");
  said.append(mark, root.dataset.renew);
  root.prepend(said);
  for (const shown of root.querySelectorAll(".figures, .tags")) shown.classList.add("old");
}

const figure = document.getElementById("chart");
const chart = figure && new ScoreChart(figure, document.getElementById("readout"));

async function renewChart() {
  if (document.hidden) return;
  try {
    chart.show(await (await fetched(figure.dataset.src)).json());
    isChartLost = false;
  } catch {
    isChartLost = true; // asked again with the next part that comes
    chart.lost(); // old lines stay, marked as old: where they end is where knowledge ends
  }
}

window.scoreChart = chart?.chart; // for the test, which looks at what was given to the chart
localTimes(root);
setInterval(renew, EVERY_MS);
setInterval(watch, 500);
document.addEventListener("visibilitychange", () => { watch(); renew(); if (chart) renewChart(); });
if (chart) {
  renewChart();
  setInterval(renewChart, Number(figure.dataset.every));
}
