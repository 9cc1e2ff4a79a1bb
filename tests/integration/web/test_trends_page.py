"""The trends page on a real gateway: a device that falls silent leaves a gap in the chart, in the data and in the picture, and is named."""

from __future__ import annotations

import asyncio
import contextlib
import csv
import io
from collections.abc import AsyncIterator, Awaitable, Callable
from hashlib import sha256
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.async_api import Page

from runtime.faces.feed_client import FeedClient
from tests.rigs.browser import axe, chromium, no_sideways_scroll, page_of, shot, targets
from tests.rigs.gateway import Gateway, until
from tests.rigs.load_device import LoadDevice, device_config
from tests.rigs.ports import free_port

pytestmark = pytest.mark.integration
HEAD = '[gateway]\nname = "trends"\n[evidence]\nseal_every_s = 1\n[web]\nport = {port}\nopen_view = true\n'
SILENCE_S = 3.0
DATA = "() => window.trendChart.plotted.data.map((column) => [...column])"
INKED = """(seconds) => {
  const u = window.trendChart.plotted, { top, height } = u.bbox;
  return seconds.map((each) => {  // whether the column of pixels of a time holds anything of the first pen, which is blue
    const seen = u.ctx.getImageData(Math.round(u.valToPos(each, "x", true)), top + 2, 1, height - 4).data;
    for (let i = 0; i < seen.length; i += 4) if (seen[i + 3] > 200 && seen[i + 2] - seen[i] > 40) return true;
    return false;
  });
}"""


@contextlib.asynccontextmanager
async def plant(tmp_path: Path) -> AsyncIterator[tuple[str, FeedClient, LoadDevice]]:
    """A gateway whose one device was silent for some seconds and came back."""
    async with LoadDevice() as device:
        config, port = tmp_path / "gateway.toml", free_port()
        config.write_text(HEAD.format(port=port) + device_config("press", device.port, tags=3, period_ms=250, timeout_s=0.4))
        gateway = Gateway(tmp_path / "state", config)
        await gateway.start()
        try:
            async with gateway.watching() as face:
                # Not that all values stand as recorded at one moment: where a batch ends just before each read, that is never seen.
                await until(lambda: len(face.values) == 3 and face.health.get("evidence", {}).get("readings", 0) > 6, 40)
                await asyncio.sleep(2.5)
                device.dead = True
                await until(lambda: face.health["gaps"].get("no_answer", 0) + face.health["gaps"].get("breaker_open", 0) > 3, 30)
                await asyncio.sleep(SILENCE_S)
                device.dead = False
                await until(lambda: face.health["devices"][0]["state"] == "ok", 60)
                await asyncio.sleep(4)
                await until(lambda: face.health["faces"] >= 3, 40)  # this one, the history and the web face
                yield f"http://127.0.0.1:{port}/", face, device
        finally:
            await gateway.stop()


def test_a_gap_is_drawn_as_a_gap(tmp_path: Path, require_service: Callable[[str], str]) -> None:
    executable = require_service("chromium")

    async def run() -> None:
        async with plant(tmp_path) as (url, face, _device), chromium(executable) as browser, page_of(browser, url) as at:
            page = at.page
            await at.open("/trends?range=10m")
            await page.locator("#none").wait_for()
            await page.locator("#find").fill("press/")
            await page.keyboard.press("Enter")
            await page.locator(".lanes .gap").first.wait_for(timeout=15_000)
            uid, answer = await answered(url, page)
            (pen,) = answer["pens"]
            gap = max(pen["gaps"], key=lambda each: each["to_ms"] - each["from_ms"])
            assert gap["to_ms"] - gap["from_ms"] > 1_000 * SILENCE_S
            await narrow(page, url, uid, gap)
            await holds(page, gap)
            await reads_by_keys(page, face.tags[uid][1])
            await moves_without_a_pointer(page)
            await is_cut_by_silence(page)
            await breaks_beside_another_pen(page)
            await marks_say_their_sorts(page)
            await holds_until_the_gap(page)
            await says_yes_and_no(page)
            await marks_readings_alone(page)
            await flags_keep_apart(page)
            await the_file_holds(url, uid, pen)
            told = [*await axe(page), *await no_sideways_scroll(page), *await targets(page), *at.faults]
            await shot(page, "trends-gap")
            assert told == []
            async with page_of(browser, url, lang="zh", theme="dark", width=320) as small:
                await small.open(f"/trends?uids={uid}&range=10m")
                await small.page.locator(".lanes .gap").first.wait_for(timeout=15_000)
                told = [*await axe(small.page), *await no_sideways_scroll(small.page), *await targets(small.page), *small.faults]
                await shot(small.page, "trends-gap-zh-dark-320")
                assert told == []

    asyncio.run(run())


