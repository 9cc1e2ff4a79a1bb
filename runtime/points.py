"""The configuration with its numbers: devices, their tag groups and report rules, and the ledger's schema of them.

Room: hall. `app` calls `number_points` at start and at every applied revision; the pollers, the pipeline, live values and evidence take
what it returns. It opens nothing and writes nothing (`tag_ids.save` does, before the result is used).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from drivers.reading import Tag, TagGroup
from ledger_client.schema import Descriptor, GroupRow, SchemaState
from runtime.config import Config, DeviceConfig, ReportRule, TagConfig
from runtime.tag_checks import TagCheck
from runtime.tag_ids import TagIds


@dataclass(frozen=True, slots=True)
class DevicePoints:
    """One device with its numbered groups; `rules[group uid]` and `checks[group uid]` run parallel to the group's tags."""

    config: DeviceConfig
    groups: tuple[TagGroup, ...]
    rules: Mapping[int, tuple[ReportRule, ...]]
    checks: Mapping[int, tuple[TagCheck, ...]]

    @property
    def name(self) -> str:
        """The device's name."""
        return self.config.name

    @property
    def tag_count(self) -> int:
        """How many tags it has."""
        return sum(len(group.tags) for group in self.groups)

    def find(self, tag_name: str) -> tuple[Tag, TagConfig] | None:
        """Return a tag and its options by its name on the device."""
        for group, config in zip(self.groups, self.config.groups, strict=True):
            for tag, tag_config in zip(group.tags, config.tags, strict=True):
                if tag.name == tag_name:
                    return tag, tag_config
        return None


def number_points(config: Config, ids: TagIds, former: Mapping[str, DevicePoints] | None = None) -> dict[str, DevicePoints]:
    """Return the enabled devices by name. One that equals its former self *is* its former self, so that nothing of it restarts."""
    found: dict[str, DevicePoints] = {}
    for device in config.devices:
        points = _numbered(device, ids)
        known = former.get(device.name) if former is not None else None
        if device.enabled:
            found[device.name] = known if known is not None and known == points else points
    return found


def schema_of(devices: Iterable[DevicePoints]) -> SchemaState:
    """Return what the ledger must know before a batch of these devices can be read."""
    groups: dict[int, GroupRow] = {}
    descriptors: dict[int, Descriptor] = {}
    for device in devices:
        for group in device.groups:
            uids = tuple(tag.uid for tag in group.tags)
            groups[group.uid] = GroupRow(group.uid, group.device, group.name, group.period_ms, group.mode, uids)
            for tag in group.tags:
                descriptors[tag.uid] = Descriptor(
                    tag.uid, device.config.asset, f"{tag.device}/{tag.name}", tag.unit, tag.type, tag.exponent, tag.source, tag.calibration
                )
    return SchemaState(groups, descriptors)


def _numbered(device: DeviceConfig, ids: TagIds) -> DevicePoints:
    groups = []
    rules, checks = {}, {}
    for group in device.groups:
        tags = tuple(
            Tag(
                uid=ids.tags.number(f"{device.name}/{tag.name}", tag.was), name=tag.name, device=device.name, type=tag.type, unit=tag.unit,
                address=tag.address, exponent=tag.exponent, writable=tag.writable, source=tag.source, calibration=tag.calibration,
            )
            for tag in group.tags
        )  # fmt: skip
        uid = ids.groups.number(f"{device.name}/{group.name}", group.was)
        groups.append(TagGroup(uid, device.name, group.name, group.period_ms, tags, group.mode))
        rules[uid] = tuple(tag.report for tag in group.tags)
        checks[uid] = tuple(tag.check for tag in group.tags)
    return DevicePoints(device, tuple(groups), rules, checks)
