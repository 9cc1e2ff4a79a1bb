"""A whole gateway with its people: claimed by Ada, with a person of each role signed in, values that move, and its page on loopback.

Room: tests. Tests of pages ask it for an address and for tokens; `tests/rigs/browser.py` opens pages with them. The core, the door, the
accounts and the web process are the real ones.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from runtime.faces.feed import RequestRefusedError
from runtime.faces.feed_client import ask_once
from tests.rigs import newcomers
from tests.rigs.gateway import Gateway, cli, until
from tests.rigs.load_device import LoadDevice, device_config
from tests.rigs.ports import free_port

PASSWORD = "four wet rubber boots"
PEOPLE = {"viewer": "Vic", "technician": "Tess", "engineer": "Eno", "admin": "Ada"}


@dataclass
class Site:
    """The gateway, where its page is, and a session's token by role."""

    gateway: Gateway
    url: str
    tokens: dict[str, str]
    device: LoadDevice

    @property
    def feed(self) -> Path:
        """The core's socket."""
        return self.gateway.state / "run" / "feed.sock"

    async def ask(self, method: str, params: Mapping[str, Any]) -> Any:
        """Ask the core as the web face does."""
        return await ask_once(self.feed, "web", method, params, 30)

    async def by_name(self, method: str, **params: Any) -> Any:
        """Ask the same with parameters by name."""
        return await self.ask(method, params)

    def client(self, role: str | None = None, **more: Any) -> httpx.AsyncClient:
        """Return a client with the role's cookie, as its browser has it."""
        name = "__Host-witnessmark" if self.url.startswith("https") else "witnessmark"
        cookies = {} if role is None else {name: self.tokens[role]}
        return httpx.AsyncClient(base_url=self.url, cookies=cookies, timeout=30, verify=False, **more)

    async def csrf(self, role: str) -> str:
        """Return the session's own token against forged requests."""
        return str((await self.ask("account.who", {"token": self.tokens[role]}))["csrf"])


@contextlib.asynccontextmanager
async def site(
    folder: Path,
    *,
    tags: int = 30,
    web: str = "",
    gateway: str = "",
    evidence: str = "",
    more: str = "",
    devices: bool = True,
    people: bool = True,
    port: int = 0,
    whole: Callable[[int, int], str] | None = None,
) -> AsyncIterator[Site]:
    """Run a gateway; `web`, `gateway` and `evidence` are further lines of these sections, `more` further ones.

    Without `people` nobody has claimed it yet. `whole` makes the whole file instead, of the ports of the page and of the device.
    """
    port = port or free_port()
    async with LoadDevice() as device:
        config = folder / "gateway.toml"
        folder.mkdir(parents=True, exist_ok=True)
        head = f'[gateway]\nname = "press"\n{gateway}\n[evidence]\nseal_every_s = 1\n{evidence}\n[models]\nenabled = false\n'
        plant = device_config("press", device.port, tags=tags, period_ms=500) if devices else ""
        config.write_text(whole(port, device.port) if whole else f"{head}[web]\nport = {port}\n{web}\n{more}\n{plant}")
        process = Gateway(folder / "state", config)
        await process.start()
        try:
            scheme = "https" if "tls = true" in web or "0.0.0.0" in web else "http"
            found = Site(process, f"{scheme}://127.0.0.1:{port}/", {}, device)
            await until(found.feed.exists)
            if people:
                await claim(found)
            await _serves(found)
            yield found
        finally:
            await process.stop()


async def claim(found: Site, roles: Collection[str] = tuple(PEOPLE)) -> None:
    """Claim it and give each of these roles a person who has a password of their own and is signed in; who claims is the admin."""
    state = ["--state", str(found.gateway.state)]
    code = ""
    async with asyncio.timeout(30):
        while not code:
            code = (await cli("accounts", "claim-code", *state))[1].get("claim_code", "")
    found.tokens["admin"] = (await newcomers.claim(found.by_name, code, PEOPLE["admin"], PASSWORD))["token"]
    for role, name in PEOPLE.items():
        if role in roles and role != "admin":
            found.tokens[role] = await add_person(found, name, role)


async def add_person(found: Site, name: str, roles: str) -> str:
    """Make one more person, who is signed in with a password of their own; return the session's token."""
    return str((await newcomers.let_in(found.by_name, found.tokens["admin"], name, roles, PASSWORD))["token"])


async def _serves(found: Site) -> None:
    """Wait until the page answers and has heard the core."""
    async with httpx.AsyncClient(verify=False) as client, asyncio.timeout(60):
        while True:
            with contextlib.suppress(httpx.HTTPError, RequestRefusedError):
                if (await client.get(found.url + "api/v1/alive")).json()["core"]:
                    return
            await asyncio.sleep(0.1)
