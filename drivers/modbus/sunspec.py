"""The SunSpec map of a unit: where its marker is, and which models follow at which addresses.

Room: ground, driver `modbus`. Commissioning calls `models_of`; it reads what it must, a few registers at a time, and decodes no values.
Source: SunSpec Device Information Model Specification 1.1 (marker "SunS" at 40000, 50000 or 0; model number and length; end 0xFFFF).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

bases: Final = (40000, 50000, 0)
marker: Final = (0x5375, 0x6E53)
end_model: Final = 0xFFFF
models_max: Final = 30
names: Final = {
    1: "common", 101: "inverter, single phase", 102: "inverter, split phase", 103: "inverter, three phase", 111: "inverter, single phase",
    112: "inverter, split phase", 113: "inverter, three phase", 120: "nameplate", 160: "MPPT", 201: "meter, single phase",
    202: "meter, split phase", 203: "meter, star", 204: "meter, delta", 211: "meter, single phase", 212: "meter, split phase",
    213: "meter, star", 214: "meter, delta", 802: "battery",
}  # fmt: skip
templates: Final = {
    **dict.fromkeys((101, 102, 103), "sunspec-inverter"),
    **dict.fromkeys((201, 202, 203, 204), "sunspec-meter"),
}
"""Model -> the template that reads it, with `base` the model's address."""

Fetch = Callable[[str, int, int], Awaitable[dict[int, int]]]
"""Table, first address, count -> address -> register of what could be read."""


async def models_of(fetch: Fetch) -> list[tuple[int, int]]:
    """Return (model, address of its number) in their order; empty for a unit without a marker. Raises what `fetch` raises."""
    for base in bases:
        found = await fetch("holding", base, 2)
        if (found.get(base), found.get(base + 1)) == marker:
            return await _models_from(fetch, base + 2)
    return []


async def _models_from(fetch: Fetch, at: int) -> list[tuple[int, int]]:
    models: list[tuple[int, int]] = []
    while len(models) < models_max and at + 2 <= 0x10000:
        found = await fetch("holding", at, 2)
        model, length = found.get(at), found.get(at + 1)
        if model is None or length is None or model in (0, end_model):
            break
        models.append((model, at))
        at += 2 + length
    return models
