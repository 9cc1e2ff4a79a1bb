"""The sim board as a process, asked by clients that know nothing of it: pymodbus, asyncua and a plain socket."""

from __future__ import annotations

import asyncio
import json
import struct
import sys
import time

import pytest
from asyncua import ua

from tests.rigs.gateway import ROOT
from tests.rigs.sim_board import running


def floats(registers: list[int], *, swapped: bool) -> list[float]:
    pairs = zip(registers[::2], registers[1::2], strict=True)
    return [struct.unpack(">f", struct.pack(">HH", *(pair[::-1] if swapped else pair)))[0] for pair in pairs]


async def until(condition, within_s: float = 10) -> None:
    async with asyncio.timeout(within_s):
        while not await condition():
            await asyncio.sleep(0.05)


def test_the_filler_and_the_meter_answer_pymodbus() -> None:
    async def check() -> None:
        async with running("--seed", "4", "--speed", "20") as sim, sim.modbus() as filler, sim.modbus("meter") as meter:
            read = await filler.read_holding_registers(10, count=18)
            temperature, _, pressure, speed, *_ = floats(read.registers, swapped=True)
            assert 20 < temperature < 26
            assert 1 < pressure < 1.4
            assert 30 < speed <= 90
            hole = await filler.read_holding_registers(30, count=12)
            assert hole.isError()
            assert hole.exception_code == 2
            serial = await filler.read_holding_registers(70, count=8)
            assert struct.pack(">8H", *serial.registers).rstrip(b"\0") == b"WM-FILL-0008"
            assert (await filler.read_discrete_inputs(0, count=5)).bits[:3] == [True, True, True]
            assert not (await filler.write_coil(0, True)).isError()
            assert (await filler.read_coils(0, count=1)).bits[0]

            assert not (await filler.write_register(40, 500)).isError()
            refused = await filler.write_register(40, 1700)
            assert refused.exception_code == 3

            async def slower() -> bool:
                return floats((await filler.read_holding_registers(16, count=2)).registers, swapped=True) == [50.0]

            await until(slower)

            read = await meter.read_input_registers(0, count=78)
            values = floats(read.registers, swapped=False)
            assert all(220 < volt < 240 for volt in values[:3])
            assert values[26] == pytest.approx(sum(values[6:9]), rel=1e-5)
            assert values[36] > 7400
            assert (await meter.read_input_registers(1, count=2)).exception_code == 3
            assert (await meter.read_holding_registers(0, count=2)).exception_code == 2
            assert (await meter.read_input_registers(0, count=2, device_id=9)).exception_code == 0x0B

    asyncio.run(check())


def test_the_capper_answers_asyncua_and_follows_what_is_written() -> None:
    async def check() -> None:
        async with running("--seed", "4", "--speed", "20") as sim, sim.opcua() as client:
            assert await client.get_namespace_index("urn:witnessmark:sim:capper") == 2

            def node(path: str):
                return client.get_node(f"ns=2;s=Capper.{path}")

            capper = await client.nodes.objects.get_child("2:Capper")
            assert {(await child.read_browse_name()).Name for child in await capper.get_children()} == {"Status", "Admin", "Command"}
            read = await node("Status.StateCurrent").read_data_value()
            assert read.Value.Value in range(1, 18)
            assert abs(read.SourceTimestamp.timestamp() - time.time()) < 20
            with pytest.raises(ua.UaStatusCodeError) as refused:
                await node("Command.Program").write_value(7, ua.VariantType.Int32)
            assert refused.value.code == ua.StatusCodes.BadOutOfRange
            with pytest.raises(ua.UaStatusCodeError):
                await node("Status.StateCurrent").write_value(7, ua.VariantType.Int32)
            await node("Command.Program").write_value(3, ua.VariantType.Int32)
            await node("Command.MachSpeed").write_value(60.0, ua.VariantType.Float)
            assert await node("Command.MachSpeed").read_value() == 60.0

            async def changed() -> bool:
                return await node("Status.Program").read_value() == 3 and await node("Status.CurMachSpeed").read_value() == 60.0

            async def capped() -> bool:
                # A change of program forgets the torques; until the first cap of the new one the mean is the old one's, uncertain.
                return (await node("Status.Torque.Mean").read_data_value(raise_on_bad_status=False)).StatusCode.is_good()

            await until(changed)
            await until(capped)
            mean = await node("Status.Torque.Mean").read_data_value()
            assert mean.Value.Value == pytest.approx(1.4, abs=0.15)

    asyncio.run(check())


def test_a_subscription_brings_the_counter() -> None:
    class Seen:
        def __init__(self) -> None:
            self.values: list[int] = []

        def datachange_notification(self, node, val, data) -> None:
            self.values.append(val)

    async def check() -> None:
        async with running("--speed", "10") as sim, sim.opcua() as client:
            seen = Seen()
            subscription = await client.create_subscription(100, seen)
            await subscription.subscribe_data_change(client.get_node("ns=2;s=Capper.Admin.ProdProcessedCount"))

            async def enough() -> bool:
                return len(seen.values) > 5

            await until(enough)
            assert seen.values == sorted(seen.values)

    asyncio.run(check())


