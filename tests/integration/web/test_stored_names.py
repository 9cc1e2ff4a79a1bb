"""Texts that somebody stored, with markup in them, stay text on every page of a real gateway: each that any model or struct lets in.

Nobody lists the fields: `config_texts` and `request_texts` find them, `hostile` says what stands in them. What is not let in is refused in
words. That there is no other place for a text to become markup is `tests/tidy/test_web_sinks.py`'s.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, urlencode

import httpx
import pytest
from playwright.async_api import Browser, Error, Page

from runtime.faces.feed_client import FeedClient
from runtime.faces.web.app import rows
from runtime.faces.web.face import Face
from runtime.faces.web.openapi import PLACE
from runtime.faces.web.rows import RouteRow
from runtime.faces.web.stream import Fanout
from runtime.messages.catalogue import word
from tests.integration.web.full_site import EVERYTHING, good_uid
from tests.integration.web.screens import GATEWAY
from tests.rigs.browser import chromium, page_of
from tests.rigs.config_texts import NOT_RUN, Spoilt, base, spoilt, without_an_example
from tests.rigs.gateway import cli
from tests.rigs.hostile import AS_MARKUP, INJECTED, SHOWN, numbers_in, texts
from tests.rigs.load_device import device_config
from tests.rigs.request_texts import EXAMPLES, NOT_HERE, PLACES, body_for, texts_of, with_text
from tests.rigs.web_site import PASSWORD, PEOPLE, Site, add_person, site

pytestmark = pytest.mark.integration
RUNNING: Final = """
[gateway]
name = "press"
device_writes = true
commissioning = true
[evidence]
seal_every_s = 1
[models]
enabled = false
[network]
backend = "none"
[web]
port = {port}
"""
NOTE: Final = '[devices.{0}]\ntype = "manual"\n[[devices.{0}.groups]]\nname = "notes"\ntags = [{{ name = "note", data = "text" }}]\n'
"""A station for a text: one that is spoilt, and one at which anybody may enter anything."""
FIRST_ASKED: Final = 1_000
"""The number of the first text that comes by a request; those before are the configuration's."""
SEEN: Final = frozenset(
    {
        "Alarm.text", "Alarm.action", "Alarm.consequence", "Tag.unit", "Device.asset", "Ldap.label", "Oidc.label",
        "manual DeviceOptions.people (list)", "/api/v1/stations/enter value", "/api/v1/alarms/shelve reason", "/api/v1/audit/review reason",
        "/api/v1/people reason",
    }
)  # fmt: skip
"""Of what is let in: what a page other than /config certainly shows, so that a test which looks at the wrong pages fails."""
DRAWN_MS: Final = 20_000
LOADING: Final = "(text) => !(document.querySelector('main') ?? document.body).innerText.includes(text)"
INSIDE: Final = "(e) => e.innerText + [...e.querySelectorAll('input, textarea, option')].map((i) => i.value).join(' ')"
ISLANDS: Final = {
    "/live": "#live", "/trends": "#trends", "/commands": "#commands", "/diagnostics": "#diagnostics", "/config": "#config",
    "/setup/tags": "#tags",
}  # fmt: skip
"""What nothing but a page's own script fills, with texts that somebody stored among it: path -> where."""


@dataclass
class Walk:
    """What was let in (number -> where), refused, and seen on which pages; `wrong` is the list that must stay empty."""

    let_in: dict[int, str]
    refused: list[str] = field(default_factory=list)
    seen: dict[int, set[str]] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)
    drawn: set[str] = field(default_factory=set)
    """Pages whose own script has drawn a hostile text."""

    def see(self, text: str, path: str) -> None:
        """Note which hostile texts stand in what a person reads."""
        for number in numbers_in(text) & self.let_in.keys():
            self.seen.setdefault(number, set()).add(path)


def table(folder: Path) -> list[RouteRow]:
    return rows(Face(FeedClient(folder / "f", "t"), Fanout(), folder / "h"))


def base_of(port: int, device: int) -> dict[str, Any]:
    plant = EVERYTHING.replace("[[notify.targets]]", NOTE.format("rack") + NOTE.format("desk") + "[[notify.targets]]")
    return base(RUNNING.format(port=port) + plant + device_config("press", device, tags=2, period_ms=500))


