"""The change of the network that waits to be confirmed, and the file that outlives a power cut: at the next start it is undone.

Room: hall, network. The desk keeps one at most. The file is there from before the first step until the change is confirmed or undone.

    private/network_change.cbor    cbor [1, back end, interface, before, wish, [* address], keeps address, who, wall ms]
                                   before, wish = [method, [* address], gateway, [* name server]]
    private/network_profile.cbor   cbor [1, wall ms of the change, profile], where the back end has several for one interface

The profile is in a file of its own, so that a release that knows of none can undo the change after a rollback.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from ledger_client import cbor
from ledger_client.disk import Disk, read_whole, write_atomically
from ledger_client.errors import FormatError
from runtime.network.settings import NetworkError, Settings, interface_name, profile_name, settings_of

VERSION: Final = 1
FILE_NAME: Final = "network_change.cbor"
PROFILE_FILE_NAME: Final = "network_profile.cbor"
FILE_SIZE_MAX: Final = 1 << 14


@dataclass(frozen=True, slots=True)
class Change:
    """One change. `confirm_at`: the addresses over which it may be confirmed.

    It is empty where a lease decides; with `keeps_address` it does not matter. `profile`: what was changed, where the back end has several
    for one interface; undoing changes that one.
    """

    backend: str
    interface: str
    before: Settings
    wish: Settings
    confirm_at: tuple[str, ...]
    keeps_address: bool
    by: str
    made_ms: int
    profile: str = ""

    def plain(self) -> dict[str, Any]:
        """Return it for a face."""
        return {
            "interface": self.interface, "wish": self.wish.plain(), "before": self.before.plain(), "confirm_at": list(self.confirm_at),
            "keeps_address": self.keeps_address, "by": self.by, "made_ms": self.made_ms,
        }  # fmt: skip


class ChangeFile:
    """Keeps it. Blocking."""

    def __init__(self, disk: Disk, private: Path) -> None:
        self._disk, self._path, self._profile_path = disk, private / FILE_NAME, private / PROFILE_FILE_NAME

    def load(self) -> Change | None:
        """Return the change that nobody confirmed before the last end, None without.

        Raises FormatError for a file that says nothing, OSError.
        """
        data = read_whole(self._disk, self._path, FILE_SIZE_MAX)
        if data is None:
            return None
        change = _parse(data)
        return change if change.profile else replace(change, profile=self._profile_of(change.made_ms))

    def save(self, change: Change) -> None:
        """Make it durable. Raises OSError."""
        row = [
            VERSION, change.backend, change.interface, _row(change.before), _row(change.wish), list(change.confirm_at),
            change.keeps_address, change.by, change.made_ms,
        ]  # fmt: skip
        if change.profile:  # before the change itself: with it and no profile another one might be undone
            write_atomically(self._disk, self._profile_path, cbor.encode([VERSION, change.made_ms, change.profile]))
        write_atomically(self._disk, self._path, cbor.encode(row))

    def clear(self) -> None:
        """Forget it, durably. Raises OSError."""
        if read_whole(self._disk, self._path, FILE_SIZE_MAX) is not None:
            self._disk.unlink(self._path)
            self._disk.sync_folder(self._path.parent)
        with contextlib.suppress(OSError):  # one that stays belongs to no other change
            if read_whole(self._disk, self._profile_path, FILE_SIZE_MAX) is not None:
                self._disk.unlink(self._profile_path)
                self._disk.sync_folder(self._profile_path.parent)

    def _profile_of(self, made_ms: int) -> str:
        """Return the profile that belongs to the change made then.

        Nothing for one that is left over from another, damaged or unreadable: undoing without it finds a profile by itself, not undoing
        leaves an address that nobody confirmed.
        """
        with contextlib.suppress(FormatError, NetworkError, OSError):
            data = read_whole(self._disk, self._profile_path, FILE_SIZE_MAX)
            if data is not None:
                match cbor.decode(data, size_max=FILE_SIZE_MAX, what=PROFILE_FILE_NAME):
                    case [1, int(of_ms), str(profile)] if of_ms == made_ms:
                        return profile_name(profile)
        return ""


def _parse(data: bytes) -> Change:
    try:
        match cbor.decode(data, size_max=FILE_SIZE_MAX, what=FILE_NAME):
            case [1, str(backend), str(name), before, wish, list(at), bool(keeps), str(by), int(made_ms), *more] if len(more) <= 1:
                return Change(
                    backend, interface_name(name), _settings(before), _settings(wish), tuple(str(each) for each in at), keeps, by, made_ms,
                    profile_name(*more) if more else "",
                )  # fmt: skip
    except NetworkError as error:
        raise FormatError("network_change_invalid") from error
    raise FormatError("network_change_invalid")


def _row(settings: Settings) -> list[Any]:
    return [settings.method, list(settings.addresses), settings.gateway, list(settings.dns)]


def _settings(row: object) -> Settings:
    names = ("method", "addresses", "gateway", "dns")
    raw: Mapping[str, Any] = dict(zip(names, row, strict=False)) if isinstance(row, list) and len(row) == len(names) else {}
    return settings_of(raw)
