"""How far a scan goes: units, hosts and line settings as a person writes them, and how long all of it takes at the most. Pure.

Room: hall, commissioning. The verb `scan` and `scans` call it. Everything is named by the person who scans; nothing is guessed but the
settings of a serial line.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from drivers.host import is_host, port_behind
from drivers.option_error import OptionError

HOSTS_MAX: Final = 256
ASKED_MAX: Final = 4096
CONNECT_S: Final = 1.0
SETTINGS: Final = (
    (9600, "none"),
    (19200, "even"),
    (9600, "even"),
    (19200, "none"),
    (38400, "none"),
    (115200, "none"),
    (4800, "none"),
    (2400, "none"),
)
"""Baud rate and parity of serial devices as they are delivered, most frequent first."""
PORT_MAX: Final = 65_535
_PORT: Final = re.compile(r"[0-9]{1,5}")
_RANGE: Final = re.compile(r"(\d{1,3})(?:-(\d{1,3}))?")
_HOSTS: Final = re.compile(r"(\d{1,3}\.\d{1,3}\.\d{1,3})\.(\d{1,3})-(\d{1,3})")


@dataclass(frozen=True, slots=True)
class Pace:
    """How slowly: pause after each request, and seconds for all."""

    pause_s: float
    time_s: float


def units_of(text: str, *, least: int = 0, most: int = 255) -> list[int]:
    """Return the unit numbers of `1-10,20`. Raises OptionError."""
    found: list[int] = []
    for part in text.replace(" ", "").split(","):
        match = _RANGE.fullmatch(part)
        if match is None:
            raise OptionError("scan_units", value=text[:60])
        first, last = int(match[1]), int(match[2] or match[1])
        if first > last:
            raise OptionError("scan_units_order", value=part)
        if not least <= first <= last <= most:
            raise OptionError("scan_units_range", value=part, least=least, most=most)
        found += [unit for unit in range(first, last + 1) if unit not in found]
    return found


def port_of(given: object) -> int:
    """Return a TCP port, a number or as a person writes it. Raises OptionError."""
    text = str(given).strip()
    if not isinstance(given, int | str) or isinstance(given, bool) or not _PORT.fullmatch(text) or not 0 < int(text) <= PORT_MAX:
        raise OptionError("scan_port_range", value=text[:20] or "—", most=PORT_MAX)
    return int(text)


def hosts_of(texts: list[str]) -> list[str]:
    """Return the hosts of `10.0.0.5`, `10.0.0.5-20`, `10.0.0.0/28` or names. Raises OptionError."""
    found: list[str] = []
    for text in texts:
        if span := _HOSTS.fullmatch(text):
            first, last = int(span[2]), int(span[3])
            more = [_address(f"{span[1]}.{at}", text) for at in range(first, min(last, 255) + 1)] if first <= last <= 255 else []
        elif "/" in text:
            try:
                network = ipaddress.ip_network(text, strict=False)
            except ValueError as error:
                raise OptionError("scan_hosts", value=text[:60]) from error
            if network.num_addresses > HOSTS_MAX:
                raise OptionError("scan_too_much", count=network.num_addresses, limit=HOSTS_MAX)
            more = [str(each) for each in network.hosts()]
        elif port := port_behind(text):
            raise OptionError("scan_host_port", value=text[:60], port=port)
        else:
            more = [text]
        if not more or not all(re.fullmatch(r"[A-Za-z0-9.:_-]{1,253}", each) for each in more) or not all(map(is_host, more)):
            raise OptionError("scan_hosts", value=text[:60])
        found += [each for each in more if each not in found]
        if len(found) > HOSTS_MAX:
            raise OptionError("scan_too_much", count=len(found), limit=HOSTS_MAX)
    return found


def longest_s(waits_s: Sequence[float], units: int, pause_s: float) -> float:
    """Return how long it takes when nobody answers; one wait per place. Raises OptionError for too many."""
    if len(waits_s) * units > ASKED_MAX:
        raise OptionError("scan_too_much", count=len(waits_s) * units, limit=ASKED_MAX)
    return sum(units * (wait_s + pause_s) + connect_s(wait_s) for wait_s in waits_s)


def connect_s(wait_s: float) -> float:
    """Return how long a place may take to accept a connection, its first answer included."""
    return max(CONNECT_S, 2 * wait_s)


def _address(text: str, whole: str) -> str:
    try:
        return str(ipaddress.ip_address(text))
    except ValueError as error:
        raise OptionError("scan_hosts", value=whole[:60]) from error
