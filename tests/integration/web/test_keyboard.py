"""What people do at the gateway, by keyboard alone, on a real one: no pointer, every stop of the Tab key seen.

Cells and revisions stand in `test_setup_screens`, shelving in `test_alarm_screens`, commands, approvals, the read-only switch and manual
readings in `test_commands`, trends in `test_trends_page`.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.integration.web.full_site import full_site, good_uid
from tests.rigs.browser import chromium
from tests.rigs.gateway import until
from tests.rigs.keyboard import Keys, without_a_mouse
from tests.rigs.out_of_the_box import PASSWORD, Site, out_of_the_box
from tests.rigs.web_site import PASSWORD as OWN_PASSWORD

pytestmark = pytest.mark.integration
NEW_PASSWORD = "five dry woollen socks"
READY = ".buttons button:enabled"
"""In a form that a script sends: before the script is there, Enter goes nowhere and Tab passes the button by."""


async def claim(keys: Keys, site: Site) -> None:
    await until((site.gateway.state / "private" / "claim_code").exists)
    await keys.page.goto(site.url)
    await keys.write("[name=code]", site.claim_code)
    await keys.write("[name=name]", "ada")
    await keys.write("[name=password]", PASSWORD)
    await keys.page.keyboard.press("Enter")
    await keys.shows("details.own summary", "ada")


async def add_a_device(keys: Keys, site: Site) -> None:
    """Look for it, read it at the bench, name it, put it in force."""
    await keys.page.goto(site.url + "setup/add")
    await keys.enter(".commissioning button")
    await keys.write("#scan input[name=hosts]", "127.0.0.1")
    await keys.write("#scan input[name=port]", str(site.plant.port))
    await keys.page.keyboard.press("Enter")
    await keys.enter(".found a.button")
    await site.shows(230.43)
    await keys.write("input[name=address]", "51")
    await keys.write("input[name=shown]", "230.4 V")
    await keys.page.keyboard.press("Enter")
    await keys.shows("#finding[data-verdict=likely]")
    await site.shows(231.87)
    await keys.write("input[name=shown]", "231.8 V")
    await keys.page.keyboard.press("Enter")
    await keys.shows("#finding[data-verdict=sure]")
    await keys.write("input[name=device-name]", "meter")
    await keys.enter("#making button.primary")
    await keys.shows(".diff .ins")
    await keys.enter(".review button.primary")
    await keys.shows(".newborn[data-state=recorded]")


async def bring_tags(keys: Keys, site: Site, folder: Path) -> None:
    """Take a device's tags along as a file, and bring them back with one changed."""
    await keys.page.goto(site.url + "setup/tags?device=meter")
    await keys.enter("#file > summary")
    await keys.to('#file a[href$="/file"]')
    async with keys.page.expect_download() as arriving:
        await keys.page.keyboard.press("Enter")
    text = (await (await arriving.value).path()).read_text(encoding="utf-8-sig")
    assert ",V," in text
    changed = folder / "tags.csv"
    changed.write_text(text.replace(",V,", ",kV,"), encoding="utf-8-sig")
    await keys.choose("#file input[name=file]", changed)
    await keys.enter("#file form button.primary, #file form button")
    await keys.shows(".review .diff .ins")
    await keys.enter(".review button.primary")
    await keys.shows("main .verdict", "in force")


async def edit_the_configuration(keys: Keys, site: Site) -> None:
    """Change the text of it, look at the draft, put it in force."""
    await keys.page.goto(site.url + "config")
    await keys.to("textarea[name=text]")
    await keys.page.keyboard.press("ControlOrMeta+End")
    await keys.page.keyboard.type("\n# the cupboard behind the door\n")
    await keys.page.keyboard.press("Tab")
    await keys.enter("button.primary")
    await keys.shows(".review .diff .ins", "the cupboard")
    await keys.write(".review input[name=reason]", "so that it is found")
    await keys.page.keyboard.press("Enter")
    await keys.shows("main .verdict", "in force")


def test_a_newcomer_without_a_mouse(tmp_path: Path, require_service: Callable[[str], str]) -> None:
    executable = require_service("chromium")

    async def run() -> None:
        async with out_of_the_box(tmp_path) as site, chromium(executable) as browser:
            async with without_a_mouse(browser, site.url, "keyboard-newcomer") as keys:
                await claim(keys, site)
                await add_a_device(keys, site)
                await bring_tags(keys, site, tmp_path)
                await edit_the_configuration(keys, site)

    asyncio.run(run())


async def log_in(keys: Keys, password: str) -> None:
    await keys.shows("[name=password]")
    await keys.write("[name=name]", "Max")
    await keys.write("[name=password]", password)
    await keys.page.keyboard.press("Enter")
    await keys.shows("details.own summary", "Max")


async def acknowledge_and_hand_over(keys: Keys) -> None:
    """From the banner to an alarm that is known, and on to the shift's sheet and back into its alarm."""
    await keys.enter("#alarm-banner a")
    await keys.shows("#alarms .tools .find")  # drawn by the script: it puts buttons of its own where those of the server were
    await keys.enter(".alarm-row.high button.ack")
    await keys.shows(".alarm-row.high .state-words", "acknowledged")
    await keys.enter('nav.tabs a[href="/handover"]')
    await keys.enter('main a[href="/handover?hours=24"]')
    await keys.enter('main a[href^="/alarms/at/"]')
    await keys.shows("main h1")


