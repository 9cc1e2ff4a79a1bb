"""By which names and addresses the page is reached, and how its certificate's files are called.

Room: hall. The web face and `web_certificate` ask it. It sends nothing and decides nothing.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Final

KEY_FILE: Final = "key.pem"
CERTIFICATE_FILE: Final = "cert.pem"
PEM_SIZE_MAX: Final = 64 << 10
ADDRESSES: Final = Path("/proc/net/if_inet6")
TEMPORARY: Final = 0x01
"""IFA_F_TEMPORARY of linux/if_addr.h."""
NONLOCAL: Final = tuple(Path(f"/proc/sys/net/{family}/ip_nonlocal_bind") for family in ("ipv4", "ipv6"))
COMMON_NAME: Final = "witnessmark"
"""Of a certificate that this device signs itself."""


def own_names(extra: Sequence[str]) -> list[str]:
    """Return the names and addresses by which this machine is reached: its own, its interfaces', and those of the configuration."""
    host = socket.gethostname().lower()
    found = ["localhost", "127.0.0.1", "::1", host, f"{host.split('.')[0]}.local", *own_addresses(), *(each.lower() for each in extra)]
    return list(dict.fromkeys(each for each in found if each))


def lasting_names(extra: Sequence[str]) -> list[str]:
    """Return `own_names` without temporary addresses (`lasting`)."""
    temporary = temporary_in(_addresses_told())
    return [each for each in own_names(extra) if _plain(each) not in temporary]


def certain_names(extra: Sequence[str], reached_at: str) -> list[str]:
    """Return the names and addresses by which people certainly reach the page: the machine's name, the configuration's, `reached_at`.

    `reached_at` is where a request came in, see `lasting`. The machine's other addresses may be in nobody's use, and others tomorrow.
    """
    host = socket.gethostname().lower()
    found = [host, f"{host.split('.')[0]}.local", *(each.lower() for each in extra), lasting(reached_at)]
    return list(dict.fromkeys(each for each in found if each))


def lasting(address: str) -> str:
    """Return an address of ours as a browser writes it; empty for loopback, link-local, multicast and temporary ones, and what is none.

    Temporary addresses (RFC 8981) are others every day: a certificate would run after them. Blocks for as long as a small file takes.
    """
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return ""
    if isinstance(found, ipaddress.IPv6Address):
        if found.ipv4_mapped is not None:
            return lasting(str(found.ipv4_mapped))
        if str(found) in temporary_in(_addresses_told()):
            return ""
    elif found.is_reserved:  # broadcast among them
        return ""
    return "" if found.is_link_local or found.is_loopback or found.is_unspecified or found.is_multicast else str(found)


def temporary_in(told: str) -> set[str]:
    """Return which IPv6 addresses are temporary in a table such as /proc/net/if_inet6 (Linux, proc(5)), in their shortest form."""
    rows = [line.split() for line in told.splitlines()]
    return {str(ipaddress.IPv6Address(bytes.fromhex(row[0]))) for row in rows if len(row) == 6 and int(row[4], 16) & TEMPORARY}


def _addresses_told() -> str:
    try:
        return ADDRESSES.read_text("ascii")
    except (OSError, ValueError):
        return ""  # no IPv6, or no Linux


def _is_set(switch: Path) -> bool:
    try:
        return switch.read_text("ascii").strip() == "1"
    except (OSError, ValueError):
        return False


def is_ours(address: str) -> bool:
    """Tell whether this machine has the address now; the broadcast address of a network of its is none. Sends nothing."""
    if any(_is_set(each) for each in NONLOCAL):  # then a socket may be bound to anybody's
        return address in own_addresses()
    try:
        with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.bind((address, 0))
            probe.connect((address, 9))  # refused for a broadcast address (EACCES), which can be bound all the same
    except (OSError, UnicodeError):
        return False
    return True


def missing_names(held: Sequence[str], present: Sequence[str]) -> list[str]:
    """Return which of the `present` names and addresses a certificate with the names `held` does not have, in their order.

    A name that no certificate can have (outside ASCII) is not missed.
    """
    known = {_plain(each) for each in held}
    return [each for each in present if each.isascii() and _plain(each) not in known]


def _plain(name: str) -> str:
    """Return an address in its shortest form, a name in small letters."""
    try:
        return str(ipaddress.ip_address(name))
    except ValueError:
        return name.lower()


def own_addresses() -> list[str]:
    """Return the addresses of this machine that the name service and the routes know. Sends nothing."""
    found = []
    try:
        found = [str(row[4][0]).partition("%")[0] for row in socket.getaddrinfo(socket.gethostname(), None, type=socket.SOCK_STREAM)]
    except OSError:
        pass  # no name service: the routes below are enough
    return sorted({*found, *route_addresses()})


def route_addresses() -> list[str]:
    """Return the addresses with which this machine goes to others, IPv4 before IPv6; of a family without a route, none. Sends nothing."""
    found = []
    for family, far in ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1")):
        try:
            with socket.socket(family, socket.SOCK_DGRAM) as probe:
                probe.connect((far, 9))  # a datagram socket only looks the route up
                found.append(str(probe.getsockname()[0]))
        except OSError:
            pass  # no route of this family
    return found


def reached_at(bound: socket.socket) -> str:
    """Return an address at which others most likely find what listens on `bound`, a socket of every address."""
    families = {4}
    if bound.family == socket.AF_INET6:
        families = {6} if bound.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY) else {4, 6}
    return most_likely(route_addresses(), own_addresses(), families)


def most_likely(routes: Sequence[str], own: Sequence[str], families: Collection[int]) -> str:
    """Return of the IP versions `families` the address of a route, else another of our `own`, else loopback's. Pure.

    Where both versions do, it is IPv4: people type it, and the address of an IPv6 route is often a temporary one. An interface's own
    network, such as a bridge for containers, is known here and leads nobody to us; a link-local IPv6 address needs an interface's name.
    """
    parsed = [ipaddress.ip_address(each) for some in (routes, own) for each in sorted(some, key=lambda each: ":" in each)]
    of_ours = (each for each in parsed if each.version in families and not each.is_loopback)
    usable = (each for each in of_ours if each.version == 4 or not each.is_link_local)
    return str(next(usable, "127.0.0.1" if 4 in families else "::1"))
