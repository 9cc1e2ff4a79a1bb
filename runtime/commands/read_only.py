"""The read-only switch: of the whole gateway, and of single devices. What is on stays on over a restart.

Room: hall, commands. `guard` asks it before each write; `gateway.read_only` of the door turns it. A file that cannot be read counts as the
switch being on: whoever turned it may have had a reason. It stops what this gateway writes and nothing else: it is no safety function.

    private/read_only.cbor   cbor [1, [* [device or "" for all, who, wall ms]]]
"""

from __future__ import annotations

import asyncio
from concurrent.futures import Executor
from pathlib import Path
from typing import Any, Final

import structlog

from ledger_client import cbor
from ledger_client.disk import Disk, read_whole, write_atomically
from ledger_client.errors import FormatError
from runtime.acts import Act, Outcome
from runtime.clock import Clock
from runtime.commands.listed import Devices
from runtime.door import refuse_unless_may
from runtime.faces.feed import RequestRefusedError

VERSION: Final = 1
FILE_NAME: Final = "read_only.cbor"
FILE_SIZE_MAX: Final = 1 << 16
ALL: Final = ""
SCOPES_MAX: Final = 256
TURN_OFF: Final = "gateway.read_only.off"
NOT_READABLE: Final = "?"
"""Who turned it, where the file does not say."""
ASKED_MAX: Final = 64
TURNED_SINCE: Final = "read_only_turned_since"
DONE: Final = "done"
Row = tuple[str, int]
"""Who turned it on, and when (wall ms)."""


class ReadOnly:
    """`scopes` is what is read-only: device name, or "" for everything, to (who, wall ms)."""

    def __init__(self, disk: Disk, private: Path) -> None:
        """Call `load` first."""
        self._disk, self._path = disk, private / FILE_NAME
        self.scopes: dict[str, Row] = {}

    def load(self) -> None:
        """Read the file. Never raises; what cannot be read is on."""
        try:
            data = read_whole(self._disk, self._path, FILE_SIZE_MAX)
            self.scopes = {} if data is None else _parse(data)
        except (FormatError, OSError) as error:
            structlog.get_logger("commands").warning("read_only_file_invalid", path=str(self._path), reason=str(error))
            self.scopes = {ALL: (NOT_READABLE, 0)}

    def set_row(self, scope: str, row: Row | None) -> None:
        """Put a scope's row in memory; None turns it off."""
        self.scopes = {name: each for name, each in self.scopes.items() if name != scope} | ({} if row is None else {scope: row})

    def over(self, device: str) -> str | None:
        """Return what makes a device read-only: "" the gateway's switch, its name its own, None nothing."""
        return next((scope for scope in (ALL, device) if scope in self.scopes), None)

    def save(self, scopes: dict[str, Row]) -> None:
        """Make a state durable. Blocking. Raises OSError."""
        write_atomically(self._disk, self._path, cbor.encode([VERSION, [[scope, *row] for scope, row in sorted(scopes.items())]]))

    def plain(self) -> list[dict[str, Any]]:
        """Return what is on, for health."""
        return [{"device": scope, "by": by, "since_ms": since_ms} for scope, (by, since_ms) in sorted(self.scopes.items())]


class TurnReadOnly:
    """`gateway.read_only`: target a device or "" for all of them, param `on`. Who may turn it off again stands in the permission table.

    On takes effect as it is asked for, and is recorded before all that waits; a write that is under way ends. Off waits for its turn, and
    does nothing where somebody has turned it on since it was asked for.
    """

    def __init__(self, switch: ReadOnly, devices: Any, clock: Clock, work: Executor) -> None:
        """`devices()` gives them by name; `work` writes the file."""
        self._switch, self._devices, self._clock, self._work = switch, devices, clock, work
        self._asked: dict[bytes, tuple[Row | None, Row | None]] = {}
        """Act -> the scope's row when it was asked, and the one that it put there at once."""

    def at_once(self, act: Act) -> bool:
        """See AtOnce."""
        turned_on, before = self._judge(act), self._switch.scopes.get(act.target)
        put = self._turn_on(act) if turned_on else None
        while len(self._asked) >= ASKED_MAX:
            del self._asked[next(iter(self._asked))]
        self._asked[act.id] = before, put
        return turned_on

    def take_back(self, act: Act) -> None:
        """See AtOnce."""
        before, put = self._asked.pop(act.id, (None, None))
        if put is not None and self._switch.scopes.get(act.target) is put:
            self._switch.set_row(act.target, before)

    async def check(self, act: Act) -> None:
        """See Tenant."""
        self._judge(act)

    async def perform(self, act: Act) -> Outcome:
        """See Tenant. On: whatever becomes of the file. Off: only once the file says so."""
        turned_on, now = self._judge(act), self._switch.scopes.get(act.target)
        before, _ = self._asked.pop(act.id, (now, None))
        if turned_on:
            if now is None:
                self._turn_on(act)
            return await self._keep(act, turned_on, self._switch.scopes)
        if now is not before:
            return Outcome(TURNED_SINCE)
        kept = await self._keep(act, turned_on, {scope: row for scope, row in self._switch.scopes.items() if scope != act.target})
        if self._switch.scopes.get(act.target) is not before:  # turned on while the file was written; that act waits, and writes it again
            return Outcome(TURNED_SINCE)
        if kept.code == DONE:
            self._switch.set_row(act.target, None)
        return kept

    def _turn_on(self, act: Act) -> Row:
        row = (act.session, self._clock.wall_ms())
        self._switch.set_row(act.target, row)
        return row

    async def _keep(self, act: Act, turned_on: bool, scopes: dict[str, Row]) -> Outcome:
        try:
            await asyncio.get_running_loop().run_in_executor(self._work, self._switch.save, scopes)
        except OSError as error:
            return Outcome("read_only_not_kept", {"on": turned_on, "detail": str(error)})
        return Outcome(DONE, {"on": turned_on, "device": act.target})

    def _judge(self, act: Act) -> bool:
        turned_on = act.params.get("on")
        if set(act.params) != {"on"} or not isinstance(turned_on, bool):
            raise RequestRefusedError("act_shape")
        devices: Devices = self._devices()
        if act.target != ALL and act.target not in devices and act.target not in self._switch.scopes:
            raise RequestRefusedError("device_unknown", device=act.target)
        if turned_on and act.target not in self._switch.scopes and len(self._switch.scopes) >= SCOPES_MAX:
            raise RequestRefusedError("act_shape")
        if not turned_on:
            refuse_unless_may(act.actor, TURN_OFF)
        return turned_on


def _parse(data: bytes) -> dict[str, Row]:
    match cbor.decode(data, size_max=FILE_SIZE_MAX, what=FILE_NAME):
        case [1, list(rows)]:
            scopes = {}
            for row in rows:
                match row:
                    case [str(scope), str(by), int(since_ms)]:
                        scopes[scope] = (by, since_ms)
                    case _:
                        raise FormatError("read_only_file_invalid")
            return scopes
    raise FormatError("read_only_file_invalid")
