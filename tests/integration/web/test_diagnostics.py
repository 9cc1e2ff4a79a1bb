"""Diagnostics on a real gateway: what is handed out is what was looked at, by whom it may be, and the page is usable by everybody."""

from __future__ import annotations

import asyncio
import io
import zipfile
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.rigs.browser import Screen, axe, chromium, no_sideways_scroll, page_of, shot, targets
from tests.rigs.gateway import cli
from tests.rigs.web_site import Site, site

pytestmark = pytest.mark.integration
CANARY = "kanarienvogel"
MORE = f"""
# the old one: password = "{CANARY}1"
[[anchors]]
name = "away"
url = "https://127.0.0.1:9"
vkeys = ["witness.example/plant+96b4bcce+BAOhB7/zzhC+HXDdGOdLwJln5NYwm6UNXx3chmQSVTG4"]
[[notify.targets]]
name = "hook"
type = "webhook"
url = "http://127.0.0.1:9/services/{CANARY}/B00"
"""
API = "/api/v1/diagnostics"


class Api:
    """The API as somebody's browser asks it."""

    def __init__(self, at: Site, client: httpx.AsyncClient, csrf: str) -> None:
        self.client = client
        self._headers = {"origin": at.url.rstrip("/"), "x-witnessmark-token": csrf}

    async def __call__(self, method: str, path: str, expect: int = 200, **body: Any) -> httpx.Response:
        answer = await self.client.request(method, API + path, json=body or None, headers=self._headers)
        assert answer.status_code == expect, (path, answer.status_code, answer.text[:400])
        return answer


async def bundle(at: Site, api: Api) -> None:
    """Preview, leave one out, make, fetch: the same bytes; no canary and no session in any file; the ledger says so."""
    seen = (await api("POST", "/preview")).json()
    files = {each["name"]: (await api("GET", f"/bundles/{seen['id']}/files/{each['name']}")).content for each in seen["files"]}
    assert {each["name"]: each["sha256"] for each in seen["files"]} == {name: sha256(data).hexdigest() for name, data in files.items()}
    secrets = [CANARY, *at.tokens.values(), (at.gateway.state / "private" / "device.key").read_bytes().hex()]
    assert not [(name, each) for name, data in files.items() for each in secrets if each.encode() in data]
    assert b"127.0.0.1:9" in files["config.toml"]
    assert b"BAOhB7/zzhC" in files["config.toml"], "a verification key is no secret"
    await api("GET", f"/bundles/{seen['id']}", 409)
    await api("POST", "/bundles", 422, id=seen["id"], reason="")
    made = (await api("POST", "/bundles", id=seen["id"], reason="ticket 4711", leave_out=["packages.json"])).json()
    answer = await api("GET", f"/bundles/{seen['id']}")
    assert sha256(answer.content).hexdigest() == made["sha256"]
    assert answer.headers["content-disposition"].startswith('attachment; filename="witnessmark-diagnostics-')
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert {name: archive.read(name) for name in archive.namelist()} == {n: d for n, d in files.items() if n != "packages.json"}
    code, entry = await cli("ledger", "show", "--state", str(at.gateway.state), "--seq", str(made["seq"]))
    assert code == 0
    assert made["sha256"] in str(entry), entry


async def looks(at: Site, api: Api) -> None:
    """State, log and probes over the API."""
    state = (await api("GET", "/state")).json()
    names = {each["name"] for each in state["processes"]}
    assert {"core", "signer", "history", "web"} <= names
    assert all(each["rss_kb"] > 1_000 and each["uptime_s"] >= 0 for each in state["processes"])
    at.gateway.kill_child("runtime.history")
    async with asyncio.timeout(20):
        while not (told := (await api("GET", "/log?find=history&level=warning")).json()["lines"]):
            await asyncio.sleep(0.2)
    assert told[0]["code"] == "part_failed"
    assert "history" in told[0]["text"]
    whole = (await api("GET", "/log?limit=2000")).json()
    cut = (await api("GET", "/log?limit=1")).json()
    assert cut["missed"] >= whole["missed"] + len(whole["lines"]) - 1, "what the limit left out is counted"
    await api("GET", "/log?level=loud", 400)
    known = (await api("GET", "/targets")).json()
    assert known["commissioning"] is False
    assert {each["name"] for each in known["addresses"]} == {"away", "hook", "press"} or len(known["addresses"]) >= 2
    tried = (await api("POST", "/probe", kind="tcp", host="127.0.0.1", port=9)).json()
    assert (tried["ok"], tried["code"]) == (False, "probe_refused")
    await api("POST", "/probe", 403, kind="tcp", host="127.0.0.1", port=1)
    await api("POST", "/probe", 400, kind="shell", host="127.0.0.1", port=1)


