"""One connection of a line: opened when needed, one turn after another, given up when an answer is not to be trusted.

Room: ground, driver `modbus`. `line.py` has one lane, and a second for units that do not answer. Knows nothing of units but their numbers.

A request that was given up is never followed by another as if nothing had been. TCP: the connection ends, because devices exist that label
a late answer with the number of the newest question. Serial frames have no number at all; there the unit is in doubt until `doubts.py` says
otherwise.
"""

from __future__ import annotations

import asyncio
from typing import Final

from drivers.driver import Clock, DriverError
from drivers.modbus.connecting import Connecting
from drivers.modbus.doubts import Doubts
from drivers.modbus.end_point import LineShape
from drivers.modbus.link import Link, LinkError, Record, over_s
from drivers.modbus.request import OddAnswerError, RefusalError, Request, judge
from drivers.modbus.turns import Row, Turns
from drivers.reading import Status

statuses: Final = {"no_answer": Status.BAD_TIMEOUT, "bad_answer": Status.BAD_DECODING_ERROR}
again_silence_s: Final = 0.02
"""Silence before a request whose answer would look like the one before it, on a line that numbers nothing: a second copy of that one may
still be on its way, for the 16 ms that USB adapters keep what they have heard. Requests that differ in unit, function or length need no
more than 3.5 characters.
"""
rest_limits: Final = 2
"""Time limits that a serial unit rests after a request that was given up, when no echo can make sure of it."""
silence_s_max: Final = 0.5
"""A serial line that is never silent for so long carries nothing but noise."""


