// What stands around a plot: flags of what happened above it, and under it a lane for each pen that says where it has no line and why. Plain SVG at
// the places that the plot has for these times; `chart.js` calls it after each drawing. Shapes, letters and hatches tell things apart, not colours alone.

import { badSpans } from "/static/trend_data.js";
import { word } from "/static/words.js";

const LANE = 14, FLAG = 22, DIGIT = 8;
export const FLAGS_HEIGHT = FLAG + 6;
export const LETTERS = { alarm: ["A", "triangle"], anomaly: ["N", "diamond"], model: ["M", "diamond"], command: ["C", "square"], config: ["K", "square"], plan: ["P", "square"], boot: ["S", "circle"], clock: ["T", "circle"], event: ["E", "circle"] };
const ORDER = Object.keys(LETTERS);
const SHAPES = { triangle: "M0 -9 L10 8 L-10 8 Z", diamond: "M0 -10 L10 0 L0 10 L-10 0 Z", square: "M-9 -9 H9 V9 H-9 Z", circle: "M-9 0 A9 9 0 1 0 9 0 A9 9 0 1 0 -9 0 Z" };
const FILLS = { gap: "url(#gap)", abstained: "url(#abstained)", untold: "none" };

export const svg = (name, more, ...inside) => {
  const each = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(more)) each.setAttribute(key, value);
  each.append(...inside);
  return each;
};

export function markShape(sort) {
  const [letter, shape] = LETTERS[sort] ?? LETTERS.event;
  return svg("g", { class: `flag ${sort}` }, svg("path", { d: SHAPES[shape] }), svg("text", { y: shape === "triangle" ? 6 : 4 }, letter));
}

const many = (marks) => marks.reduce((sum, mark) => sum + (mark.count ?? 1), 0);

// Returns what a flag says: its sort is the gravest, its number how many of that sort, a plus that there are others; its text names every sort.
export function told(marks) {
  const sorts = ORDER.filter((sort) => marks.some((mark) => mark.sort === sort)), of = (sort) => many(marks.filter((mark) => mark.sort === sort));
  const [sort] = sorts, number = (of(sort) > 1 ? String(of(sort)) : "") + (sorts.length > 1 ? "+" : "");
  const first = many(marks) > 1 ? [sorts.map((each) => `${word(`web.trends.mark.${each}`)} × ${of(each)}`).join(", ")] : [];
  return { sort, number, text: [...first, ...marks.slice(0, 8).map((mark) => mark.text)].join("\n") };
}

// Marks that would touch are one flag; its number too keeps its distance to the next flag.
export function flagsOf(marks, at) {
  const spots = [], wide = (spot) => { const { number } = told(spot.marks); return FLAG + (number ? 7 + DIGIT * number.length : 0); };
  for (const mark of marks) {
    const x = at(mark.at_ms), near = spots.at(-1);
    if (near && x - near.x < Math.max(wide(near), wide({ marks: [...near.marks, mark] }))) near.marks.push(mark);
    else spots.push({ x, marks: [mark] });
  }
  return spots.map(({ x, marks: together }) => {
    const { sort, number, text } = told(together);
    const flag = markShape(sort);
    flag.setAttribute("transform", `translate(${x} 13)`);
    flag.append(svg("title", {}, text));
    if (number) flag.append(svg("text", { class: "many", x: 12, y: 8 }, number));
    return flag;
  });
}

// A lane of each pen: bad times in its upper half, gaps in its lower. A gap's `kind` is gap, abstained or untold.
export function lanesOf(pens, width, [t0, t1], at, { left, wide, numbered }) {
  const half = LANE / 2 - 1, inside = ([from, to]) => to >= t0 && from <= t1;
  const bar = (lane, from, to, kind) => svg("rect", { class: kind, x: at(from), y: lane * LANE + (kind === "bad" ? 1 : half + 1), width: Math.max(2, at(to) - at(from)), height: half, ...(kind === "bad" ? {} : { fill: FILLS[kind] }) });
  const lanes = pens.flatMap((pen, i) => [
    ...(numbered ? [svg("text", { x: left - 16, y: i * LANE + 12, class: `pen${i + 1}` }, String(i + 1))] : []),
    svg("line", { x1: left, x2: left + wide, y1: i * LANE + LANE / 2, y2: i * LANE + LANE / 2 }),
    ...pen.gaps.filter((gap) => inside([gap.from_ms, gap.to_ms])).map((gap) => bar(i, gap.from_ms, gap.to_ms, gap.kind ?? "gap")),
    ...badSpans(pen, width).filter(inside).map(([from, to]) => bar(i, from, to, "bad")),
  ]);
  return { height: pens.length * LANE + 4, parts: [patterns(), ...lanes] };
}

function patterns() {
  const box = { width: 6, height: 6, patternUnits: "userSpaceOnUse" };
  return svg("defs", {}, svg("pattern", { id: "gap", ...box, patternTransform: "rotate(45)" }, svg("rect", { width: 3, height: 6, class: "hatch" })),
    svg("pattern", { id: "abstained", ...box }, svg("circle", { cx: 3, cy: 3, r: 1.2, class: "hatch" })));
}
