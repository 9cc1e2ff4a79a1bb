"""Audit, ledger and the past of alarms on a real gateway: the site's zone, people and alarms by name, numbers only beside the words."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

from runtime.messages.page_reader import OWN_REASONS, doer, why
from tests.rigs.browser import Screen, axe, chromium, no_sideways_scroll, page_of, shot
from tests.rigs.gateway import cli
from tests.rigs.web_site import PEOPLE, Site, site
from tests.unit.runtime.messages.test_act_words import RECORDS

pytestmark = pytest.mark.integration
ACTORS: Final = ("file", "network", "alarms", "ldap from 10.0.0.5", "claim code from x (session 464360f1)", "nina (session 464360f1)")
"""Who gives a reason: the gateway itself in all but the last two, who are people."""
ZONE: Final = "Asia/Kathmandu"
ALARM: Final = """
[[alarms]]
name = "any_value"
text = "The press has a value."
condition = "above"
tag = "press/r0"
limit = -1000000
priority = "low"
action = "look"
"""
NUMBERS: Final = re.compile(r"\b(?:session|token) [0-9a-f]{4,}|\buid \d|\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ")
WORDS: Final = """() => [...document.querySelectorAll("tbody td:not(.num)")].map((cell) => {
  const words = cell.cloneNode(true);
  for (const beside of words.querySelectorAll("small, time, code")) beside.remove();
  return words.textContent.trim();
}).filter(Boolean)"""
"""What stands in a table's cells as words: without what is beside them, and without times, which are elements of their own."""


async def settled(screen: Screen, path: str, text: str) -> list[str]:
    """Look at a page until its table says something, and return its words: the history follows the ledger a moment behind."""
    async with asyncio.timeout(40):
        while True:
            await screen.open(path)
            found: list[str] = await screen.page.evaluate(WORDS)
            if any(text in each for each in found):
                return found
            await asyncio.sleep(0.2)


async def done_at_the_machine_and_by_page(at: Site) -> None:
    state = ["--state", str(at.gateway.state)]
    code, told = await cli("alarm", "ack", "any_value", "--reason", "seen", *state)
    assert code == 0, told
    code, told = await cli("accounts", "roles", PEOPLE["viewer"], "--role", "technician", "--reason", "covers the night", *state)
    assert code == 0, told
    async with at.client("technician") as tess:
        headers = {"origin": at.url.rstrip("/"), "x-witnessmark-token": await at.csrf("technician")}
        body = {"names": ["any_value"], "minutes": 30, "reason": "known"}
        answer = await tess.post("/api/v1/alarms/shelve", json=body, headers=headers)
        assert answer.status_code == 200, answer.text


def test_who_and_when_is_said_as_people_say_it(tmp_path: Path, require_service: Callable[[str], str]) -> None:
    executable = require_service("chromium")

    async def run() -> list[str]:
        faults: list[str] = []
        async with site(tmp_path, tags=2, gateway=f'zone = "{ZONE}"', more=ALARM) as at, chromium(executable) as browser:
            await done_at_the_machine_and_by_page(at)
            for lang, width, theme in (("en", 1280, "light"), ("en", 320, "dark"), ("zh", 768, "light")):
                here = doer(f"cli uid {os.getuid()}", lang)
                async with page_of(browser, at.url, token=at.tokens["admin"], lang=lang, width=width, theme=theme) as screen:
                    for path, text in (("/alarms/history", "Tess"), ("/audit", "Tess"), ("/ledger", "Tess")):
                        words = await settled(screen, path, text)
                        name = f"named-{path.replace('/', '-')}-{lang}-{width}"
                        await shot(screen.page, name)
                        faults += [f"{name}: {each}" for each in words if NUMBERS.search(each)]
                        faults += [f"{name}: {each}" for each in [*await axe(screen.page), *await no_sideways_scroll(screen.page)]]
                        assert any(here in each for each in words), (path, words)
                        if path == "/audit":
                            kinds = await screen.page.locator("tbody td:nth-child(4)").all_inner_texts()
                            assert ("configuration" if lang == "en" else "配置") in kinds, "not the code of its action"
                        if path != "/audit":
                            assert any("The press has a value" in each for each in words), (path, words)
                        await screen.page.locator("#zone", has_text=ZONE).wait_for()
                    there = await screen.page.evaluate(
                        "async (texts) => { const { personOf } = await import('/static/words.js'); return texts.map(personOf); }",
                        [text for text, _ in RECORDS],
                    )
                    assert there == [doer(text, lang) for text, _ in RECORDS], "scripts say it as the server does"
                    asked = [[reason, actor] for reason in (*OWN_REASONS, "toString", "by Ana") for actor in ACTORS]
                    there = await screen.page.evaluate(
                        "async (rows) => { const { whyOf } = await import('/static/words.js'); return rows.map((row) => whyOf(...row)); }",
                        asked,
                    )
                    assert there == [why(reason, actor, lang) for reason, actor in asked], "why as well"
                    assert not screen.faults
        return faults

    assert asyncio.run(run()) == []
