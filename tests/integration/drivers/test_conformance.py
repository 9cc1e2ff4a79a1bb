"""The shipped conformance suite, run on every built-in driver, and on drivers that break each promise."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path
from typing import cast

import pytest
from pymodbus import FramerType

from drivers.conformance import ConformanceError, Finding, Rig, check_all, checks
from drivers.driver import Driver
from tests.rigs.certificate import make_certificate
from tests.rigs.conforming import ForgetfulDriver, ModbusRig, OpcUaRig, PipelinedRig, ReplayRig, SerialRig, VirtualRig
from tests.rigs.every_loop import on_every_loop
from tests.rigs.modbus import ModbusPlant, SerialCable
from tests.rigs.plain_line import PlainRig

pytestmark = pytest.mark.integration


def assert_conforms(findings: list[Finding], not_applicable: int) -> None:
    assert [f for f in findings if f.verdict == "failed"] == []
    assert sum(f.verdict == "not_applicable" for f in findings) == not_applicable
    assert len(findings) == len(checks)


def test_modbus_tcp_conforms() -> None:
    async def test(_: str) -> None:
        async with asyncio.timeout(60), ModbusRig() as rig:
            assert_conforms(await check_all(rig), not_applicable=1)

    on_every_loop(test)


@pytest.mark.parametrize("framer", [FramerType.RTU, FramerType.ASCII])
def test_modbus_on_a_serial_line_conforms(framer: FramerType) -> None:
    async def test(_: str) -> None:
        async with asyncio.timeout(60):
            with SerialCable() as cable:
                async with SerialRig(cable, framer) as rig:
                    assert_conforms(await check_all(rig), not_applicable=1)

    on_every_loop(test)


@pytest.mark.parametrize("framer", [FramerType.RTU, FramerType.ASCII])
def test_modbus_with_serial_frames_over_tcp_conforms(framer: FramerType) -> None:
    async def test(_: str) -> None:
        async with asyncio.timeout(60), ModbusRig(ModbusPlant(framer), transport=f"{framer.value}_over_tcp") as rig:
            assert_conforms(await check_all(rig), not_applicable=1)

    on_every_loop(test)


def test_modbus_inside_tls_conforms(tmp_path: Path) -> None:
    cert, key = make_certificate(tmp_path)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(cert, key)

    async def test(_: str) -> None:
        async with asyncio.timeout(60), ModbusRig(ModbusPlant(tls=server), transport="tls", ca_file=str(cert)) as rig:
            assert_conforms(await check_all(rig), not_applicable=1)

    on_every_loop(test)


def test_modbus_with_requests_in_flight_conforms() -> None:
    async def test(_: str) -> None:
        async with asyncio.timeout(60), PipelinedRig() as rig:
            assert_conforms(await check_all(rig), not_applicable=1)

    on_every_loop(test)


def test_opcua_conforms() -> None:
    async def test(_: str) -> None:
        async with asyncio.timeout(90), OpcUaRig() as rig:
            assert_conforms(await check_all(rig), not_applicable=1)

    on_every_loop(test)


def test_replay_conforms(tmp_path: Path) -> None:
    async def test(loop: str) -> None:
        rig = cast("Rig", ReplayRig(tmp_path / loop))
        assert_conforms(await check_all(rig), not_applicable=11)

    on_every_loop(test)


def test_virtual_conforms() -> None:
    async def test(_: str) -> None:
        assert_conforms(await check_all(cast("Rig", VirtualRig())), not_applicable=9)

    on_every_loop(test)


@pytest.mark.parametrize(
    ("sin", "check"),
    [
        ("late", "deadlines_hold_when_the_device_is_silent"),
        ("raw error", "a_broken_link_fails_and_mends_by_itself"),
        ("good after all", "a_broken_link_fails_and_mends_by_itself"),
        ("short", "a_scan_is_whole"),
        ("wrong type", "a_scan_is_whole"),
        ("bad", "a_scan_is_whole"),
        ("stale", "reads_follow_the_device"),
        ("pretends to write", "writes_are_confirmed"),
        ("leaks", "nothing_outlives_the_driver"),
    ],
)
def test_the_suite_notices_a_broken_promise(sin: str, check: str) -> None:
    class SinfulRig(ModbusRig):
        def make(self) -> Driver:
            return ForgetfulDriver(sin, super().make())

    async def test() -> None:
        async with asyncio.timeout(30), SinfulRig() as rig:
            wanted = next(c for c in checks if c.__name__ == check)  # type: ignore[attr-defined]
            with pytest.raises(ConformanceError, match=r"^broken promise: "):
                await wanted(rig)

    asyncio.run(test())


def test_a_driver_of_a_protocol_without_numbers_conforms_when_it_drops_the_connection() -> None:
    async def test(_: str) -> None:
        async with asyncio.timeout(60), PlainRig() as rig:
            assert_conforms(await check_all(rig), not_applicable=1)

    on_every_loop(test)


@pytest.mark.parametrize(
    ("sin", "check", "said"),
    [
        ("keeps the line", "a_late_answer_is_not_believed", "its late answer is not taken for the next: 12, not 11"),
        ("keeps the line when cancelled", "a_late_answer_is_not_believed", "its late answer is not taken for the next: 13, not 12"),
        ("writes twice", "a_write_is_sent_once", "a write is sent once, not 2 times"),
        ("writes again", "a_write_is_sent_once", "a write whose answer was lost is sent once, not 2 times"),
        ("no_answer", "a_write_whose_answer_was_lost_is_unknown", "is write_unknown, not no_answer"),
    ],
)
def test_of_all_checks_only_the_one_for_it_notices_a_sin_on_the_line(sin: str, check: str, said: str) -> None:
    """The other checks of reads and writes pass such a driver: each of these is what one check is there for."""

    async def test() -> None:
        async with asyncio.timeout(60), PlainRig(sin) as rig:
            for one in ("reads_follow_the_device", "writes_are_confirmed", "a_write_that_was_not_confirmed_is_not_called_done", check):
                wanted = next(c for c in checks if c.__name__ == one)  # type: ignore[attr-defined]
                if one != check:
                    await wanted(rig)
                    continue
                with pytest.raises(ConformanceError, match="^broken promise: .*" + said):
                    await wanted(rig)

    asyncio.run(test())


def test_a_rig_that_cannot_lose_or_hold_an_answer_is_told_what_was_not_shown() -> None:
    class SimpleRig(PlainRig):
        features = frozenset({"set", "write"})

    async def test() -> None:
        async with asyncio.timeout(60), SimpleRig() as rig:
            skipped = {finding.check: finding.detail for finding in await check_all(rig) if finding.verdict == "not_applicable"}
        assert skipped["a_late_answer_is_not_believed"] == "needs late"
        assert skipped["a_write_is_sent_once"] == "needs count"
        assert skipped["a_write_whose_answer_was_lost_is_unknown"] == "needs lose"

    asyncio.run(test())


def test_an_error_of_another_kind_is_a_finding_and_the_other_checks_run() -> None:
    class SinfulRig(ModbusRig):
        def make(self) -> Driver:
            return ForgetfulDriver("raw error", super().make())

    async def test() -> None:
        async with asyncio.timeout(60), SinfulRig() as rig:
            findings = await check_all(rig)
        assert len(findings) == len(checks)
        failed = {finding.check: finding.detail for finding in findings if finding.verdict == "failed"}
        assert "raises DriverError; this one raised ValueError" in failed["a_broken_link_fails_and_mends_by_itself"]
        assert "writes_are_confirmed" not in failed

    asyncio.run(test())
