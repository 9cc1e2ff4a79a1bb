"""Which edits of the configuration need a second person: where something of high risk may be commanded, all that changes commanding. Pure.

Room: hall, commands. The door's `config.edit` asks it. Whatever an engineer changes alone, they could then also command alone: a lower
risk, other approvers, a wider limit, the same register under another name, an interlock that always holds. So no difference is judged to
be harmless here, also not one that makes commanding stricter.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from drivers.registry import inputs_of
from runtime.config import Config, DeviceConfig, GroupConfig, TagConfig
from runtime.setpoint import HIGH, SetpointRules

GATEWAY: Final = ("gateway.device_writes", "commands")
"""What holds for every command, as it is called where it changed."""


@dataclass(frozen=True, slots=True)
class Changed:
    """What of commanding an edit changes (`device/tag`, `device/method()`, or of GATEWAY).

    `approvers`: those named by each command of high risk that it changes; who approves must stand in every one of them.
    """

    what: tuple[str, ...] = ()
    approvers: tuple[frozenset[str], ...] = ()


def changed_commanding(before: Config, after: Config) -> Changed:
    """Return what needs a second person; nothing where nothing of high risk may be commanded before the edit."""
    known = dict(_commands(before))
    high = {target: rules for target, (rules, _) in known.items() if rules.risk == HIGH}
    if not high:
        return Changed()
    new = dict(_commands(after))
    targets = [target for target in {**known, **new} if known.get(target) != new.get(target)]
    general = [name for name, one, other in zip(GATEWAY, _general(before), _general(after), strict=True) if one != other]
    named = {frozenset(high[target].approvers) for target in targets if target in high and high[target].approvers}
    return Changed((*general, *sorted(targets)), tuple(named))


def _general(config: Config) -> tuple[object, ...]:
    return config.gateway.device_writes, config.commands


def _commands(config: Config) -> Iterator[tuple[str, tuple[SetpointRules, object]]]:
    """Yield each command with its rules, and everything that decides where it goes and whether its interlocks hold.

    Devices that are switched off count like the others: they can be switched on again.
    """
    places = ((device, group, tag) for device in config.devices for group in device.groups for tag in group.tags)
    tags = {f"{device.name}/{tag.name}": (device, group, tag) for device, group, tag in places}
    for name, (device, group, tag) in tags.items():
        if tag.writable and tag.write is not None:
            yield name, (tag.write, (_read_from(device, group, tag), _locks(tag.write, tags)))
    for device in config.devices:
        for method in device.methods:
            yield f"{device.name}/{method.name}()", (method.rules, (device.type, device.options, method, _locks(method.rules, tags)))


def _locks(rules: SetpointRules, tags: Mapping[str, tuple[DeviceConfig, GroupConfig, TagConfig]]) -> dict[str, Any]:
    """Return what the interlocks' tags are, and the tags that those are reckoned from."""
    found: dict[str, Any] = {}
    names = [lock.tag for lock in rules.interlocks]
    while names:
        name = names.pop()
        if name in tags and name not in found:
            device, group, tag = tags[name]
            found[name] = _read_from(device, group, tag)
            names += inputs_of(device.type, tag.address)
    return found


def _read_from(device: DeviceConfig, group: GroupConfig, tag: TagConfig) -> tuple[object, ...]:
    """Return what a tag's value is and how old it gets: one that is subscribed to counts as fresh for as long as nothing else comes."""
    return device.type, device.options, group.mode, group.period_ms, tag.address, tag.type, tag.exponent, tag.check
