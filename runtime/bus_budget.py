"""Whether the lines of a configuration have the time that its plans need: said before it is accepted.

Room: hall. `revisions` (a file edited by hand), the door (an edit) and the verb `check` call `accept_config`; what was accepted and
recorded once is never judged again, so that a gateway always starts. Asks the drivers' factories for figures, and no device.

A serial line whose wire alone needs more than its period is a fault: no device can help it. What is only expected (the devices' own
time, a network's) is advice, from `BUSY_SHARE` on.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from drivers.driver import DriverError
from drivers.load import LineLoad
from drivers.registry import advice_on, can_push, line_load, one_group_of
from runtime.config import Config, DeviceConfig, GroupConfig, parse_config
from runtime.config_faults import ConfigError, Fault, Faults
from runtime.devices_together import check_together, told
from runtime.faces.feed import CONFIG_TEXT_MAX
from runtime.tags_written import check_written

BUSY_SHARE: Final = 0.7
NAMED_MAX: Final = 5
"""Groups that are named in a text, the heaviest first."""


@dataclass(frozen=True, slots=True)
class Share:
    """One group's part of its line. Times in us, for one read."""

    device: str
    group: str
    at: int
    period_ms: int
    requests: int
    least_us: int
    usual_us: int

    def needs(self, period_ms: int, *, usual: bool) -> float:
        """Return the seconds that the group needs in some period."""
        return (self.usual_us if usual else self.least_us) / 1e6 * period_ms / self.period_ms