def test_dead_slow_and_lossy_modbus_devices() -> None:
    async def check() -> None:
        async with running() as sim:
            async with sim.modbus(timeout_s=0.5) as client:
                await sim.switch("filler", "dead_device")
                with pytest.raises(Exception, match="No response"):
                    await client.read_holding_registers(0, count=1)
                with pytest.raises(ConnectionRefusedError):
                    await asyncio.open_connection("127.0.0.1", sim.ports["filler_port"])
                async with sim.modbus("meter") as meter:
                    assert not (await meter.read_input_registers(0, count=2)).isError()
                await sim.switch("filler", "dead_device", on=False)
            async with sim.modbus(timeout_s=2) as client:
                await sim.switch("filler", "slow_device", delay_s=0.6)
                started = time.monotonic()
                assert not (await client.read_holding_registers(0, count=1)).isError()
                assert 0.6 <= time.monotonic() - started < 1.9
                await sim.switch("filler", "slow_device", on=False)
                assert not (await client.read_holding_registers(0, count=1)).isError()
            await sim.switch("filler", "dropout", share=1.0)
            async with sim.modbus(timeout_s=0.3) as client:
                with pytest.raises(Exception, match="No response"):
                    await client.read_holding_registers(0, count=1)

    asyncio.run(check())


def test_a_reboot_breaks_connections_loses_the_batch_and_comes_back() -> None:
    async def check() -> None:
        async with running("--speed", "10") as sim:
            async with sim.plain() as (reader, _):
                truth = (await sim.ask(truth=True))["truth"]["filler"]
                await sim.switch("filler", "reboot", back_after_s=0.5)
                with pytest.raises(ConnectionResetError):
                    await reader.read(1)
            with pytest.raises(ConnectionRefusedError):
                await asyncio.open_connection("127.0.0.1", sim.ports["filler_port"])

            async def back() -> bool:
                return not (await sim.ask(list=True))["active"]["filler"]

            await until(back)
            async with sim.modbus() as client:
                read = await client.read_holding_registers(50, count=4)
                total, batch = (low | high << 16 for low, high in (read.registers[:2], read.registers[2:]))
                assert total >= truth["bottles_total"]
                assert batch < truth["bottles_batch"] + 30

    asyncio.run(check())


def test_faults_of_the_opcua_device() -> None:
    async def check() -> None:
        async with running("--speed", "5") as sim:
            async with sim.opcua() as client:
                node = client.get_node("ns=2;s=Capper.Admin.Uptime")
                await sim.switch("capper", "slow_device", delay_s=0.5)
                started = time.monotonic()
                await node.read_value()
                assert time.monotonic() - started >= 0.5
                await sim.switch("capper", "slow_device", on=False)

                await sim.switch("capper", "stuck_tag", tag="caps_total")
                counter = client.get_node("ns=2;s=Capper.Admin.ProdProcessedCount")

                async def stuck() -> bool:
                    held, true = await counter.read_value(), (await sim.ask(truth=True))["truth"]["capper"]["caps_total"]
                    return held < true - 5

                await until(stuck)

                await sim.switch("capper", "clock_step", by_s=-7200)

                async def back_in_time() -> bool:
                    stamp = (await node.read_data_value()).SourceTimestamp
                    return abs(stamp.timestamp() + 7200 - time.time()) < 20

                await until(back_in_time)
            await sim.switch("capper", "reboot", back_after_s=0.3)
            with pytest.raises(OSError):
                await sim.opcua(timeout_s=1).connect()

            async def back() -> bool:
                return "reboot" not in (await sim.ask(list=True))["active"]["capper"]

            await until(back)
            async with sim.opcua() as client:
                assert await client.get_node("ns=2;s=Capper.Admin.Uptime").read_value() < 30
            await sim.switch("capper", "dead_device")
            with pytest.raises(OSError):
                await sim.opcua(timeout_s=1).connect()
            await sim.switch("capper", "dead_device", on=False)
            await sim.switch("capper", "dropout", share=1.0)
            with pytest.raises((OSError, TimeoutError, ua.UaError, asyncio.CancelledError)):
                await sim.opcua(timeout_s=1).connect()
            await sim.switch("capper", "dropout", on=False)
            async with sim.opcua() as client:
                assert await client.get_node("ns=2;s=Capper.Status.UnitModeCurrent").read_value() == 1

    asyncio.run(check())


def test_the_control_port_refuses_nonsense_in_words() -> None:
    async def check() -> None:
        async with running() as sim:
            assert "there is no device 'press'" in (await sim.ask(fault="drift", device="press", on=True))["error"]
            assert "no fault 'fire'" in (await sim.ask(fault="fire", device="meter", on=True))["error"]
            assert (await sim.ask(fault="drift", device="meter", on="yes"))["ok"] is False
            assert set((await sim.ask(list=True))["faults"]) == {
                "stuck_tag", "drift", "dropout", "dead_device", "slow_device", "reboot", "clock_step",
            }  # fmt: skip
            async with sim.plain("control") as (reader, writer):
                writer.write(b"[" * 5000 + b"\n")
                assert json.loads(await reader.readline())["ok"] is False

    asyncio.run(check())


def test_bytes_that_are_no_modbus_end_the_connection_only() -> None:
    async def check() -> None:
        async with running() as sim:
            for junk in (b"GET / HTTP/1.1\r\n\r\n", b"\0\1\0\0\xff\xff\1\3", b"\0\1\0\0\0\1\1"):
                async with sim.plain() as (reader, writer):
                    writer.write(junk)
                    assert await reader.read() == b""
            async with sim.modbus() as client:
                assert not (await client.read_holding_registers(0, count=1)).isError()

    asyncio.run(check())


def test_a_port_that_is_taken_is_said_and_ends_with_1() -> None:
    async def check() -> None:
        async with running() as sim:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "boards.sim", "--filler-port", str(sim.ports["meter_port"]),
                cwd=ROOT, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
            )  # fmt: skip
            _, said = await process.communicate()
            assert process.returncode == 1
            assert b"Choose other ports" in said

    asyncio.run(check())
