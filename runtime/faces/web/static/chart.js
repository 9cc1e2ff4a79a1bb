// Draws a model's score against its threshold over time: plain SVG, made of what /api/scores says. It joins nothing over a gap.
// Lines, dashes, hatches and triangles tell things apart, so that no colour is needed. Arrow keys and a pointer read values out.

import { offsetMs, writer } from "/static/words.js";

const HEIGHT = 320, TOP = 26, BOTTOM = 30, LEFT = 64, RIGHT = 12;
const minuteOf = writer({ hour: "2-digit", minute: "2-digit" }), secondOf = writer({ hour: "2-digit", minute: "2-digit", second: "2-digit" });
const CUT_AT = 5; // thresholds: what is higher stands at the upper edge, with a triangle
const STEPS_S = [60, 120, 300, 600, 1800, 3600, 7200, 14400, 28800];

function svg(name, attributes, text) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text !== undefined) made.textContent = text;
  return made;
}

export class Chart {
  constructor(figure, readout, lang) {
    Object.assign(this, { figure, readout, lang, words: JSON.parse(figure.dataset.words), found: null, at: null, isOld: false });
    new ResizeObserver(() => this.draw()).observe(figure);
    figure.addEventListener("pointermove", (event) => this.read(this.msAt(event.clientX - figure.getBoundingClientRect().left)));
    figure.addEventListener("pointerleave", () => this.read(null));
    figure.addEventListener("keydown", (event) => this.step(event));
  }

  show(found) {
    this.found = found;
    this.isOld = false;
    this.draw();
  }

  lost() {
    this.isOld = true;
    this.draw();
  }

  get points() { return this.found.runs.flat(); }
  x(ms) { const { from_ms, to_ms } = this.found; return LEFT + ((ms - from_ms) / (to_ms - from_ms)) * (this.width - LEFT - RIGHT); }
  y(score) { return HEIGHT - BOTTOM - (Math.min(score, this.top) / this.top) * (HEIGHT - TOP - BOTTOM); }
  msAt(x) { const { from_ms, to_ms } = this.found ?? { from_ms: 0, to_ms: 0 }; return from_ms + ((x - LEFT) / (this.width - LEFT - RIGHT)) * (to_ms - from_ms); }
  clock(ms, seconds) { return (seconds ? secondOf : minuteOf)(ms); }

  draw() {
    this.width = this.figure.clientWidth;
    if (!this.width) return;
    if (!this.found) {
      if (this.isOld) this.figure.replaceChildren(Object.assign(document.createElement("p"), { className: "quiet", textContent: this.words.lost }));
      return;
    }
    const { threshold, score_max } = this.found;
    this.top = threshold > 0 ? Math.min(CUT_AT, Math.max(1.5, (score_max / threshold) * 1.08)) * threshold : Math.max(score_max * 1.08, 1e-9);
    const picture = svg("svg", { viewBox: `0 0 ${this.width} ${HEIGHT}`, role: "img", "aria-label": this.summary() });
    picture.append(this.patterns());
    this.drawAxes(picture);
    this.drawHoles(picture, this.found.gaps, "gap", this.words.gap);
    this.drawHoles(picture, this.found.untold, "untold", this.words.untold);
    this.drawHoles(picture, this.found.abstained, "abstained", this.words.abstained);
    for (const run of this.found.runs) this.drawRun(picture, run);
    if (threshold > 0) {
      picture.append(svg("path", { class: "threshold", d: `M${LEFT} ${this.y(threshold)} H${this.width - RIGHT}` }));
      picture.append(svg("text", { class: "label", x: LEFT + 6, y: this.y(threshold) - 7 }, this.words.threshold));
    }
    for (const [ms, seq] of this.found.findings) this.drawFinding(picture, this.x(ms), seq);
    if (!this.found.runs.length) picture.append(svg("text", { class: "label", x: LEFT + 12, y: TOP + 40 }, this.words.nothing));
    if (this.isOld) picture.append(svg("text", { class: "label", x: LEFT + 12, y: TOP + 16 }, this.words.lost));
    this.cursor = svg("path", { class: "cursor", d: "" });
    picture.append(this.cursor);
    this.figure.replaceChildren(picture);
    this.read(this.at, true);
  }

  patterns() {
    const defs = svg("defs", {});
    const hatch = svg("pattern", { id: "hatch", width: 8, height: 8, patternUnits: "userSpaceOnUse" });
    hatch.append(svg("path", { class: "hatch", d: "M0 8 L8 0" }));
    const dots = svg("pattern", { id: "dots", width: 8, height: 8, patternUnits: "userSpaceOnUse" });
    dots.append(svg("circle", { class: "dot", cx: 4, cy: 4, r: 1.2 }));
    defs.append(hatch, dots);
    return defs;
  }

