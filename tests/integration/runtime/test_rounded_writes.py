"""What a running gateway writes to a real Modbus server is within its limits after scale and rounding, by whatever way it is asked for."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.rigs.gateway import ALONE, ROOT, Gateway, until
from tests.rigs.modbus import ModbusPlant

pytestmark = pytest.mark.integration

STEPS = '{ name = "target", address = "holding:10", data = "int16", scale = 5, writable = true, write = { min = 1, max = 13 } }'
TENTHS = '{ name = "warm", address = "holding:11", data = "int16", scale = 0.1, unit = "Cel", writable = true, write = { max = 33.97 } }'
RATIO = '{ name = "ratio", address = "holding:12", data = "float32", scale = 0.7, offset = -40, writable = true, write = {} }'
ORDER = '{ name = "order", address = "holding:14", data = "uint32", writable = true, write = {} }'


async def cli(state: Path, *arguments: str) -> tuple[int, dict[str, Any]]:
    """Run a verb with --json as its own process."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "runtime", *arguments, "--state", str(state), "--reason", "a try", "--json",
        cwd=ROOT, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    async with asyncio.timeout(60):
        said, wrong = await process.communicate()
    assert said, wrong.decode()
    return process.returncode or 0, json.loads(said)


def test_no_write_leaves_its_limits_by_rounding(tmp_path: Path) -> None:
    async def test() -> None:
        plant = ModbusPlant()
        await plant.start()
        file = tmp_path / "witnessmark.toml"
        file.write_text(
            f'[gateway]\nname = "g"\ndevice_writes = true\n{ALONE}[commands]\nclock_needed = "any"\n'
            f'[devices.pump]\ntype = "modbus"\nhost = "127.0.0.1"\nport = {plant.port}\n'
            f'[[devices.pump.groups]]\nname = "set"\nperiod_ms = 200\ntags = [{STEPS}, {TENTHS}, {RATIO}, {ORDER}]\n'
        )
        gateway = Gateway(tmp_path / "state", file)
        await gateway.start()
        try:
            await until(lambda: plant.requests)
            for tag, value in (("pump/target", "13"), ("pump/target", "1"), ("pump/warm", "33.97")):
                for way in (("write", tag, value, "--yes"), ("act", "device.write", "--tag", tag, "--value", value)):
                    code, said = await cli(gateway.state, *way)
                    assert (code, said["error"]) == (1, "value_rounds_out_of_limits"), way
            assert plant.writes() == 0
            code, said = await cli(gateway.state, "write", "pump/target", "12", "--yes")
            assert (code, said["params"]["read_back"]) == (0, 10.0)
            code, said = await cli(gateway.state, "act", "device.write", "--tag", "pump/warm", "--value", "33.92")
            assert (code, said["params"]["read_back"]) == (0, 33.9)
            for tag, value in (("pump/ratio", "20.01"), ("pump/order", "20261127")):  # 32 bits cannot hold the first to the last digit
                code, said = await cli(gateway.state, "act", "device.write", "--tag", tag, "--value", value)
                assert (code, said["code"]) == (0, "done"), said
            before = plant.writes()
            code, said = await cli(gateway.state, "act", "device.write", "--tag", "pump/ratio", "--value", "inf")
            assert (code, plant.writes()) == (1, before), said
        finally:
            await gateway.stop()
            await plant.stop()

    asyncio.run(test())
