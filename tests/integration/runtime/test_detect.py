"""`detect` and `read --all` at a real Modbus server: directly, and through a gateway that polls it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import struct
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from runtime.cli.app import make_app
from runtime.faces.feed import RequestRefusedError
from runtime.permissions import Actor
from runtime.registers_asked import registers_asked
from tests.rigs.actors import LOCAL, NOBODY
from tests.rigs.gateway import ALONE, ROOT, Gateway, until
from tests.rigs.modbus import ModbusPlant
from tests.rigs.units import TcpUnits, Unit

pytestmark = pytest.mark.integration


def float_words(value: float) -> list[int]:
    high, low = struct.unpack(">HH", struct.pack(">f", value))
    return [low, high]


def config_of(port: int) -> str:
    return (
        f'[gateway]\nname = "g"\n{ALONE}'
        f'[devices.meter]\ntype = "modbus"\nhost = "127.0.0.1"\nport = {port}\n'
        '[[devices.meter.groups]]\nname = "fast"\nperiod_ms = 200\ntags = [{ name = "n", address = "holding:5" }]\n'
    )


async def cli(*arguments: str) -> tuple[int, dict[str, Any]]:
    """Run a verb with --json as its own process."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "runtime", *arguments, "--json", cwd=ROOT, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )  # fmt: skip
    async with asyncio.timeout(60):
        said, wrong = await process.communicate()
    assert said, wrong.decode()
    return process.returncode or 0, json.loads(said)


@contextlib.asynccontextmanager
async def plant_and_config(folder: Path) -> AsyncIterator[tuple[ModbusPlant, Path]]:
    plant = ModbusPlant()
    await plant.start()
    try:
        file = folder / "witnessmark.toml"
        file.write_text(config_of(plant.port))
        yield plant, file
    finally:
        await plant.stop()


def test_two_looks_settle_a_float_with_swapped_words(tmp_path: Path) -> None:
    async def test() -> None:
        async with plant_and_config(tmp_path) as (plant, file):
            place = ("--config", str(file), "--state", str(tmp_path / "none"), "--case", str(tmp_path / "case.json"))
            await plant.set_registers(50, float_words(230.43))
            code, first = await cli("detect", "meter", "--near", "holding1:52", "--shows", "U=230.4 V", *place)
            assert code == 1
            assert first["findings"][0]["verdict"] == "likely"
            await plant.set_registers(50, float_words(231.87))
            code, second = await cli("detect", "meter", "--near", "holding1:52", "--shows", "U=231.8 V", *place)
            assert (code, second["looks"], second["findings"][0]["verdict"]) == (0, 2, "sure")
            assert second["findings"][0]["candidates"][0]["options"] == {"address": "holding:50", "data": "float32", "order": "CDAB"}

    asyncio.run(test())


def test_a_case_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    async def test() -> None:
        async with plant_and_config(tmp_path) as (_, file):
            case = tmp_path / "no" / "case.json"
            place = ("--config", str(file), "--state", str(tmp_path / "none"), "--case", str(case))
            code, said = await cli("detect", "meter", "--near", "holding:20", "--shows", "U=20", *place)
            assert (code, said["error"], said["params"]["path"]) == (2, "file_not_written", str(case))

    asyncio.run(test())


def test_registers_are_shown_under_every_type_around_a_hole(tmp_path: Path) -> None:
    async def test() -> None:
        async with plant_and_config(tmp_path) as (plant, file):
            place = ("--config", str(file), "--state", str(tmp_path / "none"))
            await plant.set_registers(98, float_words(21.5))
            code, found = await cli("read", "meter", "holding:98", "--all", *place)
            assert code == 0
            assert found["registers"].keys() == {"holding:98", "holding:99"}  # 100 is not there
            rows = {(row["data"], row["order"]): row for row in found["readings"]}
            assert rows["float32", "CDAB"] == {"data": "float32", "order": "CDAB", "value": 21.5, "plausible": True}
            assert not any(data.endswith("64") for data, _ in rows)
            await plant.set_registers(98, [0x427F, 0x9C21])
            for_people = ["read", "meter", "holding:98", "--all", *place]
            assert "1115659297" in (await asyncio.to_thread(CliRunner().invoke, make_app(), for_people)).stdout, "with all digits"
            code, refused = await cli("read", "meter", "100", "--all", *place)
            assert (code, refused["error"]) == (2, "config_modbus_ambiguous")

    asyncio.run(test())


