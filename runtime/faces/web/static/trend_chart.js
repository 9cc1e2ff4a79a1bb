// The chart of a trend: uPlot with a pen's number at its end, a lane of gaps and bad times under it, flags of what happened above it.
// It is moved by touch and wheel, and does nothing that the page's buttons and keys cannot do (WCAG 2.5.7). It asks nobody for data.

import uPlot from "/static/vendor/uplot.js";
import { language, word, writer, zone } from "/static/words.js";
import { badSpans, broken } from "/static/trend_data.js";

const HEIGHT = 380, AXIS = 88, AXIS_NARROW = 60, LANE = 14, FLAG = 22;
export const DASHES = [[], [10, 5], [3, 4], [12, 4, 3, 4], [18, 6], [6, 3, 2, 3, 2, 3], [2, 2], [14, 3, 6, 3]];
export const LETTERS = { alarm: ["A", "triangle"], anomaly: ["N", "diamond"], model: ["M", "diamond"], command: ["C", "square"], config: ["K", "square"], plan: ["P", "square"], boot: ["S", "circle"], clock: ["T", "circle"], event: ["E", "circle"] };
const SHAPES = { triangle: "M0 -9 L10 8 L-10 8 Z", diamond: "M0 -10 L10 0 L0 10 L-10 0 Z", square: "M-9 -9 H9 V9 H-9 Z", circle: "M-9 0 A9 9 0 1 0 9 0 A9 9 0 1 0 -9 0 Z" };
const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const svg = (name, more, ...inside) => {
  const each = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(more)) each.setAttribute(key, value);
  each.append(...inside);
  return each;
};

export function markShape(sort) {
  const [letter, shape] = LETTERS[sort] ?? LETTERS.event;
  return svg("g", { class: `flag ${sort}` }, svg("path", { d: SHAPES[shape] }), svg("text", { y: shape === "triangle" ? 6 : 4 }, letter));
}

