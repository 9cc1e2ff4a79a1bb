"""What a change is kept with, and what becomes of it when the network's part of the core or the system fails in the middle."""

from __future__ import annotations

import asyncio
import errno
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ledger_client import cbor
from ledger_client.disk import RealDisk
from ledger_client.errors import FormatError
from runtime.network.change import FILE_NAME, PROFILE_FILE_NAME, Change, ChangeFile
from runtime.network.settings import NetworkError
from tests.unit.runtime.network.test_desk import BEFORE, WISH, Machine, Rig, Slow, Walk


def test_what_was_changed_in_a_profile_is_undone_in_that_one_after_a_power_cut_too(tmp_path: Path) -> None:
    async def run() -> None:
        rig = Rig(tmp_path)
        rig.machine.profile = "11111111-2222-3333-4444-555555555555"
        await rig.desk.apply(WISH, "Ada")
        again = Rig(tmp_path, rig.machine)
        again.machine.profile = "99999999-2222-3333-4444-555555555555"
        async with again.running(), asyncio.timeout(10):
            while len(rig.machine.profiles) < 2:
                await asyncio.sleep(0)
            await again.undone()
        assert rig.machine.profiles == ["11111111-2222-3333-4444-555555555555"] * 2

    asyncio.run(run())


def test_a_file_of_before_there_were_profiles_is_read(tmp_path: Path) -> None:
    static = ["static", ["10.0.0.5/24"], "", []]
    row = [1, "ip", "eth0", static, ["static", ["10.0.1.5/24"], "", []], ["10.0.1.5"], False, "Ada", 7]
    kept = ChangeFile(RealDisk(), tmp_path)
    (tmp_path / FILE_NAME).write_bytes(cbor.encode(row))
    change = kept.load()
    assert change is not None
    assert (change.before, change.profile) == (BEFORE, "")
    kept.save(change)
    assert (tmp_path / FILE_NAME).read_bytes() == cbor.encode(row), "nothing that the release before could not read, without need"
    for more in (["x"], [""] * 2, [7], ["11111111-2222-3333-4444-555555555555"] * 2):
        (tmp_path / FILE_NAME).write_bytes(cbor.encode([*row, *more]))
        with pytest.raises(FormatError):
            kept.load()


def test_a_profile_is_in_a_file_of_its_own_which_a_release_without_profiles_never_opens(tmp_path: Path) -> None:
    """What the release before matches: exactly nine parts, so one more would leave an unconfirmed address in force after a rollback."""
    kept, uuid = ChangeFile(RealDisk(), tmp_path), "11111111-2222-3333-4444-555555555555"
    change = Change("nmcli", "eth0", BEFORE, replace(BEFORE, addresses=("10.0.1.5/24",)), ("10.0.1.5",), False, "Ada", 7, uuid)
    kept.save(change)
    assert len(cbor.decode((tmp_path / FILE_NAME).read_bytes(), size_max=1 << 14, what="row")) == 9
    assert kept.load() == change
    (tmp_path / FILE_NAME).write_bytes(cbor.encode([*cbor.decode((tmp_path / FILE_NAME).read_bytes(), size_max=1 << 14, what="row"), uuid]))
    assert kept.load() == change, "as it was written for a day"
    later = replace(change, made_ms=8, profile="")
    kept.save(later)
    assert kept.load() == later, "the profile of an earlier change is none of this one"
    (tmp_path / PROFILE_FILE_NAME).write_bytes(b"torn")
    assert kept.load() == later
    (tmp_path / PROFILE_FILE_NAME).unlink()
    (tmp_path / PROFILE_FILE_NAME).mkdir()  # it cannot be read at all
    assert kept.load() == later
    kept.clear()
    assert kept.load() is None
    (tmp_path / PROFILE_FILE_NAME).rmdir()
    kept.save(change)
    kept.clear()
    assert list(tmp_path.iterdir()) == []
    assert kept.load() is None


async def asked(rig: Rig) -> NetworkError:
    with pytest.raises(NetworkError) as error:
        await rig.desk.apply(WISH, "Ada")
    return error.value


def test_a_network_part_that_fails_meanwhile_is_an_answer_and_not_the_end_of_whoever_asked(tmp_path: Path) -> None:
    class Broken(Walk):
        breaks = False

        async def sleep_until_mono(self, mono_ms: int) -> None:
            await asyncio.sleep(0)
            if self.breaks:
                raise ValueError("no clock")

    async def run() -> None:
        rig = Rig(tmp_path, machine := Slow())
        rig.desk._clock = rig.clock = clock = Broken()

        async def part() -> None:
            with pytest.raises(ExceptionGroup):
                await rig.desk.run()

        async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
            running = tasks.create_task(part())
            while rig.desk._tasks is None:
                await asyncio.sleep(0)
            asking = tasks.create_task(asked(rig))
            await asyncio.to_thread(machine.begun.wait, 10)
            clock.breaks = True
            error = await asking
            assert (error.code, error.params) == ("net_privileged", {"said": "interrupted"})
            await running
            assert rig.desk.change is not None, "it is there to be undone"
            machine.made.set()
            clock.breaks = False
            clock.advance(600_000)
            async with rig.running():
                await rig.undone()
        assert machine.settings == BEFORE

    asyncio.run(run())


def test_a_try_to_undo_that_the_system_refuses_is_made_again(tmp_path: Path) -> None:
    class Refuses(Machine):
        """The system has no process for it; `fails` times."""

        def run(self, request: dict[str, Any]) -> dict[str, Any]:
            try:
                return super().run(request)
            except NetworkError as error:
                if self.fails < 3:
                    raise OSError(errno.EAGAIN, "no process") from error
                raise

    async def run() -> None:
        rig = Rig(tmp_path, Refuses())
        await rig.desk.apply(WISH, "Ada")
        rig.machine.fails = 4
        async with rig.running():
            await rig.undone()
        assert rig.machine.settings == BEFORE

    asyncio.run(run())
