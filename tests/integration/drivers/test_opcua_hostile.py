"""Servers that lie about lengths, never end, answer slowly or wrongly: bounded memory and time, and a fault with a cause."""

from __future__ import annotations

import asyncio
import resource
import struct
import time
from collections.abc import Awaitable, Callable
from contextlib import aclosing

import pytest

from drivers.driver import DriverError
from drivers.opcua.binary import put_text
from drivers.opcua.config import DeviceOptions
from drivers.opcua.driver import OpcUaDriver
from drivers.reading import Quality, quality_of
from tests.integration.drivers.test_opcua_driver import group_of, run
from tests.integration.drivers.test_opcua_values import tags_of
from tests.rigs.clock import RunningClock
from tests.rigs.opcua_hostile import HostileServer, chunk, data_values, header

pytestmark = pytest.mark.integration

READ, PUBLISH, CREATE, MONITOR = 631, 826, 787, 751
WRITE, CALL = 673, 712
ONE = b"\x01\x0b" + struct.pack("<d", 1.5)
TEXTS = b"\x01\x8c" + struct.pack("<i", 1_500_000) + b"\xff\xff\xff\xff" * 1_500_000


def count_of(parameters: bytes) -> int:
    """How many nodes a read asks for."""
    return int(struct.unpack_from("<i", parameters, 12)[0])


def reading(value: bytes) -> Callable[[int, bytes], bytes]:
    """Limits and namespaces as they should be; then each read of one node gives `value`."""

    def answer(service: int, parameters: bytes) -> bytes:
        count = count_of(parameters)
        return header() + (data_values(*([b"\0"] * 8), b"\x01\x8c\0\0\0\0") if count == 9 else data_values(*[value] * count))

    return answer


async def failures(server: HostileServer, count: int = 2, limit_s: float = 1.0) -> list[DriverError]:
    """Read `count` times; each must fail within its deadline and half a second."""
    errors = []
    async with OpcUaDriver(DeviceOptions(endpoint=server.endpoint, request_timeout_s=limit_s), RunningClock()) as driver:
        for _ in range(count):
            started = time.monotonic()
            with pytest.raises(DriverError) as caught:
                await driver.read(group_of("float64"), limit_s)
            assert time.monotonic() - started < limit_s + 0.5
            errors.append(caught.value)
            await asyncio.sleep(0.3)
    return errors


def memory_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def bounded(test: Callable[[], Awaitable[None]], mb: float) -> None:
    before = memory_mb()
    run(test)
    assert memory_mb() - before < mb


def test_the_rig_is_a_server() -> None:
    async def test() -> None:
        async with HostileServer(reading(ONE)) as server, OpcUaDriver(DeviceOptions(endpoint=server.endpoint), RunningClock()) as driver:
            assert (await driver.read(group_of("float64", "float64"), 2.0)).values == [1.5, 1.5]

    run(test)


ANSWERS: dict[str, bytes] = {
    "2^31 nulls": b"\x01\x80\xff\xff\xff\x7f",
    "2^31 doubles": b"\x01\x8b\xff\xff\xff\x7f" + bytes(800),
    "a text of 2 GB": b"\x01\x0c\xff\xff\xff\x7f" + bytes(800),
    "variants in variants": b"\x01" + b"\x18" * 100_000,
    "endless texts": TEXTS,
    "no type": b"\x01\x3f",
    "cut off": b"\x01\x0b\0\0",
}


@pytest.mark.parametrize("name", ANSWERS)
def test_answers_that_lie_are_bad_answers(name: str) -> None:
    async def test() -> None:
        async with HostileServer(reading(ANSWERS[name])) as server:
            errors = await failures(server)
            assert {error.cause for error in errors} <= {"bad_answer", "connect_waiting"}
            assert server.connections <= 2

    bounded(test, 60)


