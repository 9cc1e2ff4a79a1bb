"""A gateway as it is installed: a tag reckoned from two of a real device, with the quality of what it is made of."""

from __future__ import annotations

import asyncio
from pathlib import Path

from drivers.reading import Status
from ledger_client.disk import RealDisk
from ledger_client.reader import LedgerReader
from tests.rigs.gateway import ALONE, Gateway, until
from tests.rigs.units import TcpUnits, Unit

CONFIG = """[gateway]
name = "g"
[evidence]
seal_every_s = 1.0
[devices.d]
type = "modbus"
host = "127.0.0.1"
port = {port}
[[devices.d.groups]]
name = "a"
period_ms = 200
tags = [
  {{ name = "x", address = "holding:7", instrument = {{ serial = "S1", due = 2020-01-01 }} }},
  {{ name = "y", address = "holding:9" }},
]
[devices.v]
type = "virtual"
[[devices.v.groups]]
name = "a"
period_ms = 500
tags = [{{ name = "s", formula = "[d/x] + [d/y] * 2" }}, {{ name = "t", formula = "[v/s] - [d/x] * [d/y]" }}]
"""
OVERDUE = int(Status.UNCERTAIN_SENSOR_CALIBRATION)


def test_a_tag_is_reckoned_from_a_real_devices(tmp_path: Path) -> None:
    state, config = tmp_path / "state", tmp_path / "gateway.toml"

    async def run() -> None:
        async with TcpUnits({1: Unit()}) as units:
            config.write_text(ALONE + CONFIG.format(port=units.port))
            gateway = Gateway(state, config)
            await gateway.start()
            try:
                async with asyncio.timeout(60), gateway.watching() as face:
                    await until(lambda: len(face.tags) == 4)
                    uids = {row[1]: uid for uid, row in face.tags.items()}
                    await until(lambda: face.values[uids["v/s"]][1:3] == [25.0, OVERDUE])
                    await until(lambda: face.values[uids["v/t"]][1:3] == [-38.0, OVERDUE])
                    await until(lambda: face.values[uids["v/t"]][5] == "recorded")
            finally:
                await gateway.stop()

    asyncio.run(run())
    reader = LedgerReader(RealDisk(), state, 1)
    described = {each.name: each for each in reader.schema_at(reader.size() - 1).descriptors.values()}
    assert described["v/s"].source == "virtual formula=[d/x] + [d/y] * 2"
    assert described["d/x"].calibration == "serial=S1; due=2020-01-01"