export class TrendChart {
  // `on` = {move(t0, t1), at(ms)}: the chart was moved to a range, or a moment was chosen.
  constructor(element, on) {
    this.on = on;
    this.flags = svg("svg", { class: "flags", height: FLAG + 6, "aria-hidden": "true" });
    this.plot = Object.assign(document.createElement("div"), { className: "plot" });
    this.lanes = svg("svg", { class: "lanes", "aria-hidden": "true" });
    element.append(this.flags, this.plot, this.lanes);
    this.plotted = null;
    this.shape = "";
    this.moment = null;
    new ResizeObserver(() => this.fit()).observe(element);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { this.shape = ""; this.draw(); });
  }

  show(trend, range, tails) {
    Object.assign(this, { trend, range, tails });
    this.draw();
  }

  // The same view, with newer readings.
  draw() {
    if (!this.trend) return;
    const { pens, width_ms: width } = this.trend, banded = width > 0;
    const data = uPlot.join(pens.map((pen, i) => this.table(pen, width, this.tails[i], banded)));
    const shape = JSON.stringify([pens.map((pen) => [pen.uid, pen.unit]), banded]);
    if (shape !== this.shape) {
      this.plotted?.destroy();
      this.plotted = new uPlot(this.options(pens, banded), data, this.plot);
      this.shape = shape;
      this.touch();
    } else this.plotted.setData(data, false);
    this.plotted.setScale("x", { min: this.range[0] / 1000, max: this.range[1] / 1000 });
  }

  table(pen, width, tail, banded) {
    const [t, low, high, last] = broken(pen, width), until = pen.t.at(-1) ?? -Infinity;
    tail.t.forEach((at, i) => {
      if (at <= until) return;
      t.push(at / 1000);
      for (const column of [low, high, last]) column.push(tail.v[i]);
    });
    return banded ? [t, low, high, last] : [t, last];
  }

  options(pens, banded) {
    const units = [...new Set(pens.map((pen) => pen.unit))], narrow = this.plot.clientWidth < 700, shown = narrow ? 2 : 4, per = banded ? 3 : 1;
    const text = color("--text"), grid = { stroke: color("--line"), width: 1 }, font = "15px system-ui, sans-serif";
    const lines = pens.flatMap((pen, i) => {
      const stroke = color(`--pen${i + 1}`), scale = `y${units.indexOf(pen.unit)}`;
      const line = { label: pen.name, scale, stroke, width: 2, dash: DASHES[i], points: { show: (u) => u.data[0].length < 40, size: 7, fill: color("--card") } };
      const edge = { scale, stroke: "transparent", width: 0, points: { show: false } };
      return banded ? [edge, edge, line] : [line];
    });
    const axes = units.map((unit, i) => ({ scale: `y${i}`, side: i % 2 ? 1 : 3, show: i < shown, size: narrow ? AXIS_NARROW : AXIS, stroke: text, font, grid: i ? { show: false } : grid, ticks: grid,
      label: narrow ? undefined : `${unit || word("web.trends.no_unit")} · ${pens.flatMap((pen, n) => (pen.unit === unit ? [n + 1] : [])).join(" ")}`, labelFont: font, labelSize: 22, values: (u, at) => at.map((v) => v.toLocaleString(language, { maximumSignificantDigits: 6 })) }));
    return {
      width: Math.max(240, this.plot.clientWidth), height: HEIGHT, padding: [8, 22, 0, 8], legend: { show: false },
      cursor: { drag: { setScale: false, x: false, y: false }, points: { show: false }, y: false, x: false },
      scales: { x: { time: true, auto: false }, ...Object.fromEntries(units.map((_, i) => [`y${i}`, { range: (u, min, max) => spread(min, max) }])) },
      tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), zone),
      axes: [{ stroke: text, font, grid, ticks: grid, space: 110, values: (u, at, _i, _space, step) => clock(at, step) }, ...axes], series: [{}, ...lines],
      bands: banded ? pens.map((_, i) => ({ series: [per * i + 2, per * i + 1], fill: `${color(`--pen${i + 1}`)}33` })) : [],
      hooks: { draw: [(u) => { this.numbers(u, per); this.around(u); }] },
    };
  }

  // Each pen's number at its newest point on the chart, so that no pen is told by colour alone.
  numbers(u, per) {
    const { ctx } = u, ratio = devicePixelRatio || 1;
    ctx.save();
    ctx.font = `bold ${14 * ratio}px system-ui, sans-serif`;
    this.trend.pens.forEach((pen, i) => {
      const column = u.data[per * (i + 1)];
      for (let at = column.length - 1; at >= 0; at -= 1) {
        const x = u.data[0][at];
        if (column[at] === null || column[at] === undefined || x > u.scales.x.max || x < u.scales.x.min) continue;
        ctx.fillStyle = color(`--pen${i + 1}`);
        ctx.fillText(String(i + 1), u.valToPos(x, "x", true) + 5 * ratio, u.valToPos(column[at], u.series[per * (i + 1)].scale, true) + 5 * ratio);
        break;
      }
    });
    if (this.moment !== null) {
      const x = u.valToPos(this.moment / 1000, "x", true);
      ctx.strokeStyle = color("--text");
      ctx.setLineDash([4 * ratio, 4 * ratio]);
      ctx.beginPath();
      ctx.moveTo(x, u.bbox.top);
      ctx.lineTo(x, u.bbox.top + u.bbox.height);
      ctx.stroke();
    }
    ctx.restore();
  }

  // The flags above and the lanes below, at the places that the chart has for these times.
  around(u) {
    const [t0, t1] = this.range, left = u.over.offsetLeft, wide = u.over.clientWidth, at = (ms) => left + ((Math.min(t1, Math.max(t0, ms)) - t0) / (t1 - t0)) * wide;
    const spots = [];
    for (const mark of this.trend.marks) {
      if (mark.at_ms < t0 || mark.at_ms > t1) continue;
      const x = at(mark.at_ms), near = spots.at(-1);
      if (near && x - near.x < FLAG) near.marks.push(mark);
      else spots.push({ x, marks: [mark] });
    }
    this.flags.setAttribute("width", left + wide + 30);
    this.flags.replaceChildren(...spots.map(({ x, marks }) => {
      const flag = markShape(worst(marks));
      flag.setAttribute("transform", `translate(${x} 13)`);
      if (marks.length > 1) flag.append(svg("text", { class: "many", x: 12, y: 8 }, String(marks.length)));
      return flag;
    }));
    const { pens, width_ms: width } = this.trend;
    this.lanes.setAttribute("width", left + wide + 30);
    this.lanes.setAttribute("height", pens.length * LANE + 4);
    this.lanes.replaceChildren(pattern(), ...pens.flatMap((pen, i) => {
      const half = LANE / 2 - 1;
      const bar = (from, to, kind) => svg("rect", { class: kind, x: at(from), y: i * LANE + (kind === "gap" ? half + 1 : 1), width: Math.max(2, at(to) - at(from)), height: half, ...(kind === "gap" ? { fill: "url(#gap)" } : {}) });
      const inside = ([from, to]) => to >= t0 && from <= t1;
      return [svg("text", { x: left - 16, y: i * LANE + 12, class: `pen${i + 1}` }, String(i + 1)), svg("line", { x1: left, x2: left + wide, y1: i * LANE + LANE / 2, y2: i * LANE + LANE / 2 }),
        ...pen.gaps.map((gap) => [gap.from_ms, gap.to_ms]).filter(inside).map(([from, to]) => bar(from, to, "gap")), ...badSpans(pen, width).filter(inside).map(([from, to]) => bar(from, to, "bad"))];
    }));
  }

  select(ms) {
    this.moment = ms;
    this.plotted?.redraw(false, false);
  }

  fit() {
    if (!this.plotted || Math.abs(this.plotted.width - this.plot.clientWidth) < 2) return;
    this.plotted.setSize({ width: Math.max(240, this.plot.clientWidth), height: HEIGHT });
  }

  // One finger moves, two widen, a tap chooses; vertical strokes scroll the page. The wheel widens with Ctrl only.
  touch() {
    const over = this.plotted.over, held = new Map();
    let start = null, moved = false;
    const time = (x, [t0, t1] = this.range) => t0 + ((x - over.getBoundingClientRect().left) / over.clientWidth) * (t1 - t0);
    const begin = () => { start = { range: [...this.range], spots: [...held.values()].map((each) => each.x) }; };
    over.addEventListener("pointerdown", (event) => { held.set(event.pointerId, { x: event.clientX }); moved = false; over.setPointerCapture(event.pointerId); begin(); });
    over.addEventListener("pointermove", (event) => {
      if (!held.has(event.pointerId) || !start) return;
      held.get(event.pointerId).x = event.clientX;
      const spots = [...held.values()].map((each) => each.x);
      if (Math.abs(event.clientX - start.spots[0]) > 6) moved = true;
      if (!moved && spots.length < 2) return;
      if (spots.length > 1 && start.spots.length > 1) {
        const a = time(start.spots[0], start.range), b = time(start.spots[1], start.range), scale = (b - a) / (spots[1] - spots[0] || 1);
        const from = a - scale * (spots[0] - over.getBoundingClientRect().left);
        this.preview(from, from + scale * over.clientWidth);
      } else {
        const by = ((start.spots[0] - spots[0]) / over.clientWidth) * (start.range[1] - start.range[0]);
        this.preview(start.range[0] + by, start.range[1] + by);
      }
    });
    const end = (event) => {
      if (!held.delete(event.pointerId)) return;
      if (!moved && event.type === "pointerup") this.on.at(time(event.clientX));
      else if (!held.size && moved) this.on.move(...this.range);
      begin();
    };
    over.addEventListener("pointerup", end);
    over.addEventListener("pointercancel", end);
    over.addEventListener("wheel", (event) => {
      if (!event.ctrlKey) return;
      event.preventDefault();
      const at = time(event.clientX), by = event.deltaY > 0 ? 1.25 : 0.8;
      this.preview(at - (at - this.range[0]) * by, at + (this.range[1] - at) * by);
      clearTimeout(this.wheeled);
      this.wheeled = setTimeout(() => this.on.move(...this.range), 300);
    }, { passive: false });
  }

  preview(t0, t1) {
    if (!(t1 - t0 > 1000)) return;
    this.range = [t0, t1];
    this.plotted.setScale("x", { min: t0 / 1000, max: t1 / 1000 });
  }
}

function pattern() {
  return svg("defs", {}, svg("pattern", { id: "gap", width: 6, height: 6, patternUnits: "userSpaceOnUse", patternTransform: "rotate(45)" }, svg("rect", { width: 3, height: 6, class: "hatch" })));
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

function worst(marks) {
  const order = Object.keys(LETTERS);
  return marks.map((mark) => mark.sort).sort((a, b) => order.indexOf(a) - order.indexOf(b))[0];
}

function spread(min, max) {
  if (min === null || max === null || !Number.isFinite(min)) return [0, 1];
  const room = (max - min || Math.abs(max) || 1) * 0.08;
  return [min - room, max + room];
}