@pytest.mark.parametrize("status", [0x800A0000, 0x80050000, 0x808B0000, 0x80B20000, 0x800A0480, 0x40000000, 0x002E0000, 0x00300000])
def test_a_status_that_leaves_open_what_became_of_a_write_is_unknown_and_no_refusal(status: int) -> None:
    def answer(service: int, parameters: bytes) -> bytes:
        if service in (WRITE, CALL):
            more = struct.pack("<ii", 0, 0) + struct.pack("<i", 0) if service == CALL else b""
            return header() + struct.pack("<iI", 1, status) + more + struct.pack("<i", -1)
        return reading(ONE)(service, parameters)

    async def test() -> None:
        async with HostileServer(answer) as server:
            async with OpcUaDriver(DeviceOptions(endpoint=server.endpoint, method_calls=True), RunningClock()) as driver:
                with pytest.raises(DriverError) as caught:
                    await driver.write(group_of("float64").tags[0], 2.5, 2.0)
                assert (caught.value.cause, caught.value.params) == ("write_unknown", {"reason": f"{status:#010x}"})
                assert quality_of(caught.value.status) is Quality.BAD
                with pytest.raises(DriverError, match="write_unknown"):
                    await driver.call("ns=2;s=o", "ns=2;s=m", [], 2.0)

    run(test)


@pytest.mark.parametrize("fault", [0x80B90000, 0x80060000, 0x80080000])
def test_an_answer_that_the_server_could_not_send_says_nothing_of_what_was_done(fault: int) -> None:
    def answer(service: int, parameters: bytes) -> bytes:
        return header(fault) if service in (WRITE, CALL) else reading(ONE)(service, parameters)

    async def test() -> None:
        async with HostileServer(answer) as server:
            async with OpcUaDriver(DeviceOptions(endpoint=server.endpoint, method_calls=True), RunningClock()) as driver:
                for act in (driver.write(group_of("float64").tags[0], 2.5, 2.0), driver.call("ns=2;s=o", "ns=2;s=m", [], 2.0)):
                    with pytest.raises(DriverError, match="write_unknown"):
                        await act

    run(test)


@pytest.mark.parametrize("status", [0x803B0000, 0x803C0000, 0x801F0000, 0x80740000])
def test_a_status_that_says_no_is_a_refusal(status: int) -> None:
    def answer(service: int, parameters: bytes) -> bytes:
        return header() + struct.pack("<iIi", 1, status, -1) if service == WRITE else reading(ONE)(service, parameters)

    async def test() -> None:
        async with HostileServer(answer) as server, OpcUaDriver(DeviceOptions(endpoint=server.endpoint), RunningClock()) as driver:
            with pytest.raises(DriverError) as caught:
                await driver.write(group_of("float64").tags[0], 2.5, 2.0)
            assert (caught.value.cause, caught.value.params) == ("write_refused", {"code": status})

    run(test)


@pytest.mark.parametrize(("kept", "cause"), [(3, "overflow"), (4, "no_answer"), (1, "no_answer")])
def test_a_queue_that_the_server_made_shorter_is_full_at_its_own_length(kept: int, cause: str) -> None:
    """Ten samples were asked for; of the three that come, one before them may be lost where the server keeps three."""
    published = 0

    def answer(service: int, parameters: bytes) -> bytes | None:
        nonlocal published
        if service == CREATE:
            return header() + struct.pack("<IdII", 7, 20.0, 1, 1)
        if service == MONITOR:
            return header() + struct.pack("<iIIdI", 1, 0, 1, 20.0, kept) + b"\0\0\0"
        if service != PUBLISH:
            return reading(ONE)(service, parameters)
        published += 1
        change = struct.pack("<i", 3) + (struct.pack("<I", 0) + ONE) * 3 + struct.pack("<i", 0)
        body = struct.pack("<Ii", 7, 0) + b"\0" + struct.pack("<Iqi", 1, 0, 1) + b"\1\0\x2b\3\1" + struct.pack("<i", len(change)) + change
        return header() + body if published == 1 else None

    async def test() -> None:
        seen: list[object] = []
        async with HostileServer(answer) as server:
            interval_ms = 200 // kept  # the queue lasts nearly until the server counts as silent, however slow this machine is
            made = DeviceOptions(endpoint=server.endpoint, request_timeout_s=0.2, subscription_interval_ms=interval_ms, queue_size=10)
            async with OpcUaDriver(made, RunningClock()) as driver:
                with pytest.raises(DriverError) as caught:
                    async with aclosing(driver.subscribe(group_of("float64"))) as scans:  # type: ignore[type-var]
                        async for scan in scans:
                            seen += scan.values
        assert (caught.value.cause, seen) == (cause, [1.5] * 3)

    run(test)


