// A small chart of readings, drawn as SVG. It knows heights and times only; words come from the caller.

import { heightOf, qualityOf } from "./format.js";

const SVG = "http://www.w3.org/2000/svg";
const [WIDTH, HEIGHT] = [720, 220];
const [LEFT, RIGHT, TOP, BOTTOM] = [64, 12, 12, 28];
/** A pause of so many usual steps is drawn as a gap. */
const PAUSE_STEPS = 8;

function shape(name, attributes, text = null) {
  const node = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  if (text !== null) node.textContent = text;
  return node;
}

/** An SVG of readings in time order, null where none has a height. `marked` is the reading that a proof is about. */
export function chartOf(readings, label, marked = null) {
  const points = readings.map((each) => ({ at: Number(each.timeMs), height: heightOf(each.value), bad: qualityOf(each.status) === "bad", marked: each === marked }));
  const drawn = points.filter((point) => point.height !== null && !point.bad);
  if (!drawn.length) return null;
  const axes = scales(points, drawn);
  const svg = shape("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": label, class: "chart" });
  svg.append(shape("title", {}, label), ...grid(axes));
  for (const line of thinned(linesOf(points), axes)) {
    svg.append(shape("polyline", { points: line.map((p) => `${axes.x(p.at)},${axes.y(p.height)}`).join(" "), class: "pen" }));
  }
  const dots = drawn.length <= 60 ? drawn : drawn.filter((point) => point.marked);
  for (const point of dots) svg.append(dot(point, axes));
  for (const point of points.filter((each) => each.bad)) {
    svg.append(shape("path", { d: `M${axes.x(point.at)} ${HEIGHT - BOTTOM}v-8`, class: "bad" }));
  }
  return svg;
}

function dot(point, axes) {
  const [cx, cy] = [axes.x(point.at), axes.y(point.height)];
  return point.marked ? shape("path", { d: `M${cx} ${cy - 8}l8 8l-8 8l-8 -8z`, class: "marked" }) : shape("circle", { cx, cy, r: 3, class: "dot" });
}

function scales(points, drawn) {
  let [from, to] = [Infinity, -Infinity];
  for (const { at } of points) [from, to] = [Math.min(from, at), Math.max(to, at)];
  let [low, high] = [Infinity, -Infinity];
  for (const { height } of drawn) [low, high] = [Math.min(low, height), Math.max(high, height)];
  if (low === high) [low, high] = [low - Math.max(1, Math.abs(low) / 10), high + Math.max(1, Math.abs(high) / 10)];
  if (from === to) [from, to] = [from - 1000, to + 1000];
  const round = (value) => Math.round(value * 10) / 10;
  return {
    from, to, low, high,
    x: (at) => round(LEFT + ((at - from) / (to - from)) * (WIDTH - LEFT - RIGHT)),
    y: (height) => round(HEIGHT - BOTTOM - ((height - low) / (high - low)) * (HEIGHT - TOP - BOTTOM)),
  };
}

function grid({ from, to, low, high, y }) {
  const nodes = [];
  for (const height of [low, (low + high) / 2, high]) {
    nodes.push(shape("path", { d: `M${LEFT} ${y(height)}H${WIDTH - RIGHT}`, class: "grid" }));
    nodes.push(shape("text", { x: LEFT - 8, y: y(height) + 4, "text-anchor": "end" }, String(Number(height.toPrecision(5)))));
  }
  const clock = (at) => new Date(at).toISOString().slice(11, to - from < 60_000 ? 23 : 19);
  nodes.push(shape("text", { x: LEFT, y: HEIGHT - 8 }, clock(from)));
  nodes.push(shape("text", { x: WIDTH - RIGHT, y: HEIGHT - 8, "text-anchor": "end" }, `${clock(to)} UTC`));
  return nodes;
}

/** Runs of points without a bad reading or a long pause between them: what was not seen is not drawn. */
function linesOf(points) {
  const steps = points.slice(1).map((point, i) => point.at - points[i].at).filter((step) => step > 0).sort((a, b) => a - b);
  const pause = PAUSE_STEPS * (steps[steps.length >> 1] ?? 1000);
  const lines = [];
  let line = [];
  points.forEach((point, i) => {
    const apart = i > 0 && point.at - points[i - 1].at > pause;
    if (point.height === null || point.bad || apart) {
      if (line.length) lines.push(line);
      line = [];
    }
    if (point.height !== null && !point.bad) line.push(point);
  });
  if (line.length) lines.push(line);
  return lines;
}

/** At most the first, lowest, highest and last point of each pixel column. */
function thinned(lines, axes) {
  return lines.map((line) => {
    if (line.length < 2 * WIDTH) return line;
    const columns = new Map();
    for (const point of line) {
      const column = Math.round(axes.x(point.at));
      const known = columns.get(column) ?? { first: point, low: point, high: point, last: point };
      known.last = point;
      if (point.height < known.low.height) known.low = point;
      if (point.height > known.high.height) known.high = point;
      columns.set(column, known);
    }
    return [...columns.values()].flatMap(({ first, low, high, last }) => [first, low, high, last]);
  });
}
