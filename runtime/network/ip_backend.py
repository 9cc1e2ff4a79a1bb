"""The back end `ip`: addresses and the way out by iproute2, at run time. For boards without a network service, and for tests.

Room: hall, network; in the privileged part. What it does is gone at the next start of the machine. It asks for no lease and leaves name
servers alone. Addresses are added before others go, and once more afterwards: the kernel drops secondary ones with the first of their
network.
"""

from __future__ import annotations

import contextlib

from runtime.network.commands import run, run_json
from runtime.network.picture import interfaces_of, routes_of
from runtime.network.settings import NetworkError, Settings


class IpBackend:
    """See Backend."""

    can: tuple[str, ...] = ()
    lasting = False

    def profile(self, name: str) -> str:
        """See Backend."""
        return ""

    def read(self, name: str, profile: str = "") -> Settings:
        """See Backend."""
        found = interfaces_of(run_json("ip", "-j", "addr", "show", "dev", name))
        if not found:
            raise NetworkError("net_interface", name=name)
        addresses = found[0].addresses
        if not addresses:
            return Settings("absent")
        return Settings("static", addresses, self._gateway(name))

    def put(self, name: str, settings: Settings, profile: str = "") -> None:
        """See Backend."""
        if settings.method == "dhcp":
            raise NetworkError("net_cannot_dhcp")
        before = self.read(name)
        try:
            self._put(name, settings)
        except NetworkError:
            with contextlib.suppress(NetworkError):
                self._put(name, before)
            raise

    def put_back(self, name: str, settings: Settings, profile: str = "") -> None:
        """See Backend."""
        self.put(name, settings)

    def _put(self, name: str, settings: Settings) -> None:
        have = self.read(name).addresses
        self._add(name, settings)
        for address in have:
            if address not in settings.addresses:
                with contextlib.suppress(NetworkError):  # gone with the one before it
                    run("ip", "addr", "del", address, "dev", name)
        self._add(name, settings)
        if settings.addresses:
            run("ip", "link", "set", name, "up")
        if settings.gateway:
            run("ip", "route", "replace", "default", "via", settings.gateway, "dev", name)
        elif self._gateway(name):
            run("ip", "route", "del", "default", "dev", name)

    def _add(self, name: str, settings: Settings) -> None:
        for address in settings.addresses:
            broadcast = ("brd", "+") if int(address.partition("/")[2]) < 31 else ()
            run("ip", "addr", "replace", address, *broadcast, "dev", name)

    @staticmethod
    def _gateway(name: str) -> str:
        routes = routes_of(run_json("ip", "-j", "-4", "route", "show", "default", "dev", name))
        return next((route.via for route in routes if route.via), "")
