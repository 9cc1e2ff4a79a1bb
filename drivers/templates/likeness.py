"""Which templates a Modbus unit may be: those whose voltages and frequencies have values that a mains has.

Room: ground. Commissioning calls `like`. A fit is a hint and no proof: devices of one maker share addresses, and a person decides.
Templates without such values (drives, PLCs) are never named, and those of SunSpec are found by their models instead.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from functools import cache
from typing import Final

from drivers.modbus.address import Address
from drivers.modbus.config import DeviceOptions
from drivers.modbus.layout import Layout
from drivers.modbus.planner import Block
from drivers.reading import Tag, TagGroup
from drivers.templates.library import Library, built_in_names
from drivers.templates.template import expanded
from drivers.templates.trial import judged

mains: Final = {"V": (80.0, 800.0), "Hz": (45.0, 65.0)}
samples_min: Final = 2
samples_max: Final = 6

Fetch = Callable[[str, int, int], Awaitable[dict[int, int]]]
"""Table, first address, count -> address -> register of what could be read."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One tag that tells a template, alone in its group, and the device's options."""

    layout: Layout
    block: Block
    unit: str


@cache
def samples() -> dict[str, tuple[Sample, ...]]:
    """Return the tags that tell each template, by its name."""
    found = {}
    for name in built_in_names():
        template = Library().find(name).template
        options, groups = judged(expanded({}, template)) if template.type == "modbus" else (None, [])
        if isinstance(options, DeviceOptions):
            tags = [tag for group in groups for tag in group.tags if tag.unit in mains]
            made = [_sample(tag, options) for tag in tags if isinstance(tag.address, Address) and tag.address.scale_factor is None]
            if len(made) >= samples_min:
                found[name] = tuple(made[:samples_max])
    return found


async def like(fetch: Fetch) -> list[tuple[str, int]]:
    """Return (template, how many of its values fit) of those of which all fit, most first. Raises what `fetch` raises."""
    held: dict[tuple[str, int, int], dict[int, int]] = {}
    found = []
    for name, each in samples().items():
        if all([await _fits(fetch, sample, held) for sample in each]):
            found.append((name, len(each)))
    return sorted(found, key=lambda row: (-row[1], row[0]))


async def _fits(fetch: Fetch, sample: Sample, held: dict[tuple[str, int, int], dict[int, int]]) -> bool:
    place = sample.block.table, sample.block.start, sample.block.count
    if place not in held:
        held[place] = await fetch(*place)
    words = [held[place].get(sample.block.start + at) for at in range(sample.block.count)]
    data = b"".join(word.to_bytes(2, "big") for word in words if word is not None)
    if len(data) != 2 * len(words):
        return False
    scan = sample.layout.scan(sample.layout.arrange([sample.block], {}), [data], 0)
    value, (low, high) = scan.values[0], mains[sample.unit]
    return isinstance(value, int | float) and low <= value <= high


def _sample(tag: Tag, options: DeviceOptions) -> Sample:
    layout = Layout(TagGroup(1, tag.device, "sample", 1000, (replace(tag, uid=1),)), options)
    span = layout.spans[0]
    return Sample(layout, Block(span.table, span.start, span.count, (span,)), tag.unit)