def test_every_text_of_a_configuration_is_let_in_as_it_is_or_refused() -> None:
    raw = base_of(8480, 5020)
    missing = without_an_example(raw)
    assert missing == set(), "no example of these: give one to witnessmark.example.toml, or to MORE of tests/rigs/config_texts.py"
    found = spoilt(raw)
    print(f"{len(found.let_in) + len(found.refused)} texts: {len(found.let_in)} take markup, {len(found.refused)} refuse it")
    assert SEEN & {each for each in SEEN if "/" not in each} <= set(found.let_in.values())
    assert {"Gateway.name", "Device.type", "Alarm.name", "Web.host", "File.devices (key)", "Group.name", "Tag.name"} <= set(found.refused)
    assert set(NOT_RUN) <= set(found.let_in.values()), "what is left out for no reason"


def test_every_request_with_a_text_has_an_example(tmp_path: Path) -> None:
    with_texts = {row.path for row in table(tmp_path) if row.takes is not None and texts_of(row.takes)}
    given = EXAMPLES.keys() | NOT_HERE.keys()
    assert with_texts - given == set(), "tests/rigs/request_texts.py has no example"
    assert given - with_texts == set(), "examples of nothing"
    assert EXAMPLES.keys() & NOT_HERE.keys() == set()


async def claims_with_markup(at: Site, row: RouteRow, walk: Walk, numbers: Iterator[int]) -> None:
    """Claim the gateway, with markup in one text after the other; the last one that is let in is the claim."""
    code = ""
    async with asyncio.timeout(30):
        while not code:
            code = (await cli("accounts", "claim-code", "--state", str(at.gateway.state)))[1].get("claim_code", "")
    good = {"code": code, "name": PEOPLE["admin"], "password": PASSWORD, "lang": "", "zone": "", "setup": ""}
    assert row.takes is not None
    async with at.client() as client:
        for way in texts_of(row.takes):
            number = next(numbers)
            body = with_text(good, way, texts(number)[0])
            answer = await client.post("/claim", data=body, headers={"origin": at.url.rstrip("/")})
            assert answer.status_code in {303, 422}, (way, answer.status_code)
            if answer.status_code == 303:
                walk.let_in[number] = f"/claim {way[0]}"
                break
            walk.refused.append(f"/claim {way[0]}")
        else:
            raise AssertionError("nothing claimed it")
    login = {"name": PEOPLE["admin"], "password": PASSWORD, "source": "test"}
    at.tokens["admin"] = (await at.ask("account.login", login))["token"]
    for name, role in (("Vic", "viewer"), ("Zoe", "viewer"), ("Max", "admin engineer technician")):
        at.tokens[{"Max": "all", "Vic": "viewer"}.get(name, name)] = await add_person(at, name, role)


async def sends_markup(at: Site, table: list[RouteRow], walk: Walk, numbers: Iterator[int]) -> None:
    """Send each request that carries a text, with markup in one of them at a time; each is let in, or refused in words."""
    headers = {"authorization": f"Bearer {at.tokens['all']}"}
    async with httpx.AsyncClient(base_url=at.url, headers=headers, timeout=30) as client:
        for row in table:
            if row.takes is None or row.path == "/claim" or not texts_of(row.takes):
                continue
            path, let_in = PLACE.sub(lambda place: PLACES[place[1]], row.path), 0

            async def send(body: dict[str, Any], row: RouteRow = row, path: str = path) -> httpx.Response:
                data, plain = (body, None) if row.form else (None, body)
                answer = await client.request(row.method, path, data=data, json=plain)
                good = answer.status_code in {200, 303} or 400 <= answer.status_code < 500
                if not good or (AS_MARKUP.search(answer.text) and "html" in answer.headers.get("content-type", "")):
                    walk.wrong.append(f"{row.method} {path} {body}: {answer.status_code} {answer.text[:300]}")
                return answer

            for way in sorted(texts_of(row.takes), key=lambda way: way[0] == "value"):  # it stays until the next value
                number = next(numbers)
                for text in (texts(number)[0], texts(number)[3]):
                    answer = await send(with_text(await body_for(at, row), way, text))
                    if answer.status_code < 400:
                        walk.let_in[number] = f"{row.path} {'.'.join(way)}"
                        let_in += 1
                        break
                else:
                    walk.refused.append(f"{row.path} {'.'.join(way)}")
            if not let_in and row.path in EXAMPLES:
                plain = await send(await body_for(at, row))
                walk.wrong += [f"{row.path}: its example is refused as well: {plain.text[:300]}"] if plain.status_code >= 400 else []
            if let_in and row.path in NOT_HERE:
                walk.wrong.append(f"{row.path} lets in {let_in}: it needs an example, not a reason")


