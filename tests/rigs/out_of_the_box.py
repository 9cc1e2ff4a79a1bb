"""A gateway as it comes out of its box, nobody's yet, and a device on its network whose display says what a test wants.

Room: tests. The core, its children and the Modbus device are the real ones. A gateway that has people already: `web_site`.
"""

from __future__ import annotations

import contextlib
import struct
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.rigs import newcomers
from tests.rigs.anchor_process import AnchorProcess
from tests.rigs.asking import act, asker
from tests.rigs.gateway import Gateway, until
from tests.rigs.modbus import ModbusPlant
from tests.rigs.ports import free_port

PASSWORD = "a long walk to the plant"
"""Of whoever claims it."""


@dataclass
class Site:
    """The gateway, the device, and where its page is."""

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

    async def ask(self, method: str, **params: Any) -> Any:
        """Ask the core as the web face does."""
        return await asker(self.gateway.state)(method, **params)

    async def claim(self) -> dict[str, Any]:
        """Have ada own it without typing; return what she is told: her session's token, and who she is."""
        return await newcomers.claim(self.ask, self.claim_code, "ada", PASSWORD, roles="engineer technician", lang="en", zone="UTC")

    async def put_in_force(self, token: str, text: str) -> None:
        """Make a text the configuration."""
        now = await self.ask("config", token=token)
        outcome = await self.ask("act", **act(token, "config.edit", revision=now["revision"], text=text))
        assert outcome["code"] == "done", outcome


@contextlib.asynccontextmanager
async def out_of_the_box(folder: Path, more: str = "") -> AsyncIterator[Site]:
    """Run it; `more` goes on where the section evidence ends."""
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


def witness_of(anchor: AnchorProcess) -> str:
    """What a configuration says of a witness, from within the section evidence on."""
    vkey = anchor.key.vkey
    return (
        f'anchor_every_s = 1.0\n[[anchors]]\nname = "w1"\ntype = "tlog"\nurl = "{anchor.url}"\nvkeys = ["{vkey}"]\noperator = "customer"\n'
    )


def _listens(port: int) -> bool:
    wanted = f":{port:04X} "
    return any(wanted in line and " 0A " in line for line in Path("/proc/net/tcp").read_text(encoding="ascii").splitlines())
