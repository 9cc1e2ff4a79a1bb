"""People of a core on virtual time: claim it, add people, log in, act as one of them; and the core around them, for one program."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from runtime.accounts.claim_code import FILE_NAME
from runtime.faces.feed import RequestRefusedError, Session
from runtime.layout import Layout
from tests.rigs.core import STATE, Running, prepare, running, two_devices
from tests.simulation.disk import ShimDisk
from tests.simulation.loop import VirtualClock, run

WEB = Session("web", 0)
CHEAP_KIB = 64
PASSWORD = "three wet boots {0}"
"""Of `name`: PASSWORD.format(name)."""
QUIET = two_devices(period_ms=1_000_000, tags=1)
"""A configuration whose field says nearly nothing."""


@dataclass
class People:
    """Asks a running core as the web face does. Hashes are made cheap, for tests that are not about them."""

    now: Running
    disk: ShimDisk

    def __post_init__(self) -> None:
        self.now.core.accounts.passwords.memory_kib = CHEAP_KIB

    def code(self) -> str | None:
        """What stands in the claim code's file."""
        data = self.disk.image().get(Layout(STATE).private / FILE_NAME)
        return data.decode().strip() if data is not None else None

    async def ask(self, method: str, session: Session = WEB, **params: Any) -> dict[str, Any]:
        """Ask; a refusal is {"refused": code}."""
        try:
            answer: dict[str, Any] = await self.now.core.answer(session, method, params)
        except RequestRefusedError as refused:
            return {"refused": refused.code, **refused.params}
        return answer

    async def claim(self, name: str = "Ada") -> str:
        """Become the first admin; return the token."""
        answer = await self.ask("account.claim", code=self.code(), name=name, password=PASSWORD.format(name), source="10.0.0.1")
        token: str = answer["token"]
        return token

    async def add(self, admin: str, name: str, roles: str) -> str:
        """Have an admin make somebody, who logs in and chooses a password; return their token."""
        first = "the first one " + name
        made = await self.act(admin, "account.create", name, roles=roles, password=first)
        assert made.get("code") == "done", made
        token = (await self.ask("account.login", name=name, password=first, source="10.0.0.2"))["token"]
        changed = await self.act(token, "account.password", name, old_password=first, password=PASSWORD.format(name))
        assert changed.get("code") == "done", changed
        return str(token)

    async def login(self, name: str, password: str | None = None, source: str = "10.0.0.2") -> dict[str, Any]:
        """Log in with the password that `claim` and `add` gave."""
        return await self.ask("account.login", name=name, password=password or PASSWORD.format(name), source=source)

    async def act(self, token: str | None, action: str, target: str = "", **params: Any) -> dict[str, Any]:
        """Ask the door as whoever has the token."""
        more = {} if token is None else {"token": token}
        return await self.now.act(action, target, session=WEB, params=params, **more)


Program = Callable[[People, VirtualClock], Awaitable[None]]


def played(program: Program, text: str = QUIET, seed: int = 1) -> ShimDisk:
    """Run a program on a core that nobody owns yet, configured by `text`; return the disk that it leaves."""

    async def whole(clock: VirtualClock) -> ShimDisk:
        disk = ShimDisk()
        prepare(disk, text)
        async with running(disk, clock) as now:
            await program(People(now, disk), clock)
        return disk

    return run(whole, seed=seed)
