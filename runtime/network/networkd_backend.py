"""The back end `networkd`: one .network file of ours for an interface, and `networkctl` to have it read. Lasts over a restart.

Room: hall, network; in the privileged part. The file sorts before those of the machine, so the first match is ours; without it the
machine's own hold again, and with it nothing of theirs does: static IPv6, DHCPv6, routes, VLAN=, Bond=. The plan warns. It is written
whole or not at all, and never holds more than `Settings`, which is read back from it.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Final

from runtime.network.commands import run
from runtime.network.settings import NetworkError, Settings, settings_of

FOLDER: Final = Path("/etc/systemd/network")
HEAD: Final = "# Witnessmark wrote this (docs/network.md). Without this file the machine's own settings hold again.\n"
FILE_SIZE_MAX: Final = 1 << 14


class NetworkdBackend:
    """See Backend."""

    can: tuple[str, ...] = ("dhcp", "dns")
    lasting = True

    def __init__(self, folder: Path = FOLDER) -> None:
        self._folder = folder

    def profile(self, name: str) -> str:
        """See Backend."""
        return ""

    def read(self, name: str, profile: str = "") -> Settings:
        """See Backend. Without a file of ours it is `absent`: what the machine's own files say is theirs."""
        try:
            with self._path(name).open(encoding="utf-8") as file:
                return parse(file.read(FILE_SIZE_MAX))
        except FileNotFoundError:
            return Settings("absent")
        except (OSError, UnicodeDecodeError) as error:
            raise NetworkError("net_file", path=str(self._path(name)), said=type(error).__name__) from error

    def put(self, name: str, settings: Settings, profile: str = "") -> None:
        """See Backend."""
        before = self.read(name)
        self._write(name, settings)
        try:
            run("networkctl", "reload")
            run("networkctl", "reconfigure", name)
        except NetworkError:
            self._write(name, before)
            with contextlib.suppress(NetworkError):
                run("networkctl", "reload")
            raise

    def put_back(self, name: str, settings: Settings, profile: str = "") -> None:
        """See Backend."""
        self.put(name, settings)

    def _write(self, name: str, settings: Settings) -> None:
        path = self._path(name)
        try:
            if settings.method == "absent":
                path.unlink(missing_ok=True)
            else:
                self._folder.mkdir(parents=True, exist_ok=True)
                new = path.with_suffix(".new")
                with new.open("w", encoding="utf-8") as file:
                    file.write(text_of(name, settings))
                    file.flush()
                    os.fsync(file.fileno())
                new.chmod(0o644)
                new.replace(path)
            handle = os.open(self._folder, os.O_RDONLY)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)
        except OSError as error:
            raise NetworkError("net_file", path=str(path), said=error.strerror or type(error).__name__) from error

    def _path(self, name: str) -> Path:
        return self._folder / f"05-witnessmark-{name}.network"


def text_of(name: str, settings: Settings) -> str:
    """Return the file (systemd.network(5))."""
    lines = [f"DHCP={'ipv4' if settings.method == 'dhcp' else 'no'}", *(f"Address={each}" for each in settings.addresses)]
    lines += [f"Gateway={settings.gateway}"] if settings.gateway else []
    lines += [f"DNS={each}" for each in settings.dns]
    tail = ["", "[DHCPv4]", "UseDNS=no"] if settings.method == "dhcp" and settings.dns else []
    return HEAD + "\n".join(["[Match]", f"Name={name}", "", "[Network]", *lines, *tail]) + "\n"


def parse(text: str) -> Settings:
    """Read a file of ours. Raises NetworkError for what is none."""
    pairs = [line.partition("=")[::2] for line in text.splitlines() if "=" in line and not line.startswith("#")]
    values = {key: [value for found, value in pairs if found == key] for key in ("DHCP", "Address", "Gateway", "DNS")}
    method = "dhcp" if values["DHCP"] == ["ipv4"] else "static"
    return settings_of(
        {"method": method, "addresses": values["Address"], "gateway": next(iter(values["Gateway"]), ""), "dns": values["DNS"]}
    )