async def answered(url: str, page: Page) -> tuple[int, Any]:
    """The tag that the page shows, and what the API says of it."""
    uid = int(await page.locator(".pens .value").first.get_attribute("data-pen") or -1)
    async with httpx.AsyncClient(timeout=30) as client:
        answer = await client.get(f"{url}api/v1/trends", params={"uids": uid})
    return uid, answer.json()


async def narrow(page: Page, url: str, uid: int, gap: dict[str, Any]) -> None:
    """Show the gap and what lies around it, as recorded."""
    middle, room = (gap["from_ms"] + gap["to_ms"]) / 2, gap["to_ms"] - gap["from_ms"]
    await page.goto(f"{url}trends?uids={uid}&t0={int(middle - room)}&t1={int(middle + room)}")
    await page.locator(".lanes .gap").first.wait_for(timeout=15_000)


async def holds(page: Page, gap: dict[str, Any]) -> None:
    """The data given to the chart have a null in the gap, and no line crosses it in the picture; on both sides there is one."""
    times, values = await page.evaluate(DATA)
    inside = [v for t, v in zip(times, values, strict=True) if gap["from_ms"] <= t * 1000 <= gap["to_ms"]]
    assert inside
    assert all(v is None for v in inside)
    middle = (gap["from_ms"] + gap["to_ms"]) / 2000
    assert any(v is not None for t, v in zip(times, values, strict=True) if t < middle)
    assert any(v is not None for t, v in zip(times, values, strict=True) if t > middle)
    drawn = await page.evaluate(
        INKED,
        [middle, *[t for t, v in zip(times, values, strict=True) if v is not None][3:6]],
    )
    assert drawn[0] is False, "a line was drawn through the gap"
    assert all(drawn[1:]), "no line is drawn where there are readings"


CUT = """async (module) => {
  const { Tail } = await import(module);
  const tail = new Tail();
  tail.add(1000, 1, true);
  tail.cut();
  tail.cut();
  tail.add(5000, 2, true);
  tail.add(6000, 3, true);
  return [tail.t, tail.v];
}"""


JOINED = """async (module) => {
  const { Chart } = await import(module);
  const box = document.createElement("div");
  document.body.append(box);
  const pen = (uid, t, gaps) => ({ uid, name: `${uid}`, unit: "", t, low: [], high: [], last: t.map(() => uid), bad: [], gaps });
  const gap = { from_ms: 2500, to_ms: 7500, cause: "x" };
  const pens = [pen(1, [1000, 2000, 8000], [gap]), pen(2, [1500, 3000, 4000, 5000, 6000, 7000, 8500], [])];
  const chart = new Chart(box, {});
  chart.show({ width_ms: 0, marks: [], pens }, [0, 10000]);
  const [times, first] = chart.plotted.data;
  chart.end();
  box.remove();
  return [...times].flatMap((t, i) => (t >= 2.5 && t < 8 ? [first[i] === undefined ? "joined" : first[i]] : []));
}"""


HELD = """async (module) => {
  const { broken } = await import(module);
  const gap = (from_ms, to_ms, kind) => ({ from_ms, to_ms, kind, cause: "x" });
  const pen = (t, last, gaps) => ({ t, last, low: [], high: [], bad: [], gaps });
  const whole = ([t, , , last]) => t.map((each, i) => [Math.round(each * 1000), last[i]]);
  return [
    pen([1000], [1], [gap(9000, 20000)]), pen([1000, 30000], [1, 0], [gap(9000, 20000)]), pen([1000, 2000], [1, null], [gap(9000, 20000)]),
    pen([1000, 30000], [1, 0], [gap(9000, 20000, "abstained")]), pen([1000, 2000], [1, 0], []),
  ].map((each) => whole(broken(each, 0)));
}"""


