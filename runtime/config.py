"""The one config file: read, judged whole, and turned into frozen nouns.

Room: hall. `revisions`, `app` and the CLI call `parse_config`; past it only these dataclasses flow (a device's own options stay
the frozen model of its driver). It reads no file, opens nothing and contacts nobody. Every fault is found in one pass and named
by device and tag. Options: docs/config.md and witnessmark.example.toml.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from pydantic import BaseModel

from drivers.driver import DriverError
from drivers.one_of_a_kind import one_of_a_kind
from drivers.option_error import OptionError
from drivers.registry import Factory, inputs_of, is_occasional, load_factory, origin_of
from ledger_client.anchors.registry import make_anchor
from ledger_client.errors import AnchorError
from runtime import config_model as model
from runtime.alarms.definition import AlarmDefinition
from runtime.alarms.from_config import alarms_of
from runtime.alarms.notify_config import notify_of
from runtime.alarms.notify_plan import NotifyPlan
from runtime.clock import SystemClock
from runtime.config_commands import MethodConfig, check_methods, method_config, setpoint_rules
from runtime.config_faults import Above, ConfigError, Faults, Place, dotted
from runtime.config_judged import check_models, known_to_alarms
from runtime.config_references import References
from runtime.config_signin import Ldap, Oidc
from runtime.config_templates import with_template
from runtime.config_toml import tables_of
from runtime.config_web import Web
from runtime.config_writes import Commands
from runtime.network.options import Network
from runtime.setpoint import SetpointRules
from runtime.tag_checks import OUTSIDE, Instrument, TagCheck

CONFIG_SIZE_MAX: Final = 16 << 20
SOURCE_MAX: Final = 700
"""Characters of a descriptor's source: a formula is in it whole."""
ANCHOR_KEYS: Final = {
    "anchor_type_unknown": "type",
    "anchor_library_missing": "type",
    "anchor_type_twice": "type",
    "anchor_url_invalid": "url",
}
"""Which key of an anchor a fault is about."""


@dataclass(frozen=True, slots=True)
class ReportRule:
    """When a tag's reading is collected: on a change beyond the deadband from the value reported last, and every `heartbeat_ms`.

    `on_change` False collects every scan; heartbeat 0 never repeats an unchanged value. `deadband_share` is the deadband as a share of the
    value reported last; the larger one counts. `deadband_integral` (unit times seconds) limits what differences add up to; without another
    deadband it decides alone.
    """

    on_change: bool = True
    deadband: float = 0.0
    heartbeat_ms: int = 60_000
    deadband_share: float = 0.0
    deadband_integral: float = 0.0

    @property
    def has_deadband(self) -> bool:
        """Whether it holds back any change."""
        return bool(self.deadband or self.deadband_share or self.deadband_integral)


EVERY_ONCE: Final = ReportRule(on_change=False, heartbeat_ms=0)
"""Of values that come one by one: an equal one is a reading too, and none is read again by itself."""
OCCASIONAL_GROUP: Final[Mapping[str, Any]] = {"mode": "subscribe", "period_ms": 60_000}
"""What a group of such values has where nothing is said."""


@dataclass(frozen=True, slots=True)
class TagConfig:
    """One tag. `address` is the driver's own; `was` is the name it had before, `device/tag`; without `write` nobody commands it."""

    name: str
    was: str | None
    unit: str
    type: str
    exponent: int | None
    writable: bool
    write: SetpointRules | None
    source: str
    calibration: str
    address: object
    report: ReportRule
    check: TagCheck


@dataclass(frozen=True, slots=True)
class GroupConfig:
    """Tags that are read together. `mode` is poll or subscribe; `was` is the former `device/group`."""

    name: str
    was: str | None
    period_ms: int
    mode: str
    tags: tuple[TagConfig, ...]


@dataclass(frozen=True, slots=True)
class DeviceConfig:
    """One device. `options` is the driver's own frozen model."""

    name: str
    type: str
    asset: str
    enabled: bool
    timeout_s: float
    options: BaseModel
    groups: tuple[GroupConfig, ...]
    methods: tuple[MethodConfig, ...] = ()

    def same_connection(self, other: DeviceConfig) -> bool:
        """Tell whether a driver that was made for the one serves the other."""
        return (self.type, self.enabled, self.options) == (other.type, other.enabled, other.options)


