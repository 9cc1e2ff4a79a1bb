"""Tags that a configuration names elsewhere: in interlocks, and in what other tags are reckoned from. Pure.

Room: hall. `config` calls it once every device could be read: with one missing, each of its tags would look like a fault more.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from drivers.registry import inputs_of
from runtime.config_faults import Faults, Place

if TYPE_CHECKING:
    from runtime.config import DeviceConfig, TagConfig


def check_references(faults: Faults, devices: Sequence[DeviceConfig | None]) -> None:
    """Note each tag that is named and not there, and each tag that is reckoned from itself."""
    found = [device for device in devices if device is not None]
    if len(found) < len(devices):
        return
    tags = {name: (place, where, inputs_of(device.type, tag.address), tag) for device, place, where, name, tag in _tags(found)}
    for place, where, inputs, tag in tags.values():
        for lock in tag.write.interlocks:
            if lock.tag not in tags:
                faults.add((*place, "write"), f"{where}.write", "config_interlock_unknown", tag=lock.tag)
        for name in inputs:
            if name not in tags:
                faults.add((*place, "formula"), f"{where}.formula", "config_formula_unknown", tag=name)
    for circle in circles({name: inputs for name, (_, _, inputs, _) in tags.items() if inputs}):
        place, where, _, _ = tags[circle[0]]
        faults.add((*place, "formula"), f"{where}.formula", "config_formula_circle", path=" -> ".join([*circle, circle[0]]))


def circles(inputs: Mapping[str, Iterable[str]]) -> list[list[str]]:
    """Return the ways on which a name leads to itself, one for each place where that is found."""
    found: list[list[str]] = []
    done: set[str] = set()
    for start in inputs:
        path: dict[str, Iterator[str]] = {}
        following: str | None = start
        while following is not None:
            if following in path:
                names = list(path)
                found.append(names[names.index(following) :])
            elif following in inputs and following not in done:
                path[following] = iter(inputs[following])
            following = None
            while path and following is None:
                name = next(reversed(path))
                following = next(path[name], None)
                if following is None:
                    done.add(name)
                    del path[name]
    return found


def _tags(devices: Iterable[DeviceConfig]) -> Iterator[tuple[DeviceConfig, Place, str, str, TagConfig]]:
    """Yield (device, place, where, `device/tag`, tag) of every tag."""
    for device in devices:
        for i, group in enumerate(device.groups):
            for j, tag in enumerate(group.tags):
                place: Place = ("devices", device.name, "groups", i, "tags", j)
                where = f"devices.{device.name}.groups.{group.name}.tags.{tag.name}"
                yield device, place, where, f"{device.name}/{tag.name}", tag
