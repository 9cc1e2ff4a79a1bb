"""The rig of the sim line against production: what the fast recording says is what a real core writes into its ledger, faults included."""

from __future__ import annotations

import asyncio
from random import Random
from typing import Any

import pytest

from boards.sim.faults import KINDS
from boards.sim.template import gateway_config
from ledger_client.body import read_body
from ledger_client.entry import parse
from ledger_client.kinds import Kind
from ledger_client.reader import LedgerReader
from ledger_client.schema import SchemaState
from tests.rigs.gateway import ALONE
from tests.simulation.disk import ShimDisk
from tests.simulation.gateway import Gateway, new_disk, reader_of
from tests.simulation.line_samples import PORTS, Batch, recording
from tests.simulation.loop import VirtualClock, run
from tests.simulation.sim_line import Line

EDGE_MS = 10_000
"""Cut off at both ends: the core starts its pollers some milliseconds later, and ends in the middle of a batch."""


async def play(line: Line, plan: list[tuple[float, str, str]]) -> None:
    """Switch faults on and off as time goes on: (seconds, device, fault)."""
    async with asyncio.TaskGroup() as group:
        for at_s, device, fault in plan:
            group.create_task(_one(line, at_s, device, fault))


async def _one(line: Line, at_s: float, device: str, fault: str) -> None:
    await asyncio.sleep(at_s)
    line.switch(device, fault, on=True)
    await asyncio.sleep(8)
    line.switch(device, fault, on=False)


def ledger_of(disk: ShimDisk) -> tuple[list[tuple[Any, ...]], set[tuple[int, str]]]:
    """Return every reading of the ledger as (read time, tag, value, status, source time), and (group, cause) of its gaps."""
    reader: LedgerReader = reader_of(disk)
    found, gaps, schema = [], set(), SchemaState()
    for seq, raw in enumerate(reader.entries(0, reader.size())):
        payload = parse(raw).payload
        if payload.kind == Kind.SCHEMA:
            schema = schema.apply(reader.body(seq) or b"", full=bool(payload.detail[3]))
        elif payload.kind == Kind.GAP:
            gaps |= {(row[0], row[3]) for row in payload.detail}
        elif payload.kind == Kind.BATCH:
            body = read_body(reader.body(seq) or b"", payload.detail, schema)
            found += [(r.time_ms, r.descriptor.name, r.value, r.status, r.source_ms) for r in body.readings()]
    return found, gaps


def recorded(batches: list[Batch], names: dict[int, str]) -> tuple[list[tuple[Any, ...]], set[tuple[int, str]]]:
    """Return the same of a recording."""
    readings = [(r.read_ms, names[r.uid], r.value, r.status, r.source_ms) for batch in batches for r in batch.readings]
    return readings, {(row[0], row[3]) for batch in batches for row in batch.gaps if row[0] is not None}


def test_the_recording_is_what_the_ledger_holds(seed: int, count) -> None:
    seconds = count(60, 60, 600)
    dice = Random(seed)
    kinds = [(device, fault) for fault, kind in KINDS.items() for device in kind.devices]
    plan = [(dice.uniform(5, seconds - 15), *each) for each in dice.sample(kinds, 4)]

    async def fast(clock: VirtualClock) -> tuple[Any, Any]:
        async with recording(clock, seed) as made, asyncio.TaskGroup() as group:
            names = {uid: f"{tag.device}/{tag.name}" for uid, (tag, _) in made.tags.items()}
            group.create_task(play(made.line, plan))
            return recorded(await made.batches(seconds), names)

    async def whole(clock: VirtualClock) -> tuple[Any, Any]:
        disk = new_disk(gateway_config(PORTS) + "\n" + ALONE)
        line = Line(clock, seed)
        gateway = Gateway(clock, disk, seed=seed, plant=line)  # type: ignore[arg-type]
        async with gateway.running(), asyncio.TaskGroup() as group:
            group.create_task(play(line, plan))
            await asyncio.sleep(seconds + 5)
        return ledger_of(disk)

    ours, our_gaps = run(fast, seed=seed)
    theirs, their_gaps = run(whole, seed=seed)
    first, last = ours[0][0] + EDGE_MS, ours[-1][0] - EDGE_MS
    a, b = ({row for row in rows if first <= row[0] <= last} for rows in (ours, theirs))
    assert len(a) > seconds * 8, f"seed {seed}: {len(a)}"
    print(f"seed {seed}: {plan}: {len(a)} and {len(b)} readings, {sorted(a - b, key=str)[:3]} {sorted(b - a, key=str)[:3]}")
    assert a == b, f"seed {seed} {plan}: only here {sorted(a - b, key=str)[:5]}, only in the ledger {sorted(b - a, key=str)[:5]}"
    assert our_gaps <= their_gaps, f"seed {seed} {plan}"


@pytest.mark.parametrize("device", ["filler", "meter", "capper"])
def test_every_tag_is_read_good(device: str, seed: int) -> None:
    async def program(clock: VirtualClock) -> tuple[Any, Any]:
        async with recording(clock, seed) as made:
            names = {uid: tag.name for uid, (tag, _) in made.tags.items() if tag.device == device}
            return await made.batches(65), names

    batches, names = run(program, seed=seed)
    good = {r.uid for batch in batches for r in batch.readings if r.status == 0}
    assert set(names) <= good, [name for uid, name in names.items() if uid not in good]
    assert not [batch.gaps for batch in batches if batch.gaps]
