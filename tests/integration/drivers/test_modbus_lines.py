"""What a line does besides carrying requests: trust, backup addresses, turns, units kept apart, and who is believed after a silence."""

from __future__ import annotations

import asyncio
import hashlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from drivers.driver import DriverError
from drivers.modbus.config import DeviceOptions
from drivers.modbus.driver import ModbusDriver
from drivers.modbus.tag_options import parse_address
from drivers.reading import Tag, TagGroup
from drivers.shared import Shared
from tests.rigs.certificate import make_certificate
from tests.rigs.clock import RunningClock, StillClock
from tests.rigs.modbus import ModbusPlant
from tests.rigs.units import PacedUnits, TcpUnits, Unit, answered, cause_of

pytestmark = pytest.mark.integration


def group_of(*addresses: str, uid: int = 1) -> TagGroup:
    tags = tuple(Tag(n, f"t{n}", "dev", "int", "", parse_address({"address": a}), writable=True) for n, a in enumerate(addresses))
    return TagGroup(uid, "dev", "g", 1000, tags)


def run(test: Callable[[], Awaitable[None]]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(30):
            await test()

    asyncio.run(bounded())


@asynccontextmanager
async def drivers_of(units: TcpUnits, *numbers: int, clock: object = None, **options: object) -> AsyncIterator[list[ModbusDriver]]:
    shared = Shared()
    async with AsyncExitStack() as stack:
        made = []
        for number in numbers:
            option = DeviceOptions.model_validate({"host": "127.0.0.1", "port": units.port, "unit_id": number, **options})
            made.append(await stack.enter_async_context(ModbusDriver(option, clock or RunningClock(), shared)))  # type: ignore[arg-type]
        yield made


def test_tls_believes_an_authority_or_one_certificate_and_nobody_else(tmp_path: Path) -> None:
    cert, key = make_certificate(tmp_path)
    digest = hashlib.sha256(x509.load_pem_x509_certificate(cert.read_bytes()).public_bytes(Encoding.DER)).hexdigest()
    (tmp_path / "other").mkdir()
    other, other_key = make_certificate(tmp_path / "other")
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(cert, key)
    server.load_verify_locations(cert)
    server.verify_mode = ssl.CERT_REQUIRED
    ours = {"client_cert_file": str(cert), "client_key_file": str(key)}

    async def test() -> None:
        plant = ModbusPlant(tls=server)
        await plant.start()

        async def read(**options: object) -> list[object]:
            option = DeviceOptions.model_validate({"host": "127.0.0.1", "port": plant.port, "transport": "tls", **options})
            async with ModbusDriver(option, RunningClock(), Shared()) as driver:
                return list((await driver.read(group_of("holding:3"), 2.0)).values)

        try:
            assert await read(ca_file=str(cert), **ours) == [3]
            assert await read(server_sha256=digest, **ours) == [3]
            assert await read(ca_file=str(cert), server_sha256=digest, **ours) == [3]
            assert await cause_of(read(ca_file=str(other), **ours)) == "tls_refused"
            assert await cause_of(read(ca_file=str(cert), server_name="plc.example", **ours)) == "tls_refused"
            assert await cause_of(read(server_sha256="00" * 32, **ours)) == "tls_not_pinned"
            assert await cause_of(read(ca_file=str(tmp_path / "none.pem"), **ours)) == "tls_files"
            strangers = {"client_cert_file": str(other), "client_key_file": str(other_key)}
            assert await cause_of(read(ca_file=str(cert), **strangers)) in ("connection_lost", "tls_refused", "connect_failed")
        finally:
            await plant.stop()

    run(test)


def test_a_backup_address_takes_over_from_a_first_that_is_not_believed(tmp_path: Path) -> None:
    servers = []
    for name in ("main", "backup"):
        (tmp_path / name).mkdir()
        cert, key = make_certificate(tmp_path / name)
        servers.append(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))
        servers[-1].load_cert_chain(cert, key)

    async def test() -> None:
        main, backup, clock = ModbusPlant(tls=servers[0]), ModbusPlant(tls=servers[1]), StillClock()
        for plant in (main, backup):
            await plant.start()
        try:
            trust = {"transport": "tls", "ca_file": str(tmp_path / "backup" / "cert.pem"), "return_after_s": 60}
            place = {"host": "127.0.0.1", "port": main.port, "backup_hosts": [f"127.0.0.1:{backup.port}"]}
            async with ModbusDriver(DeviceOptions.model_validate(place | trust), clock, Shared()) as driver:
                for _ in range(3):  # the first address is tried again each time, and the backup goes on meanwhile
                    assert list((await driver.read(group_of("holding:3"), 5.0)).values) == [3]
                    clock.advance(61_000)
                await backup.stop()
                assert await cause_of(driver.read(group_of("holding:3"), 5.0)) == "connection_lost"
                assert await cause_of(driver.read(group_of("holding:3"), 5.0)) == "tls_refused"
        finally:
            for plant in (main, backup):
                await plant.stop()

    run(test)


