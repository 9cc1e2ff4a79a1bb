"""The sim board as a process of its own: its ports, clients that know nothing of it, and its control line, on which faults are switched."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import sys
from collections.abc import AsyncIterator

from asyncua import Client
from pymodbus.client import AsyncModbusTcpClient

from tests.rigs.gateway import ROOT


class Sim:
    """A running board: its ports and its control line."""

    def __init__(self, process: asyncio.subprocess.Process, ports: dict, reader, writer) -> None:
        self.process = process
        self.ports = ports
        self._reader = reader
        self._writer = writer

    async def ask(self, **request) -> dict:
        self._writer.write(json.dumps(request).encode() + b"\n")
        return json.loads(await self._reader.readline())

    async def switch(self, device: str, fault: str, on: bool = True, **parameters) -> None:
        answer = await self.ask(device=device, fault=fault, on=on, parameters=parameters)
        assert answer == {"ok": True}

    @contextlib.asynccontextmanager
    async def modbus(self, device: str = "filler", timeout_s: float = 1.0) -> AsyncIterator[AsyncModbusTcpClient]:
        client = AsyncModbusTcpClient("127.0.0.1", port=self.ports[f"{device}_port"], timeout=timeout_s, retries=0, reconnect_delay=0)
        assert await client.connect()
        try:
            yield client
        finally:
            client.close()

    @contextlib.asynccontextmanager
    async def plain(self, name: str = "filler") -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.ports[f"{name}_port"])
        try:
            yield reader, writer
        finally:
            writer.transport.abort()

    def opcua(self, timeout_s: float = 4.0) -> Client:
        return Client(f"opc.tcp://127.0.0.1:{self.ports['capper_port']}/capper", timeout=timeout_s)


@contextlib.asynccontextmanager
async def running(*arguments: str, within_s: float = 60) -> AsyncIterator[Sim]:
    """Run a board; it has to be done with within that time, and to end without a word."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "boards.sim", "--json", *arguments, cwd=ROOT, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    try:
        async with asyncio.timeout(within_s):
            ports = json.loads(await process.stdout.readline())
            reader, writer = await asyncio.open_connection("127.0.0.1", ports["control_port"])
            try:
                yield Sim(process, ports, reader, writer)
            finally:
                writer.close()
            process.send_signal(signal.SIGTERM)
            _, said = await process.communicate()
            assert process.returncode == 0, said.decode()
            assert said == b""
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