@dataclass(frozen=True, slots=True)
class AnchorConfig:
    """One upstream that leaves evidence; `options` belong to its type."""

    name: str
    type: str
    operator: str
    options: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Config:
    """The whole file."""

    gateway: model.Gateway
    evidence: model.Evidence
    web: Web
    accounts: model.Accounts
    ldap: Ldap
    oidc: Oidc
    syslog: model.Syslog
    history: model.History
    feed: model.Feed
    network: Network
    commands: Commands
    models: model.Models
    anchors: tuple[AnchorConfig, ...]
    devices: tuple[DeviceConfig, ...]
    alarms: tuple[AlarmDefinition, ...]
    notify: NotifyPlan


def parse_config(text: str, *, anew: bool = False) -> Config:
    """Judge a config text and return it; `anew`: as one that is to be put in force. Raises ConfigError with every fault."""
    raw = tables_of(text, anew=anew)
    faults = Faults(text)
    gateway = raw.get("gateway")
    file = faults.judge(model.File, raw, (), "", above={"[gateway]": _lacking(gateway if isinstance(gateway, dict) else {}, model.Gateway)})
    # Devices and anchors are judged even when another section is wrong: every fault at once.
    rows = raw.get("devices")
    references = References()
    devices = [_device(faults, references, name, row) for name, row in rows.items()] if isinstance(rows, dict) else []
    anchors = _anchors(faults, raw.get("anchors"))
    _check_former_names(faults, devices)
    references.check(faults)
    if file is not None:
        check_models(faults, file.models, devices, references)
    known = known_to_alarms(devices, rows if isinstance(rows, dict) else (), file)
    alarms, notify = alarms_of(faults, raw.get("alarms"), known), notify_of(faults, raw.get("notify", {}), known)
    if faults.found or file is None:
        raise ConfigError(sorted(faults.found, key=lambda fault: (fault.line or 0, fault.where)))
    found = tuple(device for device in devices if device is not None)
    return Config(
        file.gateway, file.evidence, file.web, file.accounts, file.ldap, file.oidc, file.syslog, file.history,
        file.feed, file.network, file.commands, file.models, anchors, found, alarms,
        notify,
    )  # fmt: skip


def _device(faults: Faults, references: References, name: str, raw: Any) -> DeviceConfig | None:
    """Judge one device as far as it can be judged: what is wrong in one place hides nothing in another."""
    place, where = ("devices", name), f"devices.{name}"
    named = faults.judge(model.DeviceName, {"name": name}, place, where)
    raw = with_template(faults, place, where, raw)
    references.add_device(name, raw.get("groups") if isinstance(raw, dict) else None)
    if raw is None:
        return None
    common = faults.judge(model.Device, raw, place, where)
    if not isinstance(raw, dict):
        return None
    factory = _factory(faults, place, where, raw.get("type"))
    options: BaseModel | None = None
    if factory is not None:
        options = faults.judge(
            factory.DEVICE_OPTIONS, _others(raw, model.Device), place, where, {"device": name}, model.Device.model_fields
        )
    rows = [(at, row) for at, row in enumerate(_list(raw.get("groups"))) if isinstance(row, dict)]
    own = () if factory is None else (factory.DEVICE_OPTIONS,)
    above: Above = {f"[{dotted(place)}]": _lacking(raw, model.Device, *own)}
    context = {"options": options, "references": references, "above": above}
    groups = [_group(faults, factory, str(raw.get("type")), (*place, "groups", at), where, row, context) for at, row in rows]
    _check_unique(faults, place, where, rows)
    if common is not None:
        check_methods(faults, references, place, where, common.methods)
    if named is None or common is None or options is None or any(group is None for group in groups):
        return None
    whole = tuple(group for group in groups if group is not None)
    methods = tuple(method_config(each) for each in common.methods)
    return DeviceConfig(name, common.type, common.asset, common.enabled, float(common.timeout_s), options, whole, methods)


def _factory(faults: Faults, place: Place, where: str, type_name: Any) -> Factory | None:
    """Return a type's factory; without one only what all devices have in common is judged."""
    if not isinstance(type_name, str):
        return None  # the common model has said so
    try:
        return load_factory(type_name)
    except DriverError as error:
        faults.add((*place, "type"), f"{where}.type", error.cause, **error.params)
        return None


