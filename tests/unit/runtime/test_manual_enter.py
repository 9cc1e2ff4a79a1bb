"""Readings that people enter, through a whole core: told when durable and not before, who is on record, and nothing is lost."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from rich.console import Console

from drivers.manual.driver import ManualDriver
from drivers.memory import MemoryOf
from ledger_client.body import read_body
from ledger_client.kinds import Kind
from ledger_client.reader import LedgerReader
from runtime.acts import read_command
from runtime.cli.status_text import status_text
from runtime.faces.feed import Session
from runtime.points import DevicePoints
from tests.rigs.core import STATE, Plant, config_text, payloads, prepare, running, verified
from tests.rigs.field import after, device_toml
from tests.simulation.disk import ShimDisk
from tests.simulation.loop import VirtualClock, run

LAB = """[devices.lab]
type = "manual"
people = ["Ana", "Bo"]
[[devices.lab.groups]]
name = "rounds"
tags = [
  { name = "brix", min = 0.0, max = 30.0, decimals = 1, every_s = 3600.0 },
  { name = "lot", data = "text", pattern = "LOT-[0-9]{6}" },
]
"""


class Lab(Plant):
    """The station is the real driver; other devices are scripted."""

    def __call__(self, points: DevicePoints, memory: MemoryOf) -> Any:
        if points.config.type == "manual":
            return ManualDriver(points.config.options, self.clock, memory("manual", points.name))  # type: ignore[arg-type]
        return super().__call__(points, memory)


def recorded(disk: ShimDisk, tag: str) -> list[tuple[Any, int, int | None]]:
    """Return (value, status, source time) of a tag's readings in the ledger."""
    reader, found = LedgerReader(disk, STATE, 1), []
    for payload in payloads(disk):
        if payload.kind == Kind.BATCH:
            body = read_body(reader.body(payload.seq) or b"", payload.detail, reader.schema_at(payload.seq))
            found += [(each.value, each.status, each.source_ms) for each in body.readings() if each.descriptor.name == tag]
    return found


@dataclass
class Told:
    """A run: what was acknowledged when, by position of the disk's log."""

    disk: ShimDisk = field(default_factory=ShimDisk)
    first: int = 0
    done: list[tuple[int, float]] = field(default_factory=list)
    answers: list[dict[str, Any]] = field(default_factory=list)


def entering(*entries: tuple[str, dict[str, Any]], seal_every_s: int = 60, restart: bool = False, session: Session | None = None) -> Told:
    """Enter readings one after the other, beside a polled device; sealing by itself would come long after each was told."""
    told = Told()

    async def program(clock: VirtualClock) -> None:
        prepare(told.disk, config_text(LAB, device_toml("a", {"fast": (200, 2)}), seal_every_s=seal_every_s))
        told.first = told.disk.position
        async with running(told.disk, clock, Lab(clock)) as now:
            await after(clock, 1)
            for target, params in entries:
                began = clock.mono_ms()
                more = {"session": session} if session is not None else {}
                answer = await now.act("manual.enter", target, params=params, **more)
                told.answers.append(answer)
                if answer.get("code") == "done":
                    told.done.append((told.disk.position, answer["params"]["value"]))
                    live = next(value for value in now.core.live.values() if value.name == target)
                    assert (live.state, live.seq) == ("recorded", answer["params"]["reading_seq"])
                    assert clock.mono_ms() - began < 1000, "a person does not wait for the batch's own time"
                await after(clock, 0.5)

    run(program, seed=1)
    return told