def test_a_backup_address_takes_over_and_the_first_gets_its_turn_back() -> None:
    async def test() -> None:
        main, backup = Unit(words=[1] * 50), Unit(words=[2] * 50)
        async with TcpUnits({1: main}) as first, TcpUnits({1: backup}) as second:
            clock = StillClock()
            async with drivers_of(first, 1, clock=clock, backup_hosts=[f"127.0.0.1:{second.port}"], return_after_s=60) as (driver,):
                group = group_of("holding:3")
                assert (await driver.read(group, 1.0)).values == [1]
                await first.stop()
                assert await answered(driver, group) == [2]  # the lost connection may cost one read
                clock.advance(60_001)
                assert (await driver.read(group, 1.0)).values == [2]  # the first is still away: tried, and no time lost
                await first.start()
                assert (await driver.read(group, 1.0)).values == [2]
                clock.advance(60_001)
                assert (await driver.read(group, 1.0)).values == [1]
                assert second.open == 0 or await closed(second)

    async def closed(units: TcpUnits) -> bool:
        while units.open:
            await asyncio.sleep(0.01)
        return True

    run(test)


def test_an_address_that_accepts_and_never_answers_is_left_too() -> None:
    async def test() -> None:
        async with TcpUnits({1: Unit(dead=True)}) as first, TcpUnits({1: Unit()}) as second:
            options = {"backup_hosts": [f"127.0.0.1:{second.port}"], "request_timeout_s": 0.05}
            async with drivers_of(first, 1, **options) as (driver,):
                for _ in range(3):
                    assert await cause_of(driver.read(group_of("holding:3"), 1.0)) == "no_answer"
                assert (await driver.read(group_of("holding:3"), 1.0)).values == [3]

    run(test)


def test_a_plc_that_is_loaded_anew_is_found_again() -> None:
    """Refused and reset for a while, then back with other values: nobody has to do anything."""

    async def test() -> None:
        async with TcpUnits({1: Unit()}) as units, drivers_of(units, 1) as (driver,):
            group = group_of("holding:3")
            assert (await driver.read(group, 1.0)).values == [3]
            await units.stop()
            for _ in range(5):
                assert await cause_of(driver.read(group, 1.0)) in ("connection_lost", "connect_failed", "connect_waiting")
                await asyncio.sleep(0.1)
            units.connections_max = 0  # accepts and resets, as a PLC that starts does
            await units.start()
            await asyncio.sleep(0.3)
            assert await cause_of(driver.read(group, 1.0)) in ("connection_lost", "connect_waiting")
            units.connections_max = 9
            units.units[1].words[3] = 77
            while True:
                try:
                    assert (await driver.read(group, 1.0)).values == [77]
                    break
                except DriverError:
                    await asyncio.sleep(0.1)

    run(test)