class Lane:
    """A connection and the turns on it."""

    def __init__(self, shape: LineShape, clock: Clock, record: Record) -> None:
        """Describe it; connects when first needed."""
        main = shape.points[0]
        is_mbap = main.framing == "mbap"
        self.turns = Turns(shape.in_flight if is_mbap else 1)
        self.place = main.place
        self._connecting = Connecting(shape, clock, record)
        self._doubts = None if is_mbap else Doubts()
        self._link: Link | None = None
        self._opening = asyncio.Lock()
        self._turnaround_s = shape.turnaround_s
        # 3.5 characters of silence between frames, 1.75 ms at the least above 19200 baud (V1.02, 2.5.1.1)
        self._gap_s = max(0.00175, 3.5 * main.character_s) if main.serial_port else 0.0
        self._free_at = 0.0
        self._asked: Request | None = None
        self.exchange_s = 0.0
        """How long the last exchange took, from the first byte sent."""

    @property
    def generation(self) -> int:
        """How many connections were made."""
        return self._connecting.made

    @property
    def is_open(self) -> bool:
        """Whether there is a connection."""
        return self._link is not None and self._link.is_open

    @property
    def was_refused(self) -> bool:
        """Whether the device would not have the last connection that was tried."""
        return self._connecting.was_refused

    async def exchange(self, request: Request, limit_s: float, until: float, row: Row) -> bytes:
        """Ask once and return the data of the answer. See `Line.exchange`."""
        turns, time = self.turns, asyncio.get_running_loop().time
        if self._doubts is not None and (wait_s := (quiet_until := self._doubts.quiet_until(request.unit_id)) - time()) > 0:
            await asyncio.sleep(min(wait_s, until - time()))  # without holding the line
            if quiet_until >= until:  # it rests longer than the caller waits
                retry_ms = max(1, round((quiet_until - time()) * 1000))
                raise DriverError("breaker_open", Status.BAD_NO_COMMUNICATION, unit=request.unit_id, retry_ms=retry_ms)
        try:
            if turns.is_free:
                await turns.take(row)
            else:
                least_s = min(limit_s, until - time()) / 2
                async with asyncio.timeout_at(until):
                    await turns.take(row)
                if until - time() < least_s:
                    turns.give()
                    raise TimeoutError  # what is left is too short to blame the unit for saying nothing
        except TimeoutError:
            raise DriverError("line_busy", Status.BAD_TIMEOUT, **self.place) from None
        try:
            return await self._exchange(request, limit_s, until)
        finally:
            turns.give()

    def drop(self) -> None:
        """Give the connection up; the next exchange makes a new one."""
        link, self._link = self._link, None
        if link is not None:
            link.close()

    def doubt(self, unit_id: int) -> None:
        """What this unit answers next may be an answer to something else: make sure first."""
        if self._doubts is None:
            self.drop()
        else:
            self._doubts.add(unit_id, asyncio.get_running_loop().time(), 0.0)

    async def _exchange(self, request: Request, limit_s: float, until: float) -> bytes:
        loop = asyncio.get_running_loop()
        if until - loop.time() < over_s:
            raise DriverError("line_busy", Status.BAD_TIMEOUT, **self.place)
        link = self._link
        if link is None or not link.is_open or self._connecting.wants_main:
            link = await self._open(until)
        if self._doubts is not None or self._turnaround_s:
            await self._wait_for_silence(link, until, self._silence_s(request))
        began = loop.time()
        try:
            if self._doubts is not None:
                await self._make_sure(self._doubts, link, request, limit_s, until)
            data = judge(request, await link.ask(request, min(loop.time() + limit_s, until)))
        except LinkError as error:
            self._given_up(link, request, error.cause, limit_s)
            raise self._fault(error.cause, error.detail, limit_s) from error
        except OddAnswerError as odd:
            self._given_up(link, request, "bad_answer", limit_s)
            raise self._fault("bad_answer", odd.detail, limit_s) from odd
        except RefusalError:
            self._answered(request.unit_id)
            raise
        except asyncio.CancelledError:
            self._given_up(link, request, "cancelled", limit_s)
            raise
        finally:
            now = loop.time()
            self.exchange_s, self._free_at = now - began, now + self._turnaround_s
        self._answered(request.unit_id)
        return data

    async def _make_sure(self, doubts: Doubts, link: Link, request: Request, limit_s: float, until: float) -> None:
        """Clear the port, and the unit of what it may still have to say. Raises LinkError."""
        loop = asyncio.get_running_loop()
        if await link.drain():
            doubts.add(self._asked.unit_id if self._asked else 0, loop.time(), rest_limits * limit_s)
        self._asked = request
        if (echo := doubts.question(request.unit_id)) is None:
            return
        try:
            judge(echo, await link.ask(echo, min(loop.time() + limit_s, until)))
        except RefusalError:
            pass  # it knows no function 8, and has said so after all that it had to say before
        except LinkError:
            doubts.unanswered(request.unit_id, loop.time() + rest_limits * limit_s)
            raise
        doubts.cleared(request.unit_id)
        await self._wait_for_silence(link, until, self._gap_s)

    def _answered(self, unit_id: int) -> None:
        self._connecting.answered()
        if self._doubts is not None:
            self._doubts.answered(unit_id)

    def _given_up(self, link: Link, request: Request, cause: str, limit_s: float) -> None:
        if self._doubts is None or cause == "connection_lost":
            link.close()
            if self._link is link:
                self._link = None
        if self._doubts is not None:
            self._doubts.add(request.unit_id, asyncio.get_running_loop().time(), rest_limits * limit_s)
        if cause == "no_answer":
            self._connecting.unanswered()

    async def _open(self, until: float) -> Link:
        async with self._opening:  # more than one may be here when requests are pipelined
            if self._link is None or not self._link.is_open or self._connecting.wants_main:
                self._link = await self._connecting.open(self._link, until)
            return self._link

    def _silence_s(self, request: Request) -> float:
        """Return how long the line must be silent before this request."""
        asked = self._asked
        if self._doubts is None or asked is None or asked.unit_id != request.unit_id:
            return self._gap_s
        alike = asked.pdu[0] == request.pdu[0] and asked.answer_bytes == request.answer_bytes
        return again_silence_s if alike else self._gap_s

    async def _wait_for_silence(self, link: Link, until: float, silence_s: float) -> None:
        """Wait until the line has been silent for so long and the device has had its pause."""
        loop = asyncio.get_running_loop()
        give_up_at = min(until, loop.time() + silence_s_max + self._turnaround_s)
        while (wait_s := max(link.heard_at + silence_s, self._free_at) - loop.time()) > 0:
            if loop.time() + wait_s > give_up_at:
                raise DriverError("line_noisy", Status.BAD_COMMUNICATION_ERROR, **self.place)
            await asyncio.sleep(wait_s)

    def _fault(self, cause: str, detail: str, limit_s: float) -> DriverError:
        status = statuses.get(cause, Status.BAD_COMMUNICATION_ERROR)
        if cause == "no_answer":
            return DriverError(cause, status, timeout_ms=round(limit_s * 1000))
        if cause == "bad_answer":
            return DriverError(cause, status, detail=detail)
        return DriverError(cause, status, **self.place)