def test_an_entered_reading_is_durable_when_it_is_done_and_says_who() -> None:
    told = entering(
        ("lab/brix", {"value": "21,5", "by": "Ana"}),
        ("lab/brix", {"value": 21.5, "by": "Bo"}),
        ("lab/lot", {"value": "LOT-000123", "by": "Ana"}),
    )
    assert [answer["code"] for answer in told.answers] == ["done"] * 3
    assert recorded(told.disk, "lab/brix") == [(21.5, 0, None), (21.5, 0, None)], "an equal reading is a reading too"
    assert recorded(told.disk, "lab/lot") == [("LOT-000123", 0, None)]
    reader = LedgerReader(told.disk, STATE, 1)
    acts = [(p.detail[1], read_command(p.detail[1], reader.body(p.seq) or b"")) for p in payloads(told.disk) if p.kind == Kind.COMMAND]
    assert [(said["params"]["by"], said["params"]["value"]) for phase, said in acts if phase == 0] == [
        ("Ana", "21,5"),
        ("Bo", 21.5),
        ("Ana", "LOT-000123"),
    ]
    outcomes = [said["params"]["reading_seq"] for phase, said in acts if phase == 1]
    batches = {p.seq for p in payloads(told.disk) if p.kind == Kind.BATCH}
    assert set(outcomes) <= batches
    assert verified(told.disk).verdict != "fails"


def test_what_may_not_be_entered_is_refused_before_anything_is_recorded() -> None:
    cases = {
        "enter_limits": ("lab/brix", {"value": 30.1, "by": "Ana"}),
        "enter_decimals": ("lab/brix", {"value": 21.55, "by": "Ana"}),
        "enter_type": ("lab/brix", {"value": "wet", "by": "Ana"}),
        "enter_pattern": ("lab/lot", {"value": "LOT-1", "by": "Ana"}),
        "enter_by": ("lab/brix", {"value": 1.0, "by": "Eve"}),
        "enter_time": ("lab/brix", {"value": 1.0, "by": "Ana", "taken_ms": 1}),
        "act_shape": ("lab/brix", {"value": 1.0}),
        "tag_unknown": ("lab/none", {"value": 1.0, "by": "Ana"}),
        "enter_not_supported": ("a/fast0", {"value": 1, "by": "Ana"}),
    }
    told = entering(*cases.values(), ("lab/brix", {"value": 1.0, "by": "Ana", "colour": 1}))
    assert [answer["refused"] for answer in told.answers] == [*cases, "act_shape"]
    assert [p for p in payloads(told.disk) if p.kind == Kind.COMMAND] == []
    assert recorded(told.disk, "lab/brix") == []


def test_a_viewer_enters_nothing() -> None:
    told = entering(("lab/brix", {"value": 1.0, "by": "Ana"}), session=Session("web", 1000))
    assert [answer["refused"] for answer in told.answers] == ["permission_denied"]


def test_a_power_cut_at_any_moment_takes_no_reading_that_was_told_done(seed: int, count: Callable[[int, int, int], int]) -> None:
    told = entering(*(("lab/brix", {"value": n / 10, "by": "Ana"}) for n in range(12)))
    assert len(told.done) == 12
    for crash in told.disk.crash_states(seed=seed, count=count(20, 60, 2000), first=told.first):
        disk = ShimDisk.from_image(crash.image)

        async def restarted(clock: VirtualClock, disk: ShimDisk = disk) -> None:
            clock.reboot()
            clock.step(60_000)
            async with running(disk, clock, Lab(clock), first_act=1000):
                await after(clock, 1)

        run(restarted, seed=1)
        owed = {value for position, value in told.done if position <= crash.position}
        assert owed <= {value for value, status, _ in recorded(disk, "lab/brix") if status == 0}, f"seed {crash.seed}"


def test_while_nothing_can_be_recorded_nobody_is_told_done() -> None:
    answers: list[dict[str, Any]] = []

    async def program(clock: VirtualClock) -> None:
        disk = ShimDisk()
        prepare(disk, config_text(LAB))
        async with running(disk, clock, Lab(clock)) as now:
            await after(clock, 1)
            disk.faults.fail_sync_at = 3  # the intent's flush works, the reading's does not
            answers.append(await now.act("manual.enter", "lab/brix", params={"value": 1.0, "by": "Ana"}))
            await after(clock, 1)
            answers.append(await now.act("manual.enter", "lab/brix", params={"value": 2.0, "by": "Ana"}))
            value = next(value for value in now.core.live.values() if value.name == "lab/brix")
            assert value.state == "unrecorded"

    run(program, seed=1)
    assert [answer.get("code", answer.get("refused")) for answer in answers] == ["enter_not_recorded", "acts_refused_stopped"]