async def refused(at: Site) -> None:
    """A viewer is shown none of it."""
    async with at.client("viewer") as client:
        api = Api(at, client, await at.csrf("viewer"))
        assert (await client.get("/diagnostics")).status_code == 403
        for method, path in (("GET", "/state"), ("GET", "/log"), ("GET", "/targets"), ("GET", f"/bundles/{'0' * 16}")):
            await api(method, path, 403)
        await api("POST", "/preview", 403)
        await api("POST", "/probe", 403, kind="name", host="localhost")
    async with at.client("admin") as client:
        api = Api(at, client, await at.csrf("admin"))
        await api("POST", "/probe", 403, kind="name", host="localhost")
        await api("GET", f"/bundles/{'0' * 16}", 404)


def test_what_is_handed_out_is_what_was_looked_at(tmp_path: Path) -> None:
    async def run() -> None:
        async with site(tmp_path, tags=2, more=MORE) as at, at.client("technician") as client:
            api = Api(at, client, await at.csrf("technician"))
            await bundle(at, api)
            await looks(at, api)
            await refused(at)

    asyncio.run(run())


async def held(screen: Screen, name: str) -> list[str]:
    await shot(screen.page, name)
    return [f"{name}: {each}" for each in [*await axe(screen.page), *await no_sideways_scroll(screen.page), *await targets(screen.page)]]


async def work(screen: Screen, name: str) -> list[str]:
    """A technician's work by keyboard: filter the log, probe, look at a file, leave one out, make the bundle."""
    page = screen.page
    await screen.open("/diagnostics")
    await page.locator("table.processes tbody tr").nth(2).wait_for()
    await page.locator(".lines li, .lines .empty").first.wait_for()
    found = await held(screen, f"diagnostics-{name}")
    await page.locator("[name=kind][value=tcp]").focus()
    await page.keyboard.press("Enter")
    await page.locator(".told .verdict").wait_for()
    await page.locator("section[aria-labelledby=bundle-title] > .buttons button").focus()
    await page.keyboard.press("Enter")
    row = page.locator(".files li", has_text="config.toml")
    await row.locator("button").focus()
    await page.keyboard.press("Enter")
    content = page.locator("pre.content")
    await content.wait_for()
    assert CANARY not in await content.inner_text()
    await page.locator(".files li", has_text="packages.json").locator("input").focus()
    await page.keyboard.press("Space")
    await page.locator("[name=reason]").fill("ticket 4711")
    found += await held(screen, f"diagnostics-bundle-{name}")
    await page.keyboard.press("Enter")
    await page.locator(".made a").wait_for()
    async with page.expect_download() as coming:
        await page.locator(".made a").click()
    data = Path(await (await coming.value).path()).read_bytes()
    assert sha256(data).hexdigest() == await page.locator(".made code").inner_text()
    return [*found, *await held(screen, f"diagnostics-made-{name}")]


async def hostile(screen: Screen) -> None:
    """Pause keeps the lines that are there. What a log line holds is text, whatever it looks like."""
    await screen.page.locator(".lines li").first.evaluate("each => { each.dataset.seen = 1; }")
    await screen.page.locator("button[aria-pressed]").click()
    await screen.page.locator("button[aria-pressed=true]").wait_for()
    await screen.page.evaluate("() => new Promise((done) => requestAnimationFrame(() => setTimeout(done)))")
    assert await screen.page.locator(".lines li[data-seen]").count() == 1
    await screen.page.locator("button[aria-pressed]").click()
    await screen.page.locator("[name=find]").fill("<img src=x onerror=alert(1)>")
    await screen.page.locator(".lines .empty").wait_for()
    await screen.page.locator("button[aria-pressed]").click()
    assert await screen.page.locator("button[aria-pressed=true]").count() == 1


async def away(at: Site, screen: Screen) -> list[str]:
    """The core is gone: what stands there is said to be old."""
    at.gateway.kill_core()
    await screen.page.locator(".verdict.warn").first.wait_for(timeout=30_000)
    return await held(screen, "diagnostics-away")


def test_the_page(tmp_path: Path, require_service: Callable[[str], str]) -> None:
    executable = require_service("chromium")

    async def run() -> list[str]:
        found = []
        async with site(tmp_path, tags=2, more=MORE) as at, chromium(executable) as browser:
            for lang, theme, width in (("zh", "dark", 320), ("en", "light", 1280)):
                async with page_of(browser, at.url, token=at.tokens["technician"], lang=lang, theme=theme, width=width) as screen:
                    found += await work(screen, f"{lang}-{theme}-{width}")
                    await hostile(screen)
                    assert screen.faults == []
                    if width == 1280:
                        found += await away(at, screen)
        return found

    assert asyncio.run(run()) == []
