"""One address or serial port with the units behind it: which of them may be asked now, and on which connection.

Room: ground, driver `modbus`. `driver.py` joins a line, asks it to `exchange` one request at a time, and leaves it. `lane.py` does the
exchange; nothing here knows bytes.

Units that do not answer, answer wrongly or answer much more slowly than the others are kept away from those that do: on TCP they get a
second connection (unless `single_connection`, or the device refuses one), on a serial line the last place in the queue, and a breaker
leaves a unit alone that has been silent for a while. So a request of a sound unit waits for at most one exchange of an unsound one.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable
from contextlib import AbstractAsyncContextManager
from functools import partial
from typing import Final

from drivers.driver import Clock, DriverError
from drivers.modbus.alone import Alone, sent_causes
from drivers.modbus.breaker import Breaker, passed_over_max
from drivers.modbus.config import DeviceOptions
from drivers.modbus.end_point import line_of
from drivers.modbus.exception_codes import gateway_codes
from drivers.modbus.explain import Known, TagsOf, explain
from drivers.modbus.lane import Lane
from drivers.modbus.request import RefusalError, Request
from drivers.modbus.turns import Row
from drivers.reading import Status
from drivers.recorder import FlightRecorder

unit_faults: Final = frozenset({"no_answer", "bad_answer"})
"""Causes that speak of the unit and not of the line."""
frozen_causes: Final = frozenset({"no_answer", "bad_answer", "connection_lost", "line_noisy"})
"""Faults of which the flight recorder keeps what came before."""
lost_causes: Final = frozenset({"connect_failed", "name_unknown"})
"""Causes by which a connection that was lost is not had again."""
slow_s_min: Final = 0.025
slow_ratio: Final = 8.0
"""A unit is slow when its answers take this many times the others', and at least `slow_s_min`; half of both ends it."""
at_once_s: Final = 0.05
"""A second connection that is lost so soon after the first request on it was not wanted."""
side_pause_s: Final = 600.0
"""How long no second connection is tried after the device would not have it."""


