"""Modbus TCP devices for load: many registers that change all the time, cheap to serve, with faults a test switches on.

The protocol part is the sim board's; what differs is the memory.
"""

from __future__ import annotations

import asyncio
import struct
import time
from typing import Self

from boards.sim.pdu import Memory, answer


class Ramp:
    """Every holding register counts up by its own step ten times a second; writes are kept where there is room for them."""

    def read(self, table: str, start: int, count: int) -> list[int]:
        tick = time.monotonic_ns() // 100_000_000
        return [(tick * (1 + n % 7) + 37 * n) & 0xFFFF for n in range(start, start + count)]

    def write(self, table: str, start: int, words: list[int]) -> None:
        return


class LoadDevice:
    """One device on its own port. `delay_s` slows every answer; `dead` takes requests and never answers."""

    def __init__(self, memory: Memory | None = None) -> None:
        self.delay_s = 0.0
        self.dead = False
        self.answered = 0
        self._memory = memory or Ramp()
        self._server: asyncio.Server | None = None

    @property
    def port(self) -> int:
        assert self._server is not None
        return int(self._server.sockets[0].getsockname()[1])

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                transaction, _, length, unit = struct.unpack(">HHHB", await reader.readexactly(7))
                request = await reader.readexactly(length - 1)
                if self.delay_s:
                    await asyncio.sleep(self.delay_s)
                if self.dead:
                    continue
                response = answer(self._memory, request)
                writer.write(struct.pack(">HHHB", transaction, 0, len(response) + 1, unit) + response)
                self.answered += 1
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


def device_config(name: str, port: int, *, tags: int, period_ms: int, groups: int = 1, timeout_s: float = 1.0) -> str:
    """Return the TOML of one such device: `tags` uint16 tags in `groups` groups, all reported on change."""
    lines = [f"[devices.{name}]", 'type = "modbus"', 'host = "127.0.0.1"', f"port = {port}", f"timeout_s = {timeout_s}"]
    per_group = -(-tags // groups)
    for group in range(groups):
        lines += [f"[[devices.{name}.groups]]", f'name = "g{group}"', f"period_ms = {period_ms}"]
        numbers = range(group * per_group, min(tags, (group + 1) * per_group))
        rows = [f'  {{name = "r{n}", address = "holding:{n}", data = "uint16"}},' for n in numbers]
        lines += ["tags = [", *rows, "]"]
    return "\n".join(lines) + "\n"
