"""A device that exists in the configuration only: each read reckons its tags from the newest values of other tags.

Room: ground, driver `virtual`. Made by `factory.py`, asked by the runtime's poller. It waits for nobody, keeps nothing, and never makes a
reading better than what it was reckoned from.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from types import TracebackType
from typing import Final, Self

from drivers.driver import Clock, DriverError
from drivers.reading import Quality, Scan, Status, Tag, TagGroup, Value, quality_of
from drivers.shared import NewestOf
from drivers.virtual.config import Address, DeviceOptions
from drivers.virtual.operations import FLOAT_EXACT_MAX, ReckonError, number, truth, whole

WAITING: Final = int(Status.BAD_WAITING_FOR_INITIAL_DATA)
INT_MIN, INT_MAX = -(1 << 63), (1 << 64) - 1
"""What a reading holds. One beyond it would cost the whole scan its place in the ledger."""


class _BadInputError(Exception):
    """An input that decides the result is bad."""

    def __init__(self, status: int) -> None:
        self.status = status
        super().__init__(status)


class VirtualDriver:
    """See `drivers.driver.Driver` for the contract."""

    def __init__(self, options: DeviceOptions, clock: Clock, newest: NewestOf) -> None:
        """`newest` gives the newest value of a tag by `device/tag`."""
        self._stale_ms = round(options.stale_after_s * 1000)
        self._clock, self._newest = clock, newest

    async def __aenter__(self) -> Self:
        """Nothing to take."""
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Nothing to release."""

    async def read(self, group: TagGroup, deadline_s: float) -> Scan:
        """Reckon every tag of the group. A result that there is not gives its own tag a bad status."""
        now_ms = self._clock.wall_ms()
        rows = [self._reckoned(tag, now_ms) for tag in group.tags]
        statuses = [status for _, status in rows]
        return Scan(group, [value for value, _ in rows], now_ms, statuses if any(statuses) else None)

    def subscribe(self, group: TagGroup) -> AsyncIterator[Scan]:
        """Formulas are reckoned at their group's period. Raises DriverError `subscribe_not_supported`."""
        raise DriverError("subscribe_not_supported", Status.BAD_NOT_SUPPORTED)

    async def write(self, tag: Tag, value: Value, deadline_s: float) -> None:
        """A result cannot be set. Raises DriverError `write_not_supported`."""
        raise DriverError("write_not_supported", Status.BAD_NOT_SUPPORTED)

    def _reckoned(self, tag: Tag, now_ms: int) -> tuple[Value, int]:
        """Return a tag's value and status: the worst of the inputs that decided it."""
        address = tag.address
        if not isinstance(address, Address):
            raise TypeError(f"{tag.name}: no address of a virtual tag")
        worst = 0

        def get(name: str) -> Value:
            nonlocal worst
            status, value = self._input(name, now_ms)
            if quality_of(status) is Quality.BAD:
                raise _BadInputError(status)
            if quality_of(status) > quality_of(worst):
                worst = status
            return value

        try:
            return _as_type(address.formula.reckon(get), address.data), worst
        except _BadInputError as bad:
            return None, bad.status
        except ReckonError as error:
            return None, int(error.status)

    def _input(self, name: str, now_ms: int) -> tuple[int, Value]:
        found = self._newest(name)
        if found is None:  # its device is switched off
            return int(Status.BAD_NO_COMMUNICATION), None
        if found.value is None and quality_of(found.status) is not Quality.BAD:
            return WAITING, None
        is_old = found.read_ms is not None and now_ms - found.read_ms > self._stale_ms
        if is_old and quality_of(found.status) is Quality.GOOD:
            return int(Status.UNCERTAIN_LAST_USABLE_VALUE), found.value
        return found.status, found.value


def _as_type(value: Value, data: str) -> Value:
    """Return a result in its tag's type. Raises ReckonError for one that it cannot be."""
    if data == "text":
        if not isinstance(value, str):
            raise ReckonError(Status.BAD_CONFIGURATION_ERROR)
        return value
    if data == "bool":
        return truth(value)
    if data == "float64":
        result = number(value)
        if isinstance(result, int) and abs(result) > FLOAT_EXACT_MAX:  # not every such number can be a float64
            raise ReckonError(Status.BAD_OUT_OF_RANGE)
        return float(result)
    found = whole(value)
    if not INT_MIN <= found <= INT_MAX:  # within a formula there may be more
        raise ReckonError(Status.BAD_OUT_OF_RANGE)
    return found
