"""The driver of one Modbus unit: planned reads, confirmed writes.

Room: ground. Made by `factory.py`, asked by the runtime's poller and dispatcher. Never retries a write, never holds the
line for longer than one request, never sees a frame (`lane.py` and the links do).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from types import TracebackType
from typing import Final, Self

from drivers.driver import Clock, DriverError
from drivers.modbus.address import Address
from drivers.modbus.config import DeviceOptions
from drivers.modbus.encode import encode_mask, encode_registers
from drivers.modbus.end_point import line_of
from drivers.modbus.layout import Answer, Layout, ReadBlock
from drivers.modbus.line import Line
from drivers.modbus.request import (
    RefusalError,
    Request,
    read_request,
    write_coil_request,
    write_mask_request,
    write_registers_request,
)
from drivers.reading import Scan, Status, Tag, TagGroup, Value
from drivers.shared import Shared

learned_ms_max: Final = 600_000
"""What a device refused is tried again after ten minutes, so that no tag stays lost because of one bad moment."""

refusal_statuses: Final = {
    1: Status.BAD_NOT_SUPPORTED,
    2: Status.BAD_CONFIGURATION_ERROR,
    3: Status.BAD_CONFIGURATION_ERROR,
    4: Status.BAD_DEVICE_FAILURE,
    10: Status.BAD_NO_COMMUNICATION,
    11: Status.BAD_NO_COMMUNICATION,
}
"""Modbus exception code (V1.1b3, 7) -> status of the block's tags; others: BAD_COMMUNICATION_ERROR."""

address_refusals: Final = (2, 3)
"""Codes by which devices refuse a block that runs over registers they do not have: worth splitting."""

gateway_silences: Final = (10, 11)
"""Codes by which a gateway says that the unit itself said nothing."""

undecided_codes: Final = (4, 5, 11)
"""Refusals after which a write may still have taken effect: failed while doing it, still doing it, gateway heard nothing."""