POINTS = """async (module) => {
  const { Chart } = await import(module);
  const box = Object.assign(document.createElement("div"), { style: "width: 900px" });
  document.body.append(box);
  const chart = new Chart(box, {}), gaps = [{ from_ms: 9000, to_ms: 20000, cause: "x" }];
  const shown = (t) => {
    const pens = [{ uid: t.length, name: "a", unit: "", type: "bool", t, low: [], high: [], last: t.map(() => 1), bad: [], gaps }];
    chart.show({ width_ms: 0, marks: [], pens }, [0, 200000]);
    const { data: [times], series: [, { points }] } = chart.plotted;
    return points.filter(chart.plotted, 1, points.show(chart.plotted, 1)).map((i) => times[i]);
  };
  const many = [1000, ...Array.from({ length: 100 }, (_, i) => 30000 + i * 1000)];
  const found = [shown([1000, 30000]), shown([1000, 9000, 30000]), shown(many)];
  chart.end();
  box.remove();
  return found;
}"""


AXIS = """async (module) => {
  const { Chart } = await import(module);
  const box = Object.assign(document.createElement("div"), { style: "width: 900px" });
  document.body.append(box);
  const t = [1000, 5000, 9900], none = { low: [], high: [], bad: [], gaps: [] };
  const pen = (uid, type, last) => ({ uid, name: `${uid}`, unit: "", type, t, last, ...none });
  const chart = new Chart(box, {}), said = [], fill = CanvasRenderingContext2D.prototype.fillText;
  CanvasRenderingContext2D.prototype.fillText = function (text, x, y) {
    said.push([text, x / devicePixelRatio, this.textAlign]);
    fill.call(this, text, x, y);
  };
  chart.show({ width_ms: 0, marks: [], pens: [pen(1, "bool", [1, 1, 1]), pen(2, "float64", [22, 24, 24])] }, [0, 10000]);
  await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
  CanvasRenderingContext2D.prototype.fillText = fill;
  const { scales, over } = chart.plotted, edge = over.offsetLeft + over.clientWidth;
  chart.end();
  box.remove();
  const numbers = said.filter(([text, , align]) => align === "left" && /^[12]$/.test(text)).map(([, x]) => x);
  const beyond = numbers.filter((x) => x + 8 > edge).length, words = said.map(([text]) => text);
  return { low: scales.y0.min, high: scales.y0.max, words, beyond, numbers: numbers.length };
}"""


APART = """async (module) => {
  const { flagsOf } = await import(module);
  const mark = (sort, x, count) => ({ sort, at_ms: x, text: sort, count });
  const place = (flag) => Number(/[(]([0-9.]+) /.exec(flag.getAttribute("transform"))[1]);
  const places = (marks) => flagsOf(marks, (x) => x).map((flag) => [place(flag), flag.querySelector(".many")?.textContent ?? ""]);
  const several = [mark("model", 10, 13), mark("boot", 11), mark("anomaly", 50)];
  return [places(several), places([mark("command", 10, 2), mark("boot", 10), mark("model", 42)])];
}"""


TOLD = """async (module) => {
  const { told } = await import(module), mark = (sort, text, count) => ({ sort, text, count });
  const commands = [mark("command", "written", 1), mark("command", "again", 1)];
  const several = told([mark("event", "acknowledged", 1), mark("alarm", "raised", 2), ...commands]);
  return [several, told([mark("boot", "started", 1)])];
}"""


async def marks_say_their_sorts(page: Page) -> None:
    """A flag of several sorts has the gravest's letter and its number alone, and names every sort; one of one thing says that."""
    several, one = await page.evaluate(TOLD, "/static/chart_marks.js")
    assert (several["sort"], several["number"]) == ("alarm", "2+")
    assert several["text"].split("\n")[0] == "alarm × 2, command × 2, event × 1"
    assert one == {"sort": "boot", "number": "", "text": "started"}


async def holds_until_the_gap(page: Page) -> None:
    """What was last reported is drawn until a gap begins, also where nothing came since; no score and no bad reading is."""
    last, between, bad, score, running = await page.evaluate(HELD, "/static/trend_data.js")
    assert last == [[1000, 1], [8999, 1], [9000, None]]
    assert between == [[1000, 1], [8999, 1], [9000, None], [30000, 0]]
    assert {value for at, value in bad if at >= 2000} == {None}
    assert score == [[1000, 1], [9000, None], [30000, 0]]
    assert running == [[1000, 1], [2000, 0]]