def test_one_large_value_is_bad_alone() -> None:
    async def test() -> None:
        large = b"\x01\x8b" + struct.pack("<i", 100_000) + bytes(800_000)
        text = b"\x01\x0c" + struct.pack("<i", 100_000) + b"a" * 100_000

        def answer(service: int, parameters: bytes) -> bytes:
            return reading(ONE)(service, parameters) if count_of(parameters) == 9 else header() + data_values(large, text, ONE)

        async with HostileServer(answer) as server, OpcUaDriver(DeviceOptions(endpoint=server.endpoint), RunningClock()) as driver:
            scan = await driver.read(group_of("float64", "text", "float64"), 2.0)
            assert scan.values == [None, None, 1.5]
            assert scan.statuses == [0x80080000, 0x80080000, 0]

    run(test)


@pytest.mark.parametrize("raw", [
    chunk(b"MSGF", b"")[:4] + b"\xff\xff\xff\x7f" + bytes(200),
    b"MSGF" + struct.pack("<I", 3),
    b"\xff" * 5000,
    chunk(b"MSGC", struct.pack("<IIII", 1, 1, 2, 3) + bytes(60_000)),
    chunk(b"ERRF", struct.pack("<Ii", 0x80010000, -1)),
])  # fmt: skip
@pytest.mark.parametrize("at", ["hello", "open", "session", "activate", "service"])
def test_broken_frames_at_every_step(at: str, raw: bytes) -> None:
    async def test() -> None:
        async with HostileServer(reading(ONE), raw=lambda name: raw if name == at else None) as server:
            assert {error.cause for error in await failures(server, 1, 0.3)} <= {
                "connect_failed",
                "bad_answer",
                "connection_lost",
                "no_answer",
            }

    bounded(test, 30)


def test_a_chunk_that_never_ends_is_not_kept() -> None:
    """A header claims 2 GB and they begin to come."""

    async def test() -> None:
        ended = asyncio.Event()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                await reader.read(100)
                writer.write(b"ACKF\xff\xff\xff\x7f")
                for _ in range(3000):
                    writer.write(bytes(65_536))
                    await writer.drain()
            except OSError:
                pass
            finally:
                writer.transport.abort()
                ended.set()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        async with OpcUaDriver(DeviceOptions(endpoint=f"opc.tcp://127.0.0.1:{port}"), RunningClock()) as driver:
            with pytest.raises(DriverError, match="connect_failed"):
                await driver.read(group_of("float64"), 2.0)
        await ended.wait()
        server.close()
        await server.wait_closed()

    bounded(test, 30)


def test_an_answer_beyond_the_limit_of_a_message_is_refused_while_it_comes() -> None:
    async def test() -> None:
        value = b"\x01\x03" + struct.pack("<i", 40_000_000) + bytes(40_000_000)
        async with HostileServer(reading(value)) as server:
            errors = await failures(server, 1, 2.0)
            assert errors[0].cause in {"connection_lost", "device_exception", "bad_answer", "no_answer"}

    bounded(test, 200)  # the server's own copies are in this process


def test_slow_answers_miss_their_deadline_and_late_ones_are_not_taken_for_others() -> None:
    async def test() -> None:
        values = iter(range(100))

        def answer(service: int, parameters: bytes) -> bytes:
            if count_of(parameters) == 9:
                return reading(ONE)(service, parameters)
            return header() + data_values(b"\x01\x0b" + struct.pack("<d", next(values)))

        async with HostileServer(answer) as server:
            async with OpcUaDriver(DeviceOptions(endpoint=server.endpoint), RunningClock()) as driver:
                assert (await driver.read(group_of("float64"), 2.0)).values == [0.0]
                assert driver._link is not None
                protocol = driver._link.session._client.uaclient.protocol
                assert protocol is not None
                deliver, held = protocol.data_received, list[bytes]()
                protocol.transport.get_protocol().data_received = held.append  # type: ignore[union-attr,method-assign]
                with pytest.raises(DriverError, match="no_answer"):
                    await driver.read(group_of("float64"), 0.1)
                protocol.transport.get_protocol().data_received = deliver  # type: ignore[union-attr,method-assign]
                for data in held:
                    deliver(data)  # the answer to the request that was given up
                assert (await driver.read(group_of("float64"), 2.0)).values == [2.0]

    run(test)