class Line:
    """The units of one address, their breakers and their connections."""

    def __init__(self, options: DeviceOptions, clock: Clock) -> None:
        """Describe the line; connects when first needed."""
        self._users: Counter[int] = Counter()
        self._shape = line_of(options)
        self._clock = clock
        main = self._shape.points[0]
        name = ":".join(map(str, main.place.values()))
        self.recorder = FlightRecorder(name, main.framing, asyncio.get_running_loop().time, clock.wall_ms)
        self.recorder.explainers.append(lambda frames: explain(main.framing, frames, self._known))
        self._tags: dict[int, TagsOf] = {}
        self._main = Lane(self._shape, clock, partial(self.recorder.note, 0))
        self._side: Lane | None = None
        self._probes = 0
        self._side_pause_until = 0.0
        self._side_since = 0.0
        self._side_number = 0
        self._through: dict[int, tuple[int, int]] = {}
        self._breakers: dict[int, Breaker] = {}
        self._alone: dict[int, Alone] = {}
        self._lost_generation = 0
        """The connection after whose end the line was first found gone; 0: none was lost so."""

    @property
    def generation(self) -> int:
        """Grows with every connection made, so that a driver knows when to forget what it learned."""
        return self._main.generation

    @property
    def place(self) -> dict[str, str | int]:
        """What a person is told about where it leads."""
        return self._main.place

    def suits(self, options: DeviceOptions) -> bool:
        """Tell whether a device with these options can share the line: one port has one baud rate, one address one way to be reached."""
        return line_of(options) == self._shape

    def join(self, unit_id: int, tags: TagsOf = lambda _unit: ()) -> None:
        """A device behind this line begins; `tags` tells what its registers are, for whoever reads the flight recorder."""
        self._tags[unit_id] = tags
        self._users[unit_id] += 1
        self._breakers.setdefault(unit_id, Breaker(unit_id))
        self._alone.setdefault(unit_id, Alone())

    def leave(self, unit_id: int) -> bool:
        """A device ends; True when it was the last, and all connections are closed."""
        self._users[unit_id] -= 1
        if not self._users[unit_id]:
            del self._users[unit_id], self._breakers[unit_id], self._tags[unit_id], self._alone[unit_id]
            self._through.pop(unit_id, None)
        if not self._users:
            self.drop()
        return not self._users

    async def exchange(self, request: Request, limit_s: float, until: float) -> bytes:
        """Send one request, connecting first when needed, and return the data of its answer.

        `until` (event loop time) bounds everything, `limit_s` the wait for the answer. Writes go before waiting reads. Raises
        RefusalError when the unit answered with an exception, DriverError for everything else; `breaker_open` when it was not even asked.
        """
        self._require(request.unit_id)
        alone = self._alone[request.unit_id]
        try:
            await alone.enter(until)
        except TimeoutError:
            raise DriverError("unit_busy", Status.BAD_TIMEOUT) from None
        try:
            self._require(request.unit_id)
            if alone.owed is not None and not alone.is_held:
                await self._settle(alone, alone.owed, limit_s, until, is_urgent=request.is_write)
                self._require(request.unit_id)
            return await self._asked(request, limit_s, until, is_urgent=request.is_write)
        except DriverError as error:
            if error.cause in frozen_causes or self._is_lost(error):
                self.recorder.freeze(error.cause, {"unit": request.unit_id, **error.params})
            raise
        finally:
            alone.leave()
            self._drop_unused()

    def _drop_unused(self) -> None:
        """Close what was opened after the last device left: nobody else would."""
        if not self._users:
            self.drop()

    def _require(self, unit_id: int | None = None) -> None:
        """Let nobody ask a unit whose device an edit took away, nor any where all are gone. Raises DriverError `connect_failed`."""
        if not (self._users if unit_id is None else self.has(unit_id)):
            raise DriverError("connect_failed", Status.BAD_NOT_CONNECTED, detail="driver is closed")

    async def _asked(self, request: Request, limit_s: float, until: float, *, is_urgent: bool) -> bytes:
        if len(self._breakers) < 2:  # nobody to protect
            try:
                return await self._main.exchange(request, limit_s, until, Row.URGENT if is_urgent else Row.PLAIN)
            except DriverError as error:
                if error.cause == "line_busy" and not self._probes:  # by nobody but this unit
                    raise DriverError("unit_busy", error.status) from error
                raise
            finally:
                self._went(request.unit_id, self._main)
        return await self._exchange(request, limit_s, until, is_urgent=is_urgent)

    async def _settle(self, alone: Alone, owed: Request, limit_s: float, until: float, *, is_urgent: bool) -> None:
        """Take the answer that a read over a hole may have spoiled; before a write as urgently as that. Raises DriverError.

        Where nothing came, or nothing of use, a write goes on: it would not be known that it was not sent.
        """
        try:
            await self._asked(owed, limit_s, until, is_urgent=is_urgent)
        except RefusalError:
            pass
        except DriverError as error:
            if error.cause not in sent_causes:
                raise
            alone.owed = None
            if not is_urgent:
                raise
        alone.owed = None

    def owe(self, unit_id: int, owed: Request | None) -> None:
        """This has to be asked of the unit before anything else, by whoever asks next; None: nothing."""
        self._alone[unit_id].owed = owed

    def owed(self, unit_id: int) -> Request | None:
        """See `owe`."""
        return self._alone[unit_id].owed

    def alone(self, unit_id: int, until: float) -> AbstractAsyncContextManager[None]:
        """Return what keeps others from asking this unit while the running task asks several requests. Entering raises TimeoutError."""
        return self._alone[unit_id].hold(until)

    def _is_lost(self, error: DriverError) -> bool:
        """Tell whether an address that was connected is not there any more: once a connection: a dead device is tried for long.

        While the main connection stands it was the second one that could not be had: the device is there.
        """
        if error.cause not in lost_causes or self._main.is_open or self.generation == self._lost_generation:
            return False
        self._lost_generation = self.generation
        return True

    async def _exchange(self, request: Request, limit_s: float, until: float, *, is_urgent: bool) -> bytes:
        loop = asyncio.get_running_loop()
        breaker = self._breakers[request.unit_id]
        if not is_urgent and (wait_s := breaker.admit(loop.time())):
            raise DriverError("breaker_open", Status.BAD_NO_COMMUNICATION, unit=request.unit_id, retry_ms=round(wait_s * 1000))
        lane, row = self._way(breaker, loop.time(), is_urgent=is_urgent)
        if lane is self._side and row is Row.PATIENT and not lane.turns.is_free:
            breaker.passed_over += 1
            breaker.undecided()  # others that do not answer are being asked: waiting for them would tell nothing
            raise DriverError("breaker_open", Status.BAD_NO_COMMUNICATION, unit=request.unit_id, retry_ms=round(limit_s * 1000))
        try:
            data = await lane.exchange(request, limit_s, until, row)
        except RefusalError as refusal:
            if refusal.code in gateway_codes:
                breaker.failed(loop.time())
            else:
                self._answered(breaker, lane)
            raise
        except DriverError as error:
            if error.cause in unit_faults:
                breaker.failed(loop.time())
            else:
                breaker.passed_over += error.cause == "line_busy"
                breaker.undecided()
                self._judge_side(lane, error.cause, loop.time())
            raise
        except asyncio.CancelledError:
            breaker.undecided()
            raise
        finally:
            self._went(request.unit_id, lane)
        self._answered(breaker, lane)
        return data

    def _went(self, unit_id: int, lane: Lane) -> None:
        self._through[unit_id] = self._side_number if lane is self._side else 0, lane.generation

    def connection(self, unit_id: int) -> tuple[int, int]:
        """Return which connection the last request to a unit went over, answered or not: the same as long as it stands."""
        return self._through.get(unit_id, (0, 0))

    async def probe(self, request: Request, limit_s: float, until: float) -> bytes:
        """Ask a unit that no device is configured for, after everything else that waits; nothing of it is remembered.

        Where there may be a second connection it goes over that, since a silent unit costs its connection. Raises as `exchange` does.
        """
        self._require()
        self._probes += 1
        try:
            return await self._probe(request, limit_s, until)
        finally:
            self._probes -= 1
            self._drop_unused()

    async def _probe(self, request: Request, limit_s: float, until: float) -> bytes:
        lane, now = self._main, asyncio.get_running_loop().time()
        if self._shape.side_connection and now >= self._side_pause_until:
            lane = self._side or self._open_side(now)
        try:
            return await lane.exchange(request, limit_s, until, Row.PATIENT)
        except DriverError as error:
            self._judge_side(lane, error.cause, now)
            if lane is self._main or self._side is lane:
                raise
        self._require()
        return await self._main.exchange(request, limit_s, until, Row.PATIENT)  # the device has room for one connection only

    def has(self, unit_id: int) -> bool:
        """Tell whether a device of the configuration is this unit."""
        return unit_id in self._users

    def doubt(self, unit_id: int) -> None:
        """What this unit answers next may belong to something else: flush, and make sure first."""
        for lane in (self._main, self._side):
            if lane is not None:
                lane.doubt(unit_id)

    def drop(self) -> None:
        """Give the connections up; the next exchange makes a new one."""
        self._main.drop()
        if self._side is not None:
            self._side.drop()
            self._side = None

    def _way(self, breaker: Breaker, now: float, *, is_urgent: bool) -> tuple[Lane, Row]:
        """Choose the connection and the row for a request."""
        row = Row.URGENT if is_urgent else Row.PLAIN
        if not (breaker.is_suspect or breaker.is_slow):
            return self._main, row
        patient = breaker.passed_over < passed_over_max  # or a connection that slow units always keep busy would shut it out for good
        if breaker.is_suspect and patient and not is_urgent:
            row = Row.PATIENT
        if not self._shape.side_connection or now < self._side_pause_until:
            return self._main, Row.PATIENT if patient and not is_urgent else row
        return self._side or self._open_side(now), row

    def _open_side(self, now: float) -> Lane:
        self._side, self._side_since = Lane(self._shape, self._clock, partial(self.recorder.note, 1)), now
        self._side_number += 1
        return self._side

    def _judge_side(self, lane: Lane, cause: str, now: float) -> None:
        """A device that has room for one connection refuses the second, or gives up the first for it: then there is none for a while."""
        at_once = cause == "connection_lost" and lane.exchange_s < at_once_s
        refused = lane is self._side and (at_once or (cause == "connect_failed" and lane.was_refused))
        ousted = lane is self._main and self._side is not None and cause == "connection_lost" and now - self._side_since < 2.0
        if (refused or ousted) and self._side is not None:
            self._side.drop()
            self._side, self._side_pause_until = None, now + side_pause_s

    def _answered(self, breaker: Breaker, lane: Lane) -> None:
        usual_s = breaker.answered(lane.exchange_s)
        if not breaker.is_slow and usual_s <= slow_s_min:
            return
        usual = sorted(each.usual_s for each in self._breakers.values() if each.usual_s is not None)
        if not usual:
            return  # the device of this unit left meanwhile, and no other has ever answered
        factor = 0.5 if breaker.is_slow else 1.0
        breaker.is_slow = usual_s > factor * max(slow_s_min, slow_ratio * usual[(len(usual) - 1) // 2])

    def _known(self, unit_id: int) -> Iterable[Known]:
        return self._tags[unit_id](unit_id) if unit_id in self._tags else ()
