"""The back end `networkmanager`: the profile that is active on an interface, changed and brought up again with `nmcli`. It lasts.

Room: hall, network; in the privileged part. It changes ipv4.* of that one profile and makes none. An interface without an active profile
is refused, unless one profile alone is for it (its cable is out); and so is a profile that holds more in those fields than `Settings`,
since undoing could not put that back. What is undone is undone in the profile that was changed, by its UUID. What `nmcli -g` prints is
read back as strictly as what it is given.
"""

from __future__ import annotations

import contextlib
import re
from itertools import pairwise
from typing import Final

from runtime.network.commands import run
from runtime.network.settings import UUID, NetworkError, Settings, settings_of

WAIT_S: Final = "15"
NO_WAIT: Final = "0"
PROFILES_MAX: Final = 100
"""Of the interface's type: beyond that nobody can say which one is meant."""
FIELDS: Final = ("ipv4.method", "ipv4.addresses", "ipv4.gateway", "ipv4.dns", "ipv4.ignore-auto-dns")
"""What is read, and all that is written."""
_METHODS: Final = {"auto": "dhcp", "manual": "static", "disabled": "absent"}
_OTHERS: Final = frozenset({"link-local", "shared"})
_TYPES: Final = {"ethernet": ("802-3-ethernet", "veth"), "veth": ("802-3-ethernet", "veth"), "wifi": ("802-11-wireless",)}
"""Of an interface's type, those of its profiles, where they are called otherwise."""


class NmcliBackend:
    """See Backend."""

    can: tuple[str, ...] = ("dhcp", "dns")
    lasting = True

    def profile(self, name: str) -> str:
        """Return the profile that is active there; where none is, as without a cable, the only one that is for this interface."""
        active, kind = _device(name)
        found = active or _only_for(name, kind)
        if found is None:
            raise NetworkError("net_no_profile", name=name)
        return found

    def read(self, name: str, profile: str = "") -> Settings:
        """See Backend."""
        return settings_from(_shown(profile or self.profile(name)))

    def put(self, name: str, settings: Settings, profile: str = "") -> None:
        """See Backend."""
        found = self.profile(name)
        if profile not in {"", found}:
            raise NetworkError("net_profile_changed", name=name)
        before = settings_from(_shown(found))
        try:
            self._put(found, name, settings)
        except NetworkError:
            with contextlib.suppress(NetworkError):
                self._put(found, name, before)
            raise

    def put_back(self, name: str, settings: Settings, profile: str = "") -> None:
        """See Backend. It waits for no lease, and not for a cable: with the profile as it was, NetworkManager does the rest by itself.

        The profile is the one that was changed, whichever is active by now: NetworkManager may have taken another one meanwhile.
        """
        if profile and run("nmcli", "-g", "connection.interface-name", "connection", "show", profile).strip() not in {"", name}:
            raise NetworkError("net_profile_changed", name=name)
        profile = profile or self.profile(name)  # of a change that was made before profiles were remembered
        try:
            self._put(profile, name, settings, NO_WAIT if settings.method == "dhcp" else WAIT_S)
        except NetworkError:
            if _device(name)[0] is not None or settings_from(_shown(profile)) != settings:
                raise

    @staticmethod
    def _put(profile: str, name: str, settings: Settings, wait_s: str = WAIT_S) -> None:
        run("nmcli", "connection", "modify", profile, *modifications(settings))
        run("nmcli", "--wait", wait_s, "connection", "up", profile, "ifname", name, timeout_s=20.0)


def _device(name: str) -> tuple[str | None, str]:
    """Return the profile that is active on an interface, None without, and the interface's type."""
    kind, profile, *_ = [*run("nmcli", "-g", "GENERAL.TYPE,GENERAL.CON-UUID", "device", "show", name).splitlines(), "", ""]
    return profile.strip() if UUID.fullmatch(profile.strip()) else None, kind.strip()


def _only_for(name: str, kind: str) -> str | None:
    """Return the one profile that names this interface, None where there is none or more. Two calls, however many profiles there are."""
    may_be = profiles_of(run("nmcli", "-g", "UUID,TYPE,DEVICE", "connection", "show"), name, kind)
    if len(may_be) > PROFILES_MAX:
        raise NetworkError("net_profiles_many", name=name, count=len(may_be))
    if not may_be:
        return None
    lines = run("nmcli", "-g", "connection.uuid,connection.interface-name", "connection", "show", *may_be).splitlines()
    of = [uuid for uuid, named in pairwise(lines) if UUID.fullmatch(uuid) and named.strip() == name]
    return of[0] if len(of) == 1 else None


def profiles_of(listed: str, name: str, kind: str) -> list[str]:
    """Return the profiles that an interface of this type may have, of lines `UUID:TYPE:DEVICE`; not those active on another one."""
    rows = [line.split(":", 2) for line in listed.splitlines() if line.count(":") >= 2]
    types = _TYPES.get(kind, (kind,))
    return [uuid for uuid, type_, device in rows if UUID.fullmatch(uuid) and type_ in types and device in {"", name}]


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