class ModbusDriver:
    """One unit on a TCP connection or a serial line. See `drivers.driver.Driver` for the contract."""

    def __init__(self, options: DeviceOptions, clock: Clock, shared: Shared) -> None:
        """Describe the device; opens nothing."""
        self._options = options
        self._clock = clock
        self._shared = shared
        self._key = line_of(options).key
        self._line: Line | None = None
        self._layouts: dict[int, tuple[Layout, list[Request]]] = {}
        self._learned_on = 0
        self._learned_at_ms: int | None = None

    async def __aenter__(self) -> Self:
        """Join the line. Raises DriverError `line_settings_differ`."""
        line = self._shared.obtain(self._key, Line, lambda: Line(self._options, self._clock))
        if not line.suits(self._options):
            raise DriverError("line_settings_differ", Status.BAD_CONFIGURATION_ERROR, place=":".join(map(str, line.place.values())))
        line.join(self._options.unit_id)
        self._line = line
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Leave the line; the last one closes it."""
        line, self._line = self._line, None
        if line is not None and line.leave(self._options.unit_id):
            self._shared.forget(self._key)

    async def read(self, group: TagGroup, deadline_s: float) -> Scan:
        """Read all blocks of the group.

        A block that fails gives its own tags a bad status and is read last the next time, so that it cannot starve the
        others. Raises DriverError when the unit answered nothing at all.
        """
        loop = asyncio.get_running_loop()
        until = loop.time() + deadline_s
        layout, requests = self._layout(group)
        if not requests:
            return layout.scan([], self._clock.wall_ms())
        answers: list[Answer] = []
        lost: DriverError | None = None
        lost_at, heard, at = 0, False, 0
        while at < len(requests):
            try:
                answers.append(await self._read_block(layout.blocks[at], requests[at], until))
                heard = True
            except RefusalError as refusal:
                status = refusal_statuses.get(refusal.code, Status.BAD_COMMUNICATION_ERROR)
                if refusal.code in address_refusals:
                    self._learn(layout, requests, at, status)
                    heard = True
                    continue
                if refusal.code in gateway_silences:
                    lost, lost_at = DriverError("device_exception", status, code=refusal.code), at
                else:
                    heard = True
                answers.append(int(status))
            except DriverError as error:
                lost, lost_at = error, at
                if error.cause != "no_answer" or loop.time() >= until:
                    answers += [error.status] * (len(requests) - at)
                    break
                answers.append(error.status)
            at += 1
        scan = layout.scan(answers, self._clock.wall_ms())
        if lost is not None:
            layout.postpone(lost_at)
            requests.append(requests.pop(lost_at))
            if not heard:
                raise lost
        return scan

    def subscribe(self, group: TagGroup) -> AsyncIterator[Scan]:
        """Modbus devices do not push. Raises DriverError `subscribe_not_supported`."""
        raise DriverError("subscribe_not_supported", Status.BAD_NOT_SUPPORTED)

    async def write(self, tag: Tag, value: Value, deadline_s: float) -> None:
        """Write one value with function 5, 6, 16 or 22 and check the echo.

        Raises DriverError: `write_not_supported`, `write_out_of_range`, `write_refused`, a connection cause when nothing
        was sent, or `write_unknown` when it was sent and not confirmed. A cancelled write is unknown as well.
        """
        until = asyncio.get_running_loop().time() + deadline_s
        for request in self._write_requests(tag, value):
            try:
                await self._joined().exchange(request, self._options.request_timeout_s, until)
            except RefusalError as refusal:
                if refusal.code == 1 and request.function_code == 6:
                    continue  # the unit has no function 6: function 16 with one register says the same
                if refusal.code in undecided_codes:
                    raise DriverError("write_unknown", Status.BAD_TIMEOUT, reason=f"exception_{refusal.code}") from refusal
                raise DriverError("write_refused", Status.BAD_DEVICE_FAILURE, code=refusal.code) from refusal
            except DriverError as error:
                if error.cause in ("no_answer", "connection_lost", "bad_answer"):
                    raise DriverError("write_unknown", error.status, reason=error.cause) from error
                raise
            return
        raise DriverError("write_refused", Status.BAD_NOT_SUPPORTED, code=1)

    async def _read_block(self, read: ReadBlock, request: Request, until: float) -> bytes:
        return await self._joined().exchange(request, self._options.request_timeout_s, until)

    def _layout(self, group: TagGroup) -> tuple[Layout, list[Request]]:
        """Return the group's plan, made anew for a changed group, a new connection, or after ten minutes with refusals."""
        if self._learned_at_ms is not None:
            old = self._clock.mono_ms() - self._learned_at_ms > learned_ms_max
            if old or self._joined().generation != self._learned_on:
                self._layouts.clear()
                self._learned_at_ms = None
        known = self._layouts.get(group.uid)
        if known is None or known[0].group is not group:
            try:
                layout = Layout(group, self._options)
            except ValueError as error:
                raise DriverError("address_unusable", Status.BAD_CONFIGURATION_ERROR, detail=str(error)) from error
            known = layout, [self._request(read) for read in layout.blocks]
            self._layouts[group.uid] = known
        return known

    def _learn(self, layout: Layout, requests: list[Request], at: int, status: int) -> None:
        if self._learned_at_ms is None:
            self._learned_at_ms, self._learned_on = self._clock.mono_ms(), self._joined().generation
        requests[at : at + 1] = [self._request(half) for half in layout.refuse(at, status)]

    def _request(self, read: ReadBlock) -> Request:
        return read_request(self._options.unit_id, read.block.table, read.block.start, read.block.count)

    def _write_requests(self, tag: Tag, value: Value) -> list[Request]:
        address, unit_id = tag.address, self._options.unit_id
        if not isinstance(address, Address) or not tag.writable or address.table not in ("coil", "holding"):
            raise DriverError("write_not_supported", Status.BAD_NOT_SUPPORTED)
        if address.table == "coil":
            if not isinstance(value, (bool, int)) or value not in (0, 1):
                raise DriverError("write_out_of_range", Status.BAD_OUT_OF_RANGE, value=str(value))
            return [write_coil_request(unit_id, address.start, bool(value))]
        o = self._options
        address = replace(address, byte_order=address.byte_order or o.byte_order, word_order=address.word_order or o.word_order)
        if address.written_by_mask:
            return [write_mask_request(unit_id, address.start, *encode_mask(address, value))]
        registers = encode_registers(address, value)
        forms = (True, False) if len(registers) == 1 else (False,)
        return [write_registers_request(unit_id, address.start, registers, single) for single in forms]

    def _joined(self) -> Line:
        if self._line is None:
            raise DriverError("connect_failed", Status.BAD_NOT_CONNECTED, detail="driver is closed")
        return self._line
