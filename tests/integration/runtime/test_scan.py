"""`scan` and `identify` at real Modbus servers: directly, on a serial line, and through a gateway that goes on polling."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from pymodbus import FramerType
from pymodbus.pdu.device import ModbusControlBlock

from drivers.abilities import LineSource
from drivers.memory import ShortMemory
from drivers.registry import load_config, make_driver
from drivers.shared import Shared
from runtime.cli.scan_places import units_at
from runtime.clock import SystemClock
from runtime.commissioning.line_places import Place
from runtime.faces.feed import RequestRefusedError
from runtime.permissions import local_actor
from runtime.registers_asked import identify_asked, registers_asked
from tests.integration.runtime.test_detect import NoField, cli, config_of
from tests.rigs.asking import asker
from tests.rigs.gateway import Gateway, until
from tests.rigs.modbus import ModbusPlant, SerialCable
from tests.rigs.modbus_unit import registers
from tests.rigs.units import TcpUnits, Unit

pytestmark = pytest.mark.integration

SUNSPEC = [0x5375, 0x6E53, 1, 2, 0, 0, 203, 2, 0, 0, 0xFFFF, 0]


def written(folder: Path, port: int, *, commissioning: bool = True) -> Path:
    file = folder / "witnessmark.toml"
    file.write_text(config_of(port).replace('name = "g"\n[web]', f'name = "g"\ncommissioning = {str(commissioning).lower()}\n[web]'))
    return file


@dataclass
class Named(Unit):
    """A unit that says what it is, in two parts."""

    revision: bytes = b"1.0"

    def respond(self, pdu: bytes) -> bytes | None:
        if pdu[:2] != b"\x2b\x0e":
            return super().respond(pdu)
        if pdu[2] != 1:
            return b"\xab\x03"
        if pdu[3] == 0:
            return b"\x2b\x0e\x01\x01\xff\x01\x01\x00\x04Acme"
        return b"\x2b\x0e\x01\x01\x00\x00\x02\x01\x03M-7\x02" + bytes((len(self.revision),)) + self.revision


ACME = {"vendor": "Acme", "product": "M-7", "revision": "1.0"}


def by_unit(said: dict[str, Any]) -> dict[int, str]:
    return {row["unit"]: row["how"] for row in said["found"]}


def test_a_host_is_scanned_only_while_commissioning_and_within_its_time(tmp_path: Path) -> None:
    async def test() -> None:
        units = TcpUnits({1: Unit(), 3: Named([*SUNSPEC, *range(100)]), 4: Unit(answers_as=9)})
        await units.start()
        try:
            file = written(tmp_path, units.port, commissioning=False)
            place = ("--config", str(file), "--state", str(tmp_path / "none"))
            asked = ("scan", "--host", "127.0.0.1", "--port", str(units.port), "--wait", "1", "--pause", "0.02", *place)
            code, said = await cli(*asked, "--units", "1-4")
            assert (code, said["error"], units.requests) == (1, "commissioning_off", [])
            written(tmp_path, units.port)
            code, said = await cli(*asked, "--units", "1-4")
            assert (code, said["whole"], by_unit(said)) == (0, True, {1: "answers", 3: "answers", 4: "odd"})
            named = said["found"][1]
            assert named["identification"] == ACME
            assert named["sunspec"][1] == {"model": 203, "at": 6, "name": "meter, star"}
            assert named["templates"] == [{"name": "sunspec-meter", "base": 6}]
            assert {pdu[0] for _, pdu in units.requests} == {3, 4, 43}
            assert said["asked"] == len(units.requests) - sum(1 for _, pdu in units.requests if pdu[:3] == b"\x2b\x0e\x02") - 1
            code, said = await cli(*asked, "--units", "1-4", "--dry-run")
            assert (code, said["longest_s"]) == (0, 6)
            code, said = await cli(*asked, "--units", "10-200", "--time", "1")
            assert (code, said["whole"]) == (1, False)
            await units.stop()
            code, said = await cli(*asked, "--units", "1-3")
            assert (code, said["found"], said["lost"]) == (2, [], {f"127.0.0.1:{units.port}": "connect_failed"})
        finally:
            await units.stop()

    asyncio.run(test())


def test_a_serial_line_is_tried_until_a_unit_answers(tmp_path: Path) -> None:
    async def test() -> None:
        with SerialCable() as cable:
            plant = ModbusPlant(FramerType.RTU)
            await plant.start_serial(cable.ends[1])
            try:
                file = written(tmp_path, 1)
                place = ("--config", str(file), "--state", str(tmp_path / "none"), "--wait", "2")
                code, said = await cli("scan", "--serial", cable.ends[0], "--units", "2-3", *place)
                assert (code, [(row["unit"], row["baud"], row["parity"]) for row in said["found"]]) == (
                    0,
                    [(2, 9600, "none"), (3, 9600, "none")],  # pymodbus refuses in the name of units that it does not have
                )
            finally:
                await plant.stop()

    asyncio.run(test())


@contextlib.asynccontextmanager
async def polling(tmp_path: Path, units: TcpUnits) -> AsyncIterator[Gateway]:
    """A gateway that polls the first of these units."""
    await units.start()
    gateway = Gateway(tmp_path / "state", written(tmp_path, units.port))
    await gateway.start()
    try:
        await until(lambda: units.requests)
        yield gateway
    finally:
        await gateway.stop()
        await units.stop()


def test_a_running_gateway_asks_on_its_own_line_and_goes_on_polling(tmp_path: Path) -> None:
    async def test() -> None:
        units = TcpUnits({1: Named(), 2: Named()})
        async with polling(tmp_path, units) as gateway:
            state = ("--state", str(gateway.state))
            code, said = await cli("scan", "--host", "127.0.0.1", "--port", str(units.port), "--units", "1-3", *state)
            assert (code, by_unit(said)) == (0, {1: "answers", 2: "answers"})
            assert [(row["place"], row["identification"]) for row in said["found"]] == [("meter", ACME)] * 2
            polled = units.units[1].asked
            async with asyncio.timeout(10):
                while units.units[1].asked < polled + 3:
                    await asyncio.sleep(0.05)
            assert await cli("identify", "meter", *state) == (0, {"device": "meter", "identification": ACME})

    asyncio.run(test())


@pytest.mark.parametrize(
    ("framer", "transport"), [(FramerType.SOCKET, "tcp"), (FramerType.RTU, "rtu_over_tcp"), (FramerType.ASCII, "ascii_over_tcp")]
)
def test_another_library_says_what_it_is_on_every_framing(framer: FramerType, transport: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ModbusControlBlock().Identity, "VendorName", "Acme")
    monkeypatch.setattr(ModbusControlBlock().Identity, "ModelName", "M" * 60)

    async def test() -> None:
        plant = ModbusPlant(framer)
        await plant.start()
        try:
            place = Place("here", options={"transport": transport, "host": "127.0.0.1", "port": plant.port})
            async with units_at(place, Path(), 1) as line:
                said = await line.identify(1)
                assert (said["vendor"], said["model"]) == ("Acme", "M" * 60)
                assert await line.probe(2, "holding", 5, 2) == {5: 5, 6: 6}
        finally:
            await plant.stop()

    asyncio.run(test())


def test_another_revision_lets_the_map_be_learned_anew_and_silence_of_it_does_not() -> None:
    async def test() -> None:
        unit = Named(list(range(10)))
        units = TcpUnits({1: unit})
        await units.start()
        memory = ShortMemory()
        options = load_config("modbus", "m", {"host": "127.0.0.1", "port": units.port, "firmware": "identification"})
        group = registers([3, 50], period_ms=1000)

        async def learned() -> dict[str, Any]:
            async with make_driver("modbus", "m", options, SystemClock(), Shared(lambda _type, _device: memory)) as driver:
                for _ in range(3):
                    await driver.read(group, 2.0)
            return dict(memory.recall() or {})

        try:
            first = await learned()
            assert first["tables"]["holding"]["refused"] == [[50, 51, 2]]
            unit.revision = b""  # half of it is missing
            assert (await learned())["firmware"] == first["firmware"]
            unit.revision, unit.words = b"2.0", list(range(100))
            second = await learned()
            assert second["firmware"] != first["firmware"]
            assert second["tables"]["holding"]["refused"] == []
        finally:
            await units.stop()

    asyncio.run(test())


def test_a_device_with_room_for_one_connection_is_asked_on_that() -> None:
    async def test() -> None:
        units = TcpUnits({1: Unit(), 2: Unit()})
        units.connections_max = 1
        await units.start()
        options = load_config("modbus", "m", {"host": "127.0.0.1", "port": units.port})
        try:
            async with make_driver("modbus", "m", options, SystemClock()) as driver:
                assert (await driver.read(registers([3]), 2.0)).values == [3]
                assert isinstance(driver, LineSource)
                assert await driver.probe(2, "holding", 5, 1, 2.0) == {5: 5}
                assert await driver.probe(2, "holding", 199, 2, 2.0) == {}
                assert (await driver.read(registers([4]), 2.0)).values == [4]
            assert units.connections == 1
        finally:
            await units.stop()

    asyncio.run(test())


PLACE = {"device": "a", "table": "holding", "start": 0, "count": 1}


@pytest.mark.parametrize(
    ("face", "more", "commissioning", "code"),
    [
        ("cli", {"unit": 2}, False, "commissioning_off"),
        ("web", {"unit": 2}, True, "permission_denied"),
        ("cli", {"unit": 256}, True, "act_shape"),
        ("cli", {"unit": True}, True, "act_shape"),
        ("cli", {"unit": "2"}, True, "act_shape"),
    ],
)
def test_units_that_are_not_configured_are_asked_only_while_commissioning(
    face: str, more: dict[str, Any], commissioning: bool, code: str
) -> None:
    for asked in (registers_asked, identify_asked):
        with pytest.raises(RequestRefusedError) as refused:
            asyncio.run(asked(NoField(), local_actor(face, 0, own_uid=0), {**PLACE, **more}, commissioning=commissioning))
        assert refused.value.code == code


@pytest.mark.parametrize("through", [True, False])
def test_a_unit_that_refuses_is_named_with_its_code_and_the_scan_goes_on(tmp_path: Path, through: bool) -> None:
    async def test() -> None:
        units = TcpUnits({1: Unit(), 2: Unit(refuses=11), 3: Unit(refuses=6), 4: Unit(refuses=2), 5: Unit()})
        await units.start()
        gateway = Gateway(tmp_path / "state", written(tmp_path, units.port))
        try:
            if through:
                await gateway.start()
                await until(lambda: units.requests)
            place = ("--config", str(tmp_path / "witnessmark.toml"), "--state", str(gateway.state))
            where = ("meter",) if through else ("--host", "127.0.0.1", "--port", str(units.port), "--wait", "1")
            code, said = await cli("scan", *where, "--units", "2-5", *place)
            assert (code, said["whole"], by_unit(said)) == (0, True, {3: "answers", 4: "answers", 5: "answers"})
            assert [row.get("refused") for row in said["found"]] == [6, 2, None]
            assert [(row["unit"], row["code"]) for row in said["unreached"]] == [(2, 11)]
        finally:
            if through:
                await gateway.stop()
            await units.stop()

    asyncio.run(test())


def test_what_a_refusing_unit_says_is_told_in_words(tmp_path: Path) -> None:
    async def test() -> None:
        units = TcpUnits({1: Unit(refuses=11), 2: Unit(refuses=6)})
        async with polling(tmp_path, units) as gateway:
            state = ("--state", str(gateway.state))
            code, said = await cli("read", "meter", "holding:100", "--all", *state)
            assert (code, said["error"], said["params"], said["text"]) == (
                2, "device_exception", {"code": 11}, "The device refused the request (11)."
            )  # fmt: skip
            with pytest.raises(RequestRefusedError, match="device_exception") as other:
                await asker(gateway.state, "cli")("registers", device="meter", unit=2, table="holding", start=0, count=2)
            assert other.value.params == {"code": 6}
            where = {"host": "127.0.0.1", "port": units.port, "unit_id": 2}
            with pytest.raises(RequestRefusedError, match="device_exception") as bench:
                await asker(gateway.state, "cli")("bench.read", where=where, address="holding:100", count=4)
            assert bench.value.params == {"code": 6}

    asyncio.run(test())
