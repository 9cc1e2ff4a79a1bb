"""What may be commanded at all: writable tags that have a `write` table, and the methods that a device's `methods` names. Pure.

Room: hall, commands. Deny by default: what is not listed here is refused, whoever asks. A method's target is written `device/name()`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from drivers.reading import Tag
from runtime.config_commands import MethodConfig
from runtime.faces.feed import RequestRefusedError
from runtime.points import DevicePoints
from runtime.setpoint import SetpointRules

Devices = Mapping[str, DevicePoints]


@dataclass(frozen=True, slots=True)
class Point:
    """One thing that may be commanded: a tag or a method of a device."""

    target: str
    device: str
    rules: SetpointRules
    tag: Tag | None = None
    method: MethodConfig | None = None


def find_point(devices: Devices, target: str) -> Point:
    """Return what a target names. Raises RequestRefusedError `tag_unknown`, `tag_not_writable`, `command_not_listed`."""
    device, _, name = target.partition("/")
    points = devices.get(device)
    if points is None:
        raise RequestRefusedError("tag_unknown", tag=target)
    if name.endswith("()"):
        method = next((each for each in points.config.methods if each.name == name[:-2]), None)
        if method is None:
            raise RequestRefusedError("command_not_listed", tag=target)
        return Point(target, device, method.rules, method=method)
    found = points.find(name)
    if found is None:
        raise RequestRefusedError("tag_unknown", tag=target)
    tag, options = found
    if not tag.writable:
        raise RequestRefusedError("tag_not_writable", tag=target)
    if options.write is None:
        raise RequestRefusedError("command_not_listed", tag=target)
    return Point(target, device, options.write, tag=tag)


def listed(devices: Devices) -> Iterator[Point]:
    """Yield everything that may be commanded, device by device, tags before methods."""
    for name, points in devices.items():
        for group, config in zip(points.groups, points.config.groups, strict=True):
            for tag, options in zip(group.tags, config.tags, strict=True):
                if tag.writable and options.write is not None:
                    yield Point(f"{name}/{tag.name}", name, options.write, tag=tag)
        for method in points.config.methods:
            yield Point(f"{name}/{method.name}()", name, method.rules, method=method)
