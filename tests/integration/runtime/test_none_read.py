"""A gateway as it is installed, and a device that refuses every tag, as with a wrong unit number: what `status` and `read` say of it."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

from runtime.messages.catalogue import word
from tests.rigs.gateway import ALONE, ROOT, Gateway, until
from tests.rigs.units import TcpUnits, Unit

CONFIG = """[gateway]
name = "g"
[devices.d]
type = "modbus"
host = "127.0.0.1"
port = {port}
[[devices.d.groups]]
name = "a"
period_ms = 200
tags = [{{ name = "x", address = "holding:7" }}, {{ name = "y", address = "holding:100" }}]
"""
SAID = f"BadDeviceFailure: {word('status.BadDeviceFailure')}"


async def printed(*arguments: str) -> str:
    """Return what a verb prints for people, in one line."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "runtime", *arguments, cwd=ROOT, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    async with asyncio.timeout(60):
        out, _ = await process.communicate()
    return " ".join(out.decode().split())


def test_a_device_that_refuses_every_tag_was_not_read_well_and_says_what_it_answers(tmp_path: Path) -> None:
    state, config = tmp_path / "state", tmp_path / "gateway.toml"

    async def run() -> None:
        unit = Unit()
        async with TcpUnits({1: unit}) as units:
            config.write_text(ALONE + CONFIG.format(port=units.port))
            gateway = Gateway(state, config)
            await gateway.start()
            try:
                async with asyncio.timeout(90), gateway.watching() as face:

                    def device() -> dict[str, Any]:
                        return next(iter(face.health.get("devices", ())), {})

                    await until(lambda: device().get("state") == "ok")
                    unit.refuses = 4
                    await until(lambda: device().get("cause") == "device_none_read")
                    last_good_ms, polls = device()["last_good_ms"], device()["polls"]
                    await until(lambda: device()["polls"] > polls + 5)
                    assert (device()["state"], device()["failed"], device()["last_good_ms"]) == ("degraded", 0, last_good_ms)
                    told = await printed("status", "--state", str(state))
                    for text in (word("device_none_read", device()["params"]), SAID):
                        assert all(each in told for each in text.split()), told
                    read = await printed("read", "d", "--config", str(config))
                    assert read.count("BadDeviceFailure") == 2
                    assert all(each in read for each in SAID.split())
                    unit.refuses = None
                    await until(lambda: device().get("state") == "ok" and device()["last_good_ms"] > last_good_ms)
            finally:
                await gateway.stop()

    asyncio.run(run())
