"""The verifier page in Debian's Chromium, with the network off: what tries to leave is noted, and is a fault."""

from __future__ import annotations

import contextlib
import json
from base64 import b64encode
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

from playwright.async_api import Browser, Page, async_playwright

from ledger_client.verifier_page.embed import PAGE_FILE

FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-sync"]
VERIFY = """async (cases) => {
  const plain = (_, value) => typeof value === "bigint" ? Number(value) : value instanceof Uint8Array ? null : value;
  const bytes = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const one = async ({ data, policy }) => {
    try {
      const { verdict, claims, independent, facts } = await witnessmark.verifyFile(bytes(data), witnessmark.parsePolicy(policy));
      const said = Object.fromEntries(Object.entries(claims).map(([name, { status, code }]) => [name, [status, code]]));
      return { verdict, claims: said, independent, tag: facts.tag?.name, value: facts.reading?.value };
    } catch (error) {
      return { verdict: "refused", code: error.code ?? String(error) };
    }
  };
  const out = [];
  for (const each of cases) out.push(await one(each));
  return JSON.stringify(out, plain);
}"""
"""In the page: judge each case without its user interface."""


@contextlib.asynccontextmanager
async def browser_of(chromium: str) -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        try:
            yield browser
        finally:
            await browser.close()


@contextlib.asynccontextmanager
async def page_of(browser: Browser, *, path: Path = PAGE_FILE, fragment: str = "", before: str = "", **context: Any) -> AsyncIterator[Page]:
    """Open the page from its file; at the end nothing may have been asked for, and nothing may have gone wrong in it."""
    opened = await browser.new_context(offline=True, **{"viewport": {"width": 900, "height": 900}, "locale": "en-GB", **context})
    wrong: list[str] = []
    page = await opened.new_page()
    page.on(
        "request", lambda request: None if request.url.startswith(("file:", "blob:")) else wrong.append(f"asked for {request.url[:200]}")
    )
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
    if before:
        await page.add_init_script(before)
    await page.goto(path.as_uri() + fragment)
    try:
        yield page
    finally:
        await opened.close()
    assert not wrong


async def verified(page: Page, cases: Sequence[tuple[bytes, bytes]]) -> list[dict[str, Any]]:
    """Return what the page finds in each (file, policy)."""
    rows = [{"data": b64encode(data).decode(), "policy": policy.decode()} for data, policy in cases]
    found: list[dict[str, Any]] = json.loads(await page.evaluate(VERIFY, rows))
    return found
