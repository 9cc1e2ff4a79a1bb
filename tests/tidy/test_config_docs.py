"""docs/config.md against the models: every option stands there with the default that is in force.

Room: tests. The one tidy test that imports code of ours, because defaults are known only there.
"""

from __future__ import annotations

import importlib
import importlib.util
import re
from typing import Any

import pytest

from tests.tidy.source import ROOT, plain_text

PAGES = {
    "[gateway]": "runtime.config_model:Gateway",
    "[evidence]": "runtime.config_model:Evidence",
    "[[anchors]]": "runtime.config_model:Anchor",
    "[web]": "runtime.config_web:Web",
    "[accounts]": "runtime.config_model:Accounts",
    "[ldap]": "runtime.config_signin:Ldap",
    "[oidc]": "runtime.config_signin:Oidc",
    "[syslog]": "runtime.config_model:Syslog",
    "[history]": "runtime.config_model:History",
    "[feed]": "runtime.config_model:Feed",
    "[commands]": "runtime.config_model:Commands",
    "[models]": "runtime.config_model:Models",
    "[[models.define]]": "runtime.config_model:ModelDefinition",
    "[[alarms]]": "runtime.alarms.options:Alarm",
    "[notify]": "runtime.alarms.notify_options:Notify",
    "[[notify.targets]]": "runtime.alarms.notify_options:Told",
    "[[notify.targets]] of type email": "runtime.alarms.notify_options:Email",
    "[[notify.targets]] of type webhook": "runtime.alarms.notify_options:Webhook",
    "[[notify.targets]] of type light": "runtime.alarms.notify_options:Light",
    "[devices.NAME]": "runtime.config_model:Device",
    "[[devices.NAME.groups]]": "runtime.config_model:Group",
    "[[devices.NAME.groups.tags]]": "runtime.config_model:Tag",
    "Devices of type gpio": "drivers.gpio.config:DeviceOptions drivers.gpio.config:LineOptions drivers.gpio.config:TagOptions",
    "Devices of type manual": "drivers.manual.config:DeviceOptions drivers.manual.config:TagOptions",
    "Devices of type modbus": "drivers.modbus.config:DeviceOptions drivers.modbus.tag_options:TagOptions",
    "Devices of type mqtt": "drivers.mqtt.config:DeviceOptions drivers.mqtt.config:TagOptions",
    "Devices of type opcua": "drivers.opcua.config:DeviceOptions drivers.opcua.config:TagOptions",
    "Devices of type virtual": "drivers.virtual.config:DeviceOptions drivers.virtual.config:TagOptions",
    "Devices of type replay": "drivers.replay.config:DeviceOptions drivers.replay.config:TagOptions",
}
NESTED = {
    "[ldap]": "runtime.config_signin:Roles",
    "[oidc]": "runtime.config_signin:Roles",
    "[[models.define]]": "runtime.config_model:JudgedTag",
    "[[alarms]]": "runtime.alarms.options:SuppressWhile",
    "Devices of type manual": "drivers.manual.config:Gauge",
    "[devices.NAME]": "runtime.config_model:TemplateUse runtime.config_model:Method",
    "[[devices.NAME.groups.tags]]": " ".join(f"runtime.config_model:{name}" for name in ("Report", "Instrument", "Range", "Write")),
}


def _rows(section: str) -> list[tuple[str, str]]:
    part = re.split(r"^## ", plain_text(ROOT / "docs" / "config.md"), flags=re.MULTILINE)
    text = next(p for p in part if p.startswith(section + "\n"))
    return re.findall(r"^\| `(\w+)` \| ([^|]+) \|", text, flags=re.MULTILINE)


def _default(field: Any) -> str:
    if field.is_required():
        return "*required*"
    value = field.default
    if value is None:
        return "none"
    if isinstance(value, bool | int | float):
        return f"`{str(value).lower()}`"
    if isinstance(value, list):
        return f"`{value}`"
    return f'`"{value}"`' if isinstance(value, str) else "all defaults"


@pytest.mark.parametrize("section", PAGES)
def test_options_are_documented_with_their_defaults(section: str) -> None:
    wanted = []
    for place in f"{PAGES[section]} {NESTED.get(section, '')}".split():
        module, _, name = place.partition(":")
        if not (ROOT / (module.replace(".", "/") + ".py")).is_file():
            pytest.skip(f"{module} is not there yet")
        wanted += [(key, _default(field)) for key, field in getattr(importlib.import_module(module), name).model_fields.items()]
    assert sorted(_rows(section)) == sorted(wanted)
