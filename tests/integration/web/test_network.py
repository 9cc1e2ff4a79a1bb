"""A change of the gateway's address on a real wire: kept when it is confirmed from the new address, else undone, whatever happens.

The core, its privileged part, the web face and `ip` are the real ones, in a network namespace of their own; the technician is in another,
at the other end.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.async_api import Route, expect

from tests.rigs.browser import Screen, axe, chromium, no_sideways_scroll, page_of, shot, targets
from tests.rigs.gateway import Gateway, cli, until
from tests.rigs.netns import WIRE, Wire, require_wire, wire
from tests.rigs.network_manager import network_manager, require_network_manager
from tests.rigs.web_site import Site, claim

pytestmark = pytest.mark.integration
PORT = 8480
WITHIN_S = 15
CONFIG = """[gateway]
name = "press"
[evidence]
seal_every_s = 1
[web]
port = PORT
host = "0.0.0.0"
[network]
backend = "BACKEND"
confirm_within_s = WITHIN_S
"""
MOVE = {
    "interface": WIRE,
    "method": "static",
    "address": f"{Wire.NEW}/24",
    "gateway": "10.77.2.1",
    "dns": "",
    "reason": "new plant network",
}


@dataclass
class Technician:
    """A browser's requests, from the far end of the wire or from the gateway itself."""

    site: Site
    wire: Wire
    csrf: str = ""

    def _ask(self, address: str, method: str, path: str, body: Mapping[str, Any] | None, *, on_gateway: bool = False) -> httpx.Response:
        origin = f"https://{address}:{PORT}"
        cookies = {"__Host-witnessmark": self.site.tokens["admin"]}
        headers = {"origin": origin, "x-witnessmark-token": self.csrf}

        def call() -> httpx.Response:
            with httpx.Client(base_url=origin, verify=False, timeout=8, cookies=cookies, headers=headers) as client:
                return client.request(method, path, json=body)

        return self.wire.at_client(call, gateway=on_gateway)

    async def ask(
        self, address: str, method: str, path: str, body: Mapping[str, Any] | None = None, *, on_gateway: bool = False
    ) -> httpx.Response:
        return await asyncio.to_thread(self._ask, address, method, path, body, on_gateway=on_gateway)

    async def post(self, address: str, path: str, body: Mapping[str, Any], *, on_gateway: bool = False) -> tuple[int, dict[str, Any]]:
        answer = await self.ask(address, "POST", f"/api/v1/network{path}", body, on_gateway=on_gateway)
        return answer.status_code, answer.json()

    async def move(self, **other: str) -> None:
        """Ask for the change. The answer is lost with the address that it would come back over, or it just makes it."""
        with contextlib.suppress(httpx.TransportError):
            await self.post(Wire.OLD, "", {**MOVE, **other})
        await until(lambda: self.wire.addresses() != [f"{Wire.OLD}/24"])


async def reached(at: Technician, address: str, path: str = "/api/v1/alive") -> httpx.Response:
    async with asyncio.timeout(30):
        while True:
            with contextlib.suppress(httpx.TransportError):
                if (answer := await at.ask(address, "GET", path)).status_code == 200:
                    return answer
            await asyncio.sleep(0.3)


@contextlib.asynccontextmanager
async def plant(folder: Path, backend: str = "ip", *, within_s: int = WITHIN_S) -> AsyncIterator[tuple[Technician, Gateway]]:
    """A gateway on the wire; with the back end `auto`, NetworkManager steers its end and is found by the gateway itself."""
    require_wire()
    config = folder / "gateway.toml"
    config.write_text(CONFIG.replace("PORT", str(PORT)).replace("WITHIN_S", str(within_s)).replace("BACKEND", backend))
    with contextlib.ExitStack() as stack:
        lan = stack.enter_context(wire())
        before = lan.before if backend == "ip" else stack.enter_context(network_manager(lan, folder / "network-manager"))
        gateway = Gateway(folder / "state", config, before=before)
        await gateway.start()
        try:
            site = Site(gateway, "", {}, None)  # type: ignore[arg-type]  # no device: the wire alone is looked at
            await until(site.feed.exists)
            await claim(site)
            at = Technician(site, lan, await site.csrf("admin"))
            await reached(at, Wire.OLD)
            yield at, gateway
        finally:
            await gateway.stop()