async def marks_readings_alone(page: Page) -> None:
    """A point is drawn for what was read, few or alone between breaks, also where a gap begins with it; none for how long it held."""
    assert await page.evaluate(POINTS, "/static/chart.js") == [[1.0, 30.0], [1.0, 9.0, 30.0], [1.0]]


async def says_yes_and_no(page: Page) -> None:
    """A tag that is yes or no has an axis from no to yes; no pen's number runs into the numbers of an axis."""
    found = await page.evaluate(AXIS, "/static/chart.js")
    assert (found["low"], found["high"]) == (-0.08, 1.08)
    assert {"no", "yes"} <= set(found["words"])
    assert "1.08" not in found["words"]
    assert found["numbers"] >= 2
    assert found["beyond"] == 0


async def flags_keep_apart(page: Page) -> None:
    """A flag's number ends before the next flag begins, also where one flag of both would have a shorter number."""
    for flags in await page.evaluate(APART, "/static/chart_marks.js"):
        for (x, number), (after, _) in pairwise(flags):
            assert after - 11 >= x + 12 + 8 * len(number) + 2, flags


async def breaks_beside_another_pen(page: Page) -> None:
    """A gap of one pen is one from its begin to the next reading, however many readings another pen has meanwhile."""
    assert set(await page.evaluate(JOINED, "/static/chart.js")) == {None}


async def is_cut_by_silence(page: Page) -> None:
    """What comes after the stream was silent is not joined to what was before, until the history has told what lies between."""
    assert await page.evaluate(CUT, "/static/trend_data.js") == [[1000, 4999, 5000, 6000], [1, None, 2, 3]]


async def reads_by_keys(page: Page, name: str) -> None:
    """By keys alone a moment is chosen and its reading can be proved: two taps from the chart."""
    await page.locator(".chart").focus()
    await page.keyboard.press("ArrowLeft")
    await page.keyboard.press("ArrowLeft")
    assert await page.locator(".pens .value b").inner_text()
    link = page.locator(".pens a.prove")
    assert name in (await link.get_attribute("aria-label") or "")
    assert "/prove?uid=" in (await link.get_attribute("href") or "")


async def moves_without_a_pointer(page: Page) -> None:
    """What dragging and pinching do, buttons and keys do too (WCAG 2.5.7); a tap chooses a moment as the arrows do."""

    async def shown() -> tuple[float, float]:
        t0, t1 = await page.evaluate("window.trendChart.range")
        return float(t0), float(t1)

    before = await shown()
    await page.locator(".moves button").nth(0).click()
    await until_changed(shown, before)
    earlier = await shown()
    assert earlier[1] < before[1]
    await page.locator(".chart").focus()
    await page.keyboard.press("+")
    await until_changed(shown, earlier)
    closer = await shown()
    assert abs((closer[1] - closer[0]) - (before[1] - before[0]) / 2) < 5
    said = await page.locator("#moment").inner_text()
    await page.locator(".chart .u-over").click(position={"x": 60, "y": 100})
    await page.wait_for_function("(said) => document.getElementById('moment').innerText !== said", arg=said)


async def until_changed(shown: Callable[[], Awaitable[tuple[float, float]]], before: tuple[float, float]) -> None:
    async with asyncio.timeout(15):
        while await shown() == before:
            await asyncio.sleep(0.05)


async def the_file_holds(url: str, uid: int, pen: dict[str, Any]) -> None:
    """Every reading of the answer stands in the file, with its entry, and the file hashes to what it says."""
    async with httpx.AsyncClient(timeout=30) as client:
        raw = (await client.get(f"{url}api/v1/trends.csv", params={"uids": uid})).content
    lines = raw.split(b"\r\n")
    body, last = b"\r\n".join(lines[:-2]) + b"\r\n", lines[-2].decode()
    assert last.endswith(sha256(body).hexdigest())
    rows = [row for row in csv.DictReader(io.StringIO(body.decode("utf-8-sig"))) if not row["time_utc"].startswith("#")]
    good = [row for row in rows if row["status"] == "Good"]
    assert len(good) >= sum(1 for value in pen["last"] if value is not None)
    assert all(row["entry"].isdigit() for row in rows)
    assert {row["tag"] for row in rows} == {pen["name"]}
