"""The simulated line as `witnessmark demo` runs it, with every process real, and what a technician does there with models.

Room: tests.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

from boards.sim.template import PLACEHOLDERS, gateway_config
from tests.rigs.gateway import ROOT, cli
from tests.rigs.ports import free_port

SPEED = 3
"""Of the line, for tests that wait for what it makes."""
SHORT_MODEL = """
[evidence]
seal_every_s = 1.0
[history]
enabled = false
[models]
enabled = true
receipt_every_s = 2.0
[[models.define]]
name = "short"
tags = ["filler/product_temperature", "filler/head_pressure", "filler/fill_speed", "filler/motor_current", "meter/power_total"]
grid_ms = 200
window = 10
learn_s = 60
"""
"""A model that is learned within a minute."""


def parts_of_config() -> tuple[str, str]:
    """Return the demo's configuration up to what it says of models, and that."""
    text = gateway_config(dict.fromkeys(PLACEHOLDERS, 1))
    at = text.index("\n[models]")
    return text[:at], text[at:]


@contextlib.asynccontextmanager
async def line(state: Path, sections: str, *, speed: int = 1) -> AsyncIterator[tuple[str, asyncio.subprocess.Process]]:
    """Run the demo with `sections` instead of what it says of models; yield the page's address and the process of the core."""
    config, port = state / "config" / "witnessmark.toml", free_port()
    config.parent.mkdir(parents=True)
    config.write_text(parts_of_config()[0] + sections)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "runtime", "demo", "--state", str(state), "--port", str(port), "--witnesses", "0", "--speed", str(speed),
        cwd=ROOT, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        yield f"http://127.0.0.1:{port}/", process
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGINT)
        async with asyncio.timeout(40):
            await process.wait()


async def becomes(state: Path, wanted: Callable[[dict[str, Any]], Any], timeout_s: float = 60) -> dict[str, Any]:
    """Wait until what `model list` says is as wanted."""
    async with asyncio.timeout(timeout_s):
        while True:
            code, said = await cli("model", "list", "--state", str(state))
            if code == 0 and wanted(said):
                return dict(said)
            await asyncio.sleep(0.3)


async def learned_from_enough(state: Path) -> tuple[int, Any]:
    """Have the short model learned as soon as there are rows enough; until then the refusal says how many there are."""
    async with asyncio.timeout(120):
        while True:
            code, said = await cli("model", "learn", "short", "--reason", "first commissioning", "--state", str(state))
            if said.get("error") != "model_rows_few":
                return code, said
            assert said["params"]["rows_have"] < said["params"]["rows_want"], said
            await asyncio.sleep(2)
