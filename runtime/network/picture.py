"""What the network is now: interfaces with their addresses and links, routes, name servers, read out of what `ip -j` prints. Pure.

Room: hall, network. `look` feeds it; the page and the planner read it. What a later `ip` leaves out or adds makes a hole, never a fault.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

SCOPES: Final = ("global", "site")
"""Addresses of the machine for others; link-local ones are left out."""


@dataclass(frozen=True, slots=True)
class Interface:
    """`state` is up, down or unknown; `speed_mbit` None where the link does not say.

    `addresses` are IPv4, `addresses6` IPv6, with prefixes.
    """

    name: str
    state: str
    mac: str
    mtu: int
    addresses: tuple[str, ...]
    addresses6: tuple[str, ...]
    dynamic: bool
    """Whether an address was leased (DHCP)."""
    carrier: bool | None = None
    speed_mbit: int | None = None


@dataclass(frozen=True, slots=True)
class Route:
    """`to` is `default` or a network; `via` empty where it is a neighbour's."""

    to: str
    via: str
    interface: str


@dataclass(frozen=True, slots=True)
class Picture:
    """Everything at one moment."""

    interfaces: tuple[Interface, ...]
    routes: tuple[Route, ...]
    dns: tuple[str, ...]

    def of(self, name: str) -> Interface | None:
        """Return an interface by name."""
        return next((each for each in self.interfaces if each.name == name), None)

    def gateway_of(self, name: str) -> str:
        """Return the way out over an interface, empty for none."""
        return next((route.via for route in self.routes if route.to == "default" and route.interface == name), "")

    def plain(self) -> dict[str, Any]:
        """Return it for a face."""
        return asdict(self)


def interfaces_of(raw: object) -> tuple[Interface, ...]:
    """Return the interfaces of `ip -j addr`, the loopback left out."""
    return tuple(found for row in _rows(raw) if (found := _interface(row)) is not None)


def routes_of(raw: object) -> tuple[Route, ...]:
    """Return the routes of `ip -j route`."""
    return tuple(Route(str(row.get("dst", "")), str(row.get("gateway", "")), str(row.get("dev", ""))) for row in _rows(raw))


def name_servers_of(text: str) -> tuple[str, ...]:
    """Return the name servers of a resolv.conf."""
    words = (line.split() for line in text.splitlines())
    return tuple(each[1][:60] for each in words if len(each) > 1 and each[0] == "nameserver")


def _interface(row: Mapping[str, Any]) -> Interface | None:
    if "LOOPBACK" in row.get("flags", ()) or not row.get("ifname"):
        return None
    there = [each for each in _rows(row.get("addr_info")) if each.get("scope") in SCOPES and each.get("local")]
    four, six = ([each for each in there if each.get("family") == family] for family in ("inet", "inet6"))
    state = str(row.get("operstate", "UNKNOWN")).lower()
    return Interface(
        str(row["ifname"]), state if state in {"up", "down"} else "unknown", str(row.get("address", "")), int(row.get("mtu", 0)),
        _with_prefix(four), _with_prefix(six), any(each.get("dynamic") for each in four),
    )  # fmt: skip


def _with_prefix(found: Iterable[Mapping[str, Any]]) -> tuple[str, ...]:
    return tuple(f"{each['local']}/{each.get('prefixlen', 32)}" for each in found)


def _rows(raw: object) -> list[Mapping[str, Any]]:
    return [row for row in raw if isinstance(row, dict)] if isinstance(raw, list) else []
