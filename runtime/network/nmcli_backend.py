"""The back end `networkmanager`: the profile that is active on an interface, changed and brought up again with `nmcli`. It lasts.

Room: hall, network; in the privileged part. It changes ipv4.* of that one profile and makes none: an interface without an active profile
is refused, and so is a profile that holds more in those fields than `Settings`, since undoing could not put that back. What `nmcli -g`
prints is read back as strictly as what it is given.
"""

from __future__ import annotations

import contextlib
import re
from typing import Final

from runtime.network.commands import run
from runtime.network.settings import NetworkError, Settings, settings_of

WAIT_S: Final = "15"
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
        return settings_from(run("nmcli", "-g", ",".join(FIELDS), "connection", "show", self._profile(name)))

    def put(self, name: str, settings: Settings) -> None:
        """See Backend."""
        profile, before = self._profile(name), self.read(name)
        try:
            self._put(profile, name, settings)
        except NetworkError:
            with contextlib.suppress(NetworkError):
                self._put(profile, name, before)
            raise

    @staticmethod
    def _put(profile: str, name: str, settings: Settings) -> None:
        run("nmcli", "connection", "modify", profile, *modifications(settings))
        run("nmcli", "--wait", WAIT_S, "connection", "up", profile, "ifname", name, timeout_s=20.0)

    @staticmethod
    def _profile(name: str) -> str:
        found = run("nmcli", "-g", "GENERAL.CON-UUID", "device", "show", name).strip()
        if not _UUID.fullmatch(found):
            raise NetworkError("net_no_profile", name=name)
        return found


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
