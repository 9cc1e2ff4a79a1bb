"""`max_rate` over a restart, with a damaged file, and with a disk that keeps nothing."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from runtime.commands.moves import FILE_NAME, Moves
from runtime.layout import Layout
from tests.rigs.commands import LIMITS, Scene, play, story
from tests.rigs.core import STATE
from tests.rigs.field import after
from tests.simulation.disk import ShimDisk

RATED = LIMITS.replace("max_step = 30", "max_rate = 50.0")
PATH = Layout(STATE).private / FILE_NAME


def test_a_restart_is_no_way_around_the_rate() -> None:
    async def scene(it: Scene) -> None:
        assert (await it.confirm(await it.prepare(40)))["code"] == "done"

    async def later(it: Scene) -> None:
        it.b.value = 40
        await after(it.clock, 1)
        assert (await it.prepare(61))["refusal"] == {"code": "rate_too_high", "params": {"value": 61, "moved": 30.0, "max": 50.0}}
        assert (await it.confirm(await it.prepare(60)))["code"] == "done"

    async def latest(it: Scene) -> None:
        it.b.value = 60
        await after(it.clock, 1)
        assert (await it.prepare(61))["refusal"]["code"] == "rate_too_high", "what was moved before both starts counts"
        await after(it.clock, 60)
        assert (await it.prepare(100))["refusal"] is None

    disk = play(later, limits=RATED, disk=play(scene, limits=RATED).restart())
    play(latest, limits=RATED, disk=disk.restart())


def test_what_was_moved_longer_ago_is_not_kept() -> None:
    async def scene(it: Scene) -> None:
        assert (await it.confirm(await it.prepare(40)))["code"] == "done"
        await after(it.clock, 61)
        assert (await it.confirm(await it.prepare(45)))["code"] == "done"

    async def later(it: Scene) -> None:
        it.b.value = 45
        await after(it.clock, 1)
        assert (await it.prepare(90))["refusal"] is None
        assert (await it.prepare(91))["refusal"]["params"]["moved"] == 5.0

    play(later, limits=RATED, disk=play(scene, limits=RATED).restart())


@pytest.mark.parametrize("data", [b"\x00rubbish", b"", b"\x82\x01\x81\x82\x61a\x01", b"\x82\x01\x81\x82\x61a\xfb\x7f\xf0" + bytes(6)])
def test_a_damaged_file_makes_everybody_wait_a_minute(data: bytes) -> None:
    async def nothing(it: Scene) -> None:
        pass

    async def scene(it: Scene) -> None:
        refused = (await it.prepare())["refusal"]
        assert (refused["code"], refused["params"]) == ("rate_not_known", {"wait_s": 59})
        await after(it.clock, 60)
        assert (await it.confirm(await it.prepare()))["code"] == "done"

    image = play(nothing, limits=RATED).image()
    play(scene, limits=RATED, disk=ShimDisk.from_image(image | {PATH: data}))


def test_nothing_is_moved_whose_move_cannot_be_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    async def refuses(self: Moves) -> None:
        raise OSError("full")

    async def scene(it: Scene) -> None:
        seen = await it.prepare()
        monkeypatch.setattr(Moves, "keep", refuses)
        assert (await it.confirm(seen))["code"] == "act_failed"
        assert it.b.written == []

    assert story(play(scene, limits=RATED)) == ["command.confirm", "-> act_failed"]


def test_read_only_that_comes_while_the_move_is_kept_stops_it(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scene(it: Scene) -> None:
        seen, keep, tasks = await it.prepare(), Moves.keep, asyncio.TaskGroup()
        turned: list[asyncio.Task[dict[str, Any]]] = []

        async def slowly(self: Moves) -> None:
            turned.append(tasks.create_task(it.now.act("gateway.read_only", "b", params={"on": True})))
            await after(it.clock, 0.01)
            await keep(self)

        monkeypatch.setattr(Moves, "keep", slowly)
        async with tasks:
            assert (await it.confirm(seen))["code"] == "read_only_device"
        assert it.b.written == []
        assert turned[0].result()["code"] == "done"

    play(scene, limits=RATED)