def paths_of(table: list[RouteRow], uid: int, numbers: Iterator[int]) -> list[str]:
    """Return the address of every page: as it is, as other tests open it, and with markup in every text of its query and its path."""
    hostile = lambda: quote(texts(next(numbers))[2], safe="")  # noqa: E731
    found = [row.path.replace("{uid}", str(uid)) for row in GATEWAY]
    found += ["/live?plain=1", "/setup/tags?device=pump", "/setup/tags?device=lab", "/alarms/at/pump_away", f"/live#press/r{0}"]
    for row in table:
        if not row.is_page or row.method != "GET":
            continue
        found += [PLACE.sub(lambda _: hostile(), row.path)]
        if row.query is not None:
            texts_in = {way[0]: texts(next(numbers))[0] for way in texts_of(row.query)}
            needed = {each.encode_name: uid for each in _needed(row) if each.encode_name not in texts_in}
            found.append(f"{PLACE.sub(lambda _: hostile(), row.path)}?{urlencode({**needed, **texts_in})}")
    return list(dict.fromkeys(found))


def _needed(row: RouteRow) -> list[Any]:
    from msgspec import structs

    assert row.query is not None
    return [each for each in structs.fields(row.query) if each.required]


async def settles(page: Page, path: str, walk: Walk) -> None:
    """Wait until the page's script has drawn what it asks for, and note whether there is a hostile text in it."""
    plain = path.partition("?")[0].partition("#")[0]
    try:
        await page.wait_for_function(LOADING, arg=word("web.loading"), timeout=DRAWN_MS)
        row = next((row for row in GATEWAY if row.path == path and "full" in row.states and row.steps is None), None)
        if row is not None and row.role is not None and row.name != "denied":
            await page.locator(row.wait_for).first.wait_for(timeout=DRAWN_MS)
    except Error as error:
        walk.wrong.append(f"{path} has not drawn: {str(error).splitlines()[0]}")
    for island in await page.locator(ISLANDS[plain]).all() if plain in ISLANDS else ():
        if numbers_in(await island.evaluate(INSIDE)) & walk.let_in.keys():
            walk.drawn.add(plain)


async def looks_at(browser: Browser, at: Site, paths: list[str], walk: Walk, token: str | None) -> None:
    """Open pages as somebody, in a browser and as they are sent: no dialog, no element of a text's own."""
    async with page_of(browser, at.url, token=token) as screen:
        screen.page.on("dialog", lambda dialog: walk.wrong.append(f"dialog: {dialog.message}"))
        for path in paths:
            answer = await screen.page.goto(at.url.rstrip("/") + path)
            await settles(screen.page, path, walk)
            walk.see(await screen.page.evaluate(SHOWN), path.partition("?")[0])
            walk.wrong += [f"{path}: {each}" for each in await screen.page.evaluate(INJECTED)]
            sent = await answer.text() if answer is not None and not path.startswith("/verify") else ""
            walk.wrong += [f"{path} as sent: {each}" for each in AS_MARKUP.findall(sent)]


def test_stored_texts_stay_text(tmp_path: Path, require_service: Callable[[str], str]) -> None:
    executable = require_service("chromium")
    made: list[Spoilt] = []

    def whole(port: int, device: int) -> str:
        made.append(spoilt(base_of(port, device), NOT_RUN))
        return made[0].text

    async def run() -> Walk:
        numbers, routes = iter(range(FIRST_ASKED, 10_000)), table(tmp_path)
        async with site(tmp_path, people=False, whole=whole) as at, chromium(executable) as browser:
            walk = Walk(dict(made[0].let_in), list(made[0].refused))
            await claims_with_markup(at, next(row for row in routes if (row.path, row.method) == ("/claim", "POST")), walk, numbers)
            uid = await good_uid(at)
            await sends_markup(at, routes, walk, numbers)
            paths = paths_of(routes, uid, numbers)
            await looks_at(browser, at, paths, walk, at.tokens["all"])
            await looks_at(browser, at, ["/login", "/login?next=/live"], walk, None)
            return walk

    walk = asyncio.run(run())
    let_in, seen = set(walk.let_in.values()), {walk.let_in[number] for number in walk.seen}
    elsewhere = {walk.let_in[number] for number, paths in walk.seen.items() if paths != {"/config"}}
    pages = {path for paths in walk.seen.values() for path in paths}
    print(f"{len(let_in)} texts let in, {len(walk.refused)} refused; {len(seen)} read on {len(pages)} pages")
    print("drawn by scripts on:", *sorted(walk.drawn))
    print("on /config alone:", *sorted(seen - elsewhere), sep="\n  ")
    print("never read:", *sorted(let_in - seen), sep="\n  ")
    assert walk.wrong == [], "\n".join(walk.wrong)
    assert elsewhere >= SEEN, SEEN - elsewhere
    assert walk.drawn == set(ISLANDS), "a script drew nothing that was looked at"
