"""Where this machine has connections now, as the kernel tells (proc(5), /proc/net/tcp): for `probes`, where no name server can tell.

Room: hall, diagnostics. It opens nothing and sends nothing. Blocking, for as long as the kernel takes to write its list.
"""

from __future__ import annotations

import ipaddress
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

LISTS: Final = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))
UNDER_WAY: Final = frozenset({"01", "02"})
"""States (include/net/tcp_states.h): there is a connection, or one is being made."""


def is_connected(addresses: list[str], port: int) -> bool:
    """Whether anything here has a connection to this port of one of these. Raises OSError where the kernel does not tell."""
    wanted = {_plain(address) for address in addresses}
    return any(address in wanted for path in LISTS for address in _peers(path, port))


def _peers(path: Path, port: int) -> Iterator[str]:
    """Yield the addresses of the other ends that have this port."""
    try:
        text = path.read_text("ascii")
    except FileNotFoundError:
        if path is LISTS[0]:
            raise
        return  # a kernel without IPv6
    for line in text.splitlines()[1:]:
        match line.split():
            case [_, _, there, state, *_] if state in UNDER_WAY:
                words, _, number = there.partition(":")
                if int(number, 16) == port:
                    yield _address(words)


def _address(words: str) -> str:
    """Return an address written as 32-bit words of this machine's order of bytes."""
    parts = (int(words[at : at + 8], 16).to_bytes(4, sys.byteorder) for at in range(0, len(words), 8))
    return _plain(str(ipaddress.ip_address(b"".join(parts))))


def _plain(address: str) -> str:
    """Return an IPv4 address that stands in an IPv6 one as itself; without the name of an interface."""
    found = ipaddress.ip_address(address.partition("%")[0])
    mapped = getattr(found, "ipv4_mapped", None)
    return str(mapped or found)
