"""A newcomer, from power-on to the first signed value of a device whose order of words nobody wrote down: every click and field counted.

The core, the history, the web face and the Modbus device are real; the browser is Chromium. What a person reads is not counted; what they
do is.
"""

from __future__ import annotations

import asyncio
import contextlib
import struct
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.async_api import Page, expect

from tests.rigs.browser import axe, chromium, no_sideways_scroll, page_of, shot, targets
from tests.rigs.gateway import Gateway, until
from tests.rigs.modbus import ModbusPlant
from tests.rigs.opcua import free_port

pytestmark = pytest.mark.integration
STEPS_MAX = 25
PASSWORD = "a long walk to the plant"
WAIT_MS = 20_000


@dataclass
class Hands:
    """What a person does, counted."""

    page: Page
    steps: int = 0

    async def click(self, selector: str) -> None:
        self.steps += 1
        await self.page.locator(selector).first.click(timeout=WAIT_MS)

    async def fill(self, selector: str, text: str) -> None:
        self.steps += 1
        await self.page.locator(selector).first.fill(text, timeout=WAIT_MS)

    async def press(self, selector: str, key: str) -> None:
        self.steps += 1
        await self.page.locator(selector).first.press(key, timeout=WAIT_MS)


@dataclass
class Site:
    """A gateway as it comes out of its box, and a device on its network."""

    gateway: Gateway
    plant: ModbusPlant
    url: str

    async def shows(self, value: float) -> None:
        """Let the device's display, and its registers, have a value: a float with its words swapped."""
        high, low = struct.unpack(">HH", struct.pack(">f", value))
        await self.plant.set_registers(50, [low, high])

    @property
    def claim_code(self) -> str:
        return (self.gateway.state / "private" / "claim_code").read_text(encoding="ascii").strip()


@contextlib.asynccontextmanager
async def out_of_the_box(folder: Path, more: str = "") -> AsyncIterator[Site]:
    plant, port, config = ModbusPlant(), free_port(), folder / "witnessmark.toml"
    config.write_text(f'[gateway]\nname = "hall-2"\n[web]\nport = {port}\n[evidence]\nseal_every_s = 1.0\n{more}', encoding="utf-8")
    gateway = Gateway(folder / "state", config)
    await plant.start()
    await gateway.start()
    try:
        await until(lambda: _listens(port))
        yield Site(gateway, plant, f"http://127.0.0.1:{port}/")
    finally:
        await gateway.stop()
        await plant.stop()


def _listens(port: int) -> bool:
    wanted = f":{port:04X} "
    return any(wanted in line and " 0A " in line for line in Path("/proc/net/tcp").read_text(encoding="ascii").splitlines())


async def claim(hands: Hands, site: Site) -> None:
    """Own the gateway."""
    await hands.page.goto(site.url)
    await hands.fill("input[name=code]", site.claim_code)
    await hands.fill("input[name=name]", "ada")
    await hands.fill("input[name=password]", PASSWORD)
    await hands.click("button.primary")


async def find_the_device(hands: Hands, site: Site) -> None:
    """Let the gateway look for it."""
    await hands.click(".commissioning button")
    await hands.fill("#scan input[name=hosts]", "127.0.0.1")
    await hands.fill("#scan input[name=port]", str(site.plant.port))
    await hands.press("#scan input[name=port]", "Enter")
    await hands.click(".found a.button")


async def find_the_reading(hands: Hands, site: Site) -> None:
    """Type what the display shows, twice; the bench says which reading it is."""
    await site.shows(230.43)
    await hands.fill("input[name=address]", "51")
    await hands.fill("input[name=quantity]", "Voltage L1")
    await hands.fill("input[name=shown]", "230.4 V")
    await hands.press("input[name=shown]", "Enter")
    await expect(hands.page.locator("#finding")).to_have_attribute("data-verdict", "likely", timeout=WAIT_MS)
    await site.shows(231.87)
    await hands.fill("input[name=shown]", "231.8 V")
    await hands.press("input[name=shown]", "Enter")
    await expect(hands.page.locator("#finding")).to_have_attribute("data-verdict", "sure", timeout=WAIT_MS)
    assert await hands.page.locator(".candidates code").first.inner_text() == "address = holding:50, data = float32, order = CDAB"


async def put_in_force(hands: Hands) -> None:
    """Name the device, look at the draft, accept it."""
    await hands.fill("input[name=device-name]", "meter")
    await hands.click("#making button.primary")
    await expect(hands.page.locator(".diff .ins").first).to_be_visible(timeout=WAIT_MS)
    await hands.click(".review button.primary")


def test_from_power_on_to_the_first_signed_value(tmp_path: Path, require_service: Callable[[str], str]) -> None:
    executable = require_service("chromium")

    async def run() -> None:
        async with out_of_the_box(tmp_path) as site, chromium(executable) as browser, page_of(browser, site.url, width=800) as at:
            hands = Hands(at.page)
            try:
                await claim(hands, site)
                await find_the_device(hands, site)
                await find_the_reading(hands, site)
                await put_in_force(hands)
                newborn = at.page.locator(".newborn")
                await expect(newborn).to_have_attribute("data-state", "recorded", timeout=WAIT_MS)
            except BaseException:
                print(at.page.url, at.faults)
                await shot(at.page, "newcomer-stuck")
                raise
            assert "231.87 V" in await newborn.inner_text()
            await shot(at.page, "newcomer-first-value")
            print(f"from power-on to the first signed value: {hands.steps} interactions")
            assert hands.steps <= STEPS_MAX
            assert [*await axe(at.page), *await no_sideways_scroll(at.page), *await targets(at.page), *at.faults] == []

    asyncio.run(run())
