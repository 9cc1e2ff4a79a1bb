"""Evidence over a ledger that fails in ways that no disk explains: what was in flight is said to be missing."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

import pytest

from drivers.reading import Scan
from ledger_client.columns import TEXT_SIZE_MAX
from ledger_client.errors import StoreError
from ledger_client.kinds import Kind
from ledger_client.schema import SchemaState
from runtime.acquisition.evidence import FAILED, LOOK_S, RESUME_S_MAX, STEPS_KEPT_MAX, UNUSABLE, Evidence
from runtime.acquisition.grid import WAKE_MS
from runtime.acquisition.live import Live
from runtime.points import schema_of
from runtime.supervisor import Supervisor
from tests.rigs.field import after, device_toml, points_of
from tests.simulation.loop import VirtualClock, VirtualLoop, run


@dataclass(frozen=True)
class Stored:
    seq: int
    size: int = 100


class Faulty:
    """Keeps what is appended; the second batch meets a fault of ours."""

    def __init__(self) -> None:
        self.kept: list[tuple[int, tuple[Any, ...]]] = []
        self.batches = 0

    async def append(self, kind: int, detail: tuple[Any, ...], body: bytes = b"", *, reserve: bool = False) -> Stored:
        await asyncio.sleep(0)
        self.batches += kind == Kind.BATCH
        if kind == Kind.BATCH and self.batches == 2:
            raise ZeroDivisionError
        self.kept.append((kind, detail))
        return Stored(len(self.kept))

    async def append_schema(self, new: SchemaState) -> Stored | None:
        return None


def test_a_fault_of_ours_while_a_batch_is_written_makes_it_a_gap() -> None:
    async def program(clock: VirtualClock) -> tuple[Faulty, int]:
        ledger, points = Faulty(), points_of(device_toml("d", {"a": (100, 3)}))
        group = points["d"].groups[0]
        evidence = Evidence(ledger, Live(), clock, schema_of(points.values()), seal_every_s=1, memory_max_bytes=1 << 20)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(Supervisor().keep("evidence", evidence.run))
            for n in range(100):
                evidence.add(Scan(group, [n, n, n], clock.wall_ms()))
                await after(clock, 0.1)
            evidence.close()
        return ledger, evidence.open_readings

    ledger, open_readings = run(program, seed=1)
    recorded = sum(detail[2] + detail[3] for kind, detail in ledger.kept if kind == Kind.BATCH)
    missing = sum(row[4] for kind, detail in ledger.kept if kind == Kind.GAP for row in detail if row[3] == FAILED)
    assert open_readings == 0
    assert missing >= 9
    assert recorded + 3 * missing == 300


def test_clock_steps_that_pile_up_are_merged_and_none_is_left_unsaid() -> None:
    async def program(clock: VirtualClock) -> tuple[Faulty, int]:
        ledger, points = Faulty(), points_of(device_toml("d", {"a": (100, 3)}))
        evidence = Evidence(ledger, Live(), clock, schema_of(points.values()), seal_every_s=1, memory_max_bytes=1 << 20)
        stepped_ms = 0
        for n in range(3 * STEPS_KEPT_MAX):
            clock.step(1_000 + n)
            stepped_ms += 1_000 + n
            evidence._look_at_clock()
        evidence.add(Scan(points["d"].groups[0], [1, 2, 3], clock.wall_ms()))
        assert len(evidence._waiting) <= STEPS_KEPT_MAX
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(Supervisor().keep("evidence", evidence.run))
            await after(clock, 2)
            evidence.close()
        return ledger, stepped_ms

    ledger, stepped_ms = run(program, seed=1)
    steps = [detail for kind, detail in ledger.kept if kind == Kind.CLOCK]
    assert sum(after_ms - before_ms for before_ms, after_ms, _, _ in steps) == stepped_ms


def test_a_clock_that_is_set_and_set_back_between_two_batches_is_seen() -> None:
    async def program(clock: VirtualClock) -> Faulty:
        ledger, points = Faulty(), points_of(device_toml("d", {"a": (100, 3)}))
        evidence = Evidence(ledger, Live(), clock, schema_of(points.values()), seal_every_s=60, memory_max_bytes=1 << 20)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(Supervisor().keep("evidence", evidence.run))
            await after(clock, 10)
            clock.step(300)
            await after(clock, LOOK_S + 0.01)
            clock.step(-300)
            await after(clock, LOOK_S + 0.01)
            assert evidence.steps == 2
            evidence.close()
        return ledger

    steps = [detail for kind, detail in run(program, seed=1).kept if kind == Kind.CLOCK]
    assert [after_ms - before_ms for before_ms, after_ms, _, _ in steps] == [300, -300]


class Looked(VirtualClock):
    """Notes when its wall time is asked for."""

    def __init__(self, loop: VirtualLoop) -> None:
        super().__init__(loop)
        self.looks_ms: list[int] = []

    def wall_ms(self) -> int:
        self.looks_ms.append(self.mono_ms())
        return super().wall_ms()


def test_the_clock_is_looked_at_when_groups_are_due_together() -> None:
    async def program(_: VirtualClock) -> list[int]:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        clock = Looked(loop)
        await after(clock, 0.123)
        evidence = Evidence(Faulty(), Live(), clock, schema_of([]), seal_every_s=60, memory_max_bytes=1 << 20)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(Supervisor().keep("evidence", evidence.run))
            await after(clock, 0.01)
            clock.looks_ms.clear()
            await after(clock, 10)
            looks = sorted(set(clock.looks_ms))
            evidence.close()
        return looks

    looks = run(program, seed=1)
    assert len(looks) == 10 / LOOK_S
    assert {at % WAKE_MS for at in looks} == {0}


class Failing(VirtualClock):
    """Its wall time cannot be had while it `fails`."""

    fails = False

    def wall_ms(self) -> int:
        if self.fails:
            raise ZeroDivisionError
        return super().wall_ms()


def test_one_look_at_the_clock_that_fails_is_not_the_last() -> None:
    async def program(_: VirtualClock) -> int:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        failures: list[object] = []
        loop.set_exception_handler(lambda _, context: failures.append(context["exception"]))
        clock = Failing(loop)
        evidence = Evidence(Faulty(), Live(), clock, schema_of([]), seal_every_s=60, memory_max_bytes=1 << 20)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(Supervisor().keep("evidence", evidence.run))
            await after(clock, 1)
            clock.fails = True
            await after(clock, LOOK_S)
            clock.fails = False
            assert len(failures) == 1
            clock.step(300)
            await after(clock, LOOK_S + 0.01)
            steps = evidence.steps
            evidence.close()
        return steps

    assert run(program, seed=1) == 1


class Full(Faulty):
    """A disk without space; `tries` are the times at which somebody asked."""

    def __init__(self, clock: VirtualClock) -> None:
        super().__init__()
        self.clock, self.has_space, self.tries = clock, False, []

    async def append(self, kind: int, detail: tuple[Any, ...], body: bytes = b"", *, reserve: bool = False) -> Stored:
        if not self.has_space:
            self.tries.append(self.clock.mono_ms())
            raise StoreError("disk_full", needed=1, free=0)
        self.kept.append((kind, detail))
        return Stored(len(self.kept))


def test_evidence_goes_on_within_seconds_of_space_however_long_the_disk_was_full() -> None:
    async def program(clock: VirtualClock) -> tuple[int, int]:
        ledger, points = Full(clock), points_of(device_toml("d", {"a": (100, 3)}))
        group = points["d"].groups[0]
        evidence = Evidence(ledger, Live(), clock, schema_of(points.values()), seal_every_s=1, memory_max_bytes=1 << 20)

        async def scan() -> None:
            while not evidence._closing.is_set():
                evidence.add(Scan(group, [1, 2, 3], clock.wall_ms()))
                await after(clock, 1)

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(Supervisor().keep("evidence", evidence.run))
            tasks.create_task(scan())
            await after(clock, 3_600)
            assert evidence.state == "stopped"
            tries = len(ledger.tries)
            ledger.has_space = True
            since = clock.mono_ms()
            while evidence.state == "stopped":
                await after(clock, 0.5)
            resumed_ms = clock.mono_ms() - since
            evidence.close()
        return tries, resumed_ms

    tries, resumed_ms = run(program, seed=1)
    assert resumed_ms <= 16_000
    assert tries <= 3_600 / RESUME_S_MAX + 10, "no storm"


@pytest.mark.parametrize("value", [1 << 70, -(1 << 70), "x" * (TEXT_SIZE_MAX + 1), "\ud800", b"bytes", [1], {"a": 1}])
def test_a_value_that_no_body_can_hold_costs_its_scan_and_nothing_else(value: object) -> None:
    async def program(clock: VirtualClock) -> tuple[Faulty, list[str | None], int]:
        ledger, points = Faulty(), points_of(device_toml("d", {"a": (100, 3)}))
        ledger.batches = 2  # its own fault is not wanted here
        group = points["d"].groups[0]
        evidence = Evidence(ledger, Live(), clock, schema_of(points.values()), seal_every_s=1, memory_max_bytes=1 << 20)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(Supervisor().keep("evidence", evidence.run))
            told = [
                evidence.add(Scan(group, [1.0, value if n == 1 else 2.0, 3.0], clock.wall_ms() + n))[1]  # type: ignore[list-item]
                for n in range(3)
            ]
            await after(clock, 3)
            evidence.close()
        return ledger, told, evidence.open_readings

    ledger, told, open_readings = run(program, seed=1)
    assert (told, open_readings) == ([None, UNUSABLE, None], 0)
    assert [detail[2] + detail[3] for kind, detail in ledger.kept if kind == Kind.BATCH] == [6]
    assert [(row[3], row[4]) for kind, detail in ledger.kept if kind == Kind.GAP for row in detail] == [(UNUSABLE, 1)]
