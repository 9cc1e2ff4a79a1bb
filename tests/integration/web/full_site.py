"""A gateway that has everything a page can show: a device, alarms, setpoints, a station, a witness, people of every role, TLS.

Room: tests, for `test_screens_gateway` and the tasks by keyboard.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

from tests.integration.runtime.test_kill import enrol
from tests.rigs.anchor_process import anchor_process
from tests.rigs.out_of_the_box import witness_of
from tests.rigs.web_site import Site, add_person, site

LAB = """
[devices.lab]
type = "manual"
asset = "site/lab"
[[devices.lab.groups]]
name = "rounds"
tags = [
  { name = "brix", unit = "deg", decimals = 1, min = 0.0, max = 30.0, every_s = 28800.0 },
  { name = "lot", data = "text", pattern = "LOT-[0-9]{6}" },
]
"""
"""A manual station: what is typed in on a round."""
EVERYTHING = f"""
[history]
enabled = true
[devices.pump]
type = "modbus"
asset = "site/line 1/pump"
host = "127.0.0.1"
port = 1
[[devices.pump.groups]]
name = "fast"
period_ms = 500
tags = [
  {{ name = "flow", address = "holding:0", unit = "l/min" }},
  {{ name = "speed", address = "holding:3", writable = true, write = {{ min = 0, max = 60 }} }},
]
{LAB}[[notify.targets]]
name = "desk"
type = "webhook"
url = "http://127.0.0.1:1/alarms"
[[alarms]]
name = "pump_away"
text = "Pump does not answer"
condition = "device_down"
device = "pump"
priority = "high"
action = "Check its power"
consequence = "The line stops"
[[alarms]]
name = "r1_high"
condition = "above"
tag = "press/r1"
limit = -1.0
priority = "medium"
action = "Empty the box"
"""


@contextlib.asynccontextmanager
async def full_site(folder: Path, web: str = "") -> AsyncIterator[Site]:
    """Yield it; `tokens["all"]` is of a person who is engineer, technician and admin."""
    with anchor_process(folder / "anchor") as anchor:
        async with site(folder, tags=6, web=web, gateway="device_writes = true", evidence=witness_of(anchor), more=EVERYTHING) as at:
            await enrol(at.gateway, folder / "anchor")
            at.tokens["all"] = await add_person(at, "Max", "admin engineer technician")
            yield at


async def good_uid(at: Site) -> int:
    """Return the number of a tag whose newest value is good, once there is one."""
    async with at.client("viewer") as client, asyncio.timeout(40):
        while True:
            values = (await client.get("/api/v1/values")).json()["values"]
            found = [row[0] for row in values if row[2] == 0]
            if found:
                return int(found[0])
            await asyncio.sleep(0.3)
