"""Probes that a person asks for: a name, a port, TLS, a Modbus unit; one at a time, five seconds at the most, never a write.

Room: hall, diagnostics. `desk` asks it for whoever may `diag.probe`. Only addresses of the configuration are tried, others while
`gateway.commissioning` is true. The port of a polled Modbus device is never connected to: many devices allow one connection, and it is the
gateway's; they are asked through it instead. A probe changes nothing and is no act: the log says who asked for what.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

import structlog

from drivers.driver import DriverError
from drivers.modbus.exception_codes import lacking_codes
from runtime.clock import Clock
from runtime.commissioning.line_places import Place, opened_directly
from runtime.config import Config
from runtime.diagnostics import reach
from runtime.diagnostics.addresses import Address, addresses_of
from runtime.diagnostics.aside import Aside
from runtime.diagnostics.connected import is_connected
from runtime.diagnostics.reach import ProbeError
from runtime.faces.feed import RequestRefusedError
from runtime.registers_asked import RegisterField

KINDS: Final = ("name", "tcp", "tls", "modbus")
PROBE_S: Final = 5.0
NAMES_SHARE: Final = 0.3
"""How much of it may go into where the names of polled devices lead."""
NO_ANSWER: Final = "probe_no_answer"
TABLES: Final = ("holding", "input")
_HOST: Final = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9._:%-]{0,251}[A-Za-z0-9_])?")


class Probes:
    """`probe` asks, `targets` lists what may be asked without commissioning."""

    def __init__(self, config: Callable[[], Config], field: RegisterField, clock: Clock) -> None:
        self._config, self._field, self._clock = config, field, clock
        self._busy, self._aside = asyncio.Lock(), Aside()

    def targets(self) -> dict[str, Any]:
        """Return the addresses of the configuration, and whether others may be tried."""
        config = self._config()
        return {"addresses": [each.plain() for each in addresses_of(config)], "commissioning": config.gateway.commissioning}

    async def probe(self, by: str, asked: Mapping[str, Any]) -> dict[str, Any]:
        """Return what came of it. Params: kind, host, port; of Modbus also unit, table, address.

        Raises RequestRefusedError for what may not be asked; what fails is an answer: {ok: false, code, params}.
        """
        kind, host, port = _asked(asked)
        known = addresses_of(self._config())
        is_named = any(each.host == host and (kind == "name" or each.port == port) for each in known)
        if not is_named and not self._config().gateway.commissioning:
            raise RequestRefusedError("probe_not_configured", host=host)
        if self._busy.locked() or not (self._aside.is_free or reach.is_address(host)):
            raise RequestRefusedError("probe_busy")
        async with self._busy:
            structlog.get_logger("probe").info("probe_asked", by=by, kind=kind, host=host, port=port)
            answer: dict[str, Any] = {"kind": kind, "host": host, "port": port, "ok": False, "code": None, "params": {}, "line": ""}
            began_ms = self._clock.mono_ms()
            resolved: list[str] = []
            try:
                async with asyncio.timeout(PROBE_S):
                    resolved, name_ms = await self._timed(self._resolve(host))
                    answer |= {"addresses": resolved, "name_ms": name_ms} | await self._carry_out(kind, host, port, asked, known, resolved)
                answer["ok"] = True
            except TimeoutError:
                silent = {"code": NO_ANSWER, "params": {"limit_s": PROBE_S}}
                answer |= silent if resolved else {"code": reach.NAME_SILENT, "params": {"host": host}}
            except ProbeError as error:
                answer |= {"code": error.code, "params": dict(error.params)}
            except DriverError as error:
                answer |= {"code": error.cause, "params": dict(error.params)}
            return answer | {"took_ms": self._clock.mono_ms() - began_ms}

    async def _carry_out(
        self, kind: str, host: str, port: int, asked: Mapping[str, Any], known: list[Address], resolved: list[str]
    ) -> dict[str, Any]:
        found: dict[str, Any] = {}
        if kind == "name":
            return found
        line, silent = await self._line_at(resolved, host, port, known)
        if line:
            return found | {"line": line} | await self._through(line, kind, asked)
        if silent is not None:
            await self._refuse_unless_free(silent, resolved, port)
            found["silent"] = silent.host
        if kind == "modbus":
            return found | await self._directly(resolved[0], port, asked)
        if kind == "tcp":
            _, connect_ms = await self._timed(reach.connect(resolved[0], port))
            return found | {"connect_ms": connect_ms}
        shown, connect_ms = await self._timed(reach.handshake(resolved[0], port, host))
        now = datetime.fromtimestamp(self._clock.wall_ms() / 1000, UTC)
        told = await self._aside.run(lambda: reach.describe(shown.certificate, host, now))
        return found | {"connect_ms": connect_ms, "tls": {"version": shown.version, "cipher": shown.cipher, **told}}

    async def _through(self, line: str, kind: str, asked: Mapping[str, Any]) -> dict[str, Any]:
        """Ask a polled device over the connection that the gateway has, whatever was to be probed."""
        unit = _unit(asked) if kind == "modbus" else None
        unit = None if unit == self._unit_of(line) else unit
        if unit is not None and not self._config().gateway.commissioning:
            raise RequestRefusedError("commissioning_off")
        place = _register(asked) if kind == "modbus" else None
        if place is None:
            identity, answer_ms = await self._timed(self._field.identify(line, unit, PROBE_S))
            return {"identity": identity, "connect_ms": answer_ms}
        table, start = place
        if unit is None:
            held, answer_ms = await self._timed(_held(self._field.registers(line, table, start, 1, PROBE_S)))
        else:
            held, answer_ms = await self._timed(_held(self._field.probe(line, unit, table, start, 1, PROBE_S)))
        return {**held, "connect_ms": answer_ms}

    async def _directly(self, address: str, port: int, asked: Mapping[str, Any]) -> dict[str, Any]:
        """Ask a unit that the gateway does not poll; opened for this, and closed."""
        unit, place = _unit(asked), _register(asked)
        unit = 1 if unit is None else unit
        options = {"transport": "tcp", "host": address, "port": port, "request_timeout_s": 2.0}
        began_ms = self._clock.mono_ms()
        async with opened_directly(Place(f"{address}:{port}", options=options, wait_s=2.0), unit) as units:
            if place is None:
                found: dict[str, Any] = {"identity": await units.identify(unit)}
            else:
                found = await _held(units.probe(unit, place[0], place[1], 1))
        return found | {"connect_ms": self._clock.mono_ms() - began_ms}

    def _unit_of(self, line: str) -> int:
        options = next((each.options for each in self._config().devices if each.name == line), None)
        return int(getattr(options, "unit_id", 1))

    async def _line_at(self, resolved: list[str], host: str, port: int, known: list[Address]) -> tuple[str, Address | None]:
        """Return the polled device that a connection there would reach, under whatever name; empty when none is.

        And the first of which that cannot be told, because no name server has said in time where its name leads.
        """
        lines = [each for each in known if each.line and each.port == port]
        for each in lines:
            if each.host == host or (reach.is_address(each.host) and set(reach.resolve(each.host)) & set(resolved)):
                return each.line, None
        silent: Address | None = None
        try:
            async with asyncio.timeout(PROBE_S * NAMES_SHARE):
                for silent in (each for each in lines if not reach.is_address(each.host)):
                    if not self._aside.is_free:  # the look-up of a probe before still waits
                        return "", silent
                    with contextlib.suppress(ProbeError):  # its name means nothing now, so nothing leads there
                        if set(await self._resolve(silent.host)) & set(resolved):
                            return silent.line, None
        except TimeoutError:
            return "", silent
        return "", None

    async def _refuse_unless_free(self, silent: Address, resolved: list[str], port: int) -> None:
        """Where a name may lead is not known: stay away from what this machine has a connection to. Raises ProbeError."""
        try:
            is_taken = await self._aside.run(lambda: is_connected(resolved, port))
        except OSError:
            is_taken = True
        if is_taken:
            raise ProbeError("probe_line_not_known", name=silent.host, address=resolved[0], port=port)

    async def _resolve(self, host: str) -> list[str]:
        return reach.resolve(host) if reach.is_address(host) else await self._aside.run(lambda: reach.resolve(host))

    async def _timed(self, work: Awaitable[Any]) -> tuple[Any, int]:
        began_ms = self._clock.mono_ms()
        found = await work
        return found, self._clock.mono_ms() - began_ms


def _asked(asked: Mapping[str, Any]) -> tuple[str, str, int]:
    match asked:
        case {"kind": str(kind), "host": str(host)} if kind in KINDS and _HOST.fullmatch(host):
            port = asked.get("port", 0)
            if type(port) is int and (1 <= port <= 65_535 or (kind == "name" and port == 0)):
                return kind, host, port
    raise RequestRefusedError("probe_shape")


def _unit(asked: Mapping[str, Any]) -> int | None:
    unit = asked.get("unit")
    if unit is not None and (type(unit) is not int or not 0 <= unit <= 255):
        raise RequestRefusedError("probe_shape")
    return unit


def _register(asked: Mapping[str, Any]) -> tuple[str, int] | None:
    """Return (table, address) of the register to read; None: ask what the unit is."""
    start, table = asked.get("address"), asked.get("table", "holding")
    if start is None:
        return None
    if type(start) is not int or not 0 <= start <= 65_535 or table not in TABLES:
        raise RequestRefusedError("probe_shape")
    return table, start


async def _held(look: Awaitable[dict[int, int]]) -> dict[str, Any]:
    """Return what a look at one register found: {registers: [[address, register]]}.

    None, and the exception code as `refused`, where the unit refuses it and so may have no such one. Raises DriverError for else.
    """
    try:
        return {"registers": [[at, word] for at, word in sorted((await look).items())]}
    except DriverError as error:
        if error.cause == "device_exception" and error.params.get("code") in lacking_codes:
            return {"registers": [], "refused": error.params["code"]}
        raise
