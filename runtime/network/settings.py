"""What one interface is to have: DHCP or static addresses, the way out, name servers. Read strictly, written plainly. Pure.

Room: hall, network. The planner, the core's desk and the privileged part all read it with `settings_of`, each for itself: the privileged
part believes nothing that it was sent. IPv4 only: IPv6 is shown on the page, and left as it is but by `networkd`, whose file for an
interface stands instead of the machine's whole one.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

METHODS: Final = ("dhcp", "static", "absent")
"""`absent`: nothing of ours is configured there; what it was before somebody changed it for the first time."""
ADDRESSES_MAX: Final = 8
DNS_MAX: Final = 3
UUID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,14}")


class NetworkError(Exception):
    """Why settings are no settings, or could not be put in force: a message code and its parameters."""

    def __init__(self, code: str, /, **params: str | int) -> None:
        super().__init__(code)
        self.code, self.params = code, params


@dataclass(frozen=True, slots=True)
class Settings:
    """Addresses with their prefix (`192.0.2.10/24`), gateway and name servers without; all in their shortest text."""

    method: str
    addresses: tuple[str, ...] = ()
    gateway: str = ""
    dns: tuple[str, ...] = ()

    def plain(self) -> dict[str, Any]:
        """Return it as JSON and CBOR have it."""
        return {"method": self.method, "addresses": list(self.addresses), "gateway": self.gateway, "dns": list(self.dns)}


def settings_of(raw: object) -> Settings:
    """Read settings.

    Raises NetworkError `net_shape`, `net_address`, `net_address_unusable`, `net_gateway`, `net_gateway_outside`, `net_dns`.
    """
    match raw:
        case {"method": str(method), "addresses": list(addresses), "gateway": str(gateway), "dns": list(dns), **rest} if (
            not rest and method in METHODS and len(addresses) <= ADDRESSES_MAX and len(dns) <= DNS_MAX
        ):
            if (method != "static" and (addresses or gateway)) or (method == "static" and not addresses):
                raise NetworkError("net_shape")
            found = Settings(
                method, tuple(interface_of(each).with_prefixlen for each in addresses), _gateway(gateway), tuple(_dns(each) for each in dns)
            )
            if found.gateway:
                _require_reachable(found)
            return found
    raise NetworkError("net_shape")


def settings_from_text(given: Mapping[str, Any]) -> Settings:
    """Read what a form or the command line gives: `method`, `address`, `gateway`, `dns` as texts. Raises NetworkError."""
    method, address, gateway, dns = (given.get(name, "") for name in ("method", "address", "gateway", "dns"))
    if not all(isinstance(each, str) and len(each) <= 200 for each in (method, address, gateway, dns)):
        raise NetworkError("net_shape")
    split = re.split(r"[\s,;]+", dns.strip()) if dns.strip() else []
    static = method == "static"
    if static and not address.strip():
        raise NetworkError("net_address", value="")
    return settings_of(
        {"method": method, "addresses": [address.strip()] if static else [], "gateway": gateway.strip() if static else "", "dns": split}
    )


def interface_name(name: object) -> str:
    """Return the name of an interface that may be changed. Raises NetworkError `net_interface`: it is none, or it is the loopback."""
    if not isinstance(name, str) or not _NAME.fullmatch(name) or name == "lo":
        raise NetworkError("net_interface", name=str(name)[:40])
    return name


def profile_name(raw: object) -> str:
    """Return a profile's UUID, "" where there is none. Raises NetworkError `net_shape`."""
    if not isinstance(raw, str) or (raw and not UUID.fullmatch(raw)):
        raise NetworkError("net_shape")
    return raw


def interface_of(text: object) -> ipaddress.IPv4Interface:
    """Return an address with its prefix that a machine can have. Raises NetworkError."""
    try:
        found = ipaddress.IPv4Interface(text) if isinstance(text, str) and "/" in text else None
    except ValueError:
        found = None
    if found is None:
        raise NetworkError("net_address", value=str(text)[:40])
    ends = (found.network.network_address, found.network.broadcast_address) if found.network.prefixlen < 31 else ()
    if not _is_usable(found.ip) or found.ip in ends or found.network.prefixlen < 8:
        raise NetworkError("net_address_unusable", value=str(found))
    return found


def _is_usable(address: ipaddress.IPv4Address) -> bool:
    return not (address.is_multicast or address.is_loopback or address.is_unspecified or address.is_reserved)


def _gateway(text: str) -> str:
    try:
        address = ipaddress.IPv4Address(text) if text else None
    except ValueError as error:
        raise NetworkError("net_gateway", value=text[:40]) from error
    if address is not None and not _is_usable(address):
        raise NetworkError("net_gateway", value=text[:40])
    return str(address) if address is not None else ""


def _dns(text: object) -> str:
    try:
        address = ipaddress.ip_address(text) if isinstance(text, str) else None
    except ValueError:
        address = None
    if address is None or address.is_multicast or address.is_unspecified or "%" in str(address):
        raise NetworkError("net_dns", value=str(text)[:40])
    return str(address)


def _require_reachable(found: Settings) -> None:
    """The way out must be a neighbour, and not the machine itself."""
    own, gateway = [ipaddress.IPv4Interface(each) for each in found.addresses], ipaddress.IPv4Address(found.gateway)
    inside = [each for each in own if gateway in each.network]
    if not inside or any(gateway == each.ip for each in own):
        raise NetworkError("net_gateway_outside", gateway=found.gateway, network=str(own[0].network))
    network = inside[0].network
    if network.prefixlen < 31 and gateway in (network.network_address, network.broadcast_address):
        raise NetworkError("net_gateway", value=found.gateway)
