"""The core's side of the network: what it is, one change at a time, and the clock that undoes it unless somebody confirms it.

Room: hall, network. `app` makes it, runs it, and gives its acts to the door. The change is on the disk before its first step, so a power
cut or a restart of the core undoes it at the next start. Undoing does not wait for the ledger: what cannot be recorded is done all the
same, and logged.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import Executor
from pathlib import Path
from typing import Any, Final

import structlog

from ledger_client.disk import Disk
from ledger_client.errors import FormatError
from runtime.acts import Act, Outcome
from runtime.clock import Clock
from runtime.config import Config
from runtime.faces.feed import RequestRefusedError
from runtime.network.backend import BACKENDS, NONE, REPLACING, chosen
from runtime.network.change import Change, ChangeFile
from runtime.network.look import look
from runtime.network.picture import Picture
from runtime.network.plan import Plan, plan_of
from runtime.network.privileged_process import TIMEOUT_S, Found, Privileged
from runtime.network.settings import NetworkError, interface_name, settings_from_text
from runtime.permissions import Actor, Role
from runtime.supervisor import is_asked_to_end

UNDO: Final = "net.undo"
RECORD_S: Final = 15.0
"""How long undoing by itself waits for its turn at the door before it is done without."""
RETRY_MS: Final = 30_000
INTERRUPTED: Final = "interrupted"
WAITING, UNDO_FAILED = "waiting", "undo_failed"
OURSELVES: Final = Actor("", frozenset({Role.ADMIN}), "network", fresh=True, kind="local")
"""What is undone by itself is undone for the admin who changed it, which is on record."""


class NetworkDesk:
    """One change at a time; `change` is the one that waits."""

    def __init__(
        self, clock: Clock, disk: Disk, private: Path, config: Callable[[], Config], work: Executor, privileged: Privileged,
        look_now: Callable[[], Picture] = look,
    ) -> None:  # fmt: skip
        """`work` looks and keeps the file. Set `carry_out` to the door's before `run`."""
        self._clock, self._config, self._work, self._privileged, self._look = clock, config, work, privileged, look_now
        self._file, self._turn, self._news = ChangeFile(disk, private), asyncio.Lock(), asyncio.Event()
        self.change: Change | None = None
        self._undo_at_ms = 0
        self._state, self._is_loaded = WAITING, False
        self._lost: FormatError | None = None
        """Why what an earlier run left behind cannot be read: that change stays, and is said until another one is made."""
        self._turn_limit: asyncio.Timeout | None = None
        self._tasks: asyncio.TaskGroup | None = None
        """While `run` runs."""
        self.carry_out: Callable[[Act], Awaitable[Outcome]] | None = None

    @property
    def backend(self) -> str:
        """How changes are made here, `none` where they are not."""
        return chosen(self._config().network.backend)

    def health(self) -> Mapping[str, Any] | None:
        """Return what waits, for every page; None when nothing does."""
        if self.change is None:
            return None
        left_ms = max(0, self._undo_at_ms - self._clock.mono_ms())
        return {
            "interface": self.change.interface, "confirm_at": list(self.change.confirm_at), "keeps_address": self.change.keeps_address,
            "state": self._state, "left_s": -(-left_ms // 1000), "by": self.change.by,
        }  # fmt: skip

    # ------------------------------------------------------------------------------------------------- what faces ask
    async def shown(self) -> dict[str, Any]:
        """Return what the network is, how it can be changed, and what waits."""
        config, backend = self._config(), self.backend
        fault: list[Any] | None = None if self._lost is None else [self._lost.code, self._lost.params]
        picture = None
        try:
            picture = (await self._blocking(self._look)).plain()
        except NetworkError as error:
            fault = [error.code, error.params]
        return {
            "picture": picture, "fault": fault, "backend": backend, "wanted": config.network.backend, "host": config.web.host,
            "can": list(BACKENDS[backend].can) if backend in BACKENDS else [],
            "confirm_within_s": config.network.confirm_within_s, "change": self.change.plain() if self.change is not None else None,
            "pending": self.health(),
        }  # fmt: skip

    async def planned(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """Return what a change would do. Raises RequestRefusedError."""
        try:
            plan, found = await self._plan(params)
        except NetworkError as error:
            raise RequestRefusedError(error.code, **error.params) from error
        return plan.plain() | {"can": list(found.can), "lasting": found.lasting}

    # --------------------------------------------------------------------------------------------------- for the acts
    def require_possible(self, params: Mapping[str, Any]) -> None:
        """Refuse what no look at the machine is needed for. Raises RequestRefusedError."""
        if self.change is not None:
            raise RequestRefusedError("net_pending", name=self.change.interface)
        try:
            interface_name(params.get("interface"))
            settings_from_text(params)
        except NetworkError as error:
            raise RequestRefusedError(error.code, **error.params) from error
        if self.backend == NONE:
            raise RequestRefusedError("net_no_backend")

    def require_pending(self, interface: str) -> None:
        """Refuse what was meant for another change than the one that waits. Raises RequestRefusedError."""
        try:
            self._of(interface)
        except NetworkError as error:
            raise RequestRefusedError(error.code, **error.params) from error

    async def apply(self, params: Mapping[str, Any], by: str) -> Change:
        """Make a change that waits to be confirmed. Raises NetworkError when it is not made, OSError when it cannot be kept.

        NetworkError `net_privileged` too when the network's part of the core fails meanwhile: that ends the change, not whoever asked.
        What has begun is made to its end even when the door no longer waits for it: nobody confirms or undoes half a change.
        """
        if self._tasks is None:
            return await self._apply(params, by)
        made_of = self._made(params, by)
        try:
            making = self._tasks.create_task(made_of)
        except RuntimeError as error:  # the group ends
            made_of.close()
            raise NetworkError("net_privileged", said=INTERRUPTED) from error
        try:
            made = await asyncio.shield(making)
        except asyncio.CancelledError as error:
            if making.cancelled() and not is_asked_to_end():
                raise NetworkError("net_privileged", said=INTERRUPTED) from error  # what was begun is undone when its time is over
            making.add_done_callback(_late)
            raise
        if isinstance(made, Change):
            return made
        raise made

    async def _made(self, params: Mapping[str, Any], by: str) -> Change | NetworkError | OSError:
        try:
            return await self._apply(params, by)
        except (NetworkError, OSError) as error:
            return error

    async def _apply(self, params: Mapping[str, Any], by: str) -> Change:
        async with self._turn:
            await self._load()
            if self.change is not None:
                raise NetworkError("net_pending", name=self.change.interface)
            plan, found = await self._plan(params)
            change = Change(
                self.backend, plan.interface, plan.before, plan.wish, plan.confirm_at, plan.keeps_address, by, self._clock.wall_ms(),
                found.profile,
            )  # fmt: skip
            await self._blocking(lambda: self._file.save(change))
            within_ms = 1000 * self._config().network.confirm_within_s
            self.change, self._state, self._lost = change, WAITING, None
            self._undo_at_ms = self._clock.mono_ms() + within_ms + int(1000 * TIMEOUT_S)  # its time begins when it is made
            self._news.set()
            try:
                await self._privileged.put(change.backend, change.interface, change.wish, change.profile)
            except NetworkError:
                await self._undo()
                raise
            self._undo_at_ms = self._clock.mono_ms() + within_ms
            return change

    async def confirm(self, interface: str, via: str | None) -> Change:
        """Keep the change of this interface. `via`: the address over which whoever confirms reaches this machine; None: they sit at it.

        Whoever sits at it may also let stay what could not be taken back. Raises NetworkError `net_nothing_pending`,
        `net_confirm_elsewhere`, `net_undo_first`, OSError.
        """
        async with self._turn:
            change = self._of(interface)
            if via is not None and self._state != WAITING:
                raise NetworkError("net_undo_first", name=change.interface)
            if via is not None and not change.keeps_address and via not in await self._new_addresses(change):
                raise NetworkError("net_confirm_elsewhere", address=via or "-", at=", ".join(change.confirm_at) or change.interface)
            await self._blocking(self._file.clear)
            self.change = None
            return change

    async def undo(self, interface: str) -> Change:
        """Take the change of this interface back.

        Raises NetworkError `net_nothing_pending`, or why it could not be; then it is tried again by itself.
        """
        async with self._turn:
            change = self._of(interface)
            if self._turn_limit is not None:
                self._turn_limit.reschedule(None)  # its turn has come: from here on the privileged part's own time counts
            await self._undo()
            return change

    def _of(self, interface: str) -> Change:
        """Return the change that waits. Raises NetworkError where none does for this interface."""
        if self.change is None or self.change.interface != interface:
            raise NetworkError("net_nothing_pending")
        return self.change

    # -------------------------------------------------------------------------------------------------------- by itself
    async def run(self) -> None:
        """Undo what an earlier run left behind, then whatever nobody confirms in time; until cancelled."""
        async with self._turn:
            await self._load()
        try:
            async with asyncio.TaskGroup() as self._tasks:
                await self._watch()
        finally:
            self._tasks = None

    async def _watch(self) -> None:
        while True:
            self._news.clear()
            if self.change is None:
                await self._news.wait()
            elif self._clock.mono_ms() >= self._undo_at_ms:
                await self._undo_by_itself()
            else:
                await self._clock.sleep_until_mono(min(self._undo_at_ms, self._clock.mono_ms() + 1_000))

    async def _load(self) -> None:
        """Read what an earlier run left behind, once, before anything else touches the network: its time is over."""
        if self._is_loaded:
            return
        self._is_loaded = True
        try:
            self.change = await self._blocking(self._file.load)
        except (FormatError, OSError) as error:
            structlog.get_logger("network").error("network_change_unreadable", reason=str(error))
            self._lost = FormatError("network_change_invalid")
        self._undo_at_ms = self._clock.mono_ms()

    async def _undo_by_itself(self) -> None:
        """Through the door, so that it is recorded; where the door cannot, without it.

        After a failure it is tried without an entry for each try: the ledger has the first one, and what ends it.
        """
        change = self.change
        if change is None or (self._state == UNDO_FAILED and not await self._can_be_undone(change)):
            return
        if self.carry_out is None:
            await self._undo_unrecorded(change, "no door")
            return
        act = Act(os.urandom(16), "core", OURSELVES, UNDO, change.interface, {}, None, "nobody confirmed it")
        try:
            async with asyncio.timeout(RECORD_S) as self._turn_limit:
                await self.carry_out(act)
        except (TimeoutError, RequestRefusedError) as error:
            await self._undo_unrecorded(change, str(error))
        finally:
            self._turn_limit = None

    async def _can_be_undone(self, change: Change) -> bool:
        """Try to put back what was before, which changes nothing more when it is done once again."""
        async with self._turn:
            if self.change is not change:
                return False
            try:
                await self._privileged.put_back(change.backend, change.interface, change.before, change.profile)
            except (NetworkError, OSError):
                self._undo_at_ms = self._clock.mono_ms() + RETRY_MS
                return False
            return True

    async def _undo_unrecorded(self, change: Change, reason: str) -> None:
        """Undo this one, unless it was confirmed or undone while the door was asked; the next one has a time of its own."""
        async with self._turn:
            if self.change is not change:
                return
            structlog.get_logger("network").warning("network_undo_unrecorded", interface=change.interface, reason=reason)
            try:
                await self._undo()
            except NetworkError as failed:
                structlog.get_logger("network").error("network_undo_failed", interface=change.interface, reason=failed.code)

    async def _undo(self) -> None:
        """Put back what was before. When that fails it stays, and is tried again. Raises NetworkError."""
        change = self.change
        assert change is not None
        try:
            await self._privileged.put_back(change.backend, change.interface, change.before, change.profile)
            await self._blocking(self._file.clear)
        except (NetworkError, OSError, asyncio.CancelledError) as error:
            self._state, self._undo_at_ms = UNDO_FAILED, self._clock.mono_ms() + RETRY_MS
            raise error if not isinstance(error, OSError) else NetworkError("net_file", path="", said=str(error)) from error
        self.change = None

    async def _plan(self, params: Mapping[str, Any]) -> tuple[Plan, Found]:
        name, wish = interface_name(params.get("interface")), settings_from_text(params)
        backend = self.backend
        if backend == NONE:
            raise NetworkError("net_no_backend")
        found = await self._privileged.read(backend, name)
        picture: Picture = await self._blocking(self._look)
        config = self._config()
        plan = plan_of(
            picture, name, found.settings, wish, can=found.can, lasting=found.lasting, replaces_file=backend in REPLACING,
            via=str(params.get("via", "")), page_host=config.web.host,
        )  # fmt: skip
        return plan, found

    async def _new_addresses(self, change: Change) -> tuple[str, ...]:
        """Return where a change may be confirmed: at its own addresses, or at what the interface was given by now."""
        if change.confirm_at:
            return change.confirm_at
        picture: Picture = await self._blocking(self._look)
        interface = picture.of(change.interface)
        return tuple(each.partition("/")[0] for each in interface.addresses) if interface is not None else ()

    async def _blocking(self, call: Callable[[], Any]) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._work, call)


def _late(making: asyncio.Task[Change | NetworkError | OSError]) -> None:
    """Say of a change that the door no longer waited for why it was not made."""
    made = None if making.cancelled() else making.result()
    if isinstance(made, Exception):
        structlog.get_logger("network").error("network_change_failed", reason=getattr(made, "code", type(made).__name__))
