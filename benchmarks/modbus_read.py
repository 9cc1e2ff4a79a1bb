"""CPU per tag of the Modbus driver, from wire to scan, against bare pymodbus loops in the same run.

    python benchmarks/modbus_read.py [--rounds 5] [--json]

Baselines: `bare` reads the same registers with AsyncModbusTcpClient and decodes nothing; `converted` decodes them with pymodbus' own
`convert_from_registers`. A, B and C alternate; ratios are medians.

JSON keys: `registers_per_request`, `rounds`, and `driver` {map: {"us_per_tag": CPU microseconds, "of_bare" and "of_converted": that over
the baselines'}}.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import statistics
import struct
import time
from multiprocessing.connection import Connection

from pymodbus.client import AsyncModbusTcpClient

from drivers.modbus.config import DeviceOptions
from drivers.modbus.driver import ModbusDriver
from drivers.modbus.tag_options import parse_address
from drivers.reading import Tag, TagGroup
from drivers.shared import Shared

registers = 124
reads = 400


class MachineClock:
    """The machine's own time."""

    def wall_ms(self) -> int:
        """Return wall time in ms."""
        return time.time_ns() // 1_000_000

    def mono_ms(self) -> int:
        """Return monotonic time in ms."""
        return time.monotonic_ns() // 1_000_000


class Answerer(asyncio.Protocol):
    """A Modbus server that answers every read with the same registers, as cheaply as Python can."""

    body = struct.pack(f">{registers}H", *range(registers))

    def connection_made(self, transport: asyncio.Transport) -> None:
        """Keep the transport."""
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        """Answer the request."""
        count = int.from_bytes(data[10:12], "big") * 2
        self.transport.write(data[:4] + struct.pack(">H", count + 3) + data[6:8] + bytes((count,)) + self.body[:count])


def serve(pipe: Connection) -> None:
    """Serve in a process of its own, so that its CPU does not count."""

    async def forever() -> None:
        server = await asyncio.get_running_loop().create_server(Answerer, "127.0.0.1", 0)
        pipe.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(forever())


def group_of(kind: str, scale: float) -> TagGroup:
    """Return a group that covers all registers with one type."""
    step = 2 if kind.endswith("32") else 1
    tags = tuple(
        Tag(n, f"t{n}", "dev", "float64", "", parse_address({"address": f"holding:{n * step}", "data": kind, "scale": scale}))
        for n in range(registers // step)
    )
    return TagGroup(1, "dev", "g", 1000, tags)


async def cost_of_driver(port: int, group: TagGroup, word_order: str) -> float:
    """Return CPU microseconds per tag of the driver."""
    options = DeviceOptions.model_validate({"host": "127.0.0.1", "port": port, "word_order": word_order})
    async with ModbusDriver(options, MachineClock(), Shared()) as driver:
        await driver.read(group, 5.0)
        started = time.process_time()
        for _ in range(reads):
            await driver.read(group, 5.0)
        return (time.process_time() - started) / reads / len(group.tags) * 1e6


async def cost_of_pymodbus(port: int, tags: int, convert: bool) -> float:
    """Return CPU microseconds per tag of a bare loop, with or without pymodbus' conversion."""
    client = AsyncModbusTcpClient("127.0.0.1", port=port)
    await client.connect()
    kind = client.DATATYPE.FLOAT32 if tags < registers else client.DATATYPE.INT16
    started = time.process_time()
    for _ in range(reads):
        answer = await client.read_holding_registers(0, count=registers)
        if convert:
            client.convert_from_registers(answer.registers, kind)
    spent = time.process_time() - started
    client.close()
    return spent / reads / tags * 1e6


def main() -> None:
    """Print a line a map, and with --json the figures as the last line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    rounds = options.rounds
    near, far = multiprocessing.Pipe()
    server = multiprocessing.Process(target=serve, args=(far,), daemon=True)
    server.start()
    port = near.recv()
    result: dict[str, dict[str, float]] = {}
    for name, kind, scale, order in (
        ("int16", "int16", 1.0, "big"),
        ("int16_decimal", "int16", 0.1, "big"),
        ("float32", "float32", 1.0, "big"),
        ("float32_word_swapped", "float32", 1.0, "little"),
        ("float32_linear", "float32", 0.25, "big"),
    ):
        group = group_of(kind, scale)
        runs = []
        for _ in range(rounds):
            driver = asyncio.run(cost_of_driver(port, group, order))
            bare = asyncio.run(cost_of_pymodbus(port, len(group.tags), convert=False))
            converted = asyncio.run(cost_of_pymodbus(port, len(group.tags), convert=True))
            runs.append((driver, driver / bare, driver / converted))
        figures = [round(statistics.median(column), 3) for column in zip(*runs, strict=True)]
        result[name] = dict(zip(("us_per_tag", "of_bare", "of_converted"), figures, strict=True))
        print(f"{name}: {figures[0]} us per tag, {figures[1]} of a bare loop, {figures[2]} of one that converts")
    server.terminate()
    server.join()
    if options.json:
        print(json.dumps({"registers_per_request": registers, "rounds": rounds, "driver": result}))


if __name__ == "__main__":
    main()
