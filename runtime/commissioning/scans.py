"""The one scan that a page may have going: started, looked at while it goes on, and ended early.

Room: hall, commissioning. `desk` owns one and answers pages from it; `run` stands under the core's supervisor, because a scan outlives the
request that began it. It reads and never writes; it begins only while the configuration says `commissioning = true`, and ends when that is
set back.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final

import structlog

from drivers.driver import DriverError
from drivers.option_error import OptionError
from runtime.commissioning.line_places import Place, Units, hosts_at, line_of_device, opened_directly, serial_at
from runtime.commissioning.raw_reads import serial_device
from runtime.commissioning.scan_bounds import SETTINGS, Pace, hosts_of, longest_s, port_of, units_of
from runtime.commissioning.scan_run import Scanned, scan
from runtime.config import Config
from runtime.faces.feed import RequestRefusedError
from runtime.registers_asked import LOOK_S, RegisterField

PAUSE_S: Final = 0.1
WAIT_S: Final = 0.5
TIME_S: Final = 300.0
FOUND_MAX: Final = 500
CHECK_S: Final = 0.5
TRANSPORTS: Final = ("tcp", "rtu_over_tcp", "ascii_over_tcp")


class Scans:
    """`begin`, `state` and `cancel` from requests; `run` does the work."""

    def __init__(self, field: RegisterField, config: Callable[[], Config]) -> None:
        self._field, self._config = field, config
        self._wanted: asyncio.Queue[tuple[list[Place], list[int]]] = asyncio.Queue(1)
        self._done = Scanned()
        self._told: dict[str, Any] = {"state": "none", "number": 0}
        self._stop = asyncio.Event()

    def begin(self, asked: Mapping[str, Any], *, only_plan: bool) -> dict[str, Any]:
        """Begin a scan of {units, hosts | device | serial_port, port, transport}, or only say what it would take.

        Raises OptionError, RequestRefusedError `scan_busy`, `commissioning_off`.
        """
        config = self._config()
        if not config.gateway.commissioning:
            raise RequestRefusedError("commissioning_off")
        places, units = self._places(asked, config)
        takes_s = longest_s([each.wait_s for each in places], len(units), PAUSE_S)
        plan = {
            "units": len(units), "places": len(places), "longest_s": round(min(takes_s, TIME_S)), "time_s": round(TIME_S),
            "per_s": round(1 / PAUSE_S),
        }  # fmt: skip
        if only_plan:
            return plan
        if self._told["state"] in ("waiting", "running"):
            raise RequestRefusedError("scan_busy")
        self._done, self._stop = Scanned(), asyncio.Event()
        self._told = {"state": "waiting", "number": self._told["number"] + 1, "plan": plan}
        self._wanted.put_nowait((places, units))
        return self.state()

    def state(self) -> dict[str, Any]:
        """Return {state, number, plan, asked, found, unreached, lost}.

        The state is `none`, `waiting`, `running`, `done`, `time_over`, `cancelled` or `failed`.
        """
        done = self._done
        found = {"found": done.found[:FOUND_MAX], "unreached": done.unreached[:FOUND_MAX], "lost": dict(done.lost)}
        return {**self._told, "asked": done.asked, **found}

    def cancel(self) -> dict[str, Any]:
        """End the scan after the request that is on its way."""
        self._stop.set()
        return self.state()

    async def run(self) -> None:
        """Do what is asked for, one scan at a time."""
        while True:
            places, units = await self._wanted.get()
            self._told["state"] = "running"
            try:
                async with asyncio.TaskGroup() as group:
                    going = group.create_task(
                        scan(places, units, Pace(PAUSE_S, TIME_S), self._opened, lambda _: None, self._done), name="scan"
                    )
                    while not going.done() and not self._ended():
                        await asyncio.wait([going], timeout=CHECK_S)
                    going.cancel()
            except* (DriverError, RequestRefusedError, ValueError) as errors:
                self._told |= {"state": "failed", **_cause(errors)}
                structlog.get_logger("scan").info("scan_failed", cause=self._told.get("cause"))
            else:
                ended = "done" if self._done.is_whole else "cancelled" if self._ended() else "time_over"
                self._told["state"] = ended

    def _ended(self) -> bool:
        return self._stop.is_set() or not self._config().gateway.commissioning

    def _places(self, asked: Mapping[str, Any], config: Config) -> tuple[list[Place], list[int]]:
        transport, serial = asked.get("transport", "tcp"), asked.get("serial_port")
        numbered = transport == "tcp" and serial is None
        units = units_of(str(asked.get("units", "1")), least=0 if numbered else 1, most=255 if numbered else 247)
        if "device" in asked:
            try:
                return [line_of_device(config, str(asked["device"]), running=True, wait_s=WAIT_S)], units
            except LookupError as error:
                raise OptionError("device_unknown", device=str(asked["device"])[:80]) from error
        if serial is not None:
            return serial_at(config, serial_device(serial), list(SETTINGS), running=True, wait_s=WAIT_S), units
        port = port_of(asked.get("port", 502))
        if transport not in TRANSPORTS:
            raise OptionError("scan_transport", value=str(transport)[:20], known=", ".join(TRANSPORTS))
        hosts = hosts_of([part for part in str(asked.get("hosts", "")).replace(",", " ").split() if part])
        if not hosts:
            raise OptionError("scan_hosts", value="")
        return hosts_at(config, hosts, port, transport, running=True, wait_s=WAIT_S), units

    @asynccontextmanager
    async def _opened(self, place: Place, first: int | None) -> AsyncIterator[Units]:
        if place.device:
            yield _Polled(place.device, self._field)
            return
        async with opened_directly(place, first) as units:
            yield units


class _Polled:
    """Units on the line of a device that is polled."""

    def __init__(self, device: str, field: RegisterField) -> None:
        self._device, self._field = device, field

    async def probe(self, unit: int, table: str, start: int, count: int) -> dict[int, int]:
        return await self._field.probe(self._device, unit, table, start, count, LOOK_S)

    async def identify(self, unit: int | None) -> dict[str, str]:
        return await self._field.identify(self._device, unit, LOOK_S)


def _cause(errors: BaseExceptionGroup[BaseException]) -> dict[str, Any]:
    """Return the cause of the first fault, with its parameters."""
    first: BaseException = errors
    while isinstance(first, BaseExceptionGroup):
        first = first.exceptions[0]
    if isinstance(first, DriverError):
        return {"cause": first.cause, "params": dict(first.params)}
    if isinstance(first, RequestRefusedError):
        return {"cause": first.code, "params": dict(first.params)}
    return {"cause": "scan_failed", "params": {"detail": str(first)[:160]}}