async def prove(keys: Keys, uid: int) -> None:
    """From a live value to the file of its proof, once a witness has seen it."""
    await keys.enter('nav.main a[href="/live"]')
    await keys.enter(f'tr[data-uid="{uid}"] a.prove')
    await keys.page.wait_for_url(re.compile(r"/prove\?"))
    async with asyncio.timeout(60):
        while not await keys.page.locator("a.primary[download]").count():
            await asyncio.sleep(0.5)
            await keys.page.reload()
    await keys.to("a.primary[download]")
    async with keys.page.expect_download() as arriving:
        await keys.page.keyboard.press("Enter")
    assert (await (await arriving.value).path()).stat().st_size > 500


async def switch_read_only(keys: Keys) -> None:
    await keys.enter('nav.main a[href^="/setup"]')
    await keys.enter('nav.tabs a[href="/commands"]')
    await keys.enter('[data-device=""] button[aria-pressed=false]')
    await keys.write("#why", "the line is being cleaned")
    await keys.page.keyboard.press("Enter")
    await keys.shows("#read-only", "any device")
    await keys.enter('[data-device=""] button[aria-pressed=true]')
    await keys.write("#why", "it is clean")
    await keys.page.keyboard.press("Enter")
    await keys.shows('[data-device=""] button[aria-pressed=false]')


async def run_the_people(keys: Keys) -> None:
    """Make a person, give another one a role, make a token."""
    await keys.enter('nav.main a[href="/config"]')
    await keys.enter('nav.tabs a[href="/people"]')
    form = 'form[data-post="/api/v1/people"]'
    await keys.shows(f"{form} {READY}")
    await keys.write(f"{form} [name=name]", "New Hand")
    await keys.write(f"{form} [name=reason]", "starts on Monday")
    await keys.page.keyboard.press("Enter")
    await keys.shows(f"{form} [data-said].ok code")
    await keys.page.goto(keys.page.url)
    await keys.enter("details.person > summary")
    await keys.shows(f"details.person[open] {READY}")
    await keys.to("details.person[open] [name=roles]")
    await keys.write("details.person[open] [name=reason]", "looked at by keyboard")
    await keys.to("details.person[open] .buttons button")
    async with keys.page.expect_navigation():
        await keys.page.keyboard.press("Enter")
    await keys.enter("main .card > details:not(.person) > summary")
    form = 'form[data-post="/api/v1/tokens"]'
    await keys.shows(f"{form} {READY}")
    await keys.write(f"{form} [name=name]", "mes")
    await keys.tick(f"{form} [value='view.values']")
    await keys.write(f"{form} [name=reason]", "reads the values")
    await keys.enter(f"{form} .buttons button")
    await keys.shows(f"{form} [data-said].ok code")


async def ask_for_a_certificate(keys: Keys) -> None:
    await keys.enter('nav.tabs a[href="/certificate"]')
    form = 'form[data-post="/api/v1/certificate/request"]'
    await keys.shows(f"{form} {READY}")
    await keys.write(f"{form} [name=reason]", "our CA signs it")
    await keys.enter(f"{form} button")
    await keys.shows(f"{form} pre", "BEGIN CERTIFICATE REQUEST")


async def sign_off(keys: Keys) -> None:
    """Find what was done, look at it, sign it off."""
    await keys.enter('nav.tabs a[href="/audit"]')
    await keys.write("input[name=find]", "account.create")
    await keys.page.keyboard.press("Enter")
    await keys.shows("tbody td", "account.create")
    form = 'form[data-post="/api/v1/audit/review"]'
    await keys.shows(f"{form} {READY}")
    await keys.write(f"{form} [name=reason]", "as it should be")
    async with keys.page.expect_navigation():
        await keys.page.keyboard.press("Enter")


async def change_the_password_and_leave(keys: Keys) -> None:
    await keys.enter("details.own summary")
    await keys.enter('a[href="/password"]')
    await keys.write("[name=old]", OWN_PASSWORD)
    await keys.write("[name=new]", NEW_PASSWORD)
    await keys.write("[name=again]", NEW_PASSWORD)
    await keys.page.keyboard.press("Enter")
    await keys.page.wait_for_url("**/")
    await keys.enter("details.own summary")
    await keys.enter('form[action="/logout"] button')
    await log_in(keys, NEW_PASSWORD)


def test_a_days_work_without_a_mouse(tmp_path: Path, require_service: Callable[[str], str]) -> None:
    executable = require_service("chromium")

    async def run() -> None:
        async with full_site(tmp_path) as site, chromium(executable) as browser:
            uid = await good_uid(site)
            async with without_a_mouse(browser, site.url, "keyboard-day") as keys:
                await keys.page.goto(site.url)
                await log_in(keys, OWN_PASSWORD)
                await acknowledge_and_hand_over(keys)
                await prove(keys, uid)
                await switch_read_only(keys)
                await run_the_people(keys)
                await ask_for_a_certificate(keys)
                await sign_off(keys)
                await change_the_password_and_leave(keys)

    asyncio.run(run())
