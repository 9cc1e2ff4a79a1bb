"""What drivers learned of their devices, kept between starts: `private/learned/<device>.json`.

Room: hall. `app` loads it at start, gives each driver its device's part and runs it; `learned.forget` of the door empties one. It knows no
protocol: what a driver says is kept as it is, within a size. A file that cannot be read is set aside and said, and the driver learns anew.

    <device>.json = {"version": 1, "type": driver type, "device": name, "facts": what the driver said}
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from concurrent.futures import Executor
from pathlib import Path
from typing import Any, Final

import structlog

from drivers.memory import Facts, Memory
from ledger_client.disk import Disk, read_whole, write_atomically
from runtime.acts import Act, Outcome
from runtime.faces.feed import RequestRefusedError

VERSION: Final = 1
FOLDER: Final = "learned"
SUFFIX: Final = ".json"
DAMAGED: Final = ".damaged"
FILE_SIZE_MAX: Final = 4 << 20
WRITE_EVERY_S: Final = 2.0
"""What is learned within this time is written together."""


class LearnedMaps:
    """The memories of all devices. `load` and `save` block; the rest returns at once."""

    def __init__(self, disk: Disk, private: Path, work: Executor) -> None:
        self._disk, self._folder, self._work = disk, private / FOLDER, work
        self._memories: dict[str, DeviceMemory] = {}
        self._unsaved: set[str] = set()
        self._rejected: dict[str, str] = {}
        """Device -> why its driver makes nothing of its file."""
        self._wake = asyncio.Event()

    def load(self) -> None:
        """Read every file; one that cannot be understood is set aside, one that cannot be read counts as empty. Never raises."""
        log = structlog.get_logger("learned")
        try:
            names = self._disk.names(self._folder)
        except OSError as error:
            log.warning("learned_unreadable", path=str(self._folder), reason=str(error))
            return
        for device in (name.removesuffix(SUFFIX) for name in names if name.endswith(SUFFIX)):
            path = self._folder / (device + SUFFIX)
            try:
                driver_type, facts = parse(read_whole(self._disk, path, FILE_SIZE_MAX) or b"", device)
            except ValueError as error:
                self._rejected[device] = str(error)
            except OSError as error:
                log.warning("learned_unreadable", path=str(path), reason=str(error))
            else:
                self._memories[device] = DeviceMemory(self, device, driver_type, facts)
        try:
            self._set_aside()
        except OSError as error:
            log.warning("learned_not_kept", reason=str(error))

    def memory(self, driver_type: str, device: str) -> Memory:
        """Return a device's memory; one of another driver type knows nothing of this one."""
        known = self._memories.get(device)
        if known is None or known.driver_type != driver_type:
            known = self._memories[device] = DeviceMemory(self, device, driver_type, None)
        return known

    def names(self) -> list[str]:
        """Return the devices of which something is kept."""
        return sorted(name for name, memory in self._memories.items() if memory.recall() is not None)

    def forget(self, device: str) -> bool:
        """Empty a device's memory; its driver begins anew with its next read. False when nothing was kept."""
        memory = self._memories.get(device)
        if memory is None or memory.recall() is None:
            return False
        memory.empty()
        return True

    def changed(self, device: str) -> None:
        """A memory has something to write."""
        self._unsaved.add(device)
        self._wake.set()

    def rejected(self, device: str, reason: str) -> None:
        """A driver makes nothing of a device's file; the next save sets it aside."""
        self._rejected[device] = reason
        self._wake.set()

    async def run(self) -> None:
        """Write what changes, until cancelled. While the disk takes nothing, it is tried again with each turn."""
        loop, log = asyncio.get_running_loop(), structlog.get_logger("learned")
        while True:
            await self._wake.wait()
            self._wake.clear()
            await asyncio.sleep(WRITE_EVERY_S)
            try:
                await loop.run_in_executor(self._work, self.save)
            except OSError as error:
                log.warning("learned_not_kept", reason=str(error))
                await asyncio.sleep(WRITE_EVERY_S * 10)
                self._wake.set()

    def save(self) -> None:
        """Make every change durable. Raises OSError; what was not written is still to be written."""
        self._set_aside()
        if self._unsaved:
            self._disk.mkdir(self._folder)
            self._disk.sync_folder(self._folder.parent)
        for device in sorted(self._unsaved):
            self._unsaved.discard(device)  # first: the loop may add it again while we write
            try:
                self._write(device)
            except OSError:
                self._unsaved.add(device)
                raise

    def _write(self, device: str) -> None:
        memory, path = self._memories[device], self._folder / (device + SUFFIX)
        facts = memory.recall()
        if facts is not None:
            write_atomically(self._disk, path, encode(device, memory.driver_type, facts))
        elif path.name in self._disk.names(self._folder):
            self._disk.unlink(path)
            self._disk.sync_folder(self._folder)

    def _set_aside(self) -> None:
        """Keep files that make no sense under other names. Raises OSError; what is left is tried again with the next save."""
        for device, reason in sorted(self._rejected.items()):
            path = self._folder / (device + SUFFIX)
            if path.name in self._disk.names(self._folder):
                self._disk.replace(path, path.with_name(path.name + DAMAGED))
                self._disk.sync_folder(self._folder)
            del self._rejected[device]
            structlog.get_logger("learned").warning("learned_set_aside", device=device, path=str(path), reason=reason)


class DeviceMemory:
    """See drivers.memory.Memory."""

    def __init__(self, maps: LearnedMaps, device: str, driver_type: str, facts: Facts | None) -> None:
        self._maps, self._device, self.driver_type, self._facts = maps, device, driver_type, facts
        self.forgotten = 0

    def recall(self) -> Facts | None:
        """See Memory."""
        return self._facts

    def keep(self, facts: Facts) -> None:
        """See Memory."""
        if facts != self._facts:
            self._facts = facts
            self._maps.changed(self._device)

    def reject(self, reason: str) -> None:
        """See Memory."""
        self._facts = None
        self._maps.rejected(self._device, reason)

    def empty(self) -> None:
        """Forget, and let the driver know."""
        self.forgotten += 1
        self._facts = None
        self._maps.changed(self._device)


class ForgetLearned:
    """`learned.forget`: the target is a device's name. Its driver finds everything out anew."""

    def __init__(self, maps: LearnedMaps) -> None:
        self._maps = maps

    async def check(self, act: Act) -> None:
        """See runtime.door.Tenant."""
        if act.target not in self._maps.names():
            raise RequestRefusedError("learned_nothing", device=act.target)

    async def perform(self, act: Act) -> Outcome:
        """See runtime.door.Tenant."""
        if not self._maps.forget(act.target):
            return Outcome("learned_nothing", {"device": act.target})
        return Outcome("done", {"device": act.target})


def encode(device: str, driver_type: str, facts: Facts) -> bytes:
    """Return a file's bytes."""
    row = {"version": VERSION, "type": driver_type, "device": device, "facts": facts}
    return json.dumps(row, indent=1, sort_keys=True).encode() + b"\n"


def parse(data: bytes, device: str) -> tuple[str, Mapping[str, Any]]:
    """Return (driver type, facts) of a file. Raises ValueError when it is not one of ours, whole, of this device."""
    try:
        row = json.loads(data)
    except (RecursionError, UnicodeDecodeError) as error:
        raise ValueError("no JSON, or nested too deeply") from error
    match row:
        case {"version": 1, "type": str(driver_type), "device": str(named), "facts": dict(facts)} if named == device:
            return driver_type, facts
    raise ValueError("not a learned map of this device")
