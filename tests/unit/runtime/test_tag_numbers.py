"""New tags on a disk that does not take their numbers: the gateway starts and shows, and no number is recorded before it is kept."""

from __future__ import annotations

import errno
from pathlib import Path

from ledger_client.kinds import Kind
from runtime.layout import Layout
from runtime.tag_ids import FILE_NAME
from tests.rigs.core import STATE, payloads, prepare, running, two_devices, verified
from tests.rigs.field import after
from tests.simulation.disk import ShimDisk
from tests.simulation.loop import VirtualClock, run


class Refusing(ShimDisk):
    """While `refuses`, the file of tag numbers cannot be put in place."""

    refuses = False

    def replace(self, old: Path, new: Path) -> None:
        if self.refuses and new.name == FILE_NAME:
            raise OSError(errno.EROFS, "read-only")
        super().replace(old, new)


def test_new_tags_that_cannot_be_numbered_for_good_are_shown_and_recorded_later() -> None:
    async def program(clock: VirtualClock) -> ShimDisk:
        disk = Refusing()
        prepare(disk, two_devices())
        async with running(disk, clock) as now:
            await after(clock, 3)
        disk.restart()
        disk.unlink(Layout(STATE).config)
        prepare(disk, two_devices(tags=5))
        disk.refuses = True
        async with running(disk, clock) as now:
            await after(clock, 5)
            health = now.health()
            assert [device["state"] for device in health["devices"]] == ["ok", "ok"]
            assert (health["evidence"]["state"], health["evidence"]["cause"]) == ("stopped", "tag_numbers_unsaved")
            schemas = [p for p in payloads(disk) if p.kind == Kind.SCHEMA]
            assert len({p.detail[0] for p in schemas}) == 1, "nothing speaks of the new numbers yet"
            disk.refuses = False
            await after(clock, 120)
            assert now.health()["evidence"]["state"] == "recording"
            before = {value.name: value.uid for value in now.core.live.values()}
        disk.restart()
        async with running(disk, clock) as now:
            await after(clock, 2)
            assert {value.name: value.uid for value in now.core.live.values()} == before
        return disk

    disk = run(program, seed=1)
    missed = {row[3] for p in payloads(disk) if p.kind == Kind.GAP for row in p.detail}
    assert "tag_numbers_unsaved" in missed
    assert verified(disk).verdict != "fails"


def test_an_edit_that_is_recorded_is_put_in_force_also_when_its_numbers_wait() -> None:
    async def program(clock: VirtualClock) -> ShimDisk:
        disk = Refusing()
        prepare(disk, two_devices())
        async with running(disk, clock) as now:
            await after(clock, 3)
            disk.refuses = True
            done = await now.act("config.edit", expected_revision=1, params={"text": two_devices(tags=5)})
            assert (done["code"], done["params"]["revision"]) == ("done", 2)
            await after(clock, 3)
            assert now.health()["gateway"]["revision"] == 2
            assert now.health()["evidence"]["cause"] == "tag_numbers_unsaved"
            disk.refuses = False
            await after(clock, 120)
            assert now.health()["evidence"]["state"] == "recording"
        return disk

    assert verified(run(program, seed=1)).verdict != "fails"
