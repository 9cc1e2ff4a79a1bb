"""Transitions on their way into the ledger: once each, whoever records them, and an end that comes in the middle."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from typing import Any

from ledger_client.alarm_bodies import AlarmRow, read_alarms
from ledger_client.errors import StoreError
from runtime.alarms.journal import ROWS_PER_ENTRY, Journal
from tests.simulation.loop import VirtualClock, run


@dataclass(frozen=True)
class Entry:
    seq: int


@dataclass
class SlowLedger:
    """A ledger whose flush takes a while; what was asked of it becomes durable also when whoever asked has gone, as with the chain."""

    clock: VirtualClock
    flush_ms: int = 100
    full: bool = False
    bodies: list[bytes] = field(default_factory=list)

    async def append(self, kind: int, detail: tuple[Any, ...], body: bytes = b"", *, reserve: bool = False) -> Entry:
        if self.full:
            raise StoreError("disk_full")
        self.bodies.append(body)
        seq = len(self.bodies)
        await self.clock.sleep_until_mono(self.clock.mono_ms() + self.flush_ms)
        return Entry(seq)

    def names(self) -> list[str]:
        told = [read_alarms(1, body) for body in self.bodies]
        return [row.name for body in told if body is not None for row in body.rows]


def row(number: int) -> AlarmRow:
    return AlarmRow(f"n{number}", "raised", "normal", "unacked", number, 0, "low")


@contextlib.asynccontextmanager
async def journal_on(ledger: SlowLedger) -> AsyncIterator[Journal]:
    """Yield a journal that runs, and end it as a core does that has no time left."""
    journal = Journal(ledger, ledger.clock, lambda: None)
    async with asyncio.TaskGroup() as group:
        running = group.create_task(journal.run())
        yield journal
        running.cancel()


def test_an_end_in_the_middle_of_an_append_records_nothing_twice() -> None:
    async def program(clock: VirtualClock) -> None:
        ledger = SlowLedger(clock)
        async with journal_on(ledger) as journal:
            for number in range(ROWS_PER_ENTRY + 50):
                journal.note(row(number))
            await clock.sleep_until_mono(clock.mono_ms() + 10)
            assert len(ledger.bodies) == 1, "the first is under way"
            await journal.flush(5)
        assert ledger.names() == [f"n{number}" for number in range(ROWS_PER_ENTRY + 50)]
        assert journal.pending == 0
        assert all(told.seq is not None for told in journal.history)

    run(program, seed=1)


def test_a_flush_that_is_given_up_leaves_what_is_not_recorded_pending() -> None:
    async def program(clock: VirtualClock) -> None:
        ledger = SlowLedger(clock, flush_ms=60_000)
        async with journal_on(ledger) as journal:
            journal.note(row(1))
            await clock.sleep_until_mono(clock.mono_ms() + 10)
            await journal.flush(1)
            assert journal.pending == 1
        assert ledger.names() == ["n1"]

    run(program, seed=1)


def test_an_append_of_a_flush_that_is_given_up_is_not_made_again_by_what_runs_on() -> None:
    async def program(clock: VirtualClock) -> None:
        ledger = SlowLedger(clock, full=True)
        async with journal_on(ledger) as journal:
            journal.note(row(1))
            await clock.sleep_until_mono(clock.mono_ms() + 10)  # refused, and it rests
            ledger.full, ledger.flush_ms = False, 60_000
            await journal.flush(1)
            await clock.sleep_until_mono(clock.mono_ms() + 200_000)
        assert ledger.names() == ["n1"]

    run(program, seed=1)


def test_rows_that_are_long_become_more_entries_that_a_verifier_reads() -> None:
    async def program(clock: VirtualClock) -> None:
        ledger = SlowLedger(clock)
        journal = Journal(ledger, clock, lambda: None)
        for number in range(ROWS_PER_ENTRY):
            journal.note(replace(row(number), note="因" * 4_096, by="人" * 4_096))
        await journal.flush(60)
        assert ledger.names() == [f"n{number}" for number in range(ROWS_PER_ENTRY)]
        assert (journal.pending, len(ledger.bodies) > 5) == (0, True)

    run(program, seed=1)


def test_what_was_lost_before_an_append_that_was_cut_off_is_still_to_be_told() -> None:
    async def program(clock: VirtualClock) -> None:
        ledger = SlowLedger(clock, flush_ms=60_000)
        journal = Journal(ledger, clock, lambda: None)
        journal.note_lost(3)
        journal.note(row(1))
        await journal.flush(1)
        assert journal.left() == ((row(1),), 3)
        told = read_alarms(1, ledger.bodies[0])
        assert told is not None
        assert told.lost == 3

    run(program, seed=1)


def test_while_the_ledger_is_full_nothing_is_lost_and_nothing_is_told_twice() -> None:
    async def program(clock: VirtualClock) -> None:
        ledger = SlowLedger(clock, full=True)
        async with journal_on(ledger) as journal:
            journal.note(row(1))
            await clock.sleep_until_mono(clock.mono_ms() + 1_000)
            assert (journal.pending, journal.history[0].cause) == (1, "disk_full")
            ledger.full = False
            journal.note(row(2))
            await journal.flush(5)
            await clock.sleep_until_mono(clock.mono_ms() + 20_000)
        assert ledger.names() == ["n1", "n2"]

    run(program, seed=1)
