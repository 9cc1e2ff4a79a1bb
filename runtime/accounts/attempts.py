"""How long whoever gave a wrong password waits: delays that double, never a lock-out. Pure; bounded however many try.

Room: hall, accounts. `desk` asks it before a password is looked at. A delay belongs to an account and where it was tried from, whether or
not there is such an account; a place from which many different names are tried waits a little with every name. Times are ms since boot.
"""

from __future__ import annotations

import ipaddress
from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

FREE: Final = 2
"""Wrong attempts without a delay: fingers slip, in gloves more than once."""
DELAY_S_MAX: Final = 300
SOURCE_FREE: Final = 30
SOURCE_DELAY_S_MAX: Final = 10
"""A whole plant may come from one address (a proxy): whoever shares it with an attacker waits so long at most."""
FORGET_S: Final = 3_600
PLACES_MAX: Final = 4_096


@dataclass(slots=True)
class _Count:
    failures: int = 0
    last_ms: int = 0
    until_ms: int = 0


class Attempts:
    """Wrong attempts by (account, source), and by source."""

    def __init__(self) -> None:
        self._counts: OrderedDict[tuple[str, str], _Count] = OrderedDict()

    def wait_ms(self, account: str, source: str, now_ms: int) -> int:
        """Return how long an attempt must wait, 0 when it may be made now."""
        found = [self._at(key, now_ms) for key in ((account, place_of(source)), ("", place_of(source)))]
        return max(0, *(each.until_ms - now_ms for each in found if each is not None), 0)

    def failed(self, account: str, source: str, now_ms: int) -> None:
        """Note a wrong password (or claim code, account "claim")."""
        place = place_of(source)
        for key, free, most_s in (((account, place), FREE, DELAY_S_MAX), (("", place), SOURCE_FREE, SOURCE_DELAY_S_MAX)):
            count = self._at(key, now_ms) or _Count()
            count.failures, count.last_ms = count.failures + 1, now_ms
            over = count.failures - free
            count.until_ms = now_ms + 1_000 * min(most_s, 1 << min(over - 1, 30)) if over > 0 else now_ms
            self._counts[key] = count
            self._counts.move_to_end(key)
        while len(self._counts) > PLACES_MAX:
            self._counts.popitem(last=False)

    def succeeded(self, account: str, source: str) -> None:
        """Forget what failed for this account from there; other accounts' failures still count for the source."""
        self._counts.pop((account, place_of(source)), None)

    def _at(self, key: tuple[str, str], now_ms: int) -> _Count | None:
        count = self._counts.get(key)
        if count is not None and now_ms - count.last_ms > FORGET_S * 1_000:
            del self._counts[key]
            return None
        return count


def place_of(source: str) -> str:
    """Return what counts as one source: an address, or the /64 of an IPv6 one, since whoever has it has all of them."""
    try:
        address = ipaddress.ip_address(source.partition("%")[0])
    except ValueError:
        return source[:64]
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return str(address.ipv4_mapped)
        return str(ipaddress.ip_network((int(address) >> 64 << 64, 64)))
    return str(address)
