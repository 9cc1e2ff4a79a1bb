// A chart moved by fingers, pen and wheel: one finger moves, two widen, a tap chooses; vertical strokes scroll the page. The wheel widens with Ctrl only.
// `chart.js` calls it for each plot that it makes. A chart whose page does not let it be moved is only tapped and looked at.

export function touched(chart) {
  const { over } = chart.plotted, { on } = chart, held = new Map();
  let start = null, moved = false, wheeled = null;
  const time = (x, [t0, t1] = chart.range) => t0 + ((x - over.getBoundingClientRect().left) / over.clientWidth) * (t1 - t0);
  const begin = () => { start = { range: [...chart.range], spots: [...held.values()].map((each) => each.x) }; };
  over.addEventListener("pointerdown", (event) => { held.set(event.pointerId, { x: event.clientX }); moved = false; over.setPointerCapture(event.pointerId); begin(); });
  over.addEventListener("pointermove", (event) => {
    if (!held.size && event.pointerType === "mouse") on.look?.(time(event.clientX));
    if (!held.has(event.pointerId) || !start) return;
    held.get(event.pointerId).x = event.clientX;
    const spots = [...held.values()].map((each) => each.x);
    if (Math.abs(event.clientX - start.spots[0]) > 6) moved = true;
    if (!on.move || (!moved && spots.length < 2)) return;
    if (spots.length > 1 && start.spots.length > 1) {
      const a = time(start.spots[0], start.range), b = time(start.spots[1], start.range), scale = (b - a) / (spots[1] - spots[0] || 1);
      const from = a - scale * (spots[0] - over.getBoundingClientRect().left);
      chart.preview(from, from + scale * over.clientWidth);
    } else {
      const by = ((start.spots[0] - spots[0]) / over.clientWidth) * (start.range[1] - start.range[0]);
      chart.preview(start.range[0] + by, start.range[1] + by);
    }
  });
  const end = (event) => {
    if (!held.delete(event.pointerId)) return;
    if (!moved && event.type === "pointerup") on.at?.(time(event.clientX));
    else if (!held.size && moved) on.move?.(...chart.range);
    begin();
  };
  over.addEventListener("pointerup", end);
  over.addEventListener("pointercancel", end);
  over.addEventListener("pointerleave", () => { if (!held.size) on.look?.(null); });
  over.addEventListener("wheel", (event) => {
    if (!event.ctrlKey || !on.move) return;
    event.preventDefault();
    const at = time(event.clientX), by = event.deltaY > 0 ? 1.25 : 0.8;
    chart.preview(at - (at - chart.range[0]) * by, at + (chart.range[1] - at) * by);
    clearTimeout(wheeled);
    wheeled = setTimeout(() => on.move(...chart.range), 300);
  }, { passive: false });
}
