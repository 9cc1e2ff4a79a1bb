"""The feed's request `reading`: what a device of the running gateway has now, read through its own connection and not recorded.

Room: hall. `core_questions` answers with it, for `read`, which makes the same rows of what it reads by itself. One request is one tag, or
one group of a device, with a deadline.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

from drivers.reading import Scan, TagGroup, quality_of
from runtime.faces.feed import RequestRefusedError
from runtime.points import DevicePoints

LOOK_S: Final = 5.0
TEXTS_BYTES_MAX: Final = 512 << 10
"""All texts of an answer; with the rest of 1,024 tags they fit one frame of the feed."""
TEXT_BYTES_SHOWN: Final = 4096
"""Of each text where all of them are more than that, and less where there are very many."""


class Polled(Protocol):
    """The part of a poller that it uses."""

    points: DevicePoints


class ReadingField(Protocol):
    """The part of `acquisition.field.Field` that it uses."""

    @property
    def pollers(self) -> Mapping[str, Polled]:
        """The devices that are polled, by name."""
        ...

    async def look(self, group: TagGroup, deadline_s: float) -> tuple[Scan, Mapping[str, Any]]:
        """Read some tags of a device now; return also the params of the scan's cause. Raises DriverError `device_unknown`."""
        ...


@dataclass(frozen=True, slots=True)
class Looked:
    """A scan that nobody records, and the params of its cause; `rows` and `plain` say it as data."""

    scan: Scan
    params: Mapping[str, Any]

    def rows(self) -> list[dict[str, Any]]:
        """Return a row for each tag: tag, value, unit, quality, status, read_ms, source_ms, server_ms, cause, params."""
        return rows_of(self.plain())

    def plain(self) -> dict[str, Any]:
        """Return {readings: [[tag, unit, value, status, read_ms, source_ms]], server_ms, cause, params}."""
        scan = self.scan
        readings = [
            [f"{each.tag.device}/{each.tag.name}", each.tag.unit, each.value, each.status, each.read_ms, each.source_ms]
            for each in scan.readings()
        ]
        return {"readings": readings, "server_ms": scan.server_ms, "cause": scan.cause, "params": dict(self.params)}


def rows_of(plain: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the rows of what `Looked.plain` gave, here or in the core."""
    return [
        {
            "tag": tag, "value": value, "unit": unit, "quality": quality_of(status).name.lower(), "status": status, "read_ms": read_ms,
            "source_ms": source_ms, "server_ms": plain["server_ms"], "cause": plain["cause"], "params": plain["params"],
        }
        for tag, unit, value, status, read_ms, source_ms in plain["readings"]
    ]  # fmt: skip


def tags_alone(group: TagGroup, tag_name: str) -> TagGroup | None:
    """Return a group with the one tag of this name, None where it has none; without a name all of it.

    One tag is read alone, so that what is wrong with it is not hidden by others that are well.
    """
    tags = tuple(tag for tag in group.tags if not tag_name or tag.name == tag_name)
    return TagGroup(group.uid, group.device, group.name, group.period_ms, tags, group.mode) if tags else None


async def reading_asked(field: ReadingField, params: Mapping[str, Any]) -> dict[str, Any]:
    """Return {groups: how many the device has} and what `Looked.plain` gives of one. Params: device; tag, or at: which group, from 0.

    A device that cannot be read is an answer as well: bad readings with the cause. Raises RequestRefusedError `device_unknown` for one
    that is not polled, `tag_unknown`, `act_shape`.
    """
    match params:
        case {"device": str(device), **more}:
            tag_name, at = more.get("tag", ""), more.get("at", 0)
        case _:
            raise RequestRefusedError("act_shape")
    if not isinstance(tag_name, str) or type(at) is not int or at < 0:
        raise RequestRefusedError("act_shape")
    poller = field.pollers.get(device)
    if poller is None:
        raise RequestRefusedError("device_unknown", device=device[:80])
    groups = poller.points.groups
    alone = [group for each in groups if (group := tags_alone(each, tag_name)) is not None]
    if not alone:
        raise RequestRefusedError("tag_unknown", tag=f"{device}/{tag_name}"[:160])
    if at >= len(alone):  # a group was taken away meanwhile
        return {"groups": len(alone), "readings": [], "server_ms": None, "cause": None, "params": {}}
    return {"groups": len(alone), **_fitting(Looked(*await field.look(alone[at], LOOK_S)).plain())}


def _fitting(plain: dict[str, Any]) -> dict[str, Any]:
    """Return what `Looked.plain` gave with its texts cut, where they are too long for one answer: `… (+60000)` says how many letters."""
    sizes = [len(value.encode()) for _, _, value, *_ in plain["readings"] if isinstance(value, str)]
    if sum(sizes) <= TEXTS_BYTES_MAX:
        return plain
    most = min(TEXT_BYTES_SHOWN, TEXTS_BYTES_MAX // len(sizes))
    readings = [[tag, unit, _cut(value, most) if isinstance(value, str) else value, *more] for tag, unit, value, *more in plain["readings"]]
    return {**plain, "readings": readings}


def _cut(text: str, most: int) -> str:
    shown = text.encode()[:most].decode(errors="ignore")
    return text if len(shown) == len(text) else f"{shown}… (+{len(text) - len(shown)})"
