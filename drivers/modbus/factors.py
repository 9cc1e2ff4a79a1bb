"""Values whose power of ten stands in a register of its own, as in SunSpec: value = raw * 10 ** factor, both of the same scan.

Room: ground, driver `modbus`; pure. `layout.py` reads the factors as columns behind those of the tags and calls `apply` once per scan. A
factor that is absent, not implemented or out of range takes the value with it: a number without its scale is no value.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from drivers.modbus.address import Address, Missing
from drivers.reading import Status, Value

factor_max: Final = 10
"""SunSpec's sunssf is -10 to 10; 0x8000 is "not implemented"."""
not_implemented: Final = Missing(frozenset([-0x8000]))


class ScaleFactors:
    """The factor registers of one group and the tags that each of them scales."""

    def __init__(self, addresses: Sequence[Address]) -> None:
        """Find them. `addresses` are those of the group's tags, orders resolved."""
        places: dict[tuple[str, int, str | None], list[int]] = {}
        for index, address in enumerate(addresses):
            if address.scale_factor is not None:
                places.setdefault((*address.scale_factor, address.byte_order), []).append(index)
        self.columns = [Address(table, start, "int16", 1, order, missing=not_implemented) for table, start, order in places]
        """Addresses to read besides the tags'; they stand in the scan's columns after them until `apply` takes them away."""
        self._scaled = [(len(addresses) + n, tuple(indexes)) for n, indexes in enumerate(places.values())]
        self._tags = len(addresses)

    def apply(self, values: list[Value], bad: dict[int, int]) -> None:
        """Scale the tags' columns and drop those of the factors. `bad` holds the statuses of columns without a value."""
        for column, indexes in self._scaled:
            factor, status = values[column], bad.pop(column, 0)
            if not isinstance(factor, int) or abs(factor) > factor_max:
                status = status or Status.BAD_DECODING_ERROR
            power = 10 ** abs(factor) if isinstance(factor, int) and not status else 1
            down = isinstance(factor, int) and factor <= 0
            for index in indexes:
                raw = values[index]
                if status:
                    values[index] = None
                    bad.setdefault(index, int(status))
                elif isinstance(raw, (int, float)):
                    values[index] = raw / power if down else float(raw * power)
        del values[self._tags :]
