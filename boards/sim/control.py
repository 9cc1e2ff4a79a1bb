"""The control port: one JSON object a line in, one out. It switches faults and tells the truth about the plant.

Room: ground, sim board. `servers.py` gives `serve` to a `Port`; the demo and the tests talk to it. Not a face of the
gateway: it exists only beside the simulated plant, on loopback.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any, Final, Protocol

from boards.sim.faults import KINDS, FaultError, Kind
from boards.sim.filler import Signal

IDLE_S: Final = 3600.0
SEND_S: Final = 10.0
KEYS: Final = frozenset({"fault", "device", "on", "parameters"})


class Line(Protocol):
    """What the control port needs of the running board."""

    async def switch(self, device: str, fault: str, *, on: bool, parameters: dict[str, Any]) -> None:
        """Switch a fault. Raises FaultError."""
        ...

    def active(self) -> dict[str, dict[str, dict[str, float | str]]]:
        """Return device -> fault in force -> its parameters."""
        ...

    def truth(self) -> dict[str, dict[str, Signal | None]]:
        """Return device -> signal -> value, without faults."""
        ...


class Control:
    """Serves one control connection after the other, or several at once."""

    def __init__(self, line: Line) -> None:
        """Act on this line."""
        self._line = line

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer line by line until the client ends or sends a line that is too long."""
        while True:
            try:
                async with asyncio.timeout(IDLE_S):
                    line = await reader.readline()
            except ValueError:
                return
            if not line:
                return
            writer.write(json.dumps(await self.answer(line)).encode() + b"\n")
            async with asyncio.timeout(SEND_S):
                await writer.drain()

    async def answer(self, line: bytes) -> dict[str, Any]:
        """Return the answer to one request: `ok`, and `error` in words when it is false."""
        try:
            request = json.loads(line)
        except (ValueError, RecursionError):
            return _no("not a JSON object")
        if not isinstance(request, dict):
            return _no("not a JSON object")
        if request.get("list") is True:
            faults = {
                name: {"text": kind.text, "parameters": dict(kind.parameters), "devices": list(kind.devices)}
                for name, kind in KINDS.items()
            }
            return {"ok": True, "faults": faults, "active": self._line.active()}
        if request.get("truth") is True:
            return {"ok": True, "truth": self._line.truth()}
        return await self._switch(request)

    async def _switch(self, request: dict[str, Any]) -> dict[str, Any]:
        fault, device, on, parameters = (request.get(key) for key in ("fault", "device", "on", "parameters"))
        if not request.keys() <= KEYS or not isinstance(fault, str) or not isinstance(device, str) or not isinstance(on, bool):
            return _no('ask {"fault": name, "device": name, "on": true or false, "parameters": {}}, {"list": true} or {"truth": true}')
        if parameters is not None and not isinstance(parameters, dict):
            return _no("parameters is an object")
        try:
            await self._line.switch(device, fault, on=on, parameters=parameters or {})
        except FaultError as error:
            return _no(str(error))
        return {"ok": True}


def _describe(kind: Kind) -> dict[str, Any]:
    return {"text": kind.text, "parameters": dict(kind.parameters), "devices": list(kind.devices)}


def _no(why: str) -> dict[str, Any]:
    return {"ok": False, "error": why}
