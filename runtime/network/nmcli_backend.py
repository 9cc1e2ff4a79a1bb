"""The back end `networkmanager`: the profile that is active on an interface, changed and brought up again with `nmcli`. It lasts.

Room: hall, network; in the privileged part. It changes ipv4.* of that one profile and makes none. An interface without an active profile
is refused, unless one profile alone is for it (its cable is out); and so is a profile that holds more in those fields than `Settings`,
since undoing could not put that back. What `nmcli -g` prints is read back as strictly as what it is given.
"""

from __future__ import annotations

import contextlib
import re
from typing import Final

from runtime.network.commands import run
from runtime.network.settings import NetworkError, Settings, settings_of

WAIT_S: Final = "15"
NO_WAIT: Final = "0"
PROFILES_MAX: Final = 50
FIELDS: Final = ("ipv4.method", "ipv4.addresses", "ipv4.gateway", "ipv4.dns", "ipv4.ignore-auto-dns")
"""What is read, and all that is written."""
_METHODS: Final = {"auto": "dhcp", "manual": "static", "disabled": "absent"}
_OTHERS: Final = frozenset({"link-local", "shared"})
_UUID: Final = re.compile(r"[0-9a-f-]{36}")


class NmcliBackend:
    """See Backend."""

    can: tuple[str, ...] = ("dhcp", "dns")
    lasting = True

    def read(self, name: str) -> Settings:
        """See Backend."""
        return settings_from(_shown(self._profile(name)))

    def put(self, name: str, settings: Settings) -> None:
        """See Backend."""
        profile, before = self._profile(name), self.read(name)
        try:
            self._put(profile, name, settings)
        except NetworkError:
            with contextlib.suppress(NetworkError):
                self._put(profile, name, before)
            raise

    def put_back(self, name: str, settings: Settings) -> None:
        """See Backend. It waits for no lease, and not for a cable: with the profile as it was, NetworkManager does the rest by itself."""
        profile = self._profile(name)
        try:
            self._put(profile, name, settings, NO_WAIT if settings.method == "dhcp" else WAIT_S)
        except NetworkError:
            if _active(name) or settings_from(_shown(profile)) != settings:
                raise

    @staticmethod
    def _put(profile: str, name: str, settings: Settings, wait_s: str = WAIT_S) -> None:
        run("nmcli", "connection", "modify", profile, *modifications(settings))
        run("nmcli", "--wait", wait_s, "connection", "up", profile, "ifname", name, timeout_s=20.0)

    @staticmethod
    def _profile(name: str) -> str:
        """Return the profile that is active there; where none is, as without a cable, the only one that is for this interface."""
        found = _active(name) or _only_for(name)
        if found is None:
            raise NetworkError("net_no_profile", name=name)
        return found


def _active(name: str) -> str | None:
    found = run("nmcli", "-g", "GENERAL.CON-UUID", "device", "show", name).strip()
    return found if _UUID.fullmatch(found) else None


def _only_for(name: str) -> str | None:
    uuids = [each for each in run("nmcli", "-g", "UUID", "connection", "show").split() if _UUID.fullmatch(each)][:PROFILES_MAX]
    of = [each for each in uuids if run("nmcli", "-g", "connection.interface-name", "connection", "show", each).strip() == name]
    return of[0] if len(of) == 1 else None


def _shown(profile: str) -> str:
    return run("nmcli", "-g", ",".join(FIELDS), "connection", "show", profile)


def modifications(settings: Settings) -> list[str]:
    """Return the arguments of `nmcli connection modify`."""
    method = {"dhcp": "auto", "static": "manual", "absent": "disabled"}[settings.method]
    values = (method, ",".join(settings.addresses), settings.gateway, ",".join(settings.dns), _ignores(settings))
    return [part for pair in zip(FIELDS, values, strict=True) for part in pair]


def settings_from(text: str) -> Settings:
    """Read what `nmcli -g` printed: a line for each of FIELDS, lists by comma or bar.

    Raises NetworkError, `net_holds_more` for what `modifications` could not write again.
    """
    lines = [line.strip() for line in text.splitlines()]
    method, addresses, gateway, dns, ignores = [*lines, "", "", "", "", ""][: len(FIELDS)]
    if method in _OTHERS:
        raise NetworkError("net_holds_more", what=f"ipv4.method {method}")
    if method not in _METHODS:
        raise NetworkError("net_no_profile", name=method[:40])
    kind = _METHODS[method]
    if kind != "static" and (_list(addresses) or _list(gateway)):
        raise NetworkError("net_holds_more", what=f"ipv4.method {method}, ipv4.addresses, ipv4.gateway")
    found = settings_of({"method": kind, "addresses": _list(addresses), "gateway": " ".join(_list(gateway)), "dns": _list(dns)})
    if (ignores or "no") != _ignores(found):
        raise NetworkError("net_holds_more", what=f"ipv4.ignore-auto-dns {ignores[:10]}")
    return found


def _ignores(settings: Settings) -> str:
    """Name servers of our own stand instead of the lease's, not beside them."""
    return "yes" if settings.method == "dhcp" and settings.dns else "no"


def _list(text: str) -> list[str]:
    return [each for each in re.split(r"[\s,|]+", text) if each and each != "--"]