async def trail(at: Technician, address: str) -> str:
    return (await at.ask(address, "GET", "/api/v1/audit.csv")).text


def test_it_is_kept_only_when_confirmed_from_the_new_address(tmp_path: Path) -> None:
    async def run() -> None:
        async with plant(tmp_path) as (at, _):
            status, told = await at.post(Wire.OLD, "/plan", MOVE)
            assert status == 200, told
            assert ["address", f"{Wire.OLD}/24", f"{Wire.NEW}/24"] in told["plan"]["rows"]
            assert {code for code, _ in told["plan"]["warnings"]} == {"net_warn_loses_you", "net_warn_until_restart"}
            assert at.wire.addresses() == [f"{Wire.OLD}/24"], "a plan changes nothing"

            # Nobody confirms: undone by itself, way out and all.
            await at.move()
            assert at.wire.addresses() == [f"{Wire.NEW}/24"]
            await until(lambda: "via 10.77.2.1" in at.wire.ways())
            page = await reached(at, Wire.NEW, "/network")
            assert "waits to be confirmed" in page.text
            status, told = await at.post("127.0.0.1", "/confirm", {"interface": WIRE}, on_gateway=True)
            assert (status, told["code"]) == (422, "net_confirm_elsewhere"), "a session elsewhere proves nothing about the new address"
            status, told = await at.post(Wire.NEW, "", {**MOVE, "address": "10.77.2.11/24"})
            assert told["code"] == "net_pending"
            await until(lambda: at.wire.addresses() == [f"{Wire.OLD}/24"], WITHIN_S + 15)
            await until(lambda: "via 10.77.1.1" in at.wire.ways())

            # Somebody does: it stays.
            await reached(at, Wire.OLD)
            await at.move()
            await reached(at, Wire.NEW)
            status, told = await at.post(Wire.NEW, "/confirm", {"interface": WIRE, "reason": "it answers"})
            assert status == 200, told
            await asyncio.sleep(WITHIN_S + 2)
            assert at.wire.addresses() == [f"{Wire.NEW}/24"]
            story = await trail(at, Wire.NEW)
            assert [story.count(f",{each},") for each in ("net.edit", "net.confirm", "net.undo")] == [2, 2, 1]
            assert "nobody confirmed it" in story

    asyncio.run(run())


@pytest.mark.parametrize("backend", ["ip", "auto"])
def test_a_power_cut_undoes_it_and_the_console_confirms(tmp_path: Path, backend: str) -> None:
    if backend == "auto":
        require_network_manager()

    async def run() -> None:
        async with plant(tmp_path, backend) as (at, gateway):
            state = ["--state", str(gateway.state)]
            await at.move()
            gateway.kill_core()
            await gateway.gone()
            assert at.wire.addresses() == [f"{Wire.NEW}/24"], "nobody was there to undo it"
            await gateway.start()
            await until(lambda: at.wire.addresses() == [f"{Wire.OLD}/24"])
            await until(at.site.feed.exists)
            code, told = await cli("network", "undo", *state)
            assert (code, told["error"]) == (1, "net_nothing_pending")

            change = ["--address", f"{Wire.NEW}/24", "--reason", "move", "--yes"]
            code, told = await cli("network", "set", WIRE, *change, *state)
            assert (code, told["code"]) == (0, "done"), told
            code, told = await cli("network", "show", *state)
            assert told["pending"]["interface"] == WIRE
            assert (await cli("network", "confirm", *state))[0] == 0
            assert at.wire.addresses() == [f"{Wire.NEW}/24"]
            assert at.wire.ways() == ""
            code, told = await cli("network", "set", WIRE, *change, *state)
            assert told["error"] == "net_nothing_changes"
            code, told = await cli("network", "set", "lo", *change, *state)
            assert told["error"] == "net_interface"
            await cli("network", "set", WIRE, "--address", "10.77.1.12/24", "--reason", "x", "--yes", *state)
            assert (await cli("network", "undo", *state))[0] == 0
            assert at.wire.addresses() == [f"{Wire.NEW}/24"]

    asyncio.run(run())