def test_a_late_value_is_recorded_shown_to_nobody_and_followed_by_the_newest() -> None:
    async def program(clock: VirtualClock) -> None:
        disk, shown = ShimDisk(), list[Any]()
        prepare(disk, config_text(LAB))
        async with running(disk, clock, Lab(clock)) as now:
            live = now.core.live
            await after(clock, 60)
            await now.act("manual.enter", "lab/brix", params={"value": 10.0, "by": "Ana"})
            newest_ms = clock.wall_ms()
            live.subscribe(lambda: shown.extend(each.value for each in live.values() if each.name == "lab/brix"))
            for n in range(2):  # within a second
                late = {"value": 29.0 + n, "by": "Ana", "taken_ms": clock.wall_ms() - 60_000}
                answer = await now.act("manual.enter", "lab/brix", params=late)
                assert answer["code"] == "done"
                told = next(each for each in live.values() if each.name == "lab/brix")
                assert (told.seq, told.value) == (answer["params"]["reading_seq"], 10.0)
        assert set(shown) == {10.0}
        found = recorded(disk, "lab/brix")
        assert [each[0] for each in found] == [10.0, 29.0, 10.0, 30.0, 10.0]
        assert abs((found[-1][2] or 0) - newest_ms) < 1_000

    run(program, seed=1)


def test_hours_without_a_reading_are_no_silence_that_an_auditor_has_to_wonder_about() -> None:
    """Nobody polls here: without a word from the gateway, entries that were taken out would look the same."""

    async def program(clock: VirtualClock) -> ShimDisk:
        disk = ShimDisk()
        prepare(disk, config_text(LAB, seal_every_s=60))
        async with running(disk, clock, Lab(clock)) as now:
            await after(clock, 1)
            await now.act("manual.enter", "lab/brix", params={"value": 1.0, "by": "Ana"})
            await after(clock, 3 * 3600)
            await now.act("manual.enter", "lab/brix", params={"value": 2.0, "by": "Ana"})
        return disk

    disk = run(program, seed=1)
    claim = verified(disk).claims["dropped"]
    assert (claim.status, claim.code) == ("holds", "ledger_complete")
    assert [value for value, status, _ in recorded(disk, "lab/brix") if status == 0] == [1.0, 2.0]
    assert len(payloads(disk)) < 3 * 3600 / 150, "and not more often than that takes"


def test_an_overdue_round_is_on_record_as_such() -> None:
    async def program(clock: VirtualClock) -> ShimDisk:
        disk = ShimDisk()
        prepare(disk, config_text(LAB))
        async with running(disk, clock, Lab(clock)) as now:
            await after(clock, 1)
            taken = clock.wall_ms()
            await now.act("manual.enter", "lab/brix", params={"value": 1.0, "by": "Ana"})
            await after(clock, 3590)
            assert now.health()["rounds_overdue"] == []
            await after(clock, 110)
            assert now.health()["rounds_overdue"] == [{"tag": "lab/brix", "due_ms": taken + 3_600_000}]
            said = io.StringIO()
            Console(file=said, width=200).print(
                status_text({**now.health(), "running": True, "recording": True, "reason": None, "params": {}})
            )
            assert "Readings by hand that are overdue (1): lab/brix (" in said.getvalue()
            assert recorded(disk, "lab/brix") == [(1.0, 0, None), (1.0, 0x40900000, taken)]
        return disk

    assert verified(run(program, seed=1)).verdict != "fails"
