"""Turning read-only on does not wait for the act under way: no later write begins, and every order of on and off ends as documented."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import pytest

from runtime.commands.read_only import ReadOnly
from runtime.door import ASK_S_MAX
from runtime.faces.feed import Session
from tests.rigs.commands import Scene, play, story
from tests.rigs.field import after
from tests.rigs.people import People
from tests.simulation.loop import VirtualLoop

CONFIRM, SWITCH = "command.confirm", "gateway.read_only"


def switch(it: Scene, device: str, on: bool, **more: Any) -> Coroutine[Any, Any, dict[str, Any]]:
    return it.now.act(SWITCH, device, params={"on": on}, **more)


def on(it: Scene) -> list[str]:
    return [each["device"] for each in it.now.health()["writes"]["read_only"]]


async def during_a_write(it: Scene, then: Callable[[asyncio.TaskGroup], Awaitable[None]]) -> dict[str, Any]:
    """Confirm a command; while the device takes its time over it, do something else. What that started has ended at the end."""
    seen, writing, go_on = await it.prepare(), asyncio.Event(), asyncio.Event()

    async def takes_long() -> None:
        it.b.before_write = None
        writing.set()
        await go_on.wait()

    it.b.before_write = takes_long
    async with asyncio.TaskGroup() as group:
        first = group.create_task(it.confirm(seen))
        await writing.wait()
        await then(group)
        go_on.set()
    return first.result()


@pytest.mark.parametrize(("device", "code"), [("", "read_only_all"), ("b", "read_only_device")])
def test_on_is_on_while_a_write_is_under_way_and_nothing_that_waits_is_written(device: str, code: str) -> None:
    async def scene(it: Scene) -> None:
        other = await it.prepare(15)
        asked: list[asyncio.Task[dict[str, Any]]] = []

        async def then(tasks: asyncio.TaskGroup) -> None:
            asked.append(tasks.create_task(it.confirm(other)))
            await after(it.clock, 0.01)
            asked.append(tasks.create_task(switch(it, device, True)))
            await after(it.clock, 0.01)
            assert on(it) == [device], "at once, while the device is still at it"
            assert not asked[1].done()

        assert (await during_a_write(it, then))["code"] == "done", "what is under way ends"
        waited, turned = [await each for each in asked]
        assert (waited["code"], turned["code"]) == (code, "done")
        assert it.b.written == [("slow0", 20)]

    assert story(play(scene)) == [CONFIRM, "-> done", SWITCH, "-> done", CONFIRM, f"-> {code}"], "recorded before all that waits"


def test_a_device_that_is_just_being_looked_at_is_not_written_to_any_more() -> None:
    async def scene(it: Scene) -> None:
        seen, reading, go_on = await it.prepare(), asyncio.Event(), asyncio.Event()
        read = it.b.read

        async def takes_long(group: Any, deadline_s: float) -> Any:
            if group.uid < 0:
                reading.set()
                await go_on.wait()
            return await read(group, deadline_s)

        it.b.read = takes_long  # type: ignore[method-assign]
        async with asyncio.TaskGroup() as tasks:
            confirmed = tasks.create_task(it.confirm(seen))
            await reading.wait()
            turned = tasks.create_task(switch(it, "b", True))
            await after(it.clock, 0.01)
            go_on.set()
        assert confirmed.result()["code"] == "read_only_device"
        assert turned.result()["code"] == "done"
        assert it.b.written == []

    assert story(play(scene)) == [CONFIRM, "-> read_only_device", SWITCH, "-> done"]


def test_off_that_was_asked_for_before_on_does_not_undo_it() -> None:
    async def scene(it: Scene) -> None:
        assert (await switch(it, "b", True))["code"] == "done"
        async with asyncio.TaskGroup() as tasks:
            asked = [tasks.create_task(switch(it, "b", turn)) for turn in (False, True)]
        off, again = [each.result() for each in asked]
        assert (off["code"], again["code"]) == ("read_only_turned_since", "done")
        assert on(it) == ["b"]
        assert (await switch(it, "b", False))["code"] == "done"
        assert on(it) == []

    assert story(play(scene)) == [SWITCH, "-> done", SWITCH, "-> done", SWITCH, "-> read_only_turned_since", SWITCH, "-> done"]


def test_on_while_off_is_being_written_stays_on(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scene(it: Scene) -> None:
        assert (await switch(it, "", True))["code"] == "done"
        save, loop, tasks = ReadOnly.save, asyncio.get_running_loop(), asyncio.TaskGroup()
        asked: list[asyncio.Task[dict[str, Any]]] = []
        assert isinstance(loop, VirtualLoop)

        def saves(self: ReadOnly, scopes: Any) -> None:
            save(self, scopes)
            if not scopes and not asked:
                asked.append(tasks.create_task(switch(it, "", True)))
                loop.block(0.1)

        monkeypatch.setattr(ReadOnly, "save", saves)
        async with tasks:
            assert (await switch(it, "", False))["code"] == "read_only_turned_since"
        assert asked[0].result()["code"] == "done"
        assert on(it) == [""]

    async def later(it: Scene) -> None:
        assert on(it) == [""]

    play(later, disk=play(scene).restart())


def test_whoever_hangs_up_has_turned_it_on_all_the_same_and_it_is_recorded() -> None:
    async def scene(it: Scene) -> None:
        async def then(tasks: asyncio.TaskGroup) -> None:
            turned = tasks.create_task(switch(it, "b", True))
            await after(it.clock, 0.01)
            turned.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await turned

        await during_a_write(it, then)
        assert (await switch(it, "a", True))["code"] == "done"
        assert on(it) == ["a", "b"]

    assert story(play(scene)) == [CONFIRM, "-> done", SWITCH, "-> done", SWITCH, "-> done"]


def test_a_full_queue_does_not_keep_it_out() -> None:
    async def scene(it: Scene) -> None:
        waiting: list[asyncio.Task[dict[str, Any]]] = []

        async def then(tasks: asyncio.TaskGroup) -> None:
            waiting.extend(tasks.create_task(switch(it, "b", False)) for _ in range(20))
            await after(it.clock, 0.01)
            waiting.append(tasks.create_task(switch(it, "a", True)))
            await after(it.clock, 0.01)
            assert on(it) == ["a"]

        await during_a_write(it, then)
        told = [await each for each in waiting]
        assert [each.get("refused") for each in told[:20]].count("acts_busy") == 4
        assert told[20]["code"] == "done"

    assert story(play(scene))[2:4] == [SWITCH, "-> done"]


def test_on_that_is_recorded_later_than_anybody_waits_is_not_said_to_be_off(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scene(it: Scene) -> None:
        save, loop, act_id = ReadOnly.save, asyncio.get_running_loop(), b"s" * 16
        waits = [ASK_S_MAX + 60]
        assert isinstance(loop, VirtualLoop)

        def slow(self: ReadOnly, scopes: Any) -> None:
            save(self, scopes)
            loop.block(waits.pop() if waits else 0)

        monkeypatch.setattr(ReadOnly, "save", slow)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(switch(it, "a", True))
            await asyncio.sleep(0)
            turned = tasks.create_task(switch(it, "b", True, act_id=act_id))
            await after(it.clock, ASK_S_MAX - 1)
            assert (on(it), turned.done()) == (["a", "b"], False)
            await after(it.clock, 2)
            assert (turned.result().get("code"), turned.result().get("params")) == ("unknown", {"timeout_s": ASK_S_MAX})
        assert (await switch(it, "b", True, act_id=act_id))["code"] == "done", "what became of it"
        assert on(it) == ["a", "b"]

    assert story(play(scene)) == [SWITCH, "-> unknown", SWITCH, "-> done"]


def test_the_same_request_again_turns_nothing_on_again() -> None:
    async def scene(it: Scene) -> None:
        act_id = b"s" * 16
        assert (await switch(it, "b", True, act_id=act_id))["code"] == "done"
        assert (await switch(it, "b", False))["code"] == "done"
        assert (await switch(it, "b", True, act_id=act_id))["code"] == "done", "the old answer"
        assert on(it) == []

    assert story(play(scene)) == [SWITCH, "-> done"] * 2


def test_who_is_shut_out_before_it_could_be_recorded_has_not_turned_it_on() -> None:
    async def scene(it: Scene) -> None:
        people = People(it.now, it.disk)
        token = await people.add(await people.claim(), "tina", "technician")
        asked: list[asyncio.Task[dict[str, Any]]] = []

        async def then(tasks: asyncio.TaskGroup) -> None:
            asked.append(tasks.create_task(it.now.act(SWITCH, "b", session=Session("web", 0), params={"on": True}, token=token)))
            await after(it.clock, 0.01)
            assert on(it) == ["b"]
            await people.ask("account.logout", token=token)

        await during_a_write(it, then)
        assert (await asked[0])["refused"] == "session_gone"
        assert on(it) == []

    assert SWITCH not in story(play(scene))