@dataclass(frozen=True, slots=True)
class LineBudget:
    """A line with the groups that are polled over it."""

    line: str
    is_certain: bool
    shares: tuple[Share, ...]

    @property
    def period_ms(self) -> int:
        """The period that the line is spoken of in: its slowest group's."""
        return max(share.period_ms for share in self.shares)

    def needed_s(self, *, usual: bool) -> float:
        """Return the bus time that all groups need in `period_ms`, s."""
        return sum(share.needs(self.period_ms, usual=usual) for share in self.shares)

    def share(self, *, usual: bool) -> float:
        """Return the part of the line's time that is needed; above 1 it has not got it."""
        return self.needed_s(usual=usual) / (self.period_ms / 1000)

    def params(self, *, usual: bool) -> dict[str, str | int | float]:
        """Return what a text about it says."""
        heaviest = sorted(self.shares, key=lambda each: -each.needs(self.period_ms, usual=usual))
        named = [f"{each.device}/{each.group} {_seconds(each.needs(self.period_ms, usual=usual))} s" for each in heaviest[:NAMED_MAX]]
        return {
            "line": self.line, "needed_s": _seconds(self.needed_s(usual=usual)), "period_s": _seconds(self.period_ms / 1000),
            "percent": round(self.share(usual=usual) * 100),
            "groups": ", ".join(named) + (", …" if len(heaviest) > NAMED_MAX else ""),
        }  # fmt: skip

    def plain(self) -> dict[str, Any]:
        """Return it for other programs."""
        groups = [
            {"device": each.device, "group": each.group, "period_ms": each.period_ms, "requests": each.requests,
             "least_s": each.least_us / 1e6, "usual_s": each.usual_us / 1e6}
            for each in self.shares
        ]  # fmt: skip
        return {
            "line": self.line, "certain": self.is_certain, "period_s": self.period_ms / 1000,
            "least_s": round(self.needed_s(usual=False), 6), "usual_s": round(self.needed_s(usual=True), 6),
            "share": round(self.share(usual=True), 4), "groups": groups,
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Accepted:
    """A configuration that may be put in force, the budgets of its lines, and what is to be said of them."""

    config: Config
    lines: tuple[LineBudget, ...]
    advice: tuple[Fault, ...]


def accept_config(text: str) -> Accepted:
    """Judge a config text and the time of its lines. Raises ConfigError with every fault."""
    config = parse_config(text, anew=True)
    faults, advice = Faults(text), Faults(text)
    lines = tuple(line_budgets(config, faults))
    for line in lines:
        heaviest = max(line.shares, key=lambda each: each.usual_us / each.period_ms)
        place = ("devices", heaviest.device, "groups", heaviest.at)
        where = f"devices.{heaviest.device}.groups.{heaviest.group}"
        if line.is_certain and line.share(usual=False) > 1:
            faults.add(place, where, "config_line_full", **line.params(usual=False))
        elif line.share(usual=True) > BUSY_SHARE:
            advice.add(place, where, "config_line_over" if line.share(usual=True) > 1 else "config_line_busy", **line.params(usual=True))
    for device in config.devices:
        for key, code, params in told(faults, device, advice_on) or ():
            advice.add(("devices", device.name, key), f"devices.{device.name}.{key}", code, **params)
    if (size := len(text.encode())) > CONFIG_TEXT_MAX:
        advice.add(("gateway",), "gateway", "config_text_long", size=size, size_max=CONFIG_TEXT_MAX)
    if config.gateway.commissioning:
        advice.add(("gateway", "commissioning"), "gateway.commissioning", "config_commissioning")
    check_together(faults, advice, config)
    check_written(faults, advice, config)
    _check_groups(faults, config)
    if faults.found:
        raise ConfigError(faults.found)
    return Accepted(config, lines, tuple(advice.found))


def _check_groups(faults: Faults, config: Config) -> None:
    """A device that can have one group only has no second one; of a type that does not push, no group is subscribed to."""
    for device in config.devices:
        subscribed = [(at, group) for at, group in enumerate(device.groups) if group.mode == "subscribe"]
        for at, group in subscribed if not can_push(device.type) else ():
            mode = ("devices", device.name, "groups", at, "mode")
            faults.add(mode, f"devices.{device.name}.groups.{group.name}.mode", "config_mode_polled", type=device.type)
        option = told(faults, device, one_group_of)
        for at, group in enumerate(device.groups[1:] if option is not None else (), start=1):
            place, where = ("devices", device.name, "groups", at), f"devices.{device.name}.groups.{group.name}"
            faults.add(place, where, "config_one_group", option=str(option), first=device.groups[0].name)


def line_budgets(config: Config, faults: Faults) -> Iterator[LineBudget]:
    """Yield the budget of each line that drivers tell the load of, in the order of the configuration; note what they tell wrongly."""
    lines: dict[tuple[str | int, ...], tuple[LineLoad, list[Share]]] = {}
    for device in config.devices:
        polled = [(at, group) for at, group in enumerate(device.groups) if group.mode == "poll"]
        load = _load(faults, device, [group for _, group in polled]) if device.enabled and polled else None
        if load is None:
            continue
        _, shares = lines.setdefault(load.key, (load, []))
        for (at, group), each in zip(polled, load.groups, strict=True):
            shares.append(Share(device.name, group.name, at, group.period_ms, each.requests, each.least_us, each.usual_us))
    for load, shares in lines.values():
        yield LineBudget(load.line, load.is_certain, tuple(shares))


def _load(faults: Faults, device: DeviceConfig, groups: list[GroupConfig]) -> LineLoad | None:
    try:
        return line_load(device.type, device.options, [[tag.address for tag in group.tags] for group in groups])
    except ValueError:
        return None  # a value longer than a request: its device says so itself, tag by tag
    except DriverError as error:
        faults.add_told(device.name, error)
        return None


def _seconds(value: float) -> float:
    """Return it with as many digits as a person wants to see."""
    rounded = round(value, 1 if value >= 1 else 3)
    return int(rounded) if rounded == int(rounded) else rounded


def said(advice: tuple[Fault, ...]) -> Mapping[str, str]:
    """Return advice for an outcome: the first text, with how many more there are."""
    if not advice:
        return {}
    more = f" (+{len(advice) - 1})" if len(advice) > 1 else ""
    return {"advice": advice[0].text() + more}