def test_the_recorder_keeps_what_came_before_a_connection_was_lost_between_two_reads() -> None:
    """The end of an idle connection is no answer to anybody: it is seen when a new one cannot be had, and kept once."""

    async def test() -> None:
        shared = Shared()
        async with TcpUnits({1: Unit()}) as units, TcpUnits({1: Unit()}) as never:
            await never.stop()
            options = [DeviceOptions.model_validate({"host": "127.0.0.1", "port": each.port}) for each in (units, never)]
            async with (
                ModbusDriver(options[0], RunningClock(), shared) as driver,
                ModbusDriver(options[1], RunningClock(), shared) as absent,
            ):
                group = group_of("holding:3")
                lost, unseen = (shared.recorders[f"127.0.0.1:{each.port}"] for each in (units, never))
                for times in (1, 2):
                    await answered(driver, group)
                    await units.stop()
                    await asyncio.sleep(0.1)  # the end of the connection is seen before anything is asked
                    causes = [await cause_of(driver.read(group, 1.0)) for _ in range(3)]
                    (fault,) = lost.show()["faults"]
                    assert fault["cause"] == causes[0] == "connect_failed", "one fault: the second within a minute is of the same series"
                    assert [sent for _, _, sent, _, _ in fault["frames"]] == [True, False], times
                    await units.start()
                await cause_of(absent.read(group, 1.0))
                assert unseen.show()["faults"] == [], "nothing went before"

    run(test)


def test_a_second_connection_that_is_refused_is_no_lost_line_and_hides_none() -> None:
    async def test() -> None:
        shared = Shared()
        async with TcpUnits({1: Unit(), 2: Unit(dead=True)}) as units, AsyncExitStack() as stack:
            common = {"host": "127.0.0.1", "port": units.port, "request_timeout_s": 0.1}
            options = [DeviceOptions.model_validate({**common, "unit_id": number}) for number in (1, 2)]
            sound, dead = [await stack.enter_async_context(ModbusDriver(each, RunningClock(), shared)) for each in options]
            group, recorder = group_of("holding:3"), shared.recorders[f"127.0.0.1:{units.port}"]
            assert await cause_of(dead.read(group, 0.3)) == "no_answer"
            assert (await sound.read(group, 0.5)).values == [3]
            units.refuse()
            assert await cause_of(dead.read(group, 0.3)) == "connect_failed"
            assert (await sound.read(group, 0.5)).values == [3], "the first connection stands"
            assert [fault["cause"] for fault in recorder.show()["faults"]] == ["no_answer"]
            await units.stop()
            await asyncio.sleep(0.1)
            assert await cause_of(sound.read(group, 0.5)) == "connect_failed"
            assert [fault["cause"] for fault in recorder.show()["faults"]] == ["no_answer", "connect_failed"]

    run(test)


def test_a_write_goes_before_the_reads_that_wait() -> None:
    async def test() -> None:
        units = TcpUnits({n: Unit(delay_s=0.01) for n in range(1, 13)})
        async with units, drivers_of(units, *range(1, 13)) as drivers:
            group = group_of("holding:3")
            await drivers[0].read(group, 1.0)
            units.requests.clear()
            async with asyncio.TaskGroup() as tasks:
                for driver in drivers:
                    tasks.create_task(driver.read(group, 2.0))
                await asyncio.sleep(0.015)
                tasks.create_task(drivers[5].write(group.tags[0], 44, 2.0))
            functions = [pdu[0] for _, pdu in units.requests]
            assert functions.index(6) <= 3
            assert len(functions) == 13
            assert units.units[6].words[3] == 44

    run(test)


def test_a_unit_that_does_not_answer_gets_another_connection_and_then_rest() -> None:
    async def test() -> None:
        units = TcpUnits({1: Unit(), 2: Unit(dead=True), 3: Unit(answers_as=9)})
        async with units, drivers_of(units, 1, 2, 3, request_timeout_s=0.1) as (sound, dead, odd):
            group = group_of("holding:3")
            causes: dict[str, list[str]] = {"dead": [], "odd": []}
            began = asyncio.get_running_loop().time()
            while asyncio.get_running_loop().time() - began < 3.5:
                causes["dead"].append(await cause_of(dead.read(group, 0.5)))
                causes["odd"].append(await cause_of(odd.read(group, 0.5)))
                assert (await sound.read(group, 0.5)).values == [3]
                await asyncio.sleep(0.1)
            assert causes["dead"][0] == "no_answer"
            assert causes["odd"][0] == "bad_answer"
            assert {causes["dead"][-1], causes["odd"][-1]} == {"breaker_open"}
            asked = units.units[2].asked
            for _ in range(20):
                await cause_of(dead.read(group, 0.5))
            assert units.units[2].asked <= asked + 1
            units.units[2].dead, units.units[3].answers_as = False, None
            for driver in (dead, odd):
                while True:
                    try:
                        assert (await driver.read(group, 0.5)).values == [3]
                        break
                    except DriverError:
                        await asyncio.sleep(0.2)

    run(test)


