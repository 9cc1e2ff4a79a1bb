"""People, audit trail, connections and about on a real gateway: an administrator's work by the page, and what others get."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from ledger_client.disk import RealDisk
from runtime.layout import Layout
from runtime.messages.catalogue import word
from runtime.web_certificate import WebCertificate
from tests.rigs.browser import Screen, axe, chromium, no_sideways_scroll, page_of, shot, targets
from tests.rigs.web_site import PASSWORD, PEOPLE, Site, site

pytestmark = pytest.mark.integration
NAME = "press.plant.example"
"""A name that the gateway got after its certificate."""
LONG_REASON = "starts on Monday, " + "as agreed with the shift leads of both halls, " * 8
BEYOND = "() => [...document.querySelectorAll('.scroll')].map((each) => each.scrollWidth - each.clientWidth)"
"""How much of each table stands outside the box in which it scrolls, px."""


async def held(screen: Screen, name: str) -> list[str]:
    await shot(screen.page, name)
    return [f"{name}: {each}" for each in [*await axe(screen.page), *await no_sideways_scroll(screen.page), *await targets(screen.page)]]


async def seen(screen: Screen, path: str, text: str) -> None:
    """Look at a page until a row of its table says something: the history follows the ledger a moment behind."""
    async with asyncio.timeout(30):
        while True:
            await screen.open(path)
            if await screen.page.locator("tbody td", has_text=text).count():
                return


async def people(at: Site, screen: Screen) -> list[str]:
    """Make a person and see the password once; take a role; end a session; make a token that works, and revoke it."""
    page = screen.page
    await screen.open("/people")
    found = await held(screen, "people")
    form = page.locator('form[data-post="/api/v1/people"]')
    await form.locator("[name=name]").fill("New Hand")
    await form.locator("button.primary").click()
    assert await form.locator("[name=reason]:invalid").count() == 1, "nothing is sent without saying why"
    await form.locator("[name=reason]").fill(LONG_REASON)
    await form.locator("button.primary").click()
    told = form.locator("[data-said].ok code")
    await told.wait_for()
    password = await told.inner_text()
    await page.locator("#everybody summary", has_text="New Hand").wait_for()
    assert await page.locator("#everybody h2 small").inner_text() == "5", "the list has the new one at once"
    assert await told.inner_text() == password, "what is shown once stays"
    assert (await at.ask("account.login", {"name": "New Hand", "password": password, "source": "test"}))["who"]["must_change"]
    await page.reload()
    await page.locator("details.person summary", has_text=PEOPLE["viewer"]).click()
    mine = page.locator("details.person[open] form")
    await mine.locator("[name=roles][value=technician]").check()
    await mine.locator("[name=reason]").fill("covers the night shift")
    await mine.locator("button", has_text="Set roles").click()
    await page.locator("summary", has_text="viewer, technician").or_(page.locator("summary", has_text="technician, viewer")).wait_for()
    listed = await at.ask("account.list", {"token": at.tokens["admin"]})
    assert {"technician", "viewer"} == set(next(each for each in listed["people"] if each["name"] == PEOPLE["viewer"])["roles"])
    await page.locator("summary", has_text="New token").click()
    form = page.locator('form[data-post="/api/v1/tokens"]')
    await form.locator("[name=name]").fill("mes")
    await form.locator("[value='view.values']").check()
    await form.locator("[name=reason]").fill("reads the values")
    await form.locator("button").click()
    told = form.locator("[data-said].ok code")
    await told.wait_for()
    token = await told.inner_text()
    async with at.client() as program:
        bearer = {"authorization": f"Bearer {token}"}
        assert (await program.get("/api/v1/values", headers=bearer)).status_code == 200
        refused = await program.get("/api/v1/audit.csv", headers=bearer)
        assert (refused.status_code, refused.json()["detail"]) == (403, "This session may not do view.audit."), "its scope, not a role"
        await page.reload()
        await page.locator("summary", has_text="Revoke").click()
        await page.locator(".ends[open] button").click()
        assert await page.locator(".ends[open] [name=reason]:invalid").count() == 1, "nothing is revoked without saying why"
        await page.locator(".ends[open] [name=reason]").fill("the program is gone")
        await page.locator(".ends[open] button").click()
        await page.locator("summary", has_text="Revoke").wait_for(state="detached")
        await asyncio.sleep(2.1)  # as long as the face remembers who a token was
        assert (await program.get("/api/v1/values", headers=bearer)).status_code == 401
    return found


async def certificate(at: Site, screen: Screen) -> list[str]:
    """A signing request comes out, and what is no certificate is refused in words, with what was pasted kept.

    One that was made before the gateway got another name says which, and is made anew.
    """
    page = screen.page
    held_there = WebCertificate(RealDisk(), Layout(at.gateway.state).web_certificate)
    held_there.renew([], time.time_ns() // 1_000_000)
    await screen.open("/certificate")
    said = await page.locator("#missing").inner_text()
    assert re.search(rf": {re.escape(NAME)}\. ", said), f"that and nothing else: {said}"
    found = await held(screen, "certificate-missing")
    form = page.locator('form[data-post="/api/v1/certificate/renew"]')
    await form.locator("[name=reason]").fill("it has another name now")
    await form.locator("button").click()
    told = await form.locator("[data-said].ok code").inner_text()
    await screen.open("/certificate")
    assert await page.locator("dl code").inner_text() == told
    assert NAME in await page.locator("dl.long").inner_text()
    assert await page.locator("#missing").count() == 0
    form = page.locator('form[data-post="/api/v1/certificate/request"]')
    await form.locator("[name=reason]").fill("our CA signs it")
    await form.locator("button").click()
    await form.locator("pre").wait_for()
    assert "BEGIN CERTIFICATE REQUEST" in (first := await form.locator("pre").inner_text())
    assert word("web.told.new_key") not in await form.inner_text()
    (held_there.folder / "key.pem").unlink()
    await form.locator("button").click()
    await form.get_by_text(word("web.told.new_key")).wait_for()
    assert await form.locator("pre").inner_text() != first
    form = page.locator('form[data-post="/api/v1/certificate"]')
    await form.locator("[name=pem]").fill("no certificate")
    await form.locator("[name=reason]").fill("our CA signed it")
    await form.locator("button").click()
    await form.locator("[data-said].warn").wait_for()
    assert await form.locator("[name=pem]").input_value() == "no certificate"
    return [*found, *await held(screen, "certificate")]


async def last_admin(screen: Screen) -> None:
    """The last administrator stays, and the page says why; what was chosen stays."""
    await screen.open("/people")
    await screen.page.locator("details.person summary", has_text=PEOPLE["admin"]).click()
    form = screen.page.locator("details.person[open] form")
    await form.locator("[name=reason]").fill("leaves")
    await form.locator("button", has_text="Disable").click()
    await form.locator("[data-said].warn").wait_for()


async def trail(at: Site, screen: Screen) -> list[str]:
    """What was done stands in the trail, is found, is handed out and signed off."""
    page = screen.page
    await seen(screen, "/audit?find=night+shift", "covers the night shift")
    found = await held(screen, "audit")
    await seen(screen, "/audit", "both halls")
    await shot(page, "audit-all")
    assert await page.evaluate(BEYOND) == [0], "all columns are seen"
    async with at.client("admin") as admin:
        table = (await admin.get("/api/v1/audit.csv")).content.decode("utf-8-sig")
        assert "covers the night shift" in table
        assert "account.roles" in table
        assert PASSWORD not in table
    form = page.locator('form[data-post="/api/v1/audit/review"]')
    await form.locator("[name=reason]").fill("as it should be")
    async with page.expect_navigation():
        await form.locator("button").click()
    await seen(screen, "/audit?find=as+it+should+be", "audit.review")
    await form.locator("[name=last]").fill("99999999")
    await form.locator("[name=reason]").fill("too far")
    await form.locator("button").click()
    await form.locator("[data-said].warn").wait_for()
    assert await form.locator("[name=reason]").input_value() == "too far", "what was typed is kept"
    return found


def test_an_administrators_work(tmp_path: Path, require_service: Callable[[str], str]) -> None:
    executable = require_service("chromium")

    async def run() -> list[str]:
        async with site(tmp_path, tags=2, web=f'hosts = ["{NAME}"]\ntls = true') as at, chromium(executable) as browser:
            async with page_of(browser, at.url, token=at.tokens["admin"], width=1280) as screen:
                found = [*await people(at, screen), *await certificate(at, screen), *await trail(at, screen)]
                await last_admin(screen)
                assert screen.faults == [each for each in screen.faults if "Failed to load resource" in each]
            async with page_of(browser, at.url, token=at.tokens["admin"], width=320, theme="dark", lang="zh") as screen:
                for path in ("/people", "/certificate", "/audit", "/connections", "/about"):
                    await screen.open(path)
                    found += await held(screen, f"admin{path.replace('/', '-')}-zh-dark-320")
                    if path == "/audit":
                        assert await screen.page.evaluate(BEYOND) == [0]
            async with at.client("technician") as other:
                assert (await other.get("/people")).status_code == 403
                form = {
                    "csrf": await at.csrf("technician"),
                    "old": PASSWORD,
                    "new": "a long walk to the plant",
                    "again": "a long walk to the plan",
                }
                answer = await other.post("/password", data=form, headers={"origin": at.url.rstrip("/")})
                assert (answer.status_code, word("password_differs") in answer.text) == (422, True)
                assert (await other.get("/audit")).status_code == 403
                bill = (await other.get("/api/v1/sbom")).json()
                assert bill["bomFormat"] == "CycloneDX"
        return found

    assert asyncio.run(run()) == []
