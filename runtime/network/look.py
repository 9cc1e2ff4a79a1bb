"""Looks at the machine's network: `ip -j`, /sys/class/net, resolv.conf. Needs no rights. Blocking.

Room: hall, network. The desk calls it off the loop, and the `ip` back end for what is in force. It changes nothing and contacts nobody.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Final

from runtime.network.commands import run_json
from runtime.network.picture import Interface, Picture, Route, interfaces_of, name_servers_of, routes_of
from runtime.network.settings import NetworkError

LINKS: Final = Path("/sys/class/net")
RESOLVERS: Final = (Path("/run/systemd/resolve/resolv.conf"), Path("/etc/resolv.conf"))
"""The first has the servers behind systemd's stub."""
FILE_SIZE_MAX: Final = 1 << 16


def look() -> Picture:
    """Return the network as it is. Raises NetworkError where `ip` is missing or fails."""
    interfaces = interfaces_of(run_json("ip", "-j", "addr"))
    return Picture(tuple(_linked(each) for each in interfaces), _routes(), _name_servers())


def _routes() -> tuple[Route, ...]:
    found = routes_of(run_json("ip", "-j", "-4", "route"))
    try:
        return (*found, *(each for each in routes_of(run_json("ip", "-j", "-6", "route")) if each.to == "default"))
    except NetworkError:  # a kernel without IPv6
        return found


def _linked(interface: Interface) -> Interface:
    """Return it with what its link says; an interface that is down says nothing."""
    folder = LINKS / interface.name
    carrier, speed = _number(folder / "carrier"), _number(folder / "speed")
    return replace(
        interface, carrier=None if carrier is None else bool(carrier), speed_mbit=speed if speed is not None and speed > 0 else None
    )


def _number(path: Path) -> int | None:
    try:
        return int(path.read_text()[:20])
    except (OSError, ValueError):
        return None


def _name_servers() -> tuple[str, ...]:
    for path in RESOLVERS:
        try:
            with path.open(encoding="utf-8", errors="replace") as file:
                return name_servers_of(file.read(FILE_SIZE_MAX))
        except OSError:
            continue
    return ()