def test_a_device_with_room_for_one_connection_keeps_it() -> None:
    async def test() -> None:
        units = TcpUnits({1: Unit(), 2: Unit(dead=True)})
        units.connections_max = 1
        async with units, drivers_of(units, 1, 2, request_timeout_s=0.1) as (sound, dead):
            group = group_of("holding:3")
            for _ in range(8):
                await cause_of(dead.read(group, 0.3))
                assert (await sound.read(group, 0.5)).values == [3]
        async with (
            TcpUnits({1: Unit(), 2: Unit(dead=True)}) as units,
            drivers_of(units, 1, 2, request_timeout_s=0.1, single_connection=True) as (sound, dead),
        ):
            for _ in range(4):
                await cause_of(dead.read(group, 0.3))
                assert (await sound.read(group, 0.5)).values == [3]
                assert units.open <= 1

    run(test)


@pytest.mark.parametrize("vice", ["knows_echo", "refuses_echo", "ignores_echo"])
def test_a_late_answer_on_a_serial_line_is_never_taken_for_a_new_one(vice: str) -> None:
    """The unit answers the first question after the second was asked, and the value has changed in between."""

    async def test() -> None:
        unit = Unit(knows_echo=vice == "knows_echo", ignores_echo=vice == "ignores_echo")
        async with PacedUnits({5: unit}, 19200) as line:
            late_s = 0.0

            def spoil(frame: bytes) -> list[tuple[float, bytes]]:
                return [(late_s if frame[1] == 3 else 0.0, frame)]

            line.spoil = spoil
            options = DeviceOptions(transport="rtu", serial_port=line.path, baud=19200, parity="none", unit_id=5, request_timeout_s=0.15)
            async with ModbusDriver(options, RunningClock(), Shared()) as driver:
                group = group_of("holding:3")
                assert (await driver.read(group, 1.0)).values == [3]
                for value in range(100, 105):
                    late_s = 0.2
                    assert await cause_of(driver.read(group, 1.0)) == "no_answer"
                    late_s, unit.words[3] = 0.0, value
                    assert (await answered(driver, group)) == [value]

    run(test)


def test_a_unit_that_rests_is_said_to_rest_and_to_be_kept_from_nothing() -> None:
    async def test() -> None:
        async with PacedUnits({5: Unit(dead=True, ignores_echo=True)}, 19200) as line:
            options = DeviceOptions(transport="rtu", serial_port=line.path, baud=19200, parity="none", unit_id=5, request_timeout_s=0.15)
            async with ModbusDriver(options, RunningClock(), Shared()) as driver:
                group = group_of("holding:3")
                assert [await cause_of(driver.read(group, 1.0)) for _ in range(2)] == ["no_answer"] * 2
                assert await cause_of(driver.read(group, 0.05)) == "breaker_open"

    run(test)


def test_a_read_behind_a_look_for_other_units_is_not_kept_by_its_own_unit() -> None:
    async def test() -> None:
        async with (
            TcpUnits({1: Unit(), 9: Unit(delay_s=0.3)}) as units,
            drivers_of(units, 1, request_timeout_s=0.5, single_connection=True) as (driver,),
        ):
            group = group_of("holding:3")
            assert (await driver.read(group, 0.5)).values == [3]
            async with asyncio.TaskGroup() as tasks:
                look = tasks.create_task(driver.probe(9, "holding", 0, 1, 1.0))
                await asyncio.sleep(0.05)
                assert await cause_of(driver.read(group, 0.1)) == "line_busy"
            assert look.result() is not None

    run(test)