def test_a_running_gateway_lends_its_connection(tmp_path: Path) -> None:
    async def test() -> None:
        async with plant_and_config(tmp_path) as (plant, file):
            gateway = Gateway(tmp_path / "state", file)
            await gateway.start()
            try:
                await until(lambda: plant.requests)
                before = plant.connections
                code, found = await cli("read", "meter", "holding:20", "--all", "--state", str(gateway.state))
                assert (code, found["registers"]["holding:20"]) == (0, 20)
                assert plant.connections == before
                code, refused = await cli("read", "pump", "holding:20", "--all", "--state", str(gateway.state))
                assert (code, refused["error"]) == (2, "device_unknown")
            finally:
                await gateway.stop()

    asyncio.run(test())


@pytest.mark.parametrize("code", [2, 11])
@pytest.mark.parametrize("runs", [True, False])
def test_a_device_that_refuses_is_said_to_and_with_which_code(tmp_path: Path, code: int, runs: bool) -> None:
    async def test() -> None:
        units = TcpUnits({1: Unit(refuses=code)})
        await units.start()
        file = tmp_path / "witnessmark.toml"
        file.write_text(config_of(units.port))
        gateway = Gateway(tmp_path / "state", file)
        try:
            if runs:
                await gateway.start()
                await until(lambda: units.requests)
            place = ("--config", str(file), "--state", str(gateway.state), "--case", str(tmp_path / "case.json"))
            ended, said = await cli("detect", "meter", "--near", "holding:100", "--shows", "U=230.4 V", *place)
            assert (ended, said["error"], said["params"]) == (2, "detect_refused", {"address": "holding:100", "code": code})
            assert not (tmp_path / "case.json").exists(), "a look that saw nothing is none"
        finally:
            if runs:
                await gateway.stop()
            await units.stop()

    asyncio.run(test())


def test_a_device_that_is_busy_is_said_to_be_and_nothing_is_concluded(tmp_path: Path) -> None:
    async def test() -> None:
        units = TcpUnits({1: Unit(refuses=6)})
        await units.start()
        file = tmp_path / "witnessmark.toml"
        file.write_text(config_of(units.port))
        try:
            place = ("--config", str(file), "--state", str(tmp_path / "state"), "--case", str(tmp_path / "case.json"))
            ended, said = await cli("detect", "meter", "--near", "holding:100", "--shows", "U=230.4 V", *place)
            assert (ended, said["error"], said["params"]["code"]) == (2, "device_exception", 6)
            assert not (tmp_path / "case.json").exists()
        finally:
            await units.stop()

    asyncio.run(test())


class NoField:
    async def registers(self, device: str, table: str, start: int, count: int, deadline_s: float) -> dict[int, int]:
        raise AssertionError("asked")

    async def probe(self, device: str, unit: int, table: str, start: int, count: int, deadline_s: float) -> dict[int, int]:
        raise AssertionError("asked")

    async def identify(self, device: str, unit: int | None, deadline_s: float) -> dict[str, str]:
        raise AssertionError("asked")


@pytest.mark.parametrize(
    ("actor", "params", "code"),
    [
        (NOBODY, {"device": "a", "table": "holding", "start": 0, "count": 1}, "permission_denied"),
        (LOCAL, {"device": "a", "table": "holding", "start": "0", "count": 1}, "act_shape"),
        (LOCAL, {}, "act_shape"),
    ],
)
def test_only_this_machines_people_may_look_and_only_in_form(actor: Actor, params: dict[str, Any], code: str) -> None:
    with pytest.raises(RequestRefusedError) as refused:
        asyncio.run(registers_asked(NoField(), actor, params))
    assert refused.value.code == code


OF_NOTHING = '{"version": 1, "sunspec": 0, "near": {"a": "b"}, "looks": []}'


@pytest.mark.parametrize("text", ["", "{}", "[1]", '{"version": 2}', OF_NOTHING, "[" * 100_000])
def test_a_damaged_case_file_is_refused(tmp_path: Path, text: str) -> None:
    case = tmp_path / "case.json"
    case.write_text(text)
    config = tmp_path / "c.toml"
    config.write_text(config_of(1))
    arguments = ("detect", "meter", "--near", "holding:1", "--shows", "U=1.0", "--case", str(case), "--config", str(config))
    code, said = asyncio.run(cli(*arguments, "--state", str(tmp_path / "none")))
    assert (code, said["error"]) == (2, "detect_case_file")
    assert case.read_text() == text
