"""The change that waits: one at a time, kept on the disk, undone when its time is over and at the next start, again when that failed."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from ledger_client.disk import RealDisk
from runtime.acts import Act, Outcome
from runtime.config import Config, parse_config
from runtime.faces.feed import RequestRefusedError
from runtime.network.change import FILE_NAME
from runtime.network.desk import NetworkDesk
from runtime.network.picture import Interface, Picture, Route
from runtime.network.privileged_process import Privileged
from runtime.network.settings import NetworkError, Settings, settings_of
from tests.rigs.clock import StillClock

WISH = {"interface": "eth0", "method": "static", "address": "10.0.1.5/24", "gateway": "", "dns": ""}
BEFORE = Settings("static", ("10.0.0.5/24",))


class Machine:
    """One interface that remembers its settings, spoken to by the privileged part's own protocol; it can be told to fail."""

    def __init__(self) -> None:
        self.settings, self.fails, self.asked = BEFORE, 0, [BEFORE]
        self.profile, self.profiles = "", list[object]()

    def run(self, request: dict[str, Any]) -> dict[str, Any]:
        if request["do"] == "read":
            return {"settings": self.settings.plain(), "can": [], "lasting": False, "profile": self.profile}
        if self.fails:
            self.fails -= 1
            raise NetworkError("net_program_failed", program="ip", said="no")
        self.settings = settings_of(request["settings"])
        self.profiles.append(request.get("profile"))
        self.asked.append(self.settings)
        return {}

    def look(self) -> Picture:
        interface = Interface("eth0", "up", "", 1500, self.settings.addresses, (), dynamic=False)
        return Picture((interface,), (Route("default", "10.0.0.1", "eth0"),), ())


class Slow(Machine):
    """Puts what is new only when it may."""

    def __init__(self) -> None:
        super().__init__()
        self.begun, self.made = threading.Event(), threading.Event()

    def run(self, request: dict[str, Any]) -> dict[str, Any]:
        if request["do"] == "put":
            self.begun.set()
            assert self.made.wait(10)
        return super().run(request)


class Walk(StillClock):
    """A clock that sleeping moves, up to `until_ms`."""

    until_ms = 1 << 53

    def state(self) -> int:
        return 1

    async def sleep_until_mono(self, mono_ms: int) -> None:
        self.advance(max(0, min(mono_ms, self.until_ms) - self.mono_ms()))
        await asyncio.sleep(0)


class Rig:
    def __init__(self, folder: Path, machine: Machine | None = None) -> None:
        self.machine, self.clock, self.acts = machine or Machine(), Walk(), list[Act]()
        self.config: Config = parse_config('[gateway]\nname = "g"\n[network]\nbackend = "ip"\n')
        self.work = ThreadPoolExecutor(1)
        privileged = Privileged(self.work, self.machine.run)
        self.desk = NetworkDesk(self.clock, RealDisk(), folder, lambda: self.config, self.work, privileged, self.machine.look)
        self.desk.carry_out = self.carry_out
        self.door_closed = False

    async def carry_out(self, act: Act) -> Outcome:
        if self.door_closed:
            raise RequestRefusedError("acts_refused_stopped")
        self.acts.append(act)
        try:
            await self.desk.undo("eth0")
        except NetworkError as error:
            return Outcome(error.code, error.params)
        return Outcome("done")

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        async with asyncio.TaskGroup() as group:
            task = group.create_task(self.desk.run())
            yield
            task.cancel()

    async def undone(self) -> None:
        async with asyncio.timeout(10):
            while self.desk.change is not None:
                await asyncio.sleep(0)


def test_what_waited_at_a_power_cut_is_undone_at_the_next_start(tmp_path: Path) -> None:
    async def run() -> None:
        rig = Rig(tmp_path)
        await rig.desk.apply(WISH, "Ada")
        with pytest.raises(RequestRefusedError, match="net_pending"):
            rig.desk.require_possible(WISH)
        again = Rig(tmp_path, rig.machine)
        with pytest.raises(NetworkError, match="net_pending"):
            await again.desk.apply(WISH | {"address": "10.0.2.5/24"}, "Ada")
        async with again.running():
            await again.undone()
        assert rig.machine.settings == BEFORE
        assert again.clock.mono_ms() == 0, "at once"
        assert not (tmp_path / FILE_NAME).exists()
        assert [(act.action, act.target) for act in again.acts] == [("net.undo", "eth0")]

    asyncio.run(run())


