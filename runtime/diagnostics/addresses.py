"""Every address outside that a configuration names: what a probe may try while the gateway is in service. Pure.

Room: hall, diagnostics. `probes` asks it. A device that is polled over Modbus is marked: many
allow one connection, and it is the gateway's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from runtime.config import Config, DeviceConfig

MODBUS: Final = "modbus"
PORTS: Final = {"https": 443, "http": 80, "opc.tcp": 4840, "ssl": 443, "ldap": 389, "ldaps": 636}


@dataclass(frozen=True, slots=True)
class Address:
    """A host and a port, and what it is for. `line`: the polled Modbus device whose connection leads there, empty for any other."""

    host: str
    port: int
    what: str
    name: str
    line: str = ""

    def plain(self) -> dict[str, Any]:
        """Return it for a face."""
        return {"host": self.host, "port": self.port, "what": self.what, "name": self.name, "line": self.line}


def addresses_of(config: Config) -> list[Address]:
    """Return them, devices first; each host and port once for each thing that it is for."""
    found = [each for device in config.devices for each in _of_device(device)]
    found += [each for anchor in config.anchors for each in _of_url(str(anchor.options.get("url", "")), "anchor", anchor.name)]
    for target in config.notify.targets:
        host = getattr(target.options, "host", None)
        if isinstance(host, str):
            found.append(Address(host, int(getattr(target.options, "port", 587)), "notify", target.name))
        found += _of_url(str(getattr(target.options, "url", "")), "notify", target.name)
    if config.syslog.host:
        found.append(Address(config.syslog.host, config.syslog.port, "syslog", "syslog"))
    found += [*_of_url(config.ldap.url, "ldap", config.ldap.label), *_of_url(config.oidc.issuer, "oidc", config.oidc.label)]
    return list(dict.fromkeys(found))


def _of_device(device: DeviceConfig) -> list[Address]:
    options = device.options
    endpoint, host = getattr(options, "endpoint", None), getattr(options, "host", None)
    if isinstance(endpoint, str):
        return _of_url(endpoint, "device", device.name)
    if not isinstance(host, str):
        return []
    port = getattr(options, "tcp_port", None) or getattr(options, "port", None) or 0
    line = device.name if device.enabled and device.type == MODBUS else ""
    backups = getattr(options, "backups", [])
    places = [(host, port), *(backups if isinstance(backups, list) else [])]
    return [Address(at.strip("[]"), int(number), "device", device.name, line) for at, number in places if number]


def _of_url(url: str, what: str, name: str) -> list[Address]:
    try:
        parts = urlsplit(url)
        port = parts.port or PORTS.get(parts.scheme, 0)
    except ValueError:
        return []
    return [Address(parts.hostname, port, what, name)] if parts.hostname and port else []
