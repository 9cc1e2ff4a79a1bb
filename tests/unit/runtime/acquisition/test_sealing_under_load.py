"""Sealing that is behind gets its share of an event loop that others keep busy; otherwise it takes one short step a turn."""

from __future__ import annotations

import asyncio

from drivers.reading import Scan, Tag, TagGroup
from ledger_client.body import BatchBuilder
from runtime.acquisition.batch import OpenBatch
from tests.rigs.batches import schema_of

GROUPS = 40


def batch() -> OpenBatch:
    schema = schema_of(*[1] * GROUPS)
    made = OpenBatch(1, BatchBuilder(bytes(32), 0, 1, schema), schema)
    for uid in schema.groups:
        group = TagGroup(uid, f"device{uid}", "fast", 1000, (Tag(uid, f"t{uid}", f"device{uid}", "int", "", None),))
        made.add(Scan(group, [uid], 1_700_000_000_000))
    return made


async def turns_of(others_ms: int, *, is_behind: bool = True) -> int:
    """Return how many turns of the loop sealing took when others kept each for `others_ms`, and every look at the clock 1 ms."""
    now_ms, turns, done = 0, 0, False

    def mono_ms() -> int:
        nonlocal now_ms
        now_ms += 1
        return now_ms

    async def busy() -> None:
        nonlocal now_ms, turns
        while not done:
            now_ms += others_ms
            turns += 1
            await asyncio.sleep(0)

    async with asyncio.TaskGroup() as group:
        group.create_task(busy())
        sealed = await batch().seal(0, mono_ms, lambda: is_behind)
        done = True
    assert sealed.detail[2] == GROUPS
    return turns


def test_the_busier_the_loop_the_more_sealing_does_in_a_turn() -> None:
    idle, busy = asyncio.run(turns_of(0)), asyncio.run(turns_of(20))
    assert idle >= GROUPS / 2  # about a step each turn
    assert busy <= idle / 5


def test_nobody_waits_for_more_than_a_step_of_sealing_that_has_time() -> None:
    assert asyncio.run(turns_of(20, is_behind=False)) >= GROUPS / 2