@pytest.mark.parametrize("namespaces", [
    b"\0",
    b"\x01\x0c" + put_text("urn:plant"),
    b"\x01\x8c" + struct.pack("<i", 60_000) + put_text("urn:x") * 60_000,
    b"\x01\x86" + struct.pack("<i3i", 3, 1, 2, 3),
    b"\x03\x8c\xff\xff\xff\xff\0\0\x34\x80",
])  # fmt: skip
def test_namespace_arrays_that_are_none(namespaces: bytes) -> None:
    async def test() -> None:
        def answer(service: int, parameters: bytes) -> bytes:
            count = count_of(parameters)
            return header() + (data_values(*([b"\0"] * 8), namespaces) if count == 9 else data_values(*[ONE] * count))

        async with HostileServer(answer) as server, OpcUaDriver(DeviceOptions(endpoint=server.endpoint), RunningClock()) as driver:
            scan = await driver.read(tags_of({"node": "nsu=urn:plant;s=a"}, {"node": "ns=2;s=a"}), 2.0)
            assert (scan.values, scan.statuses) == ([None, 1.5], [0x80340000, 0])

    run(test)


def test_limits_that_are_nonsense_are_no_limits() -> None:
    async def test() -> None:
        def answer(service: int, parameters: bytes) -> bytes:
            if count_of(parameters) != 9:
                return reading(ONE)(service, parameters)
            odd = [b"\x01\x0c" + put_text("many"), b"\x01\x06\xff\xff\xff\xff", b"\x01\x0b" + struct.pack("<d", float("nan"))]
            return header() + data_values(*odd, *[b"\x01\x07\xff\xff\xff\xff"] * 5, b"\0")

        async with HostileServer(answer) as server, OpcUaDriver(DeviceOptions(endpoint=server.endpoint), RunningClock()) as driver:
            assert (await driver.read(group_of(*["float64"] * 5), 2.0)).values == [1.5] * 5

    run(test)


def test_a_channel_with_no_life_is_not_renewed_for_every_request() -> None:
    async def test() -> None:
        opened = 0

        def raw(name: str) -> None:
            nonlocal opened
            opened += name == "open"

        async with HostileServer(reading(ONE), raw=raw, revised_ms=0) as server:  # type: ignore[arg-type]
            async with OpcUaDriver(DeviceOptions(endpoint=server.endpoint), RunningClock()) as driver:
                for _ in range(20):
                    await driver.read(group_of("float64"), 2.0)
            assert opened <= 2

    run(test)


def test_subscriptions_with_revised_nonsense_keep_their_limits() -> None:
    """Intervals of NaN and of years, handles that nobody gave, statuses for other counts."""

    async def test() -> None:
        def server_for(interval: float, monitored: bytes, publish: bytes | None) -> HostileServer:
            def answer(service: int, parameters: bytes) -> bytes | None:
                if service == READ:
                    return reading(ONE)(service, parameters)
                if service == CREATE:
                    return header() + struct.pack("<IdII", 7, interval, 1, 0xFFFFFFFF)
                return header() + monitored if service == MONITOR else publish

            return HostileServer(answer)

        good = struct.pack("<iIIdI", 1, 0, 1, 50.0, 10) + b"\0\0\0"
        change = struct.pack("<iI", 1, 99) + ONE + struct.pack("<i", 0)
        stranger = (
            header()
            + struct.pack("<Ii", 7, 0)
            + b"\0"
            + struct.pack("<Iqi", 1, 0, 1)
            + b"\1\0\x2b\3\1"
            + struct.pack("<i", len(change))
            + change
        )
        for interval, monitored, publish, cause in (
            (50.0, good, stranger, "bad_answer"),
            (50.0, struct.pack("<i", 5), None, "bad_answer"),
            (float("nan"), good, None, "no_answer"),
            (1e300, good, None, "no_answer"),
        ):
            async with server_for(interval, monitored, publish) as server:
                made = DeviceOptions(endpoint=server.endpoint, request_timeout_s=0.2, subscription_interval_ms=10, queue_size=2)
                async with OpcUaDriver(made, RunningClock()) as driver:
                    driver_limit = "drivers.opcua.stream.silence_s_max"
                    with pytest.MonkeyPatch.context() as patch, pytest.raises(DriverError) as caught:
                        patch.setattr(driver_limit, 0.3)
                        async with asyncio.timeout(5), aclosing(driver.subscribe(group_of("float64"))) as scans:  # type: ignore[type-var]
                            async for _ in scans:
                                pass
                    assert caught.value.cause == cause

    run(test)
