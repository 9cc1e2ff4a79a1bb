"""Stands in for a driver that could not be made: says why, at every try.

Room: hall, acquisition. `app` uses it at start, so that one missing library does not keep the other devices from being polled.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from types import TracebackType
from typing import Self

from drivers.driver import DriverError
from drivers.reading import Scan, Tag, TagGroup, Value


class UnavailableDriver:
    """A `drivers.driver.Driver` that raises its fault on entry and on every call."""

    def __init__(self, fault: DriverError) -> None:
        self._fault = fault

    async def __aenter__(self) -> Self:
        """Raises the fault."""
        raise self._fault

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Nothing was taken."""

    async def read(self, group: TagGroup, deadline_s: float) -> Scan:
        """Raises the fault."""
        raise self._fault

    def subscribe(self, group: TagGroup) -> AsyncIterator[Scan]:
        """Raises the fault."""
        raise self._fault

    async def write(self, tag: Tag, value: Value, deadline_s: float) -> None:
        """Raises the fault."""
        raise self._fault
