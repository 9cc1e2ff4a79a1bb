"""What happens to an act whose asker has gone, to a large edit, and to an edit by hand while the signer is away; what an edit says."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from random import Random

import pytest

from drivers.reading import Tag, Value
from ledger_client.errors import SignerError
from ledger_client.kinds import Kind
from ledger_client.signing import SignerCore
from runtime.acts import Act
from runtime.clock import SystemClock
from runtime.config import parse_config
from runtime.config_second import WaitingEdits
from runtime.door_tenants import ConfigEdit
from runtime.faces.feed import RequestRefusedError
from runtime.layout import Layout
from runtime.revisions import Revision
from tests.rigs.actors import LOCAL
from tests.rigs.core import STATE, Plant, payloads, prepare, running, two_devices
from tests.rigs.field import ScriptedDriver, after
from tests.rigs.small_log import key_of
from tests.simulation.disk import Image, ShimDisk
from tests.simulation.loop import VirtualClock, run


def nobody_waits(text: str) -> WaitingEdits:
    """Edits that wait, of a core without people."""
    return WaitingEdits(lambda: Revision(1, 0, text, parse_config(text)), SystemClock(), Random(1), lambda _: False, lambda: False)


class Away(SignerCore):
    """A signer that does not answer."""

    def sign_entry(self, payload_raw: bytes) -> bytes:
        raise SignerError("signer_gone")


def test_an_act_whose_asker_gave_up_before_it_began_does_not_happen() -> None:
    async def program(clock: VirtualClock) -> None:
        disk, plant = ShimDisk(), Plant(clock)
        prepare(disk, two_devices())

        class Slow(ScriptedDriver):
            async def write(self, tag: Tag, value: Value, deadline_s: float) -> None:
                await after(clock, 3)
                self.written.append((tag.name, value))

        plant.drivers["b"] = Slow(clock)
        async with running(disk, clock, plant) as now:
            async with asyncio.TaskGroup() as group:
                first = group.create_task(now.act("device.write", "b/slow0", params={"value": 1}))
                second = group.create_task(now.act("device.write", "b/slow0", params={"value": 2}))
                await after(clock, 1)
                first.cancel()  # it has begun: it is finished and recorded
                second.cancel()
            assert (await now.act("device.write", "b/slow0", params={"value": 3}))["code"] == "done"
            assert [value for _, value in plant.drivers["b"].written] == [1, 3]
        assert [p.detail[1] for p in payloads(disk) if p.kind == Kind.COMMAND] == [0, 1, 0, 1]

    run(program, seed=1)


def test_an_edit_is_judged_off_the_loop() -> None:
    async def program() -> None:
        text = two_devices()
        edit = ConfigEdit(
            lambda: Revision(1, 0, text, parse_config(text)), lambda *_: asyncio.sleep(0, {}), ThreadPoolExecutor(1), nobody_waits(text)
        )
        act = Act(b"x" * 16, "cli", LOCAL, "config.edit", "", {"text": text}, 1, "")
        async with asyncio.TaskGroup() as group:
            judged = group.create_task(edit.check(act))
            await asyncio.sleep(0)
            assert not judged.done(), "the loop had a turn while the text was judged"
        nothing = Act(b"y" * 16, "cli", LOCAL, "config.edit", "", {"gateway.name": None}, 1, "")
        with pytest.raises(RequestRefusedError, match="config_invalid"):
            await edit.check(nothing)

    asyncio.run(program())


def test_an_edit_does_not_wait_for_names_that_nobody_resolves() -> None:
    async def program() -> None:
        loop, resolved = asyncio.get_running_loop(), threading.Event()
        loop.set_default_executor(ThreadPoolExecutor(1))
        stuck = loop.run_in_executor(None, resolved.wait)
        text = two_devices()
        edit = ConfigEdit(
            lambda: Revision(1, 0, text, parse_config(text)), lambda *_: asyncio.sleep(0, {}), ThreadPoolExecutor(1), nobody_waits(text)
        )
        try:
            async with asyncio.timeout(20):
                await edit.check(Act(b"x" * 16, "cli", LOCAL, "config.edit", "", {"text": text}, 1, ""))
        finally:
            resolved.set()
            await stuck

    asyncio.run(program())


def test_a_damaged_journal_is_set_aside_and_what_it_told_is_found_in_the_ledger() -> None:
    async def program(clock: VirtualClock) -> ShimDisk:
        disk, plant = ShimDisk(), Plant(clock)
        prepare(disk, two_devices())
        cut: dict[str, Image] = {}

        class Cut(ScriptedDriver):
            async def write(self, tag: Tag, value: Value, deadline_s: float) -> None:
                if value == 6:
                    cut.update(image=disk.image())

        plant.drivers["b"] = Cut(clock)
        async with running(disk, clock, plant) as now:
            first = await now.act("device.write", "b/slow0", params={"value": 5}, act_id=b"done long before")
            await now.act("device.write", "b/slow0", params={"value": 6}, act_id=b"cut off in write")
        path = Layout(STATE).private / "acts.cbor"
        damaged = cut["image"][path]
        assert damaged is not None
        disk = ShimDisk.from_image(cut["image"] | {path: damaged[:-3]})
        async with running(disk, clock, first_act=100) as now:
            await after(clock, 1)
            assert now.health()["acts_unknown"] == [b"cut off in write".hex()]
            assert await now.act("device.write", "b/slow0", params={"value": 5}, act_id=b"done long before") == first | {"params": {}}
            assert now.plant.drivers["b"].written == []
            assert (await now.act("device.write", "b/slow0", params={"value": 7}))["code"] == "done"
        assert disk.image()[path.with_name("acts.cbor.damaged")] == damaged[:-3]
        return disk

    disk = run(program, seed=1)
    acts = [p.detail for p in payloads(disk) if p.kind == Kind.COMMAND and p.detail[0] == b"cut off in write"]
    assert [(detail[1], detail[2]) for detail in acts] == [(0, "device.write"), (1, "unknown")]


def test_whoever_asks_is_answered_also_when_acts_stand_still() -> None:
    async def program(clock: VirtualClock) -> None:
        disk, plant = ShimDisk(), Plant(clock)
        prepare(disk, two_devices())

        class Stuck(ScriptedDriver):
            async def write(self, tag: Tag, value: Value, deadline_s: float) -> None:
                self.written.append((tag.name, value))
                await after(clock, 50)

        plant.drivers["b"] = Stuck(clock)
        async with running(disk, clock, plant) as now, asyncio.TaskGroup() as group:
            asked = [group.create_task(now.act("device.write", "b/slow0", params={"value": n})) for n in range(5)]
            await after(clock, 125)
            assert all(each.done() for each in asked)
            answers = [each.result() for each in asked]
            assert [each.get("code", each.get("refused")) for each in answers] == ["done", "done", "unknown", "acts_busy", "acts_busy"]
            await after(clock, 300)
            assert [value for _, value in plant.drivers["b"].written] == [0, 1, 2], "what was refused does not happen later"

    run(program, seed=1)


def test_a_fault_of_a_driver_while_it_writes_is_not_taken_for_an_unknown_device() -> None:
    async def program(clock: VirtualClock) -> ShimDisk:
        disk, plant = ShimDisk(), Plant(clock)
        prepare(disk, two_devices())

        class Broken(ScriptedDriver):
            async def write(self, tag: Tag, value: Value, deadline_s: float) -> None:
                self.written.append((tag.name, value))
                raise KeyError(tag.name)

        plant.drivers["b"] = Broken(clock)
        async with running(disk, clock, plant) as now:
            assert (await now.act("device.write", "b/slow0", params={"value": 1}))["refused"] == "act_failed"
            await after(clock, 2)
        return disk

    disk = run(program, seed=1)
    assert [p.detail[2] for p in payloads(disk) if p.kind == Kind.COMMAND] == ["device.write", "unknown"]


def test_a_hand_edit_that_could_not_be_recorded_is_one_at_the_next_start_too() -> None:
    async def program(clock: VirtualClock) -> ShimDisk:
        disk = ShimDisk()
        prepare(disk, two_devices())
        async with running(disk, clock) as now:
            await after(clock, 2)
        disk.restart()
        disk.unlink(Layout(STATE).config)
        prepare(disk, two_devices(period_ms=500))
        plant = Plant(clock)
        async with running(disk, clock, plant, signer=Away(key_of(1), disk, STATE)) as now:
            await after(clock, 2)
            assert now.health()["gateway"]["revision"] == 2
        disk.restart()
        async with running(disk, clock) as now:
            await after(clock, 2)
            assert now.health()["gateway"]["revision"] == 2
        return disk

    disk = run(program, seed=1)
    assert [p.detail[0] for p in payloads(disk) if p.kind == Kind.CONFIG] == [1, 2]


def test_a_hand_edit_on_a_full_disk_does_not_keep_the_gateway_from_reading() -> None:
    async def program(clock: VirtualClock) -> ShimDisk:
        disk = ShimDisk()
        prepare(disk, two_devices())
        async with running(disk, clock) as now:
            await after(clock, 2)
        disk.restart()
        disk.unlink(Layout(STATE).config)
        prepare(disk, two_devices(period_ms=500))
        disk.faults.capacity_bytes = sum(len(data) for data in disk.image().values() if data is not None)
        async with running(disk, clock) as now:
            await after(clock, 2)
            assert [device["state"] for device in now.health()["devices"]] == ["ok", "ok"]
        disk.faults.capacity_bytes = None
        disk.restart()
        async with running(disk, clock) as now:
            await after(clock, 2)
            assert now.health()["gateway"]["revision"] == 2
        return disk

    disk = run(program, seed=1)
    assert [p.detail[0] for p in payloads(disk) if p.kind == Kind.CONFIG] == [1, 2]


def test_an_edit_says_that_it_waits_for_a_restart_only_where_it_does() -> None:
    async def program(clock: VirtualClock) -> list[int]:
        disk, plant, found = ShimDisk(), Plant(clock), []
        prepare(disk, two_devices() + "\n[web]\nopen_view = false\nport = 8480\n")
        async with running(disk, clock, plant) as now:
            for revision, change in enumerate(({"web.open_view": True}, {"web.port": 8481}), start=1):
                done = await now.act("config.edit", expected_revision=revision, params=change)
                found.append(done["params"]["restart_needed"])
        return found

    assert run(program, seed=1) == [0, 1]
