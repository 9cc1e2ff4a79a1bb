// The chart of the page Anomalies: what /api/v1/scores says, as shares of the threshold, on the chart of all pages. `judgement.js` gives it answers.
// It joins nothing over a gap and says in one line what can be seen; arrow keys, a tap and a mouse read values out.

import { Chart } from "/static/chart.js";
import { nearest } from "/static/trend_data.js";
import { timeOfDay, word } from "/static/words.js";

const MOST = 500, HEIGHT = 300, SHOWN_MAX = 9999.5; // percent of the threshold: what is higher stands at the upper edge, with a mark
const KINDS = { gaps: "gap", abstained: "abstained", untold: "untold", earlier: "untold" }; // how each is drawn
const WORDS = { gaps: "gap", abstained: "abstained", untold: "untold", earlier: "earlier" };

// A score as a share of the threshold; the server has the same rule (messages/judged.py).
export const share = (score, threshold) => {
  const percent = (100 * score) / threshold;
  return percent < SHOWN_MAX ? `${Math.round(percent).toLocaleString("en-US")} %` : "> 9,999 %";
};

// The answer as a trend of one pen. What is beyond is so by its score alone: the model alarms later than that, and for longer.
export function trendOf(found) {
  const { threshold } = found, isShare = threshold > 0, points = found.runs.flatMap((run) => (isShare ? crossed(run, threshold) : run));
  const gaps = Object.entries(KINDS).flatMap(([name, kind]) => found[name].map(([from_ms, to_ms]) => ({ from_ms, to_ms, kind, cause: word(`web.judged.chart.${WORDS[name]}`) })));
  const level = { value: 100, most: MOST, sign: "%", text: word("web.judged.chart.threshold"), unit: word("web.judged.share") };
  return {
    t0: found.from_ms, t1: found.to_ms, width_ms: 0, ...(isShare ? { level } : {}),
    marks: [...found.findings].sort((a, b) => a[0] - b[0]).map(([at_ms, seq]) => ({ at_ms, seq, sort: "anomaly", text: `${word("web.judged.chart.finding")} ${seq}` })),
    pens: [{
      uid: 0, name: word("web.judged.chart.score"), unit: "", t: points.map(([ms]) => ms), low: [], high: [], bad: [], over: points.map(([, score]) => isShare && score >= threshold),
      last: points.map(([, score]) => (isShare ? (100 * score) / threshold : score)), gaps: gaps.sort((a, b) => a.from_ms - b.from_ms),
    }],
  };
}

// A run with a point wherever it crosses the threshold, so that its colour changes there.
function crossed(run, threshold) {
  return run.flatMap((point, i) => {
    const [from, to] = [run[i - 1], point];
    if (!from || (from[1] > threshold) === (to[1] > threshold) || to[0] - from[0] < 2) return [point];
    const at = from[0] + Math.round(((to[0] - from[0]) * (threshold - from[1])) / (to[1] - from[1]));
    return [[Math.min(to[0] - 1, Math.max(from[0] + 1, at)), threshold], point];
  });
}

export class ScoreChart {
  constructor(figure, readout) {
    Object.assign(this, { figure, readout, found: null, at: null, said: figure.querySelector("p") });
    this.chart = new Chart(figure, { at: (ms) => this.read(ms), look: (ms) => this.read(ms) }, { height: HEIGHT });
    figure.addEventListener("keydown", (event) => this.step(event));
  }

  show(found) {
    this.found = found;
    this.points = found.runs.flat();
    this.times = this.points.map(([ms]) => ms);
    this.chart.show(trendOf(found), [found.from_ms, found.to_ms]);
    this.say(this.points.length ? "" : word("web.judged.chart.nothing"));
    if (this.at === null) this.read(null);
  }

  // The score of now is another.
  renew() { if (this.at === null) this.read(null); }

  // The scores cannot be had: old lines stay, and it is said that they are old.
  lost() { this.say(word("web.judged.chart.lost")); }

  say(text) {
    this.said.textContent = text;
    this.said.hidden = !text;
  }

  summary() {
    const { threshold, gaps, abstained, findings } = this.found;
    const score_max = Math.max(this.found.score_max, Number(document.querySelector("[data-score]")?.dataset.score ?? 0)); // what is shown as of now may not be recorded yet
    const more = ["untold", "earlier"].filter((each) => this.found[each].length).map((each) => ` ${word(`web.judged.chart.${each}`)}`).join("");
    if (!this.points.length) return more.trim(); // that there are none is said above
    const highest = threshold > 0 ? share(score_max, threshold) : score_max.toPrecision(4);
    return word("web.judged.chart.summary", { highest, gaps: gaps.length, abstained: abstained.length, findings: findings.length }) + more;
  }

  step(event) {
    const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!by || !this.found || !this.points.length) return;
    event.preventDefault();
    const last = this.times.length - 1, here = this.at === null ? -1 : nearest(this.times, this.at);
    this.read(this.times[here < 0 ? last : Math.min(last, Math.max(0, here + by))]);
  }

  read(ms) {
    if (!this.found) return;
    const near = ms === null || !this.points.length ? null : this.points[nearest(this.times, ms)];
    this.at = near ? near[0] : null;
    this.chart.select(this.at);
    const text = near ? `${timeOfDay(near[0])}  ${word("web.judged.chart.score")} ${Number(near[1].toPrecision(4))}${this.found.threshold > 0 ? ` (${share(near[1], this.found.threshold)})` : ""}` : this.summary();
    if (this.readout.textContent !== text) this.readout.textContent = text;
  }
}
