"""What a change would do, before it is done: faults, what it costs, the difference, and from where it must be confirmed. Pure.

Room: hall, network. The desk makes a plan for the page and once more for the act. It changes nothing and asks nobody.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from runtime.network.picture import Picture
from runtime.network.settings import NetworkError, Settings

Said = tuple[str, dict[str, str | int]]
"""A message code with its parameters."""
DHCP: Final = "dhcp"
EVERYWHERE: Final = ("0.0.0.0", "::")


@dataclass(frozen=True, slots=True)
class Plan:
    """One change, thought through. `rows` are (what, before, after) where they differ.

    `confirm_at`: addresses over which it may be confirmed; empty: any that the interface has then.
    `keeps_address`: it leaves the addresses as they are, so it may be confirmed over any.
    """

    interface: str
    before: Settings
    wish: Settings
    rows: tuple[tuple[str, str, str], ...]
    warnings: tuple[Said, ...]
    confirm_at: tuple[str, ...]
    keeps_address: bool

    def plain(self) -> dict[str, Any]:
        """Return it for a face."""
        return {
            "interface": self.interface, "before": self.before.plain(), "wish": self.wish.plain(), "rows": [list(row) for row in self.rows],
            "warnings": [[code, params] for code, params in self.warnings], "confirm_at": list(self.confirm_at),
            "keeps_address": self.keeps_address,
        }  # fmt: skip


def plan_of(
    picture: Picture,
    name: str,
    before: Settings,
    wish: Settings,
    *,
    can: Sequence[str],
    lasting: bool = True,
    replaces_file: bool = False,
    via: str = "",
    page_host: str = "",
) -> Plan:
    """Plan one change. `before` is what is configured, `can` what the back end can do besides static addresses (dhcp, dns).

    `replaces_file`: its file stands instead of the machine's whole one. `via` is the address over which whoever asks reaches this machine,
    `page_host` where the page listens. Raises NetworkError.
    """
    interface = picture.of(name)
    if interface is None:
        raise NetworkError("net_interface", name=name)
    if wish.method == DHCP and DHCP not in can:
        raise NetworkError("net_cannot_dhcp")
    if set(wish.dns) != set(before.dns) and "dns" not in can:
        raise NetworkError("net_cannot_dns")
    _refuse_overlap(picture, name, wish)
    now = interface.addresses if before.method != "static" else before.addresses
    rows = _rows(before, wish, now)
    if not rows:
        raise NetworkError("net_nothing_changes")
    keeps = wish.method == "static" and set(wish.addresses) == set(interface.addresses)
    confirm_at = tuple(each.partition("/")[0] for each in wish.addresses)
    costs = [
        *_warnings(picture, name, wish, via, page_host, lasting=lasting),
        *_lost(picture, name, before, wish, can, replaces_file=replaces_file),
    ]
    return Plan(name, before, wish, rows, tuple(costs), confirm_at, keeps)


def _refuse_overlap(picture: Picture, name: str, wish: Settings) -> None:
    """Two interfaces in one network, or one address twice: answers would leave by the wrong one."""
    for other in picture.interfaces:
        if other.name == name:
            continue
        for theirs, ours in ((ipaddress.IPv4Interface(a), ipaddress.IPv4Interface(b)) for a in other.addresses for b in wish.addresses):
            if theirs.network.overlaps(ours.network):
                raise NetworkError("net_overlap", address=str(ours), other=other.name, network=str(theirs.network))


def _rows(before: Settings, wish: Settings, now: Sequence[str]) -> tuple[tuple[str, str, str], ...]:
    pairs = (
        ("method", before.method, wish.method),
        ("address", " ".join(now), " ".join(wish.addresses)),
        ("gateway", before.gateway, wish.gateway),
        ("dns", " ".join(before.dns), " ".join(wish.dns)),
    )
    return tuple((what, old, new) for what, old, new in pairs if old != new)


def _warnings(picture: Picture, name: str, wish: Settings, via: str, page_host: str, *, lasting: bool) -> list[Said]:
    interface = picture.of(name)
    gone = {each.partition("/")[0] for each in interface.addresses} if interface is not None else set()
    gone -= {each.partition("/")[0] for each in wish.addresses}
    found: list[Said] = []
    if via in gone:
        found.append(("net_warn_loses_you", {"address": via}))
    if page_host not in EVERYWHERE and page_host in gone:
        found.append(("net_warn_page_bound", {"address": page_host}))
    had, others = picture.gateway_of(name), {route.interface for route in picture.routes if route.to == "default"} - {name}
    if had and wish.method == "static" and not wish.gateway and not others:
        found.append(("net_warn_no_way_out", {}))
    if wish.gateway and others:
        found.append(("net_warn_two_ways", {"other": ", ".join(sorted(others))}))
    if interface is not None and interface.carrier is False:
        found.append(("net_warn_no_cable", {"name": name}))
    if not lasting:
        found.append(("net_warn_until_restart", {}))
    return found


def _lost(picture: Picture, name: str, before: Settings, wish: Settings, can: Sequence[str], *, replaces_file: bool) -> list[Said]:
    """What goes with the change that no row of the difference names."""
    found: list[Said] = []
    brought = before.method != "static" or before.dns
    if "dns" in can and wish.method == "static" and not wish.dns and brought and picture.dns:
        found.append(("net_warn_no_dns", {"dns": ", ".join(picture.dns)}))
    if replaces_file and before.method == "absent":
        found.append(("net_warn_replaces_file", {"name": name}))
    return found
