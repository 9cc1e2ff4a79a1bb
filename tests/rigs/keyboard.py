"""A person without a mouse: Tab, Enter, Space and letters, on a page that notices every pointer.

Room: tests. `Keys` goes where the Tab key leads and nowhere else; each stop on the way has to be seen to have the focus.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

from playwright.async_api import Browser, Page
from playwright.async_api import TimeoutError as PlaywrightTimeout

from tests.rigs.browser import page_of, shot

STOPS_MAX = 160
WAIT_MS = 40_000
CHOOSER_MS = 15_000
NOTICE = """() => {
  window.pointed = 0;
  const noticed = (event) => { window.pointed += event.isTrusted; };
  for (const kind of ["pointerdown", "mousedown", "touchstart"]) addEventListener(kind, noticed, true);
}"""
STOP = """(wanted) => {
  const e = document.activeElement;
  if (!e || e === document.body) return ["", false, true];
  const style = getComputedStyle(e), box = e.getBoundingClientRect();
  const hidden = e.matches("input[type=radio], input[type=checkbox]") ? e.closest("label") ?? e : e;
  const at = hidden.getBoundingClientRect(), drawn = style.outlineStyle !== "none" || getComputedStyle(hidden).outlineStyle !== "none";
  const seen = at.bottom > 0 && at.top < innerHeight && at.width > 0 && (box.width > 0 || at.width > 0);
  const name = (e.getAttribute("aria-label") ?? e.name ?? "") || e.textContent.trim().slice(0, 40);
  return [`${e.tagName.toLowerCase()} ${name}`, e.matches(wanted), drawn && seen];
}"""


class Keys:
    """The keyboard of one page. `unseen` gathers the stops whose focus nobody sees."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.unseen: list[str] = []

    async def begin(self) -> None:
        """Notice pointers on this page and on those that follow; call it before the first `goto`."""
        await self.page.add_init_script(f"({NOTICE})()")

    async def to(self, selector: str) -> None:
        """Tab until the focus is on it. Raises AssertionError where the Tab key does not lead there."""
        await self.page.locator(selector).first.wait_for(timeout=WAIT_MS)
        been = []
        for _ in range(STOPS_MAX):
            what, is_it, is_seen = await self.page.evaluate(STOP, selector)
            been.append(what)
            if not is_seen and what not in self.unseen:
                self.unseen.append(what)
            if is_it:
                return
            await self.page.keyboard.press("Tab")
        raise AssertionError(f"the Tab key does not lead to {selector}; it led to {been[:60]}")

    async def enter(self, selector: str) -> None:
        """Go there and press Enter: a link, a button, a summary."""
        await self.to(selector)
        await self.page.keyboard.press("Enter")

    async def tick(self, selector: str) -> None:
        """Go there and press Space: a box to tick."""
        await self.to(selector)
        await self.page.keyboard.press("Space")

    async def write(self, selector: str, text: str) -> None:
        """Go there and type over what stands there."""
        await self.to(selector)
        await self.page.keyboard.press("ControlOrMeta+a")
        await self.page.keyboard.type(text)

    async def choose(self, selector: str, file: Path) -> None:
        """Go to a field for a file, open the browser's own chooser with Space and take `file`; where none opens, press again, as people do.

        Raises AssertionError, with what has the focus, where none opens at the third time.
        """
        for _ in range(3):
            await self.to(selector)
            try:
                async with self.page.expect_file_chooser(timeout=CHOOSER_MS) as choosing:
                    await self.page.keyboard.press("Space")
            except PlaywrightTimeout:
                continue
            return await (await choosing.value).set_files(file)
        raise AssertionError(f"no chooser opens at {selector}; focus, seen: {await self.page.evaluate(STOP, selector)}")

    async def shows(self, selector: str, text: str = "") -> None:
        """Wait until it is there."""
        await self.page.locator(selector, has_text=text).first.wait_for(timeout=WAIT_MS)

    async def end(self) -> None:
        """Make sure that no pointer was used on this page, and that each focus was seen."""
        assert await self.page.evaluate("window.pointed") == 0
        assert self.unseen == []


@contextlib.asynccontextmanager
async def without_a_mouse(browser: Browser, url: str, what: str, token: str | None = None) -> AsyncIterator[Keys]:
    """Yield the keys of a new page; a picture is kept where they get stuck (`what`), and at the end no pointer and no fault has been."""
    async with page_of(browser, url, token=token) as at:
        keys = Keys(at.page)
        await keys.begin()
        try:
            yield keys
        except BaseException:
            await shot(at.page, f"{what}-stuck")
            raise
        await keys.end()
        assert at.faults == []
