"""By which names and addresses the page is reached, and how its certificate's files are called.

Room: hall. The web face and `web_certificate` ask it. It sends nothing and decides nothing.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Sequence
from typing import Final

KEY_FILE: Final = "key.pem"
CERTIFICATE_FILE: Final = "cert.pem"
PEM_SIZE_MAX: Final = 64 << 10
COMMON_NAME: Final = "witnessmark"
"""Of a certificate that this device signs itself."""


def own_names(extra: Sequence[str]) -> list[str]:
    """Return the names and addresses by which this machine is reached: its own, its interfaces', and those of the configuration."""
    host = socket.gethostname().lower()
    found = ["localhost", "127.0.0.1", "::1", host, f"{host.split('.')[0]}.local", *own_addresses(), *(each.lower() for each in extra)]
    return list(dict.fromkeys(each for each in found if each))


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
    for family, far in ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1")):
        try:
            with socket.socket(family, socket.SOCK_DGRAM) as probe:
                probe.connect((far, 9))  # a datagram socket only looks the route up
                found.append(str(probe.getsockname()[0]))
        except OSError:
            pass  # no route of this family
    return sorted(set(found))