def test_nobody_confirms_for_120_s_of_the_monotonic_clock(tmp_path: Path) -> None:
    async def run() -> None:
        rig = Rig(tmp_path)
        await rig.desk.apply(WISH, "Ada")
        assert (tmp_path / FILE_NAME).exists()
        async with rig.running():
            await rig.undone()
        assert 120_000 <= rig.clock.mono_ms() <= 121_000
        assert rig.machine.asked == [BEFORE, Settings("static", ("10.0.1.5/24",)), BEFORE]
        assert not (tmp_path / FILE_NAME).exists()

    asyncio.run(run())


def test_the_time_to_confirm_begins_when_the_change_is_made(tmp_path: Path) -> None:
    """Putting it takes longer than there is to confirm it: it must not be undone the moment that it is there."""

    async def run() -> None:
        rig = Rig(tmp_path, machine := Slow())
        rig.clock.until_ms = 130_000
        async with rig.running(), asyncio.timeout(10), asyncio.TaskGroup() as tasks:
            making = tasks.create_task(rig.desk.apply(WISH, "Ada"))
            while rig.clock.mono_ms() < 130_000:
                await asyncio.sleep(0)
            for _ in range(50):  # whoever would undo it has had its turn
                await asyncio.sleep(0)
            machine.made.set()
            await making
            told = rig.desk.health()
            assert told is not None
            assert (told["left_s"], rig.acts) == (120, [])

    asyncio.run(run())


def test_one_that_the_door_no_longer_waits_for_is_made_whole_before_anybody_can_confirm_it(tmp_path: Path) -> None:
    async def run() -> None:
        rig = Rig(tmp_path, machine := Slow())
        rig.clock.until_ms = 1_000
        async with rig.running(), asyncio.timeout(10), asyncio.TaskGroup() as tasks:
            await asyncio.sleep(0)
            making = tasks.create_task(rig.desk.apply(WISH, "Ada"))
            await asyncio.to_thread(machine.begun.wait, 10)
            making.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await making
            confirming = tasks.create_task(rig.desk.confirm("eth0", "10.0.1.5"))
            for _ in range(50):
                await asyncio.sleep(0)
            assert not confirming.done(), "half a change is nobody's to keep"
            machine.made.set()
            await confirming
        assert machine.settings.addresses == ("10.0.1.5/24",)

    asyncio.run(run())


def test_an_undo_that_the_door_no_longer_waits_for_is_tried_again_and_cannot_be_confirmed(tmp_path: Path) -> None:
    class SlowBack(Slow):
        def run(self, request: dict[str, Any]) -> dict[str, Any]:
            return super().run(request | {"do": {"put_back": "put", "put": "put_back"}.get(request["do"], request["do"])})

    async def run() -> None:
        rig = Rig(tmp_path, machine := SlowBack())
        await rig.desk.apply(WISH, "Ada")
        async with asyncio.TaskGroup() as tasks:
            undoing = tasks.create_task(rig.desk.undo("eth0"))
            await asyncio.to_thread(machine.begun.wait, 10)
            undoing.cancel()
        with pytest.raises(NetworkError, match="net_undo_first"):
            await rig.desk.confirm("eth0", "10.0.1.5")
        machine.made.set()
        async with rig.running():
            await rig.undone()
        assert machine.settings == BEFORE

    asyncio.run(run())


def test_who_means_another_interface_keeps_and_undoes_nothing(tmp_path: Path) -> None:
    async def run() -> None:
        rig = Rig(tmp_path)
        await rig.desk.apply(WISH, "Ada")
        for of in (lambda: rig.desk.confirm("eth1", "10.0.1.5"), lambda: rig.desk.undo("eth1")):
            with pytest.raises(NetworkError, match="net_nothing_pending"):
                await of()
        with pytest.raises(RequestRefusedError, match="net_nothing_pending"):
            rig.desk.require_pending("eth1")
        assert rig.desk.change is not None

    asyncio.run(run())


def test_one_that_was_kept_while_the_door_was_asked_takes_no_other_along(tmp_path: Path) -> None:
    async def run() -> None:
        rig = Rig(tmp_path)
        rig.clock.until_ms = 120_000
        asked = asyncio.Event()

        async def too_late(_: Act) -> Outcome:
            await rig.desk.confirm("eth0", "10.0.1.5")
            await rig.desk.apply(WISH | {"address": "10.0.2.5/24"}, "Eve")
            asked.set()
            raise RequestRefusedError("acts_refused_stopped")

        rig.desk.carry_out = too_late
        await rig.desk.apply(WISH, "Ada")
        async with rig.running(), asyncio.timeout(10):
            await asked.wait()
            for _ in range(50):
                await asyncio.sleep(0)
            await asyncio.get_running_loop().run_in_executor(rig.work, lambda: None)  # whatever was begun is over
            assert rig.machine.settings.addresses == ("10.0.2.5/24",)
            assert rig.desk.change is not None
            assert rig.desk.change.by == "Eve"

    asyncio.run(run())