  drawAxes(picture) {
    const { from_ms, to_ms, threshold } = this.found, bottom = HEIGHT - BOTTOM;
    picture.append(svg("path", { class: "axis", d: `M${LEFT} ${TOP} V${bottom} H${this.width - RIGHT}` }));
    const unit = threshold > 0 ? threshold : this.top, step = this.top / unit > 3 ? 1 : 0.5;
    for (let n = 0; n * unit <= this.top; n += step) {
      picture.append(svg("text", { x: LEFT - 8, y: this.y(n * unit) + 4, "text-anchor": "end" }, threshold > 0 ? `${Math.round(n * 100)} %` : (n * unit).toPrecision(2)));
      if (n) picture.append(svg("path", { class: "axis", d: `M${LEFT} ${this.y(n * unit)} H${this.width - RIGHT}` }));
    }
    const room = Math.max(2, Math.floor((this.width - LEFT - RIGHT) / 90)), seconds = (to_ms - from_ms) / 1000;
    const every_ms = 1000 * (STEPS_S.find((each) => seconds / each <= room) ?? STEPS_S.at(-1));
    const zone_ms = -offsetMs(to_ms);
    for (let ms = Math.ceil((from_ms - zone_ms) / every_ms) * every_ms + zone_ms; ms <= to_ms; ms += every_ms) {
      picture.append(svg("path", { class: "axis", d: `M${this.x(ms)} ${bottom} v5` }));
      picture.append(svg("text", { x: Math.min(this.x(ms), this.width - RIGHT - 18), y: bottom + 20, "text-anchor": "middle" }, this.clock(ms, false)));
    }
  }

  drawHoles(picture, spans, name, text) {
    for (const [from, to] of spans) {
      const x = this.x(from), width = Math.max(2, this.x(to) - x);
      picture.append(svg("rect", { class: name, x, y: TOP, width, height: HEIGHT - TOP - BOTTOM }));
      if (width > 12 + 10 * text.length) picture.append(svg("text", { class: "label", x: x + 8, y: HEIGHT - BOTTOM - 12 }, text));
    }
  }

  drawRun(picture, run) {
    const at = run.map(([ms, score]) => [this.x(ms).toFixed(1), this.y(score).toFixed(1)]);
    if (run.length === 1) picture.append(svg("circle", { class: run[0][2] ? "lone beyond" : "lone", cx: at[0][0], cy: at[0][1], r: 3 }));
    else picture.append(svg("path", { class: "score", d: `M${at.map((each) => each.join(" ")).join("L")}` }));
    let path = "", cutAt = -Infinity;
    run.forEach(([, score, alarming], n) => {
      if (alarming && n) path += `M${at[n - 1].join(" ")}L${at[n].join(" ")}`;
      if (score > this.top && at[n][0] - cutAt >= 14) {
        cutAt = at[n][0];
        picture.append(svg("path", { class: "cut", d: `M${cutAt - 5} ${TOP - 3} h10 l-5 -9 Z` }));
      }
    });
    if (path) picture.append(svg("path", { class: "beyond", d: path }));
  }

  drawFinding(picture, x, seq) {
    const mark = svg("path", { class: "found", d: `M${x} ${HEIGHT - BOTTOM} V${HEIGHT - BOTTOM - 14} M${x - 5} ${HEIGHT - BOTTOM - 12} L${x} ${HEIGHT - BOTTOM - 21} L${x + 5} ${HEIGHT - BOTTOM - 12} Z` });
    mark.append(svg("title", {}, `${this.words.finding} ${seq}`));
    picture.append(mark);
  }

  summary() {
    const { threshold, gaps, abstained, score_max, findings } = this.found;
    const untold = this.found.untold.length ? ` ${this.words.untold}` : "";
    if (!this.points.length) return this.words.nothing + untold;
    const highest = threshold > 0 ? `${Math.round((100 * score_max) / threshold)} %` : score_max.toPrecision(4);
    const blanks = { highest, gaps: gaps.length, abstained: abstained.length, findings: findings.length };
    return this.words.summary.replace(/\{(\w+)\}/g, (_, name) => blanks[name]) + untold;
  }

  step(event) {
    const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!by || !this.found || !this.points.length) return;
    event.preventDefault();
    const points = this.points, here = points.findIndex(([ms]) => ms === this.at);
    this.read(points[here < 0 ? points.length - 1 : Math.min(points.length - 1, Math.max(0, here + by))][0]);
  }

  read(ms, quietly = false) {
    if (!this.found) return;
    const near = ms === null ? null : this.points.reduce((best, each) => (best && Math.abs(best[0] - ms) <= Math.abs(each[0] - ms) ? best : each), null);
    this.at = near ? near[0] : null;
    if (this.cursor) this.cursor.setAttribute("d", near ? `M${this.x(near[0])} ${TOP} V${HEIGHT - BOTTOM}` : "");
    if (quietly && near) return;
    const share = near && this.found.threshold > 0 ? ` (${Math.round((100 * near[1]) / this.found.threshold)} %)` : "";
    this.readout.textContent = near ? `${this.clock(near[0], true)}  ${this.words.score} ${Number(near[1].toPrecision(4))}${share}` : this.summary();
  }
}