def _group(
    faults: Faults, factory: Factory | None, driver: str, place: Place, device_where: str, raw: dict[str, Any], context: Mapping[str, Any]
) -> GroupConfig | None:
    """Judge one group. `context` has the device's own `options` for the validators of its tags, None when faulty, `references`, `above`."""
    where = f"{device_where}.groups.{raw.get('name', place[-1])}"
    occasional = factory is not None and is_occasional(factory)
    group = faults.judge(model.Group, {**OCCASIONAL_GROUP, **raw} if occasional else raw, place, where, above=context["above"])
    context = {**context, "above": {f"[[{dotted(('devices', str(place[1]), 'groups'))}]]": _lacking(raw, model.Group), **context["above"]}}
    if group is not None and occasional and group.mode != OCCASIONAL_GROUP["mode"]:
        faults.add((*place, "mode"), f"{where}.mode", "config_mode_pushed", type=driver)
    rows = [(at, row) for at, row in enumerate(_list(raw.get("tags"))) if isinstance(row, dict)]
    if group is not None and group.report.model_fields_set:
        rows = [(at, _with_report(row, raw["report"])) for at, row in rows]
    tags = [_tag(faults, factory, driver, (*place, "tags", at), where, row, context) for at, row in rows]
    if group is None or any(tag is None for tag in tags):
        return None
    return GroupConfig(group.name, group.was, group.period_ms, group.mode, tuple(tag for tag in tags if tag is not None))


def _with_report(tag: dict[str, Any], default: dict[str, Any]) -> dict[str, Any]:
    """Return a tag with its group's report rule where it says nothing else, key by key."""
    own = tag.get("report", {})
    return {**tag, "report": {**default, **own}} if isinstance(own, dict) else tag


def _tag(
    faults: Faults, factory: Factory | None, driver: str, place: Place, group_where: str, raw: dict[str, Any], context: Mapping[str, Any]
) -> TagConfig | None:
    where = f"{group_where}.tags.{raw.get('name', place[-1])}"
    tag, own = faults.judge(model.Tag, raw, place, where), _others(raw, model.Tag)
    if factory is None:
        return None
    options = faults.judge(factory.TAG_OPTIONS, own, place, where, context, model.Tag.model_fields, context["above"])
    if options is None:
        return None
    try:
        address, value_type, exponent = factory.make_tag_address(options), factory.value_type(options), factory.exponent(options)
    except OptionError as error:
        faults.add(place, where, error.code, **error.params)
        return None
    except ValueError as error:
        faults.add(place, where, "config_value", detail=str(error))
        return None
    try:
        inputs, origin = inputs_of(driver, address), origin_of(factory, context["options"])
    except DriverError as error:
        faults.add_told(str(place[1]), error)
        return None
    locks = tuple(each.tag for each in tag.write.interlock) if tag is not None and tag.write is not None else ()
    context["references"].add_tag(f"{place[1]}/{raw.get('name')}", place, where, inputs, locks)
    if tag is None:
        return None
    if tag.write is not None and tag.write.limits_numbers and value_type in ("bool", "text"):
        faults.add((*place, "write"), f"{where}.write", "config_no_limits", type=value_type)
    if tag.range != model.Range() and value_type in ("bool", "text"):
        faults.add((*place, "range"), f"{where}.range", "config_no_range", type=value_type)
    exponent = -tag.decimals if tag.decimals is not None else exponent
    occasional = is_occasional(factory)
    if occasional and "report" in raw:
        faults.add((*place, "report"), f"{where}.report", "config_report_occasional", type=driver)
    rule = EVERY_ONCE if occasional else _report_rule(faults, (*place, "report"), f"{where}.report", tag, value_type)
    source = " ".join([driver, *origin, *(f"{key}={value}" for key, value in own.items())])[:SOURCE_MAX]
    check = _check(tag)
    calibration = check.instrument.text(tag.unit, tag.calibration)
    return TagConfig(
        tag.name, tag.was, tag.unit, value_type, exponent, tag.writable, setpoint_rules(tag.write), source, calibration, address, rule,
        check,
    )  # fmt: skip


