"""A network on virtual time: hosts that accept, refuse, delay, drop and swallow, for a driver that opens TCP connections itself.

Room: tests, also for authors of drivers. `VirtualLoop.network` makes `loop.create_connection` lead here, so that the driver, its links and
its framing are production's own, and only the wire is a call. A host speaks to the driver's bytes by a `Speaker`.

    host = network.host("10.0.0.1", 502, lambda: ModbusSpeaker(unit))
    host.refuses = True           # nobody listens: a restarting PLC
    host.drop()                   # every connection is reset
    host.hangs = True             # connections stay and nothing comes any more
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from random import Random
from typing import Any, Protocol


class Speaker(Protocol):
    """One connection's far end."""

    def heard(self, data: bytes) -> bytes:
        """Return what is to be sent back now; empty: nothing."""
        ...


class Host:
    """One address. `latency_s` is one way, `takes_s` goes by before an answer; answers may come in pieces, by the seed."""

    def __init__(self, speaker: Callable[[], Speaker], rng: Random) -> None:
        self.refuses = self.hangs = False
        self.latency_s = 0.002
        self.takes_s = 0.0
        self.connections = 0
        self._speaker, self._rng = speaker, rng
        self._open: set[Wire] = set()

    def drop(self) -> None:
        """Reset every connection."""
        for wire in list(self._open):
            wire.lose(ConnectionResetError())

    async def connect(self, make: Callable[[], Any]) -> tuple[Wire, Any]:
        """Return (transport, protocol) as a loop does. Raises ConnectionRefusedError."""
        await asyncio.sleep(self.latency_s)
        if self.refuses:
            raise ConnectionRefusedError
        self.connections += 1
        protocol = make()
        wire = Wire(self, protocol, self._speaker(), self._rng)
        self._open.add(wire)
        protocol.connection_made(wire)
        return wire, protocol

    def closed(self, wire: Wire) -> None:
        """Forget a connection that has ended."""
        self._open.discard(wire)


class Wire(asyncio.Transport):
    """One connection: our end is a transport, the far end is the host's speaker."""

    def __init__(self, host: Host, protocol: Any, speaker: Speaker, rng: Random) -> None:
        super().__init__()
        self._host, self._protocol, self._speaker, self._rng = host, protocol, speaker, rng
        self._loop = asyncio.get_running_loop()
        self._is_open = True

    def write(self, data: Any) -> None:
        if self._is_open and not self._host.hangs:
            self._loop.call_later(self._host.latency_s, self._arrived, bytes(data))

    def _arrived(self, data: bytes) -> None:
        if not self._is_open:
            return
        answer = self._speaker.heard(data)
        cut = self._rng.randint(1, len(answer)) if answer and self._rng.random() < 0.05 else len(answer)
        for delay_s, piece in ((self._host.latency_s, answer[:cut]), (2 * self._host.latency_s, answer[cut:])):
            if piece:
                self._loop.call_later(self._host.takes_s + delay_s, self._deliver, piece)

    def _deliver(self, piece: bytes) -> None:
        if self._is_open and not self._host.hangs:
            self._protocol.data_received(piece)

    def lose(self, error: Exception | None) -> None:
        """End it as the far end or the network would."""
        if self._is_open:
            self.abort()
            self._loop.call_soon(self._protocol.connection_lost, error)

    def abort(self) -> None:
        self._is_open = False
        self._host.closed(self)

    def close(self) -> None:
        self.lose(None)

    def is_closing(self) -> bool:
        return not self._is_open

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return default


class Network:
    """Hosts by (address, port). An address that nobody has refuses."""

    def __init__(self, seed: int) -> None:
        self._rng = Random(f"network {seed}")
        self.hosts: dict[tuple[str, int], Host] = {}

    def host(self, address: str, port: int, speaker: Callable[[], Speaker]) -> Host:
        """Let there be a host, and return it."""
        return self.hosts.setdefault((address, port), Host(speaker, self._rng))

    async def connect(self, make: Callable[[], Any], address: str, port: int) -> tuple[Wire, Any]:
        """Do what `loop.create_connection` does. Raises ConnectionRefusedError."""
        host = self.hosts.get((address, port))
        if host is None:
            raise ConnectionRefusedError
        return await host.connect(make)
