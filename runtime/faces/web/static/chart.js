// The one chart of all pages: uPlot with a pen's number at its end, lanes of gaps and bad times under it, flags of what happened above it, and where
// there is one a level, such as a threshold, across it. A line is broken where a gap is. It asks nobody for data; its page has buttons and keys for all
// that a finger does (WCAG 2.5.7).
//
//   new Chart(element, { move(t0, t1), at(ms), look(ms) }, { height, isNumbered })    the chart was moved, a moment was chosen, or looked at (null: no more)
//   .show(trend, [t0, t1], tails)      trend as /api/v1/trends gives it. A pen may have `over`: which of its points are drawn as beyond. `level` =
//                                      {value, text, most}: the line across, and the highest value with a place on the chart; higher ones get a mark

import uPlot from "/static/vendor/uplot.js";
import { language, unitSign, word, writer, zone } from "/static/words.js";
import { broken } from "/static/trend_data.js";
import { FLAGS_HEIGHT, flagsOf, lanesOf, svg } from "/static/chart_marks.js";
import { touched } from "/static/chart_touch.js";

const HEIGHT = 380, AXIS = 88, AXIS_NARROW = 60, FONT = "15px system-ui, sans-serif", MARK_APART = 14, BREAKS = 2, NUMBER_WIDE = 14, YES_NO = "\n";
const axisOf = (pen) => (pen.type === "bool" ? YES_NO : pen.unit); // what is yes or no has an axis of its own
export const DASHES = [[], [10, 5], [3, 4], [12, 4, 3, 4], [18, 6], [6, 3, 2, 3, 2, 3], [2, 2], [14, 3, 6, 3]];
const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