def test_the_page_leads_through_it(tmp_path: Path, require_service: Callable[[str], str]) -> None:
    executable = require_service("chromium")

    async def run() -> list[str]:
        async with plant(tmp_path, within_s=120) as (at, _):  # a browser starts meanwhile
            there = tmp_path / "chromium-at-the-far-end"
            there.write_text(f'#!/bin/sh\nexec ip netns exec {at.wire.client} {executable} "$@"\n')
            there.chmod(0o755)
            token = at.site.tokens["admin"]
            async with chromium(str(there)) as browser:
                async with page_of(browser, f"https://{Wire.OLD}:{PORT}/", token=token, width=768) as screen:
                    found = await asked_for(screen)
                async with page_of(browser, f"https://{Wire.NEW}:{PORT}/", token=token, width=320, theme="dark", lang="zh") as screen:
                    await screen.open("/")
                    await screen.page.locator(".note.warn a", has_text="时钟与网络").click()
                    await screen.page.locator("#waiting").wait_for()
                    found += await held(screen, "network-waits")
                    async with screen.page.expect_navigation():
                        await screen.page.locator("#waiting button.primary").click()
                    await screen.page.locator("#change form").wait_for()
            assert at.wire.addresses() == [f"{Wire.NEW}/24"]
            assert (await cli("network", "undo", "--state", str(at.site.gateway.state)))[1]["error"] == "net_nothing_pending"
            return found

    assert asyncio.run(run()) == []


async def asked_for(screen: Screen) -> list[str]:
    """Ask for the change on the page, a wrong address first, until the line is lost."""
    await screen.open("/network")
    form = screen.page.locator("#change form")
    await form.locator("[name=address]").fill("10.77.1.300/24")
    await form.locator("[name=reason]").fill("new plant network")
    await form.locator("button.primary").click()
    await form.locator(".verdict.warn").wait_for()
    await expect(form.locator("[name=address]")).to_have_value("10.77.1.300/24")
    await form.locator("[name=address]").fill(f"{Wire.NEW}/24")
    await form.locator("[name=gateway]").fill("10.77.2.1")
    found = await held(screen, "network-form")
    await form.locator("button.primary").click()
    await expect(screen.page.locator("#change table")).to_contain_text(f"{Wire.NEW}/24", timeout=15_000)
    found += await held(screen, "network-plan")
    assert await screen.page.locator("#change a").get_attribute("href") == f"https://{Wire.NEW}:{PORT}/network"
    await refused_late(screen)
    await screen.page.locator("#change button.primary").click()
    await screen.page.locator("#change [role=alert] a").wait_for(timeout=15_000)
    return [*found, *await held(screen, "network-gone")]


async def refused_late(screen: Screen) -> None:
    """The answer comes after the page thought that none would, and it is a refusal: then the line is not gone."""
    thought_so = asyncio.Event()

    async def late(route: Route) -> None:
        await thought_so.wait()
        await route.continue_(post_data=json.dumps({**route.request.post_data_json, "address": "nowhere"}))

    await screen.page.route("**/api/v1/network", late)
    await screen.page.locator("#change button.primary").click()
    await screen.page.locator("#change [role=alert] a").wait_for(timeout=15_000)
    thought_so.set()
    await screen.page.locator("#change table").wait_for(timeout=15_000)
    await expect(screen.page.locator("#change [role=alert]")).to_contain_text("nowhere")
    await screen.page.unroute("**/api/v1/network")


async def held(screen: Screen, name: str) -> list[str]:
    await shot(screen.page, name)
    return [f"{name}: {each}" for each in [*await axe(screen.page), *await no_sideways_scroll(screen.page), *await targets(screen.page)]]
