"""What a driver may remember of its device between two starts: plain data that the runtime keeps for it.

Room: ground. The runtime gives each device its `Memory` through `Shared.memory`; a driver that learns nothing never asks for it. What is
kept here is no reading and no evidence: losing it costs learning it again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

Facts = Mapping[str, Any]
"""Text keys; text, whole numbers, truth values, lists and such mappings as values: what JSON can hold."""


class Memory(Protocol):
    """One device's. Every call returns at once."""

    forgotten: int
    """Grows whenever a person had it forgotten: a driver that sees it grow begins anew."""

    def recall(self) -> Facts | None:
        """Return what was kept last, None when there is nothing."""
        ...

    def keep(self, facts: Facts) -> None:
        """Keep this from now on, in place of what was kept. It is durable some seconds later."""
        ...

    def reject(self, reason: str) -> None:
        """Say that what `recall` gave makes no sense to the driver: it is set aside."""
        ...


MemoryOf = Callable[[str, str], Memory]
"""Returns the memory of a device, by driver type and device name."""


class ShortMemory:
    """A memory that lasts as long as the process: for a single read, and for tests."""

    def __init__(self) -> None:
        """Start with nothing."""
        self.forgotten = 0
        self._facts: Facts | None = None

    def recall(self) -> Facts | None:
        """See Memory."""
        return self._facts

    def keep(self, facts: Facts) -> None:
        """See Memory."""
        self._facts = facts

    def reject(self, reason: str) -> None:
        """See Memory."""
        self._facts = None
