"""A real browser on a real page: Debian's Chromium through Playwright, with what every screen is held to.

Room: tests. A screen test asks for `page_of` and then for `axe`, `no_sideways_scroll`, `targets`; `shot` keeps a picture (tests/out/shots).
One Chromium serves a whole module; each page has a context of its own, so that no cookie wanders.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any

from playwright.async_api import Browser, Page, async_playwright, expect

CHROMIUM_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-sync",
    "--disable-component-update",
]
SHOTS = Path(__file__).parents[1] / "out" / "shots"
AXE = files("axe_playwright_python").joinpath("axe.min.js").read_text(encoding="utf-8")
TARGET_MIN_PX = 48
EXPECT_MS = 20_000
expect.set_options(timeout=EXPECT_MS)  # of everybody who has this rig: the usual 5 s are none for a slow machine
HEIGHT = 900
SIDEWAYS = """() => {
  const wide = document.documentElement.scrollWidth - document.documentElement.clientWidth;
  if (wide <= 0) return [];
  const limit = document.documentElement.clientWidth + 1;
  const beyond = (e) => e.getBoundingClientRect().right > limit && !e.closest(".scroll");
  return [`${wide} px too wide`, ...[...document.body.querySelectorAll("*")].filter(beyond).slice(0, 8)
    .map((e) => `${e.tagName.toLowerCase()}.${e.className} ends at ${Math.round(e.getBoundingClientRect().right)}`)];
}"""
TARGETS = """(least) => {
  const seen = (e) => e.checkVisibility({ visibilityProperty: true }) && !e.closest("[inert]") && e.getBoundingClientRect().width > 1;
  const inText = (e) => e.tagName === "A" && getComputedStyle(e).display === "inline" && e.closest("p, li, td, dd");
  const label = (e) => (/checkbox|radio/.test(e.type) && e.closest("label")) || e;
  const area = (e) => label(e).getBoundingClientRect();
  const touched = "a[href], button, input:not([type=hidden]), select, textarea, summary, [role=button], [role=tab]";
  return [...document.querySelectorAll(touched)].filter((e) => seen(e) && !inText(e) && !e.classList.contains("skip"))
    .map((e) => ({ what: `${e.tagName.toLowerCase()}.${e.className} ${(e.textContent || e.name || "").trim().slice(0, 30)}`, at: area(e) }))
    .filter(({ at }) => at.height < least - 0.5 || at.width < least - 0.5)
    .map(({ what, at }) => `${what}: ${at.width.toFixed(0)} x ${at.height.toFixed(0)}`);
}"""

CLIPPED = """() => {
  const seen = (e) => e.checkVisibility({ visibilityProperty: true }) && !e.closest("[inert]") && e.getBoundingClientRect().width > 1;
  const touched = "a[href], button, input:not([type=hidden]), select, textarea, summary, [role=button], [role=tab]";
  const area = (e) => ((/checkbox|radio/.test(e.type) && e.closest("label")) || e).getBoundingClientRect();
  const named = (e) => `${e.tagName.toLowerCase()}.${e.className} ${(e.textContent || e.name || "").trim().slice(0, 30)}`;
  const cutBy = (e, flow, low, high, slack) => {
    let { [low]: from, [high]: to } = area(e);
    for (let a = e; a && a !== document.body; a = a.parentElement) {
      const style = getComputedStyle(a), at = a.getBoundingClientRect();
      if (a !== e && /auto|scroll/.test(style[flow])) [from, to] = [at[low], at[high]]; // scrolled to
      if (a !== e && /clip|hidden/.test(style[flow]) && (from < at[low] - slack(from, to) || to > at[high] + slack(from, to))) return a;
      if (style.position === "fixed") return null;
    }
    return null;
  };
  return [...document.querySelectorAll(touched)].filter((e) => seen(e) && !e.classList.contains("skip")).map((e) => {
    const by = cutBy(e, "overflowX", "left", "right", () => 2) || cutBy(e, "overflowY", "top", "bottom", (from, to) => (to - from) / 2);
    return by && `${named(e)}: cut off by ${by.tagName.toLowerCase()}.${by.className}`;
  }).filter(Boolean).slice(0, 8);
}"""


@dataclass
class Screen:
    """A page and what went wrong on it: script errors, console errors, requests to anywhere else."""

    page: Page
    url: str
    faults: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    async def open(self, path: str) -> None:
        """Go to a path of the gateway and wait until the page has settled."""
        await self.page.goto(self.url.rstrip("/") + path)
        await self.page.evaluate("document.fonts.ready")


@contextlib.asynccontextmanager
async def chromium(executable: str) -> AsyncIterator[Browser]:
    """Run one Chromium."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=executable, args=CHROMIUM_FLAGS)
        try:
            yield browser
        finally:
            await browser.close()


@contextlib.asynccontextmanager
async def page_of(
    browser: Browser, url: str, *, token: str | None = None, lang: str = "en", theme: str = "light", width: int = 1280,
    scripts: bool = True, zone: str | None = None,
) -> AsyncIterator[Screen]:  # fmt: skip
    """A page of a gateway in a context of its own; `token` is a session's (see `account.login`), so that no test types a password twice."""
    context = await browser.new_context(
        viewport={"width": width, "height": HEIGHT}, java_script_enabled=scripts, ignore_https_errors=True, timezone_id=zone
    )
    is_tls = url.startswith("https:")
    cookies: list[Any] = [{"name": "lang", "value": lang, "url": url}, {"name": "theme", "value": theme, "url": url}]
    if token is not None:
        name = "__Host-witnessmark" if is_tls else "witnessmark"
        cookies.append({"name": name, "value": token, "url": url, "httpOnly": True, "sameSite": "Strict", "secure": is_tls})
    await context.add_cookies(cookies)
    page = await context.new_page()
    screen = Screen(page, url)
    page.on("pageerror", lambda error: screen.faults.append(str(error)))
    page.on("console", lambda message: screen.faults.append(message.text) if message.type == "error" else None)
    page.on("request", lambda request: screen.requests.append(request.url))
    try:
        yield screen
    finally:
        await context.close()


async def axe(page: Page, *, without: tuple[str, ...] = ()) -> list[str]:
    """Return axe-core's violations (WCAG 2.2 AA and best practice) as readable lines; an empty list is the bar."""
    if not await page.evaluate("typeof window.axe === 'object'"):
        await page.evaluate(AXE)
    tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
    rules = {rule: {"enabled": False} for rule in without}
    found = await page.evaluate("(options) => axe.run(document, options)", {"runOnly": tags, "rules": rules, "resultTypes": ["violations"]})
    return [f"{each['id']}: {node['target']} {node['failureSummary']}" for each in found["violations"] for node in each["nodes"][:3]]


async def no_sideways_scroll(page: Page) -> list[str]:
    """Return what makes the page wider than its window, and what one would touch but a box that does not scroll cuts off.

    Regions that scroll by themselves may be wider. Sideways nothing may be cut; downwards the middle has to be seen.
    """
    found: list[str] = [*await page.evaluate(SIDEWAYS), *await page.evaluate(CLIPPED)]
    return found


async def targets(page: Page, least_px: int = TARGET_MIN_PX) -> list[str]:
    """Return what one can touch and is smaller than that, links within running text excepted."""
    found: list[str] = await page.evaluate(TARGETS, least_px)
    return found


async def shot(page: Page, name: str) -> Path:
    """Keep a picture of the whole page in tests/out/shots."""
    SHOTS.mkdir(parents=True, exist_ok=True)
    path = SHOTS / f"{name}.png"
    await page.screenshot(path=path, full_page=True)
    return path
