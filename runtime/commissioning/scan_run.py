"""One scan: unit after unit, one request at a time with a pause after each, until all were asked or the time is over.

Room: hall, commissioning. The verb `scan` and `scans` run it. It reads registers and identifications, never writes, and asks only what it
was told to ask.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from drivers.driver import DriverError
from drivers.modbus import sunspec
from drivers.modbus.exception_codes import busy_codes, gateway_codes, lacking_codes
from drivers.templates.likeness import like
from runtime.commissioning.line_places import Opener, Place, Units, cause_of
from runtime.commissioning.scan_bounds import Pace
from runtime.faces.feed import RequestRefusedError

SILENT: Final = frozenset({"no_answer", "breaker_open", "connection_lost"})
BUSY_TRIES: Final = 3
LOST: Final = frozenset({"connect_failed", "name_unknown", "line_noisy", "line_busy", "unit_busy", "tls_refused", "tls_not_pinned"})
"""Causes that end a place: the next unit would fare no better."""
Looked = TypeVar("Looked")


@dataclass
class Scanned:
    """What came of it. `found` has a row per unit, `lost` a cause per place that could not be asked.

    `refused` in a row is the exception code with which the unit refused holding:0; `unreached` has a row of place, unit and code for each
    unit in whose name a converter said that it has no answer (10, 11). `broke_off` in a row is {cause, params}:
    why no more was asked of the unit, so that what it is may be missing.
    `asked` counts looks: one is one request, but an identification with all its parts.
    """

    found: list[dict[str, Any]] = field(default_factory=list)
    lost: dict[str, str] = field(default_factory=dict)
    unreached: list[dict[str, Any]] = field(default_factory=list)
    asked: int = 0
    is_whole: bool = False

    def has_reached_nobody(self, places: int) -> bool:
        """Whether each of so many places was lost with its first look."""
        return len(self.lost) == self.asked == places


async def scan(
    places: Sequence[Place],
    units: Sequence[int],
    pace: Pace,
    units_at: Opener,
    tell: Callable[[dict[str, Any]], None],
    done: Scanned | None = None,
) -> Scanned:
    """Ask every unit of every place, as `units_at` opens it; `done` fills while it goes on.

    Raises DriverError, RequestRefusedError for what makes the whole scan impossible.
    """
    done = done if done is not None else Scanned()
    try:
        async with asyncio.timeout(pace.time_s):
            for place in places:
                before = len(done.found)
                await _scan_place(place, units, pace, units_at, done, tell)
                if place.settings and len(done.found) > before:
                    break  # all units of a line have the same settings
            done.is_whole = True
    except TimeoutError:
        pass
    return done


async def _scan_place(
    place: Place, units: Sequence[int], pace: Pace, units_at: Opener, done: Scanned, tell: Callable[[dict[str, Any]], None]
) -> None:
    async with units_at(place, units[0]) as line:
        paced = _Paced(line, pace.pause_s, done)
        for unit in units:
            try:
                how, code = await _answers(paced, unit)
            except (DriverError, RequestRefusedError) as error:
                if cause_of(error) not in LOST:
                    raise
                done.lost[place.text] = cause_of(error)
                return
            if how is None and code is not None:
                done.unreached.append({"place": place.text, "unit": unit, "code": code})
            if how is None or (how == "odd" and place.settings):
                continue  # on a serial line, nonsense is what other settings sound like
            row = {"place": place.text, "unit": unit, "how": how, "identification": {}, "sunspec": [], "templates": [], **place.settings}
            if code is not None:
                row["refused"] = code
            done.found.append(row)
            if how == "answers":
                await _look_closer(paced, unit, row)
            tell(row)


async def _answers(line: Units, unit: int) -> tuple[str | None, int | None]:
    """Return how a unit answers, and the exception code where it refused.

    It `answers`, is `odd` (not as Modbus says) or `polled` (another device of the gateway's); None: not at all.
    """
    try:
        await line.probe(unit, "holding", 0, 1)
    except (DriverError, RequestRefusedError) as error:
        cause = cause_of(error)
        if cause in SILENT:
            return None, None
        if cause == "device_exception":
            code = int(error.params.get("code") or 0)
            return (None if code in gateway_codes else "answers"), code
        if cause in ("unit_in_use", "bad_answer"):
            return ("polled" if cause == "unit_in_use" else "odd"), None
        raise
    return "answers", None


async def _look_closer(line: Units, unit: int, row: dict[str, Any]) -> None:
    """Ask a unit what it is; what it does not have is left out. One that is busy is asked again, and no longer once it stays so."""

    async def fetch(table: str, start: int, count: int) -> dict[int, int]:
        return await _unless_busy(lambda: line.probe(unit, table, start, count), lacking_codes, {})

    try:
        row["identification"] = await _unless_busy(lambda: line.identify(unit), busy_codes, {})
        models = await sunspec.models_of(fetch)
        row["sunspec"] = [{"model": model, "at": at, "name": sunspec.names.get(model, "")} for model, at in models]
        row["templates"] += [{"name": sunspec.templates[model], "base": at} for model, at in models if model in sunspec.templates]
        row["templates"] += [{"name": name, "fits": fits} for name, fits in await like(fetch)]
    except (DriverError, RequestRefusedError) as error:
        row["broke_off"] = {"cause": cause_of(error), "params": dict(error.params)}


async def _unless_busy(look: Callable[[], Awaitable[Looked]], without: frozenset[int], nothing: Looked) -> Looked:
    """Look until the unit is not busy, BUSY_TRIES times at most; `nothing` where it refuses in the end with a code of `without`.

    So the other looks go on. Raises DriverError, RequestRefusedError for the rest.
    """
    left = BUSY_TRIES
    while True:
        try:
            return await look()
        except (DriverError, RequestRefusedError) as error:
            left -= 1
            code = error.params.get("code") if cause_of(error) == "device_exception" else None
            if code in busy_codes and left:
                continue
            if code in without:
                return nothing
            raise


class _Paced:
    """Units that are asked slowly, and counted."""

    def __init__(self, line: Units, pause_s: float, done: Scanned) -> None:
        self._line, self._pause_s, self._done = line, pause_s, done

    async def probe(self, unit: int, table: str, start: int, count: int) -> dict[int, int]:
        try:
            return await self._line.probe(unit, table, start, count)
        finally:
            await self._rest()

    async def identify(self, unit: int | None) -> dict[str, str]:
        try:
            return await self._line.identify(unit)
        finally:
            await self._rest()

    async def _rest(self) -> None:
        self._done.asked += 1
        await asyncio.sleep(self._pause_s)
