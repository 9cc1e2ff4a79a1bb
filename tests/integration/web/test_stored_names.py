"""Names that somebody stored, with markup in them, stay text on every page of a real gateway: of tags, alarms, people, tokens, reasons.

That there is no other place for a text to become markup is `tests/tidy/test_web_sinks.py`'s.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page

from runtime.faces.feed import RequestRefusedError
from tests.integration.web.full_site import EVERYTHING, good_uid
from tests.integration.web.screens import GATEWAY
from tests.rigs import asking
from tests.rigs.browser import chromium, page_of
from tests.rigs.web_site import Site, add_person, site

pytestmark = pytest.mark.integration
HOSTILE = '<img src=x onerror="window.hacked=1">\'{{7*7}}${7*7}</script><script>window.hacked=1</script>'
SHORT = '<svg onload="window.hacked=1">'
ASKED = "window.hacked ?? document.querySelectorAll('img, svg[onload], main script:not([type=module]), [onerror]').length"
PLACES = {
    'unit = "l/min"': f"unit = {json.dumps(SHORT)}",
    'asset = "site/line 1/pump"': f"asset = {json.dumps(HOSTILE)}",
    'asset = "site/lab"': f"asset = {json.dumps(SHORT)}\npeople = [{json.dumps(SHORT)}]",
    'text = "Pump does not answer"': f"text = {json.dumps(HOSTILE)}",
    'action = "Check its power"': f"action = {json.dumps(HOSTILE)}",
    'consequence = "The line stops"': f"consequence = {json.dumps(HOSTILE)}",
    'data = "text", pattern': f'data = "text", choices = [{json.dumps(SHORT)}, "b"], pattern_gone',
}
"""What the configuration lets anybody write, and where."""


def spoilt() -> str:
    text = EVERYTHING
    for place, hostile in PLACES.items():
        assert place in text, place
        text = text.replace(place, hostile)
    return text.replace(', pattern_gone = "LOT-[0-9]{6}"', "")


async def act(at: Site, action: str, target: str, reason: str, **params: Any) -> Any:
    who = at.tokens["admin" if action.startswith(("account", "token")) else "all"]
    return await at.ask("act", asking.act(who, action, target, reason=reason, **params))


async def store(at: Site) -> None:
    """Have reasons and notes of that name; names of people and programs take no such letter."""
    for action, more in (("account.create", {"roles": "viewer"}), ("token.create", {"actions": "view.values", "days": 1})):
        with pytest.raises(RequestRefusedError, match="account_name_char"):
            await act(at, action, SHORT, HOSTILE, **more)
    said = [
        await act(at, "account.create", "O'Neil", HOSTILE, roles="viewer"),
        await act(at, "token.create", "O'Neil", HOSTILE, actions="view.values", days=1),
        await act(at, "alarm.shelve", "", HOSTILE, names="r1_high", minutes=60),
        await act(at, "audit.review", "", HOSTILE, first=0, last=1),
    ]
    assert [each["code"] for each in said] == ["done"] * len(said), said


async def is_text(page: Page, path: str) -> None:
    assert await page.evaluate(ASKED) == 0, path


def test_stored_names_stay_text(tmp_path: Path, require_service: Callable[[str], str]) -> None:
    executable = require_service("chromium")

    async def run() -> None:
        async with site(tmp_path, tags=2, gateway="device_writes = true", more=spoilt()) as at, chromium(executable) as browser:
            at.tokens["all"] = await add_person(at, "Max", "admin engineer technician")
            uid = await good_uid(at)
            await store(at)
            paths = {row.path.replace("{uid}", str(uid)) for row in GATEWAY} - {"/login"}
            more = {
                "/alarms",
                "/alarms/at/pump_away",
                "/alarms/history",
                "/setup/add",
                "/setup/tags?device=pump",
                "/config",
                "/live?plain=1",
            }
            async with page_of(browser, at.url, token=at.tokens["all"]) as screen:
                seen = set()
                for path in sorted(paths | more):
                    await screen.open(path)
                    await screen.page.wait_for_timeout(400)
                    await is_text(screen.page, path)
                    if "window.hacked=1" in await screen.page.locator("body").inner_text():
                        seen.add(path.partition("?")[0])
                assert {"/alarms", "/alarms/at/pump_away", "/handover", "/live", "/stations", "/people", "/audit", "/config"} <= seen, seen

    asyncio.run(run())