export class Chart {
  constructor(element, on, { height = HEIGHT, isNumbered = true } = {}) {
    Object.assign(this, { on, height, isNumbered, plotted: null, shape: "", moment: null, trend: null });
    this.flags = svg("svg", { class: "flags", height: FLAGS_HEIGHT, "aria-hidden": "true" });
    this.plot = Object.assign(document.createElement("div"), { className: "plot" });
    this.lanes = svg("svg", { class: "lanes", "aria-hidden": "true" });
    element.append(this.flags, this.plot, this.lanes);
    const redrawn = () => { this.shape = ""; this.draw(); };
    this.watched = [new ResizeObserver(() => this.fit()), new MutationObserver(redrawn)];
    this.watched[0].observe(element);
    this.watched[1].observe(document.documentElement, { attributeFilter: ["data-theme"] });
    this.ended = new AbortController();
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redrawn, { signal: this.ended.signal });
  }

  // The page shows it no more.
  end() {
    for (const each of this.watched) each.disconnect();
    this.ended.abort();
    this.plotted?.destroy();
    this.trend = null;
  }

  show(trend, range, tails = []) {
    Object.assign(this, { trend, range, tails });
    this.draw();
  }

  // The same view, with newer readings.
  draw() {
    if (!this.trend) return;
    const { pens, width_ms: width, level } = this.trend, banded = width > 0;
    const tables = pens.map((pen, i) => this.table(pen, width, this.tails[i], banded));
    const data = uPlot.join(tables, tables.map((columns) => columns.map(() => BREAKS))); // else a break ends at the next point of any pen
    const shape = JSON.stringify([pens.map((pen) => [pen.uid, axisOf(pen)]), banded, level?.value]);
    if (shape !== this.shape) {
      this.plotted?.destroy();
      this.plotted = new uPlot(this.options(pens, banded), data, this.plot);
      this.shape = shape;
      touched(this);
    } else this.plotted.setData(data, false);
    this.plotted.setScale("x", { min: this.range[0] / 1000, max: this.range[1] / 1000 });
  }

  table(pen, width, tail, banded) {
    const [t, low, high, last] = broken(pen, width), until = Math.round((t.at(-1) ?? -Infinity) * 1000);
    tail?.t.forEach((at, i) => {
      if (at <= until) return;
      t.push(at / 1000);
      for (const column of [low, high, last]) column.push(tail.v[i]);
    });
    if (pen.over) return [t, last, beyond(pen, t, last)];
    return banded ? [t, low, high, last] : [t, last];
  }

  options(pens, banded) {
    const units = [...new Set(pens.map(axisOf))], narrow = this.plot.clientWidth < 700, shown = narrow ? 2 : 4, { level } = this.trend;
    const text = color("--text"), grid = { stroke: color("--line"), width: 1 }, lines = [];
    this.places = []; // of each pen's own line among the series; two edges of its band stand before it
    pens.forEach((pen, i) => {
      const stroke = color(`--pen${i + 1}`), scale = `y${units.indexOf(axisOf(pen))}`, paths = axisOf(pen) === YES_NO ? uPlot.paths.stepped({ align: 1 }) : null;
      const edge = { scale, paths, stroke: "transparent", width: 0, points: { show: false } };
      if (banded) lines.push(edge, edge);
      this.places.push(lines.push({ label: pen.name, scale, paths, stroke, width: 2, dash: DASHES[i], points: pointsShown() }));
      if (pen.over) lines.push({ scale, stroke: color("--alarm"), width: 4, points: { show: false } });
    });
    const label = (unit) => (level ? level.unit : `${unit === YES_NO ? "" : `${unitSign(unit) || word("web.trends.no_unit")} · `}${pens.flatMap((pen, n) => (axisOf(pen) === unit ? [n + 1] : [])).join(" ")}`);
    const number = (v) => v.toLocaleString(language, { maximumSignificantDigits: 6 }) + (level ? ` ${level.sign}` : "");
    const axes = units.map((unit, i) => ({ scale: `y${i}`, side: i % 2 ? 1 : 3, show: i < shown, size: narrow ? AXIS_NARROW : AXIS, stroke: text, font: FONT, grid: i ? { show: false } : grid, ticks: grid,
      label: narrow ? undefined : label(unit), labelFont: FONT, labelSize: 22, values: (u, at) => at.map(number), ...(unit === YES_NO ? { splits: [0, 1], values: ["value.no", "value.yes"].map((code) => word(code)) } : {}) }));
    return {
      width: Math.max(240, this.plot.clientWidth), height: this.height, padding: [8, 22, 0, 8], legend: { show: false },
      cursor: { drag: { setScale: false, x: false, y: false }, points: { show: false }, y: false, x: false },
      scales: { x: { time: true, auto: false }, ...Object.fromEntries(units.map((unit, i) => [`y${i}`, { range: unit === YES_NO ? [-0.08, 1.08] : (u, min, max) => spread(min, max, this.trend?.level) }])) },
      tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), zone),
      axes: [{ stroke: text, font: FONT, grid, ticks: grid, space: 110, values: (u, at, _i, _space, step) => clock(at, step) }, ...axes], series: [{}, ...lines],
      bands: banded ? this.places.map((place, i) => ({ series: [place - 1, place - 2], fill: `${color(`--pen${i + 1}`)}33` })) : [],
      hooks: { draw: [(u) => { if (this.trend) { this.inside(u); this.around(u); } }] }, // a drawing may still be under way when the chart ends
    };
  }

  // On the plot itself: each pen's number at its newest point, so that no pen is told by colour alone, the level, and the chosen moment.
  inside(u) {
    const { ctx } = u, ratio = devicePixelRatio || 1, { level, pens } = this.trend;
    ctx.save();
    Object.assign(ctx, { font: `bold ${14 * ratio}px system-ui, sans-serif`, textAlign: "left", textBaseline: "alphabetic" });
    if (level) this.across(u, ratio, level);
    else if (this.isNumbered) pens.forEach((_, i) => this.number(u, ratio, i));
    if (this.moment !== null) {
      const x = u.valToPos(this.moment / 1000, "x", true);
      line(ctx, [x, u.bbox.top], [x, u.bbox.top + u.bbox.height], [4 * ratio, 4 * ratio], ratio);
    }
    ctx.restore();
  }

  number(u, ratio, i) {
    const place = this.places[i], column = u.data[place];
    for (let at = column.length - 1; at >= 0; at -= 1) {
      const x = u.data[0][at];
      if (column[at] === null || column[at] === undefined || x > u.scales.x.max || x < u.scales.x.min) continue;
      const left = u.valToPos(x, "x", true), top = u.valToPos(column[at], u.series[place].scale, true), { bbox } = u;
      const within = u.axes.some((axis) => axis.side === 1 && axis.show) && left + NUMBER_WIDE * ratio > bbox.left + bbox.width; // else it runs into the axis
      const spot = [String(i + 1), left + (within ? -NUMBER_WIDE : 5) * ratio, top + (!within ? 5 : top - bbox.top < 24 * ratio ? 18 : -7) * ratio];
      Object.assign(u.ctx, { fillStyle: color(`--pen${i + 1}`), strokeStyle: color("--card"), lineWidth: 4 * ratio, lineJoin: "round" });
      u.ctx.setLineDash([]);
      if (within) u.ctx.strokeText(...spot); // lines may lie under it
      u.ctx.fillText(...spot);
      return;
    }
  }

  // The level with its name, and a mark at the upper edge for what is too high to have a place.
  across(u, ratio, level) {
    const { ctx, bbox } = u, y = u.valToPos(level.value, "y0", true), column = u.data[this.places[0]], top = u.scales.y0.max;
    line(ctx, [bbox.left, y], [bbox.left + bbox.width, y], [7 * ratio, 5 * ratio], 2 * ratio);
    ctx.fillStyle = color("--text");
    ctx.fillText(level.text, bbox.left + 6 * ratio, y - 7 * ratio);
    ctx.fillStyle = color("--alarm");
    let before = -Infinity;
    column.forEach((value, i) => {
      const x = u.valToPos(u.data[0][i], "x", true);
      if (!(value > top) || x - before < MARK_APART * ratio || x < bbox.left || x > bbox.left + bbox.width) return;
      before = x;
      ctx.fill(new Path2D(`M${x - 5 * ratio} ${bbox.top + 9 * ratio} h${10 * ratio} l${-5 * ratio} ${-9 * ratio} Z`));
    });
  }

  around(u) {
    const [t0, t1] = this.range, left = u.over.offsetLeft, wide = u.over.clientWidth, { pens, width_ms: width, marks, level } = this.trend;
    const at = (ms) => left + ((Math.min(t1, Math.max(t0, ms)) - t0) / (t1 - t0)) * wide;
    this.flags.setAttribute("width", left + wide + 30);
    this.flags.replaceChildren(...flagsOf(marks.filter((mark) => mark.at_ms >= t0 && mark.at_ms <= t1), at));
    const { height, parts } = lanesOf(pens, width, this.range, at, { left, wide, numbered: this.isNumbered && !level });
    this.lanes.setAttribute("width", left + wide + 30);
    this.lanes.setAttribute("height", height);
    this.lanes.replaceChildren(...parts);
  }

  select(ms) {
    if (ms === this.moment) return;
    this.moment = ms;
    this.plotted?.redraw(false, false);
  }

  fit() {
    if (!this.plotted || Math.abs(this.plotted.width - this.plot.clientWidth) < 2) return;
    this.plotted.setSize({ width: Math.max(240, this.plot.clientWidth), height: this.height });
  }

  preview(t0, t1) {
    if (!(t1 - t0 > 1000)) return;
    this.range = [t0, t1];
    this.plotted.setScale("x", { min: t0 / 1000, max: t1 / 1000 });
  }
}

