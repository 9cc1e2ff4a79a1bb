"""What may stand as the host of a device: an address or a name, without a port.

Room: ground. The options of the drivers that have a `host` call `check_host`;
a scan asks `port_behind` and `is_host`. Pure: resolves nothing.
"""

from __future__ import annotations

import ipaddress
import re
from typing import Final

from drivers.option_error import OptionError

_WITH_PORT: Final = re.compile(r"([^:]+|\[[^\[\]]*\]):([0-9]{1,5})")
_NAME: Final = re.compile(r"[\w.-]{1,253}")
_ZEROS: Final = re.compile(r"(?<![0-9])0+(?=[0-7](?![0-9]))")
"""In front of a part of an IPv4 address that is the same number to those who read it as octal: `192.168.001.002`."""
_LIKE_IPV4: Final = re.compile(r"(\d+\.){3,}\d[^.]*|[\d.]+")
"""No name ends in a part that begins with a digit either; of `10.0.3`, or of a number, resolvers make an address that nobody meant."""


def check_host(text: str) -> str:
    """Return a host as it was written. Raises OptionError for one with a port, and for what can be none."""
    if not is_host(text):
        shown = text.rpartition("@")[2]  # what stands before an @ may be a password
        shown = ("…@" + shown if shown != text else text)[:80]
        if port := port_behind(text):
            raise OptionError("config_host_port", value=shown, port=port)
        raise OptionError("config_host", value=shown)
    return text


def port_behind(text: str) -> int:
    """Return the port that stands behind a host, as in `plc:502` or `[fe80::1]:502`; 0 when there is none."""
    found = _WITH_PORT.fullmatch(text)
    behind = int(found[2]) if found else 0
    return behind if behind <= 0xFFFF else 0


def is_host(text: str) -> bool:
    """Tell whether a text can be an address (IPv6 without brackets, with a zone or without) or a name."""
    try:
        if ":" in text:
            ipaddress.IPv6Address(text)
        elif _LIKE_IPV4.fullmatch(text):
            ipaddress.IPv4Address(_ZEROS.sub("", text))
        else:
            text.encode("idna")  # what the resolver does first
            return _NAME.fullmatch(text) is not None
    except ValueError:
        return False
    return True
