"""The driver of one Modbus unit: planned reads, confirmed writes.

Room: ground. Made by `factory.py`, asked by the runtime's poller and dispatcher. Never retries a write, never holds the
line for longer than one request, never sees a frame (`lane.py` and the links do).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import Final, Self

from drivers.driver import Clock, DriverError
from drivers.modbus.address import Address, time_kinds
from drivers.modbus.config import DeviceOptions
from drivers.modbus.encode import encode_mask, encode_registers, resolution_of, sent_value
from drivers.modbus.end_point import line_of
from drivers.modbus.explain import Known
from drivers.modbus.identification import Ask, identified, identity
from drivers.modbus.layout import resolve
from drivers.modbus.line import Line
from drivers.modbus.look import look_at
from drivers.modbus.planner import Block
from drivers.modbus.reader import UnitReader
from drivers.modbus.request import (
    RefusalError,
    Request,
    read_request,
    write_coil_request,
    write_coils_request,
    write_mask_request,
    write_registers_request,
)
from drivers.reading import Scan, Status, Tag, TagGroup, Value
from drivers.shared import Shared

requests_kept_max: Final = 2048
"""Built requests that are kept; learning asks many that are asked once."""

undecided_codes: Final = (4, 5, 11)
"""Refusals after which a write may still have taken effect: failed while doing it, still doing it, gateway heard nothing."""


single_functions: Final = (5, 6)
"""Functions that write one coil or register, and that some units lack: they have 15 or 16."""


class ModbusDriver:
    """One unit on a TCP connection or a serial line. See `drivers.driver.Driver` for the contract."""

    def __init__(self, options: DeviceOptions, clock: Clock, shared: Shared, name: str = "") -> None:
        """Describe the device; opens nothing. What is learned of it is kept under `name`."""
        self._options = options
        self._clock = clock
        self._shared = shared
        self._key = line_of(options).key
        self._line: Line | None = None
        self._groups: dict[int, TagGroup] = {}
        self._generation = 0
        self._requests: dict[tuple[str, int, int], Request] = {}
        place = ":".join(map(str, (*self._key[1:], options.unit_id)))
        memory = shared.memory("modbus", name)
        ways = self._identity, self._alone, self._owe, self._connection
        self._reader = UnitReader(options, clock, self._ask, self._resync, memory, place, *ways)

    @property
    def line_key(self) -> tuple[str | int, ...]:
        """See `drivers.abilities.OnLine`."""
        return self._key

    async def __aenter__(self) -> Self:
        """Join the line. Raises DriverError `line_settings_differ`."""
        line = self._shared.obtain(self._key, Line, lambda: Line(self._options, self._clock))
        if not line.suits(self._options):
            raise DriverError("line_settings_differ", Status.BAD_CONFIGURATION_ERROR, place=":".join(map(str, line.place.values())))
        line.join(self._options.unit_id, self._known)
        if (owed := self._owed().pop(self._options.unit_id, None)) is not None:
            line.owe(self._options.unit_id, owed)
        self._forget_owed()
        self._line = line
        self._shared.recorders[line.recorder.line] = line.recorder
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Leave the line; the last one closes it."""
        line, self._line = self._line, None
        if line is None:
            return
        owed, is_last = line.owed(self._options.unit_id), line.leave(self._options.unit_id)
        if owed is not None and not line.has(self._options.unit_id):  # else another device is the same unit, and keeps it
            self._owed()[self._options.unit_id] = owed
        if is_last:
            self._shared.forget(self._key)
            self._shared.recorders.pop(line.recorder.line, None)

    async def read(self, group: TagGroup, deadline_s: float) -> Scan:
        """Read all blocks of the group, and learn from what is refused; see `reader.py`."""
        if group.uid >= 0:  # what is read besides the polls has tags of groups that are polled
            self._groups[group.uid] = group
        return await self._reader.read(group, asyncio.get_running_loop().time() + deadline_s)

    def subscribe(self, group: TagGroup) -> AsyncIterator[Scan]:
        """Modbus devices do not push. Raises DriverError `subscribe_not_supported`."""
        raise DriverError("subscribe_not_supported", Status.BAD_NOT_SUPPORTED)

    async def write(self, tag: Tag, value: Value, deadline_s: float) -> None:
        """Write one value with function 5, 6, 15, 16 or 22 and check the echo.

        Raises DriverError: `write_not_supported`, `write_out_of_range`, `write_refused`, a connection cause when nothing
        was sent, or `write_unknown` when it was sent and not confirmed. A cancelled write is unknown as well.
        """
        until = asyncio.get_running_loop().time() + deadline_s
        for request in self._write_requests(tag, value):
            self._reader.note_other_request()
            try:
                await self._joined().exchange(request, self._options.request_timeout_s, until)
            except RefusalError as refusal:
                if refusal.code == 1 and request.function_code in single_functions:
                    continue  # the unit has no function 5 or 6: 15 or 16 with one coil or register says the same
                if refusal.code in undecided_codes:
                    raise DriverError("write_unknown", Status.BAD_TIMEOUT, reason=f"exception_{refusal.code}") from refusal
                raise DriverError("write_refused", Status.BAD_DEVICE_FAILURE, code=refusal.code) from refusal
            except DriverError as error:
                if error.cause in ("no_answer", "connection_lost", "bad_answer"):
                    raise DriverError("write_unknown", error.status, reason=error.cause) from error
                raise
            return
        raise DriverError("write_refused", Status.BAD_NOT_SUPPORTED, code=1)

    def sent(self, tag: Tag, value: Value) -> Value:
        """See `drivers.abilities.Rounder`. Raises DriverError."""
        self._write_requests(tag, value)
        assert isinstance(tag.address, Address)
        return value if tag.address.table == "coil" else sent_value(resolve(tag.address, self._options), value)

    def resolution(self, tag: Tag, value: Value) -> float:
        """See `drivers.abilities.Resolving`."""
        assert isinstance(tag.address, Address)
        return resolution_of(tag.address, value)

    def runs(self, tag: Tag) -> bool:
        """See `drivers.abilities.Running`."""
        assert isinstance(tag.address, Address)
        return tag.address.kind in time_kinds

    async def registers(self, table: str, start: int, count: int, deadline_s: float) -> dict[int, int]:
        """Return address -> register of what the unit lets be read of a range; for commissioning. Raises DriverError."""
        ask = self._asker(self._options.unit_id, deadline_s)
        return await look_at(lambda *place: ask(read_request(self._options.unit_id, *place)), table, start, count)

    async def probe(self, unit: int, table: str, start: int, count: int, deadline_s: float) -> dict[int, int]:
        """See `drivers.abilities.LineSource`. Raises DriverError, `unit_in_use` for a unit that is another device of the configuration."""
        ask = self._asker(unit, deadline_s)
        return await look_at(lambda *place: ask(read_request(unit, *place)), table, start, count, halve=False)

    async def identify(self, unit: int | None, deadline_s: float) -> dict[str, str]:
        """See `drivers.abilities.LineSource`. Raises DriverError."""
        number = self._options.unit_id if unit is None else unit
        return await identified(self._asker(number, deadline_s), number)

    def _asker(self, unit: int, deadline_s: float) -> Ask:
        """Return what asks this unit, or one of the line that no device is configured for. Raises DriverError."""
        line, until = self._joined(), asyncio.get_running_loop().time() + deadline_s
        if unit == self._options.unit_id:

            async def ask(request: Request) -> bytes:
                self._reader.note_other_request()
                return await line.exchange(request, self._options.request_timeout_s, until)

            return ask
        if line.has(unit):
            raise DriverError("unit_in_use", Status.BAD_CONFIGURATION_ERROR, unit=unit)
        return lambda request: line.probe(request, self._options.request_timeout_s, until)

    async def _ask(self, block: Block, until: float) -> bytes:
        place = block.table, block.start, block.count
        request = self._requests.get(place)
        if request is None:
            if len(self._requests) >= requests_kept_max:
                self._requests.clear()
            request = self._requests[place] = read_request(self._options.unit_id, *place)
        line = self._joined()
        data = await line.exchange(request, self._options.request_timeout_s, until)
        if line.generation != self._generation:
            self._generation = line.generation
            self._reader.reconnected()
        return data

    async def _identity(self, until: float) -> bytes:
        """Return what the unit says that it is, for `firmware = "identification"`."""
        line, connections = self._joined(), set[int]()

        async def ask(request: Request) -> bytes:
            self._reader.note_other_request()
            data = await line.exchange(request, self._options.request_timeout_s, until)
            connections.add(line.generation)
            return data

        found = await identity(ask, self._options.unit_id)
        if len(connections) == 1:
            (self._generation,) = connections  # it is what this connection leads to
        return found

    def _known(self, _unit_id: int) -> Iterator[Known]:
        """Yield the tags that were read, for whoever reads the flight recorder."""
        for group in self._groups.values():
            for tag in group.tags:
                yield Known(tag, resolve(tag.address, self._options))

    def _owed(self) -> dict[int, Request]:
        """Return by unit what whoever comes for it after an edit has to ask first, also where that ended the line. See `Line.owe`."""
        return self._shared.obtain((*self._key, "owed"), dict, dict)

    def _forget_owed(self) -> None:
        if not self._owed():
            self._shared.forget((*self._key, "owed"))

    def _alone(self, until: float) -> AbstractAsyncContextManager[None]:
        return self._joined().alone(self._options.unit_id, until)

    def _owe(self, control: Block | None) -> None:
        unit = self._options.unit_id
        if self._line is not None:
            self._line.owe(unit, None if control is None else read_request(unit, control.table, control.start, control.count))

    def _connection(self) -> object:
        return self._joined().connection(self._options.unit_id)

    def _resync(self) -> None:
        self._joined().doubt(self._options.unit_id)

    def _write_requests(self, tag: Tag, value: Value) -> list[Request]:
        address, unit_id = tag.address, self._options.unit_id
        if not isinstance(address, Address) or not tag.writable or address.table not in ("coil", "holding"):
            raise DriverError("write_not_supported", Status.BAD_NOT_SUPPORTED)
        if address.table == "coil":
            if not isinstance(value, (bool, int)) or value not in (0, 1):
                raise DriverError("write_out_of_range", Status.BAD_OUT_OF_RANGE, value=str(value))
            return [write_coil_request(unit_id, address.start, bool(value)), write_coils_request(unit_id, address.start, [bool(value)])]
        address = resolve(address, self._options)
        if address.written_by_mask:
            return [write_mask_request(unit_id, address.start, *encode_mask(address, value))]
        registers = encode_registers(address, value)
        forms = (True, False) if len(registers) == 1 else (False,)
        return [write_registers_request(unit_id, address.start, registers, single) for single in forms]

    def _joined(self) -> Line:
        if self._line is None:
            raise DriverError("connect_failed", Status.BAD_NOT_CONNECTED, detail="driver is closed")
        return self._line