// Few points are drawn each; of many those that stand alone between two breaks, which no line may show. Where another pen has a point and this one none,
// with no break, the column holds undefined. What only says how long a value held, a ms before a break, is no reading.
function pointsShown() {
  const held = ({ data: [t, ...columns] }, place, i) => columns[place - 1][i + 1] === null && t[i + 1] - t[i] < 0.0015;
  const read = (u, place) => [...u.data[place].keys()].filter((i) => (u.data[place][i] ?? null) !== null && !held(u, place, i));
  const alone = (u, place) => {
    const column = u.data[place], own = u.data[0].flatMap((_, i) => (column[i] === undefined ? [] : [i])), none = (n) => (column[own[n]] ?? null) === null;
    return own.filter((i, n) => !none(n) && none(n - 1) && (none(n + 1) || held(u, place, own[n + 1])));
  };
  return { show: (u) => u.data[0].length < 40, size: 7, fill: color("--card"), filter: (u, place, isShown) => (isShown ? read : alone)(u, place) };
}

function line(ctx, from, to, dash, width) {
  ctx.strokeStyle = color("--text");
  ctx.lineWidth = width;
  ctx.setLineDash(dash);
  ctx.beginPath();
  ctx.moveTo(...from);
  ctx.lineTo(...to);
  ctx.stroke();
}

// The points of a pen that are beyond, null elsewhere: a stretch is drawn so where both its ends are. `t` and `last` are its table, in s, with its breaks in it.
function beyond(pen, t, last) {
  const over = new Set(pen.t.filter((_, i) => pen.over[i]));
  return last.map((value, i) => (over.has(Math.round(t[i] * 1000)) ? value : null));
}

// Times of day in 24 hours, of the site; where a day begins, and first of all, its date.
const dayOf = writer({ month: "short", day: "numeric" }), minuteOf = writer({ hour: "2-digit", minute: "2-digit" }), secondOf = writer({ hour: "2-digit", minute: "2-digit", second: "2-digit" });
function clock(at, step) {
  let before = "";
  return at.map((seconds) => {
    const day = dayOf(seconds * 1000), time = (step < 60 ? secondOf : minuteOf)(seconds * 1000);
    const text = day === before ? time : step >= 86400 ? day : `${time}\n${day}`;
    before = day;
    return text;
  });
}


function spread(min, max, level) {
  if (level) return [0, Math.min(level.most, Math.max(1.5 * level.value, 1.08 * (max ?? 0)))];
  if (min === null || max === null || !Number.isFinite(min)) return [0, 1];
  const room = (max - min || Math.abs(max) || 1) * 0.08;
  return [min - room, max + room];
}
