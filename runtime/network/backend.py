"""How settings of an interface are put in force on this machine: one protocol, three ways, and which of them is there.

Room: hall, network. The privileged part alone calls `put`; the core asks which one there is. `none` is no back end: then the page shows
what is, and says what to do by hand.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final, Protocol

from runtime.network.commands import program
from runtime.network.ip_backend import IpBackend
from runtime.network.networkd_backend import NetworkdBackend
from runtime.network.nmcli_backend import NmcliBackend
from runtime.network.settings import Settings

AUTO: Final = "auto"
NONE: Final = "none"
_LIVES: Final = (("networkmanager", "nmcli", Path("/run/NetworkManager")), ("networkd", "networkctl", Path("/run/systemd/netif/state")))
"""Name, its program, and what is there while it runs. `ip` is never chosen by itself: what it does is gone at the next start."""


class Backend(Protocol):
    """Reads and puts the settings of one interface. `can`: dhcp, dns besides static addresses; `lasting`: kept over a restart."""

    can: tuple[str, ...]
    lasting: bool

    def profile(self, name: str) -> str:
        """Return where the settings of an interface are kept, "" where only one place can be meant. Raises NetworkError."""
        ...

    def read(self, name: str, profile: str = "") -> Settings:
        """Return what is configured for an interface, in this profile. Raises NetworkError."""
        ...

    def put(self, name: str, settings: Settings, profile: str = "") -> None:
        """Put settings in force, all of them or, as far as the machine lets it, none. May be repeated.

        Raises NetworkError, also where another profile than this is in force by now.
        """
        ...

    def put_back(self, name: str, settings: Settings, profile: str = "") -> None:
        """Put in force what was before, in this profile and no other, and leave nothing of what is now.

        Not even where nobody answers for it. Raises NetworkError.
        """
        ...


BACKENDS: Final[Mapping[str, Backend]] = {"networkmanager": NmcliBackend(), "networkd": NetworkdBackend(), "ip": IpBackend()}
"""By the name that the configuration gives them."""
REPLACING: Final = frozenset({"networkd"})
"""Whose file stands instead of the machine's whole file for the interface, not beside it."""


def chosen(wanted: str) -> str:
    """Return the name of the back end that `[network] backend` means on this machine, or NONE."""
    if wanted != AUTO:
        return wanted if wanted in BACKENDS else NONE
    return next((name for name, tool, sign in _LIVES if sign.exists() and program(tool) is not None), NONE)