def _report_rule(faults: Faults, place: Place, where: str, tag: model.Tag, value_type: str) -> ReportRule:
    """Deadbands say nothing of a bool or a text, which may stand in a group that has one."""
    report = tag.report
    band, share, heartbeat_ms = float(report.deadband), report.deadband_percent / 100, round(report.heartbeat_s * 1000)
    if value_type in ("bool", "text"):
        return ReportRule(report.on_change, heartbeat_ms=heartbeat_ms)
    if share and report.percent_of == "span":
        if tag.range.low is None or tag.range.high is None:
            faults.add(place, where, "config_percent_without_range")
            return ReportRule()
        band, share = max(band, share * (tag.range.high - tag.range.low)), 0.0
    return one_of_a_kind(ReportRule(report.on_change, band, heartbeat_ms, share, float(report.deadband_integral)))


def _check(tag: model.Tag) -> TagCheck:
    each = tag.instrument
    instrument = Instrument(
        each.serial, each.certificate, each.calibrated, each.due, each.uncertainty, each.uncertainty_percent, each.coverage
    )  # fmt: skip
    return one_of_a_kind(TagCheck(tag.range.low, tag.range.high, OUTSIDE[tag.range.outside], one_of_a_kind(instrument)))


def _others(raw: Mapping[str, Any], common: type[BaseModel]) -> dict[str, Any]:
    """Return the keys that are the driver's own."""
    return {key: value for key, value in raw.items() if key not in common.model_fields}


def _lacking(raw: Mapping[str, Any], *models: type[BaseModel]) -> frozenset[str]:
    """Return the keys of models that a table does not have."""
    return frozenset(key for each in models for key in each.model_fields if key not in raw)


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _check_unique(faults: Faults, place: Place, where: str, groups: list[tuple[int, dict[str, Any]]]) -> None:
    """Group names and tag names are unique on their device: a reading is named `device/tag`."""
    seen: set[str] = set()
    tags: set[str] = set()
    for at, group in groups:
        name = group.get("name")
        if isinstance(name, str):
            if name in seen:
                faults.add((*place, "groups", at), f"{where}.groups.{name}", "config_name_twice", name=name)
            seen.add(name)
        for tag_at, row in enumerate(_list(group.get("tags"))):
            tag = row.get("name") if isinstance(row, dict) else None
            if not isinstance(tag, str):
                continue
            if tag in tags:
                faults.add((*place, "groups", at, "tags", tag_at), f"{where}.groups.{name}.tags.{tag}", "config_name_twice", name=tag)
            tags.add(tag)


def _check_former_names(faults: Faults, devices: list[DeviceConfig | None]) -> None:
    """A `was` names something that is gone, once."""
    rows: list[tuple[Place, str, str, str, str | None]] = []
    for d in (device for device in devices if device is not None):
        for i, g in enumerate(d.groups):
            place: Place = ("devices", d.name, "groups", i)
            where = f"devices.{d.name}.groups.{g.name}"
            rows.append((place, where, "group", f"{d.name}/{g.name}", g.was))
            rows += [((*place, "tags", j), f"{where}.tags.{t.name}", "tag", f"{d.name}/{t.name}", t.was) for j, t in enumerate(g.tags)]
    present = {(kind, name) for _, _, kind, name, _ in rows}
    taken: set[tuple[str, str]] = set()
    for place, where, kind, _, was in rows:
        if was is None:
            continue
        if was.count("/") != 1:
            faults.add((*place, "was"), f"{where}.was", "config_was_shape", name=was)
        elif (kind, was) in present or (kind, was) in taken:
            faults.add((*place, "was"), f"{where}.was", "config_was_taken", name=was)
        taken.add((kind, was))


def _anchors(faults: Faults, rows: Any) -> tuple[AnchorConfig, ...]:
    found: dict[str, AnchorConfig] = {}
    for at, row in enumerate(_list(rows)):
        name = row.get("name", at) if isinstance(row, dict) else at
        place, where = ("anchors", at), f"anchors.{name}"
        common = faults.judge(model.Anchor, row, place, where)
        if common is None:
            continue
        options = dict(model.own_options(common))
        try:
            make_anchor(common.type, common.name, options, SystemClock())
        except AnchorError as error:
            key = str(error.params.get("option") or ANCHOR_KEYS.get(error.code, ""))
            faults.add((*place, key) if key else place, f"{where}.{key}" if key else where, error.code, **error.params)
            continue
        if common.name in found:
            faults.add(place, where, "config_name_twice", name=common.name)
        found[common.name] = AnchorConfig(common.name, common.type, common.operator, MappingProxyType(options))
    return tuple(found.values())