def test_only_the_new_address_confirms(tmp_path: Path) -> None:
    async def run() -> None:
        rig = Rig(tmp_path)
        await rig.desk.apply(WISH, "Ada")
        for via in ("10.0.0.5", "127.0.0.1", "", "10.0.1.55"):
            with pytest.raises(NetworkError, match="net_confirm_elsewhere"):
                await rig.desk.confirm("eth0", via)
        await rig.desk.confirm("eth0", "10.0.1.5")
        assert rig.desk.health() is None
        assert not (tmp_path / FILE_NAME).exists()
        with pytest.raises(NetworkError, match="net_nothing_pending"):
            await rig.desk.confirm("eth0", "10.0.1.5")
        assert rig.machine.settings.addresses == ("10.0.1.5/24",)

    asyncio.run(run())


def test_a_door_that_cannot_record_does_not_keep_it_from_being_undone(tmp_path: Path) -> None:
    async def run() -> None:
        rig = Rig(tmp_path)
        rig.door_closed = True
        await rig.desk.apply(WISH, "Ada")
        async with rig.running():
            await rig.undone()
        assert rig.machine.settings == BEFORE

    asyncio.run(run())


def test_undoing_that_failed_is_tried_again_and_shown(tmp_path: Path) -> None:
    async def run() -> None:
        rig = Rig(tmp_path)
        await rig.desk.apply(WISH, "Ada")
        rig.machine.fails = 2
        with pytest.raises(NetworkError, match="net_program_failed"):
            await rig.desk.undo("eth0")
        told = rig.desk.health()
        assert told is not None
        assert told["state"] == "undo_failed"
        with pytest.raises(NetworkError, match="net_undo_first"):
            await rig.desk.confirm("eth0", "10.0.1.5")
        async with rig.running():
            await rig.undone()
        assert rig.machine.settings == BEFORE

    asyncio.run(run())


def test_what_cannot_be_undone_is_on_record_once_and_whoever_sits_at_the_machine_may_let_it_stay(tmp_path: Path) -> None:
    async def run() -> None:
        rig = Rig(tmp_path)
        await rig.desk.apply(WISH, "Ada")
        rig.machine.fails = 1_000
        rig.clock.until_ms = 600_000
        async with rig.running(), asyncio.timeout(10):
            while rig.machine.fails > 985:
                await asyncio.sleep(0)
            assert len(rig.acts) == 1, "not an entry for each try"
            await rig.desk.confirm("eth0", None)
            assert rig.desk.health() is None
        assert rig.machine.settings.addresses == ("10.0.1.5/24",)
        assert not (tmp_path / FILE_NAME).exists()

    asyncio.run(run())


def test_a_file_that_cannot_be_read_is_said_until_another_change_is_made(tmp_path: Path) -> None:
    async def run() -> None:
        (tmp_path / FILE_NAME).write_bytes(b"torn")
        rig = Rig(tmp_path)
        async with rig.running():
            while (await rig.desk.shown())["fault"] is None:
                await asyncio.sleep(0)
        assert (await rig.desk.shown())["fault"][0] == "network_change_invalid"
        await rig.desk.apply(WISH, "Ada")
        assert (await rig.desk.shown())["fault"] is None

    asyncio.run(run())


def test_one_that_was_not_made_leaves_nothing_behind(tmp_path: Path) -> None:
    async def run() -> None:
        rig = Rig(tmp_path)
        rig.machine.fails = 1
        with pytest.raises(NetworkError, match="net_program_failed"):
            await rig.desk.apply(WISH, "Ada")
        assert rig.desk.change is None
        assert not (tmp_path / FILE_NAME).exists()
        with pytest.raises(NetworkError, match="net_nothing_changes"):
            await rig.desk.apply(WISH | {"address": "10.0.0.5/24"}, "Ada")
        assert rig.machine.settings == BEFORE

    asyncio.run(run())


def test_a_file_that_says_nothing_undoes_nothing_and_keeps_nobody_out(tmp_path: Path) -> None:
    async def run() -> None:
        (tmp_path / FILE_NAME).write_bytes(b"\x81\x01")
        rig = Rig(tmp_path)
        await rig.desk.apply(WISH, "Ada")
        await rig.desk.confirm("eth0", "10.0.1.5")
        assert not (tmp_path / FILE_NAME).exists()

    asyncio.run(run())
